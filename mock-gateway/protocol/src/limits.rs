//! Limits and intervals of the real gateway, each with its source.

use std::time::Duration;

/// The protocol number of both recorded releases. ref: gateway-behaviour.md §10
pub const PROTOCOL: u64 = 4;
/// Largest message before hello-ok, in bytes; one more closes 1009. ref: gateway-behaviour.md §1.3
pub const PRE_HELLO_MESSAGE_BYTES: usize = 65_536;
/// Largest message after hello-ok, in bytes (`policy.maxPayload`). ref: gateway-behaviour.md §1.3
pub const MESSAGE_BYTES: usize = 26_214_400;
/// `policy.maxBufferedBytes`. ref: gateway-behaviour.md §1.3
pub const BUFFERED_BYTES: usize = 52_428_800;
/// Time from the upgrade to hello-ok. ref: gateway-behaviour.md §1.5
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// `policy.tickIntervalMs`; the docs' 15000 is wrong. ref: gateway-behaviour.md §1.4
pub const TICK_INTERVAL: Duration = Duration::from_secs(30);
/// WebSocket ping of the gateway, counted from hello. ref: gateway-behaviour.md §1.4
pub const PING_INTERVAL: Duration = Duration::from_secs(25);
/// Sockets of one address that may be without hello at a time. ref: gateway-behaviour.md §1.1
pub const UNAUTHENTICATED_SOCKETS_PER_IP: usize = 32;
/// `signedAt` may be this far off either way. ref: gateway-behaviour.md §2.3
pub const SIGNATURE_SKEW_MS: i64 = 120_000;
/// Lifetime of a pending pairing request. ref: gateway-behaviour.md §6.3
pub const PENDING_REQUEST_TTL: Duration = Duration::from_mins(5);
/// Lifetime of a bootstrap token. ref: gateway-behaviour.md §5
pub const BOOTSTRAP_TTL: Duration = Duration::from_mins(10);
/// Consecutive calls of the other role's methods before the gateway closes 1008. ref: gateway-behaviour.md §1.6
pub const UNAUTHORIZED_CALLS: u32 = 11;
/// Failures before a lock-out, the window they are counted in, and the lock-out. ref: gateway-behaviour.md §4.5
pub const RATE_LIMIT: (u32, Duration, Duration) =
    (10, Duration::from_mins(1), Duration::from_mins(5));
/// Default time limit of a node invoke. ref: gateway-behaviour.md §7.3
pub const INVOKE_TIMEOUT: Duration = Duration::from_secs(30);
/// `restartExpectedMs` of a restart. ref: gateway-behaviour.md §8
pub const RESTART_EXPECTED_MS: u64 = 1_500;
/// How long the port is closed in a restart of 2026.6.34. ref: gateway-behaviour.md §8
pub const RESTART_DOWN: Duration = Duration::from_secs(1);

/// Longest setup code a companion reads, before trimming. ref: client-behaviour.md §3
pub const SETUP_CODE_CHARS: usize = 2_048;
/// Longest JSON inside a setup code. ref: client-behaviour.md §3
pub const SETUP_CODE_DECODED_CHARS: usize = 4_096;
/// Longest bootstrap token a companion reads. ref: client-behaviour.md §3
pub const BOOTSTRAP_TOKEN_CHARS: usize = 512;
/// Largest inbound message of the companion, in UTF-16 units. ref: client-behaviour.md §7
pub const CLIENT_INBOUND_CHARS: usize = 32 * 1_024 * 1_024;
