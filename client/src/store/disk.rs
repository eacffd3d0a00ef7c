//! The file operations of a [`FileStore`](super::FileStore), one method each.
//!
//! A replacement is: new temporary file beside the target, write, sync, rename over the target, sync the
//! folder. A reader sees the old content or the new, never a mixture, whichever step a crash interrupts.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;

/// Whether a rename may replace a file that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Replace it.
    Allowed,
    /// Fail with [`io::ErrorKind::AlreadyExists`].
    Refused,
}

/// The steps of which every write is made. A test counts them and fails or stops at any.
pub trait Disk: Send + 'static {
    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Makes a folder and those above it.
    fn create_dir_all(&mut self, path: &Path) -> io::Result<()>;
    /// Makes an empty temporary file beside the target, readable by its owner only. It deletes itself when
    /// dropped.
    fn create_temp(&mut self, target: &Path) -> io::Result<NamedTempFile>;
    /// Writes all bytes.
    fn write(&mut self, file: &mut NamedTempFile, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content durable.
    fn sync(&mut self, file: &NamedTempFile) -> io::Result<()>;
    /// Gives the file its final name.
    fn persist(
        &mut self,
        file: NamedTempFile,
        target: &Path,
        overwrite: Overwrite,
    ) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&mut self, folder: &Path) -> io::Result<()>;
}

/// The computer's disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        patiently((), |()| std::fs::read(path).map_err(|error| (error, ())))
    }

    fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn create_temp(&mut self, target: &Path) -> io::Result<NamedTempFile> {
        let folder = target
            .parent()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!("{TEMP_PREFIX}{name}.");
        tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(TEMP_SUFFIX)
            .rand_bytes(32)
            .tempfile_in(folder)
    }

    fn write(&mut self, file: &mut NamedTempFile, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &NamedTempFile) -> io::Result<()> {
        file.as_file().sync_all()
    }

    fn persist(
        &mut self,
        file: NamedTempFile,
        target: &Path,
        overwrite: Overwrite,
    ) -> io::Result<()> {
        patiently(file, |file| {
            let persisted = match overwrite {
                Overwrite::Allowed => file.persist(target),
                Overwrite::Refused => file.persist_noclobber(target),
            };
            persisted
                .map(drop)
                .map_err(|error| (error.error, error.file))
        })
    }

    fn sync_dir(&mut self, folder: &Path) -> io::Result<()> {
        // Windows has no handle on a folder that could be synced; its renames are journalled.
        if cfg!(unix) {
            File::open(folder)?.sync_all()
        } else {
            Ok(())
        }
    }
}

/// Tries of what somebody else's open file is in the way of. ref: client-behaviour.md §5
const TRIES: u32 = 5;

/// On Windows a file can't be read or replaced while another program has it open and does not share it, which lasts a
/// moment: .NET's readers share no deletion. So it is tried again, 10 ms later each time.
fn patiently<A, T>(
    mut argument: A,
    mut work: impl FnMut(A) -> Result<T, (io::Error, A)>,
) -> io::Result<T> {
    for attempt in 1..TRIES {
        match work(argument) {
            Ok(done) => return Ok(done),
            Err((error, again)) if is_in_the_way(&error) => argument = again,
            Err((error, _)) => return Err(error),
        }
        pause(Duration::from_millis(10) * attempt);
    }
    work(argument).map_err(|(error, _)| error)
}

#[expect(
    clippy::disallowed_methods,
    reason = "Windows tells nobody when a file is closed; this is a thread for blocking work"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A sharing or a lock violation. A rename over an open file is said to be a denied access.
fn is_in_the_way(error: &io::Error) -> bool {
    const ACCESS_DENIED: i32 = 5;
    const SHARING_VIOLATION: i32 = 32;
    const LOCK_VIOLATION: i32 = 33;
    let violations = [ACCESS_DENIED, SHARING_VIOLATION, LOCK_VIOLATION];
    cfg!(windows)
        && error
            .raw_os_error()
            .is_some_and(|code| violations.contains(&code))
}

const TEMP_PREFIX: &str = ".";
const TEMP_SUFFIX: &str = ".tmp";

/// Whether a file is one of the temporary files that [`RealDisk`] makes for a target of this name.
pub(super) fn is_leftover(file: &str, target: &str) -> bool {
    file.strip_prefix(TEMP_PREFIX)
        .and_then(|rest| rest.strip_prefix(target))
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(TEMP_SUFFIX))
        .is_some_and(|random| {
            random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// Puts `bytes` under the target's name, wholly or not at all.
///
/// # Errors
/// What the failing step said. When only the last step failed (the folder's sync), the new content is
/// there, but may be gone after a power cut.
pub fn replace(
    disk: &mut impl Disk,
    target: &Path,
    bytes: &[u8],
    overwrite: Overwrite,
) -> io::Result<()> {
    let folder = target
        .parent()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    disk.create_dir_all(folder)?;
    let mut file = disk.create_temp(target)?;
    disk.write(&mut file, bytes)?;
    disk.sync(&file)?;
    disk.persist(file, target, overwrite)?;
    disk.sync_dir(folder)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_temporary_file_is_known_as_a_leftover() {
        let folder = tempfile::tempdir().unwrap();
        let file = RealDisk
            .create_temp(&folder.path().join("gateways.json"))
            .unwrap();
        let name = file.path().file_name().unwrap().to_str().unwrap();
        assert!(is_leftover(name, "gateways.json"), "{name}");
        assert!(!is_leftover(name, "other.json"), "{name}");
    }

    /// A sharing violation of Windows; on other systems the number means something else and nothing is tried again.
    #[rstest]
    #[case::at_once(32, 0, 1, true)]
    #[case::in_time(32, 4, 5, true)]
    #[case::too_late(32, 5, 5, false)]
    #[case::locked(33, 1, 2, true)]
    #[case::no_such_file(2, 1, 1, false)]
    fn what_is_in_the_way_is_waited_for(
        #[case] code: i32,
        #[case] failures: u32,
        #[case] tries: u32,
        #[case] succeeds: bool,
    ) {
        let mut tried = 0;
        let result = patiently((), |()| {
            tried += 1;
            let error = io::Error::from_raw_os_error(code);
            if tried > failures {
                Ok(())
            } else {
                Err((error, ()))
            }
        });
        let waits = cfg!(windows) || failures == 0;
        assert_eq!(tried, if waits { tries } else { 1 });
        assert_eq!(result.is_ok(), succeeds && waits);
    }

    #[rstest]
    #[case("gateways.json")]
    #[case(".gateways.json.tmp")]
    #[case(".gateways.json.notes.tmp")]
    fn a_users_own_file_is_not(#[case] name: &str) {
        assert!(!is_leftover(name, "gateways.json"));
    }
}
