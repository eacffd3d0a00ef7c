//! The method registry: who may call what, and which release knows it.
//!
//! Authority is from the published schema (npm `@openclaw/gateway-protocol` 2026.9.1) and, where observed, from the
//! recorded gateways (gateway-behaviour.md D). A method that neither names is treated like an unknown one: admin.

use std::sync::LazyLock;

use crate::role::Role;

/// What a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Any role, any scope.
    Anyone,
    /// Role node.
    Node,
    /// Role operator with this scope.
    Scope(&'static str),
}

/// One row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct MethodRow {
    /// Method name.
    pub name: &'static str,
    /// What a caller needs.
    pub authority: Authority,
    /// Known to 2026.6.34.
    pub in_6: bool,
    /// Known to 2026.9.6.
    pub in_9: bool,
    /// Whether the source names the authority; otherwise admin is assumed.
    pub listed: bool,
}

static METHODS: LazyLock<Vec<MethodRow>> = LazyLock::new(|| {
    include_str!("../data/methods.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(parse_row)
        .collect()
});

fn parse_row(line: &'static str) -> Option<MethodRow> {
    let mut columns = line.split('\t');
    let (name, authority, releases) = (columns.next()?, columns.next()?, columns.next()?);
    Some(MethodRow {
        name,
        authority: match authority {
            "any" => Authority::Anyone,
            "node" => Authority::Node,
            "unlisted" => Authority::Scope(crate::role::scope::ADMIN),
            scope => Authority::Scope(scope),
        },
        in_6: releases.contains('6'),
        in_9: releases.contains('9'),
        listed: authority != "unlisted",
    })
}

/// Every method known to either release or the published schema, in the gateway's order.
pub fn methods() -> &'static [MethodRow] {
    &METHODS
}

/// The registry row of a method.
///
/// ```
/// use gateway_protocol::method::{Authority, method_row};
/// assert_eq!(method_row("health").map(|row| row.authority), Some(Authority::Anyone));
/// ```
pub fn method_row(name: &str) -> Option<&'static MethodRow> {
    METHODS.iter().find(|row| row.name == name)
}

/// The role a method is for; `None` when both may call it or nobody knows it.
pub fn method_role(name: &str) -> Option<Role> {
    match method_row(name)?.authority {
        Authority::Anyone => None,
        Authority::Node => Some(Role::Node),
        Authority::Scope(_) => Some(Role::Operator),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::role::scope;

    #[test]
    fn each_release_advertises_what_was_recorded() {
        assert_eq!(
            methods().iter().filter(|row| row.in_6).count(),
            193 + 19,
            "193, connect and 18 that hello-ok does not name"
        );
        assert_eq!(
            methods().iter().filter(|row| row.in_9).count(),
            466 + 22,
            "466 and 22 that hello-ok does not name"
        );
    }

    #[rstest]
    #[case("node.invoke", Authority::Scope(scope::WRITE))]
    #[case("device.pair.list", Authority::Scope(scope::PAIRING))]
    #[case("node.invoke.result", Authority::Node)]
    #[case("config.get", Authority::Scope(scope::READ))]
    #[case("gateway.restart.request", Authority::Scope(scope::ADMIN))]
    #[case("skills.bins", Authority::Node)]
    fn authority(#[case] name: &str, #[case] expected: Authority) {
        assert_eq!(method_row(name).unwrap().authority, expected);
    }
}
