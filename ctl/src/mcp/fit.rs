//! Answers that fit: a client must not be flooded, and must know what it did not get.

use serde_json::{Value, json};

/// Largest message of an answer, bytes: the JSON twice, as structure and as text.
pub const MESSAGE_BYTES: usize = 100 << 10;
/// What the message has beside the two.
const FRAME_BYTES: usize = 1 << 10;

/// Bytes that a value takes in a message.
#[must_use]
pub fn message_bytes(value: &Value) -> usize {
    FRAME_BYTES + twice_bytes(value)
}

fn twice_bytes(value: &Value) -> usize {
    let text = value.to_string();
    // As text, every quote and backslash takes another byte.
    let escaped = text.bytes().filter(|b| matches!(b, b'"' | b'\\')).count();
    2 * text.len() + escaped
}

/// How many rows, from the first on, leave room for the rest of an answer.
#[must_use]
pub fn room_for<T: serde::Serialize>(rows: &[T]) -> usize {
    let mut bytes = 0;
    let fits = rows.iter().take_while(|row| {
        bytes += serde_json::to_value(row).map_or(0, |v| twice_bytes(&v) + 4);
        bytes <= MESSAGE_BYTES * 4 / 5
    });
    fits.count()
}

/// Shortens the lists of an answer until it fits, and writes down how much of each was left out. False if it
/// does not fit without any list.
pub fn fit(answer: &mut Value) -> bool {
    let mut size = message_bytes(answer);
    if size <= MESSAGE_BYTES {
        return true;
    }
    // Room for what is written down.
    let room = MESSAGE_BYTES - FRAME_BYTES;
    let Some(map) = answer.as_object() else { return false };
    let lists = map.iter().filter_map(|(name, v)| Some((name.clone(), v.as_array()?)));
    let mut lists: Vec<List> = lists.map(List::of).collect();
    while size > room {
        let Some(longest) = lists.iter_mut().max_by_key(|l| l.bytes) else { return false };
        let Some(last) = longest.rows.pop() else { return false };
        longest.bytes -= last;
        size -= last;
    }
    for list in lists {
        let rows = answer.get_mut(&list.name).and_then(Value::as_array_mut);
        let cut = rows.map_or(0, |rows| rows.drain(list.rows.len()..).len());
        if cut > 0 {
            note(answer, &list.name, cut);
        }
    }
    message_bytes(answer) <= MESSAGE_BYTES
}

/// A list of an answer, and what its rows take in a message.
struct List {
    name: String,
    rows: Vec<usize>,
    bytes: usize,
}

impl List {
    fn of((name, rows): (String, &Vec<Value>)) -> Self {
        // The comma, twice.
        let rows: Vec<usize> = rows.iter().map(|row| twice_bytes(row) + 2).collect();
        Self { name, bytes: rows.iter().sum(), rows }
    }
}

fn note(answer: &mut Value, list: &str, cut: usize) {
    let Some(map) = answer.as_object_mut() else { return };
    map.insert("truncated".to_owned(), Value::Bool(true));
    let left_out = map.entry("left_out").or_insert_with(|| json!({}));
    if let Some(left_out) = left_out.as_object_mut() {
        let sum = left_out.get(list).and_then(Value::as_u64).unwrap_or(0) + cut as u64;
        left_out.insert(list.to_owned(), json!(sum));
    }
    if map.get("more").is_none_or(Value::is_null) {
        let how = "left_out counts what did not fit; ask for less at once (pid, since, from and to, limit), or count it with run_sql";
        map.insert("more".to_owned(), json!(how));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_cut_to_size_and_says_of_what_how_much_is_missing() {
        let row = json!({"comm": "x\"y\\z".repeat(20), "count": 1});
        let mut answer = json!({"ops": vec![row.clone(); 4_000], "threads": vec![row; 3], "more": null});
        assert!(fit(&mut answer));
        assert!(message_bytes(&answer) <= MESSAGE_BYTES);
        let (kept, cut) = (answer["ops"].as_array().unwrap().len(), answer["left_out"]["ops"].as_u64());
        assert_eq!(kept as u64 + cut.unwrap(), 4_000);
        assert!(message_bytes(&answer) > MESSAGE_BYTES / 2, "no more than needed is cut");
        assert_eq!(answer["threads"].as_array().unwrap().len(), 3);
        assert_eq!(answer["truncated"], true);
        assert!(answer["more"].as_str().unwrap().contains("run_sql"));
        let mut short = json!({"ops": [1, 2]});
        assert!(fit(&mut short) && short == json!({"ops": [1, 2]}));
    }
}
