//! The views with a row for each event. Their names are looked up here, not by SQLite for each row.

use parquet::data_type::ByteArray;

use super::{
    Export, Failure,
    column::{Cell, Kind, Spec},
    view::{By, Definition, View},
};

const fn few(name: &'static str) -> Spec {
    Spec::new(name, Kind::Few)
}

const fn many(name: &'static str) -> Spec {
    Spec::new(name, Kind::Many)
}

const fn text(name: &'static str) -> Spec {
    Spec::new(name, Kind::Text)
}

/// Columns and order of the view `cuda_calls`.
pub const CUDA_CALLS: Definition = Definition {
    name: "cuda_calls",
    by: By::Hour,
    columns: &[
        many("id"),
        many("ts_ns"),
        many("dur_ns"),
        text("layer"),
        text("op"),
        few("pid"),
        few("tid"),
        text("comm"),
        few("cpu").or_null(),
        few("arg0"),
        few("arg1"),
        few("ret"),
        text("kernel").or_null(),
        few("stack_id").or_null(),
        few("off_cpu_ns"),
        few("off_cpu_count"),
        few("first_use"),
        few("open"),
        text("kernel_raw").or_null(),
    ],
};

/// Columns and order of the view `off_cpu`.
pub const OFF_CPU: Definition = Definition {
    name: "off_cpu",
    by: By::Hour,
    columns: &[
        many("id"),
        many("ts_ns"),
        many("dur_ns"),
        few("pid"),
        few("tid"),
        text("comm"),
        few("cpu").or_null(),
        text("state").or_null(),
        many("runqueue_ns").or_null(),
        few("waker_pid").or_null(),
        few("waker_tid").or_null(),
        text("waker_comm").or_null(),
        few("preemptor_pid").or_null(),
        few("preemptor_tid").or_null(),
        text("preemptor_comm").or_null(),
        few("kernel_stack_id").or_null(),
        few("open"),
    ],
};

/// Columns and order of the view `host_events`.
pub const HOST_EVENTS: Definition = Definition {
    name: "host_events",
    by: By::Hour,
    columns: &[
        many("id"),
        many("ts_ns"),
        many("dur_ns"),
        text("source"),
        text("op"),
        few("pid"),
        few("tid"),
        text("comm"),
        few("cpu").or_null(),
        few("arg0"),
        few("arg1"),
    ],
};

const CALLS: &str = "SELECT c.key, c.dur_ns, c.task, nullif(c.cpu, 65535), ifnull(c.off_cpu_ns, 0), ifnull(c.off_cpu_count, 0), \
                     d.op, d.arg0, d.arg1, d.ret, d.kernel, d.stack, d.first_use >= 2, d.flags & 1 \
                     FROM call c CROSS JOIN detail d ON d.id = c.detail ORDER BY c.key";
const WAITS: &str = "SELECT key, dur_ns, task, nullif(cpu, 65535), state, nullif(runqueue_ns, -1), waker, preemptor, stack, \
                     flags FROM interval ORDER BY key";
const HOST: &str = "SELECT key, dur_ns, task, nullif(cpu, 65535), op, arg0, arg1 FROM host ORDER BY key";

impl Export<'_> {
    /// Writes all calls.
    pub(super) fn calls(&mut self) -> Result<(), Failure> {
        let names = self.names;
        let mut view = View::begin(self.folder, &CUDA_CALLS, &names.nodes)?;
        let mut statement = self.from.db.prepare(CALLS)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (Some(task), Some(op)) = (names.tasks.get(&r.get(2)?), names.ops.get(&r.get(6)?)) else {
                continue;
            };
            let kernel = r.get::<_, Option<i64>>(10)?.and_then(|id| names.kernels.get(&id));
            let (key, int) = (r.get(0)?, Cell::Int);
            let ts_ns = self.from.time(key);
            let cells = [
                int(key),
                int(ts_ns),
                int(r.get(1)?),
                Cell::Text(&op.layer),
                Cell::Text(&op.name),
                int(task.pid),
                int(task.tid),
                Cell::Text(&task.comm),
                Cell::int(r.get(3)?),
                int(r.get(7)?),
                int(r.get(8)?),
                int(r.get(9)?),
                Cell::text(kernel.map(|k| &k.shown)),
                Cell::int(r.get(11)?),
                int(r.get(4)?),
                int(r.get(5)?),
                int(r.get(12)?),
                int(r.get(13)?),
                Cell::text(kernel.map(|k| &k.raw)),
            ];
            view.row(task.node, ts_ns, &cells)?;
            self.step();
        }
        self.end(view)
    }

    /// Writes all intervals off the CPU.
    pub(super) fn waits(&mut self) -> Result<(), Failure> {
        let names = self.names;
        let runnable = ByteArray::from("runnable");
        let mut view = View::begin(self.folder, &OFF_CPU, &names.nodes)?;
        let mut statement = self.from.db.prepare(WAITS)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let Some(task) = names.tasks.get(&r.get(2)?) else { continue };
            let Some(state) = names.states.get(&r.get(4)?) else { continue };
            let flags: i64 = r.get(9)?;
            let state = if flags & 2 != 0 { &runnable } else { state };
            let other = |id: Option<i64>| id.and_then(|id| names.tasks.get(&id));
            let (waker, preemptor) = (other(r.get(6)?), other(r.get(7)?));
            let named = |task: Option<&'_ super::names::Task>| task.map(|t| t.pid).filter(|pid| *pid != 0);
            let (key, int) = (r.get(0)?, Cell::Int);
            let ts_ns = self.from.time(key);
            let cells = [
                int(key),
                int(ts_ns),
                int(r.get(1)?),
                int(task.pid),
                int(task.tid),
                Cell::Text(&task.comm),
                Cell::int(r.get(3)?),
                Cell::text(Some(state).filter(|s| s.data() != b"unknown")),
                Cell::int(r.get(5)?),
                Cell::int(named(waker)),
                Cell::int(waker.map(|t| t.tid)),
                Cell::text(waker.map(|t| &t.comm).filter(|c| !c.is_empty())),
                Cell::int(named(preemptor)),
                Cell::int(preemptor.map(|t| t.tid)),
                Cell::text(preemptor.map(|t| &t.comm).filter(|c| !c.is_empty())),
                Cell::int(r.get(8)?),
                int(flags & 1),
            ];
            view.row(task.node, ts_ns, &cells)?;
            self.step();
        }
        self.end(view)
    }

    /// Writes all host events.
    pub(super) fn host(&mut self) -> Result<(), Failure> {
        let names = self.names;
        let mut view = View::begin(self.folder, &HOST_EVENTS, &names.nodes)?;
        let mut statement = self.from.db.prepare(HOST)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let (Some(task), Some(op)) = (names.tasks.get(&r.get(2)?), names.ops.get(&r.get(4)?)) else {
                continue;
            };
            let (key, int) = (r.get(0)?, Cell::Int);
            let ts_ns = self.from.time(key);
            let cells = [
                int(key),
                int(ts_ns),
                int(r.get(1)?),
                Cell::Text(&op.family),
                Cell::Text(&op.name),
                int(task.pid),
                int(task.tid),
                Cell::Text(&task.comm),
                Cell::int(r.get(3)?),
                int(r.get(5)?),
                int(r.get(6)?),
            ];
            view.row(task.node, ts_ns, &cells)?;
            self.step();
        }
        self.end(view)
    }
}
