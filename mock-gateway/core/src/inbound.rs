//! Messages from clients: what counts as a frame, and who gets it. ref: gateway-behaviour.md §1.5, §1.6

use gateway_protocol::method::{Authority, MethodRow, method_row};
use gateway_protocol::role::scope;
use gateway_protocol::{CloseFrame, ErrorCode, ErrorShape, Now, Outgoing, Request, Role, limits};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::gateway::Gateway;
use crate::handshake;
use crate::json::Object;
use crate::method::{self, Answer, Call};
use crate::mutation::Mutation;
use crate::profile::Profile;
use crate::scripted::Change;

impl Gateway {
    /// One message; text and binary count alike.
    pub(crate) fn received(&mut self, now: Now, conn: u32, bytes: &[u8]) {
        self.receive(now, conn, || serde_json::from_slice(bytes).ok());
    }

    /// The same message, which is read when somebody listens.
    pub(crate) fn receive(&mut self, now: Now, conn: u32, read: impl FnOnce() -> Option<Value>) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let handshaking = connection.handshake().is_some();
        if !handshaking && connection.open().is_none() {
            return;
        }
        let Some(value) = read() else {
            if handshaking {
                self.log(Some(conn), "invalid JSON before hello".to_owned());
                self.close(now, conn, CloseFrame::new(1000, ""));
            }
            return;
        };
        if handshaking {
            self.received_early(now, conn, value);
        } else {
            self.received_late(now, conn, value);
        }
    }

    /// Before hello.
    fn received_early(&mut self, now: Now, conn: u32, value: Value) {
        if self.is_refused(conn) {
            self.queue_behind_refusal(now, conn);
            return;
        }
        let Ok(request) = self.read_request(value) else {
            self.close(now, conn, CloseFrame::new(1008, "invalid request frame"));
            return;
        };
        let Some(change) = self.scripted(now, conn, &request) else {
            return;
        };
        self.handshake_request(now, conn, &request, change);
    }

    /// The built-in answer to the first request.
    pub(crate) fn handshake_request(
        &mut self,
        now: Now,
        conn: u32,
        request: &Request,
        change: Change,
    ) {
        if request.method != "connect" {
            self.refuse(now, conn, &request.id, handshake::not_connect());
            return;
        }
        match self.admit(now, conn, request.params.as_ref()) {
            Ok(admitted) => self.welcome(now, conn, &request.id, &admitted, change),
            Err(refusal) => self.refuse(now, conn, &request.id, refusal),
        }
    }

    fn is_refused(&self, conn: u32) -> bool {
        self.connections
            .get(&conn)
            .and_then(Connection::handshake)
            .is_some_and(|handshake| handshake.refused)
    }

    /// 2026.9.6 queues up to 15 frames behind a connect; with a refusal under way they are never answered.
    fn queue_behind_refusal(&mut self, now: Now, conn: u32) {
        let handshake = self
            .connections
            .get_mut(&conn)
            .and_then(Connection::handshake_mut);
        let Some(handshake) = handshake else { return };
        handshake.queued += 1;
        if self.profile.rules.pipelining && handshake.queued > 15 {
            self.close(
                now,
                conn,
                CloseFrame::new(1008, "too many pending handshake frames"),
            );
        }
    }

    /// Past hello.
    fn received_late(&mut self, now: Now, conn: u32, value: Value) {
        let id = value.get("id").cloned().unwrap_or_else(|| "invalid".into());
        let request = match self.read_request(value) {
            Ok(request) => request,
            Err(detail) => {
                self.answer_bad_frame(conn, &id, &detail);
                return;
            }
        };
        if let Some(change) = self.scripted(now, conn, &request) {
            self.answer(now, conn, &request, change);
        }
    }

    fn read_request(&self, mut value: Value) -> Result<Request, String> {
        self.profile.request_frame.check(&value)?;
        let text = |value: &Value, name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (id, method) = (text(&value, "id"), text(&value, "method"));
        Ok(Request::new(
            id,
            method,
            value.get_mut("params").map(Value::take),
        ))
    }

    /// The id goes back as it came, even when it is no text.
    fn answer_bad_frame(&mut self, conn: u32, id: &Value, detail: &str) {
        let error = ErrorShape::new(
            ErrorCode::InvalidRequest,
            format!("invalid request frame: {detail}"),
        );
        let frame = json!({"type": "res", "id": id, "ok": false, "error": error.to_value()});
        self.reset_unauthorized(conn);
        self.send_raw(conn, Outgoing::Text(frame.to_string()));
    }

    /// The built-in answer: authority, parameters, method.
    pub(crate) fn answer(&mut self, now: Now, conn: u32, request: &Request, change: Change) {
        let Some(open) = self.connections.get(&conn).and_then(Connection::open) else {
            return;
        };
        let row = method_row(&request.method).filter(|row| exists_in(self.profile, row));
        let authority = row.map_or(Authority::Scope(scope::ADMIN), |row| row.authority);
        if let Err(refused) = check_role(open.role, authority) {
            self.answer_unauthorized(conn, request, refused);
            return;
        }
        let allowed = check_scope(self.profile, &open.scopes, authority);
        let call = Call::of(conn, request, open);
        let answer = match allowed {
            Err(error) => Answer::Now(Err(error)),
            Ok(()) => self.dispatch(now, &call, row.is_some()),
        };
        self.reset_unauthorized(conn);
        match answer {
            Answer::Now(outcome) => {
                let outcome = outcome.map(|payload| self.changed(change, payload));
                self.respond(conn, &request.id, outcome);
            }
            Answer::Later => {}
        }
    }

    fn dispatch(&mut self, now: Now, call: &Call, known: bool) -> Answer {
        if call.method == "connect" {
            return Answer::error("connect is only valid as the first request");
        }
        if !known {
            return Answer::error(&format!("unknown method: {}", call.method));
        }
        if let Err(error) = self.config_budget(now, call) {
            return Answer::Now(Err(error));
        }
        if let Err(detail) = self.check_params(call) {
            return Answer::error(&format!("invalid {} params: {detail}", call.method));
        }
        self.call(now, call)
    }

    /// What was recorded of a release counts first, then the published schema.
    fn check_params(&self, call: &Call) -> Result<(), String> {
        if let Some(shape) = method::params_shape(&call.method) {
            shape.check(&call.params)?;
            if !method::is_loose(&call.method) {
                return Ok(());
            }
        }
        let Some(catalog) = &self.catalog else {
            return Ok(());
        };
        let Some(definition) = catalog.params(&call.method) else {
            return Ok(());
        };
        let mut problems = catalog.problems(&definition, &call.params);
        problems.retain(|problem| match unexpected(problem) {
            // The schema is of a later release than 2026.6.34, which has members that the schema has lost.
            Some(_) if !self.profile.rules.rich_hello => false,
            Some(member) => !self.profile.is_later(&call.method, member),
            None => true,
        });
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("; "))
        }
    }

    /// The eleventh in a row ends the connection. ref: gateway-behaviour.md §1.6
    fn answer_unauthorized(&mut self, conn: u32, request: &Request, refused: ErrorShape) {
        self.respond(conn, &request.id, Err(refused));
        let forever = self.has(Mutation::UnauthorizedForever);
        let Some(open) = self
            .connections
            .get_mut(&conn)
            .and_then(Connection::open_mut)
        else {
            return;
        };
        open.unauthorized += 1;
        if open.unauthorized >= limits::UNAUTHORIZED_CALLS && !forever {
            self.closing
                .push((conn, CloseFrame::new(1008, "repeated unauthorized calls")));
        }
    }

    fn reset_unauthorized(&mut self, conn: u32) {
        if let Some(open) = self
            .connections
            .get_mut(&conn)
            .and_then(Connection::open_mut)
        {
            open.unauthorized = 0;
        }
    }
}

/// The member that a problem of the schema's check calls unexpected.
fn unexpected(problem: &str) -> Option<&str> {
    problem
        .split_once("unexpected property '")?
        .1
        .strip_suffix('\'')
}

fn exists_in(profile: &Profile, row: &MethodRow) -> bool {
    if profile.rules.rich_hello {
        row.in_9
    } else {
        row.in_6
    }
}

fn check_role(role: Role, authority: Authority) -> Result<(), ErrorShape> {
    let fits = match authority {
        Authority::Anyone => true,
        Authority::Node => role == Role::Node,
        Authority::Scope(_) => role == Role::Operator,
    };
    if fits {
        Ok(())
    } else {
        Err(ErrorShape::new(
            ErrorCode::InvalidRequest,
            format!("unauthorized role: {role}"),
        ))
    }
}

fn check_scope(
    profile: &Profile,
    granted: &[String],
    authority: Authority,
) -> Result<(), ErrorShape> {
    match authority {
        Authority::Anyone | Authority::Node => Ok(()),
        Authority::Scope(needed) if gateway_protocol::role::scope_allows(granted, needed) => Ok(()),
        Authority::Scope(needed) => Err(missing_scope(profile, needed, &[needed])),
    }
}

/// ref: gateway-behaviour.md §4.6
pub(crate) fn missing_scope(profile: &Profile, missing: &str, required: &[&str]) -> ErrorShape {
    let message = format!("missing scope: {missing}");
    if !profile.rules.forbidden_details {
        return ErrorShape::new(ErrorCode::InvalidRequest, message);
    }
    let details = Object::new()
        .with("code", "MISSING_SCOPE")
        .with("missingScope", missing)
        .with("requiredScopes", required.to_vec())
        .build();
    ErrorShape::new(ErrorCode::Forbidden, message).with_details(details)
}
