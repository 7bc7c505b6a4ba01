//! Stacks of such a database: JSON with short keys.

use std::collections::HashMap;

use rusqlite::{Connection, Result};
use serde::Deserialize;

use super::columns::{Tables, integer, text};
use crate::model::{Frame, NONE, Stack};

/// Keys as the agent writes them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Raw {
    /// Symbol and offset.
    s: String,
    /// File.
    f: String,
    /// Address.
    i: String,
    /// Python: file, function, line.
    pf: String,
    pfn: String,
    pl: u32,
}

/// Stacks that calls refer to, in the order in which they are met.
#[derive(Debug, Default)]
pub(super) struct Stacks {
    known: HashMap<i64, Vec<Raw>>,
    given: HashMap<i64, u32>,
    pub list: Vec<Stack>,
}

impl Stacks {
    pub fn of(db: &Connection, tables: &Tables) -> Result<Self> {
        let mut stacks = Self::default();
        if !tables.has("stack_traces", &["hash", "frames"]) {
            return Ok(stacks);
        }
        let mut statement = db.prepare("SELECT hash, frames FROM stack_traces")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            stacks.known.insert(integer(row, 0), serde_json::from_str(&text(row, 1)).unwrap_or_default());
        }
        Ok(stacks)
    }

    /// Number of the stack with a hash.
    pub fn id(&mut self, hash: i64) -> u32 {
        if let Some(id) = self.given.get(&hash) {
            return *id;
        }
        let Some(frames) = self.known.get(&hash).filter(|frames| !frames.is_empty()) else { return NONE };
        let python = frames.iter().all(|f| !f.pfn.is_empty());
        let kind = if python { "python" } else { "user" };
        let id = self.list.len() as u32;
        self.list.push(Stack { kind: kind.into(), frames: frames.iter().map(frame).collect() });
        self.given.insert(hash, id);
        id
    }
}

fn frame(raw: &Raw) -> Frame {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    if !raw.pfn.is_empty() {
        let line = (raw.pl > 0).then_some(raw.pl);
        return Frame { symbol: known(&raw.pfn), file: known(&raw.pf), line, ..Frame::default() };
    }
    let (symbol, offset) = match raw.s.rsplit_once("+0x") {
        Some((symbol, offset)) => (symbol, u64::from_str_radix(offset, 16).ok()),
        None => (raw.s.as_str(), None),
    };
    let shown = crate::demangle::demangled(symbol);
    Frame { symbol: known(&shown), offset, module: known(&raw.f), address: raw.i.clone(), ..Frame::default() }
}
