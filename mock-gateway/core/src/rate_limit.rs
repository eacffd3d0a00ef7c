//! Failed authentication attempts per kind and address. ref: gateway-behaviour.md §4.5

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use gateway_protocol::UnixMillis;

use crate::config::RateLimitConfig;
use crate::view::RateLimitView;

/// Kinds are counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LimitKind {
    SharedSecret,
    DeviceToken,
    BootstrapToken,
}

impl LimitKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::SharedSecret => "shared-secret",
            Self::DeviceToken => "device-token",
            Self::BootstrapToken => "bootstrap-token",
        }
    }
}

/// Whose attempts are counted: an address, and for browsers on loopback their origin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LimitKey {
    pub(crate) ip: IpAddr,
    pub(crate) origin: Option<String>,
}

/// All counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct RateLimiter {
    entries: BTreeMap<(LimitKind, LimitKey), Attempts>,
}

#[derive(Clone, Debug, Default)]
struct Attempts {
    failures: Vec<UnixMillis>,
    in_a_row: u32,
    locked_until: Option<UnixMillis>,
}

impl RateLimiter {
    /// Milliseconds until the address may try again; `None` when it may now.
    pub(crate) fn locked(&self, kind: LimitKind, key: &LimitKey, now: UnixMillis) -> Option<u64> {
        let until = self.entries.get(&(kind, key.clone()))?.locked_until?;
        u64::try_from(until.0.saturating_sub(now.0))
            .ok()
            .filter(|left| *left > 0)
    }

    /// Counts a failure; gives how long an exempt address has to wait for its answer on releases that slow it down.
    pub(crate) fn fail(
        &mut self,
        kind: LimitKind,
        key: &LimitKey,
        now: UnixMillis,
        config: &RateLimitConfig,
    ) -> Duration {
        let attempts = self.entries.entry((kind, key.clone())).or_default();
        if attempts.locked_until.is_some_and(|until| until <= now) {
            *attempts = Attempts::default();
        }
        attempts.in_a_row += 1;
        let window_start = now.shifted(-i64::try_from(config.window_ms).unwrap_or(i64::MAX));
        attempts.failures.retain(|at| *at > window_start);
        attempts.failures.push(now);
        let exempt = config.exempt_loopback && key.ip.is_loopback() && key.origin.is_none();
        if !exempt
            && attempts.failures.len() >= usize::try_from(config.max_attempts).unwrap_or(usize::MAX)
        {
            attempts.locked_until = Some(now.plus(Duration::from_millis(config.lockout_ms)));
        }
        if exempt {
            slow_down(attempts.in_a_row)
        } else {
            Duration::ZERO
        }
    }

    /// A success clears the counter of its kind and address.
    pub(crate) fn succeed(&mut self, kind: LimitKind, key: &LimitKey) {
        self.entries.remove(&(kind, key.clone()));
    }

    /// Every address with failures, for reports.
    pub(crate) fn views(&self) -> Vec<RateLimitView> {
        let view = |((kind, key), attempts): (&(LimitKind, LimitKey), &Attempts)| RateLimitView {
            kind: kind.as_str().to_owned(),
            ip: key.ip.to_string(),
            origin: key.origin.clone(),
            failures: attempts.failures.len(),
            locked_until_ms: attempts.locked_until.map(|until| until.0),
        };
        self.entries.iter().map(view).collect()
    }

    /// Counters live in memory only.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// 0.25, 0.5, 1, 2, 4, 5, 5 ... seconds.
fn slow_down(in_a_row: u32) -> Duration {
    let doublings = in_a_row.saturating_sub(1).min(8);
    Duration::from_millis(250 << doublings).min(Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ip: &str) -> LimitKey {
        LimitKey {
            ip: ip.parse().unwrap(),
            origin: None,
        }
    }

    #[test]
    fn the_eleventh_attempt_is_locked_and_the_lock_ends() {
        let (mut limiter, config, key) = (
            RateLimiter::default(),
            RateLimitConfig::default(),
            key("203.0.113.1"),
        );
        for _ in 0..10 {
            assert_eq!(
                limiter.locked(LimitKind::SharedSecret, &key, UnixMillis(0)),
                None
            );
            limiter.fail(LimitKind::SharedSecret, &key, UnixMillis(0), &config);
        }
        assert_eq!(
            limiter.locked(LimitKind::SharedSecret, &key, UnixMillis(0)),
            Some(300_000)
        );
        assert_eq!(
            limiter.locked(LimitKind::DeviceToken, &key, UnixMillis(0)),
            None
        );
        assert_eq!(
            limiter.locked(LimitKind::SharedSecret, &key, UnixMillis(300_000)),
            None
        );
    }

    #[test]
    fn failures_outside_the_window_do_not_count() {
        let (mut limiter, config, key) = (
            RateLimiter::default(),
            RateLimitConfig::default(),
            key("203.0.113.1"),
        );
        for minute in 0..30 {
            limiter.fail(
                LimitKind::SharedSecret,
                &key,
                UnixMillis(minute * 60_000),
                &config,
            );
        }
        assert_eq!(
            limiter.locked(LimitKind::SharedSecret, &key, UnixMillis(30 * 60_000)),
            None
        );
    }

    #[test]
    fn loopback_is_slowed_instead_of_locked() {
        let (mut limiter, config, key) = (
            RateLimiter::default(),
            RateLimitConfig::default(),
            key("127.0.0.1"),
        );
        let delays: Vec<u128> = (0..7)
            .map(|_| {
                limiter
                    .fail(LimitKind::SharedSecret, &key, UnixMillis(0), &config)
                    .as_millis()
            })
            .collect();
        assert_eq!(delays, [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(
            limiter.locked(LimitKind::SharedSecret, &key, UnixMillis(0)),
            None
        );
    }
}
