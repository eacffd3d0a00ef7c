//! Where the npm packages of clients are: in the cache that `clawproof fetch` fills.

use std::path::PathBuf;

use crate::fetch::{Cache, Component};

/// The `node_modules` of a component, or what is missing.
pub(super) fn folder(component: &str) -> Result<PathBuf, String> {
    let component = Component::named(component)
        .ok_or_else(|| format!("no component is called {component} (`clawproof fetch --list`)"))?;
    let installed = Cache::open()
        .and_then(|cache| cache.locate(component))
        .map_err(|missing| format!("{missing}; {}", missing.hint()))?;
    Ok(installed.root().join("node_modules"))
}

/// Where programs may keep what makes their next start faster and changes nothing else.
pub(super) fn scratch() -> Option<PathBuf> {
    let cache = Cache::open().ok()?;
    Some(cache.root().join("compiled"))
}

/// The node that runs them.
pub(super) fn node() -> Result<PathBuf, String> {
    let installed = Cache::open()
        .and_then(|cache| cache.locate(Component::Node))
        .map_err(|missing| format!("{missing}; {}", missing.hint()))?;
    Ok(installed.entry())
}
