//! What an error of the gateway means: by code where there is one, else by text. ref: client-behaviour.md §11.3

/// The kind of a connection error, as the snapshot reports it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum ErrorKind {
    /// Too many attempts.
    RateLimited,
    /// The SSH tunnel.
    Tunnel,
    /// TLS or another refusal of the transport.
    Tls,
    /// The credential does not cover what was asked for.
    ScopeMismatch,
    /// The shared credential was refused.
    Auth,
    /// A stored token no longer fits.
    TokenDrift,
    /// The device token of this role was refused: the one kind that the client may recover from by itself.
    DeviceTokenMismatch,
    /// An operator on the gateway must approve this device.
    PairingRequired,
    /// Somebody said no.
    PairingRejected,
    /// The gateway failed.
    Server,
    /// The gateway could not be reached.
    Network,
    /// Somebody else listens on the port of a managed gateway.
    LocalPortConflict,
    /// Nothing matched.
    Unknown,
}

impl ErrorKind {
    /// A socket that could not be opened failed on the network, unless its text says something better.
    #[must_use]
    pub fn or_network(self) -> Self {
        if self == Self::Unknown {
            Self::Network
        } else {
            self
        }
    }
}

/// Classifies by text alone; the first row that matches wins.
///
/// ```
/// use client_core::classify::{ErrorKind, classify_text};
/// assert_eq!(classify_text("connection refused"), ErrorKind::Network);
/// assert_eq!(classify_text("token mismatch"), ErrorKind::TokenDrift);
/// ```
pub fn classify_text(text: &str) -> ErrorKind {
    let text = text.to_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| text.contains(needle));
    let both = |a: &str, b: &str| text.contains(a) && text.contains(b);
    if both("rate", "limit") || has(&["429", "too many request"]) {
        ErrorKind::RateLimited
    } else if has(&["ssh", "tunnel"]) {
        ErrorKind::Tunnel
    } else if has(&[
        "tls",
        "ssl",
        "certificate",
        "cert ",
        "handshake",
        "cleartext",
        "insecure",
    ]) {
        ErrorKind::Tls
    } else if has(&[
        "scope",
        "insufficient priv",
        "not permitted",
        "permission denied",
    ]) {
        ErrorKind::ScopeMismatch
    } else if has(&["gateway token mismatch"]) || both("gateway.remote.token", "gateway.auth.token")
    {
        ErrorKind::Auth
    } else if is_token_drift(&text) {
        ErrorKind::TokenDrift
    } else if has(&["pairing", "approval"]) {
        if has(&["reject", "denied", "declin"]) {
            ErrorKind::PairingRejected
        } else {
            ErrorKind::PairingRequired
        }
    } else if has(&["500", "502", "503", "internal error", "server error"]) {
        ErrorKind::Server
    } else if has(&["401", "unauthor", "forbid", "auth", "token", "credential"]) {
        ErrorKind::Auth
    } else if has(&NETWORK) {
        ErrorKind::Network
    } else {
        ErrorKind::Unknown
    }
}

const NETWORK: [&str; 8] = [
    "refused",
    "unreachable",
    "timeout",
    "timed out",
    "network",
    "no route",
    "could not connect",
    "connection closed",
];

fn is_token_drift(text: &str) -> bool {
    let drift = [
        "re-pair",
        "repair token",
        "token rotat",
        "token revoked",
        "token mismatch",
        "token drift",
    ];
    let state = [
        "unknown",
        "invalid",
        "expired",
        "not recognized",
        "no longer",
    ];
    drift.iter().any(|needle| text.contains(needle))
        || (text.contains("device token") && state.iter().any(|needle| text.contains(needle)))
}

/// Classifies by codes first, then by the text with the remaining codes in front of it.
pub fn classify(codes: &[&str], message: &str) -> ErrorKind {
    let has_code = |wanted: &str| codes.iter().any(|code| code.eq_ignore_ascii_case(wanted));
    let lower = message.to_lowercase();
    if has_code(DEVICE_TOKEN_MISMATCH) {
        ErrorKind::DeviceTokenMismatch
    } else if has_code(TOKEN_MISMATCH) {
        ErrorKind::Auth
    } else if message.contains(DEVICE_TOKEN_MISMATCH) || lower.contains("device token mismatch") {
        ErrorKind::DeviceTokenMismatch
    } else if message.contains(TOKEN_MISMATCH) {
        ErrorKind::Auth
    } else {
        classify_text(&format!("{} {message}", codes.join(" ")))
    }
}

/// Detail code of a refused device token.
pub const DEVICE_TOKEN_MISMATCH: &str = "AUTH_DEVICE_TOKEN_MISMATCH";
/// Detail code of a refused shared token.
pub const TOKEN_MISMATCH: &str = "AUTH_TOKEN_MISMATCH";

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("rate limit exceeded", ErrorKind::RateLimited)]
    #[case("HTTP 429", ErrorKind::RateLimited)]
    #[case("too many requests", ErrorKind::RateLimited)]
    #[case("ssh exited", ErrorKind::Tunnel)]
    #[case("tunnel refused", ErrorKind::Tunnel)]
    #[case("TLS alert", ErrorKind::Tls)]
    #[case("websocket handshake refused", ErrorKind::Tls)]
    #[case("missing scope: operator.admin", ErrorKind::ScopeMismatch)]
    #[case("permission denied", ErrorKind::ScopeMismatch)]
    #[case("unauthorized: gateway token mismatch", ErrorKind::Auth)]
    #[case(
        "set gateway.remote.token to match gateway.auth.token",
        ErrorKind::Auth
    )]
    #[case("token mismatch", ErrorKind::TokenDrift)]
    #[case("device token expired", ErrorKind::TokenDrift)]
    #[case("please re-pair", ErrorKind::TokenDrift)]
    #[case("pairing required", ErrorKind::PairingRequired)]
    #[case("waiting for approval", ErrorKind::PairingRequired)]
    #[case("pairing request was rejected", ErrorKind::PairingRejected)]
    #[case("approval denied", ErrorKind::PairingRejected)]
    #[case("internal error", ErrorKind::Server)]
    #[case("status 503", ErrorKind::Server)]
    #[case("401", ErrorKind::Auth)]
    #[case("bad credential", ErrorKind::Auth)]
    #[case("Connection refused (os error 111)", ErrorKind::Network)]
    #[case("connect timed out", ErrorKind::Network)]
    #[case("hm", ErrorKind::Unknown)]
    fn text_is_classified_in_the_documented_order(#[case] text: &str, #[case] expected: ErrorKind) {
        assert_eq!(classify_text(text), expected);
    }

    #[rstest]
    #[case::device_code(&["INVALID_REQUEST", DEVICE_TOKEN_MISMATCH], "no", ErrorKind::DeviceTokenMismatch)]
    #[case::shared_code(&[TOKEN_MISMATCH], "device token mismatch", ErrorKind::Auth)]
    #[case::device_text(&[], "unauthorized: device token mismatch (rotate)", ErrorKind::DeviceTokenMismatch)]
    #[case::shared_text(&[], "AUTH_TOKEN_MISMATCH", ErrorKind::Auth)]
    #[case::rest(&["AUTH_RATE_LIMITED"], "later", ErrorKind::RateLimited)]
    fn codes_come_before_the_text(
        #[case] codes: &[&str],
        #[case] message: &str,
        #[case] expected: ErrorKind,
    ) {
        assert_eq!(classify(codes, message), expected);
    }
}
