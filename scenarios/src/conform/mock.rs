//! The mock as a ground: in memory, on virtual time, a fresh one for every flow.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use gateway_core::{Config, Control, Gateway, Profile};
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{Now, SharedToken};
use link::{FaultTable, MemoryNet};
use mock_gateway::{MockGateway, Running};

use super::configs::Settings;
use super::flow::Flow;
use super::ground::Ground;
use super::normalize::{Entry, record};
use super::player;
use super::ws::Stream;

/// Host and port of the memory net. Not the default port: the older release treats that one in a way of its own, and the
/// real gateways were recorded on other ones.
pub(super) const AUTHORITY: &str = "127.0.0.1:19001";

/// Virtual, so that it costs nothing.
const SETTLE: Duration = Duration::from_millis(500);

/// How a mock deviates from what it should be: nothing, or one mutation.
pub(crate) type Twist = Option<gateway_core::Mutation>;

struct Mock {
    net: MemoryNet,
    running: tokio::sync::Mutex<Option<Running>>,
    secret: String,
    start: tokio::time::Instant,
}

/// Plays a flow against a fresh mock.
///
/// # Errors
/// When the flow or its configuration is wrong in itself.
pub(crate) fn perform(
    flow: &Flow,
    profile: &'static Profile,
    settings: &Settings,
    twist: Twist,
) -> Result<Vec<Entry>, String> {
    let config = settings.core(profile.version)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mock = Mock::start(config, profile, settings.secret(), twist);
        let played = player::play(&mock, flow, 0, 0).await?;
        let running = mock.running.lock().await.take();
        if let Some(running) = running {
            running.stop().await;
        }
        Ok(record(flow, &played))
    })
}

impl Mock {
    fn start(config: Config, profile: &'static Profile, secret: String, twist: Twist) -> Self {
        let faults = FaultTable::new();
        let net = MemoryNet::new(faults.clone());
        let now = Now::at(Duration::ZERO, VIRTUAL_EPOCH);
        let mut gateway = Gateway::new(config, profile, 1, now);
        if let Some(mutation) = twist {
            gateway.mutate(mutation);
        }
        let running = MockGateway::new()
            .core(gateway)
            .faults(faults)
            .serve_on(net.listener());
        Self {
            net,
            running: tokio::sync::Mutex::new(Some(running)),
            secret,
            start: tokio::time::Instant::now(),
        }
    }

    async fn control(&self, control: Control) -> Result<serde_json::Value, String> {
        let running = self.running.lock().await;
        let running = running.as_ref().ok_or("the gateway has been stopped")?;
        running
            .control(control)
            .await
            .map_err(|error| error.to_string())
    }
}

impl Ground for Mock {
    fn dial(&self, from: IpAddr) -> impl Future<Output = io::Result<Stream>> + Send {
        let stream = self.net.connect_from(from);
        std::future::ready(stream.map(|stream| Box::new(stream) as Stream))
    }

    fn authority(&self) -> String {
        AUTHORITY.to_owned()
    }

    fn secret(&self) -> String {
        self.secret.clone()
    }

    fn now_ms(&self) -> i64 {
        VIRTUAL_EPOCH.plus(self.start.elapsed()).0
    }

    fn settle(&self) -> Duration {
        SETTLE
    }

    async fn mint(&self, limited: bool) -> Result<String, String> {
        let minted = self
            .control(Control::MintSetupCode {
                url: None,
                ttl_ms: None,
                limited,
            })
            .await?;
        let code = minted["setupCode"].as_str();
        code.map(str::to_owned)
            .ok_or_else(|| "the mock gave no setup code".to_owned())
    }

    async fn restart(&self, token: Option<&str>) -> Result<(), String> {
        if let Some(token) = token {
            self.control(Control::SetSharedToken {
                token: SharedToken::new(token),
                at_restart: true,
            })
            .await?;
        }
        self.control(Control::Restart {
            down_for_ms: None,
            reason: None,
        })
        .await?;
        // As long as the slower release takes.
        tokio::time::sleep(Duration::from_secs(6)).await;
        Ok(())
    }

    async fn reload(&self, config: &serde_json::Value) -> Result<(), String> {
        let config = config.clone();
        self.control(Control::Reload { config }).await?;
        // As long as the slower release takes to restart.
        tokio::time::sleep(Duration::from_secs(6)).await;
        Ok(())
    }

    async fn stop(&self) -> Result<(), String> {
        self.control(Control::Stop).await.map(|_| ())
    }
}
