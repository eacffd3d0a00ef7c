//! Scripted behaviours at work: before the built-in answer, or instead of it.

use std::time::Duration;

use gateway_protocol::{Event, Frame, Now, Outgoing, Request, Role};
use serde_json::Value;

use crate::behavior::{
    ChallengeReply, EventReply, HttpReply, Reply, Trigger, apply_json_patch, decode,
};
use crate::connection::Connection;
use crate::gateway::Gateway;
use crate::json::merge_patch;
use crate::mounted::Subject;
use crate::timers::{ScriptedReply, Timer};

/// What a behaviour does to the payload of the built-in answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// The behaviour, for its problems.
    behavior: String,
    /// Merged into the payload.
    patch: Option<Value>,
    /// Applied to the payload.
    json_patch: Option<Value>,
    /// Sent instead of the payload.
    replace: Option<Value>,
}

impl Change {
    fn is_none(&self) -> bool {
        self.patch.is_none() && self.json_patch.is_none() && self.replace.is_none()
    }

    /// This payload instead of the built-in one.
    pub(crate) fn replacing(payload: Value) -> Self {
        Self {
            replace: Some(payload),
            ..Self::default()
        }
    }
}

/// What is left to do after a scripted reply.
enum Then {
    /// The built-in answer, changed like this.
    Default(Box<Change>),
    /// The built-in answer, unless something behind it in a sequence answers.
    Open,
    /// Nothing.
    Done,
}

/// One match: who is answered, and by which behaviour.
struct Match<'a> {
    now: Now,
    conn: u32,
    request: &'a Request,
    behavior: &'a str,
    on: Trigger,
}

impl Gateway {
    /// Asks the mounted behaviours; gives how the built-in answer goes on, or `None` when it does not.
    pub(crate) fn scripted(&mut self, now: Now, conn: u32, request: &Request) -> Option<Change> {
        if self.behaviors.is_empty() {
            return Some(Change::default());
        }
        let chosen = {
            let subject = subject_of(self.connections.get(&conn), conn, request);
            self.behaviors.reply_to(&subject)
        };
        let Some((behavior, reply)) = chosen else {
            return Some(Change::default());
        };
        let matched = Match {
            now,
            conn,
            request,
            behavior: &behavior,
            on: Trigger::Request,
        };
        match self.reply(&matched, &reply) {
            Then::Default(change) => Some(*change),
            Then::Open => Some(Change::default()),
            Then::Done => None,
        }
    }

    /// The challenge as scripted: `None` sends none.
    pub(crate) fn scripted_challenge(
        &mut self,
        now: Now,
        conn: u32,
    ) -> Option<(String, ChallengeReply)> {
        let usual = || (String::new(), ChallengeReply::default());
        if self.behaviors.is_empty() {
            return Some(usual());
        }
        let subject = Subject {
            on: Trigger::Open,
            conn,
            ..Subject::default()
        };
        let Some((behavior, reply)) = self.behaviors.reply_to(&subject) else {
            return Some(usual());
        };
        if let Reply::Challenge(challenge) = reply {
            return (!challenge.skip).then_some((behavior, challenge));
        }
        let opening = Request::new("open", "open", None);
        let matched = Match {
            now,
            conn,
            request: &opening,
            behavior: &behavior,
            on: Trigger::Open,
        };
        match self.reply(&matched, &reply) {
            Then::Default(_) | Then::Open => Some(usual()),
            Then::Done => None,
        }
    }

    /// The payload of a challenge after the operations of a behaviour.
    pub(crate) fn patched(&mut self, behavior: &str, patch: &Value, mut payload: Value) -> Value {
        if let Err(problem) = apply_json_patch(&mut payload, patch) {
            self.behaviors.failed(behavior, problem);
        }
        payload
    }

    /// The HTTP answer that a behaviour gives instead of an upgrade.
    pub(crate) fn scripted_upgrade(&mut self, conn: u32) -> Option<HttpReply> {
        if self.behaviors.is_empty() {
            return None;
        }
        let subject = Subject {
            on: Trigger::Upgrade,
            conn,
            ..Subject::default()
        };
        let (_, reply) = self.behaviors.reply_to(&subject)?;
        if let Reply::Http(http) = reply {
            Some(http)
        } else {
            None
        }
    }

    /// A delayed reply whose time has come.
    pub(crate) fn run_scripted(&mut self, now: Now, conn: u32, scripted: &ScriptedReply) {
        if !self.connections.contains_key(&conn) {
            return;
        }
        let request = &scripted.request;
        let matched = Match {
            now,
            conn,
            request,
            behavior: &scripted.behavior,
            on: scripted.on,
        };
        let change = match self.reply(&matched, &scripted.reply) {
            Then::Default(change) => *change,
            Then::Open => Change::default(),
            Then::Done => return,
        };
        if scripted.on == Trigger::Open {
            // Nothing was asked, so nothing is left to answer.
            return;
        }
        let handshaking = self
            .connections
            .get(&conn)
            .is_some_and(|connection| connection.handshake().is_some());
        if handshaking {
            self.handshake_request(now, conn, request, change);
        } else {
            self.answer(now, conn, request, change);
        }
    }

    /// The built-in payload as a behaviour has it.
    pub(crate) fn changed(&mut self, change: Change, mut payload: Value) -> Value {
        if let Some(patch) = &change.patch {
            merge_patch(&mut payload, patch);
        }
        if let Some(patch) = &change.json_patch
            && let Err(problem) = apply_json_patch(&mut payload, patch)
        {
            self.behaviors.failed(&change.behavior, problem);
        }
        change.replace.unwrap_or(payload)
    }

    /// A payload that is printed already, as a behaviour has it.
    pub(crate) fn changed_text(&mut self, change: Change, payload: String) -> String {
        if change.is_none() {
            return payload;
        }
        let payload = serde_json::from_str(&payload).unwrap_or_default();
        self.changed(change, payload).to_string()
    }

    fn reply(&mut self, matched: &Match<'_>, reply: &Reply) -> Then {
        let Match {
            now,
            conn,
            request,
            behavior,
            on,
        } = *matched;
        match reply {
            Reply::Pass | Reply::Challenge(_) | Reply::Http(_) => {
                return Then::Default(Box::default());
            }
            Reply::Patch(patch) => {
                return Then::Default(Box::new(Change {
                    patch: Some(patch.clone()),
                    ..Change::default()
                }));
            }
            Reply::JsonPatch(patch) => {
                return Then::Default(Box::new(Change {
                    behavior: behavior.to_owned(),
                    json_patch: Some(patch.clone()),
                    ..Change::default()
                }));
            }
            Reply::Events(events) => {
                self.send_scripted_events(conn, events);
                return Then::Open;
            }
            Reply::Respond(payload) => self.respond_scripted(now, conn, request, payload),
            Reply::Error(error) => {
                self.respond(conn, &request.id, Err(error.shape()));
                if let Some(frame) = &error.close {
                    self.close(now, conn, frame.clone());
                }
            }
            Reply::Close(frame) => self.close(now, conn, frame.clone()),
            Reply::Abort => self.abort(now, conn),
            Reply::Ignore => self.stop_waiting(conn),
            Reply::Raw(text) => {
                let text = self.spliced(text, request);
                self.send_raw(conn, Outgoing::Text(text));
            }
            Reply::Bytes(text) => match decode(text) {
                Ok(bytes) => self.send_raw(conn, Outgoing::Binary(bytes)),
                Err(problem) => self.behaviors.failed(behavior, problem),
            },
            Reply::Delay(delay) => {
                self.stop_waiting(conn);
                let scripted = ScriptedReply {
                    request: request.clone(),
                    reply: (*delay.then).clone(),
                    behavior: behavior.to_owned(),
                    on,
                };
                let at = now.since_start + Duration::from_millis(delay.ms);
                self.timers
                    .set(at, Timer::Scripted(conn, Box::new(scripted)));
            }
            Reply::Sequence(replies) => return self.reply_in_sequence(matched, replies),
        }
        Then::Done
    }

    /// The built-in answer runs when a member lets it, or when there are only events.
    fn reply_in_sequence(&mut self, matched: &Match<'_>, replies: &[Reply]) -> Then {
        let mut then = Then::Open;
        for reply in replies {
            match (self.reply(matched, reply), &then) {
                (Then::Default(change), _) => then = Then::Default(change),
                (Then::Done, Then::Open) => then = Then::Done,
                (Then::Done | Then::Open, _) => {}
            }
        }
        then
    }

    fn send_scripted_events(&mut self, conn: u32, events: &[EventReply]) {
        for event in events {
            let (seq, recipient) = match self.connections.get_mut(&conn) {
                Some(connection) if event.counted => {
                    connection.seq += 1;
                    (Some(connection.seq), connection.recipient(self.profile))
                }
                Some(_) | None => (None, None),
            };
            let event = Event {
                event: event.event.clone(),
                payload: event.payload.clone(),
                seq,
                state_version: None,
                recipient_profile_id: recipient.map(str::to_owned),
            };
            self.send(conn, Frame::Event(event));
        }
    }

    /// A raw text with the request's id and what was captured put in.
    fn spliced(&self, text: &str, request: &Request) -> String {
        let id = Value::from(request.id.as_str()).to_string();
        let mut text = text.replace("$id", &id);
        for (name, value) in self.behaviors.captures() {
            let place = format!("${{{name}}}");
            if text.contains(&place) {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                text = text.replace(&place, &value);
            }
        }
        text
    }

    /// On `connect` the connection opens as the built-in checks would have it, else as the client asked.
    fn respond_scripted(&mut self, now: Now, conn: u32, request: &Request, payload: &Value) {
        let handshaking = self
            .connections
            .get(&conn)
            .is_some_and(|connection| connection.handshake().is_some());
        if !handshaking || request.method != "connect" {
            self.respond(conn, &request.id, Ok(payload.clone()));
            return;
        }
        match self.admit(now, conn, request.params.as_ref()) {
            Ok(admitted) => {
                let change = Change::replacing(payload.clone());
                self.welcome(now, conn, &request.id, &admitted, change);
            }
            Err(_) => self.welcome_anyway(now, conn, request, payload.clone()),
        }
    }

    /// A scripted silence must not end in the gateway's own handshake time-out.
    fn stop_waiting(&mut self, conn: u32) {
        let handshake = self
            .connections
            .get_mut(&conn)
            .and_then(Connection::handshake_mut);
        if let Some(deadline) = handshake.and_then(|handshake| handshake.deadline.take()) {
            self.timers.cancel(deadline);
        }
    }
}

/// What matchers see of a request: past hello what the connection is, before it what `connect` says.
fn subject_of<'a>(
    connection: Option<&'a Connection>,
    conn: u32,
    request: &'a Request,
) -> Subject<'a> {
    let params = request.params.as_ref();
    let subject = Subject {
        on: Trigger::Request,
        conn,
        id: Some(request.id.as_str()),
        method: Some(&request.method),
        params,
        ..Subject::default()
    };
    if let Some(open) = connection.and_then(Connection::open) {
        return Subject {
            role: Some(open.role),
            client: Some(&open.client.id),
            mode: Some(&open.client.mode),
            device: open.device.as_ref().map(gateway_protocol::DeviceId::as_str),
            ..subject
        };
    }
    let said = |pointer: &str| params.and_then(|params| params.pointer(pointer)?.as_str());
    Subject {
        role: Role::parse(said("/role").unwrap_or("operator")),
        client: said("/client/id"),
        mode: said("/client/mode"),
        device: said("/device/id"),
        ..subject
    }
}
