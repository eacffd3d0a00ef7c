//! The connect frame: who the client says it is, with which one credential, and the signature over both.
//! ref: client-behaviour.md §8, §9

use std::collections::BTreeMap;

use gateway_protocol::role::scope;
use gateway_protocol::{
    AuthParams, ClientInfo, ConnectParams, DeviceParams, Keypair, Role, SignatureVersion,
};
use serde_json::Value;

use crate::credential::CredentialSource;
use crate::mutation::Mutation;
use crate::options::{ClientOptions, is_local_only};

/// What a challenge gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// `nonce`, if it is text and not blank.
    pub(crate) nonce: Option<String>,
    /// `ts`, if it is a positive integer.
    pub(crate) ts: Option<i64>,
}

impl Challenge {
    pub(crate) fn read(payload: &Value) -> Self {
        let nonce = payload
            .get("nonce")
            .and_then(Value::as_str)
            .filter(|nonce| !nonce.trim().is_empty());
        Self {
            nonce: nonce.map(str::to_owned),
            ts: payload
                .get("ts")
                .and_then(Value::as_i64)
                .filter(|ts| *ts > 0),
        }
    }
}

/// Everything a connect frame is made of.
pub(crate) struct ConnectParts<'a> {
    pub(crate) options: &'a ClientOptions,
    pub(crate) role: Role,
    pub(crate) source: CredentialSource,
    pub(crate) secret: &'a str,
    /// Scopes stored with the operator's device token.
    pub(crate) stored_scopes: Option<&'a [String]>,
    pub(crate) key: &'a Keypair,
    pub(crate) nonce: Option<&'a str>,
    pub(crate) signed_at: i64,
    pub(crate) version: SignatureVersion,
    /// A second secret, for the mutant that sends two.
    pub(crate) extra_token: Option<&'a str>,
}

/// The operator's scopes, in the order in which they are signed. ref: §8.2
pub(crate) fn operator_scopes(source: CredentialSource, stored: Option<&[String]>) -> Vec<String> {
    let full = || vec![scope::ADMIN.to_owned(), scope::PAIRING.to_owned()];
    match source {
        CredentialSource::BootstrapToken => [
            scope::APPROVALS,
            scope::READ,
            scope::TALK_SECRETS,
            scope::WRITE,
        ]
        .map(str::to_owned)
        .to_vec(),
        CredentialSource::SharedToken => full(),
        CredentialSource::OperatorToken | CredentialSource::NodeToken => stored
            .filter(|scopes| !scopes.is_empty())
            .map_or_else(full, <[String]>::to_vec),
    }
}

impl ConnectParts<'_> {
    /// The params of the `connect` request.
    pub(crate) fn params(&self) -> ConnectParams {
        let operator = self.role == Role::Operator;
        let empty = self.options.has(Mutation::EmptySurface);
        let mut params = ConnectParams {
            min_protocol: 3,
            max_protocol: if self.options.has(Mutation::OldProtocolOnly) {
                3
            } else {
                4
            },
            client: self.client(),
            role: Some(self.role.as_str().to_owned()),
            scopes: Some(if operator { self.scopes() } else { Vec::new() }),
            caps: Some(if operator || empty {
                Vec::new()
            } else {
                offered(&self.options.node.caps)
            }),
            commands: Some(if operator || empty {
                Vec::new()
            } else {
                offered(&self.options.node.commands)
            }),
            permissions: Some(if operator {
                BTreeMap::new()
            } else {
                self.permissions()
            }),
            auth: Some(self.auth()),
            locale: operator.then(|| self.options.locale.clone()),
            user_agent: Some(self.user_agent()),
            device: Some(DeviceParams {
                id: if self.options.has(Mutation::ForeignDeviceId) {
                    "0".repeat(64)
                } else {
                    self.key.device_id().as_str().to_owned()
                },
                public_key: self.key.public().to_base64url(),
                signature: None,
                signed_at: self.signed_at,
                nonce: self.nonce.unwrap_or_default().to_owned(),
            }),
            ..ConnectParams::default()
        };
        let signature = self.signature(&params);
        if let Some(device) = &mut params.device {
            // The operator signs an empty nonce; the node leaves the signature out. ref: §8.4
            device.signature = signature.filter(|_| operator || self.nonce.is_some());
        }
        params
    }

    const fn is_device_token(&self) -> bool {
        matches!(
            self.source,
            CredentialSource::OperatorToken | CredentialSource::NodeToken
        )
    }

    fn scopes(&self) -> Vec<String> {
        let greedy = self.options.has(Mutation::BootstrapAsksForAdmin);
        let source = if greedy && self.source == CredentialSource::BootstrapToken {
            CredentialSource::SharedToken
        } else {
            self.source
        };
        let more = self.options.has(Mutation::AsksForMore);
        operator_scopes(source, self.stored_scopes.filter(|_| !more))
    }

    fn signature(&self, params: &ConnectParams) -> Option<String> {
        let mut payload = params.signature_payload()?;
        if self.options.has(Mutation::SignEmptyToken) && self.is_device_token() {
            payload.token = "";
        }
        if self.options.has(Mutation::OmitDeviceFamily) && self.role == Role::Operator {
            payload.device_family = "desktop";
        }
        Some(self.key.sign(&payload.text(self.version)))
    }

    fn client(&self) -> ClientInfo {
        let (id, mode, name) = match self.role {
            Role::Operator => ("cli", "cli", self.options.operator_name.clone()),
            Role::Node => (
                "node-host",
                "node",
                format!("Windows Node ({})", self.options.machine_name),
            ),
        };
        let omit = self.options.has(Mutation::OmitDeviceFamily) && self.role == Role::Operator;
        ClientInfo {
            id: id.to_owned(),
            mode: mode.to_owned(),
            version: self.options.version.clone(),
            platform: if self.options.has(Mutation::PlatformWithPatchLevel) {
                format!("{} 10.0.26100.4061", self.options.platform)
            } else {
                self.options.platform.clone()
            },
            device_family: (!omit).then(|| self.options.device_family.clone()),
            display_name: Some(name),
            ..ClientInfo::default()
        }
    }

    fn auth(&self) -> AuthParams {
        let secret = Some(self.secret.to_owned());
        let mut auth = AuthParams::default();
        match self.source {
            CredentialSource::OperatorToken | CredentialSource::NodeToken => {
                auth.device_token = secret;
            }
            CredentialSource::BootstrapToken => auth.bootstrap_token = secret,
            CredentialSource::SharedToken => auth.token = secret,
        }
        if let Some(extra) = self.extra_token {
            if auth.token.is_some() {
                auth.device_token = Some(extra.to_owned());
            } else {
                auth.token = Some(extra.to_owned());
            }
        }
        auth
    }

    fn permissions(&self) -> BTreeMap<String, bool> {
        self.options
            .node
            .permissions
            .iter()
            .map(|(name, granted)| (name.clone(), *granted))
            .collect()
    }

    fn user_agent(&self) -> String {
        let program = match self.role {
            Role::Operator => "openclaw-windows-tray",
            Role::Node => "openclaw-windows-node",
        };
        format!("{program}/{}", self.options.version)
    }
}

/// The names in their order, without duplicates and without those that are this computer's own business.
fn offered(names: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        if !kept.contains(name) && !is_local_only(name) {
            kept.push(name.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn parts<'a>(
        options: &'a ClientOptions,
        key: &'a Keypair,
        role: Role,
        source: CredentialSource,
    ) -> ConnectParts<'a> {
        ConnectParts {
            options,
            role,
            source,
            secret: "t",
            stored_scopes: None,
            key,
            nonce: Some("n"),
            signed_at: 5,
            version: SignatureVersion::V3,
            extra_token: None,
        }
    }

    #[rstest]
    #[case(Role::Operator, CredentialSource::OperatorToken, "deviceToken")]
    #[case(Role::Node, CredentialSource::NodeToken, "deviceToken")]
    #[case(Role::Operator, CredentialSource::SharedToken, "token")]
    #[case(Role::Node, CredentialSource::BootstrapToken, "bootstrapToken")]
    fn auth_has_exactly_one_key(
        #[case] role: Role,
        #[case] source: CredentialSource,
        #[case] key: &str,
    ) {
        let options = ClientOptions::default();
        let pair = Keypair::from_seed([1; 32]);
        let params = parts(&options, &pair, role, source).params();
        assert_eq!(params.auth.as_ref().unwrap().keys(), [key]);
    }

    #[rstest]
    #[case(Role::Operator, SignatureVersion::V2)]
    #[case(Role::Operator, SignatureVersion::V3)]
    #[case(Role::Node, SignatureVersion::V3)]
    fn the_signature_verifies_over_the_frame(
        #[case] role: Role,
        #[case] version: SignatureVersion,
    ) {
        let options = ClientOptions::default();
        let pair = Keypair::from_seed([1; 32]);
        let mut parts = parts(&options, &pair, role, CredentialSource::SharedToken);
        parts.version = version;
        let params = parts.params();
        let payload = params.signature_payload().unwrap();
        let signature = params.device.as_ref().unwrap().signature.clone().unwrap();
        assert_eq!(payload.verify(pair.public(), &signature), Some(version));
        if version == SignatureVersion::V3 {
            assert!(
                payload.text(version).ends_with("|windows|windows"),
                "metadata is signed in lower case"
            );
        }
    }

    #[test]
    fn both_roles_send_the_same_metadata() {
        let options = ClientOptions::default();
        let pair = Keypair::from_seed([1; 32]);
        let of = |role| parts(&options, &pair, role, CredentialSource::SharedToken).params();
        let (operator, node) = (of(Role::Operator), of(Role::Node));
        assert_eq!(operator.client.platform, node.client.platform);
        assert_eq!(operator.client.device_family, node.client.device_family);
        assert_eq!(operator.device.unwrap().id, node.device.unwrap().id);
        assert_eq!(node.commands.unwrap().len(), 30);
    }

    #[test]
    fn a_node_without_a_nonce_sends_no_signature_and_an_operator_signs_an_empty_one() {
        let options = ClientOptions::default();
        let pair = Keypair::from_seed([1; 32]);
        for (role, signed) in [(Role::Operator, true), (Role::Node, false)] {
            let mut parts = parts(&options, &pair, role, CredentialSource::SharedToken);
            parts.nonce = None;
            let device = parts.params().device.unwrap();
            assert_eq!(
                (device.signature.is_some(), device.nonce.as_str()),
                (signed, "")
            );
        }
    }

    #[rstest]
    #[case(CredentialSource::BootstrapToken, None, &["operator.approvals", "operator.read", "operator.talk.secrets", "operator.write"])]
    #[case(CredentialSource::SharedToken, None, &["operator.admin", "operator.pairing"])]
    #[case(CredentialSource::OperatorToken, Some(&["operator.read"][..]), &["operator.read"])]
    #[case(CredentialSource::OperatorToken, None, &["operator.admin", "operator.pairing"])]
    #[case(CredentialSource::OperatorToken, Some(&[][..]), &["operator.admin", "operator.pairing"])]
    fn scope_table(
        #[case] source: CredentialSource,
        #[case] stored: Option<&[&str]>,
        #[case] expected: &[&str],
    ) {
        let stored: Option<Vec<String>> =
            stored.map(|it| it.iter().map(|s| (*s).to_owned()).collect());
        assert_eq!(operator_scopes(source, stored.as_deref()), expected);
    }

    #[rstest]
    #[case(json!({"nonce":"n","ts":5}), Some("n"), Some(5))]
    #[case(json!({"nonce":"","ts":5}), None, Some(5))]
    #[case(json!({"nonce":"n","ts":"5"}), Some("n"), None)]
    #[case(json!({"nonce":"n","ts":-1}), Some("n"), None)]
    #[case(json!({"nonce":"n","ts":1.5}), Some("n"), None)]
    #[case(json!(null), None, None)]
    fn challenges_are_read_leniently(
        #[case] payload: Value,
        #[case] nonce: Option<&str>,
        #[case] ts: Option<i64>,
    ) {
        let challenge = Challenge::read(&payload);
        assert_eq!((challenge.nonce.as_deref(), challenge.ts), (nonce, ts));
    }
}
