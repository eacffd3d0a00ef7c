//! One turn of the agent in a chat session: started, told piece by piece, ended or aborted.
//!
//! Every step is a deadline, so virtual time and scripts decide how long a turn takes. The order within a step is the
//! real gateway's: the `agent` event first, then the `chat` event that it makes.

use std::collections::VecDeque;
use std::time::Duration;

use gateway_protocol::role::scope;
use gateway_protocol::{ErrorCode, ErrorShape, Now, RequestId, UnixMillis};
use serde_json::{Value, json};

use super::AGENT_ID;
use super::script::{Ending, Turn};
use crate::connection::OpenConnection;
use crate::gateway::Gateway;
use crate::json::Object;
use crate::timers::{Timer, TimerKey};

/// A turn on its way.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) session: String,
    pub(crate) asked: Asked,
    /// Requests that wait for the end: `agent.wait`.
    pub(crate) waiting: Vec<(u32, RequestId)>,
    turn: Turn,
    left: VecDeque<String>,
    text: String,
    seq: u64,
    started: UnixMillis,
    started_at: Duration,
    next: TimerKey,
    begun: bool,
}

/// How a turn was asked for.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// `chat.send`: answered already.
    Chat,
    /// `agent`: its second answer is due at the end.
    Agent { conn: u32, id: RequestId },
}

/// How a turn ended, for repeated requests and for `agent.wait`.
#[derive(Clone, Debug)]
pub(crate) struct RunEnd {
    pub(crate) started: UnixMillis,
    pub(crate) ended: UnixMillis,
    /// `ok`, `error` or `timeout` (aborted).
    pub(crate) status: &'static str,
    pub(crate) error: Option<String>,
    pub(crate) stop_reason: Option<&'static str>,
    /// The final answer of `agent`.
    pub(crate) answer: Option<Value>,
}

impl RunEnd {
    /// What `agent.wait` says.
    pub(crate) fn told(&self, run: &str) -> Value {
        Object::new()
            .with("runId", run)
            .with("status", self.status)
            .with("startedAt", self.started.0)
            .with("endedAt", self.ended.0)
            .maybe("error", self.error.as_deref())
            .maybe("stopReason", self.stop_reason)
            .build()
    }
}

impl Run {
    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn end(&self, now: Now, status: &'static str) -> RunEnd {
        RunEnd {
            started: self.started,
            ended: now.wall,
            status,
            error: None,
            stop_reason: None,
            answer: None,
        }
    }

    /// The `chat` event of this moment.
    fn chat(&self, run: &str, state: &str, rest: Object) -> Value {
        let Value::Object(rest) = rest.build() else {
            return Value::Null;
        };
        let mut event = Object::new()
            .with("runId", run)
            .with("sessionKey", self.session.as_str())
            .with("seq", self.seq)
            .with("state", state);
        for (name, value) in rest {
            event = event.with(&name, value);
        }
        event.build()
    }

    fn message(&self, now: Now) -> Value {
        json!({
            "role": "assistant",
            "content": [{"type": "text", "text": self.text}],
            "timestamp": now.wall.0,
        })
    }
}

impl Gateway {
    /// Starts a turn; the first event comes behind the answer of the request that asked for it.
    pub(crate) fn start_run(
        &mut self,
        now: Now,
        run: &str,
        session: &str,
        asked: Asked,
        text: &str,
    ) {
        let turn = self.pick_turn(session, text);
        let opened = self
            .agent
            .sessions
            .open(session, &mut self.entropy, now.wall);
        let message = opened.say("user", text, &mut self.entropy, now.wall);
        self.tell_message(session, message);
        let next = self
            .timers
            .set(now.since_start, Timer::Agent(run.to_owned()));
        let run_state = Run {
            session: session.to_owned(),
            asked,
            waiting: Vec::new(),
            left: turn.deltas_for(text).into(),
            turn,
            text: String::new(),
            seq: 0,
            started: now.wall,
            started_at: now.since_start,
            next,
            begun: false,
        };
        self.agent.runs.insert(run.to_owned(), run_state);
    }

    /// The answer of the script to `text`, whole: for callers that do not listen to events.
    pub(crate) fn pick_turn(&mut self, session: &str, text: &str) -> Turn {
        let script = &self.config.agent.turns;
        let found = script.iter().enumerate().find(|(index, turn)| {
            let used = self.agent.used.get(index).copied().unwrap_or_default();
            turn.times.is_none_or(|times| used < times) && turn.fits(session, text)
        });
        let Some((index, turn)) = found else {
            return Turn::echo();
        };
        *self.agent.used.entry(index).or_default() += 1;
        turn.clone()
    }

    /// The next step of a turn has come.
    pub(crate) fn step_run(&mut self, now: Now, due: Duration, id: &str) {
        let Some(mut run) = self.agent.runs.remove(id) else {
            return;
        };
        let wait = if !run.begun {
            self.begin_run(now, id, &mut run);
            run.turn.after_ms
        } else if let Some(delta) = run.left.pop_front() {
            self.say_delta(now, id, &mut run, &delta);
            run.turn.every_ms
        } else {
            match run.turn.ends {
                Ending::Final => self.finish_run(now, id, run),
                Ending::Error => self.fail_run(now, id, run),
                Ending::Never => {
                    self.agent.runs.insert(id.to_owned(), run);
                }
            }
            return;
        };
        run.next = self.timers.set(
            due + Duration::from_millis(wait),
            Timer::Agent(id.to_owned()),
        );
        self.agent.runs.insert(id.to_owned(), run);
    }

    fn begin_run(&mut self, now: Now, id: &str, run: &mut Run) {
        run.begun = true;
        run.started = now.wall;
        run.started_at = now.since_start;
        let data = json!({"phase": "start", "startedAt": now.wall.0});
        self.tell_agent(now, id, run, "lifecycle", &data);
        self.tell_sessions_changed(now, &run.session, "start", Some(id));
    }

    fn say_delta(&mut self, now: Now, id: &str, run: &mut Run, delta: &str) {
        run.text.push_str(delta);
        let data = json!({"text": run.text, "delta": delta});
        self.tell_agent(now, id, run, "assistant", &data);
        let rest = Object::new()
            .with("deltaText", delta)
            .with("message", run.message(now));
        self.tell_chat(&run.chat(id, "delta", rest));
    }

    fn finish_run(&mut self, now: Now, id: &str, mut run: Run) {
        let data = json!({"phase": "end", "startedAt": run.started.0, "endedAt": now.wall.0});
        self.tell_agent(now, id, &mut run, "lifecycle", &data);
        let said = !run.text.is_empty();
        let rest = Object::new().maybe("message", said.then(|| run.message(now)));
        self.tell_chat(&run.chat(id, "final", rest));
        let mut end = run.end(now, "ok");
        end.answer = Some(self.agent_answer(now, id, &run));
        self.keep_answer(now, &run);
        self.conclude(now, id, &run, end);
    }

    fn fail_run(&mut self, now: Now, id: &str, mut run: Run) {
        let error = run
            .turn
            .error
            .clone()
            .unwrap_or_else(|| "the agent failed".to_owned());
        let data = json!({"phase": "error", "error": error, "endedAt": now.wall.0});
        self.tell_agent(now, id, &mut run, "lifecycle", &data);
        let shown = json!({
            "role": "assistant",
            "content": [{"type": "text", "text": format!("Error: {error}")}],
            "timestamp": now.wall.0,
        });
        let rest = Object::new()
            .with("errorMessage", error.as_str())
            .with("message", shown);
        self.tell_chat(&run.chat(id, "error", rest));
        let mut end = run.end(now, "error");
        end.error = Some(error);
        self.conclude(now, id, &run, end);
    }

    /// Ends a turn from outside; what was said so far stays in the conversation.
    pub(crate) fn abort_run(&mut self, now: Now, id: &str) -> bool {
        let Some(mut run) = self.agent.runs.remove(id) else {
            return false;
        };
        self.timers.cancel(run.next);
        run.next_seq();
        let said = !run.text.is_empty();
        let rest = Object::new()
            .with("stopReason", "rpc")
            .maybe("message", said.then(|| run.message(now)));
        self.tell_chat(&run.chat(id, "aborted", rest));
        let mut end = run.end(now, "timeout");
        end.stop_reason = Some("rpc");
        end.answer = Some(json!({
            "runId": id, "status": "timeout", "summary": "aborted", "stopReason": "rpc",
        }));
        if said {
            self.keep_answer(now, &run);
        }
        self.conclude(now, id, &run, end);
        true
    }

    fn keep_answer(&mut self, now: Now, run: &Run) {
        let session = self
            .agent
            .sessions
            .open(&run.session, &mut self.entropy, now.wall);
        let message = session.say("assistant", &run.text, &mut self.entropy, now.wall);
        self.tell_message(&run.session, message);
    }

    /// Answers everybody who waits for the end of a turn.
    fn conclude(&mut self, now: Now, id: &str, run: &Run, end: RunEnd) {
        if let Asked::Agent { conn, id: request } = &run.asked {
            let outcome = match (&end.answer, &end.error) {
                (_, Some(error)) => Err(ErrorShape::new(ErrorCode::Unavailable, error.clone())),
                (answer, None) => Ok(answer.clone().unwrap_or_default()),
            };
            self.respond(*conn, request, outcome);
        }
        for (conn, request) in &run.waiting {
            self.respond(*conn, request, Ok(end.told(id)));
        }
        self.tell_sessions_changed(now, &run.session, "end", Some(id));
        self.agent.ended.insert(id.to_owned(), end);
    }

    fn agent_answer(&self, now: Now, id: &str, run: &Run) -> Value {
        let took = now.since_start.saturating_sub(run.started_at).as_millis();
        let session = self.agent.sessions.find(&run.session);
        let session_id = session.map(|session| session.id.as_str());
        json!({
            "runId": id,
            "status": "ok",
            "summary": "completed",
            "result": {
                "payloads": [{"text": run.text, "mediaUrl": null}],
                "meta": {
                    "durationMs": u64::try_from(took).unwrap_or(u64::MAX),
                    "agentMeta": {"sessionId": session_id, "provider": "clawproof", "model": "scripted"},
                },
            },
        })
    }

    fn tell_agent(&mut self, now: Now, id: &str, run: &mut Run, stream: &str, data: &Value) {
        let event = json!({
            "runId": id,
            "seq": run.next_seq(),
            "stream": stream,
            "ts": now.wall.0,
            "data": data,
            "sessionKey": run.session,
            "agentId": AGENT_ID,
        });
        self.broadcast("agent", &event, false, reads);
    }

    pub(crate) fn tell_chat(&mut self, event: &Value) {
        self.broadcast("chat", event, false, reads);
    }

    /// `session.message` goes to those who asked for it.
    pub(crate) fn tell_message(&mut self, session: &str, message: Value) {
        let heard: Vec<u32> = {
            let agent = &self.agent;
            let own = agent.message_listeners.iter();
            let mut heard: Vec<u32> = own
                .filter(|(_, key)| key == session)
                .map(|(conn, _)| *conn)
                .chain(agent.session_listeners.iter().copied())
                .collect();
            heard.sort_unstable();
            heard.dedup();
            heard
        };
        if heard.is_empty() {
            return;
        }
        let event = Object::new()
            .with("sessionKey", session)
            .maybe("messageId", message.pointer("/__openclaw/id").cloned())
            .maybe("messageSeq", message.pointer("/__openclaw/seq").cloned())
            .with("message", message)
            .build();
        self.broadcast_to("session.message", &event, &heard);
    }

    /// `sessions.changed` goes to those who subscribed to sessions.
    pub(crate) fn tell_sessions_changed(
        &mut self,
        now: Now,
        session: &str,
        what: &str,
        run: Option<&str>,
    ) {
        let heard: Vec<u32> = self.agent.session_listeners.iter().copied().collect();
        if heard.is_empty() {
            return;
        }
        let phase = ["start", "end"].contains(&what);
        let event = Object::new()
            .with("sessionKey", session)
            .with(if phase { "phase" } else { "reason" }, what)
            .maybe("runId", run)
            .with("ts", now.wall.0)
            .build();
        self.broadcast_to("sessions.changed", &event, &heard);
    }
}

/// Who hears what the agent says: operators that may read, as at the real gateway.
fn reads(open: &OpenConnection) -> bool {
    open.allows(scope::READ)
}
