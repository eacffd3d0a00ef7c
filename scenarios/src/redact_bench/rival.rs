//! The same corpus looked at by a tool of others, run for real: detect-secrets, which finds secrets and hides none.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use thiserror::Error;

use super::{Sample, corpus};

/// What the tool found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rival {
    /// What it says its version is.
    pub version: String,
    /// Samples with a planted secret.
    pub samples: usize,
    /// Those in which it found something.
    pub found: usize,
    /// Samples without one.
    pub decoys: usize,
    /// Those in which it found something all the same.
    pub alarms: usize,
    /// What it did not find, by dress.
    pub missed: BTreeMap<String, usize>,
}

/// Why the tool says nothing.
#[derive(Debug, Error)]
pub enum RivalError {
    /// It does not start.
    #[error("start {program}")]
    Start {
        /// Its path.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The corpus could not be written.
    #[error("write the corpus")]
    Corpus(#[source] io::Error),
    /// What it printed is no report.
    #[error("{program} printed no report of its version 1: {said}")]
    Report {
        /// Its path.
        program: String,
        /// The beginning of what it printed.
        said: String,
    },
}

/// Lets `program` (detect-secrets) scan a folder with one file a sample.
///
/// # Errors
/// When it can't be started or does not say what it found.
pub fn measure(program: &Path, seed: u64, each: usize) -> Result<Rival, RivalError> {
    let folder = tempfile::tempdir().map_err(RivalError::Corpus)?;
    let samples = corpus::samples(seed, each);
    for (index, sample) in samples.iter().enumerate() {
        let mut file = std::fs::File::create_new(folder.path().join(name(index)))
            .map_err(RivalError::Corpus)?;
        io::Write::write_all(&mut file, sample.text.as_bytes()).map_err(RivalError::Corpus)?;
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = command
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .map_err(|source| RivalError::Start {
                program: program.display().to_string(),
                source,
            })
    };
    let version = run(&["--version"])?.trim().to_owned();
    let said = run(&["scan", "--all-files", "."])?;
    let report: Option<Value> = serde_json::from_str(&said).ok();
    let results = report
        .as_ref()
        .and_then(|report| report.get("results")?.as_object());
    let results = results.ok_or_else(|| RivalError::Report {
        program: program.display().to_string(),
        said: said.chars().take(200).collect(),
    })?;
    let hits = |index: usize| {
        let name = name(index);
        results
            .keys()
            .any(|path| path.trim_start_matches("./") == name)
    };
    Ok(count(&samples, version, hits))
}

fn name(index: usize) -> String {
    format!("sample-{index:05}.txt")
}

fn count(samples: &[Sample], version: String, hits: impl Fn(usize) -> bool) -> Rival {
    let mut rival = Rival {
        version,
        ..Rival::default()
    };
    for (index, sample) in samples.iter().enumerate() {
        let hit = hits(index);
        let Some((_, dress)) = &sample.planted else {
            rival.decoys += 1;
            rival.alarms += usize::from(hit);
            continue;
        };
        rival.samples += 1;
        rival.found += usize::from(hit);
        if !hit {
            *rival.missed.entry(format!("{dress:?}")).or_default() += 1;
        }
    }
    rival
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_missed_and_alarmed_is_counted() {
        let samples = corpus::samples(1, 1);
        let rival = count(&samples, "1".to_owned(), |index| index < 2);
        assert_eq!((rival.found, rival.alarms), (1, 1));
        assert_eq!(rival.samples, rival.decoys);
        assert_eq!(rival.missed.values().sum::<usize>(), rival.samples - 1);
    }
}
