//! `clawproof prove`: base and head run the same scenarios; red then green is the proof.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::args::{ProveArgs, WorldArg};
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::prove::bundle::{Change, proved};
use crate::prove::subject::Checkout;
use crate::prove::{Pair, Subject, SubjectError, assemble};
use crate::run::{FolderError, Source, SuiteFile, glob_matches};
use crate::scenario::WorldName;

pub(super) fn prove(args: &ProveArgs) -> Exit {
    match try_prove(args) {
        Ok(changes) if proved(&changes) => Exit::Passed,
        Ok(_) => Exit::Failed,
        Err(exit) => exit,
    }
}

/// One side, ready to run.
struct Side {
    name: &'static str,
    subject: Subject,
    program: PathBuf,
}

fn try_prove(args: &ProveArgs) -> Result<Vec<Change>, Exit> {
    let here = std::env::current_dir().unwrap_or_else(|_gone| PathBuf::from("."));
    if args.save.symlink_metadata().is_ok() {
        return Err(not_written(&FolderError::Exists {
            path: args.save.clone(),
        }));
    }
    let parse = |text: &str| Subject::parse(text, &here).map_err(|error| not_run(&error));
    let (base, head) = (parse(&args.base)?, parse(&args.head)?);
    let scratch = tempfile::tempdir().map_err(|error| not_run(&SubjectError::Folder(error)))?;
    let target = target_dir(args, &here);
    let mut suite = args.suite.clone();
    let mut sides = Vec::new();
    // The head first: its suite says what is to be shown.
    for (name, subject) in [("head", head), ("base", base)] {
        let program = scratch.path().join(format!("clawproof-{name}"));
        let program = match subject.commit() {
            None => {
                std::env::current_exe().map_err(|error| not_run(&SubjectError::Folder(error)))?
            }
            Some(commit) => {
                say(format_args!("building the {name}, {subject}"));
                let checkout = Checkout::of(commit, &here).map_err(|error| not_run(&error))?;
                checkout
                    .build(&target, &program)
                    .map_err(|error| not_run(&error))?;
                if suite.is_none() {
                    let kept = scratch.path().join("head-suite");
                    let own = checkout.path().join("scenarios/suite");
                    keep(&Source::Folder(own), &args.patterns, &kept)?;
                    suite = Some(kept);
                }
                program
            }
        };
        sides.insert(
            0,
            Side {
                name,
                subject,
                program,
            },
        );
    }
    let chosen = scratch.path().join("suite");
    let source = Source::find(suite.as_deref(), &here).map_err(|error| {
        fail(&error, Some("--suite names a folder of scenario files"));
        Exit::InvalidFile
    })?;
    keep(&source, &args.patterns, &chosen)?;
    for side in &sides {
        run(args, side, &chosen, scratch.path())?;
    }
    let [base, head] = <[Side; 2]>::try_from(sides).map_err(|_both| Exit::HarnessBroke)?;
    let pair = Pair {
        base: (base.subject, scratch.path().join("base")),
        head: (head.subject, scratch.path().join("head")),
        command: command(args),
    };
    let (bundle, changes) = assemble(&args.save, &pair).map_err(|error| not_written(&error))?;
    tell(&bundle, &changes);
    Ok(changes)
}

fn tell(bundle: &Path, changes: &[Change]) {
    for change in changes {
        out(format_args!(
            "{}  {}: {} on the base, {} on the head",
            if change.holds() {
                "proved    "
            } else {
                "not proved"
            },
            change.name,
            if change.base.is_empty() {
                "not run"
            } else {
                &change.base
            },
            change.head
        ));
    }
    say(format_args!("bundle: {}", bundle.display()));
    if !proved(changes) {
        say(
            "hint: a proof is red on the base and green on the head in every scenario that is named",
        );
    }
}

/// Copies the chosen scenarios, so that both sides read the same files.
fn keep(source: &Source, patterns: &[String], folder: &Path) -> Result<(), Exit> {
    let files = source.files().map_err(|error| {
        fail(&error, None);
        Exit::InvalidFile
    })?;
    let chosen: Vec<&SuiteFile> = files
        .iter()
        .filter(|file| {
            patterns
                .iter()
                .any(|pattern| glob_matches(pattern, &file.id))
        })
        .collect();
    if chosen.is_empty() {
        say(format_args!(
            "error: no scenario of {} matches",
            source.describe()
        ));
        say("hint: `clawproof list` shows what there is");
        return Err(Exit::NothingSelected);
    }
    for file in chosen {
        let path = folder.join(format!("{}.toml", file.id));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .map_err(|error| not_run(&SubjectError::Folder(error)))?;
        }
        super::run::write_file(&path, &file.text).map_err(|error| not_written(&error))?;
    }
    Ok(())
}

/// Runs one side into its run folder. Whether it passed is read from there.
fn run(args: &ProveArgs, side: &Side, suite: &Path, scratch: &Path) -> Result<(), Exit> {
    say(format_args!("running the {}, {}", side.name, side.subject));
    let mut command = Command::new(&side.program);
    command
        .arg("run")
        .arg("--suite")
        .arg(suite)
        .arg("--save")
        .arg(scratch.join(side.name))
        .args(["--seed", &args.seed.to_string(), "--message-format", "json"])
        .args(side.subject.options())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    if !matches!(side.subject, Subject::Client(_)) {
        command.args(
            args.world
                .iter()
                .flat_map(|world| ["--world", name_of(*world)]),
        );
    }
    let status = command.status().map_err(|source| {
        not_run(&SubjectError::Start {
            program: side.program.display().to_string(),
            source,
        })
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match code.and_then(Exit::from_code) {
        Some(Exit::Passed | Exit::Failed | Exit::Inconclusive | Exit::StaleKnownFailure) => Ok(()),
        exit => {
            let what = format!("the run of the {}", side.name);
            not_run(&SubjectError::Failed { what, status });
            Err(exit.unwrap_or(Exit::HarnessBroke))
        }
    }
}

fn name_of(world: WorldArg) -> &'static str {
    WorldName::from(world).name()
}

fn target_dir(args: &ProveArgs, here: &Path) -> PathBuf {
    let named = args.target_dir.clone();
    let named = named.or_else(|| std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from));
    here.join(named.unwrap_or_else(|| PathBuf::from("target/prove")))
}

fn command(args: &ProveArgs) -> String {
    let quoted = |pattern: &String| format!(" '{pattern}'");
    let mut text = format!("clawproof prove --base {} --head {}", args.base, args.head);
    text.extend(args.patterns.iter().map(quoted));
    text.extend(
        args.world
            .iter()
            .map(|world| format!(" --world {}", name_of(*world))),
    );
    text.push_str(" --seed ");
    text.push_str(&args.seed.to_string());
    text
}

fn not_run(error: &SubjectError) -> Exit {
    fail(error, Some(error.hint()));
    match error {
        SubjectError::NoCommit { .. } => Exit::Usage,
        SubjectError::Start { .. } | SubjectError::Failed { .. } | SubjectError::Folder(_) => {
            Exit::WorldUnavailable
        }
    }
}

fn not_written(error: &FolderError) -> Exit {
    fail(error, Some(error.hint()));
    Exit::ArtifactsNotWritten
}
