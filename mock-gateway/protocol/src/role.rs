//! Roles and operator scopes, and what a scope implies.

/// Who a client is to the gateway.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Control plane.
    Operator,
    /// Command host.
    Node,
}

impl Role {
    /// Both roles.
    pub const ALL: [Self; 2] = [Self::Operator, Self::Node];

    /// The role as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Node => "node",
        }
    }

    /// Reads a role; case matters, as at the gateway.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Scope names. ref: gateway-behaviour.md §2.2
pub mod scope {
    /// Implies every other operator scope.
    pub const ADMIN: &str = "operator.admin";
    /// Execution approvals.
    pub const APPROVALS: &str = "operator.approvals";
    /// Device and node pairing.
    pub const PAIRING: &str = "operator.pairing";
    /// Reading state.
    pub const READ: &str = "operator.read";
    /// Changing state; implies [`READ`].
    pub const WRITE: &str = "operator.write";
    /// Secrets of the talk feature.
    pub const TALK_SECRETS: &str = "operator.talk.secrets";
    /// Questions; 2026.9.6 only.
    pub const QUESTIONS: &str = "operator.questions";

    /// Every known scope.
    pub const ALL: [&str; 7] = [
        ADMIN,
        APPROVALS,
        PAIRING,
        READ,
        WRITE,
        TALK_SECRETS,
        QUESTIONS,
    ];
}

/// Whether `granted` covers `needed`: admin covers every operator scope, write covers read.
///
/// ```
/// use gateway_protocol::role::{scope, scope_allows};
/// assert!(scope_allows(&["operator.write".to_owned()], scope::READ));
/// assert!(!scope_allows(&["operator.read".to_owned()], scope::WRITE));
/// ```
pub fn scope_allows<S: AsRef<str>>(granted: &[S], needed: &str) -> bool {
    granted.iter().map(AsRef::as_ref).any(|have| {
        have == needed
            || (have == scope::ADMIN && needed.starts_with("operator."))
            || (have == scope::WRITE && needed == scope::READ)
    })
}

/// The scopes with those they imply, sorted and without duplicates: what 2026.6.34 stores for a token.
/// Admin adds read and write, write adds read. ref: gateway-behaviour.md §3
pub fn with_implied<S: AsRef<str>>(scopes: &[S]) -> Vec<String> {
    let mut all: std::collections::BTreeSet<&str> = scopes.iter().map(AsRef::as_ref).collect();
    if all.contains(scope::ADMIN) {
        all.insert(scope::READ);
        all.insert(scope::WRITE);
    }
    if all.contains(scope::WRITE) {
        all.insert(scope::READ);
    }
    all.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["operator.admin"], "operator.pairing", true)]
    #[case(&["operator.admin"], "node.anything", false)]
    #[case(&["operator.read"], "operator.read", true)]
    #[case(&["operator.pairing"], "operator.read", false)]
    #[case(&[], "operator.read", false)]
    fn scopes(#[case] granted: &[&str], #[case] needed: &str, #[case] expected: bool) {
        assert_eq!(scope_allows(granted, needed), expected);
    }

    #[test]
    fn implied_scopes_are_added_once_and_sorted() {
        assert_eq!(
            with_implied(&["operator.admin"]),
            ["operator.admin", "operator.read", "operator.write"]
        );
    }
}
