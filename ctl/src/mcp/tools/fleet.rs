//! `query_fleet`: one question to all nodes of an investigation.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Entry,
    chains::{self, Chain},
    sql,
    stats::{Counted, Op},
};
use crate::{
    mcp::{
        answer::Told,
        desk::{self, Desk, MOST_ROWS},
        refusal::Refusal,
    },
    model::Facts,
    sqlite::{Lossy, Stop},
};

const ABOUT: &str = "One question to all nodes of the investigation: chains (findings), ops (operations), overview (a line \
for each node) or sql. Rows carry `node`. Clocks of two hosts are never compared: see clock_warnings before ordering \
events of different nodes.";

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// chains, ops, overview or sql.
    action: String,
    /// Only the last so long before the window's END, e.g. 30s.
    #[serde(default)]
    since: Option<String>,
    /// Only this process; pids of different nodes are different processes.
    #[serde(default)]
    pid: Option<u32>,
    /// The statement, for sql; the views have a column `node`.
    #[serde(default)]
    query: Option<String>,
    /// The same.
    #[serde(default)]
    sql: Option<String>,
    /// Rows (default 1000 of sql, 10 findings for each node, 20 operations for each node).
    #[serde(default)]
    limit: Option<usize>,
}

/// A node.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Node {
    node: String,
    from_ns: i64,
    to_ns: i64,
    /// Calls in its whole window.
    calls: i64,
    /// Time in calls, ns.
    total_ns: i64,
    /// Off-CPU time of its threads, ns.
    off_cpu_ns: i64,
    findings: usize,
    /// Of its most important finding.
    severity: Option<String>,
    /// Of its most important finding.
    cause: Option<String>,
    /// Of its most important finding, ns.
    attributed_ns: Option<i64>,
    /// How far its two clock readings may be apart, ns.
    clock_uncertainty_ns: u64,
}

/// A host whose recording cannot be used as a whole.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Failed {
    node: String,
    why: Vec<String>,
}

/// The answer.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Body {
    action: String,
    /// Always.
    nodes: Vec<Node>,
    /// Of chains.
    findings: Vec<Chain>,
    /// Of ops.
    ops: Vec<Op>,
    /// Of sql.
    columns: Vec<String>,
    /// Of sql.
    rows: Vec<Vec<Value>>,
    /// Hosts whose recording is damaged: what is whole of them is in the rows.
    failed_hosts: Vec<Failed>,
    /// Why times of different nodes cannot be compared.
    clock_warnings: Vec<String>,
}

/// The tool.
pub(super) fn entry() -> Entry {
    super::desk_and_stop("query_fleet", ABOUT, run)
}

fn run(desk: &Desk, params: Params, stop: &Arc<Stop>) -> Result<Told<Body>, Refusal> {
    let (nodes, failed_hosts) = nodes(desk)?;
    let clock_warnings = warnings(&nodes);
    let body = Body { action: params.action.clone(), nodes, failed_hosts, clock_warnings, ..Body::default() };
    match params.action.as_str() {
        "overview" => Ok(Told::whole(body)),
        "chains" => findings(desk, &params, body),
        "ops" => ops(desk, &params, body),
        "sql" => {
            let Some(query) = params.query.or(params.sql) else {
                return Err(Refusal::new(
                    "action sql needs the parameter query, e.g. SELECT node, count(*) FROM off_cpu GROUP BY 1",
                ));
            };
            let told = sql::table(desk, &query, params.limit, stop)?;
            let (columns, rows) = told.body.table();
            Ok(Told { cut: told.cut, ..Told::whole(Body { columns, rows, ..body }) })
        }
        other => {
            Err(Refusal::new(format!("action `{other}` is not known; write chains, ops, overview or sql")))
        }
    }
}

fn findings(desk: &Desk, params: &Params, mut body: Body) -> Result<Told<Body>, Refusal> {
    let span = desk.since(params.since.as_deref())?;
    let pid = desk::process(params.pid);
    let most = chains::most(params.limit);
    for node in desk.investigation.nodes() {
        let of_node = desk.investigation.findings.iter().filter(|f| {
            f.node == node && pid.is_none_or(|p| f.pid == p) && span.is_none_or(|s| f.to_ns >= s.from_ns)
        });
        body.findings.extend(of_node.take(most).map(Chain::from));
    }
    body.findings.sort_by_key(Chain::rank);
    Ok(Told { span: span.map(|s| desk.inside(s)), ..Told::whole(body) })
}

fn ops(desk: &Desk, params: &Params, mut body: Body) -> Result<Told<Body>, Refusal> {
    let pid = desk::process(params.pid);
    let most = params.limit.filter(|l| *l > 0).unwrap_or(20);
    let span = desk.since(params.since.as_deref())?;
    let counted = span.map(|s| Counted::of(desk, s, pid, MOST_ROWS)).transpose()?;
    let rows = counted.as_ref().map_or(&desk.investigation.stats.ops, |c| &c.ops);
    for node in desk.investigation.nodes() {
        let of_node = rows.iter().filter(|r| r.node == node && pid.is_none_or(|p| r.pid == p));
        body.ops.extend(of_node.take(most).cloned().map(Op::from));
    }
    let narrowed = counted.as_ref().is_some_and(|c| c.narrowed);
    Ok(Told { span: counted.map(|c| c.span), narrowed, ..Told::whole(body) })
}

fn nodes(desk: &Desk) -> Result<(Vec<Node>, Vec<Failed>), Refusal> {
    let mut statement = desk.scan.db.prepare("SELECT name, from_ns, to_ns, facts FROM node ORDER BY id")?;
    let mut failed = Vec::new();
    let investigation = &desk.investigation;
    let nodes = statement.query_map([], |r| {
        let node = r.get::<_, Lossy>(0)?.0;
        let facts: Facts = serde_json::from_str(&r.get::<_, Lossy>(3)?.0).unwrap_or_default();
        if !facts.damage.is_empty() {
            failed.push(Failed { node: node.clone(), why: facts.damage });
        }
        let ops = || investigation.stats.ops.iter().filter(|o| o.node == node);
        let worst = investigation.findings.iter().find(|f| f.node == node);
        Ok(Node {
            from_ns: r.get(1)?,
            to_ns: r.get(2)?,
            calls: ops().map(|o| o.count).sum(),
            total_ns: ops().map(|o| o.total_ns).sum(),
            off_cpu_ns: investigation
                .stats
                .threads
                .iter()
                .filter(|t| t.node == node)
                .map(|t| t.off_cpu_ns)
                .sum(),
            findings: investigation.findings.iter().filter(|f| f.node == node).count(),
            severity: worst.map(|f| f.severity.name().to_owned()),
            cause: worst.map(|f| f.cause.to_owned()),
            attributed_ns: worst.map(|f| f.attributed_ns),
            clock_uncertainty_ns: facts.clock_uncertainty_ns,
            node,
        })
    })?;
    let nodes = nodes.collect::<rusqlite::Result<_>>()?;
    Ok((nodes, failed))
}

fn warnings(nodes: &[Node]) -> Vec<String> {
    let mut warnings = Vec::new();
    if nodes.len() > 1 {
        warnings.push(
            "the offset between the clocks of different nodes was not measured: do not order their events, \
             and do not blame one node's event for another's"
                .to_owned(),
        );
    }
    for (i, a) in nodes.iter().enumerate() {
        for b in nodes.iter().skip(i + 1).filter(|b| a.to_ns <= b.from_ns || b.to_ns <= a.from_ns) {
            if warnings.len() < 20 {
                warnings.push(format!("the windows of {} and {} have no moment in common", a.node, b.node));
            }
        }
    }
    warnings
}
