//! What node hosts of 2026.9.6 report right after hello: their machine and their runners. Operators who may read are told.
//! Flow node/host-reports.

use gateway_protocol::role::scope;
use gateway_protocol::{NodeId, Role, UnixMillis};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::method::Call;
use crate::method::node::node_of;

impl Gateway {
    /// Keeps what a connected node says about its runners, also when it is refused because nobody has approved it yet;
    /// operators who may read are told of a change. Flows node/host-reports, node/host-reports-before-approval.
    pub(crate) fn note_runners(&mut self, call: &Call) {
        let node = node_of(call);
        if self.nodes.live.get(&node) != Some(&call.conn) {
            return;
        }
        let older = self.nodes.runners.insert(node.clone(), call.params.clone());
        if older.as_ref() != Some(&call.params) {
            self.tell_runners_changed(&node);
        }
    }

    /// What was told under another pairing counts no more. Flow node/host-reports-before-approval.
    pub(crate) fn forget_runners(&mut self, node: &NodeId) {
        if self.nodes.runners.remove(node).is_some() {
            self.tell_runners_changed(node);
        }
    }

    fn tell_runners_changed(&mut self, node: &NodeId) {
        let payload = json!({"nodeId": node.as_str()});
        self.tell_readers("node.runnerInventory.changed", &payload);
    }

    /// A broadcast to operators who may read.
    fn tell_readers(&mut self, event: &str, payload: &Value) {
        self.broadcast(event, payload, false, |open| {
            open.role == Role::Operator
                && gateway_protocol::role::scope_allows(&open.scopes, scope::READ)
        });
    }

    /// Passes on what a node host says of its machine.
    pub(crate) fn host_stats(&mut self, now: UnixMillis, call: &Call, mut stats: Value) {
        if let Some(stats) = stats.as_object_mut() {
            stats.insert("updatedAtMs".to_owned(), now.0.into());
        }
        let payload = json!({"nodeId": node_of(call).as_str(), "hostStats": stats});
        self.tell_readers("node.hostStats", &payload);
    }
}

/// What a node host may say of its machine: sums that can be, and nothing else. ref: `NodeHostStatsPayload` of the
/// published schema.
pub(crate) fn is_host_stats(payload: &Value) -> bool {
    const KNOWN: [&str; 6] = [
        "cpuCount",
        "loadAverage",
        "memoryTotalBytes",
        "memoryFreeBytes",
        "diskTotalBytes",
        "diskAvailableBytes",
    ];
    let Some(members) = payload.as_object() else {
        return false;
    };
    let number = |name: &str| members.get(name).and_then(Value::as_u64);
    let part = |free: &str, total: &str| match (number(free), number(total)) {
        (Some(free), Some(total)) => free <= total,
        (None, None) => !members.contains_key(free) && !members.contains_key(total),
        (Some(_), None) | (None, Some(_)) => false,
    };
    members.keys().all(|name| KNOWN.contains(&name.as_str()))
        && number("cpuCount").is_some_and(|count| (1..=4096).contains(&count))
        && number("memoryTotalBytes").is_some()
        && part("memoryFreeBytes", "memoryTotalBytes")
        && part("diskAvailableBytes", "diskTotalBytes")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Only sums that can be are stats.
    #[rstest]
    #[case::least(json!({"cpuCount": 1, "memoryTotalBytes": 2, "memoryFreeBytes": 2}), true)]
    #[case::with_disk(json!({"cpuCount": 1, "memoryTotalBytes": 2, "memoryFreeBytes": 1, "diskTotalBytes": 5, "diskAvailableBytes": 5}), true)]
    #[case::more_free_than_there_is(json!({"cpuCount": 1, "memoryTotalBytes": 2, "memoryFreeBytes": 3}), false)]
    #[case::half_a_disk(json!({"cpuCount": 1, "memoryTotalBytes": 2, "memoryFreeBytes": 1, "diskTotalBytes": 5}), false)]
    #[case::no_processor(json!({"cpuCount": 0, "memoryTotalBytes": 2, "memoryFreeBytes": 1}), false)]
    #[case::too_many_processors(json!({"cpuCount": 4097, "memoryTotalBytes": 2, "memoryFreeBytes": 1}), false)]
    #[case::unknown_member(json!({"cpuCount": 1, "memoryTotalBytes": 2, "memoryFreeBytes": 1, "fans": 2}), false)]
    #[case::nothing(json!({}), false)]
    fn host_stats_are_checked(#[case] stats: Value, #[case] fine: bool) {
        assert_eq!(is_host_stats(&stats), fine);
    }
}
