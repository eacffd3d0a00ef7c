//! What the brain decides about a plain HTTP request: who asks, and whether its bearer fits.
//!
//! ref: gateway-behaviour.md §4.5, §6.1, §9

use std::time::Duration;

use gateway_protocol::Now;

use crate::auth::shared_matches;
use crate::config::AuthMode;
use crate::gateway::Gateway;
use crate::io::Peer;
use crate::locality::Locality;
use crate::rate_limit::{LimitKey, LimitKind};

/// Whether a request may do what only the owner may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpAccess {
    /// The bearer is the shared secret, or nobody needs one.
    Granted,
    /// It is missing or wrong.
    Unauthorized,
    /// Too many wrong ones came from this address.
    RateLimited {
        /// Seconds until the next attempt counts, as in `Retry-After`.
        retry_after: u64,
    },
    /// 2026.9.6: forwarding headers from a peer that is no trusted proxy.
    Unattributed,
}

/// One HTTP request, as the gateway sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpVisit {
    /// Loopback peer without forwarding headers.
    pub local: bool,
    /// What it may do.
    pub access: HttpAccess,
    /// How long a release that slows wrong secrets waits with its answer.
    pub delay: Duration,
}

impl Gateway {
    /// Judges a request. A wrong `bearer` counts for the rate limit; a missing one does not.
    pub fn http_visit(&mut self, now: Now, peer: &Peer, bearer: Option<&str>) -> HttpVisit {
        let now = self.local_time(now);
        let locality = Locality::of(peer, &self.config);
        let visit = |access, delay| HttpVisit {
            local: locality.local,
            access,
            delay,
        };
        if self.profile.rules.proxy_attribution && locality.unattributed {
            return visit(HttpAccess::Unattributed, Duration::ZERO);
        }
        if self.config.auth.mode == AuthMode::None {
            return visit(HttpAccess::Granted, Duration::ZERO);
        }
        let Some(bearer) = bearer.map(str::trim).filter(|bearer| !bearer.is_empty()) else {
            return visit(HttpAccess::Unauthorized, Duration::ZERO);
        };
        let key = LimitKey {
            ip: locality.limit_ip,
            origin: peer.origin.clone(),
        };
        let kind = LimitKind::SharedSecret;
        if let Some(left) = self.limiter.locked(kind, &key, now.wall) {
            let retry_after = left.div_ceil(1_000);
            return visit(HttpAccess::RateLimited { retry_after }, Duration::ZERO);
        }
        if shared_matches(&self.config.auth, bearer) {
            self.limiter.succeed(kind, &key);
            return visit(HttpAccess::Granted, Duration::ZERO);
        }
        let limit = &self.config.rate_limit();
        let delay = self.limiter.fail(kind, &key, now.wall, limit);
        let slowed = self.profile.rules.slow_failures;
        visit(
            HttpAccess::Unauthorized,
            if slowed { delay } else { Duration::ZERO },
        )
    }
}
