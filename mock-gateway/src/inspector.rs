//! The inspector: a page on the control port that shows a running mock and lets a person drive it.
//!
//! Plain files, embedded as they are; nothing is fetched from anywhere else. The page holds no secret: its token comes
//! in the fragment of its address, which no browser sends, and goes into the `Authorization` header of what it asks.

use axum::body::Body;
use axum::http::{HeaderValue, Response, header};

/// Nothing from elsewhere, no inline script, not inside another page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

pub(crate) async fn page() -> Response<Body> {
    file(
        "text/html; charset=utf-8",
        include_str!("inspector/index.html"),
    )
}

pub(crate) async fn style() -> Response<Body> {
    file(
        "text/css; charset=utf-8",
        include_str!("inspector/inspector.css"),
    )
}

pub(crate) async fn script() -> Response<Body> {
    file(
        "text/javascript; charset=utf-8",
        include_str!("inspector/inspector.js"),
    )
}

pub(crate) async fn diagram() -> Response<Body> {
    file(
        "text/javascript; charset=utf-8",
        include_str!("inspector/diagram.js"),
    )
}

fn file(kind: &'static str, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}
