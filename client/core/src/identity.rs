//! `device-key-ed25519.json` as a value: the key of this device at one gateway, and its role tokens.
//! ref: client-behaviour.md §5
//!
//! ```
//! use client_core::Identity;
//! use gateway_protocol::UnixMillis;
//! let identity = Identity::from_seed([7; 32], UnixMillis(0));
//! assert!(identity.validate().is_ok());
//! assert_eq!(identity.device_id.len(), 64);
//! ```

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_protocol::{DeviceToken, Keypair, Role, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The whole file. Members this version does not know are kept.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Identity {
    /// Standard base64 of the 32-byte seed.
    pub private_key_base64: String,
    /// Standard base64 of the public key; checked against the seed when present.
    #[serde(default)]
    pub public_key_base64: Option<String>,
    /// Lower-case hex SHA-256 of the public key.
    pub device_id: String,
    /// Operator token.
    #[serde(default)]
    pub device_token: Option<DeviceToken>,
    /// Scopes of the operator token.
    #[serde(default)]
    pub device_token_scopes: Option<Vec<String>>,
    /// Node token.
    #[serde(default)]
    pub node_device_token: Option<DeviceToken>,
    /// Scopes of the node token.
    #[serde(default)]
    pub node_device_token_scopes: Option<Vec<String>>,
    /// `Ed25519` or empty.
    #[serde(default)]
    pub algorithm: Option<String>,
    /// Unix milliseconds.
    #[serde(default)]
    pub created_at: i64,
    /// Everything else in the file.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
    #[serde(skip)]
    checked: Checked,
}

/// A key that passed every check, beside what was checked: to make it out of its seed again takes a fifth of a handshake.
/// Copies of an identity share it. It is no part of the identity: it is neither stored nor compared.
#[derive(Clone, Default)]
struct Checked(Arc<OnceLock<(Form, Keypair)>>);

impl PartialEq for Checked {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What the checks of a key look at.
struct Form {
    private_key_base64: String,
    public_key_base64: Option<String>,
    device_id: String,
    algorithm: Option<String>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("device_id", &self.device_id)
            .field("operator_token", &self.device_token.is_some())
            .field("node_token", &self.node_device_token.is_some())
            .finish_non_exhaustive()
    }
}

/// Why an identity file can't be used. Nothing is ever written over it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityDamage {
    /// The content is wrong.
    #[error("device identity is corrupt: {0}")]
    Corrupt(String),
    /// The file can't be read.
    #[error("device identity can't be read: {0}")]
    Unreadable(String),
}

/// Shown for every identity failure; the tests of the companion match on its beginning. ref: §2.4
pub const IDENTITY_RECOVERY: &str = "Device identity could not be loaded or saved. The existing identity was left as it is. Check that the file can be read and written; to start pairing over, move it aside yourself and reconnect.";

impl Identity {
    /// A fresh identity without tokens.
    pub fn from_seed(seed: [u8; 32], created: UnixMillis) -> Self {
        let key = Keypair::from_seed(seed);
        Self {
            private_key_base64: STANDARD.encode(seed),
            public_key_base64: Some(STANDARD.encode(key.public().to_bytes())),
            device_id: key.device_id().as_str().to_owned(),
            device_token: None,
            device_token_scopes: None,
            node_device_token: None,
            node_device_token_scopes: None,
            algorithm: Some("Ed25519".to_owned()),
            created_at: created.0,
            unknown: Map::new(),
            checked: Checked::default(),
        }
    }

    /// The signing key, if every check of a load passes.
    ///
    /// # Errors
    /// [`IdentityDamage::Corrupt`] with the first check that fails.
    pub fn validate(&self) -> Result<Keypair, IdentityDamage> {
        let same = |(form, _): &&(Form, Keypair)| {
            form.private_key_base64 == self.private_key_base64
                && form.public_key_base64 == self.public_key_base64
                && form.device_id == self.device_id
                && form.algorithm == self.algorithm
        };
        if let Some((_, key)) = self.checked.0.get().filter(same) {
            return Ok(key.clone());
        }
        let key = self.check()?;
        let form = Form {
            private_key_base64: self.private_key_base64.clone(),
            public_key_base64: self.public_key_base64.clone(),
            device_id: self.device_id.clone(),
            algorithm: self.algorithm.clone(),
        };
        // Where a copy that was changed came first, it stays.
        self.checked.0.set((form, key.clone())).ok();
        Ok(key)
    }

    fn check(&self) -> Result<Keypair, IdentityDamage> {
        let corrupt = |what: &str| IdentityDamage::Corrupt(what.to_owned());
        let seed = STANDARD
            .decode(&self.private_key_base64)
            .map_err(|_| corrupt("private key is not base64"))?;
        let seed: [u8; 32] = seed
            .try_into()
            .map_err(|_| corrupt("private key is not 32 bytes"))?;
        let key = Keypair::from_seed(seed);
        if let Some(public) = self
            .public_key_base64
            .as_deref()
            .filter(|text| !text.is_empty())
        {
            let same = STANDARD
                .decode(public)
                .is_ok_and(|bytes| bytes == key.public().to_bytes());
            if !same {
                return Err(corrupt("public key does not fit the private key"));
            }
        }
        if !self
            .device_id
            .eq_ignore_ascii_case(key.device_id().as_str())
        {
            return Err(corrupt("device id does not fit the key"));
        }
        match self.algorithm.as_deref() {
            None | Some("") => Ok(key),
            Some(name) if name.eq_ignore_ascii_case("Ed25519") => Ok(key),
            Some(_) => Err(corrupt("unknown algorithm")),
        }
    }

    /// The stored token of a role, unless it is blank.
    pub fn token(&self, role: Role) -> Option<&str> {
        let token = match role {
            Role::Operator => self.device_token.as_ref(),
            Role::Node => self.node_device_token.as_ref(),
        };
        token
            .map(DeviceToken::expose)
            .filter(|token| !token.trim().is_empty())
    }

    /// The scopes stored with a role's token.
    pub fn scopes(&self, role: Role) -> Option<&[String]> {
        match role {
            Role::Operator => self.device_token_scopes.as_deref(),
            Role::Node => self.node_device_token_scopes.as_deref(),
        }
    }

    /// Replaces one role's token and scopes, nothing else.
    pub fn set_token(
        &mut self,
        role: Role,
        token: Option<DeviceToken>,
        scopes: Option<Vec<String>>,
    ) {
        match role {
            Role::Operator => (self.device_token, self.device_token_scopes) = (token, scopes),
            Role::Node => (self.node_device_token, self.node_device_token_scopes) = (token, scopes),
        }
    }

    /// Whether both roles have a token that can be read back: the condition for dropping the bootstrap token.
    pub fn has_both_tokens(&self) -> bool {
        Role::ALL.iter().all(|role| self.token(*role).is_some())
    }

    /// Whether any role has a token.
    pub fn has_any_token(&self) -> bool {
        Role::ALL.iter().any(|role| self.token(*role).is_some())
    }
}

/// Scopes as the store keeps them: trimmed, without blanks and duplicates, `None` when nothing is left. ref: §5
pub fn normalize_scopes(scopes: &[String]) -> Option<Vec<String>> {
    let mut kept: Vec<String> = Vec::new();
    for scope in scopes
        .iter()
        .map(|scope| scope.trim())
        .filter(|scope| !scope.is_empty())
    {
        if !kept.iter().any(|have| have == scope) {
            kept.push(scope.to_owned());
        }
    }
    if kept.is_empty() { None } else { Some(kept) }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn identity() -> Identity {
        Identity::from_seed([3; 32], UnixMillis(5))
    }

    #[test]
    fn the_file_format_is_pascal_case_and_keeps_what_it_does_not_know() {
        let mut value = serde_json::to_value(identity()).unwrap();
        value["Future"] = json!({"a": 1});
        let back: Identity = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&back).unwrap(), value);
        for key in [
            "PrivateKeyBase64",
            "PublicKeyBase64",
            "DeviceId",
            "NodeDeviceTokenScopes",
            "CreatedAt",
        ] {
            assert!(value.get(key).is_some(), "{key}");
        }
    }

    #[rstest]
    #[case::short_key(|i: &mut Identity| i.private_key_base64 = STANDARD.encode([1; 31]))]
    #[case::no_base64(|i: &mut Identity| i.private_key_base64 = "?".into())]
    #[case::other_public(|i: &mut Identity| i.public_key_base64 = Some(STANDARD.encode([1; 32])))]
    #[case::other_id(|i: &mut Identity| i.device_id = "00".into())]
    #[case::algorithm(|i: &mut Identity| i.algorithm = Some("RSA".into()))]
    fn a_wrong_member_is_corrupt(#[case] damage: fn(&mut Identity)) {
        let mut identity = identity();
        assert!(identity.validate().is_ok());
        damage(&mut identity);
        assert!(matches!(
            identity.validate(),
            Err(IdentityDamage::Corrupt(_))
        ));
    }

    #[test]
    fn lenient_members_pass() {
        let mut identity = identity();
        identity.public_key_base64 = None;
        identity.algorithm = Some("ed25519".into());
        identity.device_id = identity.device_id.to_uppercase();
        assert!(identity.validate().is_ok());
    }

    #[test]
    fn scopes_are_trimmed_and_unique() {
        let scopes = [" a ", "", "b", "a"].map(str::to_owned);
        assert_eq!(
            normalize_scopes(&scopes),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(normalize_scopes(&[" ".to_owned()]), None);
    }

    #[test]
    fn a_role_token_replaces_only_its_own_fields() {
        let mut identity = identity();
        identity.set_token(Role::Node, Some(DeviceToken::new("n")), None);
        assert_eq!(
            (identity.token(Role::Node), identity.token(Role::Operator)),
            (Some("n"), None)
        );
        assert!(!identity.has_both_tokens());
    }
}
