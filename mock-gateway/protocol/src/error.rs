//! Error shape and the registries of error codes and detail codes.

use serde_json::Value;

/// The `error` object of a refused request.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorShape {
    /// Top-level code, e.g. `INVALID_REQUEST`. Text, since a mock must be able to send any.
    pub code: String,
    /// Text for people; clients of the field match on it all the same.
    pub message: String,
    /// Structured details; `details.code` is what a client should branch on.
    pub details: Option<Value>,
    /// Whether the same request may succeed later.
    pub retryable: Option<bool>,
    /// When to try again, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl ErrorShape {
    /// An error without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code: code.as_str().to_owned(),
            message: message.into(),
            details: None,
            retryable: None,
            retry_after_ms: None,
        }
    }

    /// The same error with details.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The same error marked as worth trying again after `ms` milliseconds.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retryable = Some(true);
        self.retry_after_ms = Some(ms);
        self
    }

    /// `details.code`, if there is one.
    pub fn detail_code(&self) -> Option<&str> {
        self.details.as_ref()?.get("code")?.as_str()
    }

    /// The JSON object, members in the gateway's order.
    pub fn to_value(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("code".to_owned(), Value::from(self.code.as_str()));
        object.insert("message".to_owned(), Value::from(self.message.as_str()));
        if let Some(details) = &self.details {
            object.insert("details".to_owned(), details.clone());
        }
        if let Some(retryable) = self.retryable {
            object.insert("retryable".to_owned(), Value::from(retryable));
        }
        if let Some(ms) = self.retry_after_ms {
            object.insert("retryAfterMs".to_owned(), Value::from(ms));
        }
        Value::Object(object)
    }

    /// Reads an `error` member. A bare string becomes the message of an error without a code, as lenient clients read it.
    pub fn from_value(value: &Value) -> Self {
        let text = |name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            code: text("code"),
            message: value
                .as_str()
                .map_or_else(|| text("message"), str::to_owned),
            details: value.get("details").cloned(),
            retryable: value.get("retryable").and_then(Value::as_bool),
            retry_after_ms: value.get("retryAfterMs").and_then(Value::as_u64),
        }
    }
}

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$row:meta])* $variant:ident => $text:literal, $row_doc:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $row_doc] $variant,)+
        }

        impl $name {
            /// Every code, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it stands on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// What it means, for the generated reference.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => $row_doc,)+ }
            }

            /// Reads a code; `None` for one that is not in the registry.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// `error.code`. ref: gateway-behaviour.md A
    ErrorCode {
        InvalidRequest => "INVALID_REQUEST", "the request cannot be taken as it is, or its sender may not make it";
        NotPaired => "NOT_PAIRED", "the device is not approved, or no device identity was offered";
        Unavailable => "UNAVAILABLE", "not now: starting, offline node, time-out";
        Forbidden => "FORBIDDEN", "a scope is missing (2026.9.6; 2026.6.34 says `INVALID_REQUEST`)";
        AgentTimeout => "AGENT_TIMEOUT", "an agent turn took too long";
    }
}

codes! {
    /// `error.details.code`. ref: gateway-behaviour.md §2.3, §4.1, §6.2, A
    DetailCode {
        AuthTokenMissing => "AUTH_TOKEN_MISSING", "token mode, no usable credential";
        AuthTokenMismatch => "AUTH_TOKEN_MISMATCH", "wrong shared token";
        AuthPasswordMissing => "AUTH_PASSWORD_MISSING", "password mode, none or blank";
        AuthPasswordMismatch => "AUTH_PASSWORD_MISMATCH", "wrong password";
        AuthDeviceTokenMismatch => "AUTH_DEVICE_TOKEN_MISMATCH", "device token wrong, revoked, rotated, or of another role or device";
        AuthScopeMismatch => "AUTH_SCOPE_MISMATCH", "device token right, requested scopes not covered by it";
        AuthBootstrapTokenInvalid => "AUTH_BOOTSTRAP_TOKEN_INVALID", "bootstrap token unknown, expired, used, or bound to another device or role";
        AuthRateLimited => "AUTH_RATE_LIMITED", "too many failed attempts from this address";
        AuthTokenNotConfigured => "AUTH_TOKEN_NOT_CONFIGURED", "the gateway has no token to compare with";
        AuthUnauthorized => "AUTH_UNAUTHORIZED", "refused for another reason";
        DeviceAuthDeviceIdMismatch => "DEVICE_AUTH_DEVICE_ID_MISMATCH", "device.id is not the hash of the public key, or the key is unreadable";
        DeviceAuthSignatureExpired => "DEVICE_AUTH_SIGNATURE_EXPIRED", "signedAt is more than two minutes off";
        DeviceAuthNonceRequired => "DEVICE_AUTH_NONCE_REQUIRED", "blank nonce";
        DeviceAuthNonceMismatch => "DEVICE_AUTH_NONCE_MISMATCH", "nonce of another connection";
        DeviceAuthSignatureInvalid => "DEVICE_AUTH_SIGNATURE_INVALID", "signature wrong for v3 and v2";
        DeviceAuthPublicKeyInvalid => "DEVICE_AUTH_PUBLIC_KEY_INVALID", "key unusable after the id check";
        DeviceIdentityRequired => "DEVICE_IDENTITY_REQUIRED", "this connect needs a device block";
        ControlUiDeviceIdentityRequired => "CONTROL_UI_DEVICE_IDENTITY_REQUIRED", "control UI and TUI need a device block";
        ControlUiOriginNotAllowed => "CONTROL_UI_ORIGIN_NOT_ALLOWED", "Origin missing or not allowed";
        PairingRequired => "PAIRING_REQUIRED", "waiting for an approval; details.reason says which";
        ProtocolMismatch => "PROTOCOL_MISMATCH", "no common protocol version";
        MissingScope => "MISSING_SCOPE", "2026.9.6: which scope a method wants";
        NotConnected => "NOT_CONNECTED", "the node is paired but offline";
        PairingChanged => "PAIRING_CHANGED", "2026.9.6: the node's approval changed meanwhile";
        QueuedUntilForeground => "QUEUED_UNTIL_FOREGROUND", "2026.6.34: an iOS node will take the command later";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back() {
        for code in DetailCode::ALL {
            assert_eq!(DetailCode::parse(code.as_str()), Some(*code));
        }
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
        }
    }

    #[test]
    fn a_string_error_is_a_message() {
        let error = ErrorShape::from_value(&Value::from("device signature invalid"));
        assert_eq!(
            (error.code.as_str(), error.message.as_str()),
            ("", "device signature invalid")
        );
    }
}
