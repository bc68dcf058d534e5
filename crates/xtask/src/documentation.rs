//! A module's `.yml`: its top-level keys as blocks of text. They are carried
//! over as they stand, so nothing here needs to understand YAML.

use std::fmt::Write as _;

/// The blocks of a `.yml` file, in their order.
#[derive(Debug)]
pub(crate) struct Documentation<'a> {
    blocks: Vec<(&'a str, String)>,
}

/// A `.yml` file that cannot be carried over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentationError {
    #[error("line {0} is neither a `key:` nor indented under one")]
    Stray(usize),
    #[error("the key `{0}` is missing")]
    Missing(&'static str),
    #[error("the key `{0}` is unknown: known are {known}", known = KEYS.join(", "))]
    Unknown(String),
}

/// The keys that a file may have; the first of them must be there.
const KEYS: [&str; 10] = [
    "short_description",
    "description",
    "examples",
    "returns",
    "author",
    "notes",
    "attributes",
    "seealso",
    "requirements",
    "version_added",
];
const REQUIRED: usize = 4;

impl<'a> Documentation<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, DocumentationError> {
        let mut blocks: Vec<(&str, String)> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let is_indented = line.starts_with(' ') || line.starts_with('-') || line.is_empty();
            if line == "---" || (line.starts_with('#') && blocks.is_empty()) {
                continue;
            }
            if is_indented {
                let Some((_, block)) = blocks.last_mut() else {
                    if line.is_empty() {
                        continue;
                    }
                    return Err(DocumentationError::Stray(index + 1));
                };
                block.push_str(line);
                block.push('\n');
            } else {
                let Some((key, rest)) = line.split_once(':') else {
                    return Err(DocumentationError::Stray(index + 1));
                };
                if !KEYS.contains(&key) {
                    return Err(DocumentationError::Unknown(key.to_owned()));
                }
                blocks.push((key, format!("{}\n", rest.trim())));
            }
        }
        let documentation = Self { blocks };
        for key in KEYS.into_iter().take(REQUIRED) {
            if documentation.block(key).is_none() {
                return Err(DocumentationError::Missing(key));
            }
        }
        Ok(documentation)
    }

    fn block(&self, key: &str) -> Option<&str> {
        let found = self.blocks.iter().find(|(known, _)| *known == key);
        found.map(|(_, block)| block.trim_end())
    }

    /// The one-line summary, without quotes.
    pub(crate) fn short_description(&self) -> &str {
        let text = self.block("short_description").unwrap_or_default();
        text.trim_matches(['"', '\''])
    }

    /// A key and its value as they stand in the file; nothing where the file
    /// does not have the key.
    pub(crate) fn verbatim(&self, key: &str) -> String {
        let Some(block) = self.block(key) else {
            return String::new();
        };
        match block.split_once('\n') {
            None => format!("{key}: {block}\n"),
            Some(("", rest)) => format!("{key}:\n{rest}\n"),
            Some((first, rest)) => format!("{key}: {first}\n{rest}\n"),
        }
    }

    /// The lines under a key without their indentation: the content of a text
    /// block, or of a dictionary.
    pub(crate) fn content(&self, key: &str) -> String {
        let block = self.block(key).unwrap_or_default();
        let lines: Vec<&str> = block.lines().skip(1).collect();
        let indent = lines
            .iter()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.len() - line.trim_start().len())
            .min()
            .unwrap_or_default();
        lines.iter().fold(String::new(), |mut content, line| {
            let _ = writeln!(content, "{}", line.get(indent..).unwrap_or_default());
            content
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Documentation, DocumentationError};

    const TEXT: &str = "---\n# A comment.\nshort_description: \"Manage roles: all of them\"\n\
        description:\n  - One.\n  - Two.\nnotes:\n- At the margin.\nauthor:\n  - A (@a)\nexamples: |\n  - name: X\n    \
        m:\n      a: 1\n\n  - name: Y\n    m:\nreturns:\n  role:\n    type: dict\n";

    #[test]
    fn blocks_are_carried_over_as_they_stand() {
        let documentation = Documentation::parse(TEXT).unwrap();
        assert_eq!(
            documentation.short_description(),
            "Manage roles: all of them"
        );
        assert_eq!(
            documentation.verbatim("short_description"),
            "short_description: \"Manage roles: all of them\"\n"
        );
        assert_eq!(
            documentation.verbatim("description"),
            "description:\n  - One.\n  - Two.\n"
        );
        assert_eq!(
            documentation.verbatim("notes"),
            "notes:\n- At the margin.\n"
        );
        assert_eq!(documentation.verbatim("author"), "author:\n  - A (@a)\n");
        assert_eq!(documentation.verbatim("seealso"), "");
    }

    #[test]
    fn the_content_of_a_block_loses_its_indentation() {
        let documentation = Documentation::parse(TEXT).unwrap();
        assert_eq!(
            documentation.content("examples"),
            "- name: X\n  m:\n    a: 1\n\n- name: Y\n  m:\n"
        );
        assert_eq!(documentation.content("returns"), "role:\n  type: dict\n");
    }

    #[test]
    fn a_file_that_lacks_a_key_or_has_a_strange_one_is_refused() {
        let error = Documentation::parse("short_description: x\n").unwrap_err();
        assert_eq!(error, DocumentationError::Missing("description"));
        let error = Documentation::parse("options:\n  a: b\n").unwrap_err();
        assert_eq!(error, DocumentationError::Unknown("options".to_owned()));
        let error = Documentation::parse("  text\n").unwrap_err();
        assert_eq!(error, DocumentationError::Stray(1));
    }
}
