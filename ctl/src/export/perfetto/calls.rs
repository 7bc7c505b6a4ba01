//! CUDA calls, and which launch a synchronisation waits for.

use std::{collections::BTreeMap, io::Write};

use foldhash::{HashMap, HashMapExt};
use ingero_format::ops::{self, Group};

use super::{Failure, Slice, Trace};
use crate::sqlite::Lossy;

/// Names that calls lead to.
struct Names {
    ops: BTreeMap<u16, (String, String)>,
    kernels: HashMap<i64, String>,
}

/// A row of the table `call` with what it has in common with others.
struct Call {
    key: i64,
    dur_ns: i64,
    task: i64,
    off_cpu_ns: Option<i64>,
    op: u16,
    args: [u64; 2],
    ret: i64,
    kernel: Option<i64>,
    first_use: bool,
}

impl Call {
    const SQL: &str = "SELECT c.key, c.dur_ns, c.task, c.off_cpu_ns, d.op, d.arg0, d.arg1, d.ret, d.kernel, d.first_use \
                       FROM call c JOIN detail d ON d.id = c.detail ORDER BY c.key";

    fn of(r: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: r.get(0)?,
            dur_ns: r.get(1)?,
            task: r.get(2)?,
            off_cpu_ns: r.get(3)?,
            op: r.get(4)?,
            args: [r.get::<_, i64>(5)?.cast_unsigned(), r.get::<_, i64>(6)?.cast_unsigned()],
            ret: r.get(7)?,
            kernel: r.get(8)?,
            first_use: r.get::<_, i64>(9)? >= 2,
        })
    }
}

impl<W: Write> Trace<'_, W> {
    /// Writes all calls.
    pub(super) fn calls(&mut self) -> Result<(), Failure> {
        let from = self.from;
        let mut statement = from.db.prepare("SELECT id, shown FROM kernel")?;
        let kernels = statement.query_map([], |r| Ok((r.get(0)?, r.get::<_, Lossy>(1)?.0)))?;
        let names = Names { ops: from.ops()?, kernels: kernels.collect::<rusqlite::Result<_>>()? };
        // The last launch of each thread: held back until it is known whether the thread then waits for it.
        let mut launched: HashMap<i64, (i64, Slice)> = HashMap::new();
        let mut statement = from.db.prepare(Call::SQL)?;
        let mut rows = statement.query([])?;
        while let Some(r) = rows.next()? {
            let call = Call::of(r)?;
            let mut slice = self.call(&call, &names)?;
            let group = ops::by_number(call.op).map(|op| op.group);
            // A call inside the launch that begins with it has to come after it.
            let inside = |(_, launch): &(i64, Slice)| launch.from_ns == slice.from_ns;
            let due = matches!(group, Some(Group::Launch | Group::Sync))
                || launched.get(&call.task).is_some_and(inside);
            if due && let Some((key, mut launch)) = launched.remove(&call.task) {
                if group == Some(Group::Sync) {
                    launch.event.flow_ids.push(key.cast_unsigned());
                    slice.event.terminating_flow_ids.push(key.cast_unsigned());
                }
                self.slice(launch)?;
            }
            if group == Some(Group::Launch) {
                launched.insert(call.task, (call.key, slice));
            } else {
                self.slice(slice)?;
            }
            self.step();
        }
        let mut left: Vec<_> = launched.into_values().collect();
        left.sort_unstable_by_key(|(key, _)| *key);
        left.into_iter().try_for_each(|(_, launch)| self.slice(launch))?;
        Ok(())
    }

    fn call(&mut self, call: &Call, names: &Names) -> Result<Slice, Failure> {
        let track = self.thread(call.task)?;
        let (name, layer) = names.ops.get(&call.op).map_or(("unknown", "driver"), |(n, l)| (n, l));
        let mut beside = Vec::with_capacity(5);
        if let Some(kernel) = call.kernel.and_then(|id| names.kernels.get(&id)) {
            beside.push(self.packets.text("kernel", kernel));
        }
        for (key, value) in ["arg0", "arg1"].into_iter().zip(call.args).filter(|(_, value)| *value != 0) {
            beside.push(self.packets.handle(key, value));
        }
        let others = [("ret", call.ret), ("off_cpu_ns", call.off_cpu_ns.unwrap_or(0))];
        for (key, value) in others.into_iter().chain([("first_use", call.first_use.into())]) {
            if value != 0 {
                beside.push(self.packets.value(key, value));
            }
        }
        let event = self.event(track, layer, name, beside);
        Ok(Slice { from_ns: self.from.time(call.key), dur_ns: call.dur_ns, event })
    }
}
