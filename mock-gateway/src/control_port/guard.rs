//! Who may drive the mock: programs on this machine that have the token, and the inspector's own page.
//!
//! A web page must not be able to, whatever it has read: a foreign `Origin` is refused, and so is a `Host` that is not
//! this port's own, which is what a rebound DNS name shows.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::middleware::Next;

use super::{ControlSite, ROUTES, error};
use crate::http::bearer;

/// Names of this machine that a browser or a program may have in `Host` and `Origin`.
const OWN_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

pub(super) async fn guard(
    State(site): State<ControlSite>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|peer| peer.0);
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return error(
            StatusCode::FORBIDDEN,
            "not_loopback",
            "only programs on this machine are answered",
        );
    }
    let headers = request.headers();
    let Some(host) = own_authority(headers) else {
        return error(
            StatusCode::FORBIDDEN,
            "foreign_host",
            "the Host header must name this machine: 127.0.0.1, localhost or [::1], with the port",
        );
    };
    if headers.contains_key(header::ORIGIN) && !is_own_origin(headers, host) {
        return error(
            StatusCode::FORBIDDEN,
            "foreign_origin",
            "requests from a web page are refused, except from the inspector on this port",
        );
    }
    let path = request.uri().path();
    let public = ROUTES
        .iter()
        .any(|route| route.public && route.path == path);
    let known = bearer(headers).is_some_and(|token| site.token.matches(token));
    if public || known {
        return next.run(request).await;
    }
    error(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "expected Authorization: Bearer and the token of this port, which `serve` printed as control.token",
    )
}

/// `Host`, when its name is one of ours.
fn own_authority(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    OWN_NAMES
        .iter()
        .any(|own| own.eq_ignore_ascii_case(name))
        .then_some(host)
}

/// Whether the page came from this very port.
fn is_own_origin(headers: &HeaderMap, host: &str) -> bool {
    headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok())
        .and_then(|origin| origin.strip_prefix("http://"))
        .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}
