//! Recorded exchanges with the real gateways, played again: the client's half goes in, the gateway's half must come out.
//!
//! Ids and tokens differ from run to run. Request and invoke ids are learned where both sides name the same thing and
//! translated in what the client says later; tokens are signed by clients, so the recorded value is put into our
//! gateway instead. Left out of `recordings/`: hello features and snapshots, health, presence, ticks.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::time::Duration;

use gateway_protocol::{CloseFrame, DeviceToken, Frame, Now, Outgoing, UnixMillis};
use rstest::rstest;
use serde_json::Value;

use crate::{AuthConfig, AuthMode, Config, Gateway, Input, NodesConfig, Output, Peer, profile};

/// Methods whose answers are not imitated word for word.
const LOOSE: &[&str] = &[
    "skills.bins",
    "status",
    "config.get",
    "system-presence",
    "health",
    "exec.approval.list",
    "device.pair.setupCode",
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

/// The configuration each recording was made with.
fn config(name: &str) -> Config {
    let mut config = Config::with_token("oracle-token");
    config.trusted_proxies = vec!["127.0.0.2".into()];
    if name == "201" {
        config.auth = AuthConfig {
            mode: AuthMode::Password,
            password: Some(gateway_protocol::Password::new("oracle-pass")),
            ..AuthConfig::default()
        };
    }
    if name == "204" {
        config.nodes = NodesConfig {
            allow_commands: vec!["camera.snap".into(), "made.up".into()],
            deny_commands: vec!["device.info".into()],
            ..NodesConfig::default()
        };
    }
    config
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
        let gateway = Gateway::new(config(name), profile(version).unwrap(), 1, now);
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
        }
    }

    fn run(mut self) -> Vec<String> {
        for entry in self.entries.clone() {
            let ms = entry["t_ms"].as_i64().unwrap();
            let since_start = Duration::from_millis(ms.try_into().unwrap());
            let now = Now {
                since_start,
                wall: UnixMillis(self.base + ms),
            };
            let name = entry["conn"].as_str().unwrap_or_default().to_owned();
            let frame = &entry["frame"];
            match entry["dir"].as_str().unwrap() {
                "open" if frame["status"] == 101 => self.open(now, &name, frame),
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
                Output::Ping { .. }
                | Output::Abort { .. }
                | Output::Limit { .. }
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

    /// A setup code minted by the real command line.
    fn minted(&mut self, frame: &Value) {
        let Some(token) = frame["decoded"]["bootstrapToken"].as_str() else {
            return;
        };
        let scopes = self
            .gateway
            .profile
            .bootstrap_scopes
            .iter()
            .map(|scope| (*scope).to_owned())
            .collect();
        let expires = UnixMillis(i64::MAX);
        self.gateway
            .setup_tokens
            .mint("setup".into(), token.to_owned(), expires, scopes, "full");
    }

    fn gateway_said(&mut self, now: Now, name: &str, frame: &Value) {
        let event = frame["event"].as_str().unwrap_or_default();
        if NOISE.contains(&event) || frame.get("type").is_none() {
            return;
        }
        let conn = self.conns[name];
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

    fn translate(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (recorded, ours) in &self.ids {
            text = text.replace(recorded, ours);
            // A cut reason holds the first part of an id.
            for length in (8..36).rev() {
                let (cut, replacement) = (&recorded[..length], &ours[..length]);
                if text.ends_with(cut) {
                    text = format!("{}{replacement}", &text[..text.len() - length]);
                }
            }
        }
        text
    }

    fn compare(&mut self, name: &str, at: &str, recorded: &Value, ours: &Value) {
        match (recorded, ours) {
            (Value::Object(a), Value::Object(b)) => {
                let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
                for member in names {
                    let at = format!("{at}/{member}");
                    match (a.get(member), b.get(member)) {
                        (Some(Value::String(cut)), _) if cut == "<cut>" => {}
                        // Timing dependent, written late, or outside of what is imitated.
                        _ if ["seq", "pluginSurfaceUrls", "recipientProfileId"]
                            .contains(&member.as_str()) => {}
                        (Some(a), Some(b)) if is_time(member) && a.is_number() && b.is_number() => {
                        }
                        (Some(a), Some(b)) => self.compare(name, &at, a, b),
                        (a, b) => self
                            .problems
                            .push(format!("{name}{at}: recorded {a:?}, ours {b:?}")),
                    }
                }
            }
            (Value::Array(a), Value::Array(b)) if is_list(at) => self.compare_lists(name, at, a, b),
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    self.compare(name, &format!("{at}/{index}"), a, b);
                }
            }
            (Value::String(a), Value::String(b)) => self.compare_texts(name, at, a, b),
            (Value::Number(a), Value::Number(b)) if at.ends_with("/timeoutMs") => {
                let difference = a.as_i64().unwrap() - b.as_i64().unwrap();
                if difference.abs() > 100 {
                    self.problems
                        .push(format!("{name}{at}: recorded {a}, ours {b}"));
                }
            }
            (a, b) if a == b => {}
            (a, b) => self
                .problems
                .push(format!("{name}{at}: recorded {a}, ours {b}")),
        }
    }

    /// Lists of the real gateway also hold what other recordings left behind.
    fn compare_lists(&mut self, name: &str, at: &str, recorded: &[Value], ours: &[Value]) {
        let key = |value: &Value| {
            ["deviceId", "nodeId"]
                .iter()
                .find_map(|member| value[*member].as_str().map(str::to_owned))
        };
        for entry in ours {
            match recorded.iter().find(|other| key(other) == key(entry)) {
                Some(other) => self.compare(name, &format!("{at}/*"), other, entry),
                None => self
                    .problems
                    .push(format!("{name}{at}: not in the recorded list: {entry}")),
            }
        }
    }

    fn compare_texts(&mut self, name: &str, at: &str, recorded: &str, ours: &str) {
        if recorded == ours || self.translate(recorded) == ours {
            return;
        }
        let (a, b) = (uuids(recorded), uuids(ours));
        if !a.is_empty() && a.len() == b.len() && blank(recorded, &a) == blank(ours, &b) {
            for (recorded, ours) in a.into_iter().zip(b) {
                if let Some(known) = self
                    .ids
                    .insert(recorded.clone(), ours.clone())
                    .filter(|known| *known != ours)
                {
                    self.problems
                        .push(format!("{name}{at}: {recorded} was {known}, now {ours}"));
                }
            }
            return;
        }
        if recorded.len() == 43 && ours.len() == 43 {
            self.adopt_token(recorded, ours);
            return;
        }
        self.problems
            .push(format!("{name}{at}: recorded {recorded:?}, ours {ours:?}"));
    }

    /// Puts a recorded token where our gateway has its own.
    fn adopt_token(&mut self, recorded: &str, ours: &str) {
        let ids: Vec<_> = self
            .gateway
            .devices
            .oldest_first()
            .map(|device| device.id.clone())
            .collect();
        for id in ids {
            for token in self
                .gateway
                .devices
                .find_mut(&id)
                .unwrap()
                .tokens
                .values_mut()
            {
                if token.value.expose() == ours {
                    token.value = DeviceToken::new(recorded);
                }
            }
        }
        for record in self.gateway.nodes.records.values_mut() {
            if record.token.as_deref() == Some(ours) {
                record.token = Some(recorded.to_owned());
            }
        }
    }
}

fn is_time(member: &str) -> bool {
    member.ends_with("AtMs") || member == "ts"
}

fn is_list(at: &str) -> bool {
    ["/payload/pending", "/payload/paired", "/payload/nodes"].contains(&at)
}

/// Every UUID in a text.
fn uuids(text: &str) -> Vec<String> {
    let is_uuid = |part: &str| {
        part.len() == 36
            && part.bytes().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    (0..text.len().saturating_sub(35))
        .filter_map(|start| text.get(start..start + 36))
        .filter(|part| is_uuid(part))
        .map(str::to_owned)
        .collect()
}

fn blank(text: &str, ids: &[String]) -> String {
    ids.iter()
        .fold(text.to_owned(), |text, id| text.replace(id, "<uuid>"))
}

#[rstest]
fn older_release(
    #[values(
        "03", "05", "07", "14", "50", "82", "200", "119", "09", "101", "102", "104", "105", "106",
        "11", "15", "18", "20", "201", "204", "31", "33", "34", "35", "36", "37", "41", "42", "45",
        "52", "53", "60", "61", "62", "70", "71", "72", "73", "74", "75", "76", "77", "83", "85",
        "91", "93", "96", "97", "98", "99"
    )]
    name: &str,
) {
    let problems = Replay::new("2026.6.34", name).run();
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[rstest]
fn newer_release(
    #[values(
        "03", "05", "07", "14", "50", "82", "119", "09", "101", "102", "104", "106", "11", "15",
        "18", "20", "201", "31", "33", "34", "35", "36", "37", "41", "42", "45", "60", "61", "62",
        "65", "70", "71", "72", "73", "74", "75", "76", "77", "81", "83", "85", "91", "93", "96",
        "97", "98", "99"
    )]
    name: &str,
) {
    let problems = Replay::new("2026.9.6", name).run();
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
}
