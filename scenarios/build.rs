//! Lists the scenario files and the conformance flows, so that the program carries a copy of both and runs anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=CLAWPROOF_COMMIT");
    embed("suite", &["toml"])?;
    embed("conform", &["toml", "jsonl"])
}

/// Writes the list of a folder's files with these extensions, as Rust, to `OUT_DIR/FOLDER.rs`.
fn embed(folder: &str, extensions: &[&str]) -> io::Result<()> {
    println!("cargo::rerun-if-changed={folder}");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(folder);
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root, extensions, &mut files)?;
    }
    // By id as text, as the folder is listed: a path sorts by its parts, and a file name by its extension, too.
    files.sort_by_key(|file| {
        let id = file.with_extension("");
        id.to_string_lossy().replace('\\', "/")
    });
    let mut source = String::from("&[\n");
    for file in files {
        let id = file
            .strip_prefix(&root)
            .unwrap_or(&file)
            .to_string_lossy()
            .replace('\\', "/");
        // By the folder of the build at hand: a target folder that moves with its checkout stays right.
        writeln!(
            source,
            "    ({id:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{folder}/\", {id:?}))),"
        )
        .map_err(io::Error::other)?;
    }
    source.push_str("]\n");
    let out =
        PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(format!("{folder}.rs"));
    fs::File::create(out).and_then(|mut file| io::Write::write_all(&mut file, source.as_bytes()))
}

fn collect(folder: &Path, extensions: &[&str], files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, extensions, files)?;
        } else if path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| extensions.contains(&extension))
        {
            files.push(path);
        }
    }
    Ok(())
}
