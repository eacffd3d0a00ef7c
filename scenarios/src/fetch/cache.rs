//! Where fetched components are kept, and whether one is complete.
//!
//! Each component is a folder `NAME-PIN` under `npm/`, where PIN is the start of its lock file's
//! digest, so that a moved pin never meets an old folder. A folder gets its name only when it is
//! complete, and holds a stamp with the whole digest.
//!
//! The place is the environment variable `CLAWPROOF_CACHE`, else `clawproof` in the cache folder of
//! the system's user.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::component::Component;

/// The name of the stamp inside of a component's folder.
pub(super) const STAMP: &str = "clawproof-stamp";

/// Names the folder of the cache.
pub(super) const VARIABLE: &str = "CLAWPROOF_CACHE";

/// The cache of fetched components.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    npm: OsString,
}

/// A component that is there, complete and as pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    component: Component,
    root: PathBuf,
}

/// Why a component can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Missing {
    /// There is no folder for a cache.
    #[error("there is no folder for a cache: neither {VARIABLE} nor a home folder is set")]
    NoPlace,
    /// It was not fetched, or for another pin only.
    #[error("{component} was not fetched")]
    NotFetched {
        /// What is missing.
        component: Component,
    },
    /// Its folder is there, but not what this program put there.
    #[error("{component} in the cache is damaged ({what})")]
    Damaged {
        /// What is damaged.
        component: Component,
        /// What is wrong with it.
        what: String,
    },
    /// It does not run on this kind of machine.
    #[error(
        "{component} does not run here: the pinned one is for Linux on x86-64, this is {system}"
    )]
    Unsupported {
        /// What does not run.
        component: Component,
        /// This machine's system and processor.
        system: String,
    },
}

impl Missing {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoPlace => format!("set {VARIABLE} to a folder that may be written"),
            Self::NotFetched { component } => {
                format!("run `clawproof fetch {component}` where there is a network")
            }
            Self::Damaged { component, .. } => {
                format!("run `clawproof fetch {component}`: it replaces what is damaged")
            }
            Self::Unsupported { .. } => {
                "use a Linux machine with an x86-64 processor; everything against the mock runs here"
                    .to_owned()
            }
        }
    }
}

impl Cache {
    /// The cache of this user. Touches no file.
    ///
    /// # Errors
    /// When there is no place for one.
    pub fn open() -> Result<Self, Missing> {
        place(|name| env::var_os(name).filter(|value| !value.is_empty()))
            .map(|root| Self::at(&root))
            .ok_or(Missing::NoPlace)
    }

    /// A cache in this folder, which need not exist.
    pub fn at(root: &Path) -> Self {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        Self {
            root: root.to_path_buf(),
            npm: npm.into(),
        }
    }

    /// Fetches with another program than the `npm` that is found on the PATH.
    #[must_use]
    pub fn with_npm(mut self, npm: impl Into<OsString>) -> Self {
        self.npm = npm.into();
        self
    }

    /// The folder of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The program that fetches.
    pub(super) fn npm(&self) -> &OsString {
        &self.npm
    }

    /// The folder of all npm sets.
    pub(super) fn sets(&self) -> PathBuf {
        self.root.join("npm")
    }

    /// The folder of one component, whether it is there or not.
    pub(super) fn folder(&self, component: Component) -> PathBuf {
        let digest = component.pin_digest();
        let pin = digest.get(..12).unwrap_or(&digest);
        self.sets().join(format!("{component}-{pin}"))
    }

    /// A component that was fetched before. Never uses the network.
    ///
    /// # Errors
    /// Says what is missing.
    pub fn locate(&self, component: Component) -> Result<Installed, Missing> {
        if !component.is_supported() {
            return Err(Missing::Unsupported {
                component,
                system: system(),
            });
        }
        let root = self.folder(component);
        if !root.is_dir() {
            return Err(Missing::NotFetched { component });
        }
        let damaged = |what: &str| Missing::Damaged {
            component,
            what: what.to_owned(),
        };
        let stamp = std::fs::read_to_string(root.join(STAMP))
            .map_err(|_unreadable| damaged("it has no stamp"))?;
        if stamp.trim() != component.pin_digest() {
            return Err(damaged("its stamp names another lock file"));
        }
        let installed = Installed { component, root };
        if !installed.entry().is_file() {
            return Err(damaged(&format!("{} is not there", component.entry())));
        }
        Ok(installed)
    }
}

impl Installed {
    /// What it is.
    pub const fn component(&self) -> Component {
        self.component
    }

    /// The folder of the npm set, which holds `node_modules`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the package that matters.
    pub fn package_dir(&self) -> PathBuf {
        self.root
            .join("node_modules")
            .join(self.component.package())
    }

    /// What to run or read: the node binary, `openclaw.mjs`, `protocol.schema.json`, a module.
    pub fn entry(&self) -> PathBuf {
        self.package_dir().join(self.component.entry())
    }
}

/// This machine's system and processor, as in messages.
fn system() -> String {
    format!("{} on {}", env::consts::OS, env::consts::ARCH)
}

/// Where the cache is, given the environment.
fn place(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(asked) = variable(VARIABLE) {
        return Some(asked.into());
    }
    let base = if cfg!(windows) {
        PathBuf::from(variable("LOCALAPPDATA")?)
    } else if cfg!(target_os = "macos") {
        PathBuf::from(variable("HOME")?).join("Library/Caches")
    } else {
        match variable("XDG_CACHE_HOME") {
            Some(cache) => PathBuf::from(cache),
            None => PathBuf::from(variable("HOME")?).join(".cache"),
        }
    };
    Some(base.join("clawproof"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_one_asked_for_else_the_users() {
        let asked = place(|name| (name == VARIABLE).then(|| "here".into()));
        assert_eq!(asked, Some(PathBuf::from("here")));
        assert_eq!(place(|_| None), None);
        let home = place(|name| matches!(name, "HOME" | "LOCALAPPDATA").then(|| "home".into()));
        assert!(home.is_some_and(|home| home.starts_with("home") && home.ends_with("clawproof")));
    }

    #[test]
    fn what_is_not_complete_is_not_found() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::at(home.path());
        let component = Component::Schema;
        assert_eq!(
            cache.locate(component),
            Err(Missing::NotFetched { component })
        );
        let entry = cache
            .folder(component)
            .join("node_modules")
            .join(component.package())
            .join(component.entry());
        std::fs::create_dir_all(entry.parent().unwrap()).unwrap();
        let says = |cache: &Cache| cache.locate(component).unwrap_err().to_string();
        assert!(says(&cache).contains("no stamp"));
        let stamp = cache.folder(component).join(STAMP);
        std::fs::copy("Cargo.toml", &stamp).unwrap();
        assert!(says(&cache).contains("another lock file"));
        std::io::Write::write_all(
            &mut std::fs::File::create(&stamp).unwrap(),
            component.pin_digest().as_bytes(),
        )
        .unwrap();
        assert!(says(&cache).contains("protocol.schema.json is not there"));
        std::fs::File::create(&entry).unwrap();
        assert_eq!(cache.locate(component).unwrap().entry(), entry);
    }
}
