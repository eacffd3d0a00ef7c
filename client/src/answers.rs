//! Who waits for what: ties the end of a wish back to the caller that gave it.
//!
//! The core ends wishes of one kind in the order in which they were given, so a queue per kind is enough. A wish that
//! nobody waits for takes its place in the queue all the same.

use std::collections::{BTreeMap, VecDeque};

use client_core::{ClientEvent, Intent};
use tokio::sync::oneshot;

/// What ends a wish.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// [`ClientEvent::IntentDone`] of this name.
    Done(&'static str),
    /// [`ClientEvent::ApprovalDone`] of this queue, action and request.
    Approval(&'static str, &'static str, String),
    /// [`ClientEvent::Response`] with this tag.
    Response(String),
}

/// The callers, by what they wait for.
#[derive(Default)]
pub(crate) struct Answers {
    waiting: BTreeMap<Key, VecDeque<Option<oneshot::Sender<ClientEvent>>>>,
}

impl Answers {
    /// A wish was given; `caller` hears of its end. A wish without an end drops its caller, who hears of that.
    pub(crate) fn expect(&mut self, intent: &Intent, caller: Option<oneshot::Sender<ClientEvent>>) {
        if let Some(key) = key_of(intent) {
            self.waiting.entry(key).or_default().push_back(caller);
        }
    }

    /// Something happened; whoever waited for it is told.
    pub(crate) fn hear(&mut self, event: &ClientEvent) {
        let Some(key) = self.key_heard(event) else {
            return;
        };
        let Some(queue) = self.waiting.get_mut(&key) else {
            return;
        };
        let caller = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&key);
        }
        if let Some(Some(caller)) = caller {
            // A caller that has gone away no longer wants to know.
            drop(caller.send(event.clone()));
        }
    }

    fn key_heard(&self, event: &ClientEvent) -> Option<Key> {
        let ends = |key: &&Key| match (key, event) {
            (Key::Done(name), ClientEvent::IntentDone { intent, .. }) => intent == name,
            (
                Key::Approval(queue, wanted, id),
                ClientEvent::ApprovalDone {
                    kind,
                    action,
                    request_id,
                    automatic: false,
                    ..
                },
            ) => kind.as_str() == *queue && action == wanted && request_id == id,
            (Key::Response(own), ClientEvent::Response { tag: Some(tag), .. }) => own == tag,
            _ => false,
        };
        self.waiting.keys().find(ends).cloned()
    }
}

fn key_of(intent: &Intent) -> Option<Key> {
    match intent {
        Intent::Approve { kind, request_id } => {
            let id = request_id.trim().to_owned();
            Some(Key::Approval(kind.as_str(), "approve", id))
        }
        Intent::Reject { kind, request_id } => {
            let id = request_id.trim().to_owned();
            Some(Key::Approval(kind.as_str(), "reject", id))
        }
        Intent::Request { tag: Some(tag), .. } => Some(Key::Response(tag.clone())),
        Intent::Request { tag: None, .. }
        | Intent::RefreshPending
        | Intent::NodeEvent { .. }
        | Intent::Stop => None,
        Intent::Connect
        | Intent::Disconnect
        | Intent::Reconnect
        | Intent::ReconnectNode
        | Intent::ReconnectIfCurrent { .. }
        | Intent::EnsureNodeConnected
        | Intent::ApplySetupCode { .. }
        | Intent::ConnectSharedToken { .. }
        | Intent::AddGateway { .. }
        | Intent::SwitchGateway { .. }
        | Intent::RemoveGateway { .. }
        | Intent::SetNodeEnabled { .. } => Some(Key::Done(intent.name())),
    }
}

#[cfg(test)]
mod tests {
    use client_core::{ApprovalKind, IntentOutcome};
    use serde_json::json;

    use super::*;

    fn done(intent: &str, outcome: IntentOutcome) -> ClientEvent {
        ClientEvent::IntentDone {
            intent: intent.to_owned(),
            outcome,
            error: None,
            gateway_url: None,
            gateway_committed: false,
        }
    }

    #[test]
    fn each_caller_hears_of_its_own_wish() {
        let mut answers = Answers::default();
        let (first, mut heard_first) = oneshot::channel();
        let (second, mut heard_second) = oneshot::channel();
        answers.expect(&Intent::Connect, Some(first));
        answers.expect(&Intent::Connect, None);
        answers.expect(&Intent::Connect, Some(second));
        answers.hear(&done("reconnect", IntentOutcome::Success));
        assert!(heard_first.try_recv().is_err());
        answers.hear(&done("connect", IntentOutcome::ConnectionFailed));
        answers.hear(&done("connect", IntentOutcome::InvalidUrl));
        let failed = done("connect", IntentOutcome::ConnectionFailed);
        assert_eq!(heard_first.try_recv(), Ok(failed));
        assert!(heard_second.try_recv().is_err(), "the second was nobody's");
        answers.hear(&done("connect", IntentOutcome::Success));
        assert!(heard_second.try_recv().is_ok());
        assert!(answers.waiting.is_empty());
    }

    #[test]
    fn an_automatic_approval_is_not_the_users() {
        let mut answers = Answers::default();
        let (caller, mut heard) = oneshot::channel();
        let wish = Intent::Approve {
            kind: ApprovalKind::Node,
            request_id: " r ".into(),
        };
        answers.expect(&wish, Some(caller));
        let approval = |automatic| ClientEvent::ApprovalDone {
            kind: ApprovalKind::Node,
            action: "approve".to_owned(),
            request_id: "r".to_owned(),
            succeeded: true,
            error: None,
            automatic,
        };
        answers.hear(&approval(true));
        assert!(heard.try_recv().is_err());
        answers.hear(&approval(false));
        assert_eq!(heard.try_recv(), Ok(approval(false)));
    }

    #[test]
    fn a_response_finds_its_caller_by_the_tag() {
        let mut answers = Answers::default();
        let (caller, mut heard) = oneshot::channel();
        let ask = Intent::Request {
            role: client_core::Role::Operator,
            method: "node.list".into(),
            params: None,
            tag: Some("7".into()),
            limit_ms: None,
        };
        answers.expect(&ask, Some(caller));
        let response = |tag: &str| ClientEvent::Response {
            role: client_core::Role::Operator,
            method: "node.list".to_owned(),
            tag: Some(tag.to_owned()),
            ok: true,
            payload: json!([]),
        };
        answers.hear(&response("8"));
        assert!(heard.try_recv().is_err());
        answers.hear(&response("7"));
        assert!(heard.try_recv().is_ok());
    }
}
