//! `cargo xtask shard NAME...`: runs shards of the suite through the command line and gates them.
//!
//! The runner's exit code is not believed alone: what ran is compared with what the shard's manifest lists, so that a
//! shard which ran nothing, or lost a scenario on the way or from the suite, is red. Exit codes: 0 green, 1 a scenario
//! failed, 2 the gate is shut, 3 the harness or what it starts broke.
//!
//! - [`manifest`]: what must run, what may be skipped and why, how long it may take.
//! - [`report`]: what the command line prints, line by line.
//! - [`gate`]: the comparison, a pure function.

mod gate;
pub(crate) mod manifest;
mod report;
#[cfg(test)]
mod self_tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::counts::Counts;
use crate::error::XtaskError;
use crate::process::{Stream, cargo, output, watch};
use crate::{generate, print, say, schema};

use gate::{Gate, Ran, judge};
use manifest::{Manifest, WORLDS};
use report::{Report, listed};

/// Runs the shards one after another, whatever became of those before; the run folder goes to `save`, with the shard's
/// name under it when there are several.
pub(crate) fn run(root: &Path, shards: &[String], save: Option<&Path>) -> Result<(), XtaskError> {
    schema::fetch(root)?;
    all(shards, |shard| {
        let save = save.map(|save| match shards {
            [_] => save.to_path_buf(),
            _ => save.join(shard),
        });
        gated(root, shard, save.as_deref())
    })
}

/// Every shard, and then what is wrong with any of them.
fn all(
    shards: &[String],
    mut gated: impl FnMut(&str) -> Result<Gate, XtaskError>,
) -> Result<(), XtaskError> {
    let mut counts = Counts::default();
    let mut red = Vec::new();
    let mut code = 0;
    for shard in shards {
        let gate = gated(shard)?;
        for warning in &gate.warnings {
            say(&format!("warning: {warning}"))?;
        }
        for problem in &gate.problems {
            say(&format!("gate: {}", problem.text))?;
        }
        counts = counts + gate.counts;
        if gate.code() > 0 {
            red.push(format!("{shard} ({} problems)", gate.problems.len()));
            code = code.max(gate.code());
        }
    }
    print(&counts.to_string())?;
    if red.is_empty() {
        Ok(())
    } else {
        Err(XtaskError::Gate { red, code })
    }
}

/// Runs one shard and judges it.
fn gated(root: &Path, shard: &str, save: Option<&Path>) -> Result<Gate, XtaskError> {
    let manifest = Manifest::load(root, shard)?;
    let listing = clawproof(
        root,
        &["list", "--shard", shard, "--message-format", "json"],
    );
    let (suite, elsewhere): (BTreeSet<_>, BTreeSet<_>) = listed(&output(listing)?)?
        .into_iter()
        .partition(|(_, world)| WORLDS.contains(&world.as_str()));
    for (id, world) in elsewhere {
        say(&format!("not verified: {id} in {world}"))?;
    }

    let limit = manifest.time_limit.to_string();
    let mut words = vec![
        "run",
        "--shard",
        shard,
        "--message-format",
        "json",
        "--time-limit",
        &limit,
    ];
    words.extend(WORLDS.iter().flat_map(|world| ["--world", world]));
    let folder = save.map(|save| save.to_string_lossy().into_owned());
    match &folder {
        Some(folder) => {
            // A folder of an earlier run would stop this one.
            remove(Path::new(folder))?;
            words.extend(["--save", folder]);
        }
        None => words.push("--no-save"),
    }
    let began = Instant::now();
    let watched = watch(clawproof(root, &words), Stream::Stdout)?;
    let ran = Ran {
        report: Report::parse(&watched.text),
        code: watched.status.code(),
        took: began.elapsed(),
        folder: save.map(Path::to_path_buf),
    };
    let gate = judge(shard, &manifest, &suite, &ran);
    if let Some(save) = save {
        let told = gate.to_json(shard, &manifest, &ran);
        generate::write(&beside(save), &format!("{told:#}\n"))?;
    }
    Ok(gate)
}

/// Beside the run folder, which is closed: its sums name every file in it.
fn beside(folder: &Path) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push(".gate.json");
    path.into()
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
