use super::*;

fn triggers(text: &str) -> (Triggers, Receiver<FreezeRequest>, Joint) {
    let (requests, asked) = channel();
    let config = Arc::new(Mutex::new(Config::parse(text).unwrap()));
    let joint = Joint::default();
    (Triggers::new(requests, config, joint.clone()), asked, joint)
}

fn of(triggers: &Triggers, name: &str) -> TriggerStatus {
    triggers.status().into_iter().find(|t| t.name == name).unwrap()
}

fn ask(reason: &str) -> Ask {
    Ask { reason: reason.into(), ..Ask::default() }
}

#[test]
fn what_comes_while_a_window_is_open_joins_it_and_its_reason_is_kept() {
    let (triggers, asked, joint) = triggers("[trigger.process]\nnames = [\"*\"]\n");
    assert_eq!(triggers.ask(Kind::Process, ask("first")), Verdict::Fired);
    assert_eq!(triggers.ask(Kind::OomKill, ask("second")), Verdict::Joined);
    assert_eq!(triggers.ask(Kind::Process, ask("third")), Verdict::Joined);
    let first = asked.try_recv().unwrap();
    assert!(!first.person && asked.try_recv().is_err(), "one request for three questions");
    let joined = joint.close();
    let reasons: Vec<&str> = joined.requests.iter().map(|r| r.trigger.reason.as_str()).collect();
    assert_eq!(reasons, ["second", "third"]);
    assert_eq!(joined.requests[0].trigger.kind, "oom_kill");
    // The window has ended: what comes now is about a time it does not hold.
    assert_eq!(triggers.ask(Kind::OomKill, ask("fourth")), Verdict::Fired);
    let status = of(&triggers, "oom_kill");
    assert_eq!((status.asked, status.fired, status.coalesced), (2, 1, 1));
    assert!(status.last_fired_ts_ns.is_some_and(|ns| ns > 1_600_000_000_000_000_000));
}

#[test]
fn two_people_at_once_each_get_a_window_of_their_own() {
    let (triggers, asked, _) = triggers("");
    triggers.signal();
    let _first = triggers.command(1, 2, "a".into());
    let _second = triggers.command(3, 4, "b".into());
    let windows: Vec<(u64, u64, bool)> =
        asked.try_iter().map(|r| (r.last_ns, r.after_ns, r.person)).collect();
    assert_eq!(windows, [(60_000_000_000, 2_000_000_000, false), (1, 2, true), (3, 4, true)]);
}

#[test]
fn a_unit_that_is_refused_is_told_so_and_one_that_joins_gets_the_answer() {
    let (triggers, _asked, joint) = triggers("[snapshot]\nmax_per_hour = 1\n");
    triggers.signal();
    let waiting = triggers.unit(1, 2, "unit a".into());
    let joined = joint.close();
    assert_eq!(joined.requests.len(), 1);
    let reply = joined.requests[0].reply.as_ref().unwrap();
    reply.send(Ok(Snapshot { id: "a-1".into(), ..Snapshot::default() })).unwrap();
    assert_eq!(waiting.recv().unwrap().unwrap().id, "a-1");
    let refused = triggers.unit(1, 2, "unit b".into()).recv().unwrap().unwrap_err();
    assert!(refused.contains("max_per_hour"), "{refused}");
}

#[test]
fn what_is_off_or_broken_is_refused_and_said_to_be_unarmed() {
    let (triggers, asked, _) =
        triggers("[trigger.signal]\nenabled = false\n[trigger.webhook]\nlisten = \"unix\"\n");
    triggers.signal();
    triggers.set_broken(Kind::Webhook, Some("no socket".into()));
    assert_eq!(triggers.ask(Kind::Webhook, ask("a")), Verdict::Refused(Refusal::Disarmed));
    assert!(asked.try_recv().is_err());
    assert!(!of(&triggers, "signal").armed && !of(&triggers, "webhook").armed);
    assert_eq!(of(&triggers, "signal").refused[0].reason, "disarmed");
    assert_eq!(triggers.warnings(), ["trigger webhook: no socket"]);
    triggers.set_broken(Kind::Webhook, None);
    triggers.set_warning(Kind::Ttft, Some("a page is not there".into()));
    assert_eq!(triggers.ask(Kind::Webhook, ask("a")), Verdict::Fired);
    assert_eq!(triggers.warnings().len(), 1);
}

#[test]
fn of_a_storm_a_few_reasons_are_kept_and_the_rest_are_counted() {
    let (triggers, _asked, joint) = triggers("");
    triggers.signal();
    for _ in 0..10_000 {
        triggers.signal();
    }
    let joined = joint.close();
    assert!(joined.requests.len() <= 16);
    assert_eq!(joined.count(), 10_000);
    assert_eq!(of(&triggers, "signal").coalesced, 10_000);
}

#[test]
fn a_journal_line_of_a_kind_comes_once_a_minute_with_the_number_left_out() {
    let mut told = Told::default();
    let key = (Kind::Webhook, Some(Refusal::CoolDown));
    assert_eq!(told.tell(key, 1), Some(0));
    assert_eq!((0..500).filter_map(|i| told.tell(key, 2 + i)).count(), 0);
    assert_eq!(told.tell((Kind::Webhook, None), 3), Some(0), "another kind of line");
    assert_eq!(told.tell(key, 1 + TELL_GAP_NS), Some(500));
}

#[test]
fn reasons_lose_control_characters_and_are_cut_between_characters() {
    let (triggers, asked, _) = triggers("");
    triggers.ask(Kind::Signal, ask(&"é\n".repeat(5_000)));
    let reason = asked.try_recv().unwrap().trigger.reason;
    assert!(reason.len() <= MAX_REASON_BYTES && !reason.contains('\n'));
}

#[test]
fn bundles_of_triggers_count_against_the_bytes_of_an_hour() {
    let (triggers, _asked, joint) = triggers("[snapshot]\nmax_bytes = \"100MiB\"\n");
    joint.took(clock::boot_ns(), 60 << 20);
    assert_eq!(triggers.ask(Kind::Signal, ask("a")), Verdict::Refused(Refusal::MaxBytes));
}
