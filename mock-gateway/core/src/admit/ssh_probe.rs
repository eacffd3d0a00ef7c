//! The gateway's look over SSH at a fresh node of a private network, as far as a client notices it. ref: gateway-behaviour.md §6.1
//!
//! 2026.9.6 asks the node's machine for its identity and approves the node when it fits; meanwhile the node is told to wait.
//! The mock has no SSH: its look takes the whole time limit, finds nothing, and is not repeated for a minute.
//!
//! ```text
//! asked at 0 s: wait    at 5 s: wait    at 8 s: approval is needed    at 70 s: wait
//! ```

use std::collections::BTreeMap;

use gateway_protocol::{DeviceId, Role, UnixMillis};

use crate::auth::Attempt;
use crate::gateway::Gateway;
use crate::identity::VerifiedDevice;
use crate::locality::is_private_network;
use crate::pairing::PairingReason;

/// How long a look may take. ref: openclaw 2026.9.6, `DEFAULT_TIMEOUT_MS` of the SSH verification
const PROBE_MS: i64 = 7_000;

/// From a failed look to the next one. ref: openclaw 2026.9.6, `FAILURE_COOLDOWN_MS`
const COOLDOWN_MS: i64 = 60_000;

/// Devices remembered at most. ref: openclaw 2026.9.6, `MAX_COOLDOWN_ENTRIES`
const KEPT: usize = 512;

/// When the last look at each device began.
#[derive(Clone, Debug, Default)]
pub(crate) struct SshProbes {
    began: BTreeMap<DeviceId, UnixMillis>,
}

impl SshProbes {
    /// Whether a look at the device goes on; begins one unless the last one failed a short while ago.
    fn goes_on(&mut self, device: &DeviceId, now: UnixMillis) -> bool {
        self.began
            .retain(|_, at| now.0.saturating_sub(at.0) < PROBE_MS + COOLDOWN_MS);
        if let Some(at) = self.began.get(device) {
            return now.0.saturating_sub(at.0) < PROBE_MS;
        }
        let room = self.began.len() < KEPT;
        if room {
            self.began.insert(device.clone(), now);
        }
        room
    }
}

impl Gateway {
    /// Whether the gateway is busy finding out by itself who this node is.
    pub(super) fn looks_over_ssh(
        &mut self,
        now: UnixMillis,
        attempt: &Attempt,
        device: &VerifiedDevice,
        reason: PairingReason,
    ) -> bool {
        let locality = &attempt.locality;
        let eligible = self.profile.rules.lenient_local
            && self.config.nodes.ssh_verify
            && attempt.role == Role::Node
            && reason == PairingReason::NotPaired
            && attempt.scopes().is_empty()
            && !attempt.browser()
            && self.devices.find(&device.id).is_none()
            && !locality.behind_loopback_proxy
            && locality.remote_ip.is_some_and(is_private_network);
        eligible && self.ssh_probes.goes_on(&device.id, now)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// A look goes on for its time limit, and the next one begins when the last one is forgotten.
    #[rstest]
    #[case::still_going(&[(0, true), (6_999, true)])]
    #[case::failed(&[(0, true), (7_000, false), (66_999, false)])]
    #[case::tried_again(&[(0, true), (67_000, true), (73_999, true), (74_000, false)])]
    fn looks(#[case] asked: &[(i64, bool)]) {
        let mut probes = SshProbes::default();
        for (at, goes_on) in asked {
            let device = DeviceId::from("d");
            assert_eq!(
                probes.goes_on(&device, UnixMillis(*at)),
                *goes_on,
                "at {at}"
            );
        }
    }

    /// Who may be looked at is bounded.
    #[test]
    fn there_is_room_for_so_many() {
        let mut probes = SshProbes::default();
        for number in 0..KEPT {
            assert!(probes.goes_on(&DeviceId::from(number.to_string().as_str()), UnixMillis(0)));
        }
        assert!(!probes.goes_on(&DeviceId::from("one more"), UnixMillis(0)));
    }
}
