//! `SHA256SUMS`: one digest per file of a bundle, in the form that `sha256sum -c` reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use gateway_protocol::device::hex;
use sha2::{Digest as _, Sha256};

/// Name of the file.
pub const SUMS: &str = "SHA256SUMS";

/// Digest of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Every file below `root` but the digests themselves, by its path with `/`.
///
/// # Errors
/// When a file or folder can't be read, with its path.
pub fn files(root: &Path) -> Result<BTreeMap<String, Vec<u8>>, (PathBuf, io::Error)> {
    let mut found = BTreeMap::new();
    collect(root, root, &mut found)?;
    found.remove(SUMS);
    Ok(found)
}

fn collect(
    root: &Path,
    folder: &Path,
    found: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), (PathBuf, io::Error)> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error| (path, error)
    };
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() {
            collect(root, &path, found)?;
            continue;
        }
        let inside = path.strip_prefix(root).unwrap_or(&path);
        let parts: Vec<_> = inside
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        let bytes = std::fs::read(&path).map_err(failed(&path))?;
        found.insert(parts.join("/"), bytes);
    }
    Ok(())
}

/// The text of the file.
pub fn to_text(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut text = String::new();
    for (path, bytes) in files {
        // Writing to a string does not fail.
        let _fine = writeln!(text, "{}  {path}", sha256(bytes));
    }
    text
}

/// What is wrong with the files of a bundle, judged by its `SHA256SUMS`.
pub fn problems(sums: &str, files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut listed = BTreeMap::new();
    for (index, line) in sums.lines().enumerate() {
        match line.split_once("  ") {
            Some((digest, path)) if digest.len() == 64 => {
                listed.insert(path, digest);
            }
            _ => problems.push(format!(
                "{SUMS}:{}: expected `DIGEST  PATH`, got {line:?}",
                index + 1
            )),
        }
    }
    for (path, digest) in &listed {
        match files.get(*path) {
            None => problems.push(format!("{path} is missing")),
            Some(bytes) if sha256(bytes) != *digest => {
                problems.push(format!(
                    "{path} was changed: its digest is not the one in {SUMS}"
                ));
            }
            Some(_) => {}
        }
    }
    let unlisted = files
        .keys()
        .filter(|path| !listed.contains_key(path.as_str()));
    problems.extend(unlisted.map(|path| format!("{path} is not in {SUMS}")));
    problems
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn bundle() -> BTreeMap<String, Vec<u8>> {
        [("a.json", "{}"), ("b/c.txt", "text")]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into()
    }

    /// Whatever is done to a bundle's files, its digests tell.
    #[rstest]
    #[case::nothing(|_: &mut BTreeMap<String, Vec<u8>>| (), None)]
    #[case::flipped(|files: &mut BTreeMap<String, Vec<u8>>| files.get_mut("a.json").unwrap()[0] ^= 1, Some("a.json was changed"))]
    #[case::removed(|files: &mut BTreeMap<String, Vec<u8>>| drop(files.remove("b/c.txt")), Some("b/c.txt is missing"))]
    #[case::added(|files: &mut BTreeMap<String, Vec<u8>>| drop(files.insert("d".to_owned(), vec![])), Some("d is not in"))]
    fn changes_are_told(
        #[case] change: fn(&mut BTreeMap<String, Vec<u8>>),
        #[case] told: Option<&str>,
    ) {
        let mut files = bundle();
        let sums = to_text(&files);
        change(&mut files);
        let problems = problems(&sums, &files);
        assert_eq!(problems.len(), usize::from(told.is_some()), "{problems:?}");
        if let Some(told) = told {
            assert!(problems[0].starts_with(told), "{problems:?}");
        }
    }
}
