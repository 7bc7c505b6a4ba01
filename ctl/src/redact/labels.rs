//! Labels of samples and annotations: JSON objects.

use serde_json::{Map, Value};

use super::{Names, kept, paths};

/// An object with its values replaced, and keys that are not known. What is no object is replaced whole.
pub(super) fn redacted(names: &mut Names, labels: &str) -> String {
    match serde_json::from_str(labels) {
        Ok(Value::Object(labels)) => Value::Object(object(names, labels)).to_string(),
        _ => names.of("label", labels),
    }
}

fn object(names: &mut Names, labels: Map<String, Value>) -> Map<String, Value> {
    let label = |(key, of): (String, Value)| {
        let own =
            if kept::is_key(&key) { key.clone() } else { names.shaped("key", &key, |n| format!("key_{n}")) };
        (own, value(names, &key, of))
    };
    labels.into_iter().map(label).collect()
}

fn value(names: &mut Names, key: &str, value: Value) -> Value {
    match value {
        Value::String(text) if kept::is_label(key, &text) => Value::String(text),
        Value::String(text) if key == "cgroup" => Value::String(paths::cgroup(names, &text)),
        Value::String(text) => Value::String(names.of("label", &text)),
        Value::Array(list) => list.into_iter().map(|item| self::value(names, key, item)).collect(),
        Value::Object(labels) => Value::Object(object(names, labels)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_replaced_and_what_says_how_to_read_them_stays() {
        let mut names = Names::default();
        let labels =
            r#"{"cgroup":"/a/b","customer":"acme","le":"0.1","model_name":"acme","phase":"ttft","step":"7"}"#;
        let told = r#"{"cgroup":"/cgroup-1/cgroup-2","key_1":"label-1","le":"0.1","model_name":"label-1","phase":"ttft","step":"7"}"#;
        assert_eq!(redacted(&mut names, labels), told);
        assert_eq!(
            redacted(&mut names, r#"{"le":"acme","phase":"ann","x":["acme",{"y":"ann"},5,null]}"#),
            r#"{"key_2":["label-1",{"key_3":"label-2"},5,null],"le":"label-1","phase":"label-2"}"#
        );
        assert_eq!(redacted(&mut names, "acme"), "label-1");
        assert_eq!(redacted(&mut names, "{}"), "{}");
    }
}
