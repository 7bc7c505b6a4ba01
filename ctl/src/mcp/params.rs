//! Parameters of tools: what is not known is refused with the names of what is.

use rmcp::{handler::server::tool::schema_for_input, model::JsonObject};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::refusal::Refusal;

/// A tool without parameters.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub struct None {}

/// Reads parameters.
///
/// # Errors
/// Naming the parameter that is not known or has a wrong value, and all that there are.
pub fn read<P>(tool: &str, given: Option<JsonObject>) -> Result<P, Refusal>
where
    P: DeserializeOwned + JsonSchema + 'static,
{
    let given = given.unwrap_or_default();
    let known = names::<P>();
    let takes = match known.as_slice() {
        [] => "no parameters".to_owned(),
        names => names.join(", "),
    };
    if let Some(unknown) = given.keys().find(|k| !known.contains(k)) {
        return Err(Refusal::new(format!("unknown parameter `{unknown}`; {tool} takes {takes}")));
    }
    // A client that fills in every parameter sends null for those it has nothing for.
    let given: JsonObject = given.into_iter().filter(|(_, v)| !v.is_null()).collect();
    for (name, value) in &given {
        let alone = Value::Object([(name.clone(), value.clone())].into_iter().collect());
        if let Err(e) = serde_json::from_value::<P>(alone)
            && !e.to_string().contains("missing field")
        {
            return Err(Refusal::new(format!("parameter `{name}`: {e}; {tool} takes {takes}")));
        }
    }
    serde_json::from_value(Value::Object(given))
        .map_err(|e| Refusal::new(format!("{e}; {tool} takes {takes}")))
}

/// The names of all parameters.
fn names<P: JsonSchema + 'static>() -> Vec<String> {
    let schema = schema_for_input::<P>().unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map(|p| p.keys().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Two {
        #[serde(default)]
        pid: Option<u32>,
        query: String,
    }

    #[test]
    fn an_unknown_parameter_or_a_wrong_value_is_refused_with_the_names_there_are() {
        let read = |v: Value| super::read::<Two>("tool", v.as_object().cloned());
        let unknown = read(serde_json::json!({"query": "x", "pids": 1})).unwrap_err().text();
        assert_eq!(unknown, "unknown parameter `pids`; tool takes pid, query");
        let wrong = read(serde_json::json!({"query": "x", "pid": -1})).unwrap_err().text();
        assert!(wrong.starts_with("parameter `pid`: invalid value") && wrong.contains("takes pid, query"));
        assert!(read(serde_json::json!({"pid": 1})).unwrap_err().text().contains("missing field `query`"));
        let two = read(serde_json::json!({"pid": null, "query": "x"})).unwrap();
        assert_eq!((two.pid, two.query.as_str()), (Option::None, "x"));
        assert!(super::read::<None>("t", Option::None).is_ok());
        let none = super::read::<None>("t", serde_json::json!({"a": 1}).as_object().cloned());
        assert_eq!(none.unwrap_err().text(), "unknown parameter `a`; t takes no parameters");
    }
}
