//! Points as an OpenTelemetry collector takes them: OTLP over HTTP, protobuf.
//!
//! The messages are those of the `opentelemetry-proto` crate, filled here: the instruments of `opentelemetry_sdk` take
//! single measurements and add them up themselves, and the types that its exporters take cannot be made outside of it.
//! What the drain has added up already could only go through them by being measured again, one row at a time.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
    },
    resource::v1::Resource,
};
use prost::Message;

use super::family::{Family, Kind, Point, Unit, Value};

/// Media type of request and answer.
pub const CONTENT_TYPE: &str = "application/x-protobuf";

/// Writes a request. `host` is this host's name, `now_ns` Unix time, ns.
#[must_use]
pub fn request(families: &[Family], host: &str, now_ns: u64) -> Vec<u8> {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    // One recorder a host: its name is the instance.
    let attributes = [
        ("service.name", name),
        ("service.version", version),
        ("service.instance.id", host),
        ("host.name", host),
    ];
    let resource = Resource {
        attributes: attributes.into_iter().map(|(key, value)| attribute(key, value)).collect(),
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: name.into(),
        version: version.into(),
        ..InstrumentationScope::default()
    };
    let metrics = families.iter().filter(|f| !f.points.is_empty()).map(|f| metric(f, now_ns)).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, schema_url: String::new() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

/// How many points a collector that took a request says it left out, and why; `None`: nothing.
///
/// # Errors
/// If the answer is none.
pub fn rejected(answer: &[u8]) -> Result<Option<(u64, String)>, prost::DecodeError> {
    let partial = ExportMetricsServiceResponse::decode(answer)?.partial_success;
    let some = partial.filter(|partial| partial.rejected_data_points > 0);
    Ok(some.map(|partial| (partial.rejected_data_points.unsigned_abs(), partial.error_message)))
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

fn attributes(point: &Point) -> Vec<KeyValue> {
    point.labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

// Names are those of the Prometheus page, with unit and `_total`: what goes through a collector ends up alike.
fn metric(family: &Family, now_ns: u64) -> Metric {
    let about = family.about;
    let temporality = AggregationTemporality::Cumulative as i32;
    let numbers = || family.points.iter().filter_map(|p| number(p, about.kind, now_ns)).collect();
    let data = match about.kind {
        Kind::Gauge => metric::Data::Gauge(Gauge { data_points: numbers() }),
        Kind::Counter => metric::Data::Sum(Sum {
            data_points: numbers(),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        Kind::Histogram => metric::Data::Histogram(Histogram {
            data_points: family.points.iter().filter_map(|p| histogram(p, now_ns)).collect(),
            aggregation_temporality: temporality,
        }),
    };
    let unit = match about.unit {
        Unit::None | Unit::Ratio => "1",
        Unit::Seconds => "s",
        Unit::Bytes => "By",
    };
    Metric {
        name: about.name(),
        description: about.help.into(),
        unit: unit.into(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(point: &Point, kind: Kind, now_ns: u64) -> Option<NumberDataPoint> {
    let value = match &point.value {
        Value::Count(n) => number_data_point::Value::AsInt(i64::try_from(*n).unwrap_or(i64::MAX)),
        Value::Number(n) => number_data_point::Value::AsDouble(*n),
        Value::Buckets { .. } => return None,
    };
    Some(NumberDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: if kind == Kind::Gauge { 0 } else { point.since_ns },
        time_unix_nano: now_ns,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn histogram(point: &Point, now_ns: u64) -> Option<HistogramDataPoint> {
    let Value::Buckets { bounds, counts, sum } = &point.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(point),
        start_time_unix_nano: point.since_ns,
        time_unix_nano: now_ns,
        count: counts.iter().sum(),
        sum: Some(*sum),
        bucket_counts: counts.clone(),
        explicit_bounds: bounds.clone(),
        ..HistogramDataPoint::default()
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;

    use super::{super::family, *};

    fn point(labels: &[(&'static str, &str)], value: Value) -> Point {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Point { labels, value, since_ns: 5 }
    }

    fn read(families: &[Family]) -> Vec<Metric> {
        let request = ExportMetricsServiceRequest::decode(&*request(families, "node-1", 9)).unwrap();
        let resource = request.resource_metrics[0].resource.clone().unwrap();
        assert!(resource.attributes.contains(&attribute("service.name", "ingero-recorder")));
        assert!(resource.attributes.contains(&attribute("host.name", "node-1")));
        request.resource_metrics[0].scope_metrics[0].metrics.clone()
    }

    #[test]
    fn each_kind_of_number_is_what_a_collector_expects() {
        let buckets = Value::Buckets { bounds: vec![0.5, 1.0], counts: vec![1, 2, 3], sum: 4.5 };
        let metrics = read(&[
            Family { about: family::LAUNCHES, points: vec![point(&[("pid", "7")], Value::Count(3))] },
            Family { about: family::HELD, points: vec![point(&[], Value::Number(60.5))] },
            Family { about: family::OFF_CPU, points: vec![point(&[("pid", "7")], buckets)] },
            Family { about: family::TRIGGER_REFUSED, points: Vec::new() },
        ]);
        assert_eq!(metrics.len(), 3, "a family without points is left out");
        let Some(metric::Data::Sum(sum)) = &metrics[0].data else { panic!("{:?}", metrics[0]) };
        assert!(sum.is_monotonic && sum.aggregation_temporality == AggregationTemporality::Cumulative as i32);
        let launches = &sum.data_points[0];
        assert_eq!((launches.start_time_unix_nano, launches.time_unix_nano), (5, 9));
        assert_eq!(launches.value, Some(number_data_point::Value::AsInt(3)));
        assert_eq!(launches.attributes, [attribute("pid", "7")]);
        assert_eq!((metrics[0].name.as_str(), metrics[0].unit.as_str()), ("ingero_launches_total", "1"));
        let Some(metric::Data::Gauge(held)) = &metrics[1].data else { panic!("{:?}", metrics[1]) };
        assert_eq!(held.data_points[0].value, Some(number_data_point::Value::AsDouble(60.5)));
        assert_eq!(
            (metrics[1].name.as_str(), metrics[1].unit.as_str()),
            ("ingero_recorder_held_seconds", "s")
        );
        let Some(metric::Data::Histogram(off)) = &metrics[2].data else { panic!("{:?}", metrics[2]) };
        let off = &off.data_points[0];
        assert_eq!((off.count, off.sum, off.bucket_counts.as_slice()), (6, Some(4.5), [1, 2, 3].as_slice()));
        assert_eq!(off.explicit_bounds, [0.5, 1.0]);
    }

    #[test]
    fn what_a_collector_left_out_is_read_and_bytes_that_are_no_answer_are_an_error() {
        let answer = |rejected, why: &str| {
            let partial =
                ExportMetricsPartialSuccess { rejected_data_points: rejected, error_message: why.into() };
            ExportMetricsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
        };
        assert_eq!(rejected(b""), Ok(None));
        assert_eq!(rejected(&answer(0, "mind the names")), Ok(None));
        assert_eq!(rejected(&answer(4, "too many")), Ok(Some((4, "too many".into()))));
        assert!(rejected(b"<html>").is_err());
    }
}
