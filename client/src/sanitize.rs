//! Takes everything out of a text that must not reach a log, a bundle or a screen. ref: client-behaviour.md §27
//!
//! [`sanitize`] is for short texts of the wire, [`sanitize_log`] for lines that leave the process. Both fail closed by
//! construction: the patterns run in linear time, so there is no time limit that a hostile text could exceed.
//!
//! ```
//! use gateway_client::sanitize::sanitize_log;
//! let line = "token=abc for ada@example.org at 10.0.0.7 in /home/ada/x";
//! assert_eq!(sanitize_log(line), "token=[REDACTED] for <email> at <ip> in $HOME/x");
//! ```

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

#[expect(
    clippy::expect_used,
    reason = "the patterns are literals, and a test compiles each"
)]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a literal pattern")
}

macro_rules! patterns {
    ($($name:ident = $text:expr;)*) => {
        $(static $name: LazyLock<Regex> = LazyLock::new(|| pattern($text));)*
    };
}

/// Parts of names whose values are nobody's business, with every separator left out.
const FRAGMENTS: &str = "authorization|api[-_]?key|bearer|bot[-_]?token|browser[-_]?password|client[-_]?secret|cookie|device[-_]?id|dpapi|identity|jwt|nonce|node|nsec|openclawid|password|private[-_]?key|raw[-_]?error[-_]?response|relay[-_]?url|secret|session[-_]?key|setup[-_]?code|signing|token|webhook";

patterns! {
    BEARER = r#"(?i)(authorization:\s*bearer\s+)[^\s"',;]+"#;
    SECRET_MEMBER = r#"(?i)("[^"]*(?:token|secret|bearer|authorization)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*""#;
    RUN = r"[A-Za-z0-9_-]+";
    PEM = r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)";
    SIGNED = r"signed:[^\r\n]*";
    DPAPI = r#"dpapi:[^\s"',;]+"#;
    AGENT = r#"agent:[^\s"',;]+"#;
    HEADER = r"(?im)\b((?:authorization|cookie|proxy-authorization|set-cookie|x-api-key|x-openclaw-token):[ \t]*)[^\r\n]+";
    OPTION = &format!(r#"(?i)(--[a-z0-9-]*(?:{FRAGMENTS})[a-z0-9-]*(?:=|\s+))("[^"]*"|'[^']*'|[^\s"',;]+)"#);
    MEMBER = &format!(r#"(?i)("(?:[^"]*(?:{FRAGMENTS})[^"]*|id|[^"]*(?:[-_]id|Id))"\s*:\s*)("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|\{{[^{{}}]*\}}|\[[^\[\]]*\])"#);
    PAIR = &format!(r#"(?i)\b([a-z0-9_.-]*(?:{FRAGMENTS})[a-z0-9_.-]*\s*(?:=|:\s)\s*)("[^"]*"|'[^']*'|[^\s"',;&)\]}}]+)"#);
    GUID = r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b";
    ROAMING = r"(?i)\b[a-z]:[\\/]{1,4}users[\\/]{1,4}[^\\/\s]+[\\/]{1,4}appdata[\\/]{1,4}roaming";
    LOCAL = r"(?i)\b[a-z]:[\\/]{1,4}users[\\/]{1,4}[^\\/\s]+[\\/]{1,4}appdata[\\/]{1,4}local";
    PROFILE = r#"(?i)(?:\b[a-z]:[\\/]{1,4}users[\\/]{1,4}|/mnt/[a-z]/users/)[^\\/\s"']+"#;
    HOME = r#"(/home/|/Users/)[^/\s"':]+"#;
    URL = r#"(?i)\b(wss?|https?|ftp)://[^\s"'<>]+"#;
    EMAIL = r"(?i)\b[a-z0-9._%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b";
    IPV6 = r"(?i)\[?[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}\]?";
    IPV4 = r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b";
    USER_AT_HOST = r"\b[A-Za-z0-9._-]+@[A-Za-z0-9._-]+\b";
    TO_HOST = r"(?i)\b(to )([a-z0-9][a-z0-9.-]*)(:[0-9]{1,5})\b";
}

const REDACTED: &str = "[REDACTED]";

/// Bearer values, secret members, and runs that have the length of a token. ref: §27.1
pub fn sanitize(text: &str) -> String {
    let text = BEARER.replace_all(text, format!("${{1}}{REDACTED}"));
    let text = SECRET_MEMBER.replace_all(&text, format!("${{1}}\"{REDACTED}\""));
    RUN.replace_all(&text, |run: &Captures<'_>| {
        let run = run.get(0).map_or("", |found| found.as_str());
        let hex = run.len() == 64 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
        if run.len() == 43 || hex {
            "[REDACTED_TOKEN]".to_owned()
        } else {
            run.to_owned()
        }
    })
    .into_owned()
}

/// Everything that [`sanitize`] takes out, and keys, ids, addresses, paths and names of people and machines.
/// ref: §27.2
pub fn sanitize_log(text: &str) -> String {
    let text = sanitize(text);
    let text = PEM.replace_all(&text, "[REDACTED_PRIVATE_KEY]");
    let text = SIGNED.replace_all(&text, "signed: [REDACTED_HANDSHAKE]");
    let text = DPAPI.replace_all(&text, "dpapi:[REDACTED]");
    let text = AGENT.replace_all(&text, "[REDACTED_SESSION_KEY]");
    let text = keep_redacted(&HEADER, &text);
    let text = keep_redacted(&OPTION, &text);
    let text = MEMBER.replace_all(&text, format!("${{1}}\"{REDACTED}\""));
    let text = keep_redacted(&PAIR, &text);
    let text = GUID.replace_all(&text, "[REDACTED_ID]");
    let text = ROAMING.replace_all(&text, "%APPDATA%");
    let text = LOCAL.replace_all(&text, "%LOCALAPPDATA%");
    let text = PROFILE.replace_all(&text, "%USERPROFILE%");
    let text = HOME.replace_all(&text, "$$HOME");
    let text = URL.replace_all(&text, |url: &Captures<'_>| short_url(url));
    let text = EMAIL.replace_all(&text, "<email>");
    let text = IPV6.replace_all(&text, |found: &Captures<'_>| ipv6(&text, found));
    let text = IPV4.replace_all(&text, "<ip>");
    let text = USER_AT_HOST.replace_all(&text, "<user>@<host>");
    TO_HOST.replace_all(&text, "${1}<host>${3}").into_owned()
}

/// Replaces the second group, unless it has been replaced already.
fn keep_redacted<'a>(pattern: &Regex, text: &'a str) -> Cow<'a, str> {
    pattern.replace_all(text, |found: &Captures<'_>| {
        let name = found.get(1).map_or("", |it| it.as_str());
        let value = found.get(0).map_or("", |it| it.as_str()).get(name.len()..);
        match value {
            Some(value) if value.starts_with('[') || value.starts_with("\"[") => {
                format!("{name}{value}")
            }
            Some(_) | None => format!("{name}{REDACTED}"),
        }
    })
}

/// `scheme://<host>[:port]/<first segment>/…`. Userinfo, query, fragment and deeper folders are dropped.
fn short_url(url: &Captures<'_>) -> String {
    let whole = url.get(0).map_or("", |it| it.as_str());
    let scheme = url.get(1).map_or("", |it| it.as_str());
    let Some((_, rest)) = whole.split_once("://") else {
        return format!("{scheme}://<host>");
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let rest = rest.get(..end).unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let port = host
        .rsplit_once(':')
        .map(|(_, port)| port)
        .filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let mut short = format!("{scheme}://<host>");
    if let Some(port) = port {
        short.push(':');
        short.push_str(port);
    }
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    if let Some(first) = segments.next() {
        short.push('/');
        short.push_str(first);
        if segments.next().is_some() {
            short.push_str("/…");
        }
    }
    short
}

/// Only what really is an address: `12:30:05` is a time, and `companion::clock` holds `::c` by chance.
fn ipv6(text: &str, found: &Captures<'_>) -> String {
    let Some(found) = found.get(0) else {
        return String::new();
    };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let before = text
        .get(..found.start())
        .and_then(|it| it.chars().next_back());
    let after = text.get(found.end()..).and_then(|it| it.chars().next());
    let inside_a_word = before.is_some_and(is_word) || after.is_some_and(is_word);
    let bare = found.as_str().trim_start_matches('[').trim_end_matches(']');
    if !inside_a_word && bare.parse::<std::net::Ipv6Addr>().is_ok() {
        "<ipv6>".to_owned()
    } else {
        found.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::bearer("Authorization: Bearer abc, x", "Authorization: Bearer [REDACTED], x")]
    #[case::member(
        r#"{"deviceToken":"a\"b","x":1}"#,
        r#"{"deviceToken":"[REDACTED]","x":1}"#
    )]
    #[case::plain("nothing here 12:30:05", "nothing here 12:30:05")]
    fn texts_of_the_wire_lose_their_secrets(#[case] text: &str, #[case] clean: &str) {
        assert_eq!(sanitize(text), clean);
        assert_eq!(sanitize(clean), clean, "once is enough");
    }

    #[rstest]
    #[case(42, false)]
    #[case(43, true)]
    #[case(44, false)]
    fn a_run_of_the_length_of_a_token_goes(#[case] length: usize, #[case] gone: bool) {
        let text = format!("x {} y", "a".repeat(length));
        assert_eq!(sanitize(&text) == "x [REDACTED_TOKEN] y", gone);
    }

    #[rstest]
    #[case::pem(
        "a -----BEGIN PRIVATE KEY-----\nAAA\n-----END PRIVATE KEY----- b",
        "a [REDACTED_PRIVATE_KEY] b"
    )]
    #[case::cut_pem("-----BEGIN PRIVATE KEY-----\nAAA", "[REDACTED_PRIVATE_KEY]")]
    #[case::signed("x signed: v3|d|c\ny", "x signed: [REDACTED_HANDSHAKE]\ny")]
    #[case::dpapi("dpapi:AQAAAN x", "dpapi:[REDACTED] x")]
    #[case::agent("in agent:main:x now", "in [REDACTED_SESSION_KEY] now")]
    #[case::option("run --gateway-token abc -v", "run --gateway-token [REDACTED] -v")]
    #[case::option_equals("run --password=abc", "run --password=[REDACTED]")]
    #[case::pair("password=abc; next", "password=[REDACTED]; next")]
    #[case::colon("nonce: abc", "nonce: [REDACTED]")]
    #[case::json_number(r#"{"nodeSeq":12,"a":1}"#, r#"{"nodeSeq":"[REDACTED]","a":1}"#)]
    #[case::json_id(
        r#"{"id":"x","requestId":"y","a":"b"}"#,
        r#"{"id":"[REDACTED]","requestId":"[REDACTED]","a":"b"}"#
    )]
    #[case::json_object(
        r#"{"identity":{"k":"v"},"a":1}"#,
        r#"{"identity":"[REDACTED]","a":1}"#
    )]
    #[case::header("Cookie: a=b; c=d\nnext", "Cookie: [REDACTED]\nnext")]
    #[case::guid("for 1b4e28ba-2fa1-11d2-883f-0016d3cca427.", "for [REDACTED_ID].")]
    #[case::windows_path(r"D:\Users\ada\x", r"%USERPROFILE%\x")]
    #[case::escaped_path(r"C:\\Users\\ada\\AppData\\Roaming\\x", r"%APPDATA%\\x")]
    #[case::local_path(r"C:/Users/ada/AppData/Local/x", "%LOCALAPPDATA%/x")]
    #[case::wsl_path("/mnt/c/Users/ada/x", "%USERPROFILE%/x")]
    #[case::home("/home/ada/x", "$HOME/x")]
    #[case::url("wss://u:p@gw.example:8443/a/b/c?d=e#f", "wss://<host>:8443/a/…")]
    #[case::short_url("http://gw.example", "http://<host>")]
    #[case::email("ada@example.org", "<email>")]
    #[case::ipv4("on 10.0.0.7 here", "on <ip> here")]
    #[case::ipv6("on fe80::1 here", "on <ipv6> here")]
    #[case::ipv6_in_brackets("[::1]:8765", "<ipv6>:8765")]
    #[case::path_of_a_module("INFO companion::companion: x", "INFO companion::companion: x")]
    #[case::a_time("at 12:30:05 here", "at 12:30:05 here")]
    #[case::user_at_host("ssh ada@box", "ssh <user>@<host>")]
    #[case::to_host("connect to gw.example:18789 failed", "connect to <host>:18789 failed")]
    #[case::timestamp("2026-11-25T16:00:00Z [info]", "2026-11-25T16:00:00Z [info]")]
    #[case::short_hex("deadbeef", "deadbeef")]
    fn lines_of_the_log_lose_what_the_table_says(#[case] text: &str, #[case] clean: &str) {
        assert_eq!(sanitize_log(text), clean);
        assert_eq!(sanitize_log(clean), clean, "what is clean stays as it is");
    }

    #[test]
    fn json_stays_json() {
        let text = r#"{"level":"INFO","fields":{"message":"ok","token":"a","ids":["x"],"nodeId":"n","count":3}}"#;
        let clean = sanitize_log(text);
        let value: serde_json::Value = serde_json::from_str(&clean).unwrap();
        assert_eq!(value["fields"]["message"], "ok");
        assert_eq!(value["fields"]["token"], "[REDACTED]");
        assert_eq!(value["fields"]["count"], 3);
    }
}
