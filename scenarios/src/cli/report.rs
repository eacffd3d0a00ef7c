//! `clawproof report`: what a run left behind, for people: a page, a picture, a diagram, GitHub's annotations.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use transcript::Transcript;

use super::args::{ReportArgs, ReportFormat};
use super::exit::Exit;
use super::print::{fail, out, say};
use super::run::write_file;
use crate::prove::digests;
use crate::report::{html, sequence, svg};

pub(super) fn report(args: &ReportArgs) -> Exit {
    let files = match digests::files(&args.run) {
        Ok(files) => files,
        Err((path, error)) => {
            say(format_args!("error: {}: {error}", path.display()));
            say(
                "hint: give a run folder (`clawproof run --save DIR`) or a bundle of `clawproof prove`",
            );
            return Exit::InvalidFile;
        }
    };
    if !files.keys().any(|path| path.ends_with("verdict.json")) {
        say(format_args!(
            "error: {} holds no verdict",
            args.run.display()
        ));
        say(
            "hint: give a run folder (`clawproof run --save DIR`) or a bundle of `clawproof prove`",
        );
        return Exit::InvalidFile;
    }
    match args.format {
        ReportFormat::Html => page(args, &files),
        ReportFormat::Github => github(&files),
        ReportFormat::Mermaid | ReportFormat::Svg | ReportFormat::Plain => picture(args, &files),
    }
}

fn page(args: &ReportArgs, files: &BTreeMap<String, Vec<u8>>) -> Exit {
    if args.save.symlink_metadata().is_ok() {
        say(format_args!("error: {} exists", args.save.display()));
        say("hint: nothing is overwritten: name another file with --save, or move that one");
        return Exit::ArtifactsNotWritten;
    }
    if let Err(error) = write_file(&args.save, &html::page(files)) {
        fail(&error, Some(error.hint()));
        return Exit::ArtifactsNotWritten;
    }
    out(args.save.display());
    Exit::Passed
}

/// One scenario's conversation on stdout.
fn picture(args: &ReportArgs, files: &BTreeMap<String, Vec<u8>>) -> Exit {
    let wanted = args
        .scenario
        .as_deref()
        .unwrap_or_default()
        .replace("::", "/");
    let places: Vec<&str> = files
        .keys()
        .filter_map(|path| path.strip_suffix("/transcript.jsonl"))
        .filter(|place| place.contains(&wanted))
        .collect();
    let [place] = places.as_slice() else {
        say(format_args!(
            "error: --scenario {wanted:?} fits {} runs",
            places.len()
        ));
        for place in places.iter().take(10) {
            say(format_args!("  {place}"));
        }
        say("hint: name one of them, for example --scenario setup-connect/auth/token::memory");
        return Exit::Usage;
    };
    let path = format!("{place}/transcript.jsonl");
    let text = files.get(&path).map(|bytes| String::from_utf8_lossy(bytes));
    let transcript = match Transcript::parse(&text.unwrap_or_default()) {
        Ok(transcript) => transcript,
        Err(error) => {
            fail(&error, None);
            return Exit::InvalidFile;
        }
    };
    out(match args.format {
        ReportFormat::Mermaid => sequence::mermaid(&transcript),
        ReportFormat::Svg => {
            let (lanes, rows) = html::rows(&transcript);
            svg::svg(place, &lanes, &rows)
        }
        ReportFormat::Plain | ReportFormat::Html | ReportFormat::Github => {
            sequence::plain(&transcript)
        }
    });
    Exit::Passed
}

/// An annotation for each finding on stdout, and the summary where `GITHUB_STEP_SUMMARY` says.
fn github(files: &BTreeMap<String, Vec<u8>>) -> Exit {
    for (path, bytes) in files
        .iter()
        .filter(|(path, _)| path.ends_with("/verdict.json"))
    {
        let verdict: Value = match serde_json::from_slice(bytes) {
            Ok(verdict) => verdict,
            Err(error) => {
                say(format_args!("error: {path}: {error}"));
                return Exit::InvalidFile;
            }
        };
        for line in annotations(&verdict) {
            out(line);
        }
    }
    let Some(target) = std::env::var_os("GITHUB_STEP_SUMMARY") else {
        say("note: GITHUB_STEP_SUMMARY is not set, so no step summary was written");
        return Exit::Passed;
    };
    if let Err(error) = append(Path::new(&target), &step_summary(files)) {
        say(format_args!(
            "error: {}: {error}",
            Path::new(&target).display()
        ));
        return Exit::ArtifactsNotWritten;
    }
    Exit::Passed
}

/// The summary of a run or bundle; of a folder of several, theirs one after the other.
fn step_summary(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    if let Some(summary) = files.get("SUMMARY.md") {
        return summary.clone();
    }
    let mut all = Vec::new();
    for (path, summary) in files {
        if let Some(place) = path.strip_suffix("/SUMMARY.md") {
            all.extend_from_slice(format!("## {place}\n\n").as_bytes());
            all.extend_from_slice(summary);
            all.push(b'\n');
        }
    }
    all
}

fn append(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?;
    file.write_all(bytes)
}

/// `::error file=F,line=N,title=T::what`, in GitHub's escapes.
fn annotations(verdict: &Value) -> Vec<String> {
    let text = |value: &Value, name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let title = format!("{}::{}", text(verdict, "scenario"), text(verdict, "world"));
    let one = |finding: &Value| {
        let place = text(finding, "place");
        let (file, line) = place.rsplit_once(':').unwrap_or((&place, "1"));
        format!(
            "::error file={},line={},title={}::{}",
            property(file),
            property(line),
            property(&title),
            data(&text(finding, "summary"))
        )
    };
    let findings = verdict.get("findings").and_then(Value::as_array);
    let mut lines: Vec<String> = findings.into_iter().flatten().map(one).collect();
    let word = text(verdict, "verdict");
    if lines.is_empty() && !matches!(word.as_str(), "passed" | "skipped") {
        lines.push(format!(
            "::error title={}::{word}: {}",
            property(&title),
            data(&text(verdict, "why"))
        ));
    }
    lines
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Runs of a folder of run folders, for `clawproof query`.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for row in rows {
        // Writing to a string does not fail.
        let _fine = writeln!(text, "{}", row.join("  "));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A finding becomes one annotation at its line, whatever characters it holds.
    #[test]
    fn a_finding_is_an_annotation() {
        let verdict = json!({
            "scenario": "a/b", "world": "core", "verdict": "failed",
            "findings": [{"place": "suite/a/b.toml:12", "summary": "100% wrong\nindeed"}],
        });
        assert_eq!(
            annotations(&verdict),
            ["::error file=suite/a/b.toml,line=12,title=a/b%3A%3Acore::100%25 wrong%0Aindeed"]
        );
    }

    /// Three shards in one folder have three summaries; a bundle holds those of its sides and has one of its own.
    #[test]
    fn the_step_summary_is_that_of_the_whole() {
        let file = |path: &str| (path.to_owned(), format!("said by {path}\n").into_bytes());
        let shards = BTreeMap::from([file("a/SUMMARY.md"), file("b/SUMMARY.md"), file("b/x.md")]);
        assert_eq!(
            String::from_utf8_lossy(&step_summary(&shards)),
            "## a\n\nsaid by a/SUMMARY.md\n\n## b\n\nsaid by b/SUMMARY.md\n\n"
        );
        let bundle = BTreeMap::from([file("SUMMARY.md"), file("base/SUMMARY.md")]);
        assert_eq!(step_summary(&bundle), b"said by SUMMARY.md\n");
    }
}
