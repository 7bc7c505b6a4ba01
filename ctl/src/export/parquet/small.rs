//! The views that are small or ready: read as they are.

use std::collections::{HashMap, HashSet};

use parquet::data_type::ByteArray;
use rusqlite::Connection;

use super::{
    Export, Failure,
    column::{Cell, Kind, Spec},
    names::text as owned,
    view::{By, Definition, View},
};
use crate::sqlite::Lossy;

const fn int(name: &'static str) -> Spec {
    Spec::new(name, Kind::Few)
}

const fn text(name: &'static str) -> Spec {
    Spec::new(name, Kind::Text)
}

/// A view, and where its rows come from and in which order: SQL after `SELECT node, time, columns`.
pub struct Small {
    /// The view.
    pub of: Definition,
    /// The machine's name; `''` where rows are of no machine.
    node: &'static str,
    /// What tells the hour.
    ts_ns: &'static str,
    /// `FROM` and `ORDER BY`.
    rows: &'static str,
}

const TIME: Spec = Spec::new("ts_ns", Kind::Many);

/// All of them.
pub const ALL: [Small; 9] = [
    Small {
        of: Definition {
            name: "samples",
            by: By::Hour,
            columns: &[
                TIME,
                text("name"),
                text("labels"),
                Spec::new("value", Kind::Real),
                int("pid").or_null(),
            ],
        },
        node: "node",
        ts_ns: "ts_ns",
        rows: "samples ORDER BY ts_ns",
    },
    Small {
        of: Definition {
            name: "losses",
            by: By::Hour,
            columns: &[
                TIME,
                int("cpu").or_null(),
                text("source"),
                text("cause"),
                int("count"),
                int("from_ns"),
                int("to_ns"),
            ],
        },
        node: "node",
        ts_ns: "ts_ns",
        rows: "losses ORDER BY ts_ns",
    },
    Small {
        of: Definition {
            name: "annotations",
            by: By::Hour,
            columns: &[
                TIME,
                int("dur_ns"),
                int("pid").or_null(),
                text("labels"),
                int("sender_pid").or_null(),
                int("sender_uid").or_null(),
            ],
        },
        node: "node",
        ts_ns: "ts_ns",
        rows: "annotations ORDER BY ts_ns, rowid",
    },
    Small {
        of: Definition {
            name: "rates",
            by: By::Hour,
            columns: &[
                int("pid"),
                text("op"),
                int("bucket_ts_ns"),
                int("bucket_ns"),
                int("count"),
                int("total_ns"),
            ],
        },
        node: "node",
        ts_ns: "bucket_ts_ns",
        rows: "rates ORDER BY bucket_ts_ns, rowid",
    },
    Small {
        of: Definition {
            name: "stacks",
            by: By::Node,
            columns: &[int("id"), text("kind"), int("depth"), text("frames")],
        },
        node: "(SELECT n.name FROM node n WHERE n.id = stacks.node)",
        ts_ns: "0",
        rows: "stacks ORDER BY id",
    },
    Small {
        of: Definition {
            name: "findings",
            by: By::Node,
            columns: &[
                text("id"),
                int("rank"),
                text("severity"),
                text("cause"),
                int("pid"),
                int("tid"),
                text("comm"),
                int("from_ns"),
                int("to_ns"),
                int("attributed_ns"),
                int("calls_affected"),
                int("calls_total"),
                text("summary"),
                text("evidence"),
                text("counter_evidence"),
                text("coverage"),
                text("advice"),
            ],
        },
        node: "node",
        ts_ns: "0",
        rows: "findings ORDER BY rank, rowid",
    },
    Small {
        of: Definition {
            name: "op_stats",
            by: By::Node,
            columns: &[
                int("pid"),
                text("comm"),
                text("layer"),
                text("op"),
                int("count"),
                int("total_ns"),
                int("min_ns"),
                int("p50_ns"),
                int("p95_ns"),
                int("p99_ns"),
                int("max_ns"),
                int("first_use_count"),
                int("first_use_ns"),
                int("off_cpu_calls"),
                int("off_cpu_ns"),
                int("timed"),
            ],
        },
        node: "node",
        ts_ns: "0",
        rows: "op_stats ORDER BY rowid",
    },
    Small {
        of: Definition {
            name: "processes",
            by: By::Node,
            columns: &[
                int("pid"),
                int("start_ns"),
                int("covered_ns"),
                text("comm"),
                text("exe"),
                text("cgroup"),
                text("libraries"),
                text("container").or_null(),
                text("runtime").or_null(),
                text("pod_uid").or_null(),
                text("qos").or_null(),
                text("unit").or_null(),
            ],
        },
        node: "node",
        ts_ns: "0",
        rows: "processes",
    },
    Small {
        of: Definition { name: "meta", by: By::Nothing, columns: &[text("key"), text("value")] },
        node: "''",
        ts_ns: "0",
        rows: "meta ORDER BY rowid",
    },
];

impl Small {
    /// A column that an earlier version's database lacks has no values.
    fn sql(&self, db: &Connection) -> rusqlite::Result<String> {
        let mut statement = db.prepare("SELECT name FROM pragma_table_info(?)")?;
        let there = statement.query_map([self.of.name], |r| r.get(0))?;
        let there: HashSet<String> = there.collect::<rusqlite::Result<_>>()?;
        let column = |c: &Spec| {
            if there.contains(c.name) { format!("\"{}\"", c.name) } else { "NULL".to_owned() }
        };
        let columns: Vec<String> = self.of.columns.iter().map(column).collect();
        Ok(format!("SELECT {}, {}, {} FROM {}", self.node, self.ts_ns, columns.join(", "), self.rows))
    }
}

/// A value that a [`Cell`] can be made of.
enum Value {
    Int(Option<i64>),
    Real(Option<f64>),
    Text(Option<ByteArray>),
}

impl Value {
    fn read(r: &rusqlite::Row<'_>, at: usize, kind: Kind) -> rusqlite::Result<Self> {
        Ok(match kind {
            Kind::Few | Kind::Many => Self::Int(r.get(at)?),
            Kind::Real => Self::Real(r.get(at)?),
            Kind::Text => Self::Text(r.get::<_, Option<Lossy>>(at)?.map(owned)),
        })
    }

    fn cell(&self) -> Cell<'_> {
        match self {
            Self::Int(value) => Cell::int(*value),
            Self::Real(value) => value.map_or(Cell::Null, Cell::Real),
            Self::Text(value) => Cell::text(value.as_ref()),
        }
    }
}

impl Export<'_> {
    /// Writes one of them.
    pub(super) fn small(&mut self, small: &Small) -> Result<(), Failure> {
        let nodes = &self.names.nodes;
        let numbers: HashMap<&str, usize> = nodes.all().collect();
        let mut view = View::begin(self.folder, &small.of, nodes)?;
        let mut statement = self.from.db.prepare(&small.sql(&self.from.db)?)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let node = r.get::<_, Option<Lossy>>(0)?.unwrap_or_default().0;
            let node = numbers.get(node.as_str()).copied().unwrap_or_default();
            let read = |(at, spec): (usize, &Spec)| Value::read(r, at + 2, spec.kind);
            let values: Vec<Value> =
                small.of.columns.iter().enumerate().map(read).collect::<rusqlite::Result<_>>()?;
            let cells: Vec<Cell<'_>> = values.iter().map(Value::cell).collect();
            view.row(node, r.get(1)?, &cells)?;
            self.step();
        }
        self.end(view)
    }
}
