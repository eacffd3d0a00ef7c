//! No one listens: what a gateway looks like that is not running.

use crate::fault::{FaultName, FaultRow, no_rule, no_stream_effect};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// Without connection numbers the listening socket is closed and its port kept, so the client's system answers.
/// With numbers the gateway must see the connection to count it, so it is accepted and reset at once.
pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Refuse,
    doc: "no one listens on the port; with connection numbers: accepted and reset at once, since a refusal by the system can't be counted",
    client_sees: "connect fails with connection refused; with connection numbers: the first read or write fails with connection reset",
    on_heal: "the same port listens again",
    params: &[],
    connections: ConnSelector::All,
    admission: Admission::Refuse,
    stream: no_stream_effect,
    rule: no_rule,
};
