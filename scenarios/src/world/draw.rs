//! Everything that is drawn: one stream of chance per name, so that adding an actor changes nobody else's.

use gateway_protocol::Keypair;
use gateway_protocol::device::base64url;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

/// The chance of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    seed: u64,
}

impl Draw {
    /// The chance of the run with this seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The chance of one scenario of the run, the same in every world. Two scenarios share nothing: what is a
    /// token in one would else be the beginning of a public value in another, and every artifact a leak.
    pub(crate) fn of(scenario: &str, seed: u64) -> Self {
        Self::new(Self::new(seed).seed(&format!("scenario {scenario}")))
    }

    /// 32 bytes that depend on the seed and on `name` only.
    pub(crate) fn bytes(self, name: &str) -> [u8; 32] {
        let digest = Sha256::new()
            .chain_update(self.seed.to_le_bytes())
            .chain_update(name)
            .finalize();
        let mut bytes = [0; 32];
        ChaCha8Rng::from_seed(digest.into()).fill_bytes(&mut bytes);
        bytes
    }

    /// A token as the gateway makes them: 43 characters of base64url.
    pub(crate) fn token(self, name: &str) -> String {
        base64url(&self.bytes(name))
    }

    /// A device key.
    pub(crate) fn key(self, name: &str) -> Keypair {
        Keypair::from_seed(self.bytes(name))
    }

    /// A seed for somebody else's chance.
    pub(crate) fn seed(self, name: &str) -> u64 {
        let bytes = self.bytes(name);
        let (first, _rest) = bytes.split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_le_bytes(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_seeds_are_independent() {
        let draw = Draw::new(7);
        assert_eq!(draw.token("a"), Draw::new(7).token("a"));
        assert_ne!(draw.token("a"), draw.token("b"));
        assert_ne!(draw.token("a"), Draw::new(8).token("a"));
        assert_eq!(draw.token("a").len(), 43);
    }
}
