//! `sessions.*`: conversations are listed, made, changed, reset, told about and deleted. ref: real-clients.md §3, §6
//!
//! A session here is always a chat session. Basics only: what clients list and change is kept; worktrees, checkpoints, sharing and usage are made up.

use gateway_protocol::Now;
use serde_json::{Map, Value, json};

use crate::agent::{AGENT_ID, Asked, Session, canonical_key};
use crate::gateway::Gateway;
use crate::json::Object;
use crate::method::{Answer, Call, chat};

/// Members of `sessions.patch` and `sessions.create` that say which session, not what about it.
const NO_SETTINGS: [&str; 10] = [
    "key",
    "agentId",
    "idempotencyKey",
    "task",
    "message",
    "attachments",
    "emitCommandHooks",
    "parentSessionKey",
    "worktree",
    "cwd",
];

/// Where the real gateway keeps them; a client shows it, nobody opens it.
const STORE: &str = "(mock)";

impl Gateway {
    /// `None` for a method that is not kept here.
    pub(crate) fn call_sessions(&mut self, now: Now, call: &Call) -> Option<Answer> {
        let answer = match call.method.as_str() {
            "sessions.list" => Ok(self.list_sessions(now, call)),
            "sessions.create" => Ok(self.create_session(now, call)),
            "sessions.patch" => self.patch_session(now, call),
            "sessions.reset" => Ok(self.reset_session(now, call)),
            "sessions.delete" => self.delete_session(now, call),
            "sessions.describe" => {
                let key = canonical_key(call.text("key"));
                let row = self.agent.sessions.find(&key);
                Ok(json!({"session": row.map(|session| session.row(&key))}))
            }
            "sessions.get" => Ok(self.session_messages(call)),
            "sessions.preview" => Ok(self.preview_sessions(now, call)),
            "sessions.resolve" => self.resolve_session(call),
            "sessions.send" | "sessions.steer" => Ok(self.send_to_session(now, call)),
            "sessions.abort" => Ok(self.abort_in_session(now, call)),
            "sessions.compact" => Ok(json!({
                "ok": true, "key": canonical_key(call.text("key")), "compacted": false, "reason": "no transcript",
            })),
            "sessions.subscribe" | "sessions.unsubscribe" => Ok(self.listen_to_sessions(call)),
            "sessions.messages.subscribe" | "sessions.messages.unsubscribe" => {
                Ok(self.listen_to_messages(call))
            }
            _ => return None,
        };
        Some(answer.into())
    }

    fn list_sessions(&self, now: Now, call: &Call) -> Value {
        let wanted = |key: &str, session: &Session| {
            let text = call.given("search").map(str::to_lowercase);
            let found = text.is_none_or(|text| {
                let label = session.settings.get("label").and_then(Value::as_str);
                key.to_lowercase().contains(&text)
                    || label.is_some_and(|label| label.to_lowercase().contains(&text))
            });
            let label = call.given("label");
            let named = label.is_none_or(|label| {
                session.settings.get("label").and_then(Value::as_str) == Some(label)
            });
            let agent = call.given("agentId");
            found && named && agent.is_none_or(|agent| agent == AGENT_ID)
        };
        let mut rows: Vec<(&String, &Session)> = self
            .agent
            .sessions
            .iter()
            .filter(|(key, session)| wanted(key, session))
            .collect();
        // Latest first, as the real gateway lists them.
        rows.sort_by_key(|(_, session)| std::cmp::Reverse(session.updated));
        let all = rows.len();
        let from = call.number("offset").unwrap_or_default();
        let limit = call.number("limit").unwrap_or(usize::MAX);
        let page = rows.into_iter().skip(from).take(limit);
        let last = call.params.get("includeLastMessage") == Some(&Value::Bool(true));
        let rows: Vec<Value> = page
            .map(|(key, session)| {
                let mut row = session.row(key);
                if let (true, Some(text), Some(row)) =
                    (last, session.last_text(), row.as_object_mut())
                {
                    row.insert("lastMessagePreview".to_owned(), text.into());
                }
                row
            })
            .collect();
        Object::new()
            .with("ts", now.wall.0)
            .with("path", STORE)
            .with("count", rows.len())
            .with("totalCount", all)
            .with("hasMore", from + rows.len() < all)
            .with("defaults", chat::defaults())
            .with("sessions", rows)
            .build()
    }

    fn create_session(&mut self, now: Now, call: &Call) -> Value {
        let key = match call.given("key") {
            Some(key) => canonical_key(key),
            None => canonical_key(&format!("dashboard:{}", self.entropy.uuid())),
        };
        let session = self.agent.sessions.open(&key, &mut self.entropy, now.wall);
        change(&mut session.settings, &call.params);
        let (id, entry) = (session.id.clone(), session.entry());
        let first = call.given("message").or_else(|| call.given("task"));
        let run = first.map(|text| (self.entropy.uuid(), text.to_owned()));
        if let Some((run, text)) = &run {
            self.start_run(now, run, &key, Asked::Chat, text);
        }
        self.tell_sessions_changed(now, &key, "create", None);
        Object::new()
            .with("ok", true)
            .with("key", key)
            .with("sessionId", id)
            .with("entry", entry)
            .with("runStarted", run.is_some())
            .maybe("runId", run.map(|(run, _)| run))
            .build()
    }

    fn patch_session(
        &mut self,
        now: Now,
        call: &Call,
    ) -> Result<Value, gateway_protocol::ErrorShape> {
        let key = canonical_key(call.text("key"));
        let label = call.params.get("label").filter(|label| label.is_string());
        let taken = label.is_some_and(|label| {
            self.agent.sessions.iter().any(|(other, session)| {
                *other != key && session.settings.get("label") == Some(label)
            })
        });
        if let (true, Some(label)) = (taken, label.and_then(Value::as_str)) {
            return Err(super::invalid(&format!("label already in use: {label}")));
        }
        let session = self.agent.sessions.open(&key, &mut self.entropy, now.wall);
        change(&mut session.settings, &call.params);
        session.updated = now.wall;
        let entry = session.entry();
        self.tell_sessions_changed(now, &key, "patch", None);
        Ok(json!({
            "ok": true,
            "path": STORE,
            "key": key,
            "entry": entry,
            "resolved": {"modelProvider": "clawproof", "model": "scripted"},
        }))
    }

    fn reset_session(&mut self, now: Now, call: &Call) -> Value {
        let key = canonical_key(call.text("key"));
        self.abort_session(now, &key);
        let session = self.agent.sessions.reset(&key, &mut self.entropy, now.wall);
        let entry = session.entry();
        let reason = call.given("reason").unwrap_or("reset");
        self.tell_sessions_changed(now, &key, reason, None);
        json!({"ok": true, "key": key, "entry": entry})
    }

    fn delete_session(
        &mut self,
        now: Now,
        call: &Call,
    ) -> Result<Value, gateway_protocol::ErrorShape> {
        let key = canonical_key(call.text("key"));
        if key == canonical_key("main") {
            return Err(super::invalid(&format!(
                "Cannot delete the main session ({key})."
            )));
        }
        self.abort_session(now, &key);
        let deleted = self.agent.sessions.remove(&key);
        if deleted {
            self.tell_sessions_changed(now, &key, "delete", None);
        }
        Ok(json!({"ok": true, "key": key, "deleted": deleted, "archived": []}))
    }

    fn session_messages(&self, call: &Call) -> Value {
        let key = call.given("key").or_else(|| call.given("sessionKey"));
        let session = self.agent.sessions.find(key.unwrap_or("main"));
        let messages = session.map_or(&[][..], |session| &session.messages);
        let limit = call.number("limit").unwrap_or(200);
        let from = messages.len().saturating_sub(limit);
        json!({"messages": messages.get(from..).unwrap_or_default()})
    }

    fn preview_sessions(&self, now: Now, call: &Call) -> Value {
        let keys = call.params.get("keys").and_then(Value::as_array);
        let limit = call.number("limit").unwrap_or(12);
        let max_chars = call.number("maxChars").unwrap_or(240);
        let preview = |key: &str| match self.agent.sessions.find(key) {
            None => json!({"key": key, "status": "missing", "items": []}),
            Some(session) => {
                let items = session.preview(limit, max_chars);
                let status = if items.is_empty() { "empty" } else { "ok" };
                json!({"key": key, "status": status, "items": items})
            }
        };
        let keys = keys.into_iter().flatten().filter_map(Value::as_str);
        json!({"ts": now.wall.0, "previews": keys.map(preview).collect::<Vec<_>>()})
    }

    fn resolve_session(&self, call: &Call) -> Result<Value, gateway_protocol::ErrorShape> {
        let found = self.agent.sessions.iter().find(|(key, session)| {
            let label = session.settings.get("label").and_then(Value::as_str);
            call.given("key")
                .is_some_and(|wanted| canonical_key(wanted) == **key)
                || call.given("sessionId") == Some(session.id.as_str())
                || (label.is_some() && call.given("label") == label)
        });
        let wanted = ["key", "sessionId", "label"]
            .iter()
            .find_map(|name| call.given(name));
        match (found, wanted) {
            (Some((key, _)), _) => Ok(Object::new()
                .with("ok", true)
                .with("key", key.as_str())
                .when(self.profile.rules.rich_lists, "agentId", AGENT_ID)
                .build()),
            (None, _) if call.params.get("allowMissing") == Some(&Value::Bool(true)) => {
                Ok(json!({"ok": false}))
            }
            (None, Some(wanted)) => Err(super::invalid(&format!("No session found: {wanted}"))),
            (None, None) => Err(super::invalid(
                "Either key, sessionId, or label is required",
            )),
        }
    }

    fn send_to_session(&mut self, now: Now, call: &Call) -> Value {
        let key = canonical_key(call.text("key"));
        let run = call
            .given("idempotencyKey")
            .map_or_else(|| self.entropy.uuid(), str::to_owned);
        self.start_run(now, &run, &key, Asked::Chat, call.text("message"));
        let seq = self
            .agent
            .sessions
            .find(&key)
            .map_or(1, |session| session.messages.len());
        json!({"runId": run, "status": "started", "messageSeq": seq})
    }

    fn abort_in_session(&mut self, now: Now, call: &Call) -> Value {
        let stopped = match (call.given("runId"), call.given("key")) {
            (Some(run), _) => {
                let run = run.to_owned();
                self.abort_run(now, &run).then_some(run)
            }
            (None, Some(key)) => self
                .abort_session(now, &canonical_key(key))
                .into_iter()
                .next(),
            (None, None) => None,
        };
        let status = if stopped.is_some() {
            "aborted"
        } else {
            "no-active-run"
        };
        json!({"ok": true, "abortedRunId": stopped, "status": status})
    }

    fn listen_to_sessions(&mut self, call: &Call) -> Value {
        let subscribed = call.method == "sessions.subscribe";
        if subscribed {
            self.agent.session_listeners.insert(call.conn);
        } else {
            self.agent.session_listeners.remove(&call.conn);
        }
        json!({"subscribed": subscribed})
    }

    fn listen_to_messages(&mut self, call: &Call) -> Value {
        let subscribed = call.method == "sessions.messages.subscribe";
        let key = canonical_key(call.text("key"));
        let listener = (call.conn, key.clone());
        if subscribed {
            self.agent.message_listeners.insert(listener);
        } else {
            self.agent.message_listeners.remove(&listener);
        }
        json!({"subscribed": subscribed, "key": key})
    }
}

/// Takes over what a request says about a session; null takes a setting away.
fn change(settings: &mut Map<String, Value>, params: &Value) {
    let Some(params) = params.as_object() else {
        return;
    };
    for (name, value) in params {
        if NO_SETTINGS.contains(&name.as_str()) || name.starts_with("expected") {
            continue;
        }
        if value.is_null() {
            settings.remove(name);
        } else {
            settings.insert(name.clone(), value.clone());
        }
    }
}
