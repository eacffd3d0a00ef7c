//! A crash or a failure at every step of every write: a reader sees the old content or the new, never a mixture.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod faulty;

use std::path::Path;

use client_core::{DurableState, StoreOp};
use faulty::{
    Fault, FaultyDisk, STEPS, clear, create, found_after, identity, old_and_new, registry, token,
};
use gateway_client::store::Restored;
use gateway_client::{FileStore, Store as _};
use gateway_protocol::Role;
use rstest::rstest;
use tempfile::TempDir;

fn leftovers(folder: &Path) -> usize {
    let here = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    here.map(|path| {
        if path.is_dir() {
            leftovers(&path)
        } else {
            usize::from(path.extension().is_some_and(|end| end == "tmp"))
        }
    })
    .sum()
}

#[rstest]
#[case::first_registry(&[], registry("ws://new:1"))]
#[case::next_registry(&[registry("ws://old:1")], registry("ws://new:1"))]
#[case::new_identity(&[], create())]
#[case::first_token(&[create()], token("new"))]
#[case::next_token(&[create(), token("old")], token("new"))]
#[case::cleared_tokens(&[create(), token("old")], clear())]
fn a_reader_sees_old_or_new_whichever_step_breaks(
    #[case] before: &[StoreOp],
    #[case] op: StoreOp,
    #[values(
        Fault::Error,
        Fault::KilledBefore,
        Fault::KilledAfter,
        Fault::PowerLoss
    )]
    fault: Fault,
) {
    let [old, new] = old_and_new(before, &op);
    assert_ne!(old, new);
    for step in 1..=STEPS {
        let (folder, succeeded) =
            found_after(before, &op, &FaultyDisk::failing_at(step, fault), fault);
        assert!(!succeeded, "step {step}");
        if fault == Fault::Error {
            assert_eq!(
                leftovers(folder.path()),
                0,
                "a failed write cleans up after itself, step {step}"
            );
        }
        let found = FileStore::open(folder.path()).unwrap().load().unwrap();
        let was_renamed = step == STEPS
            || (step == STEPS - 1 && matches!(fault, Fault::KilledAfter | Fault::PowerLoss));
        assert_eq!(
            found,
            if was_renamed {
                new.clone()
            } else {
                old.clone()
            },
            "step {step}"
        );
        assert_eq!(
            leftovers(folder.path()),
            0,
            "the next start cleans up, step {step}"
        );
    }
    let (folder, succeeded) = found_after(
        before,
        &op,
        &FaultyDisk::failing_at(STEPS + 1, fault),
        fault,
    );
    assert!(succeeded, "there is no step {}", STEPS + 1);
    assert_eq!(FileStore::open(folder.path()).unwrap().load().unwrap(), new);
}

#[test]
fn a_write_that_failed_can_be_repeated() {
    for step in 1..=STEPS {
        let disk = FaultyDisk::failing_at(step, Fault::Error);
        let folder = TempDir::new().unwrap();
        let mut store = FileStore::open_on(disk, folder.path()).unwrap();
        store.apply(&registry("ws://new:1")).unwrap_err();
        store.apply(&registry("ws://new:1")).unwrap();
        assert_eq!(store.load().unwrap().registry.gateways[0].url, "ws://new:1");
    }
}

/// The test above can fail: without the sync, a power cut after the rename leaves half a file.
#[test]
fn a_disk_that_does_not_sync_is_caught() {
    let before = [create(), token("old")];
    let disk = FaultyDisk {
        lies_about_sync: true,
        ..FaultyDisk::failing_at(STEPS - 1, Fault::PowerLoss)
    };
    let (folder, _) = found_after(&before, &token("new"), &disk, Fault::PowerLoss);
    let found = FileStore::open(folder.path()).unwrap().load().unwrap();
    assert!(
        !old_and_new(&before, &token("new")).contains(&found),
        "{found:?}"
    );
}

/// A data directory with a paired identity, opened on a disk that fails at `step`.
fn paired_on(disk: FaultyDisk) -> (TempDir, FileStore<FaultyDisk>) {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    store.apply(&create()).unwrap();
    store.apply(&token("old")).unwrap();
    drop(store);
    let store = FileStore::open_on(disk, folder.path()).unwrap();
    (folder, store)
}

fn found(folder: &TempDir) -> DurableState {
    FileStore::open(folder.path()).unwrap().load().unwrap()
}

#[rstest]
fn a_clear_and_its_undo_happen_wholly_or_not_at_all(
    #[values(
        Fault::Error,
        Fault::KilledBefore,
        Fault::KilledAfter,
        Fault::PowerLoss
    )]
    fault: Fault,
) {
    let [with, without] = old_and_new(&[create(), token("old")], &clear());
    // Steps 1 to 6 belong to the clear, 7 to 12 to the undo.
    for step in 1..=2 * STEPS {
        let disk = FaultyDisk::failing_at(step, fault);
        let (folder, mut store) = paired_on(disk.clone());
        let cleared = store.clear_tokens("g");
        assert_eq!(cleared.is_ok(), step > STEPS, "step {step}");
        if let Ok(cleared) = cleared {
            assert!(matches!(
                store.restore_tokens(&cleared),
                Restored::Failed(_)
            ));
        }
        drop(store);
        if fault == Fault::PowerLoss {
            disk.cut_the_power();
        }
        let found = found(&folder);
        assert!(found == with || found == without, "step {step}: {found:?}");
    }
}

#[test]
fn an_undo_gives_way_to_a_newer_token_and_to_a_file_that_is_gone() {
    let (folder, mut store) = paired_on(FaultyDisk::default());
    let cleared = store.clear_tokens("g").unwrap();
    store.apply(&token("newer")).unwrap();
    assert_eq!(store.restore_tokens(&cleared), Restored::Superseded);
    let newer = store.load().unwrap();
    assert_eq!(newer.identities["g"].token(Role::Operator), Some("newer"));
    let cleared = store.clear_tokens("g").unwrap();
    let key = folder.path().join("gateways/g/device-key-ed25519.json");
    std::fs::remove_file(key).unwrap();
    assert_eq!(store.restore_tokens(&cleared), Restored::Superseded);
    assert!(store.load().unwrap().identities.is_empty());
}

#[test]
fn an_undo_that_failed_can_be_repeated() {
    let (_folder, mut store) = paired_on(FaultyDisk::failing_at(STEPS + 3, Fault::Error));
    let cleared = store.clear_tokens("g").unwrap();
    assert!(matches!(
        store.restore_tokens(&cleared),
        Restored::Failed(_)
    ));
    assert_eq!(store.restore_tokens(&cleared), Restored::Restored);
}

fn put(path: &Path, text: &[u8]) {
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), text).unwrap();
}

fn old_settings() -> TempDir {
    let folder = TempDir::new().unwrap();
    let settings = br#"{"GatewayUrl": "ws://h.example:1", "Token": "t"}"#;
    put(&folder.path().join("settings.json"), settings);
    let key = serde_json::to_vec(&identity()).unwrap();
    put(&folder.path().join("device-key-ed25519.json"), &key);
    folder
}

#[rstest]
fn a_migration_that_was_interrupted_ends_at_the_same_place(
    #[values(
        Fault::Error,
        Fault::KilledBefore,
        Fault::KilledAfter,
        Fault::PowerLoss
    )]
    fault: Fault,
) {
    let expected = old_settings();
    let mut store = FileStore::open(expected.path()).unwrap();
    let id = store.migrate_legacy().unwrap().unwrap();
    drop(store);
    let expected = found(&expected);
    assert_eq!(expected.identities[&id].device_id, identity().device_id);
    for step in 1..=2 * STEPS {
        let folder = old_settings();
        let disk = FaultyDisk::failing_at(step, fault);
        let mut store = FileStore::open_on(disk.clone(), folder.path()).unwrap();
        assert!(store.migrate_legacy().is_err(), "step {step}");
        drop(store);
        if fault == Fault::PowerLoss {
            disk.cut_the_power();
        }
        let mut store = FileStore::open(folder.path()).unwrap();
        store.migrate_legacy().unwrap();
        drop(store);
        assert_eq!(found(&folder), expected, "step {step}");
    }
}

/// What was in an unreadable `gateways.json` is somewhere, whichever step breaks.
#[rstest]
fn an_unreadable_registry_is_kept_before_it_is_replaced(
    #[values(
        Fault::Error,
        Fault::KilledBefore,
        Fault::KilledAfter,
        Fault::PowerLoss
    )]
    fault: Fault,
) {
    let wreck = br#"{"gateways": [{"id": "g", "sharedGatewayToken": "only-copy""#;
    for step in 1..=2 * STEPS + 1 {
        let folder = TempDir::new().unwrap();
        put(&folder.path().join("gateways.json"), wreck);
        let disk = FaultyDisk::failing_at(step, fault);
        let mut store = FileStore::open_on(disk.clone(), folder.path()).unwrap();
        let done = store.apply(&registry("ws://new:1")).is_ok();
        assert_eq!(done, step > 2 * STEPS, "step {step}");
        drop(store);
        if fault == Fault::PowerLoss {
            disk.cut_the_power();
        }
        let files = std::fs::read_dir(folder.path()).unwrap();
        let kept = files.filter(|file| {
            let path = file.as_ref().unwrap().path();
            path.extension().is_some_and(|end| end == "json")
                && std::fs::read(path).unwrap() == wreck
        });
        assert!(kept.count() > 0, "step {step}");
    }
}
