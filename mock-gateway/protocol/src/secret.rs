//! Secrets as types that do not print themselves.

/// The classes of secret that cross the wire or lie on disk; each has its own pseudonyms in a transcript.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// `gateway.auth.token`, sent as `auth.token`.
    SharedToken,
    /// `gateway.auth.password`, sent as `auth.password`.
    Password,
    /// Issued in hello-ok, bound to one device and role.
    DeviceToken,
    /// Carried by a setup code, bound to the first device that redeems it.
    BootstrapToken,
    /// The whole setup code; holds a bootstrap token.
    SetupCode,
    /// The token of a node record on 2026.6.34.
    NodeToken,
    /// The Ed25519 seed of a device.
    PrivateKey,
    /// A signature over a challenge; replayable within two minutes.
    Signature,
    /// Bearer of the control endpoint.
    ControlToken,
}

impl SecretKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 9] = [
        Self::SharedToken,
        Self::Password,
        Self::DeviceToken,
        Self::BootstrapToken,
        Self::SetupCode,
        Self::NodeToken,
        Self::PrivateKey,
        Self::Signature,
        Self::ControlToken,
    ];

    /// The name used in pseudonyms such as `<device-token:1>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SharedToken => "shared-token",
            Self::Password => "password",
            Self::DeviceToken => "device-token",
            Self::BootstrapToken => "bootstrap-token",
            Self::SetupCode => "setup-code",
            Self::NodeToken => "node-token",
            Self::PrivateKey => "private-key",
            Self::Signature => "signature",
            Self::ControlToken => "control-token",
        }
    }
}

impl std::fmt::Display for SecretKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// What the redactor calls it.
            pub const KIND: SecretKind = SecretKind::$kind;

            /// Wraps the secret as it stands on the wire.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The secret itself. The name is loud so that a reviewer sees each place that needs it.
            pub fn expose(&self) -> &str {
                &self.0
            }

            /// Compares in constant time after trimming both sides, as the gateway does.
            /// ref: gateway-behaviour.md §4
            pub fn matches(&self, offered: &str) -> bool {
                use subtle::ConstantTimeEq as _;
                self.0.trim().as_bytes().ct_eq(offered.trim().as_bytes()).into()
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "<{}>", SecretKind::$kind)
            }
        }
    };
}

secret! {
    /// The token that every client of a gateway may share.
    SharedToken, SharedToken
}
secret! {
    /// The password of a gateway in password mode.
    Password, Password
}
secret! {
    /// A token bound to one device and one role.
    DeviceToken, DeviceToken
}
secret! {
    /// The one-time token inside a setup code.
    BootstrapToken, BootstrapToken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_value() {
        assert_eq!(format!("{:?}", DeviceToken::new("abc")), "<device-token>");
    }

    #[test]
    fn comparison_trims_like_the_gateway() {
        assert!(SharedToken::new("t").matches(" t\n"));
        assert!(!SharedToken::new("t").matches("u"));
    }
}
