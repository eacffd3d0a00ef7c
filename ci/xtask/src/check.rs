//! `cargo xtask check`: what CI runs before the tests, each part named, none skipped after a failure.

use std::path::Path;

use crate::error::XtaskError;
use crate::process::{cargo, show};
use crate::tidy::arrows::{self, Metadata};
use crate::{generate, say, tidy};

/// Runs all parts and fails with the names of those that failed.
pub(crate) fn run(root: &Path) -> Result<(), XtaskError> {
    let mut failed = Vec::new();
    let mut part = |name: String, result: Result<(), XtaskError>| -> Result<(), XtaskError> {
        match result {
            Ok(()) => say(&format!("ok: {name}")),
            Err(error) => {
                say(&format!("error: {name}: {error}"))?;
                failed.push(name);
                Ok(())
            }
        }
    };

    part(
        "format".to_owned(),
        show(cargo(root, &["fmt", "--all", "--check"])),
    )?;
    for package in packages(&arrows::metadata(root)?) {
        // One package at a time: a workspace-wide run unifies features and hides missing ones.
        let lints = [
            "clippy",
            "--quiet",
            "--all-targets",
            "--no-deps",
            "--package",
            &package,
            "--",
            "--deny",
            "warnings",
        ];
        part(format!("lints of {package}"), show(cargo(root, &lints)))?;
    }
    part("docs".to_owned(), docs(root))?;
    part("tidy".to_owned(), tidy::run(root))?;
    part("generated files".to_owned(), generate::run(root, true))?;

    if failed.is_empty() {
        Ok(())
    } else {
        Err(XtaskError::Checks { names: failed })
    }
}

fn packages(metadata: &Metadata) -> Vec<String> {
    metadata
        .packages
        .iter()
        .map(|package| package.name.clone())
        .collect()
}

fn docs(root: &Path) -> Result<(), XtaskError> {
    let mut command = cargo(root, &["doc", "--quiet", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    show(command)
}
