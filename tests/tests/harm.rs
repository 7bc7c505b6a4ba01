//! Do no harm: programs that treat their calls in every rude way print the same, and end the same, with and
//! without a recorder; and their calls are recorded or told as lost.

use ingero_tests::{
    Lab,
    harm::{Kept, Library, Ran, Subject, unnoticed},
    live,
};

/// All calls are rows.
fn whole((ran, kept): &(Ran, Kept)) {
    assert_eq!((&kept.recorded, kept.lost), (&ran.made, 0), "{kept:?}");
}

/// All calls are rows or counted as lost.
fn accounted((ran, kept): &(Ran, Kept)) {
    assert_eq!(kept.calls() + kept.lost, ran.calls(), "{ran:?} {kept:?}");
    assert!(kept.calls() > 0);
}

fn check(source: &str, library: Library, args: &[&str], judge: impl Fn(&(Ran, Kept))) {
    check_with("", source, library, args, judge);
}

/// Return probes replace return addresses, which these programs do not survive, whoever places the probes: an
/// unwinder finds no way past a replaced address, and the kernel takes a call on a higher stack for the end of
/// those below (`arch_uretprobe_is_alive`). Entry probes leave them alone.
fn check_entries(source: &str, args: &[&str]) {
    check_with("[probes]\nreturn_probes = \"never\"\n", source, Library::Callback, args, whole);
}

fn check_with(config: &str, source: &str, library: Library, args: &[&str], judge: impl Fn(&(Ran, Kept))) {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    lab.configure(config);
    let subject = Subject::compile(&lab, source, library);
    judge(&unnoticed(&mut lab, &subject, args));
}

#[test]
fn a_filter_that_kills_on_unknown_system_calls_after_the_first_call_does_not_mind() {
    check("seccomp.c", Library::Standin, &["kill", "after"], whole);
}

#[test]
fn a_filter_that_kills_on_unknown_system_calls_before_the_first_call_does_not_mind() {
    check("seccomp.c", Library::Standin, &["kill", "before"], whole);
}

#[test]
fn a_filter_that_refuses_unknown_system_calls_does_not_mind() {
    check("seccomp.c", Library::Standin, &["errno", "after"], whole);
    check("seccomp.c", Library::Standin, &["errno", "before"], whole);
}

#[test]
fn a_longjmp_out_of_a_call_arrives_and_the_calls_it_left_are_told() {
    check("jump.c", Library::Callback, &[], accounted);
}

#[test]
fn an_exception_out_of_a_call_is_caught_where_entries_alone_are_probed() {
    check_entries("throw.cpp", &[]);
}

#[test]
fn forks_vforks_and_execs_between_and_inside_calls_go_well() {
    check("storm.c", Library::Callback, &[], whole);
}

#[test]
fn a_tracer_that_steps_over_every_instruction_sees_the_same_end() {
    check("traced.c", Library::Callback, &["step"], whole);
}

#[test]
fn a_tracer_that_stops_at_every_system_call_sees_the_same_end() {
    check("traced.c", Library::Callback, &["syscall"], whole);
}

#[test]
fn stops_and_continuations_in_the_middle_of_calls_change_nothing() {
    check("traced.c", Library::Callback, &["stops"], whole);
}

#[test]
fn a_thread_cancelled_inside_a_call_runs_its_handlers() {
    check("cancel.c", Library::Callback, &["deferred"], accounted);
    check("cancel.c", Library::Callback, &["async"], accounted);
}

#[test]
fn a_thread_cancelled_inside_a_call_is_unwound_where_entries_alone_are_probed() {
    check_entries("unwind.cpp", &[]);
}

#[test]
fn a_signal_that_interrupts_a_call_may_call() {
    check("signals.c", Library::Callback, &["same"], whole);
}

#[test]
fn a_signal_handler_on_a_stack_below_may_call() {
    check("signals.c", Library::Callback, &["below"], whole);
}

#[test]
fn a_signal_handler_on_a_stack_above_may_call_where_entries_alone_are_probed() {
    check_entries("signals.c", &["above"]);
}

#[test]
fn calls_nested_deeper_than_is_recorded_are_told_as_lost() {
    check("depth.c", Library::Callback, &["4", "100"], whole);
    check("depth.c", Library::Callback, &["6", "100"], accounted);
}

#[test]
fn calls_nested_deeper_than_the_kernel_follows_still_return() {
    check("depth.c", Library::Callback, &["300", "20"], accounted);
}

#[test]
fn coroutines_that_switch_between_calls_are_recorded() {
    check("coroutine.c", Library::Callback, &["between"], whole);
}

#[test]
fn coroutines_that_switch_inside_calls_come_back_where_entries_alone_are_probed() {
    check_entries("coroutine.c", &["inside"]);
}

#[test]
fn a_stack_that_ends_inside_calls_ends_at_the_same_depth() {
    check("guard.c", Library::Callback, &[], accounted);
}

#[test]
fn calls_on_a_shadow_stack_return() {
    if !live() {
        return;
    }
    let mut lab = Lab::new();
    let subject = Subject::compile(&lab, "shadow.c", Library::Callback);
    if subject.run(&[]).status.code() == Some(77) {
        eprintln!("\n*** NOT RUN: this kernel or CPU has no user shadow stacks ***\n");
        return;
    }
    whole(&unnoticed(&mut lab, &subject, &[]));
}
