//! `clawproof new`: a scenario file to start from.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::args::NewArgs;
use super::exit::Exit;
use super::library;
use super::print::{fail, out, say};
use crate::run::Source;
use crate::scenario::Shard;

#[derive(Debug, Error)]
enum NewError {
    #[error(
        "'{id}' is no scenario id: expected family/name in lower-case letters, digits and dashes"
    )]
    Id { id: String },
    #[error("the suite is inside this program and can't be added to")]
    Embedded,
    #[error("could not write {}", .path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

pub(super) fn new(args: &NewArgs) -> Exit {
    let source = match library::files(args.suite.as_deref()) {
        Ok((source, _)) => source,
        Err(exit) => return exit,
    };
    match create(&args.id, &source) {
        Ok(path) => {
            out(path.display());
            say(format_args!(
                "hint: edit it, then `clawproof check` and `clawproof run {}`",
                args.id
            ));
            Exit::Passed
        }
        Err(error) => {
            let (hint, exit) = match &error {
                NewError::Id { .. } => ("for example setup-connect/auth/my-case", Exit::Usage),
                NewError::Embedded => (
                    "run it inside the repository, or name a folder with --suite",
                    Exit::ArtifactsNotWritten,
                ),
                NewError::Write { .. } => (
                    "an existing scenario is never overwritten",
                    Exit::ArtifactsNotWritten,
                ),
            };
            fail(&error, Some(hint));
            exit
        }
    }
}

fn create(id: &str, source: &Source) -> Result<PathBuf, NewError> {
    if !is_id(id) {
        return Err(NewError::Id { id: id.to_owned() });
    }
    let Source::Folder(root) = source else {
        return Err(NewError::Embedded);
    };
    let path = root.join(format!("{id}.toml"));
    write_new(&path, &template(id)).map_err(|source| NewError::Write {
        path: path.clone(),
        source,
    })?;
    Ok(path)
}

fn is_id(id: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    id.contains('/') && id.split('/').all(plain)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn template(id: &str) -> String {
    let shard = match Shard::of_id(id) {
        Some(_) => "",
        None => "shard = \"setup-connect\"\n",
    };
    format!(
        r#"title = "A paired client connects with its device token"
about = "where this comes from: an issue, a requirement, a page"
{shard}
[actor.companion]
kind = "client"
holds = {{ shared_token = "valid", operator_token = "valid" }}

[[step]]
start = "companion"

[[step]]
expect = {{ from = "companion", method = "connect" }}

[[step]]
expect = {{ to = "companion", response = "connect", ok = true }}
"#
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::scenario::parse;

    #[rstest]
    #[case("setup-connect/auth/my-case", true)]
    #[case("my-case", false)]
    #[case("a//b", false)]
    #[case("a/../b", false)]
    #[case("A/b", false)]
    fn ids_are_plain_paths(#[case] id: &str, #[case] good: bool) {
        assert_eq!(is_id(id), good);
    }

    #[rstest]
    #[case("setup-connect/x")]
    #[case("other/x")]
    fn the_template_is_a_scenario(#[case] id: &str) {
        if let Err(problems) = parse(id, &template(id)) {
            panic!("{problems}");
        }
    }

    #[test]
    fn an_existing_file_is_kept() {
        let suite = tempfile::tempdir().unwrap();
        let source = Source::Folder(suite.path().to_path_buf());
        let path = create("a/b", &source).unwrap();
        assert!(matches!(
            create("a/b", &source),
            Err(NewError::Write { .. })
        ));
        assert_eq!(std::fs::read_to_string(path).unwrap(), template("a/b"));
    }
}
