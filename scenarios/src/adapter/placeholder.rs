//! `{name}` in commands, environment and files.

use std::collections::BTreeMap;

/// The placeholders that every text of an adapter may use.
pub(crate) const USUAL: &[&str] = &[
    "url", "http_url", "host", "port", "token", "home", "state", "adapter", "node", "npm", "tools",
    "cache", "bin", "version", "policy",
];

/// The placeholders of a text, in order. Braces around anything but lower-case letters and `_` are text: JSON stays as
/// it is.
pub(crate) fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_name.then_some(name)
    })
}

/// The text with every placeholder filled; one that has no value becomes nothing.
pub(crate) fn fill(text: &str, values: &BTreeMap<&str, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        filled.push_str(before);
        let name = names(after)
            .next()
            .filter(|name| after.get(1..=name.len()) == Some(*name));
        if let Some(name) = name {
            filled.push_str(values.get(name).map_or("", String::as_str));
            rest = after.get(name.len() + 2..).unwrap_or_default();
        } else {
            filled.push('{');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_around_placeholders_stays() {
        let values = BTreeMap::from([("url", "ws://h".to_owned())]);
        let text = r#"{"a":{"u":"{url}","t":"{token}"},"x":"{ url }"}"#;
        assert_eq!(names(text).collect::<Vec<_>>(), ["url", "token"]);
        assert_eq!(
            fill(text, &values),
            r#"{"a":{"u":"ws://h","t":""},"x":"{ url }"}"#
        );
    }
}
