//! `chat.*`, `agent`, `agent.*` and `agents.list`: turns of the scripted agent in a chat session. ref: real-clients.md §2, §3, §6, §7

use gateway_protocol::{Now, RequestId};
use serde_json::{Value, json};

use crate::agent::{AGENT_ID, Asked, Session, canonical_key};
use crate::gateway::Gateway;
use crate::json::Object;
use crate::method::{Answer, Call};

/// Messages that `chat.history` gives without a limit.
const HISTORY: usize = 200;

impl Gateway {
    /// `None` for a method of no chat family.
    pub(crate) fn call_chat(&mut self, now: Now, call: &Call) -> Option<Answer> {
        let answer = match call.method.as_str() {
            "chat.send" => self.send_chat(now, call),
            "chat.history" => Answer::Now(Ok(self.history(call).build())),
            "chat.startup" => {
                let history = self.history(call);
                let whole = history
                    .with("agentsList", self.agents())
                    .with("metadata", metadata());
                Answer::Now(Ok(whole.build()))
            }
            "chat.metadata" => Answer::Now(Ok(metadata())),
            "models.list" => Answer::Now(Ok(json!({"models": self.models()}))),
            "chat.abort" => self.abort_chat(now, call),
            "chat.inject" => self.inject(now, call),
            "agent" => self.ask_agent(now, call),
            "agent.wait" => self.wait_for_run(call),
            "agent.identity.get" => Answer::Now(Ok(json!({
                "agentId": call.given("agentId").unwrap_or(AGENT_ID),
                "name": "Assistant",
                "avatar": "A",
            }))),
            "agents.list" => Answer::Now(Ok(self.agents())),
            _ => return None,
        };
        Some(answer)
    }

    /// The agent's model, when somebody has written its part; a fresh gateway knows of none.
    fn models(&self) -> Vec<Value> {
        self.has_model().then(scripted_model).into_iter().collect()
    }

    /// The Control UI of 2026.9.6 sends nothing to an agent without a model.
    fn agents(&self) -> Value {
        let agent = Object::new()
            .with("id", AGENT_ID)
            .with("name", "Assistant")
            .when(
                self.has_model(),
                "model",
                json!({"primary": "clawproof/scripted"}),
            )
            .build();
        json!({"defaultId": AGENT_ID, "mainKey": "main", "scope": "per-sender", "agents": [agent]})
    }

    /// Whether the agent has a part to play. ref: real-clients.md §7
    pub(crate) fn has_model(&self) -> bool {
        !self.config.agent.turns.is_empty()
    }

    fn send_chat(&mut self, now: Now, call: &Call) -> Answer {
        let run = call.text("idempotencyKey").to_owned();
        if let Some(known) = self.known_run(&run) {
            return Answer::Now(Ok(known));
        }
        let session = canonical_key(call.text("sessionKey"));
        let text = call.text("message").to_owned();
        if is_stop(&text) {
            let stopped = self.abort_session(now, &session);
            return Answer::Now(Ok(
                json!({"ok": true, "aborted": !stopped.is_empty(), "runIds": stopped}),
            ));
        }
        self.start_run(now, &run, &session, Asked::Chat, &text);
        Answer::Now(Ok(json!({"runId": run, "status": "started"})))
    }

    /// The answer to a repeated request.
    fn known_run(&self, run: &str) -> Option<Value> {
        if self.agent.runs.contains_key(run) {
            return Some(json!({"runId": run, "status": "in_flight"}));
        }
        let end = self.agent.ended.get(run)?;
        let answer = end.answer.clone();
        Some(answer.unwrap_or_else(|| json!({"runId": run, "status": end.status})))
    }

    fn history(&self, call: &Call) -> Object {
        let key = call.text("sessionKey");
        let session = self.agent.sessions.find(key);
        let limit = call.number("limit").unwrap_or(HISTORY);
        let messages = session.map_or(&[][..], |session| &session.messages);
        let from = messages.len().saturating_sub(limit);
        let canonical = canonical_key(key);
        let running = self.agent.runs.values().any(|run| run.session == canonical);
        let info = match session {
            Some(session) => session.row(&canonical),
            None => json!({"key": canonical, "kind": "direct"}),
        };
        Object::new()
            .with("sessionKey", key)
            .maybe("sessionId", session.map(|session| session.id.as_str()))
            .with(
                "messages",
                messages.get(from..).unwrap_or_default().to_vec(),
            )
            .with("defaults", defaults())
            .with("sessionInfo", with_running(info, running))
            .with("thinkingLevel", "off")
    }

    fn abort_chat(&mut self, now: Now, call: &Call) -> Answer {
        let session = canonical_key(call.text("sessionKey"));
        let stopped = match call.given("runId") {
            None => self.abort_session(now, &session),
            Some(run) => {
                let its = self.agent.runs.get(run);
                if its.is_some_and(|its| its.session != session) {
                    return Answer::error("runId does not match sessionKey");
                }
                let run = run.to_owned();
                let aborted = self.abort_run(now, &run);
                if aborted { vec![run] } else { Vec::new() }
            }
        };
        Answer::Now(Ok(
            json!({"ok": true, "aborted": !stopped.is_empty(), "runIds": stopped}),
        ))
    }

    /// Ends every turn of a session; gives their ids.
    pub(crate) fn abort_session(&mut self, now: Now, session: &str) -> Vec<String> {
        let runs = self.agent.runs.iter();
        let its: Vec<String> = runs
            .filter(|(_, run)| run.session == session)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &its {
            self.abort_run(now, id);
        }
        its
    }

    fn inject(&mut self, now: Now, call: &Call) -> Answer {
        let key = canonical_key(call.text("sessionKey"));
        if self.agent.sessions.find(&key).is_none() {
            return Answer::error("session not found");
        }
        let session = self.agent.sessions.open(&key, &mut self.entropy, now.wall);
        let message = session.say(
            "assistant",
            call.text("message"),
            &mut self.entropy,
            now.wall,
        );
        let id = message
            .pointer("/__openclaw/id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let event = json!({
            "runId": format!("inject-{id}"), "sessionKey": key, "seq": 0, "state": "final", "message": message,
        });
        self.tell_chat(&event);
        self.tell_message(&key, message);
        Answer::Now(Ok(json!({"ok": true, "messageId": id})))
    }

    /// Two answers with the same id: accepted, and at the end of the turn its result.
    fn ask_agent(&mut self, now: Now, call: &Call) -> Answer {
        let run = call.text("idempotencyKey").to_owned();
        if let Some(known) = self.known_run(&run) {
            return Answer::Now(Ok(known));
        }
        if let Some(agent) = call.given("agentId").filter(|agent| *agent != AGENT_ID) {
            return Answer::error(&format!(
                "invalid agent params: unknown agent id \"{agent}\""
            ));
        }
        let session = self.session_of(call);
        let asked = Asked::Agent {
            conn: call.conn,
            id: call.id.clone(),
        };
        let text = call.text("message").to_owned();
        self.start_run(now, &run, &session, asked, &text);
        Answer::Now(Ok(json!({
            "runId": run,
            "sessionKey": session,
            "status": "accepted",
            "acceptedAt": now.wall.0,
        })))
    }

    /// The session that an `agent` request means: by key, by id, or the main one.
    fn session_of(&self, call: &Call) -> String {
        if let Some(key) = call.given("sessionKey") {
            return canonical_key(key);
        }
        let Some(id) = call.given("sessionId") else {
            return canonical_key("main");
        };
        let known = self.agent.sessions.iter().find(|(_, known)| known.id == id);
        known.map_or_else(
            || canonical_key(&format!("explicit:{id}")),
            |(key, _)| key.clone(),
        )
    }

    fn wait_for_run(&mut self, call: &Call) -> Answer {
        let id = call.text("runId");
        if let Some(end) = self.agent.ended.get(id) {
            return Answer::Now(Ok(end.told(id)));
        }
        let waiting: (u32, RequestId) = (call.conn, call.id.clone());
        match self.agent.runs.get_mut(id) {
            Some(run) => {
                run.waiting.push(waiting);
                Answer::Later
            }
            None => Answer::Now(Ok(json!({"runId": id, "status": "timeout"}))),
        }
    }
}

fn is_stop(text: &str) -> bool {
    ["/stop", "/abort"].contains(&text.trim())
}

fn with_running(mut info: Value, running: bool) -> Value {
    if let Some(info) = info.as_object_mut() {
        info.insert("hasActiveRun".to_owned(), running.into());
    }
    info
}

pub(super) fn defaults() -> Value {
    json!({"modelProvider": "clawproof", "model": "scripted", "contextTokens": 200_000})
}

fn metadata() -> Value {
    json!({"commands": [], "models": [scripted_model()]})
}

fn scripted_model() -> Value {
    json!({"id": "scripted", "name": "Scripted", "provider": "clawproof", "available": true})
}

impl Session {
    /// Lines of a preview, oldest first.
    pub(super) fn preview(&self, limit: usize, max_chars: usize) -> Vec<Value> {
        let from = self.messages.len().saturating_sub(limit);
        let latest = self.messages.get(from..).unwrap_or_default().iter();
        let line = |message: &Value| {
            let text = crate::agent::text_of(message).unwrap_or_default();
            let short: String = text.chars().take(max_chars).collect();
            json!({"role": message.get("role"), "text": short})
        };
        latest.map(line).collect()
    }
}
