//! Names that the recorder writes as text, and that readers know: of triggers, sampled quantities, reasons. Redaction keeps
//! them, so one that is missing here comes out as a pseudonym.

/// What can ask for a window, as MANIFEST, status and metrics call it.
pub const TRIGGERS: [&str; 12] = [
    "command",
    "signal",
    "unit",
    "webhook",
    "ttft",
    "process",
    "sync_longer",
    "off_cpu_longer",
    "launch_rate_drop",
    "oom_kill",
    "gpu_throttle",
    "gpu_xid",
];

/// Annotations that were kept.
pub const ANNOTATIONS_KEPT: &str = "ingero_recorder_annotations_kept_total";
/// Annotations that were refused, with the label `reason`: one of [`REFUSALS`].
pub const ANNOTATIONS_REFUSED: &str = "ingero_recorder_annotations_refused_total";

/// Quantities that the recorder samples itself; the suffix is the unit. `docs/ARCHITECTURE.md` says where each is read.
pub const SAMPLES: [&str; 35] = [
    "psi_some_total_us",
    "psi_full_total_us",
    "psi_some_avg10_percent",
    "psi_full_avg10_percent",
    "load1",
    "load5",
    "load15",
    "tasks_runnable",
    "cpu_seconds_total",
    "memory_total_bytes",
    "memory_available_bytes",
    "gpu_utilization_percent",
    "gpu_memory_utilization_percent",
    "gpu_sm_clock_mhz",
    "gpu_memory_clock_mhz",
    "gpu_throttle_reasons",
    "gpu_power_watts",
    "gpu_temperature_celsius",
    "gpu_memory_used_bytes",
    "gpu_memory_total_bytes",
    "cgroup_cpu_periods_total",
    "cgroup_cpu_throttled_periods_total",
    "cgroup_cpu_throttled_us_total",
    "cgroup_cpu_usage_us_total",
    "cgroup_cpu_limit_cores",
    "cgroup_memory_events_total",
    "up",
    "ingero_recorder_cpu_seconds_total",
    "ingero_recorder_resident_bytes",
    "ingero_recorder_anonymous_bytes",
    "ingero_recorder_written_bytes_total",
    "ingero_recorder_events_stored_total",
    "ingero_recorder_events_lost_total",
    ANNOTATIONS_KEPT,
    ANNOTATIONS_REFUSED,
];

/// Time to first token, s, by engine (vLLM, SGLang); of TGI, which has none, the time a request waits for its first
/// batch, s.
pub const TTFT_HISTOGRAMS: [&str; 3] =
    ["vllm:time_to_first_token_seconds", "sglang:time_to_first_token_seconds", "tgi_request_queue_duration"];
/// Histograms that are kept of an engine's page: `_sum`, `_count` and `_bucket` of each.
pub const ENGINE_HISTOGRAMS: [&str; 4] =
    [TTFT_HISTOGRAMS[0], TTFT_HISTOGRAMS[1], TTFT_HISTOGRAMS[2], "tgi_batch_inference_duration"];
/// Single numbers that are kept of an engine's page.
pub const ENGINE_GAUGES: [&str; 9] = [
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:kv_cache_usage_perc",
    "vllm:gpu_cache_usage_perc",
    "sglang:num_running_reqs",
    "sglang:num_queue_reqs",
    "sglang:token_usage",
    "tgi_queue_size",
    "tgi_batch_current_size",
];

/// Why an annotation, or its connection, was not taken.
pub const REFUSALS: [&str; 11] = [
    "malformed",
    "labels",
    "key",
    "value",
    "too_long",
    "span",
    "time",
    "process",
    "rate",
    "connections",
    "flood",
];

/// Endings of the series of a histogram, as Prometheus has them.
pub const HISTOGRAM_PARTS: [&str; 3] = ["_sum", "_count", "_bucket"];

/// True if a series of this name is kept of an engine's page.
#[must_use]
pub fn is_of_engine(name: &str) -> bool {
    let is_part = |whole: &str| name.strip_prefix(whole).is_some_and(|part| HISTOGRAM_PARTS.contains(&part));
    ENGINE_GAUGES.contains(&name) || ENGINE_HISTOGRAMS.iter().any(|whole| is_part(whole))
}

/// True if a series of this name may come from the recorder: one it samples, or one it keeps of an engine's page.
#[must_use]
pub fn is_sampled(name: &str) -> bool {
    SAMPLES.contains(&name) || is_of_engine(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_known_by_its_parts_and_no_other_name_is() {
        assert!(
            is_sampled("vllm:time_to_first_token_seconds_bucket")
                && is_sampled("load1")
                && is_sampled("tgi_queue_size")
        );
        for name in ["vllm:time_to_first_token_seconds", "load", "load1_sum", "_sum", ""] {
            assert!(!is_sampled(name), "{name}");
        }
    }
}
