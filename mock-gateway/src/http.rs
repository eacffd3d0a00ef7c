//! What the gateway's port answers to plain HTTP. ref: gateway-behaviour.md §9
//!
//! - [`router`]: health, readiness, the Control UI's configuration, and a page of ours where the Control UI would be.

use std::net::IpAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, any, get};
use gateway_protocol::time::millis;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::hub::HubHandle;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) hub: HubHandle,
    pub(crate) clock: Clock,
    /// Version that the configuration reports, the profile's name.
    pub(crate) version: &'static str,
}

/// Put into every request by the accept loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteIp(pub(crate) IpAddr);

/// The routes of the gateway's own port.
pub(crate) fn router(site: Site) -> Router {
    let mut router = Router::new();
    for path in ["/health", "/healthz"] {
        router = router.route(path, read_only(get(health)));
    }
    for path in ["/ready", "/readyz"] {
        router = router.route(path, read_only(get(ready)));
    }
    for path in [
        "/control-ui-config.json",
        "/__openclaw/control-ui-config.json",
    ] {
        router = router.route(path, read_only(get(control_ui_config)));
    }
    router
        .route("/favicon.ico", get(favicon))
        .route("/favicon.svg", get(favicon))
        .fallback(any(page))
        .with_state(site)
}

fn read_only(methods: MethodRouter<Site>) -> MethodRouter<Site> {
    methods.fallback(|| async {
        let mut response = body(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Method Not Allowed");
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    })
}

async fn health() -> Response<Body> {
    uncached(json_body(
        StatusCode::OK,
        &json!({"ok": true, "status": "live"}),
    ))
}

async fn ready(State(site): State<Site>, request: Request<Body>) -> Response<Body> {
    let trusted = is_local(&request) || authorized(&site, request.headers()).await;
    let up = site.hub.is_up();
    let status = if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let answer = if trusted {
        let failing: &[&str] = if up { &[] } else { &["gateway"] };
        json!({"ready": up, "failing": failing, "uptimeMs": millis(site.clock.now().since_start)})
    } else {
        json!({"ready": up})
    };
    uncached(json_body(status, &answer))
}

async fn control_ui_config(State(site): State<Site>, headers: HeaderMap) -> Response<Body> {
    if !authorized(&site, &headers).await {
        return json_body(
            StatusCode::UNAUTHORIZED,
            &json!({"error": {"message": "Unauthorized", "type": "unauthorized"}}),
        );
    }
    uncached(json_body(
        StatusCode::OK,
        &json!({
            "basePath": "",
            "assistantName": "Assistant",
            "assistantAvatar": "",
            "assistantAgentId": "main",
            "serverVersion": site.version,
        }),
    ))
}

async fn favicon() -> Response<Body> {
    const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="#888"/></svg>"##;
    body(
        StatusCode::OK,
        HeaderValue::from_static("image/svg+xml"),
        ICON,
    )
}

/// The real gateway serves a single-page application for every path that does not look like a file.
async fn page(method: Method, uri: Uri) -> Response<Body> {
    let path = uri.path();
    let reads = method == Method::GET || method == Method::HEAD;
    if !reads || looks_like_a_file(path) || path.starts_with("/api/") || path.starts_with("/hooks/")
    {
        return body(StatusCode::NOT_FOUND, TEXT, "Not Found");
    }
    let mut response = body(StatusCode::OK, HTML, PAGE);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    );
    response
}

fn looks_like_a_file(path: &str) -> bool {
    path != "/index.html"
        && path
            .rsplit('/')
            .next()
            .is_some_and(|last| last.trim_start_matches('.').contains('.'))
}

/// Loopback address and no forwarding header. ref: gateway-behaviour.md §6.1
fn is_local(request: &Request<Body>) -> bool {
    let forwarded = request.headers().keys().any(|name| {
        *name == header::FORWARDED
            || name.as_str().starts_with("x-forwarded-")
            || name == "x-real-ip"
    });
    !forwarded
        && request
            .extensions()
            .get::<RemoteIp>()
            .is_some_and(|ip| ip.0.is_loopback())
}

async fn authorized(site: &Site, headers: &HeaderMap) -> bool {
    match bearer(headers) {
        Some(token) => site.hub.shared_secret_matches(token).await,
        None => false,
    }
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn body(status: StatusCode, content_type: HeaderValue, text: &'static str) -> Response<Body> {
    (status, [(header::CONTENT_TYPE, content_type)], text).into_response()
}

pub(crate) fn json_body(status: StatusCode, value: &Value) -> Response<Body> {
    (status, [(header::CONTENT_TYPE, JSON)], value.to_string()).into_response()
}

fn uncached(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>clawproof mock gateway</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:4em auto;padding:0 1em;color:#222;background:#fff}code{background:#eee;padding:.1em .3em}</style>
<h1>clawproof mock gateway</h1>
<p>This is a test double of an OpenClaw gateway. It speaks the gateway's WebSocket protocol on this port, on any path.
There is no Control UI here and nothing you do reaches a real assistant.</p>
<p>Point a client at <code>ws://</code> and this host and port, with the token that <code>clawproof serve</code> printed.
<code>/health</code> and <code>/ready</code> answer as the real gateway does.</p>
</html>
"#;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", false)]
    #[case("/index.html", false)]
    #[case("/chat", false)]
    #[case("/.well-known/x", false)]
    #[case("/nope.txt", true)]
    #[case("/assets/nope.js", true)]
    fn a_file_has_an_extension(#[case] path: &str, #[case] file: bool) {
        assert_eq!(looks_like_a_file(path), file);
    }

    #[rstest]
    #[case("Bearer abc", Some("abc"))]
    #[case("bearer abc", Some("abc"))]
    #[case("Basic abc", None)]
    #[case("abc", None)]
    fn a_bearer_is_read_from_its_header(#[case] value: &str, #[case] token: Option<&str>) {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(value).unwrap());
        assert_eq!(bearer(&headers), token);
    }
}
