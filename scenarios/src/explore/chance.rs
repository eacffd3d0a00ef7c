//! What a seed draws, one stream of chance for each question, so that a new question changes no earlier answer.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::event::{Disturbance, Event, FAULTS};
use super::flow::Roles;
use crate::scenario::RoleName;
use crate::world::Draw;

/// Links that differ from each other.
const LINKS: u32 = 3;

/// The slowest link that is drawn, in milliseconds.
const SLOWEST_LINK: u32 = 150;

/// Lengths of time that are drawn, in milliseconds: inside a handshake, between two attempts, a tick, a pending request.
const LAPSES: [u64; 7] = [20, 200, 1_100, 5_000, 35_000, 100_000, 400_000];

/// Of how many flows one has both roles: a second role doubles the handshakes, and most bugs need but one.
const BOTH_ROLES: u32 = 3;

/// The links of a seed: every third network is too fast to be noticed.
pub(super) fn links(seed: u64) -> Vec<u16> {
    let mut chance = Chance::named(seed, "links");
    if chance.below(3) == 0 {
        return Vec::new();
    }
    let link = |_| u16::try_from(1 + chance.below(SLOWEST_LINK)).unwrap_or(1);
    (0..LINKS).map(link).collect()
}

/// The roles of a seed.
pub(super) fn roles(seed: u64) -> Roles {
    if Chance::named(seed, "roles").below(BOTH_ROLES) == 0 {
        Roles::Both
    } else {
        Roles::Operator
    }
}

/// Draws.
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    pub(super) fn of(seed: u64) -> Self {
        Self::named(seed, "flow")
    }

    fn named(seed: u64, name: &str) -> Self {
        Self(ChaCha8Rng::from_seed(Draw::new(seed).bytes(name)))
    }

    /// From 0 to less than `end`; 0 when `end` is 0.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        self.0.next_u32().checked_rem(end).unwrap_or_default()
    }

    pub(super) fn pick<T: Copy, const N: usize>(&mut self, from: &[T; N]) -> T {
        let last = u32::try_from(N).unwrap_or(1);
        let index = usize::try_from(self.below(last)).unwrap_or_default();
        // N is never 0: an array of nothing would not compile here.
        from.get(index).copied().unwrap_or(from[0])
    }

    pub(super) fn event(&mut self) -> Event {
        match self.below(36) {
            0..=7 => Event::Elapse(self.pick(&LAPSES)),
            8 => Event::Start,
            9 => Event::Stop,
            10 => Event::Connect,
            11 => Event::Disconnect,
            12 => Event::Reconnect,
            13 => Event::ReconnectNode,
            14 => Event::SharedToken,
            15 => Event::SetupCode,
            16 | 17 => Event::Restart(self.pick(&[500, 2_000, 20_000, 90_000])),
            18 => Event::Down,
            19 => Event::Up,
            20 => Event::Revoke(self.role()),
            21 => Event::Rotate(self.role()),
            22 => Event::Remove,
            23 => Event::RotateShared,
            24 => Event::Expire,
            25 => Event::DiskFails(1 + self.below(3)),
            26 | 27 => Event::Decide(self.below(4) > 0),
            28 => Event::Jump {
                of_gateway: self.below(2) == 0,
                millis: self.pick(&[-43_200_000, -130_000, 130_000, 43_200_000]),
            },
            _ => Event::Disturb(self.disturbance()),
        }
    }

    fn role(&mut self) -> RoleName {
        self.pick(&[RoleName::Operator, RoleName::Node])
    }

    fn disturbance(&mut self) -> Disturbance {
        let (name, lasting) = self.pick(&FAULTS);
        let next = (self.below(2) == 0).then(|| 1 + self.below(3));
        let lasts = self.pick(&[300, 4_000, 50_000]);
        Disturbance {
            name,
            next,
            after: self.below(6),
            lasts: lasting.then_some(lasts),
        }
    }
}
