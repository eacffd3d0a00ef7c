//! A user's `gateways.json` and identity files: what the actor of a scenario holds, and a copy without secrets.
//!
//! The copy is a data folder that works: each device has a synthetic key pair, and equal secrets have equal names in it.
//! ref: client-behaviour.md §4, §5

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;
use transcript::Redactor;

use super::{inline, quoted};

/// The record of gateways.
const REGISTRY: &str = "gateways.json";
/// The identity at one gateway.
const IDENTITY: &str = "device-key-ed25519.json";

/// What was read.
#[derive(Clone, Default, PartialEq)]
pub struct State {
    /// Files without secrets, by path inside the folder.
    pub files: BTreeMap<PathBuf, Value>,
    /// The lines of `[actor.companion]` that say the same.
    pub actor: String,
    /// What is in the files and has no word in a scenario.
    pub left: Vec<String>,
    /// What must not be in any file, as (kind, value).
    pub secrets: Vec<(String, String)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("files", &self.files)
            .field("actor", &self.actor)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// Why a folder holds no state.
#[derive(Debug, Error)]
pub enum StateError {
    /// A file can't be read.
    #[error("read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// A file is no JSON.
    #[error("{} is no JSON", .0.display())]
    Json(PathBuf, #[source] serde_json::Error),
    /// There is no record of a gateway.
    #[error("{}: no gateway is active in it and none is the only one", .0.display())]
    NoGateway(PathBuf),
}

/// Reads the data folder of a companion. Secrets stay in this process.
///
/// # Errors
/// When its registry, or the identity of the active gateway, can't be read.
pub fn read(folder: &Path, seed: u64) -> Result<State, StateError> {
    let mut raw = BTreeMap::new();
    let registry = json(folder, Path::new(REGISTRY))?;
    let record = active(&registry)
        .ok_or_else(|| StateError::NoGateway(folder.join(REGISTRY)))?
        .clone();
    let id = record.get("id").and_then(Value::as_str).unwrap_or_default();
    let directory = record
        .get("identityDirName")
        .and_then(Value::as_str)
        .unwrap_or(id);
    let inside = Path::new("gateways").join(directory).join(IDENTITY);
    // A gateway that was never connected to has no identity yet.
    let identity = if folder.join(&inside).exists() {
        let identity = json(folder, &inside)?;
        raw.insert(inside, identity.clone());
        identity
    } else {
        Value::Null
    };
    raw.insert(PathBuf::from(REGISTRY), registry);
    let mut redactor = Redactor::new().resigning(seed).hiding_people();
    for file in raw.values() {
        redactor.learn(file);
    }
    let files = raw
        .iter()
        .map(|(path, file)| (path.clone(), redactor.redact(file)))
        .collect();
    let (actor, left) = actor(&record, &identity);
    let owned = |(kind, value): (&str, &str)| (kind.to_owned(), value.to_owned());
    let secrets = redactor.secrets().map(owned).collect();
    Ok(State {
        files,
        actor,
        left,
        secrets,
    })
}

fn json(folder: &Path, inside: &Path) -> Result<Value, StateError> {
    let path = folder.join(inside);
    let text =
        std::fs::read_to_string(&path).map_err(|error| StateError::Read(path.clone(), error))?;
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| StateError::Json(path, error))
}

/// The active record, or the only one.
fn active(registry: &Value) -> Option<&Value> {
    let records = registry.get("gateways")?.as_array()?;
    let active = registry.get("activeId").and_then(Value::as_str);
    let named = records
        .iter()
        .find(|record| record.get("id").and_then(Value::as_str) == active && active.is_some());
    named.or(match records.as_slice() {
        [only] => Some(only),
        _ => None,
    })
}

fn actor(record: &Value, identity: &Value) -> (String, Vec<String>) {
    let mut holds = Vec::new();
    for (file, member, held) in [
        (record, "sharedGatewayToken", "shared_token"),
        (record, "bootstrapToken", "bootstrap_token"),
        (identity, "DeviceToken", "operator_token"),
        (identity, "NodeDeviceToken", "node_token"),
    ] {
        match file.get(member).and_then(Value::as_str) {
            Some(token) if token.trim().is_empty() => holds.push(format!("{held} = \"blank\"")),
            Some(_) => holds.push(format!("{held} = \"valid\"")),
            None => {}
        }
    }
    if let Some(scopes @ Value::Array(_)) = identity.get("DeviceTokenScopes") {
        holds.push(format!("operator_scopes = {}", inline(scopes)));
    }
    if record.get("requiresV2Signature") == Some(&Value::Bool(true)) {
        holds.push("requires_v2 = true".to_owned());
    }
    let mut lines = String::new();
    if identity
        .get("NodeDeviceToken")
        .is_some_and(|token| !token.is_null())
    {
        lines.push_str("node = true\n");
    }
    let url = record
        .get("url")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let form = [
        ("://localhost", "localhost"),
        ("://127.0.0.1", "ipv4"),
        ("://[::1]", "ipv6"),
    ];
    match form.iter().find(|(part, _)| url.contains(part)) {
        Some((_, form)) => {
            lines.push_str("url = ");
            lines.push_str(&quoted(form));
            lines.push('\n');
        }
        None => lines.push_str("peer = \"remote\"\n"),
    }
    lines.push_str("holds = { ");
    lines.push_str(&holds.join(", "));
    lines.push_str(" }\n");
    let known = ["sshTunnel", "setupManagedDistroName", "browserControlPort"];
    let left = known
        .iter()
        .filter(|member| record.get(**member).is_some_and(|value| !value.is_null()));
    (
        lines,
        left.map(|member| format!("{REGISTRY}: {member}")).collect(),
    )
}

#[cfg(test)]
mod tests {
    use client_core::Identity;
    use gateway_protocol::UnixMillis;
    use serde_json::json;

    use super::*;

    fn overwrite(path: &Path, text: &str) {
        io::Write::write_all(&mut std::fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
    }

    fn folder(registry: &Value, identity: Option<&Identity>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |inside: &Path, text: String| {
            let path = folder.path().join(inside);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            overwrite(&path, &text);
        };
        write(Path::new(REGISTRY), registry.to_string());
        if let Some(identity) = identity {
            write(
                &Path::new("gateways/g-1").join(IDENTITY),
                serde_json::to_string(identity).unwrap(),
            );
        }
        folder
    }

    #[test]
    fn a_paired_companion_is_paired_in_the_scenario_and_its_copy_is_an_identity() {
        let mut identity = Identity::from_seed([4; 32], UnixMillis(5));
        identity.device_token = Some(gateway_protocol::DeviceToken::new("issued-to-a-user"));
        let registry = json!({ "activeId": "g-1", "gateways": [
            { "id": "g-0", "url": "ws://10.0.0.1:1" },
            { "id": "g-1", "url": "ws://localhost:18789", "sharedGatewayToken": "of-a-user", "requiresV2Signature": true,
              "sshTunnel": { "host": "h" } },
        ]});
        let folder = folder(&registry, Some(&identity));
        let state = read(folder.path(), 7).unwrap();
        assert_eq!(
            state.actor,
            "url = \"localhost\"\nholds = { shared_token = \"valid\", operator_token = \"valid\", requires_v2 = true }\n"
        );
        assert_eq!(state.left, ["gateways.json: sshTunnel"]);
        let copy = &state.files[&Path::new("gateways/g-1").join(IDENTITY)];
        let copied: Identity = serde_json::from_value(copy.clone()).unwrap();
        let key = copied.validate().unwrap();
        assert_ne!(key.device_id().as_str(), identity.device_id);
        let all = format!("{:?}", state.files);
        for secret in [
            "issued-to-a-user",
            "of-a-user",
            &identity.device_id,
            &identity.private_key_base64,
        ] {
            assert!(!all.contains(secret), "{secret}");
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let empty = tempfile::tempdir().unwrap();
        assert!(
            matches!(read(empty.path(), 1), Err(StateError::Read(path, _)) if path.ends_with(REGISTRY))
        );
        let two = json!({ "activeId": null, "gateways": [{ "id": "a" }, { "id": "b" }] });
        assert!(matches!(
            read(folder(&two, None).path(), 1),
            Err(StateError::NoGateway(_))
        ));
        let broken = folder(&json!({ "gateways": [{ "id": "g-1" }] }), None);
        std::fs::create_dir_all(broken.path().join("gateways/g-1")).unwrap();
        overwrite(&broken.path().join("gateways/g-1").join(IDENTITY), "{ torn");
        assert!(
            matches!(read(broken.path(), 1), Err(StateError::Json(path, _)) if path.ends_with(IDENTITY))
        );
    }
}
