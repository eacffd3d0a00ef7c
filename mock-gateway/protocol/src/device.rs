//! Device identity: an Ed25519 key, the id derived from it, and the payload it signs at every connect.
//!
//! ref: gateway-behaviour.md §2.3

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ed25519_dalek::{Signer as _, SigningKey, Verifier as _, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::id::DeviceId;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

/// Unpadded base64url, the canonical form of keys, signatures and tokens.
pub fn base64url(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Base64url or standard base64, padded or not: what the gateway accepts for keys and signatures.
pub fn decode_base64_any(text: &str) -> Option<Vec<u8>> {
    URL_SAFE
        .decode(text)
        .or_else(|_| STANDARD.decode(text))
        .ok()
}

/// A device's signing key.
#[derive(Clone)]
pub struct Keypair {
    key: SigningKey,
}

impl std::fmt::Debug for Keypair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keypair({})", self.device_id())
    }
}

impl Keypair {
    /// The key of a 32-byte seed; the seed is what `PrivateKeyBase64` holds.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self {
            key: SigningKey::from_bytes(&seed),
        }
    }

    /// The seed this key was made from.
    pub fn seed(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey {
            key: self.key.verifying_key(),
        }
    }

    /// Hash of the public key.
    pub fn device_id(&self) -> DeviceId {
        self.public().device_id()
    }

    /// Signs a payload text; the signature is unpadded base64url.
    pub fn sign(&self, payload: &str) -> String {
        base64url(&self.key.sign(payload.as_bytes()).to_bytes())
    }
}

/// A device's public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads a public key as the gateway does: base64url (padded or not), standard base64, or SPKI PEM, of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = if text.contains("-----BEGIN") {
            spki_pem(text)?
        } else {
            decode_base64_any(text)?
        };
        Self::from_bytes(&bytes)
    }

    /// The key of 32 raw bytes, if they are a point on the curve.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(bytes.try_into().ok()?).ok()?;
        Some(Self { key })
    }

    /// The 32 raw bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Unpadded base64url, the form in which the gateway stores and reports it.
    pub fn to_base64url(self) -> String {
        base64url(&self.key.to_bytes())
    }

    /// Lower-case hex SHA-256 of the raw key.
    pub fn device_id(self) -> DeviceId {
        DeviceId::new(hex(&Sha256::digest(self.key.to_bytes())))
    }

    /// Whether `signature` (base64url or base64) is this key's over `payload`.
    pub fn verify(self, payload: &str, signature: &str) -> bool {
        let Some(bytes) = decode_base64_any(signature) else {
            return false;
        };
        ed25519_dalek::Signature::from_slice(&bytes)
            .is_ok_and(|signature| self.key.verify(payload.as_bytes(), &signature).is_ok())
    }
}

/// The last 32 bytes of an Ed25519 `SubjectPublicKeyInfo` are the key.
fn spki_pem(text: &str) -> Option<Vec<u8>> {
    const PREFIX: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .map(str::trim)
        .collect();
    let der = STANDARD.decode(body).ok()?;
    der.strip_prefix(&PREFIX).map(<[u8]>::to_vec)
}

/// Which of the two accepted payloads was signed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum SignatureVersion {
    /// Without platform and device family.
    V2,
    /// With them.
    V3,
}

/// What a device signs; every field exactly as it stands in the connect frame.
#[derive(Clone, Copy, Debug)]
pub struct SignaturePayload<'a> {
    /// `device.id`
    pub device_id: &'a str,
    /// `client.id`
    pub client_id: &'a str,
    /// `client.mode`
    pub client_mode: &'a str,
    /// `role`, `operator` when absent.
    pub role: &'a str,
    /// `scopes` in the frame's order; absent and empty are the same.
    pub scopes: &'a [String],
    /// `device.signedAt`, Unix milliseconds.
    pub signed_at: i64,
    /// `auth.token`, else `auth.deviceToken`, else `auth.bootstrapToken`, else empty; as sent.
    pub token: &'a str,
    /// `device.nonce`
    pub nonce: &'a str,
    /// `client.platform`; v3 only.
    pub platform: &'a str,
    /// `client.deviceFamily`, empty when absent; v3 only.
    pub device_family: &'a str,
}

impl SignaturePayload<'_> {
    /// The text of one version.
    pub fn text(&self, version: SignatureVersion) -> String {
        let fields = format!(
            "{}|{}|{}|{}|{}|{}|{}|{}",
            self.device_id,
            self.client_id,
            self.client_mode,
            self.role,
            self.scopes.join(","),
            self.signed_at,
            self.token,
            self.nonce
        );
        match version {
            SignatureVersion::V2 => format!("v2|{fields}"),
            SignatureVersion::V3 => {
                format!(
                    "v3|{fields}|{}|{}",
                    metadata(self.platform),
                    metadata(self.device_family)
                )
            }
        }
    }

    /// Which version `signature` fits, tried in the gateway's order: v3, then v2.
    pub fn verify(&self, key: PublicKey, signature: &str) -> Option<SignatureVersion> {
        [SignatureVersion::V3, SignatureVersion::V2]
            .into_iter()
            .find(|version| key.verify(&self.text(*version), signature))
    }
}

/// Metadata is signed trimmed, with only ASCII letters lower-cased.
fn metadata(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}
