//! Everything random in a gateway, from one seed, in the order in which it is asked for.

use gateway_protocol::device::base64url;
use gateway_protocol::id::uuid_v4;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::gateway::Gateway;

/// A seeded stream of ids and secrets.
#[derive(Clone, Debug)]
pub(crate) struct Entropy {
    rng: ChaCha8Rng,
}

impl Entropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// A lower-case UUID v4.
    pub(crate) fn uuid(&mut self) -> String {
        uuid_v4(self.bytes())
    }

    /// 43 characters of base64url, the form of every token.
    pub(crate) fn token(&mut self) -> String {
        base64url(&self.bytes::<32>())
    }

    /// 24 characters of base64url, the form of a plugin surface capability.
    pub(crate) fn capability(&mut self) -> String {
        base64url(&self.bytes::<18>())
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

impl Gateway {
    /// Draws from this seed from here on: copies of a gateway that was set up once go different ways.
    pub fn reseed(&mut self, seed: u64) {
        self.entropy = Entropy::new(seed);
    }
}
