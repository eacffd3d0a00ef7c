//! The devices of the client half: each recorded one gets a key pair that signs every live challenge.
//!
//! A signature that fitted when it was recorded fits again, and one that did not, does not. A device that was off by
//! so many milliseconds is off by as many.

use std::collections::BTreeMap;

use gateway_protocol::{ConnectParams, Keypair, PublicKey, SignatureVersion};
use serde_json::Value;
use transcript::Direction;
use transcript::resign::{Fit, Identities, fit};

use super::bind::{Bindings, Class};
use super::script::Script;

/// What a challenge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its nonce.
    pub nonce: String,
    /// The gateway's clock, Unix milliseconds.
    pub ts: i64,
}

impl Challenge {
    /// The challenge in a frame.
    pub fn of(frame: &Value) -> Option<Self> {
        if frame.get("event")? != "connect.challenge" {
            return None;
        }
        let payload = frame.get("payload")?;
        Some(Self {
            nonce: payload.get("nonce")?.as_str()?.to_owned(),
            ts: payload
                .get("ts")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
        })
    }
}

/// Key pairs by recorded public key.
#[derive(Debug, Default)]
pub struct Signers(BTreeMap<String, Keypair>);

impl Signers {
    /// A key pair for each device that connects in the script, made from `seed`; ids and keys are bound to them.
    pub fn of(script: &Script, seed: u64, bound: &mut Bindings) -> Self {
        let mut identities = Identities::new(seed);
        let mut signers = BTreeMap::new();
        let said = script
            .lines
            .iter()
            .filter(|line| line.dir == Some(Direction::ClientToGateway));
        for device in said.filter_map(|line| line.said.frame()?.pointer("/params/device")) {
            let text = |name: &str| device.get(name).and_then(Value::as_str);
            let (Some(spelled), Some(id)) = (text("publicKey"), text("id")) else {
                continue;
            };
            let Some(key) = PublicKey::parse(spelled) else {
                continue;
            };
            let pair = identities.of_key(key);
            bound.set(spelled, &pair.public().to_base64url(), Class::Key);
            bound.set(
                &key.to_base64url(),
                &pair.public().to_base64url(),
                Class::Key,
            );
            bound.set(
                key.device_id().as_str(),
                pair.device_id().as_str(),
                Class::Id,
            );
            if id != key.device_id().as_str() && bound.live(id).is_none() {
                bound.set(id, identities.of_id(id).device_id().as_str(), Class::Id);
            }
            signers.insert(spelled.to_owned(), pair);
        }
        Self(signers)
    }

    /// The connect frame `live` as it answers a live challenge, signed where `recorded` was; none when no device of
    /// ours is in it.
    pub fn sign(
        &self,
        recorded: &Value,
        live: &mut Value,
        then: Option<&Challenge>,
        now: &Challenge,
    ) -> Option<()> {
        let device = recorded.pointer("/params/device")?;
        let pair = self.0.get(device.get("publicKey")?.as_str()?)?;
        let skew = device.get("signedAt")?.as_i64()? - then.map_or(0, |then| then.ts);
        let answered = then.is_some_and(|then| {
            device.get("nonce").and_then(Value::as_str) == Some(then.nonce.as_str())
        });
        *live.pointer_mut("/params/device/signedAt")? = Value::from(now.ts + skew);
        if answered {
            *live.pointer_mut("/params/device/nonce")? = Value::from(now.nonce.as_str());
        }
        let params: ConnectParams = serde_json::from_value(live.get("params")?.clone()).ok()?;
        let payload = params.signature_payload()?;
        let text = match fit(recorded)? {
            Fit::Fits(version) => payload.text(version),
            Fit::Hidden => payload.text(SignatureVersion::V3),
            Fit::UnfitAsRecorded | Fit::Broken => {
                format!("unfit|{}", payload.text(SignatureVersion::V3))
            }
        };
        *live.pointer_mut("/params/device/signature")? = Value::from(pair.sign(&text));
        Some(())
    }
}
