//! What the gateway's port answers to plain HTTP. ref: gateway-behaviour.md §9
//!
//! - [`router`]: one handler for every path; it asks the brain who is there, then does what the plan says.
//! - `plan.rs`: which request is which page. `control_ui.rs`: the Control UI's files, or a page of ours in their place.

mod control_ui;
mod plan;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::any;
use gateway_core::{HttpAccess, HttpVisit, Profile};
use gateway_protocol::time::millis;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::hub::HubHandle;
use crate::upgrade::{self, UNATTRIBUTED};
use plan::Plan;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Largest body of a tool call. ref: gateway-behaviour.md §9; nothing larger was seen
const TOOL_BODY: usize = 2 * 1024 * 1024;

/// Folders from which 2026.6.34 would serve media, as they are on a machine like the one in the snapshot of hello-ok.
const MEDIA_ROOTS: [&str; 6] = [
    "/tmp/openclaw",
    "/home/openclaw/.openclaw/media",
    "/home/openclaw/.openclaw/canvas",
    "/home/openclaw/.openclaw/workspace",
    "/home/openclaw/.openclaw/sandboxes",
    "/home/openclaw/.openclaw/workspace-main",
];

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) hub: HubHandle,
    pub(crate) clock: Clock,
    pub(crate) profile: &'static Profile,
    /// Directory of a real Control UI's files.
    pub(crate) control_ui: Option<Arc<Path>>,
}

/// Put into every request by the accept loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteIp(pub(crate) IpAddr);

/// The routes of the gateway's own port.
pub(crate) fn router(site: Site) -> Router {
    Router::new().fallback(any(answer)).with_state(site)
}

async fn answer(State(site): State<Site>, request: Request<Body>) -> Response<Body> {
    let newer = site.profile.newer_http();
    let plan = plan::of(newer, request.method(), request.uri().path());
    if plan == Plan::Health {
        return uncached(json_body(
            StatusCode::OK,
            &json!({"ok": true, "status": "live"}),
        ));
    }
    // Only where a secret is needed does a wrong one count.
    let token = plan
        .asks_for_the_secret()
        .then(|| bearer(request.headers()).map(str::to_owned))
        .flatten();
    let ip = request
        .extensions()
        .get::<RemoteIp>()
        .map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |remote| {
            remote.0
        });
    let peer = upgrade::peer(ip, request.headers());
    let Some(visit) = site.hub.visit(peer, token.as_deref()).await else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable");
    };
    if !visit.delay.is_zero() {
        tokio::time::sleep(visit.delay).await;
    }
    if visit.access == HttpAccess::Unattributed {
        return (
            StatusCode::FORBIDDEN,
            [(header::CONTENT_TYPE, JSON)],
            UNATTRIBUTED,
        )
            .into_response();
    }
    let open = matches!(plan, Plan::Ready) || !plan.asks_for_the_secret();
    let mut response = match refused(visit.access).filter(|_| !open) {
        Some(refusal) => refusal,
        None => page(&site, &plan, visit, request).await,
    };
    if plan.has_ui_headers() {
        control_ui::secure(newer, response.headers_mut());
    }
    response
}

/// The answer to whoever has no business here.
fn refused(access: HttpAccess) -> Option<Response<Body>> {
    match access {
        HttpAccess::Granted | HttpAccess::Unattributed => None,
        HttpAccess::Unauthorized => Some(json_body(
            StatusCode::UNAUTHORIZED,
            &json!({"error": {"message": "Unauthorized", "type": "unauthorized"}}),
        )),
        HttpAccess::RateLimited { retry_after } => {
            let mut response = json_body(
                StatusCode::TOO_MANY_REQUESTS,
                &json!({"error": {
                    "message": "Too many failed authentication attempts. Please try again later.",
                    "type": "rate_limited",
                }}),
            );
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            Some(response)
        }
    }
}

async fn page(
    site: &Site,
    plan: &Plan,
    visit: HttpVisit,
    request: Request<Body>,
) -> Response<Body> {
    match plan {
        Plan::Health => uncached(json_body(
            StatusCode::OK,
            &json!({"ok": true, "status": "live"}),
        )),
        Plan::Ready => uncached(ready(site, visit)),
        Plan::NotAllowed(allow) => {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(allow));
            response
        }
        Plan::NotFound | Plan::UiNotFound | Plan::Avatar => {
            text(StatusCode::NOT_FOUND, "Not Found")
        }
        Plan::UiConfig => revalidated(json_body(StatusCode::OK, &ui_config(site))),
        Plan::Ui(path) => control_ui::file(site, path).await,
        Plan::Canvas => uncached(html(StatusCode::OK, control_ui::CANVAS)),
        Plan::History(session) => history(site, session),
        Plan::Tool => tool(request).await,
    }
}

fn ready(site: &Site, visit: HttpVisit) -> Response<Body> {
    let up = site.hub.is_up();
    let status = if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if !visit.local && visit.access != HttpAccess::Granted {
        return json_body(status, &json!({"ready": up}));
    }
    let failing: &[&str] = if up { &[] } else { &["gateway"] };
    let mut event_loop = json!({
        "degraded": false,
        "reasons": [],
        "intervalMs": 1_000,
        "delayP99Ms": 0,
        "delayMaxMs": 0,
        "utilization": 0,
        "cpuCoreRatio": 0,
    });
    if site.profile.newer_http()
        && let Some(members) = event_loop.as_object_mut()
    {
        members.insert("degradedSinceMs".to_owned(), Value::Null);
        let breakdown = json!({
            "mainThreadCoreRatio": 0,
            "hostUtilization": 0,
            "hostCpuCount": 2,
            "workerCoreRatio": 0,
            "otherThreadsCoreRatio": 0,
        });
        members.insert("cpuBreakdown".to_owned(), breakdown);
    }
    json_body(
        status,
        &json!({
            "ready": up,
            "failing": failing,
            "uptimeMs": millis(site.clock.now().since_start),
            "eventLoop": event_loop,
        }),
    )
}

/// What the Control UI reads before it connects. Recording 116.
fn ui_config(site: &Site) -> Value {
    let newer = site.profile.newer_http();
    let (status, reason) = if newer {
        (Value::Null, Value::Null)
    } else {
        (json!("none"), json!("missing"))
    };
    let mut config = json!({
        "basePath": "",
        "assistantName": "Assistant",
        "assistantAvatar": "A",
        "assistantAvatarSource": null,
        "assistantAvatarStatus": status,
        "assistantAvatarReason": reason,
        "assistantAgentId": "main",
        "serverVersion": site.profile.version,
        "embedSandbox": "scripts",
        "allowExternalEmbedUrls": false,
    });
    let more = if newer {
        json!({
            "serverBuildId": site.profile.build_id(),
            "automaticallyFetchFavicons": true,
            "communityInvite": true,
            "terminalEnabled": true,
            "cliAgentsEnabled": true,
            "pluginAssetsRequireAuth": true,
            "pluginFrameGrants": [],
        })
    } else {
        json!({"localMediaPreviewRoots": MEDIA_ROOTS})
    };
    if let (Some(members), Value::Object(more)) = (config.as_object_mut(), more) {
        members.extend(more);
    }
    config
}

/// Messages of a chat session over HTTP; the mock's scripted conversations are told over the WebSocket only.
fn history(site: &Site, session: &str) -> Response<Body> {
    if site.profile.newer_http() {
        return tool_error(
            StatusCode::NOT_FOUND,
            "not_found",
            &format!("Session not found: {session}"),
        );
    }
    let key = if session == "main" {
        "agent:main:main"
    } else {
        session
    };
    json_body(
        StatusCode::OK,
        &json!({"sessionKey": key, "items": [], "messages": [], "hasMore": false}),
    )
}

/// The mock has no tools, so every name is that of one that is not available.
async fn tool(request: Request<Body>) -> Response<Body> {
    let Ok(body) = to_bytes(request.into_body(), TOOL_BODY).await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "Payload Too Large");
    };
    let named = serde_json::from_slice::<Value>(&body)
        .ok()
        .and_then(|body| {
            let name = body
                .get("tool")
                .or_else(|| body.get("name"))?
                .as_str()?
                .trim();
            (!name.is_empty()).then(|| name.to_owned())
        });
    match named {
        Some(name) => tool_error(
            StatusCode::NOT_FOUND,
            "not_found",
            &format!("Tool not available: {name}"),
        ),
        None => tool_error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "tools.invoke requires name",
        ),
    }
}

fn tool_error(status: StatusCode, kind: &str, message: &str) -> Response<Body> {
    json_body(
        status,
        &json!({"ok": false, "error": {"type": kind, "message": message}}),
    )
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    (status, [(header::CONTENT_TYPE, TEXT)], text).into_response()
}

pub(crate) fn html(status: StatusCode, page: impl Into<Body>) -> Response<Body> {
    (status, [(header::CONTENT_TYPE, HTML)], page.into()).into_response()
}

pub(crate) fn json_body(status: StatusCode, value: &Value) -> Response<Body> {
    (status, [(header::CONTENT_TYPE, JSON)], value.to_string()).into_response()
}

pub(crate) fn uncached(response: Response<Body>) -> Response<Body> {
    cached(response, "no-store")
}

fn revalidated(response: Response<Body>) -> Response<Body> {
    cached(response, "no-cache")
}

fn cached(mut response: Response<Body>, how: &'static str) -> Response<Body> {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    response
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

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
