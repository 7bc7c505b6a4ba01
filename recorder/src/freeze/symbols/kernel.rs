//! Names of kernel addresses.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
};

/// Address, symbol and offset in it, for each address that lies in or behind a function.
pub(super) fn resolve_all(addresses: &BTreeSet<u64>) -> Vec<(u64, String, u64)> {
    let kallsyms = File::open("/proc/kallsyms").map(BufReader::new);
    kallsyms.map(|file| resolve(addresses, file)).unwrap_or_default()
}

// `ffffffff81000000 T _stext` and, in modules, `ffffffffc0000000 t name	[module]`, in no order. The file is
// megabytes long and the addresses few: it is read once, keeping for each address the nearest function
// at or before it.
fn resolve(addresses: &BTreeSet<u64>, kallsyms: impl BufRead) -> Vec<(u64, String, u64)> {
    let wanted: Vec<u64> = addresses.iter().copied().collect();
    let mut nearest: Vec<Option<(u64, String)>> = vec![None; wanted.len()];
    for line in kallsyms.lines().map_while(Result::ok) {
        let Some((start, name)) = function(&line) else { continue };
        let first = wanted.partition_point(|address| *address < start);
        if let Some(place) = nearest.get_mut(first)
            && place.as_ref().is_none_or(|(known, _)| *known < start)
        {
            *place = Some((start, name.to_owned()));
        }
    }
    // What is nearest to one address is a candidate for the next.
    let mut last: Option<(u64, String)> = None;
    let mut found = Vec::new();
    for (address, candidate) in wanted.into_iter().zip(nearest) {
        last = candidate.into_iter().chain(last).max_by_key(|(start, _)| *start);
        found.extend(last.as_ref().map(|(start, name)| (address, name.clone(), address - start)));
    }
    found
}

fn function(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_whitespace();
    let (address, kind, name) = (words.next()?, words.next()?, words.next()?);
    let start = u64::from_str_radix(address, 16).ok()?;
    (matches!(kind, "t" | "T" | "w" | "W") && start > 0).then_some((start, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_by_the_function_that_begins_before_it() {
        let text = "0000000000001000 T first\n0000000000002000 d data\n0000000000003000 t second\t[module]\n";
        let found = resolve(&BTreeSet::from([0xfff, 0x1000, 0x2fff, 0x3010]), text.as_bytes());
        let expected =
            [(0x1000, "first".into(), 0), (0x2fff, "first".into(), 0x1fff), (0x3010, "second".into(), 0x10)];
        assert_eq!(found, expected);
    }
}
