//! Which HTTP requests get through: no browser, no other host name, no stranger, JSON only. ref: client-behaviour.md §23
//!
//! A web page can make the user's browser send requests to loopback. Everything that only browsers send is refused
//! before the token is looked at, so that not even its validity leaks to a page.

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, ORIGIN, REFERER};
use hyper::{Method, StatusCode};

use super::token::McpToken;

/// Largest request body in bytes.
pub(super) const MAX_BODY: usize = 4 * 1024 * 1024;

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) text: &'static str,
}

const fn refuse(status: StatusCode, text: &'static str) -> Refusal {
    Refusal { status, text }
}

/// The first check that fails, in the companion's order.
pub(super) fn check(method: &Method, headers: &HeaderMap, token: &McpToken) -> Result<(), Refusal> {
    let browser = |name: &str| name.starts_with("sec-fetch-") || name == REFERER.as_str();
    if headers.contains_key(ORIGIN) {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "requests with an Origin are refused\n",
        ));
    }
    if headers.keys().any(|name| browser(name.as_str())) {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "requests of a browser are refused\n",
        ));
    }
    if !headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .is_some_and(is_loopback)
    {
        return Err(refuse(StatusCode::FORBIDDEN, "expected a loopback Host\n"));
    }
    if !token.allows(headers) {
        let text = "expected Authorization: Bearer with the token of mcp-token.txt\n";
        return Err(refuse(StatusCode::UNAUTHORIZED, text));
    }
    if method == Method::GET {
        return Ok(());
    }
    if method != Method::POST {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "expected POST\n"));
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind
        .and_then(|kind| kind.split(';').next())
        .unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        let text = "expected Content-Type: application/json\n";
        return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if length
        .and_then(|length| length.parse().ok())
        .is_some_and(|length: u64| length > MAX_BODY as u64)
    {
        return Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "expected at most 4 MiB\n",
        ));
    }
    Ok(())
}

/// `127.0.0.1`, `localhost` or `[::1]`, with or without a port: a name that rebinds to loopback is refused.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()) => {
            name
        }
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

#[cfg(test)]
mod tests {
    use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
    use rstest::rstest;

    use super::*;

    fn token() -> McpToken {
        McpToken::of("a".repeat(43)).unwrap()
    }

    fn headers(over: &[(&str, Option<&str>)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {}", "a".repeat(43));
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8765"));
        headers.insert(AUTHORIZATION, bearer.parse().unwrap());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in over {
            let name: HeaderName = name.parse().unwrap();
            match value {
                Some(value) => drop(headers.insert(name, value.parse().unwrap())),
                None => drop(headers.remove(name)),
            }
        }
        headers
    }

    #[rstest]
    #[case::good(&[], 200)]
    #[case::charset(&[("content-type", Some("Application/JSON; charset=utf-8"))], 200)]
    #[case::ipv6(&[("host", Some("[::1]:8765"))], 200)]
    #[case::no_port(&[("host", Some("localhost"))], 200)]
    #[case::origin(&[("origin", Some("http://127.0.0.1:8765"))], 403)]
    #[case::null_origin(&[("origin", Some("null"))], 403)]
    #[case::fetch(&[("sec-fetch-site", Some("none"))], 403)]
    #[case::referer(&[("referer", Some("http://localhost"))], 403)]
    #[case::rebound(&[("host", Some("evil.example:8765"))], 403)]
    #[case::no_host(&[("host", None)], 403)]
    #[case::loopback_prefix(&[("host", Some("127.0.0.1.evil.example"))], 403)]
    #[case::no_token(&[("authorization", None)], 401)]
    #[case::wrong_token(&[("authorization", Some("Bearer b"))], 401)]
    #[case::another_scheme(&[("authorization", Some("Basic aaa"))], 401)]
    #[case::no_type(&[("content-type", None)], 415)]
    #[case::form(&[("content-type", Some("text/plain"))], 415)]
    #[case::too_large(&[("content-length", Some("4194305"))], 413)]
    #[case::just_fits(&[("content-length", Some("4194304"))], 200)]
    #[case::browser_before_token(&[("origin", Some("x")), ("authorization", None)], 403)]
    fn requests_are_refused_in_the_companions_order(
        #[case] over: &[(&str, Option<&str>)],
        #[case] status: u16,
    ) {
        let checked = check(&Method::POST, &headers(over), &token());
        let found = checked.map_or_else(|refusal| refusal.status.as_u16(), |()| 200);
        assert_eq!(found, status);
    }

    #[rstest]
    #[case(Method::GET, 200)]
    #[case(Method::PUT, 405)]
    #[case(Method::DELETE, 405)]
    #[case(Method::OPTIONS, 405)]
    fn only_get_and_post_are_served(#[case] method: Method, #[case] status: u16) {
        let checked = check(&method, &headers(&[]), &token());
        let found = checked.map_or_else(|refusal| refusal.status.as_u16(), |()| 200);
        assert_eq!(found, status);
    }
}
