//! Names of host functions that were registered before anybody looked: by symbol, else by place.

use std::{fs::File, os::unix::fs::FileExt};

use object::{Object, ObjectSegment, ObjectSymbol, ReadCache, SymbolKind};

use crate::{kernel::Mapping, limits};

/// Largest file whose symbols are searched, bytes; libraries of machine learning pass 1 GiB.
const MAX_FILE_BYTES: u64 = 8 << 30;

/// Longest name read, bytes: as on the kernel side.
const MAX_NAME: usize = 511;

/// The text at address `at` of a process. `None` if the address is 0, there is no text, or the process is gone.
#[must_use]
pub fn told(pid: u32, at: u64) -> Option<String> {
    if at == 0 {
        return None;
    }
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    // Page by page: the text may end just before one that is not mapped.
    let mut text = Vec::new();
    while text.len() < MAX_NAME {
        let from = at + text.len() as u64;
        let mut part = [0; 4096];
        let left = (4096 - from % 4096) as usize;
        let Some(part) = part.get_mut(..left) else { break };
        let read = memory.read_at(part, from).unwrap_or(0);
        let ended = part.iter().take(read).position(|b| *b == 0);
        text.extend(part.iter().take(ended.unwrap_or(read)));
        if ended.is_some() || read < left {
            break;
        }
    }
    text.truncate(MAX_NAME);
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// What stands at an address of a process: a function's name, or `file+0xoffset`. `None` if nothing is mapped
/// there, or the process is gone.
#[must_use]
pub fn name(pid: u32, address: u64) -> Option<String> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let (mapping, offset) = holding(&maps, address).filter(|(mapping, _)| mapping.is_of_a_file())?;
    let (file, path) = (mapping.ways(pid).into_iter().find_map(|way| File::open(way).ok()), mapping.path);
    let file_name = path.trim_end_matches(" (deleted)").rsplit('/').next().unwrap_or(path);
    file.and_then(|f| symbol(f, offset)).or_else(|| Some(format!("{file_name}+{offset:#x}")))
}

// What is mapped at an address, and where in it that is.
fn holding(maps: &str, address: u64) -> Option<(Mapping<'_>, u64)> {
    maps.lines().filter_map(Mapping::parse).find_map(|mapping| {
        let offset = mapping.offset_of(address)?;
        Some((mapping, offset))
    })
}

// The function at an offset of a file.
fn symbol(file: File, offset: u64) -> Option<String> {
    if file.metadata().ok()?.len() > MAX_FILE_BYTES || file.read_at(&mut [0], offset).ok()? == 0 {
        return None;
    }
    let cache = ReadCache::new(file);
    let elf = object::File::parse(&cache).ok()?;
    let segment = elf.segments().find(|s| {
        let (start, size) = s.file_range();
        (start..start.saturating_add(size)).contains(&offset)
    })?;
    let address = segment.address() + (offset - segment.file_range().0);
    let symbols = elf.symbols().chain(elf.dynamic_symbols()).take(limits::MAX_SYMBOLS);
    let holds = |s: &object::Symbol<'_, '_, _>| {
        s.kind() == SymbolKind::Text
            && !s.is_undefined()
            && (s.address() == address
                || (s.address()..s.address().saturating_add(s.size())).contains(&address))
    };
    let found = symbols.filter(holds).find_map(|s| s.name().ok().map(str::to_owned));
    found.filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[unsafe(no_mangle)]
    extern "C" fn ingero_test_host_function() {
        std::hint::black_box(1);
    }

    #[test]
    fn a_function_is_named_by_its_symbol_and_anything_else_by_its_place() {
        let me = std::process::id();
        let address = ingero_test_host_function as *const () as u64;
        assert_eq!(name(me, address).as_deref(), Some("ingero_test_host_function"));
        assert_eq!(name(me, 0x10), None);
        assert_eq!(told(me, c"a kernel".as_ptr() as u64).as_deref(), Some("a kernel"));
        assert_eq!((told(me, 0), told(me, 0x10)), (None, None));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|l| l.contains("libc.so") && l.contains("r--p 00000000")).unwrap();
        let start = Mapping::parse(line).unwrap().range.start;
        assert!(name(me, start).unwrap().contains("libc.so.6+0x0"), "{:?}", name(me, start));
    }
}
