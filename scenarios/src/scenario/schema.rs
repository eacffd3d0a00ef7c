//! The JSON Schema of scenario files, for editors.

/// The schema as it is committed in `scenarios/schema/scenario.schema.json`.
///
/// ```
/// assert!(scenarios::scenario::schema_json().contains("\"Scenario\""));
/// ```
pub fn schema_json() -> String {
    let schema = schemars::schema_for!(super::Scenario);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    /// Written by `UPDATE_SCHEMA=1 cargo nextest run -p scenarios schema`.
    #[test]
    fn the_committed_schema_is_fresh() {
        let file =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/scenario.schema.json");
        let fresh = super::schema_json();
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            let mut out = std::fs::File::create(&file).unwrap();
            std::io::Write::write_all(&mut out, fresh.as_bytes()).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap();
        assert!(
            committed == fresh,
            "run `cargo xtask generate`: {} is stale",
            file.display()
        );
    }
}
