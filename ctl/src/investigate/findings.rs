//! From a thread's slow units to findings, and what findings of one process say of each other.

use serde_json::{Value, json};

use super::{
    case::{self, Case},
    cause::CAUSES,
    evidence,
    finding::{self, Finding, Severity},
    judge,
    scene::Scene,
    symptom,
    thread::{Examined, Slow},
    words,
};

/// All findings about one thread.
pub(super) fn findings(scene: &Scene<'_>, examined: &Examined<'_>) -> Vec<Finding> {
    let symptoms = symptom::found(scene, examined);
    let explained = |slow: &Slow| symptoms.iter().find_map(|s| s.explains(slow));
    let mut findings = Vec::new();
    for cause in &CAUSES {
        for case in case::cases(scene, examined, cause, explained) {
            if let Some(severity) = judge::severity(examined, &case) {
                findings.push(finding(scene, examined, &case, severity));
            }
        }
    }
    let symptoms: Vec<_> = symptoms.into_iter().map(|s| symptom::beside(s.finding, &findings)).collect();
    findings.extend(symptoms);
    findings
}

fn finding(scene: &Scene<'_>, examined: &Examined<'_>, case: &Case<'_>, severity: Severity) -> Finding {
    let thread = examined.thread;
    let calls = evidence::Calls::of(examined, case);
    let facts = evidence::Facts::of(scene, examined, case);
    Finding {
        id: finding::id(&scene.trace.node, thread, case.cause.name, case.from_ns),
        rank: 0,
        severity,
        cause: case.cause.name,
        node: scene.trace.node.clone(),
        pid: thread.pid,
        tid: thread.tid,
        comm: thread.comm.clone(),
        from_ns: case.from_ns,
        to_ns: case.to_ns,
        attributed_ns: case.attributed_ns,
        calls_affected: calls.affected,
        calls_total: calls.total,
        summary: words::summary(case, &facts),
        evidence: facts.evidence(scene, examined, case),
        counter_evidence: facts.counter_evidence(examined, case),
        coverage: evidence::coverage(scene, case),
        advice: json!(words::advice(case, &facts)),
    }
}

/// Writes into each finding which other threads of its process suffer the same.
pub(super) fn compare_threads(findings: &mut [Finding], node: &str) {
    let all: Vec<_> =
        findings.iter().map(|f| (f.node.clone(), f.pid, f.tid, f.cause, f.attributed_ns)).collect();
    for finding in findings.iter_mut().filter(|f| f.node == node) {
        let same = all.iter().filter(|(n, pid, tid, cause, _)| {
            *n == finding.node && *pid == finding.pid && *cause == finding.cause && *tid != finding.tid
        });
        let list: Vec<Value> =
            same.map(|(.., tid, _, ns)| json!({"tid": tid, "attributed_ns": ns})).collect();
        if let Value::Object(counter) = &mut finding.counter_evidence {
            counter.insert("same_cause_on_other_threads".to_owned(), Value::Array(list));
        }
    }
}
