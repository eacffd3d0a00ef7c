//! What the name of a member may say, told by its last bytes alone: most names say nothing and are not looked at again.

/// What a name may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints(u8);

impl Hints {
    pub(super) const NONE: Self = Self(0);
    /// It may have a class, see [`super::structure::Siblings::class`].
    pub(super) const SECRET: Self = Self(1);
    /// It may name a machine or a person: see [`super::place`].
    pub(super) const PLACE: Self = Self(2);
    /// It may identify a device: see [`super::identity`].
    pub(super) const DEVICE: Self = Self(4);
    const ANY: Self = Self(0xff);

    /// What a name says that ends so; of a shorter one zeros stand in front.
    #[inline]
    pub(super) fn of_tail(tail: [u8; 4]) -> Self {
        let tail = u32::from_le_bytes(tail) | EVERY_CASE;
        if holds(tail, b'-') || holds(tail, b'_' | 0x20) {
            return Self::ANY;
        }
        let (listed, hints) = LISTED.get(place_of(tail)).copied().unwrap_or_default();
        if listed == tail { hints } else { Self::NONE }
    }

    pub(super) fn of(name: &[u8]) -> Self {
        name.last_chunk()
            .map_or(Self::NONE, |tail| Self::of_tail(*tail))
    }

    #[must_use]
    #[inline]
    pub(super) fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    #[inline]
    pub(super) fn has(self, hint: Self) -> bool {
        self.0 & hint.0 != 0
    }
}

/// How names end that say something, in small letters.
const TAILS: [(&[u8; 4], Hints); 22] = [
    (b"oken", Hints::SECRET),
    (b"word", Hints::SECRET),
    (b"sswd", Hints::SECRET),
    (b"rase", Hints::SECRET),
    (b"cret", Hints::SECRET),
    (b"code", Hints::SECRET),
    (b"ture", Hints::SECRET),
    (b"ekey", Hints::SECRET),
    (b"ypem", Hints::SECRET),
    (b"tkey", Hints::SECRET),
    (b"gkey", Hints::SECRET),
    (b"ikey", Hints::SECRET),
    (b"tion", Hints::SECRET),
    (b"okie", Hints::SECRET),
    (b"alue", Hints::SECRET),
    (b"se64", Hints(Hints::SECRET.0 | Hints::DEVICE.0)),
    (b"host", Hints::PLACE),
    (b"name", Hints::PLACE),
    (b"user", Hints::PLACE),
    (b"ckey", Hints::DEVICE),
    (b"ceid", Hints::DEVICE),
    (b"deid", Hints::DEVICE),
];

/// [`TAILS`], each at its own place.
const LISTED: [(u32, Hints); 256] = {
    let mut listed = [(0, Hints::NONE); 256];
    let mut rest = TAILS.as_slice();
    while let Some(((tail, hints), more)) = rest.split_first() {
        let tail = u32::from_le_bytes(**tail);
        let (_, from) = listed.split_at_mut(place_of(tail));
        if let Some((place, _)) = from.split_first_mut() {
            assert!(place.0 == 0, "two tails have the same place");
            *place = (tail, *hints);
        }
        rest = more;
    }
    listed
};

/// One of 256 for a tail.
#[inline]
const fn place_of(tail: u32) -> usize {
    (tail.wrapping_mul(MIXER) >> 24) as usize
}

/// Gives each of them another place.
const MIXER: u32 = 0x2265_B1F5;

/// The same in each byte.
const EACH: u32 = 0x0101_0101;

/// What letters of both cases have.
const EVERY_CASE: u32 = EACH * 0x20;

/// Whether one of four bytes is this one.
#[inline]
fn holds(four: u32, byte: u8) -> bool {
    let other = four ^ (EACH * u32::from(byte));
    other.wrapping_sub(EACH) & !other & (EACH * 0x80) != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::redact::structure::classify;

    const SECRETS: [&str; 38] = [
        "token",
        "authToken",
        "sharedToken",
        "gatewayToken",
        "sharedGatewayToken",
        "xOpenclawToken",
        "deviceToken",
        "operatorToken",
        "operatorDeviceToken",
        "nodeDeviceToken",
        "nodeToken",
        "bootstrapToken",
        "password",
        "passwd",
        "passphrase",
        "gatewayPassword",
        "setupCode",
        "bootstrapCode",
        "signature",
        "privateKey",
        "privateKeyBase64",
        "privateKeyPem",
        "secretKey",
        "signingKey",
        "authorization",
        "proxyAuthorization",
        "cookie",
        "setCookie",
        "apiKey",
        "xApiKey",
        "clientSecret",
        "secret",
        "anyToken",
        "anyPassword",
        "anySecret",
        "t-token",
        "p-password",
        "s-secret",
    ];
    const PLACES: [&str; 10] = [
        "host",
        "hostname",
        "computerName",
        "machineName",
        "sshHost",
        "user",
        "username",
        "osUser",
        "sshUser",
        "displayName",
    ];

    /// The table has what the list says, and nothing else.
    #[test]
    fn names_that_end_as_listed_have_hints() {
        for (tail, hints) in TAILS {
            assert_eq!(Hints::of(tail), hints);
            assert_eq!(Hints::of(&[b"any", &tail[..]].concat()), hints);
            assert_eq!(Hints::of(&tail.to_ascii_uppercase()), hints);
        }
        for name in [
            "", "x", "id", "key", "oke", "type", "tokens", "hosts", "okens",
        ] {
            assert_eq!(Hints::of(name.as_bytes()), Hints::NONE, "{name}");
        }
        for name in ["a-bc", "token_", "_abc", "abc-"] {
            assert_eq!(Hints::of(name.as_bytes()), Hints::ANY, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// However a name is spelled: what has a meaning has a hint.
        #[test]
        fn no_name_that_matters_is_without_a_hint(
            which in 0..SECRETS.len() + PLACES.len(),
            spelling in prop::collection::vec(0_u8..12, 20),
            tail in "[-_]{0,2}",
        ) {
            let base = SECRETS.iter().chain(&PLACES).nth(which).unwrap();
            let mut name = String::new();
            for (letter, how) in base.chars().zip(&spelling) {
                match how {
                    0 => name.push(letter.to_ascii_uppercase()),
                    1 => name.extend(['-', letter]),
                    2 => name.extend(['_', letter.to_ascii_lowercase()]),
                    _ => name.push(letter),
                }
            }
            name.extend(base.chars().skip(spelling.len()));
            name.push_str(&tail);
            let hints = Hints::of(name.as_bytes());
            prop_assert!(classify(&name).is_none() || hints.has(Hints::SECRET), "{}", name);
            if which >= SECRETS.len() {
                prop_assert!(hints.has(Hints::PLACE), "{}", name);
            } else {
                prop_assert!(classify(&name).is_some(), "{}", name);
            }
        }
    }
}
