//! The control endpoint: a second loopback port for whoever drives a running mock from another process, and for the
//! inspector, the page on which a person watches and drives it.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/state`, `GET /v1/state/{part}` | [`gateway_core::StateView`], or one member of it |
//! | `POST /v1/control` | the order's answer; the body is one [`Control`] |
//! | `GET /v1/faults`, `POST /v1/faults`, `DELETE /v1/faults/{fault}` | list, `{"fault": id}`, `{"healed": n}` |
//! | `POST /v1/wait` | the next transcript entry that matches, or 408 |
//! | `GET /v1/transcript?since=N` | the run so far, JSON Lines, redacted |
//! | `GET /v1/events` | the same and the state, as it happens (server-sent events) |
//! | `GET /v1/openapi.json` | all of this, for programs |
//! | `GET /` | the inspector |
//!
//! `openapi/control.json` is the full description; tests hold it against this router. Who may ask is decided in
//! `guard.rs`; `feed.rs` keeps what happened; `orders.rs`, `wait.rs` and `events.rs` answer.

mod events;
mod feed;
mod guard;
mod orders;
mod wait;

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, delete, get, post};
use gateway_protocol::SharedToken;
use link::FaultTable;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transcript::Recorder;

use crate::clock::Clock;
use crate::http::json_body;
use crate::hub::HubHandle;
use crate::inspector;

pub(crate) use feed::Feed;

/// The description that programs read.
const OPENAPI: &str = include_str!("../openapi/control.json");

/// What the routes share.
#[derive(Clone)]
pub(crate) struct ControlSite {
    pub(crate) hub: HubHandle,
    pub(crate) clock: Clock,
    pub(crate) recorder: Recorder,
    pub(crate) feed: Feed,
    pub(crate) faults: FaultTable,
    /// Where the gateway's own port is, for the inspector.
    pub(crate) gateway: SocketAddr,
    /// Compared in constant time; never logged.
    pub(crate) token: SharedToken,
    /// Ends streams of events.
    pub(crate) cancel: CancellationToken,
}

/// One route.
pub(crate) struct Route {
    /// Method, in capitals.
    pub(crate) method: &'static str,
    /// Path, parameters in braces.
    pub(crate) path: &'static str,
    /// Whether the token is not asked for: pages without a secret in them.
    pub(crate) public: bool,
    handler: fn() -> MethodRouter<ControlSite>,
}

const fn route(
    method: &'static str,
    path: &'static str,
    handler: fn() -> MethodRouter<ControlSite>,
) -> Route {
    Route {
        method,
        path,
        public: false,
        handler,
    }
}

const fn public(path: &'static str, handler: fn() -> MethodRouter<ControlSite>) -> Route {
    Route {
        method: "GET",
        path,
        public: true,
        handler,
    }
}

/// Every route; the router is made of nothing else.
pub(crate) const ROUTES: [Route; 14] = [
    public("/", || get(inspector::page)),
    public("/inspector.css", || get(inspector::style)),
    public("/inspector.js", || get(inspector::script)),
    public("/inspector-diagram.js", || get(inspector::diagram)),
    route("GET", "/v1/openapi.json", || get(openapi)),
    route("GET", "/v1/state", || get(orders::state)),
    route("GET", "/v1/state/{part}", || get(orders::part)),
    route("POST", "/v1/control", || post(orders::control)),
    route("GET", "/v1/faults", || get(orders::list_faults)),
    route("POST", "/v1/faults", || post(orders::install_fault)),
    route("DELETE", "/v1/faults/{fault}", || {
        delete(orders::heal_fault)
    }),
    route("POST", "/v1/wait", || post(wait::wait)),
    route("GET", "/v1/transcript", || get(orders::transcript)),
    route("GET", "/v1/events", || get(events::events)),
];

/// Serves the control endpoint on a fresh loopback port until cancelled.
pub(crate) async fn open(site: ControlSite, tasks: &TaskTracker) -> std::io::Result<SocketAddr> {
    let cancel = site.cancel.clone();
    let router = router(site);
    serve(router, cancel, tasks).await
}

async fn serve(
    router: Router,
    cancel: CancellationToken,
    tasks: &TaskTracker,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serve = axum::serve(listener, service);
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            result = IntoFuture::into_future(serve) => {
                if let Err(error) = result {
                    tracing::warn!("control endpoint ended: {error}");
                }
            }
        }
    });
    Ok(addr)
}

fn router(site: ControlSite) -> Router {
    let mut router = Router::new();
    for route in &ROUTES {
        router = router.route(route.path, (route.handler)());
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(site.clone(), guard::guard))
        .with_state(site)
}

async fn openapi() -> Response<Body> {
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], OPENAPI).into_response()
}

async fn nowhere(State(_site): State<ControlSite>) -> Response<Body> {
    let known: Vec<String> = ROUTES
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    error(
        StatusCode::NOT_FOUND,
        "not_found",
        &format!("no such path; there are {}", known.join(", ")),
    )
}

async fn wrong_method(State(_site): State<ControlSite>) -> Response<Body> {
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the path is there, but not for this method; GET /v1/openapi.json lists them",
    )
}

/// Every error of this port: a code for programs, a sentence for people.
pub(crate) fn error(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    json_body(
        status,
        &json!({"error": {"code": code, "message": message}}),
    )
}

#[cfg(test)]
#[path = "control_port/openapi_tests.rs"]
mod tests;
