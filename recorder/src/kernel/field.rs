//! Files of `/proc` with one `Key: value` a line, as `/proc/PID/status` (proc_pid_status(5)).

/// What stands behind `key:`, without the space around it. `None` if there is no such line.
#[must_use]
pub fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// The number behind `key:`, whatever unit follows it. `None` if there is none.
#[must_use]
pub fn number(text: &str, key: &str) -> Option<u64> {
    field(text, key)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_missing_or_no_number_is_nothing() {
        assert_eq!(number("Vm:\t1 kB\nVmRSS:\t  12 kB\n", "VmRSS"), Some(12));
        assert_eq!(number("VmRSS:\t  -12 kB\n", "VmRSS"), None);
        assert_eq!(number("VmRSS:", "VmRSS"), None);
        assert_eq!(number("", "VmRSS"), None);
        assert_eq!(field("Uid:\t1\t2\nNSpid:\t500\t1\n", "NSpid"), Some("500\t1"));
        assert_eq!(field("CapEffX: 1\n", "CapEff"), None);
    }
}
