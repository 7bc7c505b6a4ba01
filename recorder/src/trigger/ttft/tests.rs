use proptest::prelude::*;

use super::*;
use crate::config::{Nanos, Statistic};

const SECOND: u64 = 1_000_000_000;

/// A page of vLLM with these cumulative counts at 0.1, 0.5, 1, 2.5 and no bound, written from the names that its
/// documentation gives.
fn page(counts: [u64; 5], sum: f64) -> String {
    let labels = "engine=\"0\",model_name=\"a/b\"";
    let mut page = String::from("# TYPE vllm:time_to_first_token_seconds histogram\n");
    for (bound, count) in ["0.1", "0.5", "1.0", "2.5", "+Inf"].iter().zip(counts) {
        page += &format!("vllm:time_to_first_token_seconds_bucket{{{labels},le=\"{bound}\"}} {count}.0\n");
    }
    page + &format!(
        "vllm:time_to_first_token_seconds_count{{{labels}}} {}.0\nvllm:time_to_first_token_seconds_sum{{{labels}}} {sum}\n\
         vllm:num_requests_running{{{labels}}} 3\n",
        counts[4]
    )
}

fn settings() -> TtftTrigger {
    TtftTrigger {
        threshold: Nanos(SECOND),
        window: Nanos(30 * SECOND),
        min_requests: 10,
        ..TtftTrigger::default()
    }
}

#[test]
fn it_fires_at_the_crossing_and_again_only_after_a_window_under_the_threshold() {
    let (mut watch, settings) = (Watch::new("http://127.0.0.1:8000/metrics"), settings());
    let mut see =
        |seconds: u64, counts, sum| watch.see(seconds * SECOND, read(&page(counts, sum)).unwrap(), &settings);
    assert_eq!(see(1, [100, 100, 100, 100, 100], 5.0), None, "one reading says nothing");
    assert_eq!(see(2, [150, 150, 150, 150, 150], 7.0), None);
    let reason = see(3, [150, 150, 150, 170, 170], 47.0).unwrap();
    assert_eq!(
        reason,
        "time to first token of 127.0.0.1:8000: p99 2.45 s over 70 requests in 2.00 s (threshold 1.00 s)"
    );
    assert_eq!(see(4, [150, 150, 150, 180, 180], 67.0), None, "told already");
    assert_eq!(see(40, [1150, 1150, 1150, 1180, 1180], 100.0), None, "the slow ones lie before the window");
    assert!(see(60, [1150, 1150, 1150, 1250, 1250], 300.0).is_some());
}

#[test]
fn a_page_that_cannot_be_read_is_told_in_one_line_with_what_to_do_and_when_it_is_tried_again() {
    let line = cannot("io: Connection refused", SECOND / 2);
    assert_eq!(
        line,
        "cannot be read: io: Connection refused; start the engine, or check [trigger.ttft] pages; tried again every 500ms"
    );
}

#[test]
fn few_requests_are_no_reason() {
    let (mut watch, settings) = (Watch::new("http://a/metrics"), settings());
    watch.see(SECOND, read(&page([0; 5], 0.0)).unwrap(), &settings);
    assert_eq!(watch.see(2 * SECOND, read(&page([0, 0, 0, 9, 9], 18.0)).unwrap(), &settings), None);
    assert!(watch.see(3 * SECOND, read(&page([0, 0, 0, 10, 10], 20.0)).unwrap(), &settings).is_some());
}

#[test]
fn the_mean_and_other_quantiles_are_compared_on_request() {
    let (first, last) =
        (read(&page([0; 5], 0.0)).unwrap(), read(&page([80, 90, 95, 100, 100], 30.0)).unwrap());
    let mut window = Window::default();
    window.add(SECOND, first, 60 * SECOND);
    window.add(3 * SECOND, last, 60 * SECOND);
    let seconds = |statistic| window.reading(statistic).unwrap().seconds;
    assert!((seconds(Statistic::Mean) - 0.3).abs() < 1e-9);
    assert!((seconds(Statistic::P50) - 0.0625).abs() < 1e-9);
    assert!((seconds(Statistic::P95) - 1.0).abs() < 1e-9);
    assert!((seconds(Statistic::P99) - 2.2).abs() < 1e-9);
}

#[test]
fn requests_beyond_the_last_bound_count_as_that_bound() {
    let histogram = read(&page([0, 0, 0, 0, 100], 1e6)).unwrap();
    assert_eq!(histogram.quantile(0.99), Some(2.5));
}

#[test]
fn an_engine_that_was_started_anew_begins_a_new_window() {
    let (mut watch, settings) = (Watch::new("http://a/metrics"), settings());
    watch.see(SECOND, read(&page([100, 100, 100, 100, 100], 5.0)).unwrap(), &settings);
    // Fewer than before: the difference would be negative or nonsense.
    assert_eq!(watch.see(2 * SECOND, read(&page([0, 0, 0, 50, 50], 90.0)).unwrap(), &settings), None);
    assert_eq!(watch.window.len(), 1);
}

#[test]
fn pages_of_the_three_engines_are_known_and_models_are_added_up() {
    for name in [
        "vllm:time_to_first_token_seconds",
        "sglang:time_to_first_token_seconds",
        "tgi_request_queue_duration",
    ] {
        let text = format!(
            "{name}_bucket{{model=\"a\",le=\"1\"}} 2\n{name}_bucket{{model=\"b\",le=\"1\"}} 3\n\
             {name}_bucket{{model=\"a\",le=\"+Inf\"}} 2\n{name}_bucket{{model=\"b\",le=\"+Inf\"}} 4\n\
             {name}_sum{{model=\"a\"}} 1.5\n{name}_count{{model=\"a\"}} 2\n"
        );
        let histogram = read(&text).unwrap();
        assert_eq!(histogram.buckets, [(1.0, 5.0), (f64::INFINITY, 6.0)], "{name}");
        assert_eq!((histogram.sum, histogram.count), (1.5, 2.0));
    }
}

#[test]
fn hostile_pages_are_refused_by_name_and_used_in_no_part() {
    let name = "vllm:time_to_first_token_seconds";
    let bucket = |le: &str, value: &str| format!("{name}_bucket{{le=\"{le}\"}} {value}\n");
    let million: String =
        (0..100_000).map(|i| format!("{name}_bucket{{model=\"{i}\",le=\"1\"}} 1\n")).collect();
    let bounds: String = (0..1_000).map(|i| bucket(&i.to_string(), "1")).collect();
    for (text, why) in [
        (String::new(), BadPage::NoHistogram),
        ("\u{0}\u{fffd}\u{1}binary\n".repeat(1_000), BadPage::NoHistogram),
        ("vllm:num_requests_running 1\n".repeat(100_000), BadPage::NoHistogram),
        (bucket("1", "NaN"), BadPage::BadNumber),
        (bucket("1", "+Inf"), BadPage::BadNumber),
        (bucket("1", "-3"), BadPage::BadNumber),
        (bucket("NaN", "3"), BadPage::BadNumber),
        (bucket("-1", "3"), BadPage::BadNumber),
        (format!("{name}_bucket{{model=\"a\"}} 1\n"), BadPage::BadNumber),
        (format!("{name}_sum NaN\n{}", bucket("1", "1")), BadPage::BadNumber),
        (bucket("1", "5") + &bucket("2", "4"), BadPage::NotRising),
        (million, BadPage::TooMany),
        (bounds, BadPage::TooMany),
    ] {
        assert_eq!(read(&text), Err(why), "{}", text.get(..80).unwrap_or(&text));
    }
}

#[test]
fn readings_are_bounded_however_short_the_interval() {
    let mut window = Window::default();
    for i in 0..20_000 {
        window.add(i, read(&page([i; 5], i as f64)).unwrap(), u64::MAX);
    }
    assert!(window.len() <= 4_096);
}

proptest! {
    #[test]
    fn no_page_makes_it_panic(text in "(vllm:time_to_first_token_seconds(_bucket|_sum|_count)(\\{le=\"[0-9.+Infa-]{0,5}\"\\})? [0-9.eNa-]{0,5}\n){0,20}") {
        let _ = read(&text);
    }

    // A quantile lies between the bounds of the bucket that holds its rank.
    #[test]
    fn a_quantile_lies_in_the_bucket_of_its_rank(counts in prop::collection::vec(0u32..50, 1..10), share in 0.01f64..1.0) {
        let mut all = 0.0;
        let mut buckets = Vec::new();
        for (i, count) in counts.iter().enumerate() {
            all += f64::from(*count);
            buckets.push(((i + 1) as f64, all));
        }
        let histogram = Histogram { buckets: buckets.clone(), sum: 0.0, count: all };
        match histogram.quantile(share) {
            None => prop_assert_eq!(all, 0.0),
            Some(value) => {
                let at = buckets.iter().position(|(_, count)| *count >= share * all).unwrap();
                prop_assert!(value <= buckets[at].0 && value >= at as f64 - 1e-9, "{value} in {buckets:?}");
            }
        }
    }
}
