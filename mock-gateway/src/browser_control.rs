//! The gateway's second port: the browser control service, without a browser behind it.
//!
//! The real one listens two ports above the gateway and wants the gateway's shared secret.
//! ref: gateway-behaviour.md §9 (recording 214)

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use axum::routing::any;
use gateway_core::{HttpAccess, Peer, Profile};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::{bearer, html, json_body};
use crate::hub::HubHandle;

/// How far above the gateway's port it listens.
pub(crate) const OFFSET: u16 = 2;

#[derive(Clone)]
struct BrowserSite {
    hub: HubHandle,
    profile: &'static Profile,
    /// Where a browser's own port would be.
    cdp_port: u16,
}

/// Serves on the port two above `gateway` until cancelled.
pub(crate) async fn open(
    hub: HubHandle,
    profile: &'static Profile,
    gateway: SocketAddr,
    tasks: &TaskTracker,
    cancel: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let port = gateway.port().checked_add(OFFSET).ok_or_else(|| {
        std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            format!("there is no port {OFFSET} above {}", gateway.port()),
        )
    })?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let addr = listener.local_addr()?;
    let site = BrowserSite {
        hub,
        profile,
        cdp_port: addr.port().saturating_add(9),
    };
    let serve = axum::serve(
        listener,
        Router::new().fallback(any(answer)).with_state(site),
    );
    tasks.spawn(async move {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            result = IntoFuture::into_future(serve) => {
                if let Err(error) = result {
                    tracing::warn!("browser control ended: {error}");
                }
            }
        }
    });
    Ok(addr)
}

async fn answer(State(site): State<BrowserSite>, request: Request<Body>) -> Response<Body> {
    let visit = site
        .hub
        .visit(Peer::loopback(), bearer(request.headers()))
        .await;
    if visit.is_none_or(|visit| visit.access != HttpAccess::Granted) {
        return html(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => json_body(StatusCode::OK, &status(&site)),
        (&Method::GET, "/tabs") => {
            json_body(StatusCode::OK, &json!({"running": false, "tabs": []}))
        }
        _ => not_found(request.method(), request.uri().path()),
    }
}

/// A browser that was found and never started.
fn status(site: &BrowserSite) -> Value {
    let mut status = json!({
        "enabled": true,
        "profile": "openclaw",
        "driver": "openclaw",
        "transport": "cdp",
        "running": false,
        "cdpReady": false,
        "cdpHttp": false,
        "pageReady": false,
        "pid": null,
        "cdpPort": site.cdp_port,
        "cdpUrl": format!("http://127.0.0.1:{}", site.cdp_port),
        "chosenBrowser": null,
        "detectedBrowser": "chromium",
        "detectedExecutablePath": "/usr/bin/chromium",
        "detectError": null,
        "userDataDir": null,
        "color": "#FF4500",
        "headless": true,
        "headlessSource": "linux-display-fallback",
        "noSandbox": false,
        "executablePath": null,
        "attachOnly": false,
    });
    if site.profile.newer_http()
        && let Some(members) = status.as_object_mut()
    {
        members.insert("graphics".to_owned(), Value::Null);
    }
    status
}

fn not_found(method: &Method, path: &str) -> Response<Body> {
    let path: String = path
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "/-_.".contains(*letter))
        .collect();
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n\
         <pre>Cannot {method} {path}</pre>\n</body>\n</html>\n"
    );
    let mut response = html(StatusCode::NOT_FOUND, page);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'"),
    );
    response
}
