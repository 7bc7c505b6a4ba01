//! What tools say, beside what the commands say.

use serde_json::{Value, json};

use super::{ASKED, Made, tools};
use crate::{
    commands::tests::{incident, said},
    ingero,
    load::tests::said as annotation,
    mcp::{answer::UNTRUSTED, short},
};

#[test]
fn the_tools_of_the_ingero_agent_have_their_names_and_parameters_and_ours_are_beside_them() {
    let expected = [
        ("get_check", vec![]),
        ("get_trace_stats", vec!["pid", "since", "tsc"]),
        ("get_causal_chains", vec!["pid", "pids", "since", "top_n", "tsc"]),
        ("get_stacks", vec!["limit", "op", "pid", "since", "source", "tsc"]),
        ("run_sql", vec!["limit", "query", "tsc"]),
        ("graph_lifecycle", vec!["pid", "since", "tsc"]),
        ("graph_frequency", vec!["pid", "since", "tsc", "window_seconds"]),
        ("query_fleet", vec!["action", "limit", "pid", "query", "since", "sql", "tsc"]),
        ("take_snapshot", vec!["after", "last", "reason"]),
        ("list_snapshots", vec![]),
        ("get_coverage", vec!["pid", "since", "source", "tsc"]),
        ("get_off_cpu", vec!["group", "pid", "since", "tid", "tsc"]),
        ("get_timeline", vec!["from", "limit", "pid", "tid", "to", "tsc"]),
        ("compare_windows", vec!["from_a", "from_b", "pid", "to_a", "to_b", "tsc"]),
    ];
    let parameters = |tool: &rmcp::model::Tool| -> Vec<String> {
        let properties = tool.input_schema.get("properties").and_then(Value::as_object);
        let mut names: Vec<String> = properties.map(|p| p.keys().cloned().collect()).unwrap_or_default();
        names.sort();
        names
    };
    let tools = tools::all();
    let found: Vec<(&str, Vec<String>)> =
        tools.iter().map(|e| (e.tool.name.as_ref(), parameters(&e.tool))).collect();
    assert_eq!(found.len(), expected.len());
    for ((name, parameters), (expected_name, expected)) in found.iter().zip(expected) {
        assert_eq!(*name, expected_name);
        assert_eq!(*parameters, expected, "{name}");
    }
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/MCP.md");
    let document = std::fs::read_to_string(document).unwrap();
    for (name, parameters) in &found {
        let row = document.lines().find(|l| l.starts_with(&format!("| `{name}` |"))).unwrap();
        assert!(parameters.iter().all(|p| row.contains(p.as_str())), "docs/MCP.md: {row}");
    }
    for entry in &tools {
        let output = entry.tool.output_schema.as_ref().unwrap();
        assert_eq!(output["type"], "object", "{}", entry.tool.name);
        assert_eq!(entry.tool.input_schema["additionalProperties"], false, "{}", entry.tool.name);
    }
}

#[test]
fn every_answer_says_its_window_population_and_coverage_and_whose_text_it_holds() {
    let made = Made::incident();
    for (tool, parameters) in ASKED {
        let answer = made.ask(tool, parameters).unwrap_or_else(|e| panic!("{tool}: {e}"));
        assert_eq!(answer["population"], "all recorded calls", "{tool}");
        assert_eq!(answer["coverage"]["complete"], true, "{tool}");
        assert_eq!(answer["coverage"]["off_cpu"], 40, "{tool}");
        assert_eq!(answer["window"]["dur_ns"], 10_000_000_000i64, "{tool}");
        assert!(answer["looked_at"]["to_ns"].is_i64() && answer["truncated"] == false, "{tool}");
        assert_eq!(answer["untrusted"], UNTRUSTED, "{tool}");
        assert!(tool == "get_check" || tool == "run_sql" || answer.to_string().contains("_ns\":"), "{tool}");
    }
}

#[test]
fn statistics_and_findings_are_those_of_the_commands() {
    let made = Made::incident();
    let db = made.db.to_str().unwrap();
    let stats: Value = serde_json::from_str(&said(&["stats", db, "--json"])).unwrap();
    let explained: Value = serde_json::from_str(&said(&["explain", db, "--json"])).unwrap();
    let told = made.ask("get_trace_stats", "{}").unwrap();
    assert_eq!(told["threads"], stats["threads"]);
    assert_eq!(told["coverage"], stats["coverage"]);
    for (told, row) in told["ops"].as_array().unwrap().iter().zip(stats["ops"].as_array().unwrap()) {
        for (key, value) in row.as_object().unwrap() {
            assert_eq!(&told[key], value, "{key}");
        }
    }
    assert_eq!(told["ops"].as_array().unwrap().len(), stats["ops"].as_array().unwrap().len());
    let chains = made.ask("get_causal_chains", "{}").unwrap();
    let (told, findings) = (&chains["findings"], &explained["findings"]);
    assert_eq!(told, findings);
    assert_eq!(findings[0]["cause"], "cpu_contention");
    let counted = made.ask("get_trace_stats", r#"{"since": "9999ms"}"#).unwrap();
    let (row, all) = (&counted["ops"][0], &stats["ops"][0]);
    for key in ["comm", "op", "layer", "off_cpu_calls", "off_cpu_ns", "max_ns", "p50_ns", "p99_ns"] {
        assert_eq!(row[key], all[key], "counted again, {key}");
    }
}

#[test]
fn since_counts_back_from_the_end_of_the_window() {
    let made = Made::incident();
    let whole = made.ask("get_trace_stats", "{}").unwrap();
    let end = whole["window"]["to_ns"].as_i64().unwrap();
    let last = made.ask("get_trace_stats", r#"{"since": "2s"}"#).unwrap();
    assert_eq!(
        last["looked_at"],
        json!({"from_ns": end - 2_000_000_000, "to_ns": end, "dur_ns": 2_000_000_000})
    );
    let sql = format!("SELECT count(*) FROM cuda_calls WHERE ts_ns >= {}", end - 2_000_000_000);
    let rows = made.ask("run_sql", &json!({"query": sql}).to_string()).unwrap();
    assert_eq!(rows["rows"][0][0], last["totals"]["calls"]);
    // Longer than the window is the window; 0 and nothing too.
    for since in ["1h", "0", ""] {
        let all = made.ask("get_trace_stats", &json!({"since": since}).to_string()).unwrap();
        assert_eq!((&all["totals"], &all["looked_at"]), (&whole["totals"], &whole["window"]));
    }
    let refused = made.ask("get_trace_stats", r#"{"since": "yesterday"}"#).unwrap_err();
    assert!(refused.contains("counts back from the window's end"), "{refused}");
}

#[test]
fn groups_of_off_cpu_time_and_their_remainder_sum_to_the_total() {
    let made = Made::incident();
    for group in ["stack", "waker", "preemptor", "state"] {
        let answer = made.ask("get_off_cpu", &json!({"group": group}).to_string()).unwrap();
        let groups = answer["groups"].as_array().unwrap();
        for key in ["total_ns", "count", "runqueue_ns"] {
            let sum: i64 = groups.iter().map(|g| g[key].as_i64().unwrap()).sum();
            assert_eq!(
                sum + answer["remainder"][key].as_i64().unwrap(),
                answer["total"][key],
                "{group} {key}"
            );
        }
        assert_eq!(answer["total"]["total_ns"], 196_000_000);
    }
    let who = made.ask("get_off_cpu", r#"{"group": "preemptor"}"#).unwrap();
    assert_eq!(who["groups"][0]["key"], "stress/500");
    assert_eq!(made.ask("get_off_cpu", r#"{"pid": 77}"#).unwrap()["total"]["count"], 0);
    let refused = made.ask("get_off_cpu", r#"{"group": "cpu"}"#).unwrap_err();
    assert!(refused.contains("stack, waker, preemptor or state"), "{refused}");
}

#[test]
fn a_timeline_is_in_order_has_what_reaches_into_it_and_says_where_to_go_on() {
    let made = Made::incident();
    let first = made.ask("get_timeline", r#"{"from": "-3s", "to": "-2s", "limit": 50}"#).unwrap();
    let events = first["events"].as_array().unwrap();
    let times: Vec<i64> = events.iter().map(|e| e["ts_ns"].as_i64().unwrap()).collect();
    assert!(times.is_sorted() && times.len() == 50);
    assert!(first["events_total"].as_i64().unwrap() > 900);
    let next = first["next_from_ns"].as_i64().unwrap();
    let end = first["window"]["to_ns"].as_i64().unwrap();
    let more = json!({"from": next.to_string(), "to": (end - 2_000_000_000).to_string(), "limit": 1});
    assert_eq!(made.ask("get_timeline", &more.to_string()).unwrap()["events"][0]["ts_ns"], next);
    let around = made.ask("get_timeline", "{}").unwrap();
    let finding = made.ask("get_causal_chains", "{}").unwrap()["findings"][0]["from_ns"].as_i64().unwrap();
    let looked = |key: &str| around["looked_at"][key].as_i64().unwrap();
    assert!(looked("from_ns") <= finding && finding < looked("to_ns"));
    assert!(around["truncated"] == true && around["more"].as_str().unwrap().contains("go on with from"));
    assert!(
        around["left_out"].as_object().unwrap().is_empty(),
        "next_from_ns is right: nothing else was cut"
    );
    // In the middle of a call of 5 ms, during which its thread lost the CPU.
    let sql = "SELECT ts_ns FROM cuda_calls WHERE off_cpu_ns > 0 ORDER BY ts_ns LIMIT 1";
    let slow =
        made.ask("run_sql", &json!({"query": sql}).to_string()).unwrap()["rows"][0][0].as_i64().unwrap();
    let inside = json!({"from": (slow + 1_000_000).to_string(), "to": (slow + 2_000_000).to_string()});
    let events = made.ask("get_timeline", &inside.to_string()).unwrap()["events"].clone();
    assert_eq!(events[0]["what"], "cuLaunchKernel");
    assert_eq!((&events[1]["kind"], &events[1]["what"]), (&json!("HOST"), &json!("runnable")));
    assert!(events[1]["detail"].as_str().unwrap().starts_with("stress/500 had the CPU"), "{events}");
    for bad in [r#"{"from": "-1h", "to": "-50m"}"#, r#"{"from": "-1s", "to": "-2s"}"#, r#"{"from": "noon"}"#]
    {
        assert!(made.ask("get_timeline", bad).is_err(), "{bad}");
    }
}

#[test]
fn what_programs_said_is_in_the_timeline_of_their_process_and_no_claim_of_another_tool() {
    let mut draft = incident();
    let second = 1_000_000_000;
    draft.frames.push((annotation(1, 5 * second, [2 * second, second], "{\"request_id\":\"q17\"}"), 0));
    draft.frames.push((annotation(2, 5 * second, [4 * second, 0], "{\"step\":\"\u{202e}42\"}"), 0));
    let made = Made::of(&draft);
    let from = |from: u64, pid: u32| {
        json!({"from": format!("-{}ms", 10_000 - from), "to": format!("-{}ms", 9_990 - from), "pid": pid})
            .to_string()
    };
    let said = |parameters: &str| {
        let answer = made.ask("get_timeline", parameters).unwrap();
        let events = answer["events"].as_array().unwrap().clone();
        events.into_iter().filter(|e| e["kind"] == "SAID").collect::<Vec<_>>()
    };
    let reaching = said(&from(2_500, 100));
    assert_eq!(
        (&reaching[0]["what"], &reaching[0]["dur_ns"]),
        (&json!("{\"request_id\":\"q17\"}"), &json!(second))
    );
    assert!(said(&from(2_500, 500)).is_empty(), "another process");
    assert!(said(&from(3_010, 100)).is_empty(), "over by then");
    assert!(!said(&from(4_000, 100))[0]["what"].as_str().unwrap().contains('\u{202e}'));
    assert_eq!(made.ask("get_causal_chains", "{}").unwrap()["claims_total"], 0);
}

#[test]
fn two_stretches_are_compared_by_operation_class_and_thread() {
    let made = Made::incident();
    let asked = r#"{"from_a": "-10s", "to_a": "-5s", "from_b": "-5s", "to_b": "-0s", "pid": 100}"#;
    let answer = made.ask("compare_windows", asked).unwrap();
    assert_eq!(answer["overlap"], false);
    let runqueue = answer["classes"].as_array().unwrap().iter().find(|c| c["class"] == "runqueue").unwrap();
    let (a, b) = (runqueue["a"].as_i64().unwrap(), runqueue["b"].as_i64().unwrap());
    assert_eq!(runqueue["change_per_s"], (b - a) / 5);
    assert_eq!(
        answer["a"]["off_cpu_count"].as_i64().unwrap() + answer["b"]["off_cpu_count"].as_i64().unwrap(),
        40
    );
    assert_eq!(answer["threads"][0]["tid"], 100);
    let same = asked.replace("\"-5s\", \"to_b\"", "\"-7s\", \"to_b\"");
    assert_eq!(made.ask("compare_windows", &same).unwrap()["overlap"], true);
    assert!(made.ask("compare_windows", r#"{"from_a": "-1s"}"#).unwrap_err().contains("missing field"));
}

#[test]
fn short_keys_say_the_same_and_the_declared_schema_allows_them() {
    let made = Made::incident();
    let long = made.ask("get_trace_stats", "{}").unwrap();
    let short = made.ask("get_trace_stats", r#"{"tsc": true}"#).unwrap();
    assert!(short.to_string().len() < long.to_string().len() * 9 / 10);
    assert_eq!(short["ops"][0]["t_ns"], long["ops"][0]["total_ns"]);
    assert_eq!((&short["population"], &short["truncated"]), (&long["population"], &long["truncated"]));
    let mut expected = long.clone();
    short::value(&mut expected);
    assert_eq!(short, expected);
    let tools = tools::all();
    let schema = tools.iter().find(|e| e.tool.name == "get_trace_stats").unwrap().tool.output_schema.clone();
    let schema = Value::Object((*schema.unwrap()).clone());
    let op = &schema["$defs"]["Op"];
    assert!(op["properties"]["t_ns"].is_object() && op["properties"]["total_ns"].is_object());
    assert!(!op["required"].as_array().unwrap().contains(&json!("total_ns")));
}

#[test]
fn claims_of_an_imported_agent_stay_apart_and_several_nodes_are_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = |name: &str| format!("{}/../tests/fixtures/ingero/{name}.db", env!("CARGO_MANIFEST_DIR"));
    let db = folder.path().join("cluster.db");
    let nodes = [1, 2, 3].map(|n| fixture(&format!("sample-gpu-node-0{n}")));
    said(&["import", &nodes[0], &nodes[1], &nodes[2], "-o", db.to_str().unwrap()]);
    let session = super::session(Some(&db), folder.path());
    let chains = super::ask(&session, "get_causal_chains", "{}").unwrap();
    assert_eq!(chains["claims_total"], 6);
    assert_eq!(chains["population"], ingero::POPULATION);
    assert_eq!(chains["coverage"]["complete"], false);
    assert!(chains["findings"].as_array().unwrap().iter().all(|f| f["cause"] == "blocked_io"));
    let fleet = super::ask(&session, "query_fleet", r#"{"action": "overview"}"#).unwrap();
    assert_eq!(fleet["nodes"].as_array().unwrap().len(), 3);
    let warnings = fleet["clock_warnings"].to_string();
    assert!(warnings.contains("not measured") && warnings.contains("no moment in common"), "{warnings}");
    let sql = r#"{"action": "sql", "sql": "SELECT node, count(*) FROM off_cpu GROUP BY 1 ORDER BY 1"}"#;
    let counts: Vec<i64> = super::ask(&session, "query_fleet", sql).unwrap()["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r[1].as_i64().unwrap())
        .collect();
    assert_eq!(counts, [99, 62, 58]);
    let ops = super::ask(&session, "query_fleet", r#"{"action": "ops"}"#).unwrap();
    assert_eq!(ops["ops"].as_array().unwrap().len(), 2);
    let refused = super::ask(&session, "query_fleet", r#"{"action": "delete"}"#).unwrap_err();
    assert!(refused.contains("chains, ops, overview or sql"), "{refused}");
    assert!(super::ask(&session, "query_fleet", r#"{"action": "sql"}"#).unwrap_err().contains("query"));
    // No call was recorded on the first node: stacks say so, and where else to look.
    let stacks = super::ask(&session, "get_stacks", r#"{"pid": 1887}"#).unwrap();
    assert!(stacks["notes"].to_string().contains("no call matches"), "{stacks}");
    let sched = super::ask(&session, "get_stacks", r#"{"source": 3, "pid": 1887}"#).unwrap();
    assert_eq!(sched["stacks"][0]["total_ns"], 75_141_782);
}

#[test]
fn graphs_are_followed_from_their_making_to_their_launches() {
    use crate::load::tests::{Draft, launch};
    use ingero_format::{Row, ops};
    let mut draft = Draft::new(10);
    let of = |seq: u64, at: u64, op: u16, arg0: u64, arg1: u64| Row {
        arg0,
        arg1,
        op,
        ..launch(seq, at, 1_000, 0)
    };
    let mut rows = vec![
        of(0, 1_000_000_000, ops::CU_STREAM_BEGIN_CAPTURE, 7, 0),
        of(1, 1_100_000_000, ops::CU_STREAM_END_CAPTURE, 7, 0x61),
        of(2, 1_200_000_000, ops::CU_GRAPH_INSTANTIATE_WITH_FLAGS, 0x61, 0xe1),
        launch(3, 1_300_000_000, 900, 0xf1),
    ];
    rows.extend((0..50).map(|i| of(4 + i, 2_000_000_000 + i * 100_000_000, ops::CU_GRAPH_LAUNCH, 0xe1, 7)));
    rows.push(of(60, 7_500_000_000, ops::CU_GRAPH_LAUNCH, 0xe2, 7));
    draft.frames.push((rows, 0));
    let made = Made::of(&draft);
    let life = made.ask("graph_lifecycle", "{}").unwrap();
    let ops: Vec<&str> =
        life["events"].as_array().unwrap().iter().map(|e| e["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["cuStreamBeginCapture", "cuStreamEndCapture", "cuGraphInstantiateWithFlags"]);
    let graph = &life["graphs"][0];
    assert_eq!((&graph["graph"], &graph["launches"]), (&json!("0xe1"), &json!(50)));
    assert_eq!(graph["instantiated_ns"], life["events"][2]["ts_ns"]);
    assert_eq!(life["graphs"][1]["instantiated_ns"], Value::Null);
    let often = made.ask("graph_frequency", r#"{"window_seconds": 5}"#).unwrap();
    let launches: Vec<i64> =
        often["windows"].as_array().unwrap().iter().map(|w| w["launches"].as_i64().unwrap()).collect();
    assert_eq!(launches.iter().sum::<i64>(), 51);
    assert_eq!(often["windows"].as_array().unwrap().last().unwrap()["to_ns"], often["window"]["to_ns"]);
    assert_eq!(made.ask("graph_frequency", r#"{"pid": 7}"#).unwrap()["windows"], json!([]));
}
