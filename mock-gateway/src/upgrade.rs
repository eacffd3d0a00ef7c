//! The step from HTTP to WebSocket: which requests may take it, and what the others are told.
//!
//! ref: gateway-behaviour.md §1.1
//!
//! Own code instead of axum's `ws`: that pins an older tungstenite, keeps 128 KiB per connection, and hides the
//! stream on which faults act.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use gateway_core::{Admission, HttpReply, Peer};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A request that may become a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    accept: String,
    subprotocol: Option<HeaderValue>,
}

/// Why a request may not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The path is no path: 401 with an empty body.
    BadPath,
    /// `Upgrade` is not `websocket`.
    NotWebSocket,
    /// `Sec-WebSocket-Key` is missing or is not 16 bytes in base64.
    BadKey,
    /// Not GET. Both releases, seen by the flow transport/upgrade-by-post.
    BadMethod,
    /// The gateway's own reasons.
    TooManyUnauthenticated,
    /// 2026.9.6 with forwarding headers from a peer that is not a trusted proxy.
    ProxyAttribution,
}

/// Recording 200 of 2026.9.6.
pub(crate) const UNATTRIBUTED: &str = r#"{"error":{"message":"Proxy client attribution is required. Configure gateway.trustedProxies narrowly and make the proxy overwrite or safely rebuild forwarded client headers.","type":"proxy_attribution_required"}}"#;

impl Refusal {
    /// What an admission that is none is answered.
    pub(crate) fn of(admission: Admission) -> Option<Response<Body>> {
        match admission {
            Admission::Accept => None,
            Admission::TooManyUnauthenticated => Some(Self::TooManyUnauthenticated.response()),
            Admission::ProxyAttributionRequired => Some(Self::ProxyAttribution.response()),
            Admission::Scripted(http) => Some(scripted(http)),
        }
    }

    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        const TEXT: &str = "text/plain; charset=utf-8";
        // What the real gateway's WebSocket library calls its one-line errors.
        const ERROR: &str = "text/html";
        match self {
            Self::BadPath => (StatusCode::UNAUTHORIZED, TEXT, ""),
            Self::NotWebSocket => (StatusCode::BAD_REQUEST, ERROR, "Invalid Upgrade header"),
            Self::BadKey => (
                StatusCode::BAD_REQUEST,
                ERROR,
                "Missing or invalid Sec-WebSocket-Key header",
            ),
            Self::BadMethod => (StatusCode::METHOD_NOT_ALLOWED, ERROR, "Invalid HTTP method"),
            Self::TooManyUnauthenticated => (
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                "Too many unauthenticated sockets",
            ),
            Self::ProxyAttribution => (
                StatusCode::FORBIDDEN,
                "application/json; charset=utf-8",
                UNATTRIBUTED,
            ),
        }
    }

    /// The answer; the connection ends with it.
    pub(crate) fn response(self) -> Response<Body> {
        let (status, content_type, body) = self.parts();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        if !body.is_empty() {
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        response
    }
}

/// What a behaviour answers; the connection ends with it.
fn scripted(http: HttpReply) -> Response<Body> {
    let mut response = Response::new(Body::from(http.body));
    *response.status_mut() =
        StatusCode::from_u16(http.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if let Some(seconds) = http.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(Ok(location)) = http.location.map(|place| HeaderValue::from_str(&place)) {
        headers.insert(header::LOCATION, location);
    }
    response
}

impl Upgrade {
    /// 101, with the first offered subprotocol echoed and no extension.
    pub(crate) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(subprotocol) = self.subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        response
    }
}

/// Whether a request asks for another protocol; only then does the HTTP side leave it alone.
pub(crate) fn wanted<B>(request: &Request<B>) -> bool {
    request.headers().contains_key(header::UPGRADE)
        && list_contains(request.headers(), &header::CONNECTION, "upgrade")
}

/// Checks a request for which [`wanted`] holds. Any path will do, and its query is not looked at.
pub(crate) fn check<B>(request: &Request<B>) -> Result<Upgrade, Refusal> {
    let path = request.uri().path();
    if path == "//" || !percent_escapes_are_sound(path) {
        return Err(Refusal::BadPath);
    }
    if request.method() != Method::GET {
        return Err(Refusal::BadMethod);
    }
    let headers = request.headers();
    let websocket = headers
        .get(header::UPGRADE)
        .is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !websocket {
        return Err(Refusal::NotWebSocket);
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key.as_bytes()))
        .ok_or(Refusal::BadKey)?;
    Ok(Upgrade {
        accept: derive_accept_key(key.as_bytes()),
        subprotocol: first_subprotocol(headers),
    })
}

/// Who asks, in the terms of the core.
pub(crate) fn peer(remote_ip: IpAddr, headers: &HeaderMap) -> Peer {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Peer {
        remote_ip,
        origin: headers.get(header::ORIGIN).map(text),
        host: headers.get(header::HOST).map(text),
        headers: headers
            .iter()
            .filter(|(name, _)| !SPENT_HEADERS.contains(name))
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect(),
    }
}

/// Headers that say nothing more to the core once the upgrade is done.
const SPENT_HEADERS: [header::HeaderName; 8] = [
    header::ORIGIN,
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
];

fn first_subprotocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    let first = offered
        .split(',')
        .map(str::trim)
        .find(|name| !name.is_empty())?;
    HeaderValue::from_str(first).ok()
}

fn list_contains(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

/// 22 base64 characters and `==`.
fn is_key(key: &[u8]) -> bool {
    let (body, padding) = key.split_at(key.len().min(22));
    body.len() == 22
        && padding == b"=="
        && body
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/')
}

fn percent_escapes_are_sound(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes();
        digits.next().is_some_and(|digit| digit.is_ascii_hexdigit())
            && digits.next().is_some_and(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(method: &str, path: &str, upgrade: &str, key: Option<&str>) -> Request<()> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", upgrade)
            .header("Sec-WebSocket-Version", "8");
        if let Some(key) = key {
            request = request.header("Sec-WebSocket-Key", key);
        }
        request.body(()).unwrap()
    }

    #[rstest]
    #[case::root("GET", "/", "websocket", Some(KEY), None)]
    #[case::any_path("GET", "/x/y?z", "WebSocket", Some(KEY), None)]
    #[case::token_in_query("GET", "/?token=abc", "websocket", Some(KEY), None)]
    #[case::two_slashes("GET", "//", "websocket", Some(KEY), Some(Refusal::BadPath))]
    #[case::bad_escape("GET", "/%zz", "websocket", Some(KEY), Some(Refusal::BadPath))]
    #[case::good_escape("GET", "/%7e", "websocket", Some(KEY), None)]
    #[case::post("POST", "/", "websocket", Some(KEY), Some(Refusal::BadMethod))]
    #[case::h2c("GET", "/", "h2c", Some(KEY), Some(Refusal::NotWebSocket))]
    #[case::no_key("GET", "/", "websocket", None, Some(Refusal::BadKey))]
    #[case::short_key("GET", "/", "websocket", Some("abc="), Some(Refusal::BadKey))]
    #[case::long_key(
        "GET",
        "/",
        "websocket",
        Some("dGhlIHNhbXBsZSBub25jZQ==="),
        Some(Refusal::BadKey)
    )]
    fn only_sound_requests_upgrade(
        #[case] method: &str,
        #[case] path: &str,
        #[case] upgrade: &str,
        #[case] key: Option<&str>,
        #[case] refusal: Option<Refusal>,
    ) {
        let request = request(method, path, upgrade, key);
        assert!(wanted(&request));
        assert_eq!(check(&request).err(), refusal);
    }

    #[test]
    fn the_first_subprotocol_is_echoed() {
        let mut request = request("GET", "/", "websocket", Some(KEY));
        request
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("a, b"));
        let response = check(&request).unwrap().response();
        assert_eq!(response.headers()["sec-websocket-protocol"], "a");
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert!(!response.headers().contains_key("sec-websocket-extensions"));
    }

    #[test]
    fn a_plain_request_is_left_to_http() {
        let mut request = request("GET", "/", "websocket", Some(KEY));
        request
            .headers_mut()
            .insert("Connection", HeaderValue::from_static("keep-alive"));
        assert!(!wanted(&request));
    }
}
