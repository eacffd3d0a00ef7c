//! Makes the `connect` request of a raw actor: a [`ConnectPlan`], a key and a challenge in, params out. Pure.

use gateway_protocol::{
    AuthParams, ClientInfo, ConnectParams, DeviceParams, Keypair, SignatureVersion, UnixMillis,
};
use serde_json::{Map, Value};

use crate::scenario::{AuthPlan, ConnectPlan, DevicePlan, RoleName};

/// A nonce that no gateway ever gave: what [`DevicePlan::WrongNonce`] signs.
const FOREIGN_NONCE: &str = "00000000-0000-4000-8000-00000000dead";

/// How far in the past [`DevicePlan::Stale`] signs: one second over the limit. ref: gateway-behaviour.md §2.3
const STALE_MS: i64 = -121_000;

/// What a plan is made concrete with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ink<'a> {
    /// The actor's key.
    pub(crate) key: &'a Keypair,
    /// Nonce of the connection's challenge, if one came.
    pub(crate) nonce: Option<&'a str>,
    /// The actor's wall clock.
    pub(crate) now: UnixMillis,
}

/// The params of a `connect` request. Captures in the plan are resolved already.
pub(crate) fn connect_params(plan: &ConnectPlan, ink: Ink<'_>) -> Value {
    let role = plan.role.map(RoleName::name);
    let mode = if plan.role == Some(RoleName::Node) {
        "node"
    } else {
        "test"
    };
    let [min_protocol, max_protocol] = plan.protocol.unwrap_or([3, 4]);
    let mut params = ConnectParams {
        min_protocol: u64::from(min_protocol),
        max_protocol: u64::from(max_protocol),
        client: ClientInfo {
            id: plan.client_id.clone().unwrap_or_else(|| "test".to_owned()),
            version: "1.0.0".to_owned(),
            platform: plan.platform.clone().unwrap_or_else(|| "linux".to_owned()),
            device_family: plan.device_family.clone(),
            mode: plan.client_mode.clone().unwrap_or_else(|| mode.to_owned()),
            ..ClientInfo::default()
        },
        caps: plan.caps.clone(),
        commands: plan.commands.clone(),
        role: role.map(str::to_owned),
        scopes: plan.scopes.clone(),
        auth: auth(&plan.auth),
        ..ConnectParams::default()
    };
    sign(plan.device, &mut params, ink);
    let mut value = serde_json::to_value(&params).unwrap_or_default();
    if let Some(overlay) = &plan.overlay {
        merge(&mut value, overlay);
    }
    value
}

fn auth(plan: &AuthPlan) -> Option<AuthParams> {
    (!plan.nothing()).then(|| AuthParams {
        token: plan.token.clone(),
        bootstrap_token: plan.bootstrap_token.clone(),
        device_token: plan.device_token.clone(),
        password: plan.password.clone(),
        ..AuthParams::default()
    })
}

/// Adds the device block and signs the params as they stand.
fn sign(plan: DevicePlan, params: &mut ConnectParams, ink: Ink<'_>) {
    let challenge = ink.nonce.unwrap_or_default();
    let (version, nonce, shift_ms) = match plan {
        DevicePlan::None => return,
        DevicePlan::V2 => (SignatureVersion::V2, challenge, 0),
        DevicePlan::WrongNonce => (SignatureVersion::V3, FOREIGN_NONCE, 0),
        DevicePlan::BlankNonce => (SignatureVersion::V3, " ", 0),
        DevicePlan::Stale => (SignatureVersion::V3, challenge, STALE_MS),
        DevicePlan::V3 | DevicePlan::BadSignature | DevicePlan::WrongId => {
            (SignatureVersion::V3, challenge, 0)
        }
    };
    let id = if plan == DevicePlan::WrongId {
        "0".repeat(64)
    } else {
        ink.key.device_id().to_string()
    };
    params.device = Some(DeviceParams {
        id,
        public_key: ink.key.public().to_base64url(),
        signature: None,
        signed_at: ink.now.shifted(shift_ms).0,
        nonce: nonce.to_owned(),
    });
    let Some(payload) = params.signature_payload() else {
        return;
    };
    let text = payload.text(version);
    let signed = if plan == DevicePlan::BadSignature {
        format!("{text}|not this")
    } else {
        text
    };
    let signature = ink.key.sign(&signed);
    if let Some(device) = &mut params.device {
        device.signature = Some(signature);
    }
}

/// Merges `overlay` over `value`: objects member by member, `"$absent"` removes, `"$null"` is null.
pub(crate) fn merge(value: &mut Value, overlay: &Value) {
    let Value::Object(members) = overlay else {
        *value = if overlay == "$null" {
            Value::Null
        } else {
            overlay.clone()
        };
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(target) = value else { return };
    for (name, member) in members {
        if member == "$absent" {
            target.shift_remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), member);
        }
    }
}
