//! An assistant asks the recorder that runs, over the Model Context Protocol on standard input and output.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step is a failed test")]

use std::{
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use ingero_tests::{Lab, calls, lab::programs, live};
use serde_json::{Value, json};

/// `ingeroctl mcp` without a database.
struct Server {
    process: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
    asked: u64,
}

impl Server {
    fn of(lab: &Lab) -> Self {
        let mut process = Command::new(programs().join("ingeroctl"))
            .arg("--socket")
            .arg(lab.path("run/control.sock"))
            .arg("mcp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut server = Self { process, to, from: BufReader::new(from).lines(), asked: 0 };
        let client = json!({ "name": "test", "version": "0" });
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
        server.ask("initialize", &hello);
        server.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        server
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.to, "{message}").unwrap();
        self.to.flush().unwrap();
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let line = self.from.next().unwrap().unwrap();
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == id {
                assert!(answer.get("error").is_none(), "{answer}");
                return answer["result"].clone();
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }));
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_assistant_freezes_the_recorder_that_runs_and_is_told_what_its_programs_did() {
    if !live() {
        return;
    }
    let lab = Lab::recording();
    let counted = calls::count(&lab, 2, 1_000, 20_000);
    let mut server = Server::of(&lab);
    let taken = server.call("take_snapshot", &json!({ "last": "60s", "reason": "an assistant asks" }));
    let kept = server.call("list_snapshots", &json!({}));
    assert!(kept.to_string().contains("an assistant asks"), "{kept}");
    let answer = server
        .call("run_sql", &json!({ "query": "SELECT count(*) FROM cuda_calls WHERE op = 'cuLaunchKernel'" }));
    let launches = counted.made["cuLaunchKernel"];
    assert!(answer["rows"].to_string().contains(&launches.to_string()), "{launches} of {answer}; {taken}");
    let coverage = server.call("get_coverage", &json!({}));
    assert!(coverage.is_object(), "{coverage}");
}
