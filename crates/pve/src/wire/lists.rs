//! Lists in one text: `a,b`, `a;b`, `a b`.

/// The items of a list, split as `PVE::Tools::split_list` does: at commas,
/// semicolons and blanks, empty items left out.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character: char| {
        matches!(character, ',' | ';' | '\0') || character.is_ascii_whitespace()
    })
    .filter(|item| !item.is_empty())
}

/// A list as cloud-init's `nameserver` and `searchdomain` take it: blanks between.
pub fn spaced<T: AsRef<str>>(items: &[T]) -> String {
    items
        .iter()
        .flat_map(|item| split(item.as_ref()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Names as the API takes a list of them: commas between.
pub fn joined<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names
        .into_iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::{spaced, split};

    #[test]
    fn every_separator_is_taken() {
        assert_eq!(
            split(" a,b; c\nd ,").collect::<Vec<_>>(),
            ["a", "b", "c", "d"]
        );
        assert_eq!(split("").count(), 0);
    }

    #[test]
    fn nameservers_stand_with_blanks_between() {
        assert_eq!(
            spaced(&["1.1.1.1", "9.9.9.9,8.8.8.8"]),
            "1.1.1.1 9.9.9.9 8.8.8.8"
        );
    }
}
