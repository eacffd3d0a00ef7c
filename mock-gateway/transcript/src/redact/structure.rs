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
}
