//! Why the gateway refused a connect, and what each role makes of it. ref: client-behaviour.md §11

use serde_json::Value;

use crate::classify::{DEVICE_TOKEN_MISMATCH, ErrorKind, TOKEN_MISMATCH, classify};
use crate::policy::Policy;

/// The parts of a refused response that a client looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    /// Top-level `code`.
    pub(crate) code: Option<String>,
    /// `details.code`, else `data.details.code`.
    pub(crate) detail_code: Option<String>,
    /// Safe request id, if there is one.
    pub(crate) request_id: Option<String>,
    /// `retryAfterMs`.
    pub(crate) retry_after_ms: Option<u64>,
}

impl Refusal {
    /// Reads `error` of a response: text, or an object whose `details` and `data.details` complement each other.
    pub(crate) fn read(error: &Value) -> Self {
        if let Some(text) = error.as_str() {
            return Self {
                message: text.to_owned(),
                ..Self::default()
            };
        }
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let detail = |key: &str| {
            let direct = error.get("details").and_then(|details| details.get(key));
            let nested = error
                .pointer("/data/details")
                .and_then(|details| details.get(key));
            text(direct).or_else(|| text(nested))
        };
        Self {
            message: text(error.get("message")).unwrap_or_default(),
            code: text(error.get("code")),
            detail_code: detail("code"),
            request_id: detail("requestId").as_deref().and_then(safe_request_id),
            retry_after_ms: error.get("retryAfterMs").and_then(Value::as_u64),
        }
    }

    /// The kind shown to the user and acted upon.
    pub(crate) fn kind(&self) -> ErrorKind {
        let codes: Vec<&str> = self
            .code
            .iter()
            .chain(&self.detail_code)
            .map(String::as_str)
            .collect();
        classify(&codes, &self.message)
    }

    fn has_code(&self, wanted: &str) -> bool {
        let is = |code: &Option<String>| code.as_deref() == Some(wanted);
        is(&self.code) || is(&self.detail_code)
    }

    fn says(&self, needles: &[&str]) -> bool {
        let text = self.message.to_lowercase();
        needles.iter().any(|needle| text.contains(needle))
    }

    fn is_signature_invalid(&self) -> bool {
        self.says(&["device signature invalid"])
            || self.detail_code.as_deref() == Some("DEVICE_AUTH_SIGNATURE_INVALID")
    }

    /// The signature was too old.
    pub(crate) fn is_expired(&self) -> bool {
        self.has_code(SIGNATURE_EXPIRED)
    }

    fn has_terminal_code(&self, policy: Policy) -> bool {
        let expired =
            |code: &str| code != SIGNATURE_EXPIRED || policy.expired_signature_is_terminal();
        TERMINAL
            .iter()
            .any(|code| self.has_code(code) && expired(code))
    }

    /// The operator's decision table. ref: §11.1
    pub(crate) fn for_operator(&self, policy: Policy) -> Verdict {
        let text = [
            "token mismatch",
            "origin not allowed",
            "too many failed",
            "bootstrap token invalid",
        ];
        if policy.expired_signature_is_terminal() && self.is_expired() {
            Verdict::Terminal
        } else if self.is_signature_invalid() {
            Verdict::SignatureInvalid
        } else if self.detail_code.as_deref() == Some("PAIRING_REQUIRED")
            || self.says(&["pairing required"])
        {
            Verdict::Pairing
        } else if self.says(&text) || self.has_terminal_code(policy) {
            Verdict::Terminal
        } else if self.kind() == ErrorKind::PairingRejected {
            Verdict::PairingRejected
        } else {
            Verdict::Other
        }
    }

    /// The node's decision table. ref: §11.2
    pub(crate) fn for_node(&self, policy: Policy) -> Verdict {
        let text = [
            "too many failed",
            "rate limit",
            "origin not allowed",
            "token mismatch",
        ];
        let not_paired = self
            .code
            .as_deref()
            .is_some_and(|code| code.eq_ignore_ascii_case("NOT_PAIRED"));
        if not_paired {
            Verdict::Pairing
        } else if self.says(&text) || self.has_terminal_code(policy) {
            Verdict::Terminal
        } else if self.is_signature_invalid() {
            Verdict::SignatureInvalid
        } else {
            Verdict::Other
        }
    }
}

/// What a role does after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No further attempt until somebody asks for one, or the single recovery.
    Terminal,
    /// Try v2 next time; on v2 already it depends on the role.
    SignatureInvalid,
    /// Somebody must approve.
    Pairing,
    /// Somebody refused.
    PairingRejected,
    /// Logged; the socket's fate decides.
    Other,
}

const SIGNATURE_EXPIRED: &str = "DEVICE_AUTH_SIGNATURE_EXPIRED";

/// Codes after which an operator stops. ref: §11.1
const TERMINAL: [&str; 6] = [
    TOKEN_MISMATCH,
    "AUTH_BOOTSTRAP_TOKEN_INVALID",
    DEVICE_TOKEN_MISMATCH,
    "AUTH_RATE_LIMITED",
    "AUTH_TOKEN_NOT_CONFIGURED",
    SIGNATURE_EXPIRED,
];

/// The trimmed id, if it is safe to show, to put into a command and to send. ref: §11.2
pub(crate) fn safe_request_id(id: &str) -> Option<String> {
    let id = id.trim();
    let mut chars = id.chars();
    let first = chars.next()?;
    let safe = first.is_ascii_alphanumeric()
        && id.len() <= 128
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-'));
    safe.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn refusal(error: &Value) -> Refusal {
        Refusal::read(error)
    }

    #[rstest]
    #[case::expired(json!({"code":"INVALID_REQUEST","message":"device signature invalid","data":{"details":{"code":"DEVICE_AUTH_SIGNATURE_EXPIRED"}}}), Verdict::Terminal, Verdict::Terminal)]
    #[case::signature(json!({"code":"INVALID_REQUEST","message":"device signature invalid"}), Verdict::SignatureInvalid, Verdict::SignatureInvalid)]
    #[case::signature_code(json!({"message":"no","details":{"code":"DEVICE_AUTH_SIGNATURE_INVALID"}}), Verdict::SignatureInvalid, Verdict::SignatureInvalid)]
    #[case::pairing(json!({"code":"NOT_PAIRED","message":"pairing required","details":{"code":"PAIRING_REQUIRED","requestId":"r"}}), Verdict::Pairing, Verdict::Pairing)]
    #[case::pairing_by_text(json!({"code":"INVALID_REQUEST","message":"pairing required: x"}), Verdict::Pairing, Verdict::Other)]
    #[case::not_paired_only(json!({"code":"not_paired","message":"device identity required"}), Verdict::Other, Verdict::Pairing)]
    #[case::shared(json!({"code":"INVALID_REQUEST","message":"unauthorized: gateway token mismatch","details":{"code":"AUTH_TOKEN_MISMATCH"}}), Verdict::Terminal, Verdict::Terminal)]
    #[case::generic_message(json!({"code":"AUTH_RATE_LIMITED","message":"later"}), Verdict::Terminal, Verdict::Terminal)]
    #[case::nested(json!({"message":"no","data":{"details":{"code":"AUTH_TOKEN_NOT_CONFIGURED"}}}), Verdict::Terminal, Verdict::Terminal)]
    #[case::bootstrap(json!({"message":"x","details":{"code":"AUTH_BOOTSTRAP_TOKEN_INVALID"}}), Verdict::Terminal, Verdict::Terminal)]
    #[case::origin(json!({"message":"origin not allowed"}), Verdict::Terminal, Verdict::Terminal)]
    #[case::starting(json!({"code":"UNAVAILABLE","message":"gateway starting; retry shortly","retryAfterMs":500}), Verdict::Other, Verdict::Other)]
    #[case::rejected(json!({"message":"pairing request rejected"}), Verdict::PairingRejected, Verdict::Other)]
    #[case::text(json!("token mismatch"), Verdict::Terminal, Verdict::Terminal)]
    fn decision_tables(#[case] error: Value, #[case] operator: Verdict, #[case] node: Verdict) {
        assert_eq!(refusal(&error).for_operator(Policy::Hardened), operator);
        assert_eq!(refusal(&error).for_node(Policy::Hardened), node);
    }

    #[test]
    fn the_older_client_takes_an_expired_signature_for_an_old_gateway() {
        let error = json!({"message":"device signature invalid","details":{"code":"DEVICE_AUTH_SIGNATURE_EXPIRED"}});
        assert_eq!(
            refusal(&error).for_operator(Policy::Pr741),
            Verdict::SignatureInvalid
        );
    }

    #[test]
    fn details_may_be_split_over_both_places() {
        let error = json!({"details":{"code":"PAIRING_REQUIRED"},"data":{"details":{"requestId":"r-1","code":"X"}}});
        let read = refusal(&error);
        assert_eq!(
            (read.detail_code.as_deref(), read.request_id.as_deref()),
            (Some("PAIRING_REQUIRED"), Some("r-1"))
        );
        let malformed = json!({"details":[1],"data":{"details":{"requestId":"r-1"}}});
        assert_eq!(refusal(&malformed).request_id.as_deref(), Some("r-1"));
    }

    #[rstest]
    #[case("abc", Some("abc"))]
    #[case(" a.b_c:d-1 ", Some("a.b_c:d-1"))]
    #[case("-abc", None)]
    #[case("a b", None)]
    #[case("a;rm", None)]
    #[case("", None)]
    fn request_ids_are_checked(#[case] id: &str, #[case] expected: Option<&str>) {
        assert_eq!(safe_request_id(id).as_deref(), expected);
    }

    #[rstest]
    #[case(128, true)]
    #[case(129, false)]
    fn a_request_id_has_at_most_128_characters(#[case] length: usize, #[case] safe: bool) {
        assert_eq!(safe_request_id(&"a".repeat(length)).is_some(), safe);
    }
}
