//! Points as a Prometheus reads them: OpenMetrics text.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text::encode},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::family::{self, Family, Kind, Value};

/// Media type of the page: OpenMetrics 1.0.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug)]
struct Page(Vec<Family>);

/// Writes the page.
///
/// # Errors
/// Only if memory could not be had.
pub fn page(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(families)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { about, points } in &self.0 {
            let unit = match about.unit {
                family::Unit::None => None,
                family::Unit::Seconds => Some(Unit::Seconds),
                family::Unit::Bytes => Some(Unit::Bytes),
                family::Unit::Ratio => Some(Unit::Other("ratio".into())),
            };
            let kind = match about.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(about.stem, about.help, unit.as_ref(), kind)?;
            for point in points {
                if point.labels.is_empty() {
                    value(&mut metric, about.kind, &point.value)?;
                } else {
                    value(&mut metric.encode_family(&point.labels)?, about.kind, &point.value)?;
                }
            }
        }
        Ok(())
    }
}

fn value(metric: &mut MetricEncoder<'_>, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Count(n)) => metric.encode_counter::<NoLabelSet, _, f64>(n, None),
        (Kind::Counter, Value::Number(n)) => metric.encode_counter::<NoLabelSet, _, f64>(n, None),
        (_, Value::Count(n)) => metric.encode_gauge(n),
        (_, Value::Number(n)) => metric.encode_gauge(n),
        (_, Value::Buckets { bounds, counts, sum }) => {
            let bounds = bounds.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
            metric.encode_histogram::<NoLabelSet>(*sum, counts.iter().sum(), &buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::family::Point, *};

    fn family(about: &'static family::About, labels: &[(&'static str, &str)], value: Value) -> Family {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Family { about, points: vec![Point { labels, value, since_ns: 0 }] }
    }

    #[test]
    fn each_kind_of_number_is_written_as_openmetrics_has_it() {
        let buckets = Value::Buckets { bounds: vec![5.12e-7, 1.024e-6], counts: vec![1, 2, 3], sum: 0.5 };
        let text = page(vec![
            family(family::CPU, &[], Value::Number(1.5)),
            family(family::HELD, &[], Value::Number(60.0)),
            family(family::LAUNCHES, &[("pid", "7"), ("comm", "a")], Value::Count(3)),
            family(family::LAUNCH_DURATION, &[("pid", "7")], buckets),
        ])
        .unwrap();
        for line in [
            "# TYPE ingero_recorder_cpu_seconds counter",
            "# UNIT ingero_recorder_cpu_seconds seconds",
            "ingero_recorder_cpu_seconds_total 1.5",
            "ingero_recorder_held_seconds 60.0",
            "# TYPE ingero_launches counter",
            "ingero_launches_total{pid=\"7\",comm=\"a\"} 3",
            "ingero_launch_duration_seconds_bucket{le=\"5.12e-7\",pid=\"7\"} 1",
            "ingero_launch_duration_seconds_bucket{le=\"0.000001024\",pid=\"7\"} 3",
            "ingero_launch_duration_seconds_bucket{le=\"+Inf\",pid=\"7\"} 6",
            "ingero_launch_duration_seconds_count{pid=\"7\"} 6",
            "ingero_launch_duration_seconds_sum{pid=\"7\"} 0.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    // A process may call itself what it likes.
    #[test]
    fn a_name_with_quotes_backslashes_and_line_ends_stays_one_value_of_one_label() {
        let comm = "a\"} 1\nx{y=\"\\\u{fffd}";
        let text = page(vec![family(family::LAUNCHES, &[("comm", comm)], Value::Count(1))]).unwrap();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(samples, ["ingero_launches_total{comm=\"a\\\"} 1\\nx{y=\\\"\\\\\u{fffd}\"} 1"]);
    }
}
