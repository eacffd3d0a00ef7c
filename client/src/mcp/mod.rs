//! The companion's control surface for this computer: an MCP server on loopback, behind a bearer token.
//!
//! Its tools ask the running client and its gateway; none of them is a node command, and no gateway can reach them.
//! ref: client-behaviour.md §23
//!
//! | file | what it decides |
//! |---|---|
//! | `gate` | which HTTP requests get through |
//! | `rpc` | the protocol, which the official SDK speaks |
//! | `token` | the bearer token in `mcp-token.txt` |
//! | `table` | the tools and their arguments |
//! | `tools` | what they do |
//! | `shapes` | what they answer |

mod gate;
mod rpc;
mod shapes;
mod table;
mod token;
mod tools;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::control::Control;
use crate::timeline::Timeline;

pub use table::TOOL_NAMES;
pub use token::{McpToken, TokenFileError};

/// Requests that are worked on at the same time; the others wait.
const CONCURRENT: usize = 8;

/// What the tools work on.
#[derive(Clone, Debug)]
pub struct McpContext {
    /// The client.
    pub control: Control,
    /// What happened to it.
    pub timeline: Arc<Mutex<Timeline>>,
    /// The client offers this computer as a node.
    pub node_mode: bool,
    /// `browser.proxy` was asked for.
    pub browser_proxy: bool,
}

/// A server that listens and does not answer yet.
#[derive(Debug)]
pub struct McpServer {
    listener: TcpListener,
    token: Arc<McpToken>,
}

/// Why the server can't listen.
#[derive(Debug, thiserror::Error)]
pub enum McpError {
    /// The token file can't be used.
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// The port can't be had.
    #[error("listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// Which.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
}

impl McpServer {
    /// Listens on 127.0.0.1. Port 0 takes any free one. The token is made when the data directory has none.
    ///
    /// # Errors
    /// [`McpError`].
    pub async fn bind(data_dir: &Path, port: u16) -> Result<Self, McpError> {
        let token = Arc::new(McpToken::load_or_create(data_dir)?);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(|source| McpError::Listen { port, source })?;
        Ok(Self { listener, token })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is dropped.
    pub async fn serve(self, context: McpContext) -> Infallible {
        let shared = Arc::new(Shared {
            rpc: rpc::rpc(tools::Tools::new(context)),
            token: self.token,
            turns: Semaphore::new(CONCURRENT),
        });
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => drop(connections.spawn(serve_one(Arc::clone(&shared), stream))),
                    // Out of file handles: the connections that end make room.
                    Err(error) => {
                        tracing::warn!(%error, "failed to accept an MCP connection");
                        tokio::task::yield_now().await;
                    }
                },
            }
        }
    }
}

type Answer = Response<BoxBody<Bytes, Infallible>>;

struct Shared {
    rpc: rpc::Rpc,
    token: Arc<McpToken>,
    turns: Semaphore,
}

async fn serve_one(shared: Arc<Shared>, stream: TcpStream) {
    let answer = |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(&shared, request).await) }
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
    if let Err(error) = connection {
        tracing::debug!(%error, "an MCP connection broke");
    }
}

async fn answer(shared: &Shared, mut request: Request<Incoming>) -> Answer {
    if let Err(refusal) = gate::check(request.method(), request.headers(), &shared.token) {
        if refusal.status == StatusCode::PAYLOAD_TOO_LARGE {
            drain(request.into_body()).await;
        }
        return plain(refusal.status, refusal.text);
    }
    if request.method() == Method::GET {
        return probe(&request);
    }
    let Ok(_turn) = shared.turns.acquire().await else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    };
    rpc::accept_all(request.headers_mut());
    // A body without a declared length is measured while it is read.
    shared.rpc.handle(request).await
}

/// Reads on for a while: a client that is still writing when the connection ends sees a broken pipe, not the answer.
async fn drain(body: Incoming) {
    let mut body = Limited::new(body, 2 * gate::MAX_BODY);
    while let Some(Ok(_)) = body.frame().await {}
}

/// People and scripts get a line of text; a client that looks for a stream of events learns that there is none.
fn probe(request: &Request<Incoming>) -> Answer {
    let accept = request
        .headers()
        .get(ACCEPT)
        .and_then(|it| it.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "there is no stream here\n");
    }
    plain(
        StatusCode::OK,
        "clawproof companion: MCP server. POST JSON-RPC here.\n",
    )
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.boxed());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}
