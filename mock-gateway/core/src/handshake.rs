//! `connect` before any credential is looked at: one function per check, in the gateway's order.
//!
//! ref: gateway-behaviour.md §1.5, §1.7, §2.2, §2.3 (precedence), §10

use std::net::IpAddr;
use std::time::Duration;

use gateway_protocol::{
    ClientInfo, CloseFrame, ConnectParams, DetailCode, ErrorCode, ErrorShape, RequestId, Role,
    limits,
};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::config::Config;
use crate::connection::Connection;
use crate::locality::is_private_network;
use crate::profile::Profile;

/// How a connect ends when it fails: perhaps an answer, then a close frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) error: Option<ErrorShape>,
    pub(crate) close: CloseFrame,
    /// 2026.9.6 lets local offenders wait.
    pub(crate) delay: Duration,
}

/// A refusal that waits for its time.
#[derive(Clone, Debug)]
pub(crate) struct LateRefusal {
    pub(crate) request_id: RequestId,
    pub(crate) refusal: Refusal,
}

impl Refusal {
    /// Close 1008 with the error's message.
    pub(crate) fn policy(error: ErrorShape) -> Self {
        let close = CloseFrame::new(1008, error.message.clone());
        Self {
            error: Some(error),
            close,
            delay: Duration::ZERO,
        }
    }

    fn close_only(code: u16, reason: &str) -> Self {
        Self {
            error: None,
            close: CloseFrame::new(code, reason),
            delay: Duration::ZERO,
        }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::policy(ErrorShape::new(ErrorCode::InvalidRequest, message))
    }
}

/// The first request is not `connect`.
pub(crate) fn not_connect() -> Refusal {
    Refusal::invalid("invalid handshake: first request must be connect")
}

/// When a client of a gateway that is not ready yet may ask again.
pub(crate) const STARTING_RETRY_MS: u64 = 500;

/// The gateway is not ready yet. ref: gateway-behaviour.md §8
pub(crate) fn starting(retry_ms: u64) -> Refusal {
    let error = ErrorShape::new(ErrorCode::Unavailable, "gateway starting; retry shortly")
        .with_details(json!({"reason": "startup-sidecars"}))
        .retry_after(retry_ms);
    Refusal {
        error: Some(error),
        close: CloseFrame::new(1013, "gateway starting"),
        delay: Duration::ZERO,
    }
}

/// Schema, then types.
pub(crate) fn check_schema(
    profile: &Profile,
    params: Option<&Value>,
) -> Result<ConnectParams, Refusal> {
    let params = params.unwrap_or(&Value::Null);
    profile
        .connect_params
        .check(params)
        .and_then(|()| ConnectParams::deserialize(params).map_err(|error| error.to_string()))
        .map_err(|detail| Refusal::invalid(format!("invalid connect params: {detail}")))
}

/// 2026.9.6 keeps workers off this port and wants capabilities from the browser copilot.
pub(crate) fn check_special_clients(params: &ConnectParams) -> Result<(), Refusal> {
    let client = &params.client;
    if client.id == "openclaw-worker" || client.mode == "worker" || params.role_text() == "worker" {
        return Err(Refusal::close_only(1008, "invalid-handshake"));
    }
    let has = |wanted: &str| params.caps.iter().flatten().any(|cap| cap == wanted);
    let capable = client.mode == "ui" && has("run-tool-bindings") && has("session-scoped-events");
    if client.id == "openclaw-browser-copilot" && !capable {
        return Err(Refusal::invalid(
            "browser copilot requires ui mode with run-tool-bindings and session-scoped-events capabilities",
        ));
    }
    Ok(())
}

/// The only close that is not 1008.
pub(crate) fn check_protocol(profile: &Profile, params: &ConnectParams) -> Result<(), Refusal> {
    let (min, max) = (params.min_protocol, params.max_protocol);
    let overlaps = |wanted: u64| min <= wanted && wanted <= max;
    let probes = params.client.mode == "probe"
        || (params.role_text() == "node" && params.client.mode == "node");
    if overlaps(limits::PROTOCOL) || (probes && overlaps(profile.minimum_probe_protocol)) {
        return Ok(());
    }
    let details = json!({
        "code": DetailCode::ProtocolMismatch.as_str(),
        "clientMinProtocol": min,
        "clientMaxProtocol": max,
        "expectedProtocol": limits::PROTOCOL,
        "minimumProbeProtocol": profile.minimum_probe_protocol,
    });
    let error =
        ErrorShape::new(ErrorCode::InvalidRequest, "protocol mismatch").with_details(details);
    let close = CloseFrame::new(1002, "protocol mismatch");
    Err(Refusal {
        error: Some(error),
        close,
        delay: Duration::ZERO,
    })
}

/// Anything but the two roles is refused.
pub(crate) fn check_role(params: &ConnectParams) -> Result<Role, Refusal> {
    Role::parse(params.role_text()).ok_or_else(|| Refusal::invalid("invalid role"))
}

/// Browsers have to come from somewhere allowed; some clients have to be browsers.
pub(crate) fn check_origin(
    config: &Config,
    connection: &Connection,
    params: &ConnectParams,
) -> Result<(), Refusal> {
    origin_problem(config, connection, &params.client).map_or(Ok(()), |reason| {
        let details =
            json!({"code": DetailCode::ControlUiOriginNotAllowed.as_str(), "reason": reason});
        let message = "origin not allowed (open the Control UI from the gateway host or allow it in \
                       gateway.controlUi.allowedOrigins)";
        Err(Refusal::policy(
            ErrorShape::new(ErrorCode::InvalidRequest, message).with_details(details),
        ))
    })
}

/// What is wrong with where a client comes from, if something is.
pub(crate) fn origin_problem(
    config: &Config,
    connection: &Connection,
    client: &ClientInfo,
) -> Option<&'static str> {
    let needed = ["openclaw-control-ui", "webchat-ui"].contains(&client.id.as_str())
        || client.mode == "webchat";
    let missing = "origin missing or invalid";
    let Some(origin) = &connection.origin else {
        return needed.then_some(missing);
    };
    let Some(authority) = origin_authority(origin) else {
        return Some(missing);
    };
    let host = host_of(authority);
    let own = connection
        .host
        .as_deref()
        .is_some_and(|own| own.eq_ignore_ascii_case(authority))
        && is_near(host, connection.locality.local);
    let listed = config
        .allowed_origins
        .iter()
        .any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin));
    let near_client = is_loopback(host) && connection.locality.local;
    (!(own || listed || near_client)).then_some("origin not allowed")
}

/// A Control UI that this gateway serves must be of its build; one from elsewhere need not.
/// Seen by the flow origin/control-ui-build.
pub(crate) fn check_build(
    connection: &Connection,
    params: &ConnectParams,
    build_id: &str,
) -> Result<(), Refusal> {
    let client = &params.client;
    let authority = connection.origin.as_deref().and_then(origin_authority);
    let served_here = authority
        .zip(connection.host.as_deref())
        .is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host));
    if client.id != "openclaw-control-ui"
        || !served_here
        || client.build_id.as_deref() == Some(build_id)
    {
        return Ok(());
    }
    let details = json!({
        "code": DetailCode::ProtocolMismatch.as_str(),
        "gatewayBuildId": build_id,
        "reloadRequired": true,
    });
    let message = "protocol mismatch: Control UI updated; reload this page to continue";
    let mut error = ErrorShape::new(ErrorCode::Unavailable, message).with_details(details);
    error.retryable = Some(false);
    Err(Refusal::policy(error))
}

/// `host[:port]` of an origin; `null` and garbage have none.
fn origin_authority(origin: &str) -> Option<&str> {
    let (scheme, rest) = origin.trim().split_once("://")?;
    let authority = rest.split('/').next()?;
    (!scheme.is_empty() && !authority.is_empty() && !authority.contains(char::is_whitespace))
        .then_some(authority)
}

fn host_of(authority: &str) -> &str {
    match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((inside, _)) => inside,
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a page may come from the very host it talks to: an address of a private network, a name that only such a network
/// knows, and this machine for clients on it. Recordings 118 and the flows origin/host-header and origin/remote-same-host.
fn is_near(host: &str, local: bool) -> bool {
    if is_loopback(host) {
        return local;
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return is_private_network(ip);
    }
    let host = host.to_ascii_lowercase();
    [".local", ".ts.net"].iter().any(|end| host.ends_with(end))
}

/// Control UI and TUI cannot do without a device, whatever else they offer.
pub(crate) fn check_client_has_device(params: &ConnectParams) -> Result<(), Refusal> {
    let strict = ["openclaw-control-ui", "openclaw-tui"].contains(&params.client.id.as_str());
    if !strict || params.device.is_some() {
        return Ok(());
    }
    let message = "control ui requires device identity (use HTTPS or localhost secure context)";
    let details = json!({"code": DetailCode::ControlUiDeviceIdentityRequired.as_str()});
    Err(Refusal::policy(
        ErrorShape::new(ErrorCode::InvalidRequest, message).with_details(details),
    ))
}

/// Without a device, a connect needs a shared credential and the role operator.
pub(crate) fn device_required() -> Refusal {
    let details = json!({"code": DetailCode::DeviceIdentityRequired.as_str()});
    Refusal::policy(
        ErrorShape::new(ErrorCode::NotPaired, "device identity required").with_details(details),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://localhost:5173", Some("localhost:5173"))]
    #[case("https://a.example", Some("a.example"))]
    #[case("null", None)]
    #[case("http://", None)]
    #[case("garbage", None)]
    fn origins(#[case] origin: &str, #[case] expected: Option<&str>) {
        assert_eq!(origin_authority(origin), expected);
    }

    #[rstest]
    #[case("127.0.0.1:80", "127.0.0.1", true, false)]
    #[case("[::1]:80", "::1", true, false)]
    #[case("localhost:1", "localhost", true, false)]
    #[case("10.0.0.8", "10.0.0.8", true, true)]
    #[case("100.64.0.1:1", "100.64.0.1", true, true)]
    #[case("100.128.0.1:1", "100.128.0.1", false, false)]
    #[case("box.local:1", "box.local", true, true)]
    #[case("box.ts.net", "box.ts.net", true, true)]
    #[case("203.0.113.1:1", "203.0.113.1", false, false)]
    #[case("gw.example:1", "gw.example", false, false)]
    fn hosts(
        #[case] authority: &str,
        #[case] host: &str,
        #[case] from_here: bool,
        #[case] from_elsewhere: bool,
    ) {
        assert_eq!(host_of(authority), host);
        assert_eq!(is_near(host, true), from_here);
        assert_eq!(is_near(host, false), from_elsewhere);
    }
}
