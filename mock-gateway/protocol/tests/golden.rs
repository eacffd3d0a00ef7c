//! Signatures and setup codes recorded from the real gateways 2026.6.34 and 2026.9.6 (throw-away keys and tokens).

use gateway_protocol::{ConnectParams, PublicKey, SetupCode};
use serde_json::Value;

/// What the real gateway said of a device block tells what our check must say.
#[test]
fn recorded_signatures_verify_exactly_when_the_real_gateway_took_them() {
    let (mut verified, mut refused) = (0, 0);
    for line in include_str!("golden/signatures.jsonl").lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let params: ConnectParams = serde_json::from_value(record["params"].clone()).unwrap();
        let device = params.device.as_ref().unwrap();
        let key = PublicKey::parse(&device.public_key);
        let id_fits = key.is_some_and(|key| key.device_id().as_str() == device.id);
        let version = key.and_then(|key| {
            params
                .signature_payload()
                .unwrap()
                .verify(key, device.signature.as_deref().unwrap_or_default())
        });
        match record["code"].as_str() {
            Some("DEVICE_AUTH_DEVICE_ID_MISMATCH") => {
                assert!(!id_fits, "{line}");
                refused += 1;
            }
            Some("DEVICE_AUTH_SIGNATURE_INVALID") => {
                assert!(id_fits && version.is_none(), "{line}");
                refused += 1;
            }
            // Checked after the signature, or not refused at all.
            code if record["ok"] == true
                || code.is_some_and(|code| {
                    code.starts_with("AUTH_") || code == "PAIRING_REQUIRED"
                }) =>
            {
                assert!(id_fits && version.is_some(), "{line}");
                verified += 1;
            }
            // Refused before the signature was looked at: says nothing about it.
            _ => {}
        }
    }
    assert!(
        verified >= 20 && refused >= 4,
        "verified {verified}, refused {refused}"
    );
}

#[test]
fn recorded_setup_codes_read_and_print_back() {
    let codes: Vec<Value> = serde_json::from_str(include_str!("golden/setup-codes.json")).unwrap();
    assert!(!codes.is_empty());
    for record in codes {
        let text = record["code"].as_str().unwrap();
        let code = SetupCode::decode(text).unwrap();
        assert!(code.url.as_deref().unwrap().starts_with("ws://"));
        assert_eq!(code.encode(), text, "{record}");
    }
}
