//! Fetches a component with npm: all of it or nothing.
//!
//! npm fills a folder beside the target, which gets its name when it is complete. One fetch at a time
//! works on a component; the next one waits for it and finds it done. Whoever fetches removes what an
//! earlier, killed fetch has left. Dropping the future ends npm and removes what it wrote.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use thiserror::Error;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::sync::oneshot;

use super::cache::{Cache, Installed, Missing, STAMP};
use super::component::Component;
use crate::process::ChildTree;

/// How many of npm's last lines a message repeats.
const LAST_LINES: usize = 6;

/// What a fetch is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Another process fetches the same component.
    Waiting(Component),
    /// npm was started.
    Fetching(Component),
    /// It is there.
    Done(Component, Duration),
}

/// Why a component was not fetched. Nothing of it is left behind.
#[derive(Debug, Error)]
pub enum FetchError {
    /// It can't be used here at all.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The cache can't be written.
    #[error("could not write {}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// npm is not there.
    #[error("could not start {npm}")]
    NoNpm {
        /// The program.
        npm: String,
        /// What the system said.
        source: io::Error,
    },
    /// npm failed.
    #[error("npm could not fetch {component} ({status}):\n{said}")]
    Npm {
        /// What was to be fetched.
        component: Component,
        /// How npm ended.
        status: String,
        /// Its last lines.
        said: String,
    },
}

impl FetchError {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing(missing) => missing.hint(),
            Self::Write { .. } => {
                "check free space and permissions, or name another folder with CLAWPROOF_CACHE".to_owned()
            }
            Self::NoNpm { .. } => {
                "install Node.js with npm (on Debian: apt-get install npm) and see that `npm --version` runs".to_owned()
            }
            Self::Npm { said, .. } => hint_of(said).to_owned(),
        }
    }
}

/// npm's own codes for what commonly goes wrong, and what helps.
const NPM_CODES: &[(&[&str], &str)] = &[
    (
        &[
            "ENOTFOUND",
            "ECONNREFUSED",
            "EAI_AGAIN",
            "ETIMEDOUT",
            "ECONNRESET",
            "ENETUNREACH",
        ],
        "the package registry did not answer: check the network, and npm's `registry` and `proxy` settings",
    ),
    (
        &["EINTEGRITY"],
        "what came is not what is pinned: nothing was kept; if a mirror is configured, it serves something else",
    ),
    (
        &["ENOSPC"],
        "the disk is full: free some space, or name another folder with CLAWPROOF_CACHE",
    ),
    (
        &["E404", "ETARGET"],
        "the package registry does not have the pinned version: check npm's `registry` setting",
    ),
    (
        &["E401", "E403"],
        "the package registry refused: check npm's `registry` setting and its credentials",
    ),
];

fn hint_of(said: &str) -> &'static str {
    NPM_CODES
        .iter()
        .find(|(codes, _)| codes.iter().any(|code| said.contains(code)))
        .map_or(
            "see what npm said; `npm ci` needs npm 8 or newer",
            |(_, hint)| hint,
        )
}

impl Cache {
    /// Fetches a component and what it needs, unless they are there. Replaces a damaged one.
    ///
    /// # Errors
    /// Says why it could not be had; then nothing was changed.
    pub async fn fetch(
        &self,
        component: Component,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Installed, FetchError> {
        for needed in component.needs() {
            self.fetch_one(*needed, progress).await?;
        }
        self.fetch_one(component, progress).await
    }

    async fn fetch_one(
        &self,
        component: Component,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Installed, FetchError> {
        match self.locate(component) {
            Ok(installed) => return Ok(installed),
            Err(Missing::NotFetched { .. } | Missing::Damaged { .. }) => {}
            Err(missing) => return Err(missing.into()),
        }
        let sets = self.sets();
        fs::create_dir_all(&sets).map_err(|source| failed(&sets, source))?;
        let _lock = lock(&sets.join(format!("{component}.lock")), || {
            progress(Progress::Waiting(component));
        })
        .await?;
        // Whoever held the lock may have fetched it.
        if let Ok(installed) = self.locate(component) {
            return Ok(installed);
        }
        let started = Instant::now();
        progress(Progress::Fetching(component));
        let prefix = format!("unfinished-{component}-");
        remove_unfinished(&sets, &prefix);
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&sets)
            .map_err(|source| failed(&sets, source))?;
        fill(&staging, component, self.npm()).await?;
        self.commit(staging, component)?;
        let installed = self.locate(component)?;
        progress(Progress::Done(component, started.elapsed()));
        Ok(installed)
    }

    /// Gives the finished folder its name; what stood there was damaged.
    fn commit(&self, staging: TempDir, component: Component) -> Result<(), FetchError> {
        let stamp = staging.path().join(STAMP);
        write(&stamp, &component.pin_digest())?;
        let target = self.folder(component);
        if target.exists() {
            let damaged = tempfile::Builder::new()
                .prefix(&format!("unfinished-{component}-"))
                .tempdir_in(self.sets())
                .map_err(|source| failed(&self.sets(), source))?;
            fs::rename(&target, damaged.path().join("damaged"))
                .map_err(|source| failed(&target, source))?;
        }
        fs::rename(staging.path(), &target).map_err(|source| failed(&target, source))?;
        // It has another name: there is nothing left to remove.
        drop(staging.keep());
        Ok(())
    }
}

fn failed(path: &Path, source: io::Error) -> FetchError {
    FetchError::Write {
        path: path.to_path_buf(),
        source,
    }
}

/// Writes a file of a folder that has no name yet, so half a file is never seen.
fn write(path: &Path, text: &str) -> Result<(), FetchError> {
    File::create(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|source| failed(path, source))
}

/// Waits for the lock of a component, which ends with the process that holds it.
async fn lock(path: &Path, waiting: impl FnOnce()) -> Result<File, FetchError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|source| failed(path, source))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => waiting(),
        Err(TryLockError::Error(source)) => return Err(failed(path, source)),
    }
    // A thread of its own, not the runtime's: a caller that gives up does not wait for it.
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let locked = file.lock().map(|()| file);
        drop(tell.send(locked));
    });
    told.await
        .unwrap_or_else(|_gone| Err(io::Error::other("the thread that waits for the lock ended")))
        .map_err(|source| failed(path, source))
}

/// Removes what killed fetches of this component have left. Only called with its lock held.
fn remove_unfinished(sets: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(sets) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(prefix));
        if ours && let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::debug!(%error, "an unfinished fetch stays");
        }
    }
}

/// Runs npm in `staging`.
async fn fill(
    staging: &TempDir,
    component: Component,
    npm: &std::ffi::OsStr,
) -> Result<(), FetchError> {
    write(&staging.path().join("package.json"), component.manifest())?;
    write(&staging.path().join("package-lock.json"), component.lock())?;
    let mut command = Command::new(npm);
    // No install scripts: what was published is run as it is, and nothing else.
    command
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .env("npm_config_update_notifier", "false")
        .current_dir(staging.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let no_npm = |source| FetchError::NoNpm {
        npm: npm.to_string_lossy().into_owned(),
        source,
    };
    let mut tree = ChildTree::spawn(&mut command).map_err(no_npm)?;
    let mut said = Vec::new();
    if let Some(mut stderr) = tree.child().stderr.take() {
        stderr.read_to_end(&mut said).await.map_err(no_npm)?;
    }
    let status = tree.wait().await.map_err(no_npm)?;
    if status.success() {
        return Ok(());
    }
    Err(FetchError::Npm {
        component,
        status: status.to_string(),
        said: last_lines(&String::from_utf8_lossy(&said)),
    })
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    let shown = lines.get(from..).unwrap_or_default();
    if shown.is_empty() {
        return "  it said nothing".to_owned();
    }
    shown
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<String>>()
        .join("\n")
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use rstest::rstest;

    use super::*;

    /// A program in the place of npm that does what `script` says, in the folder it was started in.
    fn stand_in(home: &Path, script: &str) -> Cache {
        let npm = home.join("npm");
        write(&npm, &format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).unwrap();
        Cache::at(&home.join("cache")).with_npm(npm)
    }

    const PUTS_THE_SCHEMA: &str = "mkdir -p node_modules/@openclaw/gateway-protocol && \
         cp package.json node_modules/@openclaw/gateway-protocol/protocol.schema.json";

    fn kept(cache: &Cache) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(cache.sets())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| Path::new(name).extension().is_none_or(|end| end != "lock"))
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_was_fetched_is_found_and_not_fetched_again() {
        let home = tempfile::tempdir().unwrap();
        let once = format!("[ -e ../../once ] && exit 9; touch ../../once; {PUTS_THE_SCHEMA}");
        let cache = stand_in(home.path(), &once);
        let mut told = Vec::new();
        for _ in 0..2 {
            let installed = cache
                .fetch(Component::Schema, &mut |progress| told.push(progress))
                .await
                .unwrap();
            assert_eq!(Ok(installed), cache.locate(Component::Schema));
        }
        assert!(
            matches!(told[..], [Progress::Fetching(_), Progress::Done(..)]),
            "{told:?}"
        );
    }

    #[rstest]
    #[case::no_network("echo 'npm error code EAI_AGAIN' >&2; exit 1", "did not answer")]
    #[case::other_bytes("echo 'npm error code EINTEGRITY' >&2; exit 1", "not what is pinned")]
    #[case::half("mkdir node_modules; exit 7", "see what npm said")]
    #[case::nothing_came("true", "replaces what is damaged")]
    #[tokio::test]
    async fn a_fetch_that_fails_says_why(#[case] script: &str, #[case] hint: &str) {
        let home = tempfile::tempdir().unwrap();
        let cache = stand_in(home.path(), script);
        let error = cache
            .fetch(Component::Schema, &mut |_| {})
            .await
            .unwrap_err();
        assert!(error.hint().contains(hint), "{error}: {}", error.hint());
    }

    #[tokio::test]
    async fn without_npm_the_error_says_so() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::at(home.path()).with_npm(home.path().join("no-npm"));
        let error = cache
            .fetch(Component::Schema, &mut |_| {})
            .await
            .unwrap_err();
        assert!(matches!(error, FetchError::NoNpm { .. }), "{error}");
        assert!(kept(&cache).is_empty());
    }

    /// A fetch that is dropped in the middle leaves nothing, and what a killed one left is removed.
    #[tokio::test]
    async fn an_interrupted_fetch_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let fifo = home.path().join("started");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let hangs = format!(
            "mkdir node_modules; echo > {}; exec sleep 1000",
            fifo.display()
        );
        let cache = stand_in(home.path(), &hangs);
        {
            let mut ignore = |_: Progress| {};
            let fetching = cache.fetch(Component::Schema, &mut ignore);
            tokio::select! {
                biased;
                ended = fetching => panic!("it hangs: {ended:?}"),
                opened = tokio::fs::read(&fifo) => drop(opened.unwrap()),
            }
        }
        assert!(kept(&cache).is_empty(), "{:?}", kept(&cache));

        let left = cache.sets().join("unfinished-schema-x/node_modules");
        fs::create_dir_all(&left).unwrap();
        let cache = stand_in(home.path(), PUTS_THE_SCHEMA);
        cache.fetch(Component::Schema, &mut |_| {}).await.unwrap();
        assert_eq!(kept(&cache).len(), 1, "{:?}", kept(&cache));
    }

    #[tokio::test]
    async fn a_damaged_component_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let cache = stand_in(home.path(), PUTS_THE_SCHEMA);
        fs::create_dir_all(cache.folder(Component::Schema)).unwrap();
        assert!(cache.locate(Component::Schema).is_err());
        cache.fetch(Component::Schema, &mut |_| {}).await.unwrap();
        assert!(cache.locate(Component::Schema).is_ok());
        assert_eq!(kept(&cache).len(), 1);
    }

    /// Two fetches at once: one does the work, the other one waits and finds it done.
    #[tokio::test]
    async fn two_fetches_at_once_do_it_once() {
        let home = tempfile::tempdir().unwrap();
        let once = format!("[ -e ../../once ] && exit 9; touch ../../once; {PUTS_THE_SCHEMA}");
        let cache = stand_in(home.path(), &once);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let (mut tell_first, mut tell_second) = (
            |progress| first.push(progress),
            |progress| second.push(progress),
        );
        let (one, two) = tokio::join!(
            cache.fetch(Component::Schema, &mut tell_first),
            cache.fetch(Component::Schema, &mut tell_second),
        );
        assert_eq!(one.unwrap(), two.unwrap());
        assert_eq!(first.len() + second.len(), 3, "{first:?} {second:?}");
    }
}
