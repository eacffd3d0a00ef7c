//! One beginning for many clients: a copy of a client that has begun goes its own way.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::client::Client;
use crate::client::connection::{Phase, Slot};
use crate::client::timers::Timer;

impl Client {
    /// Draws from this seed from here on, and once more the delay of a connection that waits: the same as a client that has had
    /// the seed from the start and has come as far, but for ids and keys.
    pub fn reseed(&mut self, seed: u64) {
        let drawn = self.rng.get_word_pos();
        self.options.seed = seed;
        self.rng = ChaCha8Rng::seed_from_u64(seed);
        for slot in [Slot::Operator, Slot::Node, Slot::Validation] {
            self.draw_again(slot);
        }
        self.rng.set_word_pos(drawn);
    }

    fn draw_again(&mut self, slot: Slot) {
        let waiting = self.connection(slot);
        let waiting = waiting.filter(|it| matches!(it.phase, Phase::Waiting));
        let Some((serial, drawn)) = waiting.and_then(|it| Some((it.serial, it.drawn.clone()?)))
        else {
            return;
        };
        let mut rng = self.rng.clone();
        rng.set_word_pos(drawn.word);
        let (delay, _) = self.delay(&drawn, &mut rng);
        let at = drawn.at.saturating_add(delay);
        self.timers.move_to(at, &Timer::Attempt { slot, serial });
    }

    /// When its deadlines come, the earliest first, those that wait for something else included.
    pub fn deadlines(&self) -> impl Iterator<Item = Duration> {
        self.timers.all()
    }
}
