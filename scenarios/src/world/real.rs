//! The world `real`: our client against OpenClaw's own gateway, through the recording proxy, in real time.
//!
//! What a gateway's owner does is done by an owner's connection over the public methods, or by the gateway's own
//! command line. What only a mock can do was sorted out before (see `run::foreign`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use gateway_core::Control;
use gateway_protocol::{SetupCode, UnixMillis};
use link::{FaultTable, Proxy, ProxyOptions};
use serde_json::{Value, json};
use transcript::Recorder;

use super::Refusal;
use super::arrange::Arrangement;
use super::loopback::TcpRoad;
use super::sockets::{Pace, Parts, Peer, Sockets};
use crate::real::{Admin, AdminError, FORWARDER, Ground};

/// The gateway's side of the world.
pub(crate) struct RealPeer {
    ground: Arc<Ground>,
    proxy: Proxy,
    recorder: Recorder,
}

/// The world at its beginning; must be called inside a runtime, in this run's turn.
pub(crate) fn real(
    arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
    ground: Arc<Ground>,
    guest: Option<String>,
) -> io::Result<Sockets<TcpRoad, RealPeer>> {
    let port = ground.footing().map_err(io::Error::other)?.port;
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let epoch = UnixMillis(0).plus(since_epoch);
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut options = ProxyOptions::new(upstream, recorder.clone(), faults.clone());
    options.epoch = epoch;
    options.forwarding_from = Some(IpAddr::from(FORWARDER));
    options.guest = guest;
    let proxy = Proxy::start(options)?;
    let addr = proxy.addr();
    Ok(Sockets::new(Parts {
        road: TcpRoad { addr },
        pace: Pace::Foreign,
        port: addr.port(),
        epoch,
        peer: RealPeer {
            ground,
            proxy,
            recorder: recorder.clone(),
        },
        recorder,
        faults,
        arrangement,
    }))
}

impl Peer for RealPeer {
    async fn control(&mut self, control: Control) -> Result<Value, Refusal> {
        let footing = self.ground.footing().map_err(Refusal::new)?;
        if let Control::Restart { .. } = control {
            footing.restart().await.map_err(Refusal::new)?;
            return Ok(Value::Null);
        }
        if let Control::MintSetupCode { url, .. } = control {
            let url = url.unwrap_or_default();
            let code = footing.mint_setup_code(url).await.map_err(Refusal::new)?;
            return Ok(self.minted(&code));
        }
        let mut owner = Admin::connect_when_started(footing.port, &footing.token)
            .await
            .map_err(refused)?;
        let (method, params) = call(&mut owner, control).await?;
        owner.request(method, params).await.map_err(refused)
    }

    async fn view(&mut self) -> Value {
        open_connections(&self.proxy)
    }

    async fn stop(self) {
        self.proxy.stop().await;
    }
}

/// All that a proxy knows of the gateway behind it.
pub(super) fn open_connections(proxy: &Proxy) -> Value {
    let open = proxy.open().into_iter();
    let connections: Vec<Value> = open
        .map(|conn| json!({ "conn": conn, "phase": "open" }))
        .collect();
    json!({ "connections": connections })
}

impl RealPeer {
    /// A setup code as the mock's control gives it.
    fn minted(&self, code: &str) -> Value {
        let decoded = SetupCode::decode(code).ok();
        let token = decoded
            .as_ref()
            .and_then(|code| code.bootstrap_token.as_ref())
            .map(|token| token.expose().to_owned());
        if let Some(token) = &token {
            self.recorder.register_secret("bootstrap-token", token);
        }
        json!({ "setupCode": code, "bootstrapToken": token })
    }
}

fn refused(error: AdminError) -> Refusal {
    if let AdminError::Refused { error, .. } = error {
        return Refusal::new(error.message);
    }
    Refusal::new(error.to_string())
}

/// The public method for an order. ref: gateway-behaviour.md §6.3, §6.6, §7.1
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an order without a public method is refused, whichever it is"
)]
async fn call(owner: &mut Admin, control: Control) -> Result<(&'static str, Value), Refusal> {
    Ok(match control {
        Control::Approve { request_id } => {
            let id = pending(owner, "device.pair.list", "deviceId", &request_id).await?;
            ("device.pair.approve", json!({ "requestId": id }))
        }
        Control::Reject { request_id } => {
            let id = pending(owner, "device.pair.list", "deviceId", &request_id).await?;
            ("device.pair.reject", json!({ "requestId": id }))
        }
        Control::ApproveNode { request_id } => {
            let id = pending(owner, "node.pair.list", "nodeId", &request_id).await?;
            ("node.pair.approve", json!({ "requestId": id }))
        }
        Control::RejectNode { request_id } => {
            let id = pending(owner, "node.pair.list", "nodeId", &request_id).await?;
            ("node.pair.reject", json!({ "requestId": id }))
        }
        Control::RemoveDevice { device_id } => {
            ("device.pair.remove", json!({ "deviceId": device_id }))
        }
        Control::RemoveNode { node_id } => ("node.pair.remove", json!({ "nodeId": node_id })),
        Control::RevokeToken { device_id, role } => (
            "device.token.revoke",
            json!({ "deviceId": device_id, "role": role.as_str() }),
        ),
        Control::RotateToken {
            device_id,
            role,
            scopes,
        } => {
            let mut params = json!({ "deviceId": device_id, "role": role.as_str() });
            if let (Some(scopes), Some(fields)) = (scopes, params.as_object_mut()) {
                fields.insert("scopes".to_owned(), json!(scopes));
            }
            ("device.token.rotate", params)
        }
        other => {
            let order = serde_json::to_value(&other).unwrap_or_default();
            let verb = order.get("verb").and_then(Value::as_str).unwrap_or("this");
            return Err(Refusal::new(format!(
                "the real gateway can't be told to {verb}"
            )));
        }
    })
}

/// The id of a pending request: itself, the newest one's, or that of a device or node.
async fn pending(
    owner: &mut Admin,
    list: &str,
    party: &str,
    wanted: &str,
) -> Result<String, Refusal> {
    let listed = owner.request(list, json!({})).await.map_err(refused)?;
    let requests = listed.get("pending").and_then(Value::as_array);
    let text =
        |request: &Value, key: &str| request.get(key).and_then(Value::as_str).map(str::to_owned);
    let found = requests
        .into_iter()
        .flatten()
        .find(|request| wanted == "latest" || text(request, party).as_deref() == Some(wanted));
    match found.and_then(|request| text(request, "requestId")) {
        Some(id) => Ok(id),
        None if wanted == "latest" => Err(Refusal::new("nothing is pending")),
        None => Ok(wanted.to_owned()),
    }
}
