//! Chat sessions: their settings and messages. ref: real-clients.md §3, §6
//!
//! A session here is always a chat session: a conversation, never a socket.

use std::collections::BTreeMap;

use gateway_protocol::UnixMillis;
use serde_json::{Map, Value, json};

use super::AGENT_ID;
use crate::entropy::Entropy;
use crate::json::Object;

/// All conversations by key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    by_key: BTreeMap<String, Session>,
}

/// One conversation.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) started: UnixMillis,
    pub(crate) updated: UnixMillis,
    /// What `sessions.patch` and `sessions.create` have set.
    pub(crate) settings: Map<String, Value>,
    pub(crate) messages: Vec<Value>,
}

/// The form in which keys are kept and told: `main` is `agent:main:main`.
pub(crate) fn canonical_key(key: &str) -> String {
    let known = ["global", "unknown"].contains(&key) || key.starts_with("agent:");
    if known {
        key.to_owned()
    } else {
        format!("agent:{AGENT_ID}:{key}")
    }
}

impl Sessions {
    pub(crate) fn find(&self, key: &str) -> Option<&Session> {
        self.by_key.get(&canonical_key(key))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Session)> {
        self.by_key.iter()
    }

    /// The session with this key, made when there is none.
    pub(crate) fn open(
        &mut self,
        key: &str,
        entropy: &mut Entropy,
        now: UnixMillis,
    ) -> &mut Session {
        self.by_key
            .entry(canonical_key(key))
            .or_insert_with(|| Session::new(entropy, now))
    }

    /// Starts the conversation anew: new id, no messages, same settings.
    pub(crate) fn reset(
        &mut self,
        key: &str,
        entropy: &mut Entropy,
        now: UnixMillis,
    ) -> &mut Session {
        let fresh = Session::new(entropy, now);
        let session = self
            .by_key
            .entry(canonical_key(key))
            .or_insert_with(|| fresh.clone());
        session.id = fresh.id;
        session.started = now;
        session.updated = now;
        session.messages.clear();
        session
    }

    pub(crate) fn remove(&mut self, key: &str) -> bool {
        self.by_key.remove(&canonical_key(key)).is_some()
    }
}

impl Session {
    fn new(entropy: &mut Entropy, now: UnixMillis) -> Self {
        Self {
            id: entropy.uuid(),
            started: now,
            updated: now,
            settings: Map::new(),
            messages: Vec::new(),
        }
    }

    /// Adds a message and gives it as clients see it.
    pub(crate) fn say(
        &mut self,
        role: &str,
        text: &str,
        entropy: &mut Entropy,
        now: UnixMillis,
    ) -> Value {
        let seq = self.messages.len() + 1;
        let message = Object::new()
            .with("role", role)
            .with("content", json!([{"type": "text", "text": text}]))
            .with("timestamp", now.0)
            .with("__openclaw", json!({"id": entropy.uuid(), "seq": seq}))
            .build();
        self.messages.push(message.clone());
        self.updated = now;
        message
    }

    /// The text of its last message.
    pub(crate) fn last_text(&self) -> Option<&str> {
        self.messages.last().and_then(text_of)
    }

    /// What is stored of it: `entry` in answers.
    pub(crate) fn entry(&self) -> Value {
        let mut entry = self.settings.clone();
        entry.insert("sessionId".to_owned(), self.id.as_str().into());
        entry.insert("sessionStartedAt".to_owned(), self.started.0.into());
        entry.insert("updatedAt".to_owned(), self.updated.0.into());
        Value::Object(entry)
    }

    /// A row of `sessions.list`.
    pub(crate) fn row(&self, key: &str) -> Value {
        let mut row = Object::new()
            .with("key", key)
            .with("kind", kind_of(key))
            .with("sessionId", self.id.as_str())
            .with("updatedAt", self.updated.0);
        for (name, value) in &self.settings {
            row = row.with(name, value.clone());
        }
        row.build()
    }
}

/// The text of a message.
pub(crate) fn text_of(message: &Value) -> Option<&str> {
    message.pointer("/content/0/text")?.as_str()
}

fn kind_of(key: &str) -> &'static str {
    match key {
        "global" => "global",
        "unknown" => "unknown",
        _ => "direct",
    }
}
