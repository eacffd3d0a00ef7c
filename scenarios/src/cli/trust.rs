//! `clawproof trust`: of each class of secret, when it first crossed the wire and what had been proven by then.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use transcript::Transcript;

use super::exit::Exit;
use super::print::{fail, out, say};
use super::report::table;
use crate::judge::trust;

/// Options of `trust`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  clawproof trust store/latest                     every run of the folder
  clawproof trust run.jsonl --policy strict        fails when a credential precedes its trust condition
  clawproof run --policy strict 'setup-connect/**' the same as a rule of the run

What a class wants: every credential a challenge on its own connection and a signature over it; shared tokens, passwords
and bootstrap tokens an address of this computer or wss, and a listener that is not known to be somebody else.")]
pub struct TrustArgs {
    /// Transcripts, or folders that hold some
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// What becomes of a credential that precedes its trust condition
    #[arg(long, value_enum, default_value_t = TrustPolicy::Tell, value_name = "POLICY")]
    pub policy: TrustPolicy,
}

/// What becomes of a credential that precedes its trust condition.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustPolicy {
    /// It is told
    Tell,
    /// It fails the command
    Strict,
}

pub(super) fn trust(args: &TrustArgs) -> Exit {
    let mut files = Vec::new();
    for path in &args.paths {
        if let Err((path, error)) = gather(path, &mut files) {
            say(format_args!("error: {}: {error}", path.display()));
            say("hint: give a transcript (.jsonl) or a run folder");
            return Exit::InvalidFile;
        }
    }
    if files.is_empty() {
        say("error: there is no transcript (.jsonl) in it");
        say("hint: `clawproof run --save DIR` writes some");
        return Exit::NothingSelected;
    }
    files.sort();
    let mut early = 0;
    for file in &files {
        match told(file) {
            Ok(found) => early += found,
            Err(exit) => return exit,
        }
    }
    say(format_args!(
        "{} transcripts, {early} credentials before their trust condition",
        files.len()
    ));
    if early > 0 && args.policy == TrustPolicy::Strict {
        Exit::Failed
    } else {
        Exit::Passed
    }
}

/// Prints one transcript's ledger; how many credentials went out too early.
fn told(file: &Path) -> Result<usize, Exit> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        say(format_args!("error: {}: {error}", file.display()));
        Exit::InvalidFile
    })?;
    let transcript = Transcript::parse(&text).map_err(|error| {
        say(format_args!("error: {}:", file.display()));
        fail(&error, Some("every line of a transcript is a JSON object"));
        Exit::InvalidFile
    })?;
    let crossings = trust::crossings(&transcript);
    out(file.display());
    let head = ["party", "secret", "first", "proven by then", "missing"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head)
        .chain(trust::rows(&crossings))
        .collect();
    out(table(&aligned(&rows)).trim_end());
    Ok(crossings
        .iter()
        .filter(|it| !it.missing().is_empty())
        .count())
}

/// Cells padded to the width of their columns.
fn aligned(rows: &[[String; 5]]) -> Vec<Vec<String>> {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    let pad = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths);
        cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect()
    };
    rows.iter().map(pad).collect()
}

/// Every transcript below a path.
fn gather(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, std::io::Error)> {
    let failed = |error| (path.to_owned(), error);
    if path.metadata().map_err(failed)?.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let inner = entry.map_err(failed)?.path();
        let is_transcript = inner.extension().is_some_and(|ending| ending == "jsonl");
        if inner.is_dir() || is_transcript {
            gather(&inner, files)?;
        }
    }
    Ok(())
}
