//! A disk that fails or dies at any step of a write, and the writes to try it with.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic"
)]

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use client_core::{DurableState, GatewayRecord, Identity, Registry, StoreOp};
use gateway_client::store::disk::{Disk, Overwrite, RealDisk};
use gateway_client::{FileStore, Store as _};
use gateway_protocol::{DeviceToken, Role, UnixMillis};
use tempfile::{NamedTempFile, TempDir};

/// What goes wrong at the chosen step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The step fails, the process lives on.
    Error,
    /// The process dies before the step; a write gets half of its bytes out.
    KilledBefore,
    /// The process dies right after the step.
    KilledAfter,
    /// The power goes right after the step: content that was not synced is cut in half.
    PowerLoss,
}

#[derive(Default)]
pub(crate) struct Plan {
    steps: u32,
    fail_at: Option<(u32, Fault)>,
    is_dead: bool,
    unsynced: BTreeSet<PathBuf>,
}

/// A disk that fails once, and then, when the process was killed, forever.
#[derive(Clone, Default)]
pub(crate) struct FaultyDisk {
    pub(crate) plan: Arc<Mutex<Plan>>,
    /// A mutant: says that it synced and does not.
    pub(crate) lies_about_sync: bool,
}

enum Step {
    Goes,
    Fails,
    IsLast,
}

impl FaultyDisk {
    pub(crate) fn failing_at(step: u32, fault: Fault) -> Self {
        let disk = Self::default();
        disk.plan.lock().unwrap().fail_at = Some((step, fault));
        disk
    }

    fn step(&self) -> Step {
        let mut plan = self.plan.lock().unwrap();
        if plan.is_dead {
            return Step::Fails;
        }
        plan.steps += 1;
        match plan.fail_at {
            Some((step, fault)) if step == plan.steps => {
                plan.is_dead = fault != Fault::Error;
                if matches!(fault, Fault::KilledAfter | Fault::PowerLoss) {
                    Step::IsLast
                } else {
                    Step::Fails
                }
            }
            _ => Step::Goes,
        }
    }

    /// Does a step, or does not, or does it and dies.
    fn run<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.step() {
            Step::Goes => work(),
            Step::Fails => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Step::IsLast => {
                drop(work()?);
                Err(io::Error::other("killed"))
            }
        }
    }

    fn is_dead(&self) -> bool {
        self.plan.lock().unwrap().is_dead
    }

    /// What a power cut leaves of files whose content was only in memory.
    pub(crate) fn cut_the_power(&self) {
        for path in &self.plan.lock().unwrap().unsynced {
            if let Ok(file) = std::fs::File::options().write(true).open(path) {
                let half = file.metadata().unwrap().len() / 2;
                file.set_len(half).unwrap();
            }
        }
    }
}

impl Disk for FaultyDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        self.run(|| RealDisk.create_dir_all(path))
    }

    fn create_temp(&mut self, target: &Path) -> io::Result<NamedTempFile> {
        let mut file = None;
        let made = self.run(|| {
            file = Some(RealDisk.create_temp(target)?);
            Ok(())
        });
        if let (Err(_), Some(file)) = (&made, &mut file) {
            file.disable_cleanup(true);
        }
        made?;
        Ok(file.unwrap())
    }

    fn write(&mut self, file: &mut NamedTempFile, bytes: &[u8]) -> io::Result<()> {
        self.plan
            .lock()
            .unwrap()
            .unsynced
            .insert(file.path().to_owned());
        let step = self.step();
        let (bytes, result) = match step {
            Step::Goes => (bytes, Ok(())),
            Step::IsLast => (bytes, Err(io::Error::other("killed"))),
            Step::Fails => (
                &bytes[..bytes.len() / 2],
                Err(io::Error::from(io::ErrorKind::StorageFull)),
            ),
        };
        RealDisk.write(file, bytes)?;
        file.disable_cleanup(self.is_dead());
        result
    }

    fn sync(&mut self, file: &NamedTempFile) -> io::Result<()> {
        if !self.lies_about_sync {
            self.plan.lock().unwrap().unsynced.remove(file.path());
        }
        self.run(|| RealDisk.sync(file))
    }

    fn persist(
        &mut self,
        mut file: NamedTempFile,
        target: &Path,
        overwrite: Overwrite,
    ) -> io::Result<()> {
        let from = file.path().to_owned();
        match self.step() {
            Step::Fails => {
                // The file of a dead process stays where it is.
                file.disable_cleanup(self.is_dead());
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
            step @ (Step::Goes | Step::IsLast) => {
                RealDisk.persist(file, target, overwrite)?;
                let mut plan = self.plan.lock().unwrap();
                if plan.unsynced.remove(&from) {
                    plan.unsynced.insert(target.to_owned());
                }
                if matches!(step, Step::IsLast) {
                    Err(io::Error::other("killed"))
                } else {
                    Ok(())
                }
            }
        }
    }

    fn sync_dir(&mut self, folder: &Path) -> io::Result<()> {
        self.run(|| RealDisk.sync_dir(folder))
    }
}

pub(crate) fn registry(url: &str) -> StoreOp {
    let mut registry = Registry::default();
    registry.upsert(GatewayRecord::new("g", url));
    StoreOp::SaveRegistry { registry }
}

pub(crate) fn identity() -> Identity {
    Identity::from_seed([1; 32], UnixMillis(5))
}

pub(crate) fn token(token: &str) -> StoreOp {
    StoreOp::SaveToken {
        gateway_id: "g".to_owned(),
        device_id: identity().device_id,
        role: Role::Operator,
        token: DeviceToken::new(token),
        scopes: None,
    }
}

pub(crate) fn create() -> StoreOp {
    StoreOp::CreateIdentity {
        gateway_id: "g".to_owned(),
        identity: identity(),
    }
}

pub(crate) fn clear() -> StoreOp {
    StoreOp::ClearAllTokens {
        gateway_id: "g".to_owned(),
    }
}

/// The states before and after `op`, without faults.
pub(crate) fn old_and_new(before: &[StoreOp], op: &StoreOp) -> [DurableState; 2] {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    for op in before {
        store.apply(op).unwrap();
    }
    let old = store.load().unwrap();
    store.apply(op).unwrap();
    [old, store.load().unwrap()]
}

/// What a later process finds after `op` met its fate on `disk`, and whether the store said it succeeded.
pub(crate) fn found_after(
    before: &[StoreOp],
    op: &StoreOp,
    disk: &FaultyDisk,
    fault: Fault,
) -> (TempDir, bool) {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    for op in before {
        store.apply(op).unwrap();
    }
    drop(store);
    let mut store = FileStore::open_on(disk.clone(), folder.path()).unwrap();
    let succeeded = store.apply(op).is_ok();
    if fault == Fault::PowerLoss {
        disk.cut_the_power();
    }
    (folder, succeeded)
}

/// Steps of one replacement: folder, temporary file, write, sync, rename, sync of the folder.
pub(crate) const STEPS: u32 = 6;
