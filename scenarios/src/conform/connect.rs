//! The `connect` parameters of a step, signed; and how an HTTP answer is put into a record.

use gateway_protocol::{
    AuthParams, ClientInfo, ConnectParams, DeviceParams, Keypair, SignatureVersion,
};
use serde_json::{Map, Value, json};

use super::flow::{Connect, Sign};
use super::words::Words;
use super::ws::{self, Head};
use crate::world::merge;

/// What a step is made concrete with.
pub(crate) struct Ink {
    pub(crate) key: Option<Keypair>,
    pub(crate) nonce: String,
    pub(crate) now_ms: i64,
}

/// The DER prefix of an Ed25519 public key.
const SPKI: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// The parameters of a `connect` request.
///
/// # Errors
/// When a name in the step is unknown.
pub(crate) fn params(plan: &Connect, ink: &Ink, words: &Words) -> Result<Value, String> {
    let is_node = plan.role.as_deref() == Some("node");
    let (client, mode) = if is_node {
        ("node-host", "node")
    } else {
        ("test", "test")
    };
    let text = |given: &Option<String>, or: &str| words.text(given.as_deref().unwrap_or(or));
    let [min, max] = plan.protocol.unwrap_or([4, 4]);
    let mut params = ConnectParams {
        min_protocol: u64::try_from(min).unwrap_or_default(),
        max_protocol: u64::try_from(max).unwrap_or_default(),
        client: ClientInfo {
            id: text(&plan.client, client)?,
            display_name: plan
                .name
                .as_ref()
                .map(|name| words.text(name))
                .transpose()?,
            version: "1.0.0".to_owned(),
            platform: text(&plan.platform, "linux")?,
            device_family: plan
                .family
                .as_ref()
                .map(|name| words.text(name))
                .transpose()?,
            mode: text(&plan.mode, mode)?,
            ..ClientInfo::default()
        },
        caps: plan.caps.clone(),
        commands: plan.commands.clone(),
        role: plan.role.clone(),
        scopes: plan.scopes.clone(),
        auth: auth(plan, words)?,
        ..ConnectParams::default()
    };
    if let Some(key) = &ink.key {
        sign(&plan.sign, key, ink, &mut params, words)?;
    }
    let mut value = serde_json::to_value(&params).map_err(|error| error.to_string())?;
    if let Some(patch) = &plan.patch {
        merge(&mut value, &words.value(patch)?);
    }
    Ok(value)
}

fn auth(plan: &Connect, words: &Words) -> Result<Option<AuthParams>, String> {
    let Some(given) = &plan.auth else {
        return Ok(Some(AuthParams {
            token: Some(words.text("$shared")?),
            ..AuthParams::default()
        }));
    };
    let mut auth = AuthParams::default();
    for (name, value) in given {
        let value = Some(words.text(value)?);
        match name.as_str() {
            "token" => auth.token = value,
            "deviceToken" => auth.device_token = value,
            "bootstrapToken" => auth.bootstrap_token = value,
            "password" => auth.password = value,
            other => {
                return Err(format!(
                    "auth: {other} is none of token, deviceToken, bootstrapToken, password"
                ));
            }
        }
    }
    Ok((!given.is_empty()).then_some(auth))
}

fn sign(
    plan: &Sign,
    key: &Keypair,
    ink: &Ink,
    params: &mut ConnectParams,
    words: &Words,
) -> Result<(), String> {
    let nonce = match &plan.nonce {
        Some(nonce) => words.text(nonce)?,
        None => ink.nonce.clone(),
    };
    params.device = Some(DeviceParams {
        id: match &plan.id {
            Some(id) => words.text(id)?,
            None => key.device_id().to_string(),
        },
        public_key: public_key(key, plan.key_form.as_deref()),
        signature: None,
        signed_at: ink.now_ms + plan.skew_ms,
        nonce,
    });
    let mut signed = params.clone();
    if let Some(token) = &plan.token {
        signed.auth = Some(AuthParams {
            token: Some(words.text(token)?),
            ..AuthParams::default()
        });
    }
    if let Some(scopes) = &plan.scopes {
        signed.scopes = Some(scopes.clone());
    }
    let payload = signed
        .signature_payload()
        .ok_or("a device block has a payload")?;
    let mut text = match plan.version.as_deref() {
        Some("v2") => payload.text(SignatureVersion::V2),
        Some("v1") => v1(&payload.text(SignatureVersion::V2)),
        _ => payload.text(SignatureVersion::V3),
    };
    if plan.tamper {
        text.push_str("|not this");
    }
    let signature =
        gateway_protocol::device::decode_base64_any(&key.sign(&text)).unwrap_or_default();
    if let Some(device) = &mut params.device {
        device.signature = Some(ws::encoded(&signature, plan.signature_form.as_deref()));
    }
    Ok(())
}

/// The payload of old clients: no nonce at its end.
fn v1(v2: &str) -> String {
    let without_nonce = v2.rsplit_once('|').map_or(v2, |(fields, _)| fields);
    without_nonce.replacen("v2|", "v1|", 1)
}

fn public_key(key: &Keypair, form: Option<&str>) -> String {
    let raw = key.public().to_bytes();
    let der = [&SPKI[..], &raw[..]].concat();
    match form {
        Some("pem") => format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            ws::encoded(&der, Some("base64"))
        ),
        Some("der") => ws::encoded(&der, Some("base64")),
        Some("short") => ws::encoded(raw.get(..31).unwrap_or_default(), None),
        form => ws::encoded(&raw, form),
    }
}

/// Headers that clients act on. The others are the server's own business.
const HEADERS: [&str; 9] = [
    "allow",
    "cache-control",
    "content-type",
    "location",
    "retry-after",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
    "www-authenticate",
    "x-frame-options",
];

/// An HTTP answer as an entry of a record. `kind` names it; `shape` keeps only the shape of a JSON body.
pub(crate) fn http_entry(head: &Head, body: &[u8], kind: &str) -> Value {
    let headers: Map<String, Value> = HEADERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), head.header(name)?.into())))
        .collect();
    let name = if kind == "upgrade" { "upgrade" } else { "http" };
    let mut entry = json!({name: head.status, "headers": headers});
    if !body.is_empty() {
        entry["body"] = body_entry(body, kind == "shape");
    }
    entry
}

fn body_entry(body: &[u8], shape: bool) -> Value {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return if shape {
            super::normalize::shape(&value)
        } else {
            value
        };
    }
    let Ok(text) = std::str::from_utf8(body) else {
        return "<bytes>".into();
    };
    let start = text.trim_start().to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return "<html>".into();
    }
    if start.starts_with("<svg") || start.starts_with("<?xml") {
        return "<svg>".into();
    }
    text.into()
}
