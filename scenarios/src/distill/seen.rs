//! The connections of a script.

use std::collections::BTreeMap;

use serde_json::Value;
use transcript::{CloseInfo, Direction};

use crate::replay::script::{Line, Said, Script};

/// One connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Its number, from 1.
    pub conn: u32,
    /// When it opened, in microseconds.
    pub opened_us: u64,
    /// The `Origin` header of its upgrade: with one, a device is not let in unasked.
    pub origin: Option<String>,
    /// Params of its connect.
    pub connect: Option<Value>,
    /// Whether the connect was accepted; none when it was never answered.
    pub ok: Option<bool>,
    /// The error that it was answered with.
    pub error: Option<Value>,
    /// When it was answered.
    pub answered_us: u64,
    /// How the gateway closed it.
    pub close: Option<CloseInfo>,
    /// Whether the stream ended without a close frame.
    pub cut: bool,
    /// When it ended.
    pub ended_us: Option<u64>,
}

impl Seen {
    /// The role it asked for.
    pub fn role(&self) -> &str {
        self.connect
            .as_ref()
            .and_then(|params| params.get("role")?.as_str())
            .unwrap_or("operator")
    }

    /// `client.id`.
    pub fn client_id(&self) -> Option<&str> {
        self.connect.as_ref()?.pointer("/client/id")?.as_str()
    }

    /// Whether the companion connected, or nobody did: its ids are those of other programs, its names are its own.
    /// ref: client-behaviour.md §6
    pub fn is_companion(&self) -> bool {
        let name = self
            .connect
            .as_ref()
            .and_then(|params| params.pointer("/client/displayName")?.as_str());
        self.connect.is_none()
            || name.is_some_and(|name| {
                name.starts_with("OpenClaw Windows") || name.starts_with("Windows Node")
            })
    }

    /// The device that connected.
    pub fn device(&self) -> Option<&str> {
        self.connect.as_ref()?.pointer("/device/id")?.as_str()
    }

    /// Names of what was sent as credentials.
    pub fn auth(&self) -> Vec<&str> {
        let auth = self
            .connect
            .as_ref()
            .and_then(|params| params.get("auth")?.as_object());
        auth.into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// What the refusal says precisely.
    pub fn detail(&self) -> &str {
        let error = self.error.as_ref();
        error
            .and_then(|error| {
                error
                    .pointer("/details/code")
                    .or_else(|| error.get("code"))?
                    .as_str()
            })
            .unwrap_or_default()
    }

    /// Whether it was refused because what the client made itself did not fit: its signature, nonce, clock, device id.
    pub fn is_own_doing(&self) -> bool {
        self.ok == Some(false) && self.detail().starts_with("DEVICE_")
    }
}

/// Every connection, in the order in which they were opened.
pub fn seen(script: &Script) -> Vec<Seen> {
    let mut all: Vec<Seen> = Vec::new();
    let mut ids: BTreeMap<u32, String> = BTreeMap::new();
    for line in &script.lines {
        if let Said::Open(data) = &line.said {
            let origin = data.get("origin").and_then(Value::as_str);
            all.push(Seen {
                conn: line.conn,
                opened_us: line.t_us,
                origin: origin.map(str::to_owned),
                ..Seen::default()
            });
            continue;
        }
        if let Some(seen) = all.iter_mut().find(|seen| seen.conn == line.conn) {
            take(seen, line, &mut ids);
        }
    }
    all
}

fn take(seen: &mut Seen, line: &Line, ids: &mut BTreeMap<u32, String>) {
    let by_gateway = line.dir == Some(Direction::GatewayToClient);
    match &line.said {
        Said::Frame(frame)
            if !by_gateway
                && frame
                    .get("method")
                    .is_some_and(|method| method == "connect") =>
        {
            seen.connect = frame.get("params").cloned();
            let id = frame.get("id").and_then(Value::as_str).unwrap_or_default();
            ids.insert(line.conn, id.to_owned());
        }
        Said::Frame(frame)
            if by_gateway
                && seen.ok.is_none()
                && ids.get(&line.conn).is_some_and(|id| {
                    frame.get("id").and_then(Value::as_str) == Some(id.as_str())
                }) =>
        {
            seen.ok = frame.get("ok").and_then(Value::as_bool);
            seen.error = frame.get("error").cloned();
            seen.answered_us = line.t_us;
        }
        Said::Close(close) => {
            seen.ended_us = Some(line.t_us);
            seen.close = by_gateway.then(|| close.clone());
        }
        Said::End => {
            seen.ended_us = Some(line.t_us);
            seen.cut = by_gateway;
        }
        Said::Frame(_) | Said::Raw(_) | Said::Open(_) => {}
    }
}
