//! Synthetic device identities in the place of real ones, so that a redacted record still verifies and replays.
//!
//! A real public key is private data and a real signature can't be kept, since it covers tokens that are replaced.
//! A redactor that re-signs gives each device a key pair of its own, made from a seed and the order in which devices
//! are first seen: equal keys get equal stand-ins, and two redactions of one record are the same bytes. The synthetic
//! private keys are no secret: whoever has the file can make them again, which is what replaying needs.
//!
//! - [`Identities`]: the stand-ins of one record
//! - [`keypair`], [`keypair_of`]: a synthetic key pair made again
//! - [`signatures`]: whether each signature of a record fits what it says

use gateway_protocol::{ConnectParams, DeviceId, Keypair, PublicKey, SignatureVersion};
use indexmap::IndexMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::entry::{Entry, Stage};
use crate::header::Header;

/// Devices that are looked for in a record; more of them can't be told apart from strangers.
const MOST_DEVICES: u32 = 4_096;
/// What a signature covers that did not fit when it was recorded: it must not fit afterwards either.
const UNFIT: &str = "unfit|";

/// The synthetic identities of one record.
#[derive(Clone, Debug)]
pub struct Identities {
    seed: u64,
    /// By the real id. Kept, because making one takes as long as redacting a dozen frames.
    made: IndexMap<String, Keypair>,
}

impl Identities {
    /// None yet; equal seeds give equal identities.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            made: IndexMap::new(),
        }
    }

    /// The stand-in of the device with this id, made when it is first asked for.
    pub fn of_id(&mut self, real: &str) -> Keypair {
        if let Some(known) = self.made.get(real) {
            return known.clone();
        }
        let before = u32::try_from(self.made.len()).unwrap_or(u32::MAX);
        let made = keypair(self.seed, before.saturating_add(1));
        self.made.insert(real.to_owned(), made.clone());
        made
    }

    /// The stand-in of a public key.
    pub fn of_key(&mut self, real: PublicKey) -> Keypair {
        self.of_id(real.device_id().as_str())
    }

    /// Signs the connect frame `shown` where `frame`, which it was made from, was signed. A signature that did not fit
    /// is replaced by one that does not fit; what is no signature at all stays as it was made.
    pub fn sign(&mut self, frame: &Value, shown: &mut Value) -> Option<()> {
        let real = connect(frame)?;
        let device = real.device.as_ref()?;
        let signature = device.signature.as_deref()?;
        let key = PublicKey::parse(&device.public_key)?;
        let fits = real.signature_payload()?.verify(key, signature);
        let is_one = gateway_protocol::device::decode_base64_any(signature)
            .is_some_and(|bytes| bytes.len() == 64);
        if !is_one {
            return None;
        }
        let stand_in = connect(shown)?;
        let payload = stand_in.signature_payload()?;
        let text = fits.map_or_else(
            || format!("{UNFIT}{}", payload.text(SignatureVersion::V3)),
            |version| payload.text(version),
        );
        let signed = self.of_key(key).sign(&text);
        *shown.pointer_mut("/params/device/signature")? = Value::from(signed);
        Some(())
    }
}

/// The key pair of the device that was seen as the `number`th, from 1.
pub fn keypair(seed: u64, number: u32) -> Keypair {
    let mut hash = Sha256::new();
    hash.update(b"clawproof synthetic device");
    hash.update(seed.to_le_bytes());
    hash.update(number.to_le_bytes());
    Keypair::from_seed(hash.finalize().into())
}

/// The key pair behind a public key of a record that was re-signed; none for a key that is not synthetic.
pub fn keypair_of(header: &Header, public_key: &str) -> Option<Keypair> {
    let (seed, key) = (header.resigned?, PublicKey::parse(public_key)?);
    let mut known = (1..=MOST_DEVICES).map(|number| keypair(seed, number));
    known.find(|pair| pair.public() == key)
}

/// What a signature of a record is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It fits what the frame says.
    Fits(SignatureVersion),
    /// It was re-signed so as not to fit, because the recorded one did not.
    UnfitAsRecorded,
    /// A pseudonym stands in its place.
    Hidden,
    /// It does not fit: the frame was changed after it was signed, or the recorded one never did.
    Broken,
}

/// Every signature of a record with the number of its entry, in order.
pub fn signatures(entries: &[Entry]) -> Vec<(u64, Fit)> {
    let sent = entries
        .iter()
        .filter(|entry| entry.stage.is_none_or(|stage| stage == Stage::Sent));
    sent.filter_map(|entry| Some((entry.n, fit(entry.frame.as_deref()?)?)))
        .collect()
}

/// Whether the signature of a connect frame fits it; none for other frames.
pub fn fit(frame: &Value) -> Option<Fit> {
    let params = connect(frame)?;
    let device = params.device.as_ref()?;
    let signature = device.signature.as_deref()?;
    if crate::redact::is_pseudonym(signature) {
        return Some(Fit::Hidden);
    }
    let Some(key) = PublicKey::parse(&device.public_key) else {
        return Some(Fit::Broken);
    };
    let payload = params.signature_payload()?;
    if let Some(version) = payload.verify(key, signature) {
        return Some(Fit::Fits(version));
    }
    let unfit = format!("{UNFIT}{}", payload.text(SignatureVersion::V3));
    Some(if key.verify(&unfit, signature) {
        Fit::UnfitAsRecorded
    } else {
        Fit::Broken
    })
}

fn connect(frame: &Value) -> Option<ConnectParams> {
    if frame.get("method")? != "connect" {
        return None;
    }
    serde_json::from_value(frame.get("params")?.clone()).ok()
}

/// The device id in a text, when it is one: 64 digits of lower-case hex.
pub(crate) fn device_id(text: &str) -> Option<DeviceId> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 64 && text.bytes().all(is_hex)).then(|| DeviceId::new(text))
}
