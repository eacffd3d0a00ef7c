//! The real gateway as a ground: started here, one run for all flows of a configuration.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::configs::Settings;
use super::flow::Flow;
use super::ground::Ground;
use super::library::Library;
use super::normalize::Entry;
use super::remote::{self, Remote};
use super::run::play_all;
use super::ws::Stream;
use crate::fetch::Cache;
use crate::real::{RealGateway, RealOptions};

/// A gateway of ours to do with as we like.
pub(crate) struct Real {
    gateway: Handle,
    port: u16,
    secret: String,
    started_in: Duration,
    /// Setup codes that were ordered at the start: the older release takes ten seconds and more for one, and other flows
    /// need not wait for that.
    minted: Mutex<mpsc::Receiver<Result<String, String>>>,
    // Ends with it.
    _minter: JoinSet<()>,
}

/// Nobody does two things to it at a time; none once it was stopped.
type Handle = Arc<Mutex<Option<RealGateway>>>;

/// What the flows of one version heard from the real gateway, by flow.
pub(crate) type Heard = BTreeMap<String, Result<Vec<Entry>, String>>;

/// Plays flows on real gateways of one version, one start per configuration; `tell` hears how far it is.
///
/// # Errors
/// When there is no real gateway here; with what to do about it.
pub(crate) async fn play_version(
    library: &Library,
    version: &str,
    flows: Vec<(usize, Flow)>,
    tell: fn(&str),
) -> Result<Heard, String> {
    let cache = Cache::open().map_err(|missing| format!("{missing}\nhint: {}", missing.hint()))?;
    let mut by_config: BTreeMap<String, Vec<(usize, Flow)>> = BTreeMap::new();
    for (index, flow) in flows {
        by_config
            .entry(flow.config.clone())
            .or_default()
            .push((index, flow));
    }
    let mut heard = Heard::new();
    let mut first_problem = None;
    for (name, mut flows) in by_config {
        let Some(settings) = library.configs.get(&name) else {
            continue;
        };
        // Setup codes take their time, and what ends the gateway comes last.
        flows.sort_by_key(|(_, flow)| (flow.ends_the_gateway(), flow.setup_codes()));
        let codes = flows
            .iter()
            .filter(|(_, flow)| !flow.slow)
            .map(|(_, flow)| flow.setup_codes())
            .sum();
        tell(&format!("{version}, configuration {name}: starting"));
        let real = match Real::start(&cache, version, settings, codes).await {
            Ok(real) => Arc::new(real),
            Err(problem) => {
                tell(&format!("{version}, configuration {name}: {problem}"));
                let missing = |(_, flow): (usize, Flow)| (flow.id, Err(problem.clone()));
                heard.extend(flows.into_iter().map(missing));
                first_problem.get_or_insert(problem);
                continue;
            }
        };
        let (count, began) = (flows.len(), Instant::now());
        tell(&format!(
            "{version}, configuration {name}: ready after {} s",
            real.started_in.as_secs()
        ));
        heard.extend(play_all(&real, flows).await);
        tell(&format!(
            "{version}, configuration {name}: {count} flows in {} s",
            began.elapsed().as_secs()
        ));
        let gateway = real.gateway.lock().await.take();
        if let Some(gateway) = gateway
            && let Err(error) = gateway.terminate().await
        {
            tracing::debug!(%error, "the real gateway did not end well");
        }
    }
    match first_problem {
        Some(problem) if heard.values().all(Result::is_err) => Err(problem),
        Some(_) | None => Ok(heard),
    }
}

impl Real {
    async fn start(
        cache: &Cache,
        version: &str,
        settings: &Settings,
        codes: usize,
    ) -> Result<Self, String> {
        let mut options = RealOptions::new(version);
        options.token = settings.secret();
        options.config = without_markers(settings.real(version));
        options.env.clone_from(&settings.env);
        let gateway = RealGateway::start(cache, options)
            .await
            .map_err(|error| format!("{error}\nhint: {}", error.hint()))?;
        let (port, started_in) = (gateway.port(), gateway.started_in());
        let gateway: Handle = Arc::new(Mutex::new(Some(gateway)));
        let (tell, minted) = mpsc::channel(codes.max(1));
        let mut minter = JoinSet::new();
        let theirs = Arc::clone(&gateway);
        minter.spawn(async move {
            for _ in 0..codes {
                // Dropped when nobody plays any more.
                if tell.send(mint(&theirs, false).await).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            gateway,
            port,
            secret: settings.secret(),
            started_in,
            minted: Mutex::new(minted),
            _minter: minter,
        })
    }
}

/// A key that a configuration takes away is `null` there.
fn without_markers(mut config: Value) -> Value {
    if let Some(auth) = config["gateway"]["auth"].as_object_mut() {
        for name in ["token", "password"] {
            auth.entry(name).or_insert(Value::Null);
        }
    }
    config
}

async fn mint(gateway: &Handle, limited: bool) -> Result<String, String> {
    let gateway = gateway.lock().await;
    let gateway = gateway.as_ref().ok_or("the gateway, which was stopped")?;
    gateway
        .mint_setup_code(&gateway.url(), limited)
        .await
        .map_err(|error| error.to_string())
}

impl Ground for Real {
    fn dial(&self, from: IpAddr) -> impl Future<Output = io::Result<Stream>> + Send {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        Remote::connect(addr, from)
    }

    fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn secret(&self) -> String {
        self.secret.clone()
    }

    fn now_ms(&self) -> i64 {
        remote::unix_millis()
    }

    fn settle(&self) -> Duration {
        remote::SETTLE
    }

    async fn mint(&self, limited: bool) -> Result<String, String> {
        if !limited && let Some(code) = self.minted.lock().await.recv().await {
            return code;
        }
        mint(&self.gateway, limited).await
    }

    async fn restart(&self, token: Option<&str>) -> Result<(), String> {
        if token.is_some() {
            return Err("a real gateway whose token changes".to_owned());
        }
        let gateway = self.gateway.lock().await;
        let gateway = gateway.as_ref().ok_or("the gateway, which was stopped")?;
        gateway.restart().await.map_err(|error| error.to_string())
    }

    async fn reload(&self, config: &Value) -> Result<(), String> {
        let gateway = self.gateway.lock().await;
        let gateway = gateway.as_ref().ok_or("the gateway, which was stopped")?;
        gateway
            .reload(config)
            .await
            .map_err(|error| error.to_string())
    }

    async fn stop(&self) -> Result<(), String> {
        let gateway = self.gateway.lock().await.take();
        let gateway = gateway.ok_or("the gateway, which was stopped")?;
        gateway
            .terminate()
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    }
}
