//! `/etc/wsl.conf` as WSL reads it.
//!
//! Sections, keys and values compare without case; `#` and `;` begin comments; lines outside of a section and
//! lines that are none are left alone; of two equal keys the last counts. A carriage return is no part of a value.
//!
//! ```
//! use wsl_fixtures::wsl_conf::WslConf;
//!
//! let conf = WslConf::parse("[Boot]\r\nsystemd=True\r\n");
//! assert!(conf.is("boot", "systemd", "true"));
//! ```
//!
//! ref: setup-and-wsl.md §4.9, §4.10

use std::collections::BTreeMap;

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WslConf(BTreeMap<(String, String), String>);

impl WslConf {
    /// Reads it. No text is wrong: what WSL does not understand it leaves alone.
    pub fn parse(text: &str) -> Self {
        let mut section = None;
        let mut values = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            {
                section = Some(name.trim().to_ascii_lowercase());
            } else if let (Some(section), Some((key, value))) = (&section, line.split_once('=')) {
                let key = key.trim().to_ascii_lowercase();
                values.insert((section.clone(), key), value.trim().to_owned());
            }
        }
        Self(values)
    }

    /// A value as it stands there.
    pub fn value(&self, section: &str, key: &str) -> Option<&str> {
        let name = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        self.0.get(&name).map(String::as_str)
    }

    /// Whether a value is this one.
    pub fn is(&self, section: &str, key: &str, expected: &str) -> bool {
        self.value(section, key)
            .is_some_and(|value| value.eq_ignore_ascii_case(expected))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("[boot]\nsystemd=true", Some("true"))]
    #[case("[BOOT]\n SystemD = yes ; no\n", Some("yes ; no"))]
    #[case("systemd=true\n[boot]\n", None)]
    #[case("[user]\nsystemd=true\n", None)]
    #[case("[boot]\n#systemd=true\n;systemd=true\n", None)]
    #[case("[boot]\nsystemd=true\nsystemd=false\r\n", Some("false"))]
    #[case("[boot\nsystemd=true", None)]
    fn a_value_is_read_where_it_stands(#[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(WslConf::parse(text).value("boot", "systemd"), expected);
    }
}
