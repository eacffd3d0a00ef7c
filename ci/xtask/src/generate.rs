//! `cargo xtask generate`: the reference pages, made from the registries in the code.

use std::path::Path;

use crate::error::XtaskError;

/// Writes the pages, or only compares them when `check` is set.
pub(crate) fn run(_root: &Path, _check: bool) -> Result<(), XtaskError> {
    Ok(())
}
