//! Differences between mock and real gateway that are known, each with its reason. One that is gone is stale, and fails.

use serde::Deserialize;

/// One row of `differences.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    pub(crate) flow: String,
    pub(crate) version: String,
    pub(crate) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    difference: Vec<Known>,
}

/// Reads the file.
///
/// # Errors
/// What is wrong, with line and column; a row without a reason.
pub(crate) fn parse(text: &str) -> Result<Vec<Known>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    match file
        .difference
        .iter()
        .find(|row| row.reason.trim().is_empty())
    {
        Some(row) => Err(format!(
            "{} on {}: a difference needs a reason",
            row.flow, row.version
        )),
        None => Ok(file.difference),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_without_a_reason_is_refused() {
        let text = "[[difference]]\nflow = \"a/b\"\nversion = \"2026.6.34\"\nreason = \" \"\n";
        assert!(parse(text).unwrap_err().contains("needs a reason"));
    }
}
