//! Names of segment files.

/// Digits of a number in a name: those of the largest `u64`, so names sort as their numbers do.
const DIGITS: usize = 20;
const END: &str = ".seg";

/// The name of segment `number`'s file: the number in 20 decimal digits, then `.seg`.
#[must_use]
pub fn file_name(number: u64) -> String {
    format!("{number:0DIGITS$}{END}")
}

/// The number of a segment by its file's name; `None` of every name that [`file_name`] does not make.
#[must_use]
pub fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(END)?;
    let ours = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_number_that_it_was_made_of_and_names_sort_as_numbers() {
        let numbers = [0, 9, 10, 1_234_567, u64::MAX];
        let names = numbers.map(file_name);
        assert_eq!(names[3], "00000000000001234567.seg");
        assert!(names.is_sorted());
        assert_eq!(names.map(|name| number_of(&name)), numbers.map(Some));
    }

    #[test]
    fn a_name_that_the_recorder_does_not_write_is_no_segment() {
        for name in [
            "+5.seg",
            "+0000000000000000005.seg",
            "5.seg",
            "000000000000000000005.seg",
            "18446744073709551616.seg",
            "00000000000000000005.seg.new",
            "00000000000000000005",
            "next.seg",
            ".seg",
            "",
        ] {
            assert_eq!(number_of(name), None, "{name}");
        }
    }
}
