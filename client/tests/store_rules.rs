//! The rules of the two files, on a real disk.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::path::{Path, PathBuf};

use client_core::{GatewayRecord, Identity, IdentityDamage, Registry, StoreError, StoreOp};
use gateway_client::{FileStore, LoadError, MemoryStore, Store};
use gateway_protocol::{DeviceToken, Role, UnixMillis};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

fn identity(seed: u8) -> Identity {
    Identity::from_seed([seed; 32], UnixMillis(5))
}

fn create(gateway_id: &str, seed: u8) -> StoreOp {
    StoreOp::CreateIdentity {
        gateway_id: gateway_id.to_owned(),
        identity: identity(seed),
    }
}

fn save_token(gateway_id: &str, seed: u8, role: Role, token: &str) -> StoreOp {
    StoreOp::SaveToken {
        gateway_id: gateway_id.to_owned(),
        device_id: identity(seed).device_id,
        role,
        token: DeviceToken::new(token),
        scopes: Some(vec!["operator.read".to_owned()]),
    }
}

fn save_registry(url: &str) -> StoreOp {
    let mut registry = Registry::default();
    registry.upsert(GatewayRecord::new("g", url));
    StoreOp::SaveRegistry { registry }
}

fn identity_path(folder: &Path, gateway_id: &str) -> PathBuf {
    folder
        .join("gateways")
        .join(gateway_id)
        .join("device-key-ed25519.json")
}

/// Puts a file there as somebody else would.
fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    use std::io::Write as _;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path)
        .unwrap()
        .write_all(bytes.as_ref())
        .unwrap();
}

/// Names of all files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn an_empty_directory_is_an_empty_state() {
    let folder = TempDir::new().unwrap();
    let store = FileStore::open(folder.path().join("deep/down")).unwrap();
    assert_eq!(store.load().unwrap(), client_core::DurableState::default());
}

#[test]
fn what_is_saved_is_loaded_by_the_next_process() {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    for op in [
        save_registry("ws://h:1"),
        create("g", 1),
        save_token("g", 1, Role::Node, "t"),
    ] {
        store.apply(&op).unwrap();
    }
    let before = store.load().unwrap();
    drop(store);
    let after = FileStore::open(folder.path()).unwrap().load().unwrap();
    assert_eq!(after, before);
    assert_eq!(after.identities["g"].token(Role::Node), Some("t"));
    assert_eq!(
        files(folder.path()),
        ["companion.lock", "device-key-ed25519.json", "gateways.json"]
    );
}

#[test]
fn the_files_are_indented_and_spelled_as_the_companion_spells_them() {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    store.apply(&save_registry("ws://h:1")).unwrap();
    store.apply(&create("g", 1)).unwrap();
    let registry = std::fs::read_to_string(folder.path().join("gateways.json")).unwrap();
    assert!(
        registry.starts_with("{\n  \"gateways\": [\n    {\n      \"id\": \"g\""),
        "{registry}"
    );
    let identity = std::fs::read_to_string(identity_path(folder.path(), "g")).unwrap();
    assert!(
        identity.starts_with("{\n  \"PrivateKeyBase64\": "),
        "{identity}"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_file_with_secrets() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    store.apply(&save_registry("ws://h:1")).unwrap();
    store.apply(&create("g", 1)).unwrap();
    for path in [
        folder.path().join("gateways.json"),
        identity_path(folder.path(), "g"),
    ] {
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            path.display()
        );
    }
}

#[test]
fn a_corrupt_registry_counts_as_empty() {
    let folder = TempDir::new().unwrap();
    put(&folder.path().join("gateways.json"), "{\"gateways\": [");
    assert_eq!(
        FileStore::open(folder.path())
            .unwrap()
            .load()
            .unwrap()
            .registry,
        Registry::default()
    );
}

#[test]
fn a_registry_that_cannot_be_read_stops_the_client() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("gateways.json")).unwrap();
    let error = FileStore::open(folder.path()).unwrap().load().unwrap_err();
    assert!(matches!(error, LoadError::Read { .. }), "{error}");
}

#[test]
fn a_data_directory_serves_one_client_at_a_time() {
    let folder = TempDir::new().unwrap();
    let first = FileStore::open(folder.path()).unwrap();
    assert!(matches!(
        FileStore::open(folder.path()).unwrap_err(),
        LoadError::InUse
    ));
    drop(first);
    assert!(FileStore::open(folder.path()).is_ok());
}

/// A crash leaves temporary files with secrets; the next start removes them and nothing else.
#[test]
fn leftovers_of_a_crash_are_removed() {
    let folder = TempDir::new().unwrap();
    let random = "0123456789abcdef0123456789abcdef";
    put(
        &folder.path().join(format!(".gateways.json.{random}.tmp")),
        "x",
    );
    put(
        &folder
            .path()
            .join(format!("gateways/g/.device-key-ed25519.json.{random}.tmp")),
        "x",
    );
    put(&folder.path().join("gateways.json.bak"), "x");
    drop(FileStore::open(folder.path()).unwrap());
    assert_eq!(
        files(folder.path()),
        ["companion.lock", "gateways.json.bak"]
    );
}

#[rstest]
#[case::empty(String::new())]
#[case::half({ let mut text = serde_json::to_string(&identity(1)).unwrap(); text.truncate(40); text })]
#[case::a_list("[]".to_owned())]
#[case::other_key({ let mut value = serde_json::to_value(identity(1)).unwrap(); value["PublicKeyBase64"] = json!(identity(2).public_key_base64); value.to_string() })]
#[case::other_device({ let mut value = serde_json::to_value(identity(1)).unwrap(); value["DeviceId"] = json!(identity(2).device_id); value.to_string() })]
fn a_damaged_identity_is_reported_and_never_touched(#[case] text: String) {
    let folder = TempDir::new().unwrap();
    let path = identity_path(folder.path(), "g");
    put(&path, &text);
    let mut store = FileStore::open(folder.path()).unwrap();
    let state = store.load().unwrap();
    assert!(matches!(state.damaged["g"], IdentityDamage::Corrupt(_)));
    assert!(state.identities.is_empty());
    let ops = [
        create("g", 1),
        save_token("g", 1, Role::Operator, "t"),
        StoreOp::ClearToken {
            gateway_id: "g".to_owned(),
            role: Role::Node,
        },
        StoreOp::ClearAllTokens {
            gateway_id: "g".to_owned(),
        },
    ];
    for op in ops {
        let error = store.apply(&op).unwrap_err();
        assert!(
            matches!(error, StoreError::Damaged(IdentityDamage::Corrupt(_))),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn an_identity_that_cannot_be_read_is_unreadable_not_absent() {
    let folder = TempDir::new().unwrap();
    // A folder in the file's place can't be read by anybody, not even by root.
    std::fs::create_dir_all(identity_path(folder.path(), "g")).unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    assert!(matches!(
        store.load().unwrap().damaged["g"],
        IdentityDamage::Unreadable(_)
    ));
    let error = store.apply(&create("g", 1)).unwrap_err();
    assert!(
        matches!(error, StoreError::Damaged(IdentityDamage::Unreadable(_))),
        "{error}"
    );
}

#[test]
fn a_key_is_never_made_over_an_existing_one() {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    store.apply(&create("g", 1)).unwrap();
    let error = store.apply(&create("g", 2)).unwrap_err();
    assert_eq!(error, StoreError::IdentityExists(Box::new(identity(1))));
    assert_eq!(store.load().unwrap().identities["g"], identity(1));
}

#[test]
fn a_token_of_another_device_is_refused() {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    store.apply(&create("g", 1)).unwrap();
    let error = store
        .apply(&save_token("g", 2, Role::Node, "t"))
        .unwrap_err();
    assert!(matches!(error, StoreError::IdentityChanged(_)), "{error}");
    let blank = store
        .apply(&save_token("g", 1, Role::Node, " "))
        .unwrap_err();
    assert_eq!(
        blank.to_string(),
        "write failed: expected a token, got a blank one"
    );
    assert_eq!(store.load().unwrap().identities["g"], identity(1));
}

#[test]
fn a_file_that_vanished_is_not_made_again() {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    store.apply(&create("g", 1)).unwrap();
    std::fs::remove_file(identity_path(folder.path(), "g")).unwrap();
    let error = store
        .apply(&save_token("g", 1, Role::Node, "t"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "device identity changed: the identity file is gone"
    );
    assert!(!identity_path(folder.path(), "g").exists());
}

#[test]
fn members_that_nobody_knows_survive_every_change() {
    let folder = TempDir::new().unwrap();
    let mut value = serde_json::to_value(identity(1)).unwrap();
    value["Future"] = json!([1, {"a": null}]);
    let path = identity_path(folder.path(), "g");
    put(&path, value.to_string());
    let mut store = FileStore::open(folder.path()).unwrap();
    store
        .apply(&save_token("g", 1, Role::Operator, "t"))
        .unwrap();
    store
        .apply(&StoreOp::ClearAllTokens {
            gateway_id: "g".to_owned(),
        })
        .unwrap();
    let after: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(after["Future"], value["Future"]);
    assert_eq!(after.get("DeviceToken"), None);
}

#[rstest]
#[case("..")]
#[case("../../etc")]
#[case("a/b")]
#[case("a\\b")]
#[case("")]
#[case(".hidden")]
#[case("nul")]
#[case("Con.json")]
#[case("lpt1")]
fn an_id_cannot_lead_out_of_the_data_directory(#[case] id: &str) {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    let error = store.apply(&create(id, 1)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("write failed: expected a gateway id that names a folder, got "),
        "{error}"
    );
    assert_eq!(files(folder.path()), ["companion.lock"]);
}

/// A reader of .NET shares no deletion, so a file that it has open can't be replaced for that moment.
#[cfg(windows)]
mod windows {
    use std::fs::File;
    use std::os::windows::fs::OpenOptionsExt as _;

    use super::*;

    const SHARE_NOTHING: u32 = 0;
    const SHARE_READ: u32 = 1;

    fn hold(path: &Path, share: u32) -> File {
        File::options()
            .read(true)
            .share_mode(share)
            .open(path)
            .unwrap()
    }

    #[rstest]
    #[case::registry(save_registry("ws://new:1"))]
    #[case::identity(save_token("g", 1, Role::Operator, "new"))]
    fn a_file_that_somebody_reads_is_replaced_after_that_or_not_at_all(#[case] op: StoreOp) {
        let folder = TempDir::new().unwrap();
        let mut store = FileStore::open(folder.path()).unwrap();
        store.apply(&save_registry("ws://old:1")).unwrap();
        store.apply(&create("g", 1)).unwrap();
        let before = store.load().unwrap();
        let held = [
            hold(&folder.path().join("gateways.json"), SHARE_READ),
            hold(&identity_path(folder.path(), "g"), SHARE_READ),
        ];
        assert!(store.apply(&op).is_err());
        assert_eq!(store.load().unwrap(), before);
        let left = files(folder.path());
        assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
        drop(held);
        store.apply(&op).unwrap();
        assert_ne!(store.load().unwrap(), before);
    }

    #[test]
    fn a_file_that_is_not_shared_is_unreadable_and_not_absent() {
        let folder = TempDir::new().unwrap();
        let mut store = FileStore::open(folder.path()).unwrap();
        store.apply(&create("g", 1)).unwrap();
        let held = hold(&identity_path(folder.path(), "g"), SHARE_NOTHING);
        let seen = store.load().unwrap();
        assert!(seen.identities.is_empty());
        assert!(
            matches!(seen.damaged.get("g"), Some(IdentityDamage::Unreadable(_))),
            "{seen:?}"
        );
        assert!(store.apply(&create("g", 2)).is_err(), "no second key");
        drop(held);
        assert!(store.load().unwrap().identities.contains_key("g"));
    }
}

fn an_op() -> impl Strategy<Value = StoreOp> {
    let gateway = || prop_oneof![Just("g"), Just("h")];
    let role = || prop_oneof![Just(Role::Operator), Just(Role::Node)];
    prop_oneof![
        "ws://[a-c]:1".prop_map(|url| save_registry(&url)),
        (gateway(), 1_u8..3).prop_map(|(id, seed)| create(id, seed)),
        (gateway(), 1_u8..3, role(), "[a-b ]{1,2}")
            .prop_map(|(id, seed, role, token)| save_token(id, seed, role, &token)),
        (gateway(), role()).prop_map(|(id, role)| StoreOp::ClearToken {
            gateway_id: id.to_owned(),
            role
        }),
        gateway().prop_map(|id| StoreOp::ClearAllTokens {
            gateway_id: id.to_owned()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The store in memory keeps the rules of the store on disk: scenarios that use it prove something.
    #[test]
    fn memory_and_disk_agree(ops in proptest::collection::vec(an_op(), 1..12)) {
        let folder = TempDir::new().unwrap();
        let mut on_disk = FileStore::open(folder.path()).unwrap();
        let mut in_memory = MemoryStore::default();
        for op in &ops {
            prop_assert_eq!(on_disk.apply(op), in_memory.apply(op), "{:?}", op);
            prop_assert_eq!(on_disk.load().unwrap(), in_memory.load().unwrap());
        }
    }
}
