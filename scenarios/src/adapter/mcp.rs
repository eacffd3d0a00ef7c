//! An MCP server over HTTP as its client sees it: one POST for each call, the answer as JSON or as one event.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpStream;

/// The protocol version that is offered; servers answer with their own.
const PROTOCOL: &str = "2025-06-18";

/// Where a server listens, and what it wants to hear first.
#[derive(Clone)]
pub(crate) struct Endpoint {
    authority: String,
    path: String,
    token: String,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint(http://{}{})", self.authority, self.path)
    }
}

/// A call that had no answer, or an answer that says no.
#[derive(Debug, Error)]
pub enum McpError {
    /// Not an address of a server.
    #[error("expected http://HOST:PORT/PATH, got {0:?}")]
    Url(String),
    /// The token file can't be read.
    #[error("read the token file {}: {source}", .path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nobody answered, or not in HTTP.
    #[error("ask http://{authority}: {why}")]
    Http {
        /// Host and port.
        authority: String,
        /// What went wrong.
        why: String,
    },
    /// The server let nobody in, or did not understand.
    #[error("http://{authority} answered with {status}")]
    Status {
        /// Host and port.
        authority: String,
        /// The HTTP status.
        status: StatusCode,
    },
    /// The tool says no.
    #[error("{tool}: {why}")]
    Tool {
        /// The tool.
        tool: String,
        /// In its own words.
        why: String,
    },
}

impl Endpoint {
    /// The server at this address, with the token that stands in a file.
    ///
    /// # Errors
    /// [`McpError::Url`] and [`McpError::TokenFile`].
    pub(crate) fn new(url: &str, token_file: &Path) -> Result<Self, McpError> {
        let rest = url.strip_prefix("http://").filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| McpError::Url(url.to_owned()))?;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let token = std::fs::read_to_string(token_file).map_err(|source| McpError::TokenFile {
            path: token_file.to_path_buf(),
            source,
        })?;
        Ok(Self {
            authority: authority.to_owned(),
            path: path.to_owned(),
            token: token.trim().to_owned(),
        })
    }

    /// Says hello: the name and version of the server.
    pub(crate) async fn hello(&self) -> Result<String, McpError> {
        let params = json!({
            "protocolVersion": PROTOCOL, "capabilities": {},
            "clientInfo": {"name": "clawproof", "version": env!("CARGO_PKG_VERSION")},
        });
        let answer = self.ask("initialize", params).await?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
        let name = text("/result/serverInfo/name").unwrap_or("an MCP server");
        let version = text("/result/serverInfo/version").unwrap_or_default();
        Ok(format!("{name} {version}").trim_end().to_owned())
    }

    /// Calls a tool; the answer is the JSON that it gives as text.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Result<Value, McpError> {
        let params = json!({"name": tool, "arguments": arguments});
        let answer = self.ask("tools/call", params).await?;
        let refused = |why: &str| McpError::Tool {
            tool: tool.to_owned(),
            why: why.to_owned(),
        };
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
        if let Some(message) = text("/error/message") {
            return Err(refused(message));
        }
        let said = text("/result/content/0/text").unwrap_or_default();
        if answer.pointer("/result/isError") == Some(&Value::Bool(true)) {
            return Err(refused(said));
        }
        serde_json::from_str(said).map_err(|_| refused("expected JSON as the text of the result"))
    }

    async fn ask(&self, method: &str, params: Value) -> Result<Value, McpError> {
        let failed = |why: String| McpError::Http {
            authority: self.authority.clone(),
            why,
        };
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = Request::post(&self.path)
            .header(HOST, &self.authority)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| failed(error.to_string()))?;
        let stream = TcpStream::connect(&self.authority).await;
        let stream = TokioIo::new(stream.map_err(|error| failed(error.to_string()))?);
        let shaken = hyper::client::conn::http1::handshake(stream).await;
        let (mut sender, connection) = shaken.map_err(|error| failed(error.to_string()))?;
        let exchange = async {
            let response = sender.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, body))
        };
        tokio::pin!(exchange);
        tokio::pin!(connection);
        let (status, body) = tokio::select! {
            biased;
            done = &mut exchange => done,
            // The rest of the answer is with the exchange.
            _ = &mut connection => exchange.await,
        }
        .map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            return Err(McpError::Status {
                authority: self.authority.clone(),
                status,
            });
        }
        answer_in(&String::from_utf8_lossy(&body))
            .ok_or_else(|| failed("the answer is no JSON-RPC".to_owned()))
    }
}

/// The answer in a body: the body itself, or the last event of a stream.
fn answer_in(body: &str) -> Option<Value> {
    let data = body
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("data:"));
    serde_json::from_str(data.unwrap_or(body)).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::json("{\"id\":1}")]
    #[case::event("event: message\ndata: {\"id\":1}\n\n")]
    fn an_answer_is_a_body_or_an_event(#[case] body: &str) {
        assert_eq!(answer_in(body), Some(json!({"id": 1})));
    }

    #[rstest]
    #[case::scheme("https://h:1/mcp")]
    #[case::nothing("http://")]
    fn other_addresses_are_refused(#[case] url: &str) {
        let refused = Endpoint::new(url, Path::new("token")).unwrap_err();
        assert!(refused.to_string().contains(url), "{refused}");
    }

    #[test]
    fn a_token_never_prints_itself() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"hush\n").unwrap();
        let endpoint = Endpoint::new("http://h:1/mcp", file.path()).unwrap();
        assert_eq!(format!("{endpoint:?}"), "Endpoint(http://h:1/mcp)");
        assert_eq!(endpoint.token, "hush");
    }
}
