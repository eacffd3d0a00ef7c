//! No one listens: what a gateway looks like that is not running.

use crate::fault::{FaultName, FaultRow, no_rule, no_stream_effect};
use crate::spec::ConnSelector;
use crate::table::Admission;

/// The listening socket is closed and its port kept, so the client's system answers. A refusal by the system can only
/// be counted by whoever connects (see [`crate::FaultTable::count_refusals`]). Where nobody does, a connection that is
/// refused by number is accepted, so that it can be counted, and reset at once.
pub(super) static ROW: FaultRow = FaultRow {
    name: FaultName::Refuse,
    doc: "no one listens on the port, for all connections or for those that are named; a foreign client's refused connects can't be counted, so with a count or numbers they are accepted and reset at once",
    client_sees: "connect fails with connection refused; a foreign client with a count or numbers: the first read or write fails with connection reset",
    on_heal: "the same port listens again",
    params: &[],
    connections: ConnSelector::All,
    needs_streams: false,
    admission: Admission::Refuse,
    stream: no_stream_effect,
    rule: no_rule,
};
