//! One socket from open to end, for any slot, and the loop that opens the next. ref: client-behaviour.md §7

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use gateway_protocol::hello::read_without_lists;
use gateway_protocol::{Frame, Outgoing, Request};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::backoff::{Backoff, DELAYS_MS};
use crate::client::Client;
use crate::client::connection::{Connection, Drawn, Phase, Retry, Slot};
use crate::client::timers::Timer;
use crate::event::{ClientEvent, DiagnosticCategory as Category, Payload};
use crate::input::{Inbound, SocketId};
use crate::mutation::Mutation;
use crate::output::Output;
use crate::state::{NodeTrigger, OperatorTrigger};

/// Silence limit while a hello-ok has not told the tick interval.
pub(super) const DEFAULT_SILENCE: Duration = Duration::from_mins(1);

/// How long a challenge is waited for: as long as the reference client waits.
const CHALLENGE_PATIENCE: Duration = Duration::from_secs(15);

/// How long a dial may take, its upgrade included: a machine whose gateway hangs still completes TCP. field-bugs.md 88
const DIAL_PATIENCE: Duration = Duration::from_secs(20);

/// Messages that wait for the tokens of a hello-ok to be durable.
const HELD: usize = 64;

impl Client {
    /// Opens the next socket of a connection.
    pub(super) fn open_socket(&mut self, slot: Slot) {
        self.last_socket += 1;
        let socket = SocketId(self.last_socket);
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        connection.phase = Phase::Opening { socket };
        connection.sockets += 1;
        connection.unsupported.clear();
        let target = connection.target.clone();
        if self.options.gives_up_a_dial() {
            let at = self.after(DIAL_PATIENCE);
            self.timers.set(at, Timer::Dial { slot, socket });
        }
        self.diagnose_with(
            Category::Websocket,
            "WebSocket connecting",
            Some(describe(slot, &target.display())),
        );
        self.outputs.push_back(Output::Open {
            socket,
            role: slot.role(),
            url: target.socket_url(),
            origin: target.origin(),
            basic: target.userinfo.map(|text| {
                if text.contains(':') {
                    text
                } else {
                    format!("{text}:")
                }
            }),
        });
    }

    pub(super) fn attempt(&mut self, slot: Slot, serial: u64) {
        let due = |it: &Connection| {
            it.serial == serial && it.may_retry() && matches!(it.phase, Phase::Waiting)
        };
        if !self.connection(slot).is_some_and(due) {
            return;
        }
        match self.authorize_again(slot) {
            Ok(()) => self.open_socket(slot),
            Err(denied) => {
                // Nobody tries again by himself until the endpoint is proven. ref: §7.1 (3)
                self.stop_loop(slot);
                if let Some(connection) = self.connection_mut(slot) {
                    connection.phase = Phase::Stopped;
                }
                self.denied(slot, denied);
            }
        }
    }

    pub(super) fn on_opened(&mut self, socket: SocketId) {
        let Some(slot) = self.slot_of(socket) else {
            // A dial that finishes after its connection was replaced closes itself. field-bugs.md 90
            self.abort(socket);
            return;
        };
        let heard_at = self.now.since_start;
        if let Some(connection) = self
            .connection_mut(slot)
            .filter(|it| matches!(it.phase, Phase::Opening { .. }))
        {
            connection.phase = Phase::Open { socket };
            connection.heard_at = heard_at;
            self.diagnose_with(
                Category::Websocket,
                "WebSocket connected",
                Some(describe(slot, "open")),
            );
            if slot == Slot::Operator {
                self.operator_trigger(OperatorTrigger::WebSocketConnected);
            }
            if self.options.gives_up_without_challenge() {
                let at = heard_at.saturating_add(CHALLENGE_PATIENCE);
                self.timers.set(at, Timer::Challenge { slot, socket });
            }
            if self.options.has(Mutation::SendBeforeConnect) {
                let id = self.new_request_id();
                self.send_request(socket, &id, "health", None);
            }
            if slot == Slot::Operator && self.options.has(Mutation::NodeBeforeOperator) {
                self.start_node();
            }
        }
    }

    pub(super) fn on_open_failed(&mut self, socket: SocketId, error: &str) {
        let Some(slot) = self.slot_of(socket) else {
            return;
        };
        self.diagnose_with(
            Category::Websocket,
            "WebSocket error",
            Some(describe(slot, error)),
        );
        match slot {
            Slot::Operator => self.operator_socket_failed(error),
            Slot::Node => self.node_socket_failed(error),
            Slot::Validation => return self.validation_failed("Shared token validation failed"),
        }
        self.ended(slot);
    }

    pub(super) fn on_closed(&mut self, socket: SocketId, code: Option<u16>, reason: &str) {
        let Some(slot) = self.slot_of(socket) else {
            return;
        };
        let code_text = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let detail = describe(slot, &format!("code={code_text}; reason={reason}"));
        self.diagnose_with(Category::Websocket, "WebSocket disconnected", Some(detail));
        self.fail_requests(socket, code, reason);
        match slot {
            Slot::Operator => self.operator_socket_closed(code, reason),
            Slot::Node => self.node_socket_closed(),
            Slot::Validation => return self.validation_failed("Shared token validation failed"),
        }
        if self.gives_up_by_mistake(slot, code, reason) {
            self.stop_loop(slot);
        }
        self.ended(slot);
    }

    /// Whether a deliberate bug takes this end for the last one.
    fn gives_up_by_mistake(&self, slot: Slot, code: Option<u16>, reason: &str) -> bool {
        let has = |mutation| self.options.has(mutation);
        let early = self
            .connection(slot)
            .is_some_and(|it| matches!(it.phase, Phase::Open { .. } | Phase::Asked { .. }));
        (code == Some(1012) && has(Mutation::ZombieAfterRestart))
            || (code == Some(1012)
                && reason != "service restart"
                && has(Mutation::ReadsCloseReason))
            || (code == Some(4001) && has(Mutation::RemovedIsFinal))
            || (early && has(Mutation::EarlyCloseIsFinal))
            || (slot == Slot::Node && has(Mutation::NodeStaysAway))
            || has(Mutation::NeverReconnect)
    }

    /// The socket of this slot is gone: schedule the next attempt, or end the loop.
    pub(super) fn ended(&mut self, slot: Slot) {
        let may_retry = self
            .connection(slot)
            .is_some_and(|it| it.may_retry() && it.is_running());
        let pairing = self.operator_is_pairing() && slot == Slot::Operator;
        if !may_retry || (pairing && self.options.has(Mutation::StopWhilePairing)) {
            if let Some(connection) = self.connection_mut(slot) {
                connection.phase = Phase::Stopped;
            }
            return;
        }
        let delay = self.next_delay(slot, pairing);
        let at = self.after(delay);
        let Some(connection) = self.connection_mut(slot) else {
            return;
        };
        connection.phase = Phase::Waiting;
        let serial = connection.serial;
        self.timers.set(at, Timer::Attempt { slot, serial });
        match slot {
            Slot::Operator => self.operator_trigger(OperatorTrigger::ReconnectScheduled),
            Slot::Node => self.node_trigger(NodeTrigger::Start),
            Slot::Validation => {}
        }
    }

    fn next_delay(&mut self, slot: Slot, pairing: bool) -> Duration {
        let (at, word) = (self.now.since_start, self.rng.get_word_pos());
        let Some(connection) = self.connection_mut(slot) else {
            return Duration::ZERO;
        };
        let drawn = Drawn {
            at,
            word,
            backoff: connection.backoff.clone(),
            floor: connection.retry_after.take().unwrap_or_default(),
            pairing,
        };
        let mut rng = self.rng.clone();
        let (delay, backoff) = self.delay(&drawn, &mut rng);
        self.rng = rng;
        if let Some(connection) = self.connection_mut(slot) {
            connection.backoff = backoff;
            connection.drawn = Some(drawn);
        }
        delay
    }

    /// The delay that is drawn so, and the counter after it.
    pub(super) fn delay(&self, drawn: &Drawn, rng: &mut ChaCha8Rng) -> (Duration, Backoff) {
        let mut backoff = drawn.backoff.clone();
        let delay = backoff.next_delay(rng);
        let storm = self.options.has(Mutation::ReconnectStorm)
            || (drawn.pairing && self.options.has(Mutation::PairingStorm));
        let delay = if storm {
            Duration::from_millis(10)
        } else if self.options.has(Mutation::SteadyRetries) {
            Duration::from_secs(1)
        } else if self.options.has(Mutation::SameDelays) {
            let steps = DELAYS_MS.into_iter().map(Duration::from_millis);
            steps.filter(|step| *step <= delay).max().unwrap_or(delay)
        } else {
            delay.max(drawn.floor)
        };
        (delay, backoff)
    }

    pub(super) fn stop_loop(&mut self, slot: Slot) {
        if let Some(connection) = self.connection_mut(slot) {
            connection.retry = Retry::Terminal;
        }
    }

    pub(super) fn on_message(&mut self, socket: SocketId, message: Inbound) {
        let Some(slot) = self.slot_of(socket) else {
            return;
        };
        if !self.options.has(Mutation::OnlyTicksAreLife) || is_tick(&message) {
            let heard_at = self.watched_time();
            if let Some(connection) = self.connection_mut(slot) {
                connection.heard_at = heard_at;
            }
        }
        let Some(message) = self.hold(slot, socket, message) else {
            return;
        };
        let (text, read) = match message {
            Inbound::Text(text) => (text, None),
            Inbound::Read { text, frame } => (text, Some(frame)),
            Inbound::Binary(_) => {
                return self.diagnose(Category::Warning, "Binary message ignored");
            }
        };
        if self.options.policy.limits_inbound() && is_too_large(&text) {
            self.outputs.push_back(Output::Close {
                socket,
                code: 1009,
                reason: "message too large".to_owned(),
            });
            return self.on_closed(socket, Some(1009), "message too large");
        }
        let name = match &read {
            Some(frame) => broadcast_of(frame),
            None => broadcast(&text),
        };
        if let Some(name) = name {
            return self.tell_event(slot, socket, &name, text);
        }
        let phase = self.connection(slot).map(|it| &it.phase);
        let frame = match read {
            Some(frame) => Ok(frame),
            None if matches!(phase, Some(Phase::Asked { .. })) => {
                read_without_lists(&text).map(Arc::new)
            }
            None => serde_json::from_str(&text).map(Arc::new),
        };
        let Ok(frame) = frame else {
            return self.diagnose(Category::Warning, "Message is not JSON; ignored");
        };
        let name = |key: &str| frame.get(key).and_then(Value::as_str).unwrap_or_default();
        let payload = frame.get("payload").unwrap_or(&Value::Null);
        match name("type") {
            "event" if name("event") == "connect.challenge" => {
                self.on_challenge(slot, socket, payload);
            }
            "event" => {
                let name = name("event");
                let is_told = match slot {
                    Slot::Operator => self.on_operator_event(socket, name, payload),
                    Slot::Node => self.on_node_event(socket, name, payload),
                    Slot::Validation => false,
                };
                if is_told {
                    self.tell_event(slot, socket, name, text);
                }
            }
            "res" => self.on_response(slot, socket, &frame),
            "req" if slot == Slot::Node => self.on_node_request(socket, &frame),
            _ => self.diagnose(Category::Warning, "Unexpected frame; ignored"),
        }
    }

    /// Keeps what comes between hello-ok and the write of its tokens until the role is connected: an invoke that came
    /// that early would have no node to run it. A ping does not wait for a disk. ref: §10
    fn hold(&mut self, slot: Slot, socket: SocketId, message: Inbound) -> Option<Inbound> {
        let Some(Phase::Storing { held, .. }) = self.connection_mut(slot).map(|it| &mut it.phase)
        else {
            return Some(message);
        };
        if held.len() < HELD {
            if let Some(id) = ping_id(&message).filter(|_| slot == Slot::Node) {
                self.respond(socket, &id, Ok(json!({"pong": true})));
            } else {
                held.push(message);
            }
            return None;
        }
        self.abort(socket);
        let reason = format!("network error: {HELD} messages wait for a disk");
        self.on_closed(socket, None, &reason);
        None
    }

    /// Tells whoever watches of an event.
    fn tell_event(&mut self, slot: Slot, socket: SocketId, name: &str, frame: String) {
        let live = self.connection(slot).and_then(Connection::live_socket) == Some(socket);
        if !live || slot == Slot::Validation || name == "tick" {
            return;
        }
        self.tell(ClientEvent::Gateway {
            role: slot.role(),
            name: name.to_owned(),
            payload: Payload::of_frame(frame),
        });
    }

    /// Gives up a dial that nobody answers.
    pub(super) fn dial_overdue(&mut self, slot: Slot, socket: SocketId) {
        let waits = |it: &Connection| matches!(it.phase, Phase::Opening { socket: opening } if opening == socket);
        if self.connection(slot).is_some_and(waits) {
            self.abort(socket);
            self.on_open_failed(
                socket,
                "timed out: the connection or its upgrade was not answered",
            );
        }
    }

    /// Gives up a connection whose challenge has not come. field-bugs.md 2
    pub(super) fn challenge_overdue(&mut self, slot: Slot, socket: SocketId) {
        let waits =
            |it: &Connection| matches!(it.phase, Phase::Open { socket: open } if open == socket);
        if self.connection(slot).is_some_and(waits) {
            self.abort(socket);
            self.on_closed(socket, None, "connect challenge timeout");
        }
    }

    /// Gives up a connection on which nothing came for two tick intervals. field-bugs.md 80
    pub(super) fn check_silence(&mut self, slot: Slot, socket: SocketId) {
        let Some(connection) = self
            .connection(slot)
            .filter(|it| it.live_socket() == Some(socket))
        else {
            return;
        };
        let silent_at = connection.heard_at.saturating_add(connection.silence_limit);
        let left = silent_at.saturating_sub(self.watched_time());
        let waits =
            self.options.has(Mutation::RequestSilencesWatchdog) && self.waits_for_answers(socket);
        let left = if waits {
            connection.silence_limit
        } else {
            left
        };
        if left > Duration::ZERO {
            let at = self.after(left);
            return self.timers.set(at, Timer::Silence { slot, socket });
        }
        self.abort(socket);
        self.on_closed(socket, None, "tick timeout");
    }

    /// The clock of the watchdog: a monotonic one.
    pub(super) fn watched_time(&self) -> Duration {
        if self.options.has(Mutation::WatchdogByWallClock) {
            return Duration::from_millis(self.now.wall.0.unsigned_abs());
        }
        self.now.since_start
    }

    pub(super) fn send_request(
        &mut self,
        socket: SocketId,
        id: &str,
        method: &str,
        params: Option<Value>,
    ) {
        let frame = Frame::Request(Request::new(id, method, params));
        self.outputs.push_back(Output::Send {
            socket,
            message: Outgoing::Frame(frame),
        });
    }
}

fn is_tick(message: &Inbound) -> bool {
    let text = message.as_text();
    text.is_some_and(|text| text.contains("\"event\":\"tick\""))
}

/// The name of an event that the client itself does nothing about. Its payload, most of what a busy gateway sends, is
/// passed over; whatever is odd about the frame is left to a closer look.
fn broadcast(text: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        event: Cow<'a, str>,
    }
    // An answer may be long, and its first member tells.
    if text.starts_with("{\"type\":\"res\"") {
        return None;
    }
    let Envelope { kind, event } = serde_json::from_str(text).ok()?;
    (kind == "event" && !is_read(&event)).then(|| event.into_owned())
}

/// The same of a message that was read.
fn broadcast_of(frame: &Value) -> Option<String> {
    let text = |name: &str| frame.get(name).and_then(Value::as_str);
    let event = text("event")?;
    (text("type")? == "event" && !is_read(event)).then(|| event.to_owned())
}

/// Whether the client itself does something about this event.
fn is_read(event: &str) -> bool {
    matches!(
        event,
        "connect.challenge"
            | "node.pair.requested"
            | "node.pair.resolved"
            | "device.pair.requested"
            | "device.pair.resolved"
            | "sessions.changed"
            | "node.invoke.request"
            | "node.invoke.cancel"
    )
}

/// The id of a `ping` request.
fn ping_id(message: &Inbound) -> Option<String> {
    let frame: Value = serde_json::from_str(message.as_text()?).ok()?;
    let is_ping = frame.get("type")? == "req" && frame.get("method")? == "ping";
    is_ping.then(|| frame.get("id")?.as_str().map(str::to_owned))?
}

fn describe(slot: Slot, what: &str) -> String {
    let name = match slot {
        Slot::Operator => "operator",
        Slot::Node => "node",
        Slot::Validation => "validation",
    };
    format!("{name}: {what}")
}

/// Measured in UTF-16 units, as the companion counts; a text that is short in bytes is short in units too.
fn is_too_large(text: &str) -> bool {
    let limit = gateway_protocol::limits::CLIENT_INBOUND_CHARS;
    text.len() > limit && (text.is_ascii() || text.encode_utf16().count() > limit)
}

/// `{deep:true}` and its kind, for the requests after hello-ok. ref: §10 (10)
pub(super) fn post_hello_requests() -> [(&'static str, Value); 7] {
    [
        ("health", json!({"deep": true})),
        ("sessions.list", json!({})),
        ("sessions.subscribe", json!({})),
        ("usage.status", json!({})),
        ("usage.cost", json!({"days": 30})),
        ("node.list", json!({})),
        ("agents.list", json!({})),
    ]
}
