//! `get_causal_chains`: findings, and apart from them what others claimed (shape S1).

use rusqlite::params;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    investigate::Finding,
    mcp::{
        answer::Told,
        desk::{self, Desk},
        refusal::Refusal,
    },
    sqlite::{self, Lossy, Span},
};

pub(super) const ABOUT: &str = "Findings: which thread stalled, for how long, for which cause, with evidence, timeline, \
counter-evidence and what could not be decided; most important first. Nanoseconds are attributed by overlap on the same \
thread. Claims that an imported Ingero agent stored are listed apart: they were not checked. No finding means that \
nothing stands out, not that nothing was lost: see coverage.";

/// Parameters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Params {
    /// Only findings that reach into the last so long before the window's END, e.g. 30s. Left out: all.
    #[serde(default)]
    since: Option<String>,
    /// Only this process.
    #[serde(default)]
    pid: Option<u32>,
    /// Only these processes; goes before `pid`.
    #[serde(default)]
    pids: Option<Vec<u32>>,
    /// So many at most (default 10); 0 for as many as fit.
    #[serde(default)]
    top_n: Option<usize>,
}

/// A finding, with the columns of the table `findings`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Chain {
    id: String,
    /// 1 for the most important.
    rank: i64,
    /// HIGH, MEDIUM or LOW: share of the thread's time.
    severity: String,
    /// One of the known causes; `unknown` is an answer too.
    cause: String,
    node: String,
    pid: u32,
    tid: u32,
    comm: String,
    /// When it began, Unix ns.
    from_ns: i64,
    /// When it was over, Unix ns.
    to_ns: i64,
    /// Time lost to this cause beyond what is usual, ns.
    attributed_ns: i64,
    /// Calls that were slow, or came late, for this cause.
    calls_affected: i64,
    /// Calls of the thread in that time.
    calls_total: i64,
    summary: String,
    /// What shows it; `timeline` has what happened when.
    evidence: Value,
    /// What speaks against it. Read it before repeating the finding.
    counter_evidence: Value,
    /// What could not be decided.
    coverage: Value,
    /// What to do.
    advice: Value,
}

impl Chain {
    /// 1 for the most important.
    pub(super) fn rank(&self) -> i64 {
        self.rank
    }
}

impl From<&Finding> for Chain {
    fn from(f: &Finding) -> Self {
        Self {
            id: f.id.clone(),
            rank: f.rank,
            severity: f.severity.name().to_owned(),
            cause: f.cause.to_owned(),
            node: f.node.clone(),
            pid: f.pid,
            tid: f.tid,
            comm: f.comm.clone(),
            from_ns: f.from_ns,
            to_ns: f.to_ns,
            attributed_ns: f.attributed_ns,
            calls_affected: f.calls_affected,
            calls_total: f.calls_total,
            summary: f.summary.clone(),
            evidence: f.evidence.clone(),
            counter_evidence: f.counter_evidence.clone(),
            coverage: f.coverage.clone(),
            advice: f.advice.clone(),
        }
    }
}

/// What somebody else said of a time.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Claim {
    ts_ns: i64,
    dur_ns: i64,
    node: String,
    pid: Option<u32>,
    /// Their words.
    labels: Value,
}

/// The answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Body {
    /// Most important first.
    findings: Vec<Chain>,
    /// Findings before `top_n`.
    findings_total: usize,
    /// Not checked, and never mixed with findings.
    claims: Vec<Claim>,
    /// Claims before `top_n`.
    claims_total: i64,
}

/// So many as asked for; 0 for all.
pub(super) fn most(top_n: Option<usize>) -> usize {
    match top_n {
        None => 10,
        Some(0) => usize::MAX,
        Some(n) => n,
    }
}

pub(super) fn run(desk: &Desk, params: Params) -> Result<Told<Body>, Refusal> {
    let span = desk.since(params.since.as_deref())?;
    let one = desk::process(params.pid).map(|p| vec![p]).unwrap_or_default();
    let pids = params.pids.filter(|p| !p.is_empty()).unwrap_or(one);
    let wanted = |f: &&Finding| {
        (pids.is_empty() || pids.contains(&f.pid)) && span.is_none_or(|s| f.to_ns >= s.from_ns)
    };
    let all: Vec<&Finding> = desk.investigation.findings.iter().filter(wanted).collect();
    let most = most(params.top_n);
    let (claims, claims_total) = claims(desk, span, &pids, most)?;
    let body = Body {
        findings_total: all.len(),
        findings: all.into_iter().take(most).map(Chain::from).collect(),
        claims,
        claims_total,
    };
    let told = Told { span: span.map(|s| desk.inside(s)), ..Told::whole(body) };
    Ok(match span {
        Some(_) => {
            told.note("each finding is about all of its own time, also where that began before looked_at")
        }
        None => told,
    })
}

fn claims(desk: &Desk, span: Option<Span>, pids: &[u32], most: usize) -> Result<(Vec<Claim>, i64), Refusal> {
    let from = span.map_or(i64::MIN, |s| s.from_ns);
    let chosen = serde_json::json!(pids).to_string();
    // What programs say of their own time is in get_timeline.
    let others = if sqlite::names_senders(&desk.scan.db)? { " AND sender_uid IS NULL" } else { "" };
    let condition =
        format!("ts_ns + dur_ns >= ?1 AND (?2 = '[]' OR pid IN (SELECT value FROM json_each(?2))){others}");
    let count = format!("SELECT count(*) FROM annotations WHERE {condition}");
    let total = desk.scan.db.query_row(&count, params![from, chosen], |r| r.get(0))?;
    let sql = format!(
        "SELECT ts_ns, dur_ns, node, pid, labels FROM annotations WHERE {condition} ORDER BY ts_ns DESC LIMIT ?3"
    );
    let mut statement = desk.scan.db.prepare(&sql)?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let claims = statement.query_map(params![from, chosen, limit], |r| {
        let labels = r.get::<_, Lossy>(4)?.0;
        Ok(Claim {
            ts_ns: r.get(0)?,
            dur_ns: r.get(1)?,
            node: r.get::<_, Lossy>(2)?.0,
            pid: r.get(3)?,
            labels: serde_json::from_str(&labels).unwrap_or(Value::String(labels)),
        })
    })?;
    Ok((claims.collect::<rusqlite::Result<_>>()?, total))
}
