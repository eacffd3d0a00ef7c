//! The part of redaction that keeps a record alive: devices become synthetic ones, setup codes are encoded again.
//!
//! Off unless asked for ([`Redactor::resigning`]): the devices of a run of ours are synthetic already.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use gateway_protocol::{Keypair, PublicKey};
use serde_json::Value;

use super::structure::Member;
use super::{Redactor, encoded, text};
use crate::encoding::Encoding;
use crate::header::Header;
use crate::resign::{Identities, device_id};

impl Redactor {
    /// Gives devices synthetic identities made from `seed`, signs for them, and encodes setup codes again.
    #[must_use]
    pub fn resigning(mut self, seed: u64) -> Self {
        self.identities = Some(Identities::new(seed));
        self
    }

    /// The redactor of a record with this header, which knows these (kind, value) pairs.
    pub fn of_record(header: &Header, secrets: &[(String, String)]) -> Self {
        let redactor = match header.resigned {
            Some(seed) => Self::new().resigning(seed),
            None => Self::new(),
        };
        let redactor = if header.is_from_the_field() {
            redactor.hiding_people()
        } else if header.may_name_machines() {
            redactor.hiding_places()
        } else {
            redactor
        };
        redactor.knowing(secrets)
    }

    /// The header as it may be shown: what a person wrote into it may name a machine or hold a token.
    pub fn header(&mut self, header: Header) -> Header {
        if !header.may_name_machines() {
            return header;
        }
        Header {
            gateway: self.redact_text(&header.gateway),
            client: header.client.map(|client| self.redact_text(&client)),
            ..header
        }
    }

    pub(super) fn replaced_frame(&mut self, frame: &Value) -> Value {
        self.changed_frame(frame).unwrap_or_else(|| frame.clone())
    }

    /// What a frame becomes; none when it stays.
    pub(super) fn changed_frame(&mut self, frame: &Value) -> Option<Value> {
        let changed = self.changed(frame, 0);
        // Whoever signs has a key, and that was replaced.
        let mut shown = changed?;
        if let Some(identities) = &mut self.identities {
            // A frame that is no signed connect is left as it is.
            let _signed = identities.sign(frame, &mut shown);
        }
        Some(shown)
    }

    // Learning.

    /// Learns the devices that an object names: by key where it holds one, by id elsewhere.
    pub(super) fn learn_identities<'a>(
        &mut self,
        members: impl Iterator<Item = Member<'a>> + Clone,
    ) {
        if self.identities.is_none() {
            return;
        }
        let member = |wanted: &str| members.clone().find(|(name, _)| *name == wanted);
        let key = member("publicKey").or_else(|| member("PublicKeyBase64"));
        if let Some((_, Some(key))) = &key {
            self.learn_public_key(key);
        }
        for (name, text) in members {
            let is_id = key.is_some() && name == "id"
                || ["deviceid", "nodeid"]
                    .iter()
                    .any(|end| name.to_ascii_lowercase().ends_with(end));
            if let Some(id) = text.filter(|_| is_id).as_deref().and_then(device_id) {
                self.learn_device(id.as_str());
            }
        }
    }

    fn learn_public_key(&mut self, spelled: &str) {
        // Reading a key takes longer than looking it up.
        let known = self.secrets.get(spelled.trim());
        if known.is_some_and(|known| known.kind == "public-key" && known.stand_in.is_some()) {
            return;
        }
        let Some(key) = PublicKey::parse(spelled) else {
            return;
        };
        self.learn_device(key.device_id().as_str());
        let Some(stand_in) = self.identities.as_mut().map(|known| known.of_key(key)) else {
            return;
        };
        // Peers print the canonical spelling whatever the client sent.
        self.learn_stand_in(
            "public-key",
            &key.to_base64url(),
            &stand_in.public().to_base64url(),
        );
        self.learn_stand_in("public-key", spelled, &spelled_like(spelled, &stand_in));
    }

    fn learn_device(&mut self, id: &str) {
        if let Some(stand_in) = self.identities.as_mut().map(|known| known.of_id(id)) {
            self.learn_stand_in("device-id", id, stand_in.device_id().as_str());
        }
    }

    /// Learns a private key as the stand-in of its device; false when it is none, or devices are not replaced.
    pub(super) fn learn_private_key(&mut self, spelled: &str) -> bool {
        let seed = text::decode_base64(spelled).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let (Some(seed), true) = (seed, self.identities.is_some()) else {
            return false;
        };
        let real = Keypair::from_seed(seed).public();
        self.learn_device(real.device_id().as_str());
        if let Some(stand_in) = self.identities.as_mut().map(|known| known.of_key(real)) {
            self.learn_stand_in(
                "private-key",
                spelled,
                &BASE64_STANDARD.encode(stand_in.seed()),
            );
        }
        true
    }

    fn learn_stand_in(&mut self, kind: &str, value: &str, stand_in: &str) {
        self.learn_value(kind, false, value);
        if let Some(secret) = self.secrets.get_mut(value.trim()) {
            secret.stand_in = Some(stand_in.to_owned());
        }
    }

    // Replacing.

    /// What is shown for a hit of `length` bytes.
    pub(super) fn shown(&mut self, index: usize, encoding: Encoding, length: usize) -> String {
        let plain = matches!(encoding, Encoding::Raw | Encoding::JsonEscaped);
        let stand_in = (plain || encoding == Encoding::Prefix)
            .then(|| self.stand_in(index))
            .flatten();
        match stand_in {
            Some(whole) if plain => whole,
            Some(whole) => whole.get(..length).unwrap_or(&whole).to_owned(),
            None => encoded(&self.number(index).unwrap_or_default(), encoding),
        }
    }

    /// What stands for a secret instead of a pseudonym, if anything does.
    pub(super) fn stand_in(&mut self, index: usize) -> Option<String> {
        self.identities.as_ref()?;
        let (value, secret) = self.secrets.get_index(index)?;
        if secret.stand_in.is_some() || secret.kind != "setup-code" {
            return secret.stand_in.clone();
        }
        let content: Value = serde_json::from_slice(&text::decode_base64(value)?).ok()?;
        let content = self.replaced(&content, 0);
        let code = gateway_protocol::device::base64url(content.to_string().as_bytes());
        let (_, secret) = self.secrets.get_index_mut(index)?;
        secret.stand_in = Some(code.clone());
        Some(code)
    }
}

/// The key of `stand_in` in the spelling of another key: URL alphabet, standard alphabet, or PEM.
fn spelled_like(spelled: &str, stand_in: &Keypair) -> String {
    const SPKI: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let raw = stand_in.public().to_bytes();
    if spelled.contains("-----BEGIN") {
        let body = BASE64_STANDARD.encode([&SPKI[..], &raw[..]].concat());
        return format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    }
    if spelled.contains(['+', '/', '=']) {
        return BASE64_STANDARD.encode(raw);
    }
    gateway_protocol::device::base64url(&raw)
}
