//! Setup codes at the gateway's end: bootstrap tokens, whom they are bound to, when they are used up.
//!
//! ref: gateway-behaviour.md §5

use std::borrow::Cow;

use gateway_protocol::role::scope_allows;
use gateway_protocol::{BootstrapToken, DeviceId, Role, UnixMillis};
use serde::{Deserialize, Serialize};

/// One minted setup code.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SetupToken {
    pub(crate) setup_id: String,
    pub(crate) token: BootstrapToken,
    pub(crate) expires_at: UnixMillis,
    /// Operator scopes of the profile; the roles are always both.
    pub(crate) scopes: Vec<String>,
    /// `full` or `limited`.
    pub(crate) access: Cow<'static, str>,
    bound_to: Option<DeviceId>,
    /// Role whose approval is being waited for; the other one is refused meanwhile.
    waiting_for: Option<Role>,
    pub(crate) redeemed: Vec<Role>,
    /// Operator scopes that have been asked for, and given.
    redeemed_scopes: Vec<String>,
}

/// All setup codes that can still be used.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SetupTokens {
    live: Vec<SetupToken>,
}

impl SetupTokens {
    pub(crate) fn mint(
        &mut self,
        setup_id: String,
        token: String,
        expires_at: UnixMillis,
        scopes: Vec<String>,
        access: &'static str,
    ) {
        self.live.push(SetupToken {
            setup_id,
            token: BootstrapToken::new(token),
            expires_at,
            scopes,
            access: Cow::Borrowed(access),
            bound_to: None,
            waiting_for: None,
            redeemed: Vec::new(),
            redeemed_scopes: Vec::new(),
        });
    }

    /// Checks a bootstrap token and binds it to its first presenter; `None` refuses.
    pub(crate) fn claim(
        &mut self,
        offered: &str,
        device: &DeviceId,
        role: Role,
        scopes: &[String],
        now: UnixMillis,
    ) -> Option<&mut SetupToken> {
        self.prune(now);
        let setup = self
            .live
            .iter_mut()
            .find(|setup| setup.token.matches(offered))?;
        let same_device = setup.bound_to.as_ref().is_none_or(|bound| bound == device);
        let role_free = setup.waiting_for.is_none_or(|waiting| waiting == role);
        let within_profile = match role {
            Role::Operator => scopes
                .iter()
                .all(|scope| scope_allows(&setup.scopes, scope)),
            Role::Node => scopes.is_empty(),
        };
        if !(same_device && role_free && within_profile) {
            return None;
        }
        setup.bound_to = Some(device.clone());
        Some(setup)
    }

    /// The live code with this bootstrap token.
    pub(crate) fn find_mut(&mut self, offered: &str) -> Option<&mut SetupToken> {
        self.live
            .iter_mut()
            .find(|setup| setup.token.matches(offered))
    }

    /// The newest live code.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SetupToken> {
        self.live.iter()
    }

    pub(crate) fn latest(&self) -> Option<&SetupToken> {
        self.live.last()
    }

    #[cfg(test)]
    pub(crate) fn latest_mut(&mut self) -> Option<&mut SetupToken> {
        self.live.last_mut()
    }

    /// Uses a code up; gives it back if it was live.
    pub(crate) fn consume(&mut self, offered: &str) -> Option<SetupToken> {
        let index = self
            .live
            .iter()
            .position(|setup| setup.token.matches(offered))?;
        Some(self.live.remove(index))
    }

    /// Puts a used code back; only a mutation does.
    pub(crate) fn restore(&mut self, setup: SetupToken) {
        self.live.push(setup);
    }

    /// A rejected device takes its code with it.
    pub(crate) fn revoke_of(&mut self, device: &DeviceId) {
        self.live
            .retain(|setup| setup.bound_to.as_ref() != Some(device));
    }

    pub(crate) fn prune(&mut self, now: UnixMillis) {
        self.live.retain(|setup| setup.expires_at > now);
    }

    pub(crate) fn clear(&mut self) {
        self.live.clear();
    }

    /// How many have not expired.
    pub(crate) fn count(&self, now: UnixMillis) -> usize {
        let live = self.live.iter().filter(|setup| setup.expires_at > now);
        live.count()
    }
}

impl SetupToken {
    /// Notes that the presenter waits for an approval in `role`.
    pub(crate) fn wait_for(&mut self, role: Role) {
        self.waiting_for = Some(role);
    }

    /// Notes that the presenter is past hello in `role`; gives whether every role has now been redeemed, with every scope
    /// of the code.
    pub(crate) fn redeem(&mut self, role: Role, scopes: &[String]) -> bool {
        self.waiting_for = None;
        if !self.redeemed.contains(&role) {
            self.redeemed.push(role);
        }
        self.redeemed_scopes.extend(scopes.iter().cloned());
        let given = |scope: &String| scope_allows(&self.redeemed_scopes, scope);
        Role::ALL.iter().all(|role| self.redeemed.contains(role)) && self.scopes.iter().all(given)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn minted() -> SetupTokens {
        let mut tokens = SetupTokens::default();
        tokens.mint(
            "s".into(),
            "tok".into(),
            UnixMillis(100),
            vec!["operator.read".into()],
            "full",
        );
        tokens
    }

    #[rstest]
    #[case::right("tok", Role::Node, &[], 0, true)]
    #[case::unknown("nope", Role::Node, &[], 0, false)]
    #[case::expired("tok", Role::Node, &[], 100, false)]
    #[case::inside_the_profile("tok", Role::Operator, &["operator.read"], 0, true)]
    #[case::outside_the_profile("tok", Role::Operator, &["operator.pairing"], 0, false)]
    fn claims(
        #[case] offered: &str,
        #[case] role: Role,
        #[case] scopes: &[&str],
        #[case] now: i64,
        #[case] accepted: bool,
    ) {
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let claimed = minted()
            .claim(
                offered,
                &DeviceId::from("a"),
                role,
                &scopes,
                UnixMillis(now),
            )
            .is_some();
        assert_eq!(claimed, accepted);
    }

    #[test]
    fn the_first_device_binds_the_token() {
        let mut tokens = minted();
        assert!(
            tokens
                .claim("tok", &DeviceId::from("a"), Role::Node, &[], UnixMillis(0))
                .is_some()
        );
        assert!(
            tokens
                .claim("tok", &DeviceId::from("b"), Role::Node, &[], UnixMillis(0))
                .is_none()
        );
        tokens.find_mut("tok").unwrap().wait_for(Role::Node);
        assert!(
            tokens
                .claim(
                    "tok",
                    &DeviceId::from("a"),
                    Role::Operator,
                    &[],
                    UnixMillis(0)
                )
                .is_none()
        );
        tokens.find_mut("tok").unwrap().redeem(Role::Node, &[]);
        assert!(
            tokens
                .claim(
                    "tok",
                    &DeviceId::from("a"),
                    Role::Operator,
                    &[],
                    UnixMillis(0)
                )
                .is_some()
        );
    }

    /// A code is used up when both roles have come in and every scope of it was given.
    #[test]
    fn a_code_is_used_up_scope_by_scope() {
        let mut tokens = minted();
        let setup = tokens.find_mut("tok").unwrap();
        assert!(!setup.redeem(Role::Node, &[]));
        assert!(!setup.redeem(Role::Operator, &[]), "without its scope");
        assert!(setup.redeem(Role::Operator, &["operator.read".to_owned()]));
    }
}
