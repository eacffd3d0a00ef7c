//! `clawproof check`: every mistake of scenario files, with its place.

use std::path::{Path, PathBuf};

use super::args::CheckArgs;
use super::exit::Exit;
use super::library;
use super::print::{colour, fail, out, say};
use crate::run::{Source, SourceError, SuiteFile, read_one};
use crate::scenario::check;

pub(super) fn check(args: &CheckArgs) -> Exit {
    let files = if args.paths.is_empty() {
        match library::files(args.suite.as_deref()) {
            Ok((_, files)) => files,
            Err(exit) => return exit,
        }
    } else {
        match given(&args.paths, args.suite.as_deref()) {
            Ok(files) => files,
            Err(error) => {
                fail(&error, Some("name scenario files, or folders of them"));
                return Exit::InvalidFile;
            }
        }
    };
    if files.is_empty() {
        say("error: there is no scenario file there");
        return Exit::NothingSelected;
    }
    let (mut wrong, mut warned) = (0_usize, 0_usize);
    for file in &files {
        let mut problems = match library::read(file) {
            Ok(scenario) => check::check(&scenario),
            Err(problems) => problems,
        };
        file.path.clone_into(&mut problems.file);
        if problems.has_errors() {
            wrong += 1;
        } else if !problems.list.is_empty() {
            warned += 1;
        }
        if !problems.list.is_empty() {
            say(problems.render(colour()));
        }
    }
    out(format_args!(
        "{} files checked, {wrong} invalid, {warned} with warnings",
        files.len()
    ));
    if wrong > 0 {
        Exit::InvalidFile
    } else {
        Exit::Passed
    }
}

/// The files that were named. A file inside a suite keeps the id it has there.
fn given(paths: &[PathBuf], suite: Option<&Path>) -> Result<Vec<SuiteFile>, SourceError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(Source::Folder(path.clone()).files()?);
        } else {
            let mut file = read_one(path)?;
            if let Some(id) = id_in_suite(path, suite) {
                file.id = id;
            }
            files.push(file);
        }
    }
    Ok(files)
}

fn id_in_suite(path: &Path, suite: Option<&Path>) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let root = match suite {
        Some(folder) => folder.canonicalize().ok()?,
        None => path
            .ancestors()
            .find(|folder| folder.ends_with("scenarios/suite"))?
            .to_path_buf(),
    };
    let inside = path.strip_prefix(root).ok()?.with_extension("");
    Some(inside.to_string_lossy().replace('\\', "/"))
}
