//! Identifiers as types of their own, so that a node id cannot be passed where a request id is meant.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it stands on the wire.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        // An id reads the same in a log and in a failed assertion.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}

id! {
    /// Chosen by the requester, echoed by the responder. Not unique by force: the gateway accepts duplicates.
    /// ref: gateway-behaviour.md §1.2
    RequestId
}
id! {
    /// `hello-ok.server.connId`, a lower-case UUID. ref: gateway-behaviour.md §3
    ConnId
}
id! {
    /// Lower-case hex SHA-256 of the raw public key, 64 characters. ref: gateway-behaviour.md §2.3
    DeviceId
}
id! {
    /// A node's id; equals its device id on both recorded releases. ref: gateway-behaviour.md §7.1
    NodeId
}
id! {
    /// Names one `node.invoke.request`. ref: gateway-behaviour.md §7.3
    InvokeId
}
id! {
    /// The challenge of one connection, a lower-case UUID. ref: gateway-behaviour.md §2.1
    Nonce
}
id! {
    /// Names one pending device or node pairing request, a lower-case UUID. ref: gateway-behaviour.md §6.2
    PairingRequestId
}

/// Formats 16 random bytes as a version 4 UUID in lower case, the form every gateway id has.
///
/// ```
/// assert_eq!(gateway_protocol::id::uuid_v4([0; 16]), "00000000-0000-4000-8000-000000000000");
/// ```
pub fn uuid_v4(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = crate::device::hex(&bytes);
    let mut text = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// Whether `text` is a UUID, in the form that every gateway id has; in either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// What stands before the first UUID of a text, the UUID, and what comes after it.
pub fn first_uuid(text: &str) -> Option<(&str, &str, &str)> {
    (0..text.len().saturating_sub(35)).find_map(|start| {
        let uuid = text.get(start..start + 36).filter(|part| is_uuid(part))?;
        Some((text.get(..start)?, uuid, text.get(start + 36..)?))
    })
}

/// The UUIDs of two texts side by side, when the texts differ in nothing else; `None` when there is none in them.
///
/// ```
/// let (one, other) = (gateway_protocol::id::uuid_v4([1; 16]), gateway_protocol::id::uuid_v4([2; 16]));
/// let (a, b) = (format!("request {one} is gone"), format!("request {other} is gone"));
/// assert_eq!(gateway_protocol::id::uuids_side_by_side(&a, &b), Some(vec![(&*one, &*other)]));
/// assert_eq!(gateway_protocol::id::uuids_side_by_side(&a, "request is gone"), None);
/// ```
pub fn uuids_side_by_side<'a>(one: &'a str, other: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
    let (mut one, mut other, mut pairs) = (one, other, Vec::new());
    loop {
        match (first_uuid(one), first_uuid(other)) {
            (Some((before, uuid, after)), Some((same, twin, rest))) if before == same => {
                pairs.push((uuid, twin));
                (one, other) = (after, rest);
            }
            (None, None) if one == other && !pairs.is_empty() => return Some(pairs),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_display() {
        let id = RequestId::from("c1-1");
        assert_eq!(format!("{id:?}"), format!("{id}"));
    }

    #[test]
    fn uuid_keeps_the_random_bits() {
        assert_eq!(uuid_v4([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
