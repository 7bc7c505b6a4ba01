//! Numbers read at intervals.

/// One quantity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Series {
    /// Process that it concerns; 0 for the host.
    pub pid: u32,
    /// Its name; as a rule its unit ends it.
    pub name: String,
    /// Its labels, a JSON object.
    pub labels: String,
}

/// Something that somebody said of a time: a workload's mark, or what another tool claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotation {
    /// Begin, Unix ns.
    pub ts_ns: i64,
    /// Duration, ns; 0 for a moment.
    pub dur_ns: i64,
    /// Process that it concerns, if any.
    pub pid: Option<u32>,
    /// What is said, a JSON object; as the recorder keeps it, every value in it is a string.
    pub labels: String,
    /// Who said it to the recorder; `None` if it came another way.
    pub sender: Option<Sender>,
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sender {
    /// Process; 0 if it was not seen.
    pub pid: u32,
    /// User id.
    pub uid: u32,
}

/// One value of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When it was read, Unix ns.
    pub ts_ns: i64,
    /// Which quantity, an index of series.
    pub series: u32,
    /// The number, in the unit that ends the series' name; always finite.
    pub value: f64,
}
