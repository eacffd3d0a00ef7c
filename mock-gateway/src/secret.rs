//! The shared token or password as the HTTP side must know it.

use gateway_core::{AuthConfig, AuthMode, Control};
use gateway_protocol::{Password, SharedToken};

/// What `Authorization: Bearer` is compared with. ref: gateway-behaviour.md §9
#[derive(Clone, Debug)]
pub(crate) struct OwnerSecret {
    current: Secret,
    /// Comes into force when the gateway restarts.
    next: Option<SharedToken>,
}

#[derive(Clone, Debug)]
enum Secret {
    Token(SharedToken),
    Password(Password),
    /// Auth mode none, or a mode without its credential: a bearer proves nothing.
    Missing,
    Open,
}

impl OwnerSecret {
    /// The secret that a gateway starts with.
    pub(crate) fn of(auth: &AuthConfig) -> Self {
        let current = match auth.mode {
            AuthMode::Token => auth.token.clone().map_or(Secret::Missing, Secret::Token),
            AuthMode::Password => auth
                .password
                .clone()
                .map_or(Secret::Missing, Secret::Password),
            AuthMode::None => Secret::Open,
        };
        Self {
            current,
            next: None,
        }
    }

    /// The secret after an order, should the gateway carry it out.
    pub(crate) fn after(&self, command: &Control) -> Self {
        let mut after = self.clone();
        if let Control::SetSharedToken { token, at_restart } = command {
            if *at_restart {
                after.next = Some(token.clone());
            } else {
                after.current = Secret::Token(token.clone());
            }
        }
        after
    }

    /// The gateway is back after a restart.
    pub(crate) fn restarted(&mut self) {
        if let Some(token) = self.next.take() {
            self.current = Secret::Token(token);
        }
    }

    pub(crate) fn matches(&self, offered: &str) -> bool {
        match &self.current {
            Secret::Token(token) => token.matches(offered),
            Secret::Password(password) => password.matches(offered),
            Secret::Missing => false,
            Secret::Open => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_for_the_next_start_waits_for_it() {
        let auth = AuthConfig {
            token: Some(SharedToken::new("old")),
            ..AuthConfig::default()
        };
        let mut secret = OwnerSecret::of(&auth);
        secret = secret.after(&Control::SetSharedToken {
            token: SharedToken::new("new"),
            at_restart: true,
        });
        assert!(secret.matches("old") && !secret.matches("new"));
        secret.restarted();
        assert!(!secret.matches("old") && secret.matches("new"));
    }

    #[test]
    fn without_a_credential_no_bearer_fits() {
        assert!(!OwnerSecret::of(&AuthConfig::default()).matches(""));
    }
}
