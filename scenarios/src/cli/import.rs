//! `clawproof import`: what others wrote down, as a redacted transcript on one time axis.

use std::collections::BTreeMap;

use thiserror::Error;
use transcript::{Header, Recorder};

use super::args::ImportArgs;
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::guarded::{self, Existing, GuardedError};
use crate::import::{self, ImportError, Source, merge};

#[derive(Debug, Error)]
enum CommandError {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("--offset {0}: expected FILE=MILLISECONDS with the name of a file that is imported")]
    Offset(String),
    #[error(transparent)]
    Write(#[from] GuardedError),
}

impl CommandError {
    const fn hint(&self) -> &'static str {
        match self {
            Self::Import(_) => {
                "give files that hold messages; the others can be imported without this one"
            }
            Self::Offset(_) => "for example --offset gateway.log=-250",
            Self::Write(error) => error.hint(),
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::Import(_) => Exit::InvalidFile,
            Self::Offset(_) => Exit::Usage,
            Self::Write(_) => Exit::ArtifactsNotWritten,
        }
    }
}

pub(super) fn import(args: &ImportArgs) -> Exit {
    match run(args) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            fail(&error, Some(error.hint()));
            error.exit()
        }
    }
}

fn run(args: &ImportArgs) -> Result<(), CommandError> {
    let mut sources = Vec::new();
    for path in &args.files {
        let source = import::read(path)?;
        for problem in &source.problems {
            say(format_args!("warning: {problem}"));
        }
        sources.push(source);
    }
    let told = offsets(&args.offset, &sources)?;
    let offsets = merge(&sources, &told);
    if sources.len() > 1 {
        for offset in &offsets {
            say(format_args!(
                "{}: {} us, known by {}",
                offset.name, offset.us, offset.because
            ));
        }
    }
    let header = Header::new(args.seed, "imported", merge::names(&sources)).resigned(args.seed);
    // Everything is read before the first line is written, so that what is learned late is hidden early too.
    let recorder = Recorder::in_memory(header);
    for secret in &args.secret {
        recorder.register_secret("given", secret);
    }
    merge::record(&sources, &offsets, &recorder);
    let entries = recorder.len();
    let (transcript, secrets) = recorder.finished();
    let text = transcript.to_jsonl();
    guarded::write(&args.save, text.as_bytes(), &secrets, Existing::Kept)?;
    let problems: usize = sources.iter().map(|source| source.problems.len()).sum();
    out(format_args!(
        "{entries} entries from {} files in {}, {problems} places could not be read",
        sources.len(),
        args.save.display()
    ));
    Ok(())
}

fn offsets(given: &[String], sources: &[Source]) -> Result<BTreeMap<String, i64>, CommandError> {
    given
        .iter()
        .map(|pair| {
            let (name, ms) = pair
                .rsplit_once('=')
                .filter(|(name, _)| sources.iter().any(|source| source.name == *name))
                .ok_or_else(|| CommandError::Offset(pair.clone()))?;
            let ms: i64 = ms.parse().map_err(|_| CommandError::Offset(pair.clone()))?;
            Ok((name.to_owned(), ms.saturating_mul(1_000)))
        })
        .collect()
}
