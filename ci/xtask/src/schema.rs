//! The published schema of the protocol, fetched before tests run, so that the referee can check every frame.
//!
//! Where it can't be had the other tests run without it and say so: not verified is not failed, and not green either.

use std::path::Path;

use crate::error::XtaskError;
use crate::process::{cargo, show};
use crate::say;

/// Fetches it with the program under test, unless it is in the cache. Whether it is there.
pub(crate) fn fetch(root: &Path) -> Result<bool, XtaskError> {
    let words = [
        "run",
        "--quiet",
        "--locked",
        "--package",
        "scenarios",
        "--bin",
        "clawproof",
        "--",
        "fetch",
        "schema",
    ];
    let mut command = cargo(root, &words);
    // Where it is stands on standard output, which is for the counts.
    command.stdout(std::process::Stdio::null());
    match show(command) {
        Ok(()) => Ok(true),
        Err(error) => {
            say(&format!(
                "not verified: the frames of all runs against the published schema ({error})"
            ))?;
            Ok(false)
        }
    }
}
