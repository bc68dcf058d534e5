//! Objects of an answer, with every key that the server gave them.
//!
//! For those who pass on what the server tells: it knows more keys than we do,
//! and new versions bring new ones. Only what Perl writes its own way is put
//! right here.

use serde_json::{Map, Value};

use super::{lists, parse_switch, text_of};

/// An object of an answer.
pub type Row = Map<String, Value>;

/// The text, or the number as a text, of a key.
pub fn text(row: &Row, key: &str) -> Option<String> {
    row.get(key).and_then(text_of)
}

/// Makes `1`, `"1"` and the like true, their opposites false. A value that is
/// no switch stays what it is, and so does a key that is missing.
pub fn switches(row: &mut Row, keys: &[&str]) {
    replace(row, keys, |value| {
        text_of(value)
            .and_then(|text| parse_switch(&text))
            .map(Value::Bool)
    });
}

/// Makes lists of texts such as `images,iso`, sorted, as their order is another
/// one in each answer.
pub fn lists(row: &mut Row, keys: &[&str]) {
    replace(row, keys, |value| {
        let text = value.as_str()?;
        let mut items: Vec<&str> = lists::split(text).collect();
        items.sort_unstable();
        Some(Value::from(items))
    });
}

/// Makes objects of property strings such as `keep-last=3,keep-daily=7`. Their
/// values stay texts.
pub fn properties(row: &mut Row, keys: &[&str]) {
    replace(row, keys, |value| {
        let text = value.as_str()?;
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        Some(Value::Object(
            pairs
                .map(|(key, value)| (key.trim().to_owned(), Value::from(value.trim())))
                .collect(),
        ))
    });
}

fn replace(row: &mut Row, keys: &[&str], with: impl Fn(&Value) -> Option<Value>) {
    for key in keys {
        if let Some(value) = row.get_mut(*key)
            && let Some(better) = with(value)
        {
            *value = better;
        }
    }
}

/// Puts rows in the order of a key: the server's own is another one in each
/// answer.
pub fn sort(rows: &mut [Row], key: &str) {
    rows.sort_by_cached_key(|row| text(row, key));
}

/// As [`sort`], a list inside of an answer.
pub fn sort_list(list: &mut Value, key: &str) {
    if let Value::Array(items) = list {
        items.sort_by_cached_key(|item| item.get(key).and_then(text_of));
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, lists, properties, sort, sort_list, switches};
    use serde_json::{Value, json};

    fn changed(value: Value, change: impl Fn(&mut Row, &[&str])) -> Value {
        let mut row = Row::from_iter([("key".to_owned(), value)]);
        change(&mut row, &["key", "missing"]);
        assert_eq!(row.len(), 1);
        row["key"].take()
    }

    #[test]
    fn switches_are_true_or_false() {
        for (given, read) in [
            (json!(1), json!(true)),
            (json!("1"), json!(true)),
            (json!(0), json!(false)),
            (json!(""), json!(false)),
            (json!(3), json!(3)),
            (json!(null), json!(null)),
        ] {
            assert_eq!(changed(given.clone(), switches), read, "{given}");
        }
    }

    #[test]
    fn lists_are_sorted() {
        for (given, read) in [
            (
                json!("iso,backup images"),
                json!(["backup", "images", "iso"]),
            ),
            (json!(""), json!([])),
            (json!(["b", "a"]), json!(["b", "a"])),
        ] {
            assert_eq!(changed(given.clone(), lists), read, "{given}");
        }
    }

    #[test]
    fn property_strings_are_objects() {
        for (given, read) in [
            (
                json!("keep-last=3, keep-daily=7"),
                json!({"keep-last": "3", "keep-daily": "7"}),
            ),
            (json!({"keep-last": 3}), json!({"keep-last": 3})),
        ] {
            assert_eq!(changed(given.clone(), properties), read, "{given}");
        }
    }

    #[test]
    fn rows_stand_in_the_order_of_a_key() {
        let row = |node: &str| Row::from_iter([("node".to_owned(), json!(node))]);
        let mut rows = [row("pve2"), Row::new(), row("pve1")];
        sort(&mut rows, "node");
        assert_eq!(rows, [Row::new(), row("pve1"), row("pve2")]);

        let mut list = json!([{"node": "pve2"}, {"node": "pve1"}]);
        sort_list(&mut list, "node");
        assert_eq!(list, json!([{"node": "pve1"}, {"node": "pve2"}]));
    }
}
