//! Credentials: which one counts, and what is said when none does. ref: gateway-behaviour.md §4

use std::time::Duration;

use gateway_protocol::{
    AuthParams, ConnectParams, DetailCode, ErrorCode, ErrorShape, Role, UnixMillis,
};
use serde_json::json;

use crate::config::{AuthConfig, AuthMode};
use crate::connection::Granted;
use crate::devices::TokenCheck;
use crate::gateway::Gateway;
use crate::handshake::{self, Refusal};
use crate::identity::VerifiedDevice;
use crate::locality::Locality;
use crate::mutation::Mutation;
use crate::profile::Profile;
use crate::rate_limit::{LimitKey, LimitKind};

/// A connect whose frame and device block are in order.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) params: ConnectParams,
    pub(crate) role: Role,
    pub(crate) device: Option<VerifiedDevice>,
    pub(crate) locality: Locality,
    pub(crate) origin: Option<String>,
}

impl Attempt {
    /// Requested scopes without duplicates.
    pub(crate) fn scopes(&self) -> Vec<String> {
        crate::pairing::union(&[], self.params.scope_list())
    }

    pub(crate) fn browser(&self) -> bool {
        self.origin.is_some()
    }

    pub(crate) fn is_client(&self, id: &str, mode: &str) -> bool {
        self.params.client.id == id && self.params.client.mode == mode
    }

    fn limit_key(&self) -> LimitKey {
        LimitKey {
            ip: self.locality.limit_ip,
            origin: self.origin.clone(),
        }
    }
}

/// What a client offers: trimmed, blank is nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Offer<'a> {
    token: Option<&'a str>,
    password: Option<&'a str>,
    device_token: Option<&'a str>,
    bootstrap: Option<&'a str>,
}

impl<'a> Offer<'a> {
    fn of(auth: Option<&'a AuthParams>) -> Self {
        fn text(text: Option<&String>) -> Option<&str> {
            text.map(|text| text.trim()).filter(|text| !text.is_empty())
        }
        let Some(auth) = auth else {
            return Self::default();
        };
        Self {
            token: text(auth.token.as_ref()),
            password: text(auth.password.as_ref()),
            device_token: text(auth.device_token.as_ref()),
            bootstrap: text(auth.bootstrap_token.as_ref()),
        }
    }
}

/// Why a credential was refused. ref: gateway-behaviour.md §4.1
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    TokenMissing,
    TokenMismatch,
    PasswordMissing,
    PasswordMismatch,
    DeviceTokenMismatch,
    ScopeMismatch,
    BootstrapInvalid,
    /// Milliseconds that are left, when the client is told.
    RateLimited(Option<u64>),
}

impl Gateway {
    /// Decides which credential lets a client in. ref: gateway-behaviour.md §4.2
    pub(crate) fn authorize(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
    ) -> Result<Granted, Refusal> {
        let offer = Offer::of(attempt.params.auth.as_ref());
        // Without device and shared credential there is nothing to compare. A blank one counts here (recording 201).
        let auth = attempt.params.auth.as_ref();
        let offered = |text: Option<&String>| text.is_some_and(|text| !text.is_empty());
        let shared = auth
            .is_some_and(|auth| offered(auth.token.as_ref()) || offered(auth.password.as_ref()));
        let nothing_shared = !shared;
        if attempt.device.is_none() && nothing_shared && self.config.auth.mode != AuthMode::None {
            return Err(handshake::device_required());
        }
        self.check_credentials(now, attempt, offer)
            .map_err(|(failure, delay)| {
                let mut refusal = refusal(self.profile, attempt, offer, failure);
                if self.profile.rules.slow_failures {
                    refusal.delay = delay;
                }
                refusal
            })
    }

    fn check_credentials(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        offer: Offer<'_>,
    ) -> Result<Granted, (Failure, Duration)> {
        let key = attempt.limit_key();
        let shared = self.check_shared(now, &key, offer);
        if let (Some(token), Some(device)) = (offer.bootstrap, &attempt.device) {
            match self.check_bootstrap(now, &key, attempt, device, token) {
                Ok(granted) => return Ok(granted),
                Err(failure) if shared.is_err() => return Err(failure),
                Err(_) => {}
            }
        }
        let failure = match shared {
            Ok(granted) => {
                self.limiter.succeed(LimitKind::SharedSecret, &key);
                return Ok(granted);
            }
            // A device may have a token of its own to try, so it is not told to wait.
            Err(Failure::RateLimited(_)) if self.has_token(attempt) => Failure::RateLimited(None),
            Err(failure) => failure,
        };
        let mut delay = Duration::ZERO;
        if matches!(failure, Failure::TokenMismatch | Failure::PasswordMismatch)
            && !self.is_device_token(attempt, offer)
        {
            delay = self.limiter.fail(
                LimitKind::SharedSecret,
                &key,
                now,
                &self.config.rate_limit(),
            );
        }
        match self.check_device_token(now, &key, attempt, offer) {
            Some(Ok(granted)) => Ok(granted),
            Some(Err(failure)) => Err(failure),
            None => Err((failure, delay)),
        }
    }

    /// The secret that all clients share.
    fn check_shared(
        &self,
        now: UnixMillis,
        key: &LimitKey,
        offer: Offer<'_>,
    ) -> Result<Granted, Failure> {
        let either = self.profile.rules.secret_in_either_field;
        let auth = &self.config.auth;
        let (offered, granted, missing, mismatch) = match auth.mode {
            AuthMode::None => return Ok(Granted::Open),
            AuthMode::Token => {
                let offered = offer.token.or_else(|| offer.password.filter(|_| either));
                (
                    offered,
                    Granted::Token,
                    Failure::TokenMissing,
                    Failure::TokenMismatch,
                )
            }
            AuthMode::Password => {
                let offered = offer.password.or_else(|| offer.token.filter(|_| either));
                (
                    offered,
                    Granted::Password,
                    Failure::PasswordMissing,
                    Failure::PasswordMismatch,
                )
            }
        };
        let Some(offered) = offered else {
            return Err(missing);
        };
        if let Some(left) = self.limiter.locked(LimitKind::SharedSecret, key, now) {
            return Err(Failure::RateLimited(Some(left)));
        }
        if shared_matches(auth, offered) {
            Ok(granted)
        } else {
            Err(mismatch)
        }
    }

    fn check_bootstrap(
        &mut self,
        now: UnixMillis,
        key: &LimitKey,
        attempt: &Attempt,
        device: &VerifiedDevice,
        token: &str,
    ) -> Result<Granted, (Failure, Duration)> {
        if let Some(left) = self.limiter.locked(LimitKind::BootstrapToken, key, now) {
            return Err((Failure::RateLimited(Some(left)), Duration::ZERO));
        }
        if self
            .setup_tokens
            .claim(
                token,
                &device.id,
                attempt.role,
                attempt.params.scope_list(),
                now,
            )
            .is_some()
        {
            self.limiter.succeed(LimitKind::BootstrapToken, key);
            return Ok(Granted::BootstrapToken);
        }
        // Only shared secrets are slowed down (recordings 50 and 102).
        self.limiter.fail(
            LimitKind::BootstrapToken,
            key,
            now,
            &self.config.rate_limit(),
        );
        Err((Failure::BootstrapInvalid, Duration::ZERO))
    }

    /// A device token in its own field, or in the token field when there is none; `None` leaves the word to the
    /// shared secret's failure.
    fn check_device_token(
        &mut self,
        now: UnixMillis,
        key: &LimitKey,
        attempt: &Attempt,
        offer: Offer<'_>,
    ) -> Option<Result<Granted, (Failure, Duration)>> {
        let device = attempt.device.as_ref()?;
        let explicit = offer.device_token.is_some();
        let offered = offer.device_token.or(offer.token)?;
        if let Some(left) = self
            .limiter
            .locked(LimitKind::DeviceToken, key, now)
            .filter(|_| explicit)
        {
            return Some(Err((Failure::RateLimited(Some(left)), Duration::ZERO)));
        }
        match self.devices.check_token(
            &device.id,
            attempt.role,
            offered,
            attempt.params.scope_list(),
            now,
        ) {
            TokenCheck::Valid => {
                self.limiter.succeed(LimitKind::DeviceToken, key);
                Some(Ok(Granted::DeviceToken))
            }
            TokenCheck::Mismatch if self.mutated_token(device, attempt.role, offered) => {
                Some(Ok(Granted::DeviceToken))
            }
            TokenCheck::ScopeMismatch => Some(Err((Failure::ScopeMismatch, Duration::ZERO))),
            TokenCheck::Mismatch if explicit => {
                self.limiter
                    .fail(LimitKind::DeviceToken, key, now, &self.config.rate_limit());
                Some(Err((Failure::DeviceTokenMismatch, Duration::ZERO)))
            }
            TokenCheck::Mismatch => None,
        }
    }

    /// Whether the device is known, and so may have a token.
    fn has_token(&self, attempt: &Attempt) -> bool {
        let device = attempt.device.as_ref();
        device.is_some_and(|device| self.devices.find(&device.id).is_some())
    }

    /// Whether a mutation takes a token that is another device's, another role's or revoked.
    fn mutated_token(&self, device: &VerifiedDevice, role: Role, offered: &str) -> bool {
        self.devices.oldest_first().any(|record| {
            record.tokens.iter().any(|(token_role, token)| {
                let own = record.id == device.id;
                let revoked = token.revoked_at.is_some();
                token.value.matches(offered)
                    && (self.has(Mutation::TokenNotBound) && !own && !revoked
                        || self.has(Mutation::TokenOfAnyRole)
                            && own
                            && *token_role != role
                            && !revoked
                        || self.has(Mutation::RevokedTokenWorks) && own && revoked)
            })
        })
    }

    /// Whether the token field holds this device's own token, which is then no wrong shared secret.
    fn is_device_token(&self, attempt: &Attempt, offer: Offer<'_>) -> bool {
        let record = attempt
            .device
            .as_ref()
            .and_then(|device| self.devices.find(&device.id));
        record
            .and_then(|record| record.tokens.get(&attempt.role))
            .is_some_and(|token| {
                offer
                    .token
                    .is_some_and(|offered| token.value.matches(offered))
                    && token.revoked_at.is_none()
            })
    }
}

/// A password counts as what was offered, whatever else there is, blank ones included.
fn offers_password(attempt: &Attempt) -> bool {
    let auth = attempt.params.auth.as_ref();
    auth.and_then(|auth| auth.password.as_ref())
        .is_some_and(|password| !password.is_empty())
}

pub(crate) fn shared_matches(auth: &AuthConfig, offered: &str) -> bool {
    match auth.mode {
        AuthMode::Token => auth
            .token
            .as_ref()
            .is_some_and(|token| token.matches(offered)),
        AuthMode::Password => auth
            .password
            .as_ref()
            .is_some_and(|password| password.matches(offered)),
        AuthMode::None => true,
    }
}

/// The answer for a refused credential, with the hint for this kind of client.
fn refusal(profile: &Profile, attempt: &Attempt, offer: Offer<'_>, failure: Failure) -> Refusal {
    let may_retry = failure == Failure::TokenMismatch
        && attempt.device.is_some()
        && offer.device_token.is_none()
        && !offers_password(attempt);
    let (message, code, reason, next) = wording(profile, attempt, failure);
    let next = if may_retry {
        "retry_with_device_token"
    } else {
        next
    };
    let details = json!({
        "code": code.as_str(),
        "authReason": reason,
        "canRetryWithDeviceToken": may_retry,
        "recommendedNextStep": next,
    });
    let message = format!("unauthorized: {message}");
    let mut error = ErrorShape::new(ErrorCode::InvalidRequest, message).with_details(details);
    if let Failure::RateLimited(Some(left)) = failure
        && profile.rules.slow_failures
    {
        error = error.retry_after(left);
    }
    Refusal::policy(error)
}

/// Message, detail code, `authReason` and `recommendedNextStep`. ref: gateway-behaviour.md §4.1
fn wording(
    profile: &Profile,
    attempt: &Attempt,
    failure: Failure,
) -> (String, DetailCode, &'static str, &'static str) {
    const CONFIGURE: &str = "update_auth_configuration";
    const RENEW: &str = "update_auth_credentials";
    const REVIEW: &str = "review_auth_configuration";
    let token = |what: &str| format!("gateway token {what} ({})", token_hint(profile, attempt));
    let password = |what: &str| {
        format!(
            "gateway password {what} ({})",
            password_hint(profile, attempt)
        )
    };
    match failure {
        Failure::TokenMissing => (
            token("missing"),
            DetailCode::AuthTokenMissing,
            "token_missing",
            CONFIGURE,
        ),
        Failure::TokenMismatch => (
            token("mismatch"),
            DetailCode::AuthTokenMismatch,
            "token_mismatch",
            RENEW,
        ),
        Failure::PasswordMissing => (
            password("missing"),
            DetailCode::AuthPasswordMissing,
            "password_missing",
            CONFIGURE,
        ),
        Failure::PasswordMismatch => (
            password("mismatch"),
            DetailCode::AuthPasswordMismatch,
            "password_mismatch",
            RENEW,
        ),
        Failure::DeviceTokenMismatch => (
            "device token mismatch (rotate/reissue device token)".to_owned(),
            DetailCode::AuthDeviceTokenMismatch,
            "device_token_mismatch",
            RENEW,
        ),
        Failure::ScopeMismatch => (
            "device token scope mismatch (re-pair or approve scope upgrade)".to_owned(),
            DetailCode::AuthScopeMismatch,
            "scope_mismatch",
            REVIEW,
        ),
        Failure::BootstrapInvalid => (
            profile.bootstrap_invalid.to_owned(),
            DetailCode::AuthBootstrapTokenInvalid,
            "bootstrap_token_invalid",
            REVIEW,
        ),
        Failure::RateLimited(_) => (
            "too many failed authentication attempts (retry later)".to_owned(),
            DetailCode::AuthRateLimited,
            "rate_limited",
            "wait_then_retry",
        ),
    }
}

fn is_web(attempt: &Attempt) -> bool {
    let client = &attempt.params.client;
    ["openclaw-control-ui", "webchat-ui"].contains(&client.id.as_str()) || client.mode == "webchat"
}

fn token_hint(profile: &Profile, attempt: &Attempt) -> &'static str {
    if is_web(attempt) {
        return "open the dashboard URL and paste the token in Control UI settings";
    }
    match attempt.params.client.mode.as_str() {
        "cli" if profile.rules.cli_keeps_scopes && attempt.locality.local => {
            "use this gateway's gateway.auth.token or pair the device"
        }
        "cli" => "set gateway.remote.token to match gateway.auth.token",
        _ => "provide gateway auth token",
    }
}

fn password_hint(profile: &Profile, attempt: &Attempt) -> &'static str {
    if is_web(attempt) {
        return "enter the password in Control UI settings";
    }
    match attempt.params.client.mode.as_str() {
        "cli" if profile.rules.cli_keeps_scopes && attempt.locality.local => {
            "use this gateway's gateway.auth.password"
        }
        "cli" => "set gateway.remote.password to match gateway.auth.password",
        _ => "provide gateway auth password",
    }
}
