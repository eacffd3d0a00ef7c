//! Recorded exchanges with the real gateways, played again: the client's half goes in, the gateway's half must come out.
//!
//! Ids and tokens differ from run to run. Request and invoke ids are learned where both sides name the same thing and
//! translated in what the client says later; tokens are signed by clients, so the recorded value is put into our
//! gateway instead. Left out of `recordings/`: hello features and snapshots, health, presence, ticks, pings.
//!
//! `recordings/index.tsv` says of every recording that was made whether it is played here, over HTTP
//! (`mock-gateway/tests/http_recordings.rs`), or why it is not. `ground.rs`: its configuration; `compare.rs`: the comparison;
//! `index.rs`: the index.

mod compare;
mod ground;
mod index;

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::time::Duration;

use gateway_protocol::{CloseFrame, Frame, Now, Outgoing, UnixMillis};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{Gateway, Input, Output, Peer, profile};

/// Methods whose answers are not imitated word for word.
const LOOSE: &[&str] = &[
    "skills.bins",
    "status",
    "config.get",
    "system-presence",
    "health",
    "exec.approval.list",
    "device.pair.setupCode",
    // Every gateway has a key of its own.
    "gateway.identity.get",
];
/// Events that depend on timing.
const NOISE: &[&str] = &[
    "tick",
    "health",
    "presence",
    "connect.challenge",
    "device.pair.setup.completed",
    "task",
    "heartbeat",
    "cron",
    "sessions.changed",
    "update.available",
];

struct Replay {
    gateway: Gateway,
    base: i64,
    entries: Vec<Value>,
    conns: BTreeMap<String, u32>,
    outboxes: BTreeMap<u32, VecDeque<Value>>,
    closes: BTreeMap<u32, CloseFrame>,
    left: BTreeMap<u32, bool>,
    /// Recorded id to ours.
    ids: BTreeMap<String, String>,
    /// Method of each recorded request.
    methods: BTreeMap<(String, String), String>,
    problems: Vec<String>,
    /// The largest message that each connection may send.
    limits: BTreeMap<u32, u64>,
    is_up: bool,
}

#[expect(clippy::disallowed_methods, reason = "a test reads its recordings")]
fn entries(version: &str, name: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recordings")
        .join(version);
    let file = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&format!("{name}-"))
        })
        .unwrap_or_else(|| panic!("no recording {name}"));
    fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

impl Replay {
    fn new(version: &str, name: &str) -> Self {
        let entries = entries(version, name);
        let challenge = entries
            .iter()
            .find(|entry| entry["frame"]["event"] == "connect.challenge")
            .unwrap();
        let base = challenge["frame"]["payload"]["ts"].as_i64().unwrap()
            - challenge["t_ms"].as_i64().unwrap();
        let now = Now {
            since_start: Duration::ZERO,
            wall: UnixMillis(base),
        };
        let gateway = Gateway::new(ground::config(name), profile(version).unwrap(), 1, now);
        Self {
            gateway,
            base,
            entries,
            conns: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            closes: BTreeMap::new(),
            left: BTreeMap::new(),
            ids: BTreeMap::new(),
            methods: BTreeMap::new(),
            problems: Vec::new(),
            limits: BTreeMap::new(),
            is_up: true,
        }
    }

    fn run(mut self) -> Vec<String> {
        for (index, entry) in self.entries.clone().into_iter().enumerate() {
            let ms = entry["t_ms"].as_i64().unwrap();
            let since_start = Duration::from_millis(ms.try_into().unwrap());
            let now = Now {
                since_start,
                wall: UnixMillis(self.base + ms),
            };
            let name = entry["conn"].as_str().unwrap_or_default().to_owned();
            let frame = &entry["frame"];
            match entry["dir"].as_str().unwrap() {
                "open" if is_upgraded(frame) => {
                    self.starts(now);
                    self.open(now, &name, frame);
                }
                "note" => self.owner_does(now, frame),
                "c2g" if name == "cli" && self.succeeds(index) => self.owner_runs(now, frame),
                "c2g" if self.conns.contains_key(&name) => self.client_says(now, &name, frame),
                "g2c" if name == "cli" => self.minted(frame),
                "g2c" if self.conns.contains_key(&name) => self.gateway_said(now, &name, frame),
                "close" => self.closed(now, &name, frame),
                _ => {}
            }
        }
        for (conn, outbox) in &self.outboxes {
            // A client that hangs up at once may miss what follows its hello.
            let gone = self.left.contains_key(conn);
            let missed = |frame: &&Value| {
                gone && frame["event"]
                    .as_str()
                    .is_some_and(|event| event.starts_with("voicewake"))
            };
            for extra in outbox.iter().filter(|frame| !missed(frame)) {
                self.problems
                    .push(format!("conn {conn}: not in the recording: {extra}"));
            }
        }
        self.problems
    }

    fn input(&mut self, now: Now, input: Input) {
        self.gateway.handle(now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.gateway.poll() {
            match output {
                Output::Send { conn, message } => {
                    let value = match message {
                        Outgoing::Frame(frame) => Frame::to_value(&frame),
                        Outgoing::Text(text) => serde_json::from_str(&text).unwrap(),
                        Outgoing::Binary(_) => Value::Null,
                    };
                    let noise = value["event"]
                        .as_str()
                        .is_some_and(|event| NOISE.contains(&event));
                    if !noise && !self.left.contains_key(&conn) {
                        self.outboxes.entry(conn).or_default().push_back(value);
                    }
                }
                Output::Close { conn, frame } => {
                    self.closes.insert(conn, frame);
                }
                Output::Limit { conn, max_message } => {
                    self.limits
                        .insert(conn, u64::try_from(max_message).unwrap());
                }
                Output::Ping { .. }
                | Output::Abort { .. }
                | Output::Lifecycle(_)
                | Output::Synthetic { .. }
                | Output::Log(_) => {}
            }
        }
    }

    fn open(&mut self, now: Now, name: &str, frame: &Value) {
        let conn = u32::try_from(self.conns.len()).unwrap() + 1;
        self.conns.insert(name.to_owned(), conn);
        let text = |name: &str| frame[name].as_str().map(str::to_owned);
        let headers = frame["headers"].as_object().into_iter().flatten();
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        let host = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, host)| host.clone());
        let peer = Peer {
            remote_ip: text("from")
                .map_or_else(|| "127.0.0.1".parse().unwrap(), |ip| ip.parse().unwrap()),
            origin: text("origin"),
            host: text("host")
                .or(host)
                .or_else(|| Some("127.0.0.1:18640".to_owned())),
            headers,
        };
        self.input(now, Input::Opened { conn, peer });
        let nonce = self.entries.iter().find_map(|entry| {
            let right = entry["conn"] == name && entry["frame"]["event"] == "connect.challenge";
            right.then(|| {
                entry["frame"]["payload"]["nonce"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
        });
        let connection = self.gateway.connections.get_mut(&conn).unwrap();
        connection.handshake_mut().unwrap().nonce = nonce.unwrap_or_default().into();
    }

    fn client_says(&mut self, now: Now, name: &str, frame: &Value) {
        let conn = self.conns[name];
        match frame["ws"].as_str() {
            Some("close" | "tcp-abort") => {
                self.left.insert(conn, true);
                self.input(
                    now,
                    Input::Closed {
                        conn,
                        code: Some(1000),
                    },
                );
            }
            Some("text") if frame.get("what").is_some() => self.client_says_much(now, conn, frame),
            Some("text in 3 fragments") => {
                let text = frame["json"].to_string();
                self.input(now, Input::Text { conn, text });
            }
            Some("invalid UTF-8 text") => {
                self.input(now, Input::ProtocolError { conn, code: 1007 });
            }
            Some("continuation without start" | "reserved opcode 3") => {
                self.input(now, Input::ProtocolError { conn, code: 1002 });
            }
            Some("text") => {
                let text = frame["text"].as_str().unwrap().to_owned();
                self.input(now, Input::Text { conn, text });
            }
            Some("binary") => {
                // Without JSON only the length was recorded.
                let bytes = frame
                    .get("json")
                    .map_or_else(|| vec![1, 2, 3], |json| json.to_string().into_bytes());
                self.input(now, Input::Binary { conn, bytes });
            }
            Some(other) => panic!("{other}"),
            None => {
                if let (Some(id), Some(method)) = (frame["id"].as_str(), frame["method"].as_str()) {
                    self.methods
                        .insert((name.to_owned(), id.to_owned()), method.to_owned());
                }
                let mut text = frame.to_string();
                for (recorded, ours) in &self.ids {
                    text = text.replace(recorded, ours);
                }
                self.input(now, Input::Text { conn, text });
            }
        }
    }

    /// Of a padded message only its kind and length were recorded.
    fn client_says_much(&mut self, now: Now, conn: u32, frame: &Value) {
        let bytes = frame["len"].as_u64().unwrap();
        if bytes > self.limits[&conn] {
            self.input(now, Input::TooLarge { conn });
            return;
        }
        let before_hello = self.gateway.connections[&conn].handshake().is_some();
        let frame = if before_hello {
            json!({"type": "req", "id": "1", "method": "connect", "params": {
                "minProtocol": 4, "maxProtocol": 4, "role": "operator", "scopes": ["operator.read"],
                "client": {"id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend"},
                "auth": {"token": "oracle-token"},
            }})
        } else {
            json!({"type": "req", "id": "big", "method": "last-heartbeat", "params": {}})
        };
        let text = frame.to_string();
        self.input(now, Input::Text { conn, text });
    }

    fn gateway_said(&mut self, now: Now, name: &str, frame: &Value) {
        let event = frame["event"].as_str().unwrap_or_default();
        if NOISE.contains(&event) || frame.get("type").is_none() {
            return;
        }
        let conn = self.conns[name];
        if event == "shutdown" {
            self.stops(now);
        }
        self.input(now, Input::Woke);
        let outbox = self.outboxes.entry(conn).or_default();
        let same = |ours: &Value| {
            ours["type"] == frame["type"]
                && ours.get("event") == frame.get("event")
                && ours.get("id") == frame.get("id")
        };
        let Some(index) = outbox.iter().position(same) else {
            if !self.left.contains_key(&conn) {
                self.problems.push(format!("{name}: missing: {frame}"));
            }
            return;
        };
        let ours = outbox.remove(index).unwrap();
        let id = frame["id"].as_str().unwrap_or_default().to_owned();
        let method = self
            .methods
            .get(&(name.to_owned(), id))
            .cloned()
            .unwrap_or_default();
        if let Some(code) = frame["payload"]["setupCode"].as_str() {
            let code = gateway_protocol::SetupCode::decode(code).unwrap();
            let setup_id = ours["payload"]["setupId"].as_str().unwrap().to_owned();
            self.ids.insert(
                frame["payload"]["setupId"].as_str().unwrap().to_owned(),
                setup_id,
            );
            let token = code.bootstrap_token.unwrap();
            self.gateway.setup_tokens.latest_mut().unwrap().token = token;
        }
        if LOOSE.contains(&method.as_str()) && frame["ok"] == true && ours["ok"] == true {
            return;
        }
        self.compare(name, "", frame, &ours);
    }

    fn closed(&mut self, now: Now, name: &str, frame: &Value) {
        let Some(conn) = self.conns.get(name).copied() else {
            return;
        };
        if self.left.contains_key(&conn) {
            return;
        }
        self.input(now, Input::Woke);
        let ours = self
            .closes
            .get(&conn)
            .map(|close| (u64::from(close.code), close.reason.clone()));
        let recorded = (
            frame["code"].as_u64().unwrap_or_default(),
            frame["reason"].as_str().unwrap_or_default().to_owned(),
        );
        let recorded = (recorded.0, self.translate(&recorded.1));
        let fits = ours
            .as_ref()
            .is_some_and(|ours| ours.0 == recorded.0 && ours.1 == recorded.1);
        if !fits {
            self.problems.push(format!(
                "{name}: close: recorded {recorded:?}, ours {ours:?}"
            ));
        }
        self.input(now, Input::Closed { conn, code: None });
    }
}

/// Some were recorded by a client of ours, some by a proxy.
fn is_upgraded(frame: &Value) -> bool {
    let proxied = frame["http"].as_str().unwrap_or_default();
    frame["status"] == 101 || proxied.contains(" 101 ")
}

/// Every recording in the folder of its release.
#[rstest]
fn a_recording_is_what_our_gateway_says(#[files("recordings/*/*.jsonl")] path: std::path::PathBuf) {
    let version = path.parent().and_then(Path::file_name).unwrap();
    let name = path.file_stem().unwrap().to_str().unwrap();
    let (number, _) = name.split_once('-').unwrap();
    let problems = Replay::new(version.to_str().unwrap(), number).run();
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
}
