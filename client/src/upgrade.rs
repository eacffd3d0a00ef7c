//! The upgrade request of a socket: `Origin` always, HTTP Basic when the gateway's URL had userinfo.
//!
//! ref: client-behaviour.md §6

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};

/// A part of the upgrade that HTTP can't carry. The value is left out: it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} can't be sent in an HTTP request")]
pub(crate) struct UpgradeError {
    part: &'static str,
}

/// The request for a ws or wss URL without userinfo. `basic` is `user:password` or `user` as in a URL.
pub(crate) fn request(
    url: &str,
    origin: &str,
    basic: Option<&str>,
) -> Result<Request, UpgradeError> {
    let refuse = |part| UpgradeError { part };
    let mut request = url
        .into_client_request()
        .map_err(|_| refuse("the gateway URL"))?;
    let origin = HeaderValue::from_str(origin).map_err(|_| refuse("the origin"))?;
    request.headers_mut().insert(header::ORIGIN, origin);
    if let Some(userinfo) = basic {
        let mut value =
            HeaderValue::from_str(&basic_header(userinfo)).map_err(|_| refuse("the user name"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    Ok(request)
}

/// User and password URL-decoded; a user alone becomes `user:`.
fn basic_header(userinfo: &str) -> String {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let mut plain = percent_decode(user);
    plain.push(b':');
    plain.extend(percent_decode(password));
    format!("Basic {}", STANDARD.encode(plain))
}

/// Leaves a `%` that is not followed by two hex digits as it is.
fn percent_decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = if *first == b'%' { hex_pair(tail) } else { None };
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            tail.get(2..).unwrap_or_default()
        } else {
            tail
        };
    }
    decoded
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let [high, low, ..] = bytes else { return None };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Some(digit(*high)? * 16 + digit(*low)?)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some("ada:pa%3Ass"), Some("ada:pa:ss"))]
    #[case(Some("ada"), Some("ada:"))]
    #[case(Some("ada:50%"), Some("ada:50%"))]
    #[case(Some("ada:%4"), Some("ada:%4"))]
    #[case(None, None)]
    fn userinfo_becomes_basic(#[case] basic: Option<&str>, #[case] plain: Option<&str>) {
        let request = request("ws://h:1/p?q=1", "http://h:1", basic).unwrap();
        let header = request
            .headers()
            .get("authorization")
            .map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(
            header,
            plain.map(|plain| format!("Basic {}", STANDARD.encode(plain)))
        );
        assert_eq!(request.headers()["host"], "h:1");
        assert_eq!(request.headers()["origin"], "http://h:1");
        assert!(
            !format!("{request:?}").contains("Basic"),
            "a printed request holds no password"
        );
    }

    #[rstest]
    #[case(
        "not a url",
        "http://h:1",
        "the gateway URL can't be sent in an HTTP request"
    )]
    #[case(
        "ws://h:1",
        "line\nbreak",
        "the origin can't be sent in an HTTP request"
    )]
    fn what_http_cannot_carry_is_named(
        #[case] url: &str,
        #[case] origin: &str,
        #[case] error: &str,
    ) {
        assert_eq!(request(url, origin, None).unwrap_err().to_string(), error);
    }
}
