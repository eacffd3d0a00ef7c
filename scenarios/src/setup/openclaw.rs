//! The real OpenClaw in a distro: its command line, and its gateway as the distro's service.
//!
//! It is the pinned one of npm that `clawproof fetch` has brought. A distro sees its folder and its node, read-only; the
//! installer puts the command where it always does.

use std::io::{self, Write as _};
use std::path::Path;

use wsl_fixtures::Machine;

use crate::fetch::{Cache, Component, Installed};
use crate::real::RealError;

/// Where a distro finds it. The installer of the stand-in looks for the command there.
const COMMAND: &str = "/opt/clawproof/openclaw";
const PACKAGE: &str = "/opt/clawproof/package";
const NODE: &str = "/opt/clawproof/node";

/// A release with the node that runs it.
#[derive(Clone, Debug)]
pub struct RealOpenClaw {
    node: Installed,
    openclaw: Installed,
}

impl RealOpenClaw {
    /// The release, as it was fetched before.
    ///
    /// # Errors
    /// [`RealError::UnknownRelease`], or what is missing.
    pub fn locate(release: &str) -> Result<Self, RealError> {
        let component = Component::gateway(release).ok_or_else(|| RealError::UnknownRelease {
            release: release.to_owned(),
        })?;
        let cache = Cache::open()?;
        Ok(Self {
            node: cache.locate(Component::Node)?,
            openclaw: cache.locate(component)?,
        })
    }

    /// Lets every distro of a computer have it. `folder` keeps the command.
    ///
    /// # Errors
    /// When the command can't be written.
    pub fn put_into(&self, machine: &mut Machine, folder: &Path) -> io::Result<()> {
        let entry = self.openclaw.entry();
        let inside = entry.strip_prefix(self.openclaw.root()).unwrap_or(&entry);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(
            file,
            "#!/bin/sh\nexec {NODE} {PACKAGE}/{} \"$@\"",
            inside.display()
        )?;
        runnable(file.as_file())?;
        let command = folder.join("openclaw");
        file.persist(&command).map_err(|error| error.error)?;
        let node = self.node.entry();
        for (at, from) in [
            (COMMAND, command.as_path()),
            (PACKAGE, self.openclaw.root()),
            (NODE, node.as_path()),
        ] {
            let from = from.display().to_string();
            machine.binds.insert(at.to_owned(), from);
        }
        machine.gateway.clear();
        Ok(())
    }
}

#[cfg(unix)]
fn runnable(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn runnable(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}
