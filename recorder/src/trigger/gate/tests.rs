use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

fn rules() -> Rules {
    Rules { armed: true, cool_down_ns: 30 * SECOND, max_per_hour: 3, max_bytes: 100 }
}

fn at(seconds: u64) -> Asked<'static> {
    Asked { now_ns: 10 * HOUR_NS + seconds * SECOND, fingerprint: "", joinable: false, bytes: (0, 0) }
}

#[test]
fn a_person_is_never_refused_and_never_joined() {
    let mut gate = Gate::default();
    let nothing = Rules { armed: false, cool_down_ns: u64::MAX, max_per_hour: 0, max_bytes: 0 };
    for _ in 0..50 {
        let asked = Asked { joinable: true, bytes: (u64::MAX, 1), ..at(0) };
        assert_eq!(gate.decide(Kind::Command, &nothing, &asked), Verdict::Fired);
    }
    assert_eq!(gate.tally(Kind::Command).fired, 50);
    // And takes nothing of what the others may.
    assert_eq!(gate.decide(Kind::Signal, &rules(), &at(0)), Verdict::Fired);
}

#[test]
fn a_trigger_rests_for_its_cool_down_and_others_do_not() {
    let mut gate = Gate::default();
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &at(0)), Verdict::Fired);
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &at(29)), Verdict::Refused(Refusal::CoolDown));
    assert_eq!(gate.decide(Kind::Ttft, &rules(), &at(29)), Verdict::Fired);
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &at(30)), Verdict::Fired);
}

#[test]
fn the_cap_of_an_hour_counts_all_triggers_and_the_hour_moves_on() {
    let mut gate = Gate::default();
    for (i, kind) in [Kind::Signal, Kind::Webhook, Kind::OomKill].into_iter().enumerate() {
        assert_eq!(gate.decide(kind, &rules(), &at(i as u64)), Verdict::Fired);
    }
    assert_eq!(gate.decide(Kind::Process, &rules(), &at(3_599)), Verdict::Refused(Refusal::MaxPerHour));
    assert_eq!(gate.decide(Kind::Process, &rules(), &at(3_600)), Verdict::Fired);
}

#[test]
fn triggers_may_not_push_their_own_bundles_of_the_hour_out() {
    let mut gate = Gate::default();
    let asked = |taken, last| Asked { bytes: (taken, last), ..at(0) };
    assert_eq!(gate.decide(Kind::Signal, &rules(), &asked(60, 60)), Verdict::Refused(Refusal::MaxBytes));
    assert_eq!(gate.decide(Kind::Signal, &rules(), &asked(50, 50)), Verdict::Fired);
}

#[test]
fn what_had_its_snapshot_does_not_fire_again_but_what_was_refused_may() {
    let mut gate = Gate::default();
    let alert = |name, seconds| Asked { fingerprint: name, ..at(seconds) };
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &alert("a", 0)), Verdict::Fired);
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &alert("b", 1)), Verdict::Refused(Refusal::CoolDown));
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &alert("a", 60)), Verdict::Refused(Refusal::Duplicate));
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &alert("b", 60)), Verdict::Fired);
    let joined = Asked { joinable: true, ..alert("c", 61) };
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &joined), Verdict::Joined);
    assert_eq!(gate.decide(Kind::Webhook, &rules(), &alert("c", 600)), Verdict::Refused(Refusal::Duplicate));
}

#[test]
fn the_memory_of_fingerprints_is_bounded() {
    let mut gate = Gate::default();
    for i in 0..2 * MAX_FINGERPRINTS {
        let name = i.to_string();
        gate.decide(Kind::Webhook, &rules(), &Asked { fingerprint: &name, joinable: true, ..at(0) });
    }
    assert_eq!((gate.order.len(), gate.seen.len()), (MAX_FINGERPRINTS, MAX_FINGERPRINTS));
}

proptest! {
    // Whatever comes in whatever order: caps and cool-downs hold, and no question is left uncounted.
    #[test]
    fn caps_hold_and_every_question_is_counted(
        questions in prop::collection::vec((0usize..Kind::ALL.len(), 0u64..400, 0u8..4, any::<bool>(), any::<bool>()), 0..400),
        cool_down in 0u64..100, cap in 0u32..6,
    ) {
        let mut gate = Gate::default();
        let rules = Rules { armed: true, cool_down_ns: cool_down * SECOND, max_per_hour: cap, max_bytes: 100 };
        let (mut now, mut fired): (u64, Vec<(Kind, u64)>) = (0, Vec::new());
        let mut counted = BTreeMap::<Kind, u64>::new();
        for (kind, step, fingerprint, joinable, armed) in questions {
            let (kind, name) = (Kind::ALL[kind], ["", "a", "b", "c"][usize::from(fingerprint)]);
            now += step;
            let asked = Asked { fingerprint: name, joinable, ..at(now) };
            let verdict = gate.decide(kind, &Rules { armed, ..rules }, &asked);
            *counted.entry(kind).or_default() += 1;
            if verdict == Verdict::Fired && kind != Kind::Command {
                let last = fired.iter().rev().find(|(k, _)| *k == kind);
                prop_assert!(last.is_none_or(|(_, at)| now - at >= cool_down));
                fired.push((kind, now));
                let within = fired.iter().filter(|(_, at)| now - at < 3_600).count();
                prop_assert!(within <= cap as usize);
            }
            prop_assert!(armed || kind == Kind::Command || matches!(verdict, Verdict::Refused(_)));
        }
        for kind in Kind::ALL {
            let tally = gate.tally(kind);
            prop_assert_eq!(tally.asked, counted.get(&kind).copied().unwrap_or(0));
            prop_assert_eq!(tally.asked, tally.fired + tally.joined + tally.refused.values().sum::<u64>());
        }
    }
}
