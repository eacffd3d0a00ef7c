//! Which JSON members, header names, query parameters and options hold a secret, and of which kind.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// A kind of secret and how sure its place makes us of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) kind: &'static str,
    /// A better source (a registered value, a member that names the kind) may rename it.
    pub(crate) is_guess: bool,
}

impl Class {
    const fn sure(kind: &'static str) -> Self {
        Self {
            kind,
            is_guess: false,
        }
    }

    const fn guess(kind: &'static str) -> Self {
        Self {
            kind,
            is_guess: true,
        }
    }
}

/// The longest name that is looked at; longer ones hold no known secret name.
pub(super) const MAX_NAME: usize = 40;

/// What the string under `name` is, from the name alone. Case, `-` and `_` do not matter.
pub(crate) fn classify(name: &str) -> Option<Class> {
    let mut buffer = [0_u8; MAX_NAME];
    let folded = fold(name, &mut buffer)?;
    Some(match folded {
        "token" | "authtoken" | "sharedtoken" | "gatewaytoken" | "sharedgatewaytoken"
        | "xopenclawtoken" => Class::guess("shared-token"),
        "devicetoken" | "operatortoken" | "operatordevicetoken" | "nodedevicetoken" => {
            Class::sure("device-token")
        }
        "nodetoken" => Class::guess("device-token"),
        "bootstraptoken" => Class::sure("bootstrap-token"),
        "password" | "passwd" | "passphrase" | "gatewaypassword" => Class::sure("password"),
        "setupcode" | "bootstrapcode" => Class::sure("setup-code"),
        "signature" => Class::sure("signature"),
        "privatekey" | "privatekeybase64" | "privatekeypem" | "secretkey" | "signingkey" => {
            Class::sure("private-key")
        }
        "authorization" | "proxyauthorization" => Class::guess("authorization"),
        "cookie" | "setcookie" => Class::guess("cookie"),
        "apikey" | "xapikey" => Class::guess("api-key"),
        "clientsecret" | "secret" => Class::guess("secret"),
        _ if folded.ends_with("token") => Class::guess("token"),
        _ if folded.ends_with("password") => Class::guess("password"),
        _ if folded.ends_with("secret") => Class::guess("secret"),
        _ => return None,
    })
}

/// The members of an object, each with its text where it is a string.
pub(super) fn members(object: &Map<String, Value>) -> impl Iterator<Item = Member<'_>> + Clone {
    object.iter().map(|(name, member)| {
        let text = member.as_str().map(Cow::Borrowed);
        (name.as_str(), text)
    })
}

/// The name of a member, and its text where it is a string.
pub(super) type Member<'a> = (&'a str, Option<Cow<'a, str>>);

/// What the members of an object say about one another.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Siblings {
    /// Whether a role, a device or scopes are there: a `token` beside them was issued to a device.
    is_issued: bool,
    /// For `{"name": "Authorization", "value": "..."}`: the class of `value`.
    pair: Option<Class>,
}

impl Siblings {
    pub(super) fn of<'a>(members: impl Iterator<Item = Member<'a>>) -> Self {
        let (mut is_issued, mut has_value, mut name, mut key) = (false, false, None, None);
        for (member, text) in members {
            match member {
                "role" | "deviceId" | "scopes" => is_issued = true,
                "value" => has_value = true,
                "name" => name = Some(text),
                "key" => key = Some(text),
                _ => {}
            }
        }
        let named = name.or(key).flatten().filter(|_| has_value);
        Self {
            is_issued,
            pair: named.and_then(|name| classify(&name)),
        }
    }

    /// What the string under `name` is; most names need no siblings.
    pub(super) fn class(name: &str, siblings: impl FnOnce() -> Self) -> Option<Class> {
        match name {
            "value" => siblings().pair,
            "token" if siblings().is_issued => Some(Class::sure("device-token")),
            _ => classify(name),
        }
    }
}

/// What a name may say, told by its last bytes alone: most names say nothing and are not looked at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints(u8);

impl Hints {
    /// It may have a class, see [`Siblings::class`].
    pub(super) const SECRET: Self = Self(1);
    /// It may name a machine or a person: see [`super::place`].
    pub(super) const PLACE: Self = Self(2);
    /// It may identify a device: see [`super::identity`].
    pub(super) const DEVICE: Self = Self(4);

    #[inline]
    pub(super) fn of(name: &str) -> Self {
        let Some(tail) = name.as_bytes().last_chunk::<4>() else {
            return Self(0);
        };
        match &tail.map(|byte| byte | 0x20) {
            b"oken" | b"word" | b"sswd" | b"rase" | b"cret" | b"code" | b"ture" | b"ekey"
            | b"ypem" | b"tkey" | b"gkey" | b"ikey" | b"tion" | b"okie" | b"alue" => Self::SECRET,
            b"se64" => Self(Self::SECRET.0 | Self::DEVICE.0),
            b"host" | b"name" | b"user" => Self::PLACE,
            b"ckey" | b"ceid" | b"deid" => Self::DEVICE,
            // `-` and `_`, which do not count.
            tail if tail.iter().any(|byte| [b'-', b'_' | 0x20].contains(byte)) => Self(0xff),
            _ => Self(0),
        }
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

/// The name in small letters, without `-` and `_`; none for a long one.
pub(super) fn fold<'a>(name: &str, buffer: &'a mut [u8; MAX_NAME]) -> Option<&'a str> {
    let mut length = 0;
    for byte in name.bytes().filter(|byte| !b"-_".contains(byte)) {
        *buffer.get_mut(length)? = byte.to_ascii_lowercase();
        length += 1;
    }
    std::str::from_utf8(buffer.get(..length)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_folded_and_ordinary_members_stay() {
        for (name, kind) in [
            ("bootstrapToken", Some("bootstrap-token")),
            ("device_token", Some("device-token")),
            ("X-OpenClaw-Token", Some("shared-token")),
            ("accessToken", Some("token")),
            ("nonce", None),
            ("id", None),
            ("publicKey", None),
            ("tokens", None),
        ] {
            assert_eq!(classify(name).map(|class| class.kind), kind, "{name}");
        }
    }

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
            let hints = Hints::of(&name);
            prop_assert!(classify(&name).is_none() || hints.has(Hints::SECRET), "{}", name);
            if which >= SECRETS.len() {
                prop_assert!(hints.has(Hints::PLACE), "{}", name);
            } else {
                prop_assert!(classify(&name).is_some(), "{}", name);
            }
        }
    }
}
