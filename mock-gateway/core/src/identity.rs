//! The device block of `connect`, one function per check. ref: gateway-behaviour.md §2.3

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_protocol::{
    ConnectParams, DetailCode, DeviceId, DeviceParams, ErrorCode, ErrorShape, FamiliarKey,
    PublicKey, UnixMillis, limits,
};
use serde_json::json;

use crate::handshake::Refusal;

/// A device that has proved to hold its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedDevice {
    pub(crate) id: DeviceId,
    /// Unpadded base64url.
    pub(crate) public_key: String,
}

/// Public keys that were read already: to find the point of a key takes a third of the time that a verification takes,
/// and most devices come back. Copies of a gateway share them, because what is known of a key holds everywhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Arc<Mutex<BTreeMap<String, Arc<FamiliarKey>>>>);

impl Keys {
    /// More are forgotten, all at once.
    const KEPT: usize = 1024;
    /// Base64 of 32 bytes has 44 characters; a longer way to write a key is not kept.
    const LONGEST: usize = 44;

    fn read(&self, text: &str) -> Option<Arc<FamiliarKey>> {
        // Whoever panicked meanwhile left a whole map.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(text) {
            return Some(Arc::clone(key));
        }
        let key = Arc::new(FamiliarKey::new(PublicKey::parse(text)?));
        if text.len() > Self::LONGEST {
            return Some(key);
        }
        if known.len() >= Self::KEPT {
            known.clear();
        }
        known.insert(text.to_owned(), Arc::clone(&key));
        Some(key)
    }
}

/// All checks of the device block in the gateway's order; `None` when there is no block.
pub(crate) fn check(
    params: &ConnectParams,
    nonce: &str,
    now: UnixMillis,
    keys: &Keys,
) -> Result<Option<VerifiedDevice>, Refusal> {
    let Some(device) = &params.device else {
        return Ok(None);
    };
    let key = check_id(device, keys)?;
    check_signed_at(device, now)?;
    check_nonce(device, nonce)?;
    check_signature(params, device, &key)?;
    Ok(Some(VerifiedDevice {
        // Compared with the key's hash by `check_id`.
        id: DeviceId::new(device.id.as_str()),
        public_key: key.key().to_base64url(),
    }))
}

fn refuse(message: &str, code: DetailCode, reason: &str) -> Refusal {
    let details = json!({"code": code.as_str(), "reason": reason});
    Refusal::policy(ErrorShape::new(ErrorCode::InvalidRequest, message).with_details(details))
}

/// The id is the hash of the key; an unreadable key is reported the same way.
fn check_id(device: &DeviceParams, keys: &Keys) -> Result<Arc<FamiliarKey>, Refusal> {
    keys.read(&device.public_key)
        .filter(|key| key.key().device_id().as_str() == device.id)
        .ok_or_else(|| {
            refuse(
                "device identity mismatch",
                DetailCode::DeviceAuthDeviceIdMismatch,
                "device-id-mismatch",
            )
        })
}

fn check_signed_at(device: &DeviceParams, now: UnixMillis) -> Result<(), Refusal> {
    if device.signed_at.saturating_sub(now.0).saturating_abs() <= limits::SIGNATURE_SKEW_MS {
        return Ok(());
    }
    Err(refuse(
        "device signature expired",
        DetailCode::DeviceAuthSignatureExpired,
        "device-signature-stale",
    ))
}

fn check_nonce(device: &DeviceParams, nonce: &str) -> Result<(), Refusal> {
    let offered = device.nonce.trim();
    if offered.is_empty() {
        return Err(refuse(
            "device nonce required",
            DetailCode::DeviceAuthNonceRequired,
            "device-nonce-missing",
        ));
    }
    if offered != nonce {
        return Err(refuse(
            "device nonce mismatch",
            DetailCode::DeviceAuthNonceMismatch,
            "device-nonce-mismatch",
        ));
    }
    Ok(())
}

fn check_signature(
    params: &ConnectParams,
    device: &DeviceParams,
    key: &FamiliarKey,
) -> Result<(), Refusal> {
    let signature = device.signature.as_deref().unwrap_or_default();
    let valid = params.signature_payload().is_some_and(|mut payload| {
        // The gateway builds the payload from the nonce it trimmed.
        payload.nonce = payload.nonce.trim();
        key.version_of(&payload, signature).is_some()
    });
    if valid {
        return Ok(());
    }
    Err(refuse(
        "device signature invalid",
        DetailCode::DeviceAuthSignatureInvalid,
        "device-signature",
    ))
}
