//! Pairs a device before time begins, through the gateway's own handshake.

use client_core::ClientOptions;
use gateway_core::{AuthConfig, AuthMode, Control, Gateway, Input, Output, Peer};
use gateway_protocol::{
    AuthParams, ClientInfo, ConnectParams, DeviceParams, Frame, Keypair, Outgoing, Password,
    Request, Role, SharedToken, SignatureVersion,
};
use serde_json::Value;
use thiserror::Error;

use super::arrange::beginning;

/// Connections of the arrangement are numbered from the top, far from those of the run.
const FIRST_CONNECTION: u32 = u32::MAX;

/// A new device is asked to wait at most this often: for its role, and for its scopes.
const ATTEMPTS: u32 = 3;

/// Who asks to be paired.
pub(super) struct Applicant<'a> {
    pub(super) key: Keypair,
    pub(super) options: &'a ClientOptions,
    pub(super) role: Role,
    pub(super) scopes: &'a [String],
    pub(super) auth: &'a AuthConfig,
}

/// A pairing that did not come about.
#[derive(Debug, Error)]
pub(crate) enum PairingError {
    /// The gateway sent no challenge.
    #[error("expected a challenge, got {got}")]
    NoChallenge {
        /// What came.
        got: String,
    },
    /// The gateway refused.
    #[error("the gateway refused: {0}")]
    Refused(String),
    /// The gateway said yes without a token.
    #[error("expected a device token in hello-ok, got none")]
    NoToken,
}

/// Pairs and approves the applicant; returns the device token it is issued.
pub(super) fn pair(
    gateway: &mut Gateway,
    applicant: &Applicant<'_>,
) -> Result<String, PairingError> {
    let mut refusal = String::new();
    for attempt in 0..ATTEMPTS {
        let conn = FIRST_CONNECTION - attempt;
        match connect(gateway, applicant, conn)? {
            Ok(hello) => {
                let token = hello
                    .pointer("/auth/deviceToken")
                    .and_then(Value::as_str)
                    .map(str::to_owned);
                if applicant.role == Role::Node {
                    approve(
                        gateway,
                        Control::ApproveNode {
                            request_id: "latest".to_owned(),
                        },
                    );
                }
                hang_up(gateway, conn);
                return token.ok_or(PairingError::NoToken);
            }
            Err(message) => {
                hang_up(gateway, conn);
                approve(
                    gateway,
                    Control::Approve {
                        request_id: "latest".to_owned(),
                    },
                );
                refusal = message;
            }
        }
    }
    Err(PairingError::Refused(refusal))
}

/// Nothing may be pending (a gateway that approves silently): that is no failure.
fn approve(gateway: &mut Gateway, control: Control) {
    if let Err(error) = gateway.control(beginning(), control) {
        tracing::debug!(%error, "nothing to approve");
    }
    while gateway.poll().is_some() {}
}

fn hang_up(gateway: &mut Gateway, conn: u32) {
    gateway.handle(
        beginning(),
        Input::Closed {
            conn,
            code: Some(1000),
        },
    );
    while gateway.poll().is_some() {}
}

/// One handshake; the inner result is the gateway's answer.
fn connect(
    gateway: &mut Gateway,
    applicant: &Applicant<'_>,
    conn: u32,
) -> Result<Result<Value, String>, PairingError> {
    gateway.handle(
        beginning(),
        Input::Opened {
            conn,
            peer: Peer::loopback(),
        },
    );
    let challenge = sent(gateway, conn);
    let nonce = challenge.iter().find_map(|frame| match frame {
        Frame::Event(event) => event.payload.get("nonce").and_then(Value::as_str),
        Frame::Request(_) | Frame::Response(_) => None,
    });
    let nonce = nonce.ok_or_else(|| PairingError::NoChallenge {
        got: format!("{} frames", challenge.len()),
    })?;
    let params = serde_json::to_value(params(applicant, nonce)).unwrap_or_default();
    let request = Frame::Request(Request::new("arrange", "connect", Some(params)));
    gateway.handle(
        beginning(),
        Input::Text {
            conn,
            text: request.to_text(),
        },
    );
    let answer = sent(gateway, conn)
        .into_iter()
        .find_map(|frame| match frame {
            Frame::Response(response) => Some(response.outcome.map_err(|error| error.message)),
            Frame::Request(_) | Frame::Event(_) => None,
        });
    Ok(answer.unwrap_or_else(|| Err("no answer".to_owned())))
}

/// Frames that the gateway sends to `conn` now.
fn sent(gateway: &mut Gateway, conn: u32) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(output) = gateway.poll() {
        if let Output::Send { conn: to, message } = output
            && to == conn
        {
            frames.extend(match message {
                Outgoing::Frame(frame) => Some(frame),
                // hello-ok comes printed.
                Outgoing::Text(text) => Frame::parse(&text).ok(),
                Outgoing::Binary(_) => None,
            });
        }
    }
    frames
}

/// What the companion says of itself, as far as the gateway pins it. ref: client-behaviour.md §8
fn params(applicant: &Applicant<'_>, nonce: &str) -> ConnectParams {
    let options = applicant.options;
    let (id, mode) = match applicant.role {
        Role::Operator => ("cli", "cli"),
        Role::Node => ("node-host", "node"),
    };
    let node = applicant.role == Role::Node;
    let mut params = ConnectParams {
        min_protocol: 3,
        max_protocol: 4,
        client: ClientInfo {
            id: id.to_owned(),
            version: options.version.clone(),
            platform: options.platform.clone(),
            device_family: Some(options.device_family.clone()),
            mode: mode.to_owned(),
            ..ClientInfo::default()
        },
        caps: node.then(|| options.node.caps.clone()),
        commands: node.then(|| options.node.commands.clone()),
        permissions: node.then(|| {
            options
                .node
                .permissions
                .iter()
                .map(|(name, on)| (name.clone(), *on))
                .collect()
        }),
        role: Some(applicant.role.as_str().to_owned()),
        scopes: Some(applicant.scopes.to_vec()),
        auth: credential(applicant.auth),
        ..ConnectParams::default()
    };
    params.device = Some(DeviceParams {
        id: applicant.key.device_id().to_string(),
        public_key: applicant.key.public().to_base64url(),
        signature: None,
        signed_at: beginning().wall.0,
        nonce: nonce.to_owned(),
    });
    let signature = params
        .signature_payload()
        .map(|payload| applicant.key.sign(&payload.text(SignatureVersion::V3)));
    if let Some(device) = &mut params.device {
        device.signature = signature;
    }
    params
}

fn credential(auth: &AuthConfig) -> Option<AuthParams> {
    let exposed = match auth.mode {
        AuthMode::Token => AuthParams {
            token: auth
                .token
                .as_ref()
                .map(SharedToken::expose)
                .map(str::to_owned),
            ..AuthParams::default()
        },
        AuthMode::Password => AuthParams {
            password: auth
                .password
                .as_ref()
                .map(Password::expose)
                .map(str::to_owned),
            ..AuthParams::default()
        },
        AuthMode::None => return None,
    };
    Some(exposed)
}
