//! `cargo xtask shard NAME`: runs one shard of the suite through the command line and gates it.
//!
//! The runner's exit code is not believed alone: what ran is compared with what the shard lists, so that a shard
//! which ran nothing, or lost a scenario on the way, is red.
//!
//! - [`report`]: what the command line prints, line by line.
//! - [`gate`]: the comparison, a pure function.

mod gate;
mod report;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::error::XtaskError;
use crate::process::{Stream, cargo, read, watch};
use crate::{print, say, schema};

use gate::{Gate, judge};
use report::{Report, listed};

/// The worlds of this lane. By default a scenario runs in virtual time only; here also over real sockets.
const WORLDS: [&str; 3] = ["core", "memory", "loopback"];

/// Runs the shard; the run folder goes to `save`.
pub(crate) fn run(root: &Path, shard: &str, save: Option<&Path>) -> Result<(), XtaskError> {
    schema::fetch(root)?;
    let listing = read(clawproof(
        root,
        &["list", "--shard", shard, "--message-format", "json"],
    ))?;
    let (expected, elsewhere): (BTreeSet<_>, BTreeSet<_>) = listed(&listing)?
        .into_iter()
        .partition(|(_, world)| WORLDS.contains(&world.as_str()));
    for (id, world) in elsewhere {
        say(&format!("not verified: {id} in {world}"))?;
    }

    let mut words = vec!["run", "--shard", shard, "--message-format", "json"];
    words.extend(WORLDS.iter().flat_map(|world| ["--world", world]));
    let folder = save.map(|save| save.to_string_lossy().into_owned());
    if let Some(folder) = &folder {
        // A folder of an earlier run would stop this one.
        remove(Path::new(folder))?;
        words.extend(["--save", folder]);
    }
    let ran = watch(clawproof(root, &words), Stream::Stdout)?;
    let report = Report::parse(&ran.text);

    let Gate { counts, problems } = judge(shard, &expected, &report, ran.status.success());
    for problem in &problems {
        say(&format!("gate: {problem}"))?;
    }
    print(&counts.to_string())?;
    if problems.is_empty() {
        return Ok(());
    }
    Err(XtaskError::Gate {
        shard: shard.to_owned(),
        problems: problems.len(),
    })
}

fn clawproof(root: &Path, words: &[&str]) -> std::process::Command {
    let mut arguments = vec![
        "run",
        "--quiet",
        "--locked",
        "--package",
        "scenarios",
        "--bin",
        "clawproof",
        "--",
    ];
    arguments.extend_from_slice(words);
    cargo(root, &arguments)
}

fn remove(folder: &Path) -> Result<(), XtaskError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(XtaskError::Write {
            path: folder.to_path_buf(),
            source: error,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}
