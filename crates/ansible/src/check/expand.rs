//! `~` and `$VARIABLE` in paths.

use super::Env;

/// Expands variables, then the home folder, as Python's `os.path` does: what
/// is not known stays as it is.
pub(super) fn path(text: &str, env: &Env<'_>) -> String {
    home(&variables(text, env), env)
}

fn variables(text: &str, env: &Env<'_>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from_dollar) = rest.split_at(at);
        expanded.push_str(before);
        let after = &from_dollar[1..];
        let (name, length) = if let Some(braced) = after.strip_prefix('{') {
            match braced.find('}') {
                Some(end) => (&braced[..end], end + 2),
                None => ("", 0),
            }
        } else {
            let end = after
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                .unwrap_or(after.len());
            (&after[..end], end)
        };
        let whole = &from_dollar[..=length];
        match env(name) {
            Some(value) if length > 0 => expanded.push_str(&value),
            _ => expanded.push_str(whole),
        }
        rest = &from_dollar[length + 1..];
    }
    expanded.push_str(rest);
    expanded
}

fn home(text: &str, env: &Env<'_>) -> String {
    let Some(after) = text.strip_prefix('~') else {
        return text.to_owned();
    };
    let end = after.find('/').unwrap_or(after.len());
    let (user, rest) = after.split_at(end);
    let home = if user.is_empty() {
        env("HOME").or_else(|| Some(std::env::home_dir()?.to_str()?.to_owned()))
    } else {
        home_of(user)
    };
    let Some(home) = home else {
        return text.to_owned();
    };
    let expanded = format!("{}{rest}", home.trim_end_matches('/'));
    if expanded.is_empty() {
        "/".to_owned()
    } else {
        expanded
    }
}

/// The home folder of a user of this machine.
fn home_of(user: &str) -> Option<String> {
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user))
            .then(|| fields.nth(4).map(ToOwned::to_owned))
            .flatten()
    })
}
