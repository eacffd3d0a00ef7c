//! `clawproof import`: what others wrote down, as a redacted transcript on one time axis.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use transcript::{Header, Recorder};

use super::args::ImportArgs;
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::import::{self, ImportError, Source, merge};

#[derive(Debug, Error)]
enum CommandError {
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("--offset {0}: expected FILE=MILLISECONDS with the name of a file that is imported")]
    Offset(String),
    #[error("{} exists", .0.display())]
    Exists(PathBuf),
    #[error("create {}", .0.display())]
    Create(PathBuf, #[source] io::Error),
    #[error("write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl CommandError {
    const fn hint(&self) -> &'static str {
        match self {
            Self::Import(_) => {
                "give files that hold messages; the others can be imported without this one"
            }
            Self::Offset(_) => "for example --offset gateway.log=-250",
            Self::Exists(_) => {
                "nothing is overwritten: name another file with --save, or move that one"
            }
            Self::Create(..) | Self::Write(..) => {
                "check that the folder of --save can be written to"
            }
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::Import(_) => Exit::InvalidFile,
            Self::Offset(_) => Exit::Usage,
            Self::Exists(_) | Self::Create(..) | Self::Write(..) => Exit::ArtifactsNotWritten,
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
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.save);
    let mut file = file.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            CommandError::Exists(args.save.clone())
        } else {
            CommandError::Create(args.save.clone(), error)
        }
    })?;
    let header = Header::new(args.seed, "imported", merge::names(&sources)).resigned(args.seed);
    // Everything is read before the first line is written, so that what is learned late is hidden early too.
    let recorder = Recorder::in_memory(header);
    for secret in &args.secret {
        recorder.register_secret("given", secret);
    }
    merge::record(&sources, &offsets, &recorder);
    let entries = recorder.len();
    let text = recorder.transcript().to_jsonl();
    io::Write::write_all(&mut file, text.as_bytes())
        .map_err(|error| CommandError::Write(args.save.clone(), error))?;
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
