//! `clawproof distill`: a recording as a scenario file to edit.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::args::DistillArgs;
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::distill::distill as distilled;
use crate::distill::state::{self, State, StateError};
use crate::guarded::{self, Existing, GuardedError};
use crate::import::{self, ImportError};
use crate::replay::Script;
use crate::scenario::parse;

#[derive(Debug, Error)]
enum DistillError {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("{}: nobody connects in it", .0.display())]
    Nothing(PathBuf),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Write(#[from] GuardedError),
    #[error("what was distilled from {} is no valid scenario: {problems}", path.display())]
    Invalid { path: PathBuf, problems: String },
}

impl DistillError {
    const fn hint(&self) -> &'static str {
        match self {
            Self::Import(_) | Self::Nothing(_) => {
                "a transcript of `clawproof record` or of a run, or what `clawproof import` reads"
            }
            Self::State(_) => {
                "--state names the data folder of a companion: gateways.json lies in it"
            }
            Self::Write(error) => error.hint(),
            Self::Invalid { .. } => {
                "this is a bug of clawproof: please report it with the recording"
            }
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::Import(_) | Self::Nothing(_) | Self::State(_) => Exit::InvalidFile,
            Self::Write(_) => Exit::ArtifactsNotWritten,
            Self::Invalid { .. } => Exit::HarnessBroke,
        }
    }
}

pub(super) fn distill(args: &DistillArgs) -> Exit {
    match run(args) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            fail(&error, Some(error.hint()));
            error.exit()
        }
    }
}

fn run(args: &DistillArgs) -> Result<(), DistillError> {
    let (recording, save) = (args.transcript.as_path(), args.save.as_path());
    let source = import::read(recording)?;
    for problem in &source.problems {
        say(format_args!("warning: {problem}"));
    }
    let name = source.name.clone();
    let script = Script::of(&import::transcript(&[source]));
    let state = args
        .state
        .as_deref()
        .map(|folder| state::read(folder, args.seed))
        .transpose()?;
    let held = state.as_ref().map(|state| state.actor.as_str());
    let text = distilled(&script, &name, held)
        .ok_or_else(|| DistillError::Nothing(recording.to_owned()))?;
    if let Err(problems) = parse("distilled/scenario", &text) {
        return Err(DistillError::Invalid {
            path: recording.to_owned(),
            problems: problems.to_string(),
        });
    }
    guarded::write(save, text.as_bytes(), &[], Existing::Kept)?;
    out(save.display());
    if let Some(state) = &state {
        copy(state, &save.with_extension("state"))?;
    }
    say(format_args!(
        "hint: edit it, then `clawproof check {}`; it runs with --suite and the folder it lies in",
        save.display()
    ));
    Ok(())
}

/// Writes the copy of a user's files beside the scenario.
fn copy(state: &State, folder: &Path) -> Result<(), DistillError> {
    for (inside, file) in &state.files {
        let text = format!("{file:#}\n");
        guarded::write(
            &folder.join(inside),
            text.as_bytes(),
            &state.secrets,
            Existing::Kept,
        )?;
    }
    for left in &state.left {
        say(format_args!(
            "note: {left} has no word in a scenario and was left out"
        ));
    }
    say(format_args!(
        "a copy of the files without secrets: {}",
        folder.display()
    ));
    Ok(())
}
