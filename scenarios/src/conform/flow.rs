//! A flow: a list of steps at the wire, read from TOML. The language is closed: no loops, no conditions.
//!
//! | step | does |
//! |---|---|
//! | `open` | opens a WebSocket and waits for the challenge |
//! | `connect` | opens one if need be, sends `connect`, waits for the answer |
//! | `request` | sends a request and waits for its answer, unless `nowait` |
//! | `text` `binary` `frame` `ping` | sends a message, or a single WebSocket frame with any bits |
//! | `await` | waits for an event, an answer or the end of a connection |
//! | `quiet` | lets time pass: virtual against the mock, real against a real gateway |
//! | `close` `abort` | ends a connection, with and without a close frame |
//! | `http` | one plain HTTP request |
//! | `setup_code` `restart` `reload` `stop` | what the owner of the gateway does at its machine |
//!
//! Texts may hold `$name`: a capture, `$shared` (the shared secret), `$ip` and `$ip2` (addresses of this flow alone),
//! `$device:NAME`, `$key:NAME`, `$nonce:CONNECTION`, `$authority`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// One flow.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Path below the flows without `.toml`.
    #[serde(skip)]
    pub id: String,
    /// SHA-256 of the file's text: says whether a golden record is of this text.
    #[serde(skip)]
    pub digest: String,
    /// What is true when the flow is `same`; a sentence.
    pub title: String,
    /// Where the fact is written down.
    pub about: String,
    /// Name of a gateway configuration of `configs.toml`; `base` when left out.
    #[serde(default = "base")]
    pub config: String,
    /// Gateway versions that can be asked this; all when empty.
    #[serde(default)]
    pub versions: Vec<String>,
    /// Takes more than half a minute of real time: run against a real gateway only when asked for.
    #[serde(default)]
    pub slow: bool,
    /// Needs a gateway to itself, since it ends or restarts it or counts what others do, too.
    #[serde(default)]
    pub alone: bool,
    /// Events and signals that count although they are noise elsewhere: `presence`, `tick`, `health`, `ping`.
    #[serde(default)]
    pub show: Vec<String>,
    /// Frames of one connection may come in any order.
    #[serde(default)]
    pub unordered: bool,
    /// What is done, in order.
    #[serde(rename = "step")]
    pub(crate) steps: Vec<Step>,
}

fn base() -> String {
    "base".to_owned()
}

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Open a WebSocket.
    Open(Open),
    /// Send `connect`.
    Connect(Box<Connect>),
    /// Send any other request.
    Request(Request),
    /// Send a text message.
    Text(Message),
    /// Send a binary message.
    Binary(Message),
    /// Send one WebSocket frame.
    Frame(RawFrame),
    /// Send an empty WebSocket ping, or one with a payload.
    Ping(Message),
    /// Wait for something.
    Await(Await),
    /// Let this many milliseconds pass.
    Quiet(u64),
    /// Close with a code.
    Close(Close),
    /// End the TCP connection.
    Abort(On),
    /// A plain HTTP request.
    Http(Http),
    /// Mint a setup code; its token becomes the capture of this name.
    SetupCode(SetupCode),
    /// Restart the gateway as its owner, wait until it is back.
    Restart(Restart),
    /// Edit the gateway's configuration file while it runs, wait until it has taken notice.
    Reload(Reload),
    /// End the gateway as its owner.
    Stop(Nothing),
}

/// No options.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A connection by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct On {
    /// Which.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
}

fn first() -> String {
    "a".to_owned()
}

/// Options of `open`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Open {
    /// Name of the connection.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
    /// `local` (default), `remote` (through the trusted proxy, with the flow's own address) or an IP address.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// Request target.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// Method of the upgrade request.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// Headers added to the upgrade, or put in place of what it has; `$absent` takes one away.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Whether a challenge is waited for.
    #[serde(default = "yes")]
    pub(crate) challenge: bool,
    /// Whether the headers of the 101 are recorded.
    #[serde(default)]
    pub(crate) show: bool,
    /// How many; the others are called `NAME#2` and so on.
    #[serde(default = "one")]
    pub(crate) times: usize,
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

/// Options of `connect`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connect {
    /// Name of the connection.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
    /// As in `open`.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// As in `open`.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// `client.id`; `test`, for nodes `node-host`.
    #[serde(default)]
    pub(crate) client: Option<String>,
    /// `client.mode`; `test`, for nodes `node`.
    #[serde(default)]
    pub(crate) mode: Option<String>,
    /// `role`.
    #[serde(default)]
    pub(crate) role: Option<String>,
    /// `scopes`.
    #[serde(default)]
    pub(crate) scopes: Option<Vec<String>>,
    /// `client.platform`; `linux`.
    #[serde(default)]
    pub(crate) platform: Option<String>,
    /// `client.deviceFamily`.
    #[serde(default)]
    pub(crate) family: Option<String>,
    /// `client.displayName`.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// `caps`.
    #[serde(default)]
    pub(crate) caps: Option<Vec<String>>,
    /// `commands`.
    #[serde(default)]
    pub(crate) commands: Option<Vec<String>>,
    /// `minProtocol`, `maxProtocol`; 4 and 4.
    #[serde(default)]
    pub(crate) protocol: Option<[i64; 2]>,
    /// Name of the key that signs; none: no device block.
    #[serde(default)]
    pub(crate) device: Option<String>,
    /// How it is signed, when not as it should be.
    #[serde(default)]
    pub(crate) sign: Sign,
    /// `auth`; the shared token when left out, nothing at all when empty.
    #[serde(default)]
    pub(crate) auth: Option<BTreeMap<String, String>>,
    /// Merged over the parameters after they were signed; `$absent` takes a member away, `$null` is null.
    #[serde(default)]
    pub(crate) patch: Option<Value>,
    /// Blanks are put behind the frame until it has this many bytes.
    #[serde(default)]
    pub(crate) pad_to: Option<usize>,
    /// As a binary message.
    #[serde(default)]
    pub(crate) binary: bool,
    /// Not waiting for the answer.
    #[serde(default)]
    pub(crate) nowait: bool,
    /// How often, each time on a new connection.
    #[serde(default = "one")]
    pub(crate) times: usize,
    /// Parts of the answer to keep: name to JSON pointer.
    #[serde(default)]
    pub(crate) capture: BTreeMap<String, String>,
    /// Tried again while the gateway says that it is starting.
    #[serde(default)]
    pub(crate) patient: bool,
}

/// Deviations of a device block.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sign {
    /// `v2` or `v3` (default) payload, or a text put before the payload's fields, such as `v1`.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// Nonce in place of the challenge's.
    #[serde(default)]
    pub(crate) nonce: Option<String>,
    /// Added to `signedAt`.
    #[serde(default)]
    pub(crate) skew_ms: i64,
    /// Something else is signed.
    #[serde(default)]
    pub(crate) tamper: bool,
    /// Form of `publicKey`: `base64url` (default), `padded`, `base64`, `pem`, `hex`, `der`, `short`.
    #[serde(default)]
    pub(crate) key_form: Option<String>,
    /// Form of `signature`: `base64url` (default), `padded`, `base64`, `hex`.
    #[serde(default)]
    pub(crate) signature_form: Option<String>,
    /// `device.id` in place of the right one.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// Token in the payload in place of the frame's own.
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// Scopes in the payload in place of the frame's own, joined by commas.
    #[serde(default)]
    pub(crate) scopes: Option<Vec<String>>,
}

/// Options of `request`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    /// Name of the connection.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
    /// Method.
    pub(crate) method: String,
    /// `params`; left out when there are none.
    #[serde(default)]
    pub(crate) params: Option<Value>,
    /// Request id; `1`, `2` ... on each connection when left out.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// Not waiting for the answer.
    #[serde(default)]
    pub(crate) nowait: bool,
    /// How often.
    #[serde(default = "one")]
    pub(crate) times: usize,
    /// The gateway may be gone before it answers: an answer that only one of the gateways gave is no difference. Only with an
    /// `id`, in flows that are `unordered`.
    #[serde(default)]
    pub(crate) may_be_lost: bool,
    /// Only names and kinds of the answer's members count, not their values.
    #[serde(default)]
    pub(crate) shape: bool,
    /// Parts of the answer that don't count: JSON pointers.
    #[serde(default)]
    pub(crate) without: Vec<String>,
    /// Parts of the answer to keep: name to JSON pointer.
    #[serde(default)]
    pub(crate) capture: BTreeMap<String, String>,
}

/// Options of `text`, `binary` and `ping`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    /// Name of the connection.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
    /// The text.
    #[serde(default)]
    pub(crate) text: String,
    /// Filled up with blanks to this many bytes.
    #[serde(default)]
    pub(crate) pad_to: Option<usize>,
}

/// Options of `frame`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawFrame {
    /// Name of the connection.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
    /// First byte: FIN, reserved bits, opcode.
    pub(crate) head: u8,
    /// Whether it is masked, as every frame of a client must be.
    #[serde(default = "yes")]
    pub(crate) masked: bool,
    /// Payload as text.
    #[serde(default)]
    pub(crate) text: String,
    /// Payload as bytes, behind the text.
    #[serde(default)]
    pub(crate) bytes: Vec<u8>,
}

/// Options of `await`. One of `event`, `answer` and `end`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Await {
    /// Name of the connection.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
    /// An event of this name that no `await` has taken.
    #[serde(default)]
    pub(crate) event: Option<String>,
    /// The answer to the request with this id.
    #[serde(default)]
    pub(crate) answer: Option<String>,
    /// The end of the connection.
    #[serde(default)]
    pub(crate) end: bool,
    /// Milliseconds; 20 s when left out.
    #[serde(default)]
    pub(crate) within: Option<u64>,
    /// Parts of the frame to keep: name to JSON pointer.
    #[serde(default)]
    pub(crate) capture: BTreeMap<String, String>,
}

/// Options of `close`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Close {
    /// Name of the connection.
    #[serde(rename = "as", default = "first")]
    pub(crate) conn: String,
    /// Code; 1000.
    #[serde(default = "normal")]
    pub(crate) code: u16,
    /// Reason.
    #[serde(default)]
    pub(crate) reason: String,
}

fn normal() -> u16 {
    1000
}

/// Options of `http`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    /// Name in the record.
    #[serde(rename = "as", default = "http")]
    pub(crate) conn: String,
    /// As in `open`.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// Method; GET.
    #[serde(default = "get")]
    pub(crate) method: String,
    /// Request target.
    pub(crate) path: String,
    /// Further headers.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Body; JSON gets its content type.
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// Only names and kinds of a JSON body's members count.
    #[serde(default)]
    pub(crate) shape: bool,
    /// How often.
    #[serde(default = "one")]
    pub(crate) times: usize,
}

fn http() -> String {
    "http".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

/// Options of `setup_code`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetupCode {
    /// Capture that gets the bootstrap token.
    pub(crate) name: String,
    /// Without the admin scope; 2026.9.6.
    #[serde(default)]
    pub(crate) limited: bool,
}

/// Options of `restart`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restart {
    /// Shared token from then on.
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// Options of `reload`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reload {
    /// Put over what the file says; a text `$null` takes a key away.
    pub(crate) config: Value,
}

impl Flow {
    /// Reads one file.
    ///
    /// # Errors
    /// What is wrong, with line and column.
    pub fn parse(id: &str, text: &str) -> Result<Self, String> {
        let mut flow: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        id.clone_into(&mut flow.id);
        flow.digest = super::digest(text);
        // 2026.9.6 refuses work of nodes while another device is being paired.
        let has_nodes = flow.steps.iter().any(|step| match step {
            Step::Connect(connect) => connect.role.as_deref() == Some("node"),
            _ => false,
        });
        flow.alone |= has_nodes;
        if flow.steps.is_empty() {
            return Err("a flow needs at least one [[step]]".to_owned());
        }
        if let Some(version) = flow
            .versions
            .iter()
            .find(|version| gateway_core::profile(version).is_none())
        {
            return Err(format!(
                "versions: there is no profile {version}; known: {}",
                gateway_core::PROFILES.join(", ")
            ));
        }
        Ok(flow)
    }

    /// Whether nothing can be played on the same gateway afterwards.
    pub(crate) fn ends_the_gateway(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Stop(_)))
    }

    /// Whether it restarts or ends the gateway, which others on it would notice.
    pub(crate) fn disturbs_the_gateway(&self) -> bool {
        let disturbs =
            |step: &Step| matches!(step, Step::Stop(_) | Step::Restart(_) | Step::Reload(_));
        self.steps.iter().any(disturbs)
    }

    /// Setup codes with full access that are minted on the way.
    pub(crate) fn setup_codes(&self) -> usize {
        let full = |step: &&Step| matches!(step, Step::SetupCode(code) if !code.limited);
        self.steps.iter().filter(full).count()
    }

    /// Whether this version can be asked.
    pub fn runs_on(&self, version: &str) -> bool {
        self.versions.is_empty() || self.versions.iter().any(|known| known == version)
    }
}
