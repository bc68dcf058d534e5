//! The little YAML that is generated: block style, texts quoted only where
//! YAML would read them as something else.

use serde_json::Value;

/// How long a line may be, a key before it not counted.
const WIDTH: usize = 110;

/// What is written. Dictionaries keep the order in which they were made.
#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    /// A value on one line. JSON is YAML, and so does for lists and
    /// dictionaries too.
    Flow(Value),
    /// A list, an item per line.
    List(Vec<Yaml>),
    /// A dictionary.
    Map(Vec<(String, Yaml)>),
}

impl<T: Into<Value>> From<T> for Yaml {
    fn from(value: T) -> Self {
        Self::Flow(value.into())
    }
}

impl Yaml {
    /// A list of texts.
    pub(crate) fn texts(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::List(texts.into_iter().map(|text| text.as_ref().into()).collect())
    }

    /// The text of the document, so many spaces in.
    pub(crate) fn to_text(&self, indent: usize) -> String {
        let margin = " ".repeat(indent);
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                let lines = entries.iter().map(|(key, value)| {
                    let key = scalar(key);
                    if value.is_block() {
                        format!("{margin}{key}:\n{}", value.to_text(indent + 2))
                    } else {
                        format!("{margin}{key}: {}", value.to_text(indent + 2).trim_start())
                    }
                });
                lines.collect()
            }
            Self::List(items) if !items.is_empty() => {
                let items = items
                    .iter()
                    .map(|item| format!("{margin}- {}", item.to_text(indent + 2).trim_start()));
                items.collect()
            }
            Self::Map(_) => format!("{margin}{{}}\n"),
            Self::List(_) => format!("{margin}[]\n"),
            Self::Flow(Value::String(text)) => folded(&scalar(text), indent),
            Self::Flow(value) => format!("{margin}{value}\n"),
        }
    }

    fn is_block(&self) -> bool {
        match self {
            Self::Flow(_) => false,
            Self::List(items) => !items.is_empty(),
            Self::Map(entries) => !entries.is_empty(),
        }
    }
}

/// A scalar on as many lines as it needs. YAML reads the end of a line within
/// one, plain or quoted, as a blank.
fn folded(scalar: &str, indent: usize) -> String {
    let margin = " ".repeat(indent);
    let mut lines = vec![margin.clone()];
    // Blanks in a row would not come back as they were.
    let words = if scalar.contains("  ") {
        vec![scalar]
    } else {
        scalar.split(' ').collect()
    };
    for word in words {
        let Some(line) = lines.last_mut() else {
            continue;
        };
        let is_empty = *line == margin;
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{margin}{word}"));
        } else {
            line.push_str(if is_empty { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// A text: as it is where YAML would read back the same text, else quoted.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else {
        // A JSON string is a double-quoted YAML scalar.
        Value::from(text).to_string()
    }
}

fn is_plain(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_word = matches!(
        lower.as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let is_safe_at_first = text.starts_with(|first: char| first.is_alphabetic() || first == '/');
    // A colon or a hash begins something only beside a space.
    let has_marks = text.contains(": ") || text.contains(" #") || text.ends_with(':');
    let has_edges = text.trim() != text || text.contains(char::is_control);
    is_safe_at_first && !is_word && !has_marks && !has_edges
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Yaml, scalar};

    #[test]
    fn text_is_quoted_where_yaml_would_read_something_else() {
        for plain in [
            "present",
            "The VM's name.",
            "a#b",
            "a:b",
            "C(x) is",
            "/vms/100",
        ] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in [
            "",
            "no",
            "Null",
            "12",
            "1.5",
            "0x1",
            "-",
            "- x",
            "@x",
            "a: b",
            "a #b",
            "a:",
            " a",
            "[a]",
            "{{ a }}",
            "*",
            "&a",
            "!x",
            "%x",
            "`x`",
            "\"x\"",
            "'x'",
            "x\ny",
            "~",
            "=",
            ".inf",
            "2026-01-01",
        ] {
            assert_eq!(scalar(quoted), json!(quoted).to_string());
        }
    }

    #[test]
    fn long_text_goes_on_below_its_beginning() {
        let long = "word ".repeat(40);
        let value = Yaml::Map(vec![
            ("plain".into(), Yaml::texts([long.trim()])),
            ("quoted".into(), format!("a: {}", long.trim()).into()),
        ]);
        let text = value.to_text(2);
        assert!(text.lines().all(|line| line.len() <= 120), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5, "{text}");
        assert!(
            lines[1].starts_with("    - word") && lines[2].starts_with("      word"),
            "{text}"
        );
        assert!(
            lines[3].starts_with("  quoted: \"a: word") && lines[4].starts_with("    word"),
            "{text}"
        );
    }

    #[test]
    fn values_nest() {
        let inner = Yaml::Map(vec![
            ("p".into(), 1.into()),
            ("q".into(), Yaml::texts(["z"])),
        ]);
        let value = Yaml::Map(vec![
            (
                "z".into(),
                Yaml::Map(vec![("list".into(), Yaml::texts(["x", "no"]))]),
            ),
            ("empty".into(), Yaml::List(Vec::new())),
            ("none".into(), Yaml::Map(Vec::new())),
            ("flow".into(), json!({"a": [1]}).into()),
            ("on".into(), true.into()),
            ("pairs".into(), Yaml::List(vec![inner.clone(), inner])),
        ]);
        assert_eq!(
            value.to_text(0),
            "z:\n  list:\n    - x\n    - \"no\"\nempty: []\nnone: {}\nflow: {\"a\":[1]}\n\"on\": true\n\
             pairs:\n  - p: 1\n    q:\n      - z\n  - p: 1\n    q:\n      - z\n"
        );
    }
}
