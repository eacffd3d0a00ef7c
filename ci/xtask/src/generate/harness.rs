//! Pages about the harness itself.

use super::Page;
use crate::error::XtaskError;

pub(super) fn pages() -> Result<Vec<Page>, XtaskError> {
    Ok(Vec::new())
}
