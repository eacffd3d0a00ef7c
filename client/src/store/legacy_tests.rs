//! What is taken over, what is not, and that an interruption anywhere ends at the same place.

use std::io::Write as _;
use std::path::Path;

use client_core::Identity;
use gateway_protocol::UnixMillis;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

fn put(folder: &Path, name: &str, content: &[u8]) {
    let mut file = std::fs::File::create(folder.join(name)).unwrap();
    file.write_all(content).unwrap();
}

fn folder(settings: &Value) -> TempDir {
    let folder = TempDir::new().unwrap();
    put(folder.path(), SETTINGS, settings.to_string().as_bytes());
    folder
}

fn identity() -> Vec<u8> {
    let identity = Identity::from_seed([3; 32], UnixMillis(5));
    serde_json::to_vec(&identity).unwrap()
}

fn migrated(folder: &TempDir) -> Option<GatewayRecord> {
    let mut store = FileStore::open(folder.path()).unwrap();
    let id = store.migrate_legacy().unwrap()?;
    let registry = store.load().unwrap().registry;
    assert_eq!(registry.active_id.as_ref(), Some(&id));
    registry.find(&id).cloned()
}

#[rstest]
#[case::token(json!({"Token": "t"}), Some("t"), None)]
#[case::bootstrap_wins(json!({"Token": "t", "BootstrapToken": "b"}), None, Some("b"))]
#[case::blank_bootstrap(json!({"Token": "t", "BootstrapToken": " "}), Some("t"), None)]
#[case::neither(json!({}), None, None)]
fn credentials_are_taken_over(
    #[case] mut settings: Value,
    #[case] shared: Option<&str>,
    #[case] bootstrap: Option<&str>,
) {
    settings["GatewayUrl"] = json!("http://h.example:1/x");
    let record = migrated(&folder(&settings)).unwrap();
    assert_eq!(record.url, "ws://h.example:1/x");
    assert_eq!(record.usable_shared_token(), shared);
    assert_eq!(record.usable_bootstrap_token(), bootstrap);
    assert!(!record.is_local);
}

#[rstest]
#[case::complete(json!({"UseSshTunnel": true}), true)]
#[case::switched_off(json!({"UseSshTunnel": false}), false)]
#[case::no_host(json!({"UseSshTunnel": true, "SshTunnelHost": ""}), false)]
fn a_tunnel_is_taken_over_when_it_is_complete(#[case] over: Value, #[case] kept: bool) {
    let mut settings = json!({"GatewayUrl": "ws://127.0.0.1:1", "SshTunnelUser": "u", "SshTunnelHost": "h",
        "SshTunnelRemotePort": 18789, "SshTunnelLocalPort": 4000});
    for (key, value) in over.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let tunnel = migrated(&folder(&settings)).unwrap().ssh_tunnel;
    assert_eq!(tunnel.is_some(), kept);
    if let Some(tunnel) = tunnel {
        assert_eq!(
            (tunnel.remote_port, tunnel.local_port, tunnel.ssh_port),
            (18_789, 4_000, 22)
        );
    }
}

#[rstest]
#[case::same_place("ws://localhost:18789", Some("OpenClaw"))]
#[case::another_port("ws://localhost:1", None)]
fn the_distribution_of_the_setup_is_filled_in(
    #[case] of_setup: &str,
    #[case] distro: Option<&str>,
) {
    let folder = folder(&json!({"GatewayUrl": "ws://127.0.0.1:18789"}));
    let state = json!({"GatewayUrl": of_setup, "DistroName": "OpenClaw"});
    put(folder.path(), SETUP_STATE, state.to_string().as_bytes());
    assert_eq!(migrated(&folder).unwrap().managed_distro(), distro);
}

#[test]
fn the_key_comes_along_and_the_old_files_stay_as_they_are() {
    let folder = folder(&json!({"GatewayUrl": "ws://h.example:1", "Token": "t"}));
    put(folder.path(), IDENTITY, &identity());
    let before = std::fs::read(folder.path().join(SETTINGS)).unwrap();
    let record = migrated(&folder).unwrap();
    let store = FileStore::open(folder.path()).unwrap();
    let expected: Identity = serde_json::from_slice(&identity()).unwrap();
    assert_eq!(store.load().unwrap().identities[&record.id], expected);
    assert_eq!(std::fs::read(folder.path().join(SETTINGS)).unwrap(), before);
    assert_eq!(
        std::fs::read(folder.path().join(IDENTITY)).unwrap(),
        identity()
    );
}

#[test]
fn a_damaged_key_is_never_replaced_by_a_fresh_one() {
    let folder = folder(&json!({"GatewayUrl": "ws://h.example:1"}));
    put(folder.path(), IDENTITY, b"{");
    let id = migrated(&folder).unwrap().id;
    let store = FileStore::open(folder.path()).unwrap();
    assert!(store.load().unwrap().damaged.contains_key(&id));
}

#[test]
fn it_happens_once() {
    let folder = folder(&json!({"GatewayUrl": "ws://localhost:1", "Token": "t"}));
    assert!(migrated(&folder).is_some());
    assert!(migrated(&folder).is_none(), "known by its URL");
    let again = json!({"GatewayUrl": "ws://127.0.0.1:1", "Token": "u"});
    put(folder.path(), SETTINGS, again.to_string().as_bytes());
    assert!(migrated(&folder).is_none(), "known by an equivalent URL");
}

#[rstest]
#[case::no_url(b"{}")]
#[case::not_json(b"{")]
#[case::another_scheme(b"{\"GatewayUrl\": \"ftp://h\"}")]
#[case::wrong_type(b"{\"GatewayUrl\": 7}")]
fn settings_that_name_no_gateway_change_nothing(#[case] content: &[u8]) {
    let folder = TempDir::new().unwrap();
    put(folder.path(), SETTINGS, content);
    assert!(migrated(&folder).is_none());
    assert!(!folder.path().join("gateways.json").exists());
}

#[test]
fn a_companions_file_with_a_byte_order_mark_and_escapes_is_read() {
    let folder = TempDir::new().unwrap();
    let text =
        "\u{feff}{\r\n  \"GatewayUrl\": \"ws://h.example:1\",\r\n  \"Token\": \"a\\u002Bb\"\r\n}";
    put(folder.path(), SETTINGS, text.as_bytes());
    assert_eq!(
        migrated(&folder).unwrap().usable_shared_token(),
        Some("a+b")
    );
}
