//! A record with synthetic devices verifies as the recorded one did, and holds nothing of the real ones.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions fail by panicking too"
)]

use std::path::Path;
use std::sync::Arc;

use gateway_protocol::{Keypair, PublicKey, SetupCode, SignatureVersion};
use serde_json::{Value, json};
use transcript::resign::{Fit, keypair_of, signatures};
use transcript::{Direction, Draft, Header, Kind, Payload, Recorder, Redactor, Stage, Transcript};

/// What real clients sent to the real gateways, and what these answered.
fn recordings() -> Vec<(String, Vec<Value>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/recordings");
    let mut found = Vec::new();
    for version in ["2026.6.34", "2026.9.6"] {
        for file in std::fs::read_dir(root.join(version)).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap());
            let frames = lines.map(|line| line["frame"].clone());
            found.push((path.display().to_string(), frames.collect()));
        }
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    found
}

fn recorded(header: Header, frames: &[Value]) -> Transcript {
    let recorder = Recorder::in_memory(header);
    for frame in frames {
        recorder.record(
            Draft::new(0, Kind::Text)
                .conn(1)
                .passing(Direction::ClientToGateway, Stage::Sent)
                .payload(Payload::text(frame.to_string())),
        );
    }
    recorder.transcript()
}

fn header() -> Header {
    Header::new(0, "recorded", "somebody")
}

/// As the recording has it, nothing replaced.
fn untouched(frames: &[Value]) -> Transcript {
    let mut transcript = recorded(header(), frames);
    for (entry, frame) in transcript.entries.iter_mut().zip(frames) {
        entry.frame = Some(frame.clone().into());
    }
    transcript
}

fn devices(frames: &[Value]) -> Vec<(String, String)> {
    let text =
        |frame: &Value, name: &str| frame["params"]["device"][name].as_str().map(str::to_owned);
    frames
        .iter()
        .filter_map(|frame| Some((text(frame, "id")?, text(frame, "publicKey")?)))
        .collect()
}

#[test]
fn every_recording_of_the_real_gateways_verifies_as_it_did() {
    let (mut fitting, mut unfit) = (0, 0);
    for (name, frames) in recordings() {
        let before = signatures(&untouched(&frames).entries);
        let shown = recorded(header().resigned(7), &frames);
        let after = signatures(&shown.entries);
        assert_eq!(before.len(), after.len(), "{name}");
        for ((n, before), (_, after)) in before.iter().zip(&after) {
            let holds = match before {
                Fit::Fits(_) => after == before,
                Fit::UnfitAsRecorded | Fit::Hidden | Fit::Broken => {
                    matches!(after, Fit::UnfitAsRecorded | Fit::Hidden | Fit::Broken)
                }
            };
            assert!(holds, "{name}: entry {n} was {before:?} and is {after:?}");
            if matches!(before, Fit::Fits(_)) {
                fitting += 1;
            } else {
                unfit += 1;
            }
        }
        let text = shown.to_jsonl();
        for (id, key) in devices(&frames) {
            if let Some(parsed) = PublicKey::parse(&key) {
                let real = parsed.device_id();
                assert!(!text.contains(real.as_str()), "{name}: {real} is shown");
                assert!(!text.contains(&key), "{name}: {key} is shown");
                assert!(!text.contains(&parsed.to_base64url()), "{name}");
                // A device that claims another's id goes on claiming it.
                let (shown_id, shown_key) = devices_at(&shown, &frames, &id, &key);
                let derived = PublicKey::parse(&shown_key).unwrap().device_id();
                assert_eq!(real.as_str() == id, derived.as_str() == shown_id, "{name}");
            }
        }
    }
    assert!(fitting > 300 && unfit > 5, "{fitting} fit, {unfit} do not");
}

/// The device of the redacted frame that was made from the frame with this one.
fn devices_at(shown: &Transcript, frames: &[Value], id: &str, key: &str) -> (String, String) {
    let at = frames
        .iter()
        .position(|frame| {
            frame["params"]["device"]["id"] == id && frame["params"]["device"]["publicKey"] == key
        })
        .unwrap();
    let frame = shown.entries[at].frame.as_deref().cloned().unwrap();
    devices(&[frame]).remove(0)
}

fn connect(pair: &Keypair, nonce: &str, version: SignatureVersion) -> Value {
    let mut frame = json!({"type": "req", "id": "1", "method": "connect", "params": {
        "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
        "client": {"id": "cli", "version": "1", "platform": "Linux", "mode": "cli"},
        "device": {"id": pair.device_id().as_str(), "publicKey": pair.public().to_base64url(),
            "signedAt": 1_700_000_000_000_i64, "nonce": nonce, "signature": ""},
        "auth": {"token": "kept-by-the-user"}}});
    let params: gateway_protocol::ConnectParams =
        serde_json::from_value(frame["params"].clone()).unwrap();
    let text = params.signature_payload().unwrap().text(version);
    frame["params"]["device"]["signature"] = Value::from(pair.sign(&text));
    frame
}

#[test]
fn equal_seeds_and_equal_keys_have_equal_stand_ins() {
    let (one, two) = (Keypair::from_seed([1; 32]), Keypair::from_seed([2; 32]));
    let frames = [
        connect(&one, "n-1", SignatureVersion::V3),
        connect(&two, "n-2", SignatureVersion::V2),
        connect(&one, "n-3", SignatureVersion::V3),
    ];
    let shown = recorded(header().resigned(7), &frames);
    assert_eq!(shown, recorded(header().resigned(7), &frames));
    assert_ne!(
        shown.entries,
        recorded(header().resigned(8), &frames).entries
    );
    let fits: Vec<Fit> = signatures(&shown.entries)
        .into_iter()
        .map(|(_, fit)| fit)
        .collect();
    assert_eq!(
        fits,
        [
            SignatureVersion::V3,
            SignatureVersion::V2,
            SignatureVersion::V3
        ]
        .map(Fit::Fits)
    );
    let frames: Vec<Value> = shown
        .entries
        .iter()
        .filter_map(|entry| entry.frame.as_deref().cloned())
        .collect();
    let known = devices(&frames);
    assert_eq!(known[0], known[2]);
    assert_ne!(known[0], known[1]);
    let made_again = keypair_of(&shown.header, &known[1].1).unwrap();
    assert_eq!(made_again.device_id().as_str(), known[1].0);
    assert!(keypair_of(&shown.header, &one.public().to_base64url()).is_none());
}

#[test]
fn a_frame_that_was_changed_afterwards_does_not_verify() {
    let pair = Keypair::from_seed([1; 32]);
    let mut shown = recorded(
        header().resigned(7),
        &[connect(&pair, "n-1", SignatureVersion::V3)],
    );
    Arc::make_mut(shown.entries[0].frame.as_mut().unwrap())["params"]["role"] = Value::from("node");
    assert_eq!(signatures(&shown.entries), [(1, Fit::Broken)]);
}

#[test]
fn what_is_written_line_by_line_verifies_too() {
    let pair = Keypair::from_seed([1; 32]);
    let mut redactor = Redactor::new().resigning(7);
    let listed = redactor.redact(&json!({"paired": [{"deviceId": pair.device_id().as_str()}]}));
    let shown = redactor.redact(&connect(&pair, "n-1", SignatureVersion::V3));
    assert_eq!(
        listed["paired"][0]["deviceId"],
        shown["params"]["device"]["id"]
    );
    assert_eq!(shown["params"]["auth"]["token"], "<shared-token:1>");
    let cut = format!("device {}... waits", &pair.device_id().as_str()[..16]);
    let id = shown["params"]["device"]["id"].as_str().unwrap();
    assert_eq!(
        redactor.redact_text(&cut),
        format!("device {}... waits", &id[..16])
    );
}

#[test]
fn a_setup_code_still_decodes_and_names_its_token() {
    let code = SetupCode {
        url: Some("ws://127.0.0.1:18789".into()),
        bootstrap_token: Some(gateway_protocol::BootstrapToken::new("boot-inner-1")),
        expires_at_ms: Some(5),
    };
    let mut redactor = Redactor::new().resigning(7);
    let shown = redactor
        .redact(&json!({"setupCode": code.encode(), "auth": {"bootstrapToken": "boot-inner-1"}}));
    let again = SetupCode::decode(shown["setupCode"].as_str().unwrap()).unwrap();
    assert_eq!(again.url, code.url);
    assert_eq!(
        again.bootstrap_token.unwrap().expose(),
        shown["auth"]["bootstrapToken"].as_str().unwrap()
    );
    assert_eq!(
        Redactor::new().redact(&shown),
        shown,
        "nothing secret is left in it"
    );
}

#[test]
fn an_identity_file_stays_an_identity() {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    let pair = Keypair::from_seed([9; 32]);
    let public = BASE64_STANDARD.encode(pair.public().to_bytes());
    let file = json!({"PrivateKeyBase64": BASE64_STANDARD.encode(pair.seed()), "PublicKeyBase64": public,
        "DeviceId": pair.device_id().as_str(), "DeviceToken": "issued-once", "Algorithm": "Ed25519"});
    let mut redactor = Redactor::new().resigning(7);
    let shown = redactor.redact(&file);
    let seed = BASE64_STANDARD
        .decode(shown["PrivateKeyBase64"].as_str().unwrap())
        .unwrap();
    let stand_in = Keypair::from_seed(seed.try_into().unwrap());
    assert_ne!(stand_in.seed(), pair.seed());
    assert_eq!(shown["DeviceId"], stand_in.device_id().as_str());
    assert_eq!(
        shown["PublicKeyBase64"],
        BASE64_STANDARD.encode(stand_in.public().to_bytes())
    );
    assert_eq!(shown["DeviceToken"], "<device-token:1>");
}
