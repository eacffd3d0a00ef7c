//! Public keys that come back, whose signatures are verified faster. It is the same equation with the same result.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use curve25519_dalek::edwards::{EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable as _;
use sha2::{Digest as _, Sha512};

use crate::device::{PublicKey, SignaturePayload, SignatureVersion, decode_base64_any};

/// A public key that may come back. Once it has come often, a table of its multiples is made: that takes as long as thirty
/// verifications and 30 KB, and each verification takes two thirds of the time from then on.
pub struct FamiliarKey {
    key: PublicKey,
    seen: AtomicU32,
    /// The device signed the second version last.
    signs_v2: AtomicBool,
    /// Multiples of the key's negative.
    multiples: OnceLock<Box<EdwardsBasepointTable>>,
}

impl FamiliarKey {
    /// So often a stranger is verified as such.
    const STRANGER: u32 = 64;

    /// A key that nobody has met.
    pub const fn new(key: PublicKey) -> Self {
        Self {
            key,
            seen: AtomicU32::new(0),
            signs_v2: AtomicBool::new(false),
            multiples: OnceLock::new(),
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
        let fits = |version: &SignatureVersion| self.verify(&payload.text(*version), signature);
        let version = order.into_iter().find(fits)?;
        let is_v2 = version == SignatureVersion::V2;
        self.signs_v2.store(is_v2, Ordering::Relaxed);
        Some(version)
    }

    /// What [`PublicKey::verify`] says.
    pub fn verify(&self, payload: &str, signature: &str) -> bool {
        if self.seen.load(Ordering::Relaxed) < Self::STRANGER {
            self.seen.fetch_add(1, Ordering::Relaxed);
            return self.key.verify(payload, signature);
        }
        let bytes = decode_base64_any(signature);
        let bytes: Option<[u8; 64]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.is_some_and(|bytes| self.fits(payload.as_bytes(), &bytes))
    }

    /// RFC 8032, 5.1.7: R is the point that the signature's scalar and the hash lead back to. Without a cofactor, and with a
    /// scalar in its one right form, as the library has it.
    fn fits(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let (point, scalar) = signature.split_at(32);
        let scalar: Option<Scalar> = <[u8; 32]>::try_from(scalar)
            .ok()
            .and_then(|scalar| Scalar::from_canonical_bytes(scalar).into());
        let Some(scalar) = scalar else {
            return false;
        };
        let hash = Sha512::new()
            .chain_update(point)
            .chain_update(self.key.to_bytes())
            .chain_update(message)
            .finalize();
        let hash = Scalar::from_bytes_mod_order_wide(&hash.into());
        let multiples = self
            .multiples
            .get_or_init(|| Box::new(EdwardsBasepointTable::create(&-self.key.point())));
        let expected = EdwardsPoint::mul_base(&scalar) + multiples.mul_base(&hash);
        expected.compress().as_bytes() == point
    }
}

impl std::fmt::Debug for FamiliarKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FamiliarKey({})", self.key.device_id())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::device::{Keypair, base64url};

    fn familiar(pair: &Keypair) -> FamiliarKey {
        let key = FamiliarKey::new(pair.public());
        key.seen.store(FamiliarKey::STRANGER, Ordering::Relaxed);
        key
    }

    #[test]
    fn a_stranger_becomes_familiar_and_is_still_verified() {
        let pair = Keypair::from_seed([3; 32]);
        let key = FamiliarKey::new(pair.public());
        for n in 0..2 * FamiliarKey::STRANGER {
            let text = n.to_string();
            assert!(key.verify(&text, &pair.sign(&text)), "{n}");
            assert!(!key.verify("else", &pair.sign(&text)), "{n}");
        }
        assert!(key.multiples.get().is_some());
    }

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

    /// The order of the group, which added to a scalar gives another form of it.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    #[test]
    fn another_form_of_the_scalar_is_refused_by_both() {
        let pair = Keypair::from_seed([3; 32]);
        let mut bytes = decode_base64_any(&pair.sign("text")).unwrap();
        let mut carry = 0;
        for (byte, more) in bytes.iter_mut().skip(32).zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            *byte = u8::try_from(sum & 0xff).unwrap();
            carry = sum >> 8;
        }
        let signature = base64url(&bytes);
        assert!(!pair.public().verify("text", &signature));
        assert!(!familiar(&pair).verify("text", &signature));
    }

    proptest! {
        #[test]
        fn both_ways_say_the_same(
            seed in any::<[u8; 32]>(),
            payload in ".{0,80}",
            at in 0..80_usize,
            flip in 0..=255_u8,
        ) {
            let pair = Keypair::from_seed(seed);
            let mut bytes = decode_base64_any(&pair.sign(&payload)).unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= flip;
            }
            let key = familiar(&pair);
            for signature in [base64url(&bytes), BASE64_STANDARD.encode(&bytes)] {
                let says = pair.public().verify(&payload, &signature);
                prop_assert_eq!(key.verify(&payload, &signature), says);
                prop_assert_eq!(says, at >= 64 || flip == 0);
            }
        }

        #[test]
        fn nonsense_is_refused(signature in ".{0,100}") {
            let key = familiar(&Keypair::from_seed([5; 32]));
            prop_assert!(!key.verify("text", &signature));
        }
    }
}
