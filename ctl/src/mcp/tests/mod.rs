//! Tools asked directly, the server as its clients see it, and the door.

mod answers;
mod bounds;
mod hostile;
mod http;
mod live;
mod sql;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{Session, server::Server, tools};
use crate::{
    commands::tests::{incident, said},
    load::tests::Draft,
    sqlite::Stop,
};

/// Every tool that answers from a database, with parameters that it needs.
const ASKED: [(&str, &str); 13] = [
    ("get_check", "{}"),
    ("get_trace_stats", "{}"),
    ("get_trace_stats", r#"{"since": "3s", "pid": 100}"#),
    ("get_causal_chains", "{}"),
    ("get_stacks", "{}"),
    ("run_sql", r#"{"query": "SELECT op, count FROM op_stats"}"#),
    ("graph_lifecycle", "{}"),
    ("graph_frequency", r#"{"window_seconds": 2}"#),
    ("query_fleet", r#"{"action": "overview"}"#),
    ("get_coverage", "{}"),
    ("get_off_cpu", r#"{"group": "preemptor"}"#),
    ("get_timeline", r#"{"from": "-3s", "to": "-2900ms"}"#),
    ("compare_windows", r#"{"from_a": "-10s", "to_a": "-5s", "from_b": "-5s", "to_b": "-0s"}"#),
];

/// A database in a folder of its own.
struct Made {
    folder: TempDir,
    db: PathBuf,
}

impl Made {
    fn of(draft: &Draft) -> Self {
        Self::converted(draft, &[])
    }

    fn converted(draft: &Draft, options: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let bundle = draft.write(&folder, "one.ingero");
        let db = folder.path().join("one.db");
        said(&[&["convert", bundle.to_str().unwrap(), "-o", db.to_str().unwrap()], options].concat());
        Self { folder, db }
    }

    fn incident() -> Self {
        Self::of(&incident())
    }

    fn session(&self) -> Session {
        session(Some(&self.db), &self.folder.path().join("no.sock"))
    }

    fn ask(&self, tool: &str, parameters: &str) -> Result<Value, String> {
        ask(&self.session(), tool, parameters)
    }

    fn server(&self) -> Server {
        Server::new(Arc::new(self.session()))
    }
}

fn session(db: Option<&Path>, socket: &Path) -> Session {
    Session::new(db, socket, Duration::from_secs(10)).unwrap()
}

fn ask(session: &Session, tool: &str, parameters: &str) -> Result<Value, String> {
    let all = tools::all();
    let entry = all.iter().find(|e| e.tool.name == tool).unwrap();
    let parameters: Value = serde_json::from_str(parameters).unwrap();
    let stop = Stop::after(session.time);
    (entry.run)(session, &stop, parameters.as_object().cloned()).map_err(|r| r.text())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
