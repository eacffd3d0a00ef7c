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
