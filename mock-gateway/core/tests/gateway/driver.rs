//! A client at the other end of a pure gateway: opens connections, signs, reads what comes back.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use gateway_core::{
    Config, Control, ControlError, Gateway, Input, Lifecycle, Output, Peer, profile,
};
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{
    CloseFrame, Frame, Keypair, Now, Outgoing, SignaturePayload, SignatureVersion,
};
use serde_json::{Value, json};

/// The shared token of every test gateway.
pub(crate) const TOKEN: &str = "test-shared-token";
/// An address from a documentation range.
pub(crate) const REMOTE: &str = "203.0.113.7";

/// What arrived on one connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Got {
    Frame(Value),
    Ping,
    Close(CloseFrame),
    Abort,
}

/// A gateway with clients.
pub(crate) struct World {
    pub(crate) gateway: Gateway,
    pub(crate) at: Duration,
    next_conn: u32,
    next_id: u32,
    inboxes: BTreeMap<u32, VecDeque<Got>>,
    nonces: BTreeMap<u32, String>,
    pub(crate) lifecycle: Vec<Lifecycle>,
}

/// What a client says of itself.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) key: Option<Keypair>,
    pub(crate) params: Value,
    pub(crate) version: SignatureVersion,
}

impl Client {
    /// A command line client with its own device, asking for `scopes`.
    pub(crate) fn cli(seed: u8, scopes: &[&str]) -> Self {
        Self::new(seed, "cli", "cli", "operator", scopes, "linux", None)
    }

    /// A desktop operator.
    pub(crate) fn desktop(seed: u8, scopes: &[&str]) -> Self {
        Self::new(
            seed,
            "openclaw-macos",
            "ui",
            "operator",
            scopes,
            "macOS 26.1.0",
            Some("Mac"),
        )
    }

    /// A node host with these commands.
    pub(crate) fn node(seed: u8, commands: &[&str]) -> Self {
        let mut client = Self::new(
            seed,
            "node-host",
            "node",
            "node",
            &[],
            "linux",
            Some("Linux"),
        );
        client.params["caps"] = json!(["system"]);
        client.params["commands"] = json!(commands);
        client
    }

    /// An official iOS node.
    pub(crate) fn ios(seed: u8, commands: &[&str]) -> Self {
        let mut client = Self::new(
            seed,
            "openclaw-ios",
            "node",
            "node",
            &[],
            "iOS 18.4.0",
            Some("iPhone"),
        );
        client.params["caps"] = json!(["device"]);
        client.params["commands"] = json!(commands);
        client
    }

    /// The gateway's own helper: no device.
    pub(crate) fn backend(scopes: &[&str]) -> Self {
        Self::new(
            0,
            "gateway-client",
            "backend",
            "operator",
            scopes,
            "linux",
            None,
        )
        .without_device()
    }

    fn new(
        seed: u8,
        id: &str,
        mode: &str,
        role: &str,
        scopes: &[&str],
        platform: &str,
        family: Option<&str>,
    ) -> Self {
        let mut params = json!({
            "minProtocol": 4,
            "maxProtocol": 4,
            "client": {"id": id, "version": "1.0.0", "platform": platform, "mode": mode, "displayName": format!("client {seed}")},
            "role": role,
            "scopes": scopes,
            "auth": {"token": TOKEN},
        });
        if let Some(family) = family {
            params["client"]["deviceFamily"] = json!(family);
        }
        Self {
            key: Some(Keypair::from_seed([seed; 32])),
            params,
            version: SignatureVersion::V3,
        }
    }

    pub(crate) fn without_device(mut self) -> Self {
        self.key = None;
        self
    }

    pub(crate) fn auth(mut self, auth: Value) -> Self {
        self.params["auth"] = auth;
        self
    }

    /// Sets or, with null, removes a member of the connect params.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = if parent.is_empty() {
            &mut self.params
        } else {
            self.params.pointer_mut(parent).unwrap()
        };
        if value.is_null() {
            parent.as_object_mut().unwrap().remove(name);
        } else {
            parent[name] = value;
        }
        self
    }

    pub(crate) fn id(&self) -> String {
        self.key.as_ref().unwrap().device_id().as_str().to_owned()
    }

    /// Connect params with a signed device block.
    pub(crate) fn signed(&self, nonce: &str, signed_at: i64) -> Value {
        let mut params = self.params.clone();
        let Some(key) = &self.key else { return params };
        let auth = &params["auth"];
        let token = ["token", "deviceToken", "bootstrapToken"]
            .iter()
            .find_map(|name| auth[*name].as_str());
        let scopes: Vec<String> =
            serde_json::from_value(params["scopes"].clone()).unwrap_or_default();
        let (id, client) = (self.id(), &params["client"]);
        let payload = SignaturePayload {
            device_id: &id,
            client_id: client["id"].as_str().unwrap(),
            client_mode: client["mode"].as_str().unwrap(),
            role: params["role"].as_str().unwrap_or("operator"),
            scopes: &scopes,
            signed_at,
            token: token.unwrap_or_default(),
            nonce,
            platform: client["platform"].as_str().unwrap(),
            device_family: client["deviceFamily"].as_str().unwrap_or_default(),
        };
        let signature = key.sign(&payload.text(self.version));
        params["device"] = json!({
            "id": id,
            "publicKey": key.public().to_base64url(),
            "signature": signature,
            "signedAt": signed_at,
            "nonce": nonce,
        });
        params
    }
}

impl World {
    pub(crate) fn new(version: &str) -> Self {
        Self::with(version, Config::with_token(TOKEN))
    }

    pub(crate) fn with(version: &str, config: Config) -> Self {
        let at = Duration::ZERO;
        let gateway = Gateway::new(
            config,
            profile(version).unwrap(),
            7,
            Now::at(at, VIRTUAL_EPOCH),
        );
        Self {
            gateway,
            at,
            next_conn: 0,
            next_id: 0,
            inboxes: BTreeMap::new(),
            nonces: BTreeMap::new(),
            lifecycle: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now::at(self.at, VIRTUAL_EPOCH)
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.gateway.handle(self.now(), input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.gateway.poll() {
            let (conn, got) = match output {
                Output::Send { conn, message } => (conn, Got::Frame(as_json(message))),
                Output::Ping { conn } => (conn, Got::Ping),
                Output::Close { conn, frame } => (conn, Got::Close(frame)),
                Output::Abort { conn } => (conn, Got::Abort),
                Output::Lifecycle(change) => {
                    self.lifecycle.push(change);
                    continue;
                }
                Output::Limit { .. } | Output::Synthetic { .. } | Output::Log(_) => continue,
            };
            self.inboxes.entry(conn).or_default().push_back(got);
        }
    }

    /// Lets time pass, waking the gateway at each of its deadlines.
    pub(crate) fn elapse(&mut self, ms: u64) {
        let end = self.at + Duration::from_millis(ms);
        while let Some(at) = self.gateway.wake_at().filter(|at| *at <= end) {
            self.at = at.max(self.at);
            self.input(Input::Woke);
        }
        self.at = end;
        self.input(Input::Woke);
    }

    pub(crate) fn control(&mut self, control: Control) -> Result<Value, ControlError> {
        let result = self.gateway.control(self.now(), control);
        self.drain();
        result
    }

    /// Opens a connection from this machine.
    pub(crate) fn open(&mut self) -> u32 {
        self.open_from(Peer::loopback())
    }

    pub(crate) fn open_remote(&mut self) -> u32 {
        self.open_from(Peer::at(REMOTE.parse::<IpAddr>().unwrap()))
    }

    pub(crate) fn open_from(&mut self, peer: Peer) -> u32 {
        self.next_conn += 1;
        let conn = self.next_conn;
        self.input(Input::Opened { conn, peer });
        let challenge = self.inboxes.entry(conn).or_default().front().cloned();
        if let Some(Got::Frame(frame)) = challenge {
            self.nonces.insert(
                conn,
                frame["payload"]["nonce"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        conn
    }

    pub(crate) fn nonce(&self, conn: u32) -> &str {
        self.nonces.get(&conn).map_or("", String::as_str)
    }

    pub(crate) fn text(&mut self, conn: u32, text: &str) {
        self.input(Input::Text {
            conn,
            text: text.to_owned(),
        });
    }

    /// Sends a request; gives its id.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers write json! in place"
    )]
    pub(crate) fn request(&mut self, conn: u32, method: &str, params: Value) -> String {
        self.next_id += 1;
        let id = format!("r{}", self.next_id);
        let frame = json!({"type": "req", "id": id, "method": method, "params": params});
        self.text(conn, &frame.to_string());
        id
    }

    /// Sends a request and takes its answer out of the inbox.
    pub(crate) fn call(&mut self, conn: u32, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.request(conn, method, params);
        self.answer(conn, &id)
    }

    /// Takes the answer to a request out of the inbox.
    pub(crate) fn answer(&mut self, conn: u32, id: &str) -> Result<Value, Value> {
        let frame = self
            .take(conn, |got| matches!(got, Got::Frame(frame) if frame["type"] == "res" && frame["id"] == id))
            .unwrap_or_else(|| panic!("no answer to {id} on {conn}: {:?}", self.inboxes.get(&conn)));
        let Got::Frame(frame) = frame else {
            unreachable!()
        };
        if frame["ok"] == true {
            Ok(frame["payload"].clone())
        } else {
            Err(frame["error"].clone())
        }
    }

    fn take(&mut self, conn: u32, wanted: impl Fn(&Got) -> bool) -> Option<Got> {
        let inbox = self.inboxes.entry(conn).or_default();
        let index = inbox.iter().position(wanted)?;
        inbox.remove(index)
    }

    /// Takes the next event of that name out of the inbox.
    pub(crate) fn event(&mut self, conn: u32, name: &str) -> Option<Value> {
        let got = self.take(
            conn,
            |got| matches!(got, Got::Frame(frame) if frame["event"] == name),
        )?;
        match got {
            Got::Frame(frame) => Some(frame),
            Got::Ping | Got::Close(_) | Got::Abort => None,
        }
    }

    /// The close frame the gateway sent, as code and reason.
    pub(crate) fn closed(&mut self, conn: u32) -> Option<(u16, String)> {
        match self.take(conn, |got| matches!(got, Got::Close(_)))? {
            Got::Close(frame) => Some((frame.code, frame.reason)),
            Got::Frame(_) | Got::Ping | Got::Abort => None,
        }
    }

    /// Everything that has arrived and was not taken.
    pub(crate) fn inbox(&mut self, conn: u32) -> Vec<Got> {
        self.inboxes.entry(conn).or_default().drain(..).collect()
    }

    /// Sends `connect`; the answer is the hello payload or the error.
    pub(crate) fn connect_on(&mut self, conn: u32, client: &Client) -> Result<Value, Value> {
        let params = client.signed(self.nonce(conn), self.now().wall.0);
        self.call(conn, "connect", params)
    }

    /// Opens locally and connects; the client must get in.
    pub(crate) fn join(&mut self, client: &Client) -> (u32, Value) {
        let conn = self.open();
        let hello = self
            .connect_on(conn, client)
            .unwrap_or_else(|error| panic!("refused: {error}"));
        (conn, hello)
    }

    /// Opens remotely and connects; the client must get in.
    pub(crate) fn join_remote(&mut self, client: &Client) -> (u32, Value) {
        let conn = self.open_remote();
        let hello = self
            .connect_on(conn, client)
            .unwrap_or_else(|error| panic!("refused: {error}"));
        (conn, hello)
    }

    /// An operator that may do everything.
    pub(crate) fn admin(&mut self) -> u32 {
        self.join(&Client::backend(&["operator.admin"])).0
    }

    /// Opens and connects; the client must be refused. Gives the error and the close frame.
    pub(crate) fn refused(&mut self, client: &Client, remote: bool) -> (Value, (u16, String)) {
        let conn = if remote {
            self.open_remote()
        } else {
            self.open()
        };
        let error = self
            .connect_on(conn, client)
            .map_or_else(|error| error, |hello| panic!("let in: {hello}"));
        (error, self.closed(conn).expect("no close frame"))
    }

    pub(crate) fn hang_up(&mut self, conn: u32) {
        self.input(Input::Closed {
            conn,
            code: Some(1000),
        });
    }
}

fn as_json(message: Outgoing) -> Value {
    match message {
        Outgoing::Frame(frame) => Frame::to_value(&frame),
        Outgoing::Text(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Outgoing::Binary(bytes) => json!({"binary": bytes.len()}),
    }
}

/// Sets up TOML-like behaviours in one line.
pub(crate) fn mount(behavior: Value) -> Control {
    Control::Mount {
        behavior: Box::new(serde_json::from_value(behavior).unwrap()),
    }
}
