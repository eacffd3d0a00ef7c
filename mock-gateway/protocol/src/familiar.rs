//! Public keys that come back, whose signatures are found faster.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::device::{PublicKey, SignaturePayload, SignatureVersion};

/// A public key that may come back.
#[derive(Debug)]
pub struct FamiliarKey {
    key: PublicKey,
    /// The device signed the second version last.
    signs_v2: AtomicBool,
}

impl FamiliarKey {
    /// A key that nobody has met.
    pub const fn new(key: PublicKey) -> Self {
        Self {
            key,
            signs_v2: AtomicBool::new(false),
        }
    }

    /// The key itself.
    pub const fn key(&self) -> PublicKey {
        self.key
    }

    /// What [`SignaturePayload::verify`] says. The version that the device signed last is tried first: a signature fits one
    /// text, so the order decides nothing, and a device keeps to its version.
    pub fn version_of(
        &self,
        payload: &SignaturePayload<'_>,
        signature: &str,
    ) -> Option<SignatureVersion> {
        let mut order = [SignatureVersion::V3, SignatureVersion::V2];
        if self.signs_v2.load(Ordering::Relaxed) {
            order.reverse();
        }
        let fits = |version: &SignatureVersion| self.key.verify(&payload.text(*version), signature);
        let version = order.into_iter().find(fits)?;
        let is_v2 = version == SignatureVersion::V2;
        self.signs_v2.store(is_v2, Ordering::Relaxed);
        Some(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Keypair;

    #[test]
    fn either_version_is_found_whichever_came_before() {
        let pair = Keypair::from_seed([3; 32]);
        let (key, id) = (FamiliarKey::new(pair.public()), pair.device_id());
        let payload = SignaturePayload {
            device_id: id.as_str(),
            client_id: "c",
            client_mode: "ui",
            role: "operator",
            scopes: &[],
            signed_at: 1,
            token: "t",
            nonce: "n",
            platform: "Windows",
            device_family: "",
        };
        let (v2, v3) = (SignatureVersion::V2, SignatureVersion::V3);
        for version in [v3, v2, v2, v3, v2] {
            let signature = pair.sign(&payload.text(version));
            assert_eq!(key.version_of(&payload, &signature), Some(version));
            assert_eq!(key.version_of(&payload, &pair.sign("else")), None);
        }
    }
}
