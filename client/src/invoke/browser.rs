//! `browser.proxy`: requests of the gateway handed to the browser's control host on this machine.
//!
//! [`browser_proxy`] decides whether there is one to hand them to: setup-code-only pairing never has one,
//! because the control host accepts the shared token alone.
//!
//! ref: client-behaviour.md §22.1

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use client_core::GatewayRecord;
use client_core::url::GatewayUrl;
use gateway_protocol::SharedToken;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{InvokeError, InvokeFuture};

/// Longest answer that is read, in bytes. A screenshot travels as a file beside it.
const ANSWER_MAX: usize = 16 * 1024 * 1024;
/// Largest file that is inlined, in bytes.
const FILE_MAX: u64 = 10 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(20);
const TIMEOUT_MAX_MS: u64 = 120_000;
/// How long a control host may take to accept a connection before it counts as absent.
const LIVE: Duration = Duration::from_secs(1);

/// Why this client does not offer `browser.proxy`; checked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrowserBlock {
    /// The user's setting is off.
    #[error("the setting is off")]
    ToggleDisabled,
    /// No operator is attached.
    #[error("no operator is connected")]
    NoGatewayClient,
    /// The record has no shared token: the gateway was paired by setup code alone.
    #[error("the gateway's shared token is not known")]
    MissingSharedGatewayToken,
    /// Nobody can say that the port belongs to the gateway's browser.
    #[error("the browser endpoint is not verified")]
    UnverifiedBrowserEndpoint,
    /// Nobody listens there, or somebody whose owner is not known.
    #[error("no control host of the gateway listens on its port")]
    NoControlHost,
}

/// The control host that belongs to a gateway.
///
/// # Errors
/// [`BrowserBlock`]: the first reason not to offer it.
pub fn browser_proxy(
    record: &GatewayRecord,
    is_on: bool,
    has_operator: bool,
) -> Result<BrowserProxy, BrowserBlock> {
    if !is_on {
        return Err(BrowserBlock::ToggleDisabled);
    }
    if !has_operator {
        return Err(BrowserBlock::NoGatewayClient);
    }
    let token = record
        .usable_shared_token()
        .ok_or(BrowserBlock::MissingSharedGatewayToken)?;
    let port = control_port(record).ok_or(BrowserBlock::UnverifiedBrowserEndpoint)?;
    Ok(BrowserProxy::new(port, SharedToken::new(token)))
}

/// Override, else the tunnel's second forward, else two above a gateway on this machine.
fn control_port(record: &GatewayRecord) -> Option<u16> {
    if let Some(tunnel) = &record.ssh_tunnel {
        let forwarded = tunnel.local_port.checked_add(2)?;
        let is_forwarded = record
            .browser_control_port
            .is_none_or(|port| port == forwarded);
        return (tunnel.include_browser_proxy_forward && is_forwarded).then_some(forwarded);
    }
    let url = GatewayUrl::parse(&record.url)?;
    let derived = if url.is_loopback() {
        url.port.checked_add(2)
    } else {
        None
    };
    record.browser_control_port.or(derived)
}

type OwnerCheck = Arc<dyn Fn(u16) -> bool + Send + Sync>;

/// Hands requests to a control host on 127.0.0.1.
#[derive(Clone)]
pub struct BrowserProxy {
    port: u16,
    token: SharedToken,
    owner_is_known: OwnerCheck,
}

impl std::fmt::Debug for BrowserProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserProxy")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl BrowserProxy {
    /// A control host whose owner is taken on trust.
    pub fn new(port: u16, token: SharedToken) -> Self {
        Self {
            port,
            token,
            owner_is_known: Arc::new(|_| true),
        }
    }

    /// Asks before each request whether the port's owner may have the token.
    #[must_use]
    pub fn owner_check(mut self, is_known: impl Fn(u16) -> bool + Send + Sync + 'static) -> Self {
        self.owner_is_known = Arc::new(is_known);
        self
    }

    /// This one, where a control host listens whose owner may have the token. Nothing is said to it.
    ///
    /// # Errors
    /// [`BrowserBlock::NoControlHost`].
    pub async fn if_live(self) -> Result<Self, BrowserBlock> {
        let address = ("127.0.0.1", self.port);
        match timeout(LIVE, TcpStream::connect(address)).await {
            Ok(Ok(_)) if (self.owner_is_known)(self.port) => Ok(self),
            Ok(_) | Err(_) => Err(BrowserBlock::NoControlHost),
        }
    }

    /// The port of the control host.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// One call: `{"method"?,"path","query"?,"profile"?,"body"?,"timeoutMs"?}` gives
    /// `{"result":<JSON>,"files"?:[{"path","base64"}]}`.
    pub(super) fn invoke(self: Arc<Self>, args: Value) -> InvokeFuture {
        Box::pin(async move {
            let call = Call::read(&args)?;
            let limit = call.timeout;
            match timeout(limit, self.ask(&call)).await {
                Ok(answer) => answer,
                Err(_elapsed) => Err(failed(format!("no answer within {} ms", limit.as_millis()))),
            }
        })
    }

    async fn ask(&self, call: &Call) -> Result<Value, InvokeError> {
        if !(self.owner_is_known)(self.port) {
            return Err(failed(
                "the owner of its port is not known; the shared token was not sent",
            ));
        }
        let token = self.token.expose();
        let mut answer = self.send(call, Credential::Bearer(token)).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            answer = self.send(call, Credential::Password(token)).await?;
        }
        if !answer.status.is_success() {
            return Err(failed(format!(
                "expected status 2xx, got {}",
                answer.status.as_u16()
            )));
        }
        let result: Value =
            serde_json::from_slice(&answer.body).map_err(|_| failed("the answer is not JSON"))?;
        let files = inline_files(&result).await?;
        Ok(if files.is_empty() {
            json!({ "result": result })
        } else {
            json!({ "result": result, "files": files })
        })
    }

    async fn send(&self, call: &Call, credential: Credential<'_>) -> Result<Answer, InvokeError> {
        let request = self.request(call, &credential)?;
        let stream = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .map_err(failed)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX)
            .collect()
            .await
            .map_err(failed)?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    }

    fn request(
        &self,
        call: &Call,
        credential: &Credential<'_>,
    ) -> Result<Request<Full<Bytes>>, InvokeError> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(&call.target)
            .header(HOST, format!("127.0.0.1:{}", self.port));
        request = match credential {
            Credential::Bearer(token) => {
                request.header(AUTHORIZATION, secret(&format!("Bearer {token}"))?)
            }
            Credential::Password(token) => {
                let basic = STANDARD.encode(format!(":{token}"));
                request
                    .header("x-openclaw-password", secret(token)?)
                    .header(AUTHORIZATION, secret(&format!("Basic {basic}"))?)
            }
        };
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = call
            .body
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        request
            .body(Full::from(body))
            .map_err(|_| bad_path(&call.target))
    }
}

enum Credential<'a> {
    Bearer(&'a str),
    Password(&'a str),
}

fn secret(text: &str) -> Result<HeaderValue, InvokeError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| failed("the shared token can't be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn failed(why: impl std::fmt::Display) -> InvokeError {
    InvokeError::Browser(why.to_string())
}

struct Answer {
    status: StatusCode,
    body: Bytes,
}

/// A call whose arguments were read.
#[derive(Debug, PartialEq)]
struct Call {
    method: Method,
    /// Path with query.
    target: String,
    body: Option<Value>,
    timeout: Duration,
}

fn bad_path(got: &str) -> InvokeError {
    InvokeError::BadArgument {
        argument: "path",
        expected: "a path on the control host",
        got: got.to_owned(),
    }
}

impl Call {
    fn read(args: &Value) -> Result<Self, InvokeError> {
        let path = args.get("path").and_then(Value::as_str).unwrap_or_default();
        // Another host, or a header smuggled in by a line break, would get the shared token.
        let is_local = path.starts_with('/') && !path.contains("//") && !path.contains("://");
        let is_plain = path
            .chars()
            .all(|c| c.is_ascii_graphic() && !matches!(c, '#' | '\\'));
        if !is_local || !is_plain {
            return Err(bad_path(path));
        }
        let asked = args
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_ascii_uppercase();
        let method = match asked.as_str() {
            "POST" => Method::POST,
            "DELETE" => Method::DELETE,
            _ => Method::GET,
        };
        let body = args
            .get("body")
            .filter(|body| method != Method::GET && !body.is_null())
            .cloned();
        let millis = args
            .get("timeoutMs")
            .and_then(Value::as_u64)
            .map(|millis| millis.clamp(1, TIMEOUT_MAX_MS));
        let timeout = millis.map_or(TIMEOUT, Duration::from_millis);
        Ok(Self {
            method,
            target: format!("{path}{}", query(path, args)),
            body,
            timeout,
        })
    }
}

/// `?a=b&profile=p` of the query object and the profile; a text as it is, anything else as JSON.
fn query(path: &str, args: &Value) -> String {
    let pairs = args
        .get("query")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let profile = args
        .get("profile")
        .filter(|profile| profile.is_string())
        .map(|profile| ("profile", profile));
    let mut text = String::new();
    for (name, value) in pairs
        .map(|(name, value)| (name.as_str(), value))
        .chain(profile)
    {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), ToOwned::to_owned);
        text.push(if text.is_empty() && !path.contains('?') {
            '?'
        } else {
            '&'
        });
        text.push_str(&percent_encode(name));
        text.push('=');
        text.push_str(&percent_encode(&value));
    }
    text
}

fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            let digits = [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
            out.extend(
                digits
                    .into_iter()
                    .flatten()
                    .map(|digit| digit.to_ascii_uppercase()),
            );
        }
    }
    out
}

/// The files that a result names as `path`, `imagePath` or `download.path`; one that is not there is left out.
async fn inline_files(result: &Value) -> Result<Vec<Value>, InvokeError> {
    let named = ["/path", "/imagePath", "/download/path"]
        .map(|pointer| result.pointer(pointer).and_then(Value::as_str));
    let mut files = Vec::new();
    for path in named.into_iter().flatten() {
        let file = PathBuf::from(path);
        let read = tokio::task::spawn_blocking(move || read_file(&file))
            .await
            .map_err(failed)?;
        if let Some(bytes) = read? {
            files.push(json!({ "path": path, "base64": STANDARD.encode(bytes) }));
        }
    }
    Ok(files)
}

fn read_file(path: &std::path::Path) -> Result<Option<Vec<u8>>, InvokeError> {
    let Ok(meta) = path.metadata() else {
        return Ok(None);
    };
    if !meta.is_file() || !path.is_absolute() {
        return Ok(None);
    }
    if meta.len() > FILE_MAX {
        return Err(failed(format!(
            "expected a file of at most {FILE_MAX} bytes, got {}",
            meta.len()
        )));
    }
    std::fs::read(path).map(Some).map_err(failed)
}

#[cfg(test)]
#[path = "browser_tests.rs"]
mod tests;
