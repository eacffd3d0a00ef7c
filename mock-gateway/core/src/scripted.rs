//! Scripted behaviours at work: before the built-in answer, or instead of it.

use std::time::Duration;

use gateway_protocol::{Event, Frame, Now, Outgoing, Request, Role};
use serde_json::Value;

use crate::behavior::{ChallengeReply, EventReply, Reply, Trigger};
use crate::connection::Connection;
use crate::gateway::Gateway;
use crate::mounted::Subject;
use crate::timers::{ScriptedReply, Timer};
use crate::welcome::HelloChange;

/// What is left to do after a scripted reply.
enum Then {
    /// The built-in answer, changed like this.
    Default(HelloChange),
    /// Nothing.
    Done,
}

impl Gateway {
    /// Asks the mounted behaviours; gives how the built-in answer goes on, or `None` when it does not.
    pub(crate) fn scripted(
        &mut self,
        now: Now,
        conn: u32,
        request: &Request,
    ) -> Option<HelloChange> {
        if self.behaviors.is_empty() {
            return Some(HelloChange::default());
        }
        let subject = Subject {
            on: Trigger::Request,
            conn,
            method: Some(&request.method),
            role: self.role_for(conn, request),
            params: request.params.as_ref(),
        };
        let Some(reply) = self.behaviors.reply_to(&subject) else {
            return Some(HelloChange::default());
        };
        match self.reply(now, conn, request, &reply) {
            Then::Default(change) => Some(change),
            Then::Done => None,
        }
    }

    /// The challenge as scripted: `None` sends none.
    pub(crate) fn scripted_challenge(&mut self, now: Now, conn: u32) -> Option<ChallengeReply> {
        let subject = Subject {
            on: Trigger::Open,
            conn,
            method: None,
            role: None,
            params: None,
        };
        let Some(reply) = self.behaviors.reply_to(&subject) else {
            return Some(ChallengeReply::default());
        };
        if let Reply::Challenge(challenge) = reply {
            return (!challenge.skip).then_some(challenge);
        }
        let opening = Request::new("open", "open", None);
        match self.reply(now, conn, &opening, &reply) {
            Then::Default(_) => Some(ChallengeReply::default()),
            Then::Done => None,
        }
    }

    /// A delayed reply whose time has come.
    pub(crate) fn run_scripted(&mut self, now: Now, conn: u32, request: &Request, reply: &Reply) {
        if !self.connections.contains_key(&conn) {
            return;
        }
        if let Then::Default(change) = self.reply(now, conn, request, reply) {
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
    }

    fn role_for(&self, conn: u32, request: &Request) -> Option<Role> {
        if let Some(open) = self.connections.get(&conn).and_then(Connection::open) {
            return Some(open.role);
        }
        let named = request
            .params
            .as_ref()
            .and_then(|params| params.get("role"));
        Role::parse(named.and_then(Value::as_str).unwrap_or("operator"))
    }

    fn reply(&mut self, now: Now, conn: u32, request: &Request, reply: &Reply) -> Then {
        match reply {
            Reply::Pass | Reply::Challenge(_) => return Then::Default(HelloChange::default()),
            Reply::Patch(patch) => {
                return Then::Default(HelloChange {
                    patch: Some(patch.clone()),
                    replace: None,
                });
            }
            Reply::Events(events) => {
                self.send_scripted_events(conn, events);
                return Then::Default(HelloChange::default());
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
                let id = Value::from(request.id.as_str()).to_string();
                self.send_raw(conn, Outgoing::Text(text.replace("$id", &id)));
            }
            Reply::Delay(delay) => {
                self.stop_waiting(conn);
                let scripted = ScriptedReply {
                    request: request.clone(),
                    reply: (*delay.then).clone(),
                };
                let at = now.since_start + Duration::from_millis(delay.ms);
                self.timers
                    .set(at, Timer::Scripted(conn, Box::new(scripted)));
            }
            Reply::Sequence(replies) => return self.reply_in_sequence(now, conn, request, replies),
        }
        Then::Done
    }

    fn reply_in_sequence(
        &mut self,
        now: Now,
        conn: u32,
        request: &Request,
        replies: &[Reply],
    ) -> Then {
        let mut then = Then::Done;
        for reply in replies {
            if let Then::Default(change) = self.reply(now, conn, request, reply) {
                then = Then::Default(change);
            }
        }
        then
    }

    fn send_scripted_events(&mut self, conn: u32, events: &[EventReply]) {
        for event in events {
            let seq = match self.connections.get_mut(&conn) {
                Some(connection) if event.counted => {
                    connection.seq += 1;
                    Some(connection.seq)
                }
                Some(_) | None => None,
            };
            let event = Event {
                event: event.event.clone(),
                payload: event.payload.clone(),
                seq,
                state_version: None,
            };
            self.send(conn, Frame::Event(event));
        }
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
                let change = HelloChange {
                    patch: None,
                    replace: Some(payload.clone()),
                };
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
