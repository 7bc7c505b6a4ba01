//! Compilers that a process started: while one works, its parent waits for code.

use std::collections::{BTreeMap, HashMap};

use ingero_format::ops;

use crate::model::Trace;

const COMPILERS: &[&str] = &[
    "ptxas",
    "cicc",
    "nvcc",
    "nvlink",
    "fatbinary",
    "cudafe++",
    "cc1",
    "cc1plus",
    "cc",
    "gcc",
    "g++",
    "c++",
    "as",
    "ld",
    "lld",
    "ld.lld",
    "collect2",
    "clang",
    "clang++",
    "ninja",
    "hipcc",
    "cuobjdump",
    "nvdisasm",
];
/// Generations of children looked through; a build tool starts a shell, it a driver, it a compiler.
const MAX_DEPTH: usize = 8;

/// True for the name of a compiler.
pub(super) fn is_compiler(comm: &str) -> bool {
    COMPILERS.contains(&comm)
}

/// When compilers worked for each process.
#[derive(Debug, Default)]
pub(super) struct Compilers(HashMap<u32, Vec<(i64, i64, String)>>);

struct Child {
    parent: u32,
    from_ns: i64,
    to_ns: i64,
    compiler: Option<String>,
}

impl Compilers {
    pub fn of(trace: &Trace) -> Self {
        let mut children: BTreeMap<u32, Child> = BTreeMap::new();
        for event in &trace.host_events {
            let pid = trace.pid(event.task);
            match event.op {
                ops::FORK => {
                    let parent = event.arg0 as u32;
                    children.insert(
                        pid,
                        Child { parent, from_ns: event.ts_ns, to_ns: trace.to_ns, compiler: None },
                    );
                }
                ops::EXIT => {
                    if let Some(child) = children.get_mut(&pid) {
                        child.to_ns = event.ts_ns;
                    }
                }
                _ => {}
            }
        }
        for task in &trace.tasks {
            if let Some(child) = children.get_mut(&task.pid)
                && is_compiler(&task.comm)
            {
                child.compiler = Some(task.comm.clone());
            }
        }
        let mut spans: HashMap<u32, Vec<(i64, i64, String)>> = HashMap::new();
        for child in children.values() {
            let Some(name) = &child.compiler else { continue };
            let mut ancestor = child.parent;
            for _ in 0..MAX_DEPTH {
                spans.entry(ancestor).or_default().push((child.from_ns, child.to_ns, name.clone()));
                match children.get(&ancestor) {
                    Some(next) => ancestor = next.parent,
                    None => break,
                }
            }
        }
        Self(spans)
    }

    /// The compiler that worked for a process throughout `[from_ns, to_ns)`, if one did.
    pub fn during(&self, pid: u32, from_ns: i64, to_ns: i64) -> Option<&str> {
        let spans = self.0.get(&pid)?;
        spans.iter().find(|(from, to, _)| *from < to_ns && *to > from_ns).map(|(.., name)| name.as_str())
    }
}
