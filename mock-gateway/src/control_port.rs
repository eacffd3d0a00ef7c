//! The control endpoint: a second loopback port for whoever drives a running mock from another process.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/state` | [`gateway_core::StateView`] |
//! | `POST /v1/control` | the order's answer; the body is one [`Control`] |
//! | `GET /v1/transcript` | the run so far, JSON Lines, redacted |
//! | `POST /v1/faults` | `{"fault": id}`; the body is one [`FaultSpec`] |
//! | `DELETE /v1/faults/{id, name or all}` | `{"healed": n}` |
//!
//! Every request needs the bearer token of this port (401 without it), and a request with an `Origin` header is
//! refused (403): a web page must not be able to drive the mock, whatever it has read.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use axum::routing::{delete, get, post};
use gateway_core::{Control, ControlError};
use gateway_protocol::SharedToken;
use link::{FAULTS, FaultId, FaultSpec, FaultTable, HealTarget};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transcript::Recorder;

use crate::http::{bearer, json_body};
use crate::hub::HubHandle;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct ControlSite {
    pub(crate) hub: HubHandle,
    pub(crate) recorder: Recorder,
    pub(crate) faults: FaultTable,
    /// Compared in constant time; never logged.
    pub(crate) token: SharedToken,
}

/// Serves the control endpoint on a fresh loopback port until cancelled.
pub(crate) async fn open(
    site: ControlSite,
    tasks: &TaskTracker,
    cancel: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let addr = listener.local_addr()?;
    let serve = axum::serve(listener, router(site));
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
    Router::new()
        .route("/v1/state", get(state))
        .route("/v1/control", post(control))
        .route("/v1/transcript", get(transcript))
        .route("/v1/faults", post(install_fault))
        .route("/v1/faults/{name}", delete(heal_fault))
        .layer(middleware::from_fn_with_state(site.clone(), guard))
        .with_state(site)
}

async fn guard(State(site): State<ControlSite>, request: Request, next: Next) -> Response<Body> {
    if request.headers().contains_key(header::ORIGIN) {
        return error(
            StatusCode::FORBIDDEN,
            "requests from a web page are refused",
        );
    }
    match bearer(request.headers()) {
        Some(token) if site.token.matches(token) => next.run(request).await,
        Some(_) | None => error(
            StatusCode::UNAUTHORIZED,
            "expected Authorization: Bearer and the token of this port",
        ),
    }
}

async fn state(State(site): State<ControlSite>) -> Response<Body> {
    match site.hub.view().await.map(serde_json::to_value) {
        Some(Ok(view)) => json_body(StatusCode::OK, &view),
        Some(Err(problem)) => error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
        None => error(StatusCode::SERVICE_UNAVAILABLE, "the gateway is gone"),
    }
}

async fn control(State(site): State<ControlSite>, body: Bytes) -> Response<Body> {
    let command: Control = match parse(&body) {
        Ok(command) => command,
        Err(response) => return *response,
    };
    match site.hub.control(command).await {
        Ok(answer) => json_body(StatusCode::OK, &answer),
        Err(problem) => error(status_of(&problem), &problem.to_string()),
    }
}

fn status_of(problem: &ControlError) -> StatusCode {
    match problem {
        ControlError::UnknownRequest { .. }
        | ControlError::UnknownDevice { .. }
        | ControlError::UnknownNode { .. }
        | ControlError::UnknownConnection { .. }
        | ControlError::UnknownSetupCode
        | ControlError::UnknownInvoke { .. } => StatusCode::NOT_FOUND,
        ControlError::NoUrl => StatusCode::UNPROCESSABLE_ENTITY,
        ControlError::Behavior { .. } | ControlError::Refused(_) => StatusCode::CONFLICT,
        ControlError::Down => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn transcript(State(site): State<ControlSite>) -> Response<Body> {
    let content_type = HeaderValue::from_static("application/jsonl; charset=utf-8");
    (
        [(header::CONTENT_TYPE, content_type)],
        site.recorder.transcript().to_jsonl(),
    )
        .into_response()
}

async fn install_fault(State(site): State<ControlSite>, body: Bytes) -> Response<Body> {
    let spec: FaultSpec = match parse(&body) {
        Ok(spec) => spec,
        Err(response) => return *response,
    };
    match spec.check() {
        Ok(()) => json_body(
            StatusCode::OK,
            &json!({"fault": site.faults.install(spec).0}),
        ),
        Err(problem) => error(StatusCode::UNPROCESSABLE_ENTITY, &problem.to_string()),
    }
}

async fn heal_fault(State(site): State<ControlSite>, Path(name): Path<String>) -> Response<Body> {
    match heal_target(&name) {
        Some(target) => json_body(StatusCode::OK, &json!({"healed": site.faults.heal(target)})),
        None => error(
            StatusCode::NOT_FOUND,
            "expected the id or the name of a fault, or all",
        ),
    }
}

fn heal_target(text: &str) -> Option<HealTarget> {
    if text == "all" {
        return Some(HealTarget::All);
    }
    if let Ok(id) = text.parse() {
        return Some(HealTarget::Id(FaultId(id)));
    }
    FAULTS
        .iter()
        .map(|row| row.name)
        .find(|name| name.as_str() == text)
        .map(HealTarget::Name)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Box<Response<Body>>> {
    serde_json::from_slice(body).map_err(|problem| {
        Box::new(error(
            StatusCode::UNPROCESSABLE_ENTITY,
            &problem.to_string(),
        ))
    })
}

fn error(status: StatusCode, message: &str) -> Response<Body> {
    json_body(status, &json!({"error": {"message": message}}))
}
