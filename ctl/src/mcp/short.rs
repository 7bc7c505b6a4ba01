//! Short keys (`tsc`): the same answer in fewer characters.
//!
//! Only keys below the top level are shortened, and nothing within values of no fixed shape. The declared schema
//! of an answer allows both.

use serde_json::{Map, Value};

/// Long and short.
pub const KEYS: [(&str, &str); 39] = [
    ("attributed_ns", "att_ns"),
    ("calls_affected", "ca"),
    ("calls_total", "ct"),
    ("comm", "c"),
    ("count", "n"),
    ("counter_evidence", "cev"),
    ("dur_ns", "d_ns"),
    ("evidence", "ev"),
    ("first_ns", "f_ns"),
    ("first_use_count", "fu_n"),
    ("first_use_ns", "fu_ns"),
    ("frames", "fr"),
    ("from_ns", "a_ns"),
    ("kernel", "k"),
    ("last_ns", "l_ns"),
    ("launches", "ln"),
    ("launches_per_s", "lps"),
    ("layer", "l"),
    ("max_ns", "mx_ns"),
    ("max_off_cpu_ns", "ofm_ns"),
    ("max_over_mean", "mom"),
    ("mean_ns", "av_ns"),
    ("min_ns", "mn_ns"),
    ("node", "nd"),
    ("off_cpu_calls", "of_c"),
    ("off_cpu_count", "of_n"),
    ("off_cpu_ns", "of_ns"),
    ("p99_over_p50", "p9o5"),
    ("preempted_count", "pre"),
    ("runqueue_ns", "rq_ns"),
    ("severity", "sev"),
    ("share_per_mille", "pm"),
    ("source", "src"),
    ("stack_id", "sid"),
    ("summary", "sum"),
    ("timed", "tm"),
    ("to_ns", "b_ns"),
    ("total_ns", "t_ns"),
    ("uncertain_ns", "un_ns"),
];

/// Values of no fixed shape: what is in them keeps its names.
const FREE: [&str; 6] = ["evidence", "counter_evidence", "labels", "rows", "coverage", "advice"];

fn short(key: &str) -> Option<&'static str> {
    KEYS.binary_search_by(|(long, _)| (*long).cmp(key)).ok().and_then(|i| KEYS.get(i)).map(|(_, s)| *s)
}

/// Shortens the keys below the top level.
pub fn value(answer: &mut Value) {
    if let Value::Object(map) = answer {
        map.iter_mut().filter(|(k, _)| !FREE.contains(&k.as_str())).for_each(|(_, v)| below(v));
    }
}

fn below(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(below),
        Value::Object(map) => {
            map.iter_mut().filter(|(k, _)| !FREE.contains(&k.as_str())).for_each(|(_, v)| below(v));
            let renamed = std::mem::take(map).into_iter();
            *map = renamed.map(|(k, v)| (short(&k).map_or(k, str::to_owned), v)).collect();
        }
        _ => {}
    }
}

/// Lets a schema of an answer allow both: below the top level a key may stand in either form.
pub fn schema(root: &mut Map<String, Value>) {
    let properties = root.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(either);
    let definitions = root.get_mut("$defs").and_then(Value::as_object_mut);
    definitions.into_iter().flat_map(Map::values_mut).for_each(either);
}

fn either(schema: &mut Value) {
    let Value::Object(map) = schema else {
        if let Value::Array(list) = schema {
            list.iter_mut().for_each(either);
        }
        return;
    };
    map.values_mut().for_each(either);
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        let forms: Vec<(String, Value)> = properties
            .iter()
            .filter_map(|(k, v)| {
                let mut form = v.clone();
                form.as_object_mut().map(|o| o.remove("description"));
                Some((short(k)?.to_owned(), form))
            })
            .collect();
        properties.extend(forms);
    }
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|k| k.as_str().is_none_or(|k| short(k).is_none()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_one_short_form_and_durations_keep_their_unit() {
        assert!(KEYS.is_sorted_by(|a, b| a.0 < b.0));
        let forms: std::collections::BTreeSet<&str> = KEYS.iter().map(|(_, s)| *s).collect();
        assert_eq!(forms.len(), KEYS.len());
        for (long, short) in KEYS {
            assert!(!long.ends_with("_ns") || short.ends_with("_ns"), "{long}");
        }
    }

    #[test]
    fn the_top_level_and_values_without_a_shape_keep_their_names() {
        let mut v = serde_json::json!({"count": 1, "ops": [{"count": 2, "evidence": {"count": 3}}]});
        value(&mut v);
        assert_eq!(v, serde_json::json!({"count": 1, "ops": [{"n": 2, "ev": {"count": 3}}]}));
    }
}
