//! Which JSON members, header names, query parameters and options hold a secret, and of which kind.

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

/// What the string under `name` of `object` is. A `token` beside a role, device or scopes was issued to a device.
pub(crate) fn classify_member(name: &str, object: &Map<String, Value>) -> Option<Class> {
    let class = classify(name)?;
    if name == "token"
        && ["role", "deviceId", "scopes"]
            .iter()
            .any(|sibling| object.contains_key(*sibling))
    {
        return Some(Class::sure("device-token"));
    }
    Some(class)
}

/// For `{"name": "Authorization", "value": "..."}`: the class of `value`.
pub(crate) fn classify_pair(object: &Map<String, Value>) -> Option<Class> {
    object.get("value")?;
    classify(object.get("name").or_else(|| object.get("key"))?.as_str()?)
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
