//! `system.which`: which of the asked programs exist on the search path.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::InvokeError;

/// Folders in which programs are looked up, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath(Vec<PathBuf>);

impl SearchPath {
    /// The folders given, in order; relative ones are left out, they would mean another place tomorrow.
    pub fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(
            folders
                .into_iter()
                .filter(|folder| folder.is_absolute())
                .collect(),
        )
    }

    /// The `PATH` of this process.
    pub fn of_this_process() -> Self {
        std::env::var_os("PATH")
            .map(|path| Self::new(std::env::split_paths(&path)))
            .unwrap_or_default()
    }

    /// First folder that holds an executable file of this name. Names with a folder in them find nothing.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let is_plain =
            !name.is_empty() && !name.contains(['/', '\\', '\0']) && name != "." && name != "..";
        if !is_plain {
            return None;
        }
        self.0
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| is_executable(path))
    }
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// `{"bins":["sh"]}` -> `{"bins":{"sh":"/usr/bin/sh"}}`; what is not found is left out.
/// ref: gateway-behaviour.md §A.8
pub(super) fn which(path: &SearchPath, args: &Value) -> Result<Value, InvokeError> {
    let bins =
        args.get("bins")
            .and_then(Value::as_array)
            .ok_or_else(|| InvokeError::BadArgument {
                argument: "bins",
                expected: "a list of program names",
                got: args.get("bins").unwrap_or(&Value::Null).to_string(),
            })?;
    let found: Map<String, Value> = bins
        .iter()
        .filter_map(Value::as_str)
        .filter_map(|name| {
            Some((
                name.to_owned(),
                Value::from(path.find(name)?.to_string_lossy()),
            ))
        })
        .collect();
    Ok(json!({ "bins": found }))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use rstest::rstest;

    use super::*;

    fn folder_with(name: &str, mode: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(mode)
            .open(folder.path().join(name))
            .unwrap();
        folder
    }

    #[test]
    fn the_first_executable_file_on_the_path_wins() {
        let (plain, first, second) = (
            folder_with("tool", 0o644),
            folder_with("tool", 0o755),
            folder_with("tool", 0o755),
        );
        let path =
            SearchPath::new([&plain, &first, &second].map(|folder| folder.path().to_owned()));
        let answer = which(&path, &json!({"bins": ["tool", "missing", 7]})).unwrap();
        assert_eq!(answer, json!({"bins": {"tool": first.path().join("tool")}}));
    }

    #[rstest]
    #[case("")]
    #[case("..")]
    #[case("/bin/sh")]
    #[case("../tool")]
    fn a_name_that_is_no_name_finds_nothing(#[case] name: &str) {
        let folder = folder_with("tool", 0o755);
        assert_eq!(
            SearchPath::new([folder.path().join("sub")]).find(name),
            None
        );
    }

    #[rstest]
    #[case(json!({}))]
    #[case(json!({"bins": "sh"}))]
    #[case(Value::Null)]
    fn bins_must_be_a_list(#[case] args: Value) {
        let error = which(&SearchPath::default(), &args).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("bins: expected a list of program names, got "),
            "{error}"
        );
    }
}
