//! One real gateway for many runs: started when the first run wants it, on a thread of its own.
//!
//! A run has a runtime that ends with it; the gateway's process must live longer. So a thread keeps it, and
//! runs send it orders. Runs take turns: what is pending on a gateway that others use at the same time could not be
//! told apart. Dropping the ground ends the gateway.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::gateway::{RealError, RealGateway, RealOptions};
use crate::fetch::Cache;

/// Orders that may wait. A run gives one at a time and waits for its answer, so there is never a second one.
const ORDERS: usize = 4;

/// How often the thread looks whether the program was told to stop while the gateway starts.
const GLANCE: Duration = Duration::from_millis(200);

/// The address from which connections come that say they were forwarded: the gateway trusts a proxy there.
pub const FORWARDER: [u8; 4] = [127, 0, 0, 2];

/// A real gateway that is started when somebody wants it.
#[derive(Debug)]
pub struct Ground {
    release: String,
    stop: Arc<AtomicBool>,
    started: OnceLock<Result<Footing, String>>,
    turn: Mutex<()>,
}

/// What runs need to know of it.
#[derive(Debug)]
pub struct Footing {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its shared token.
    pub token: String,
    /// How long it took to become ready.
    pub started_in: Duration,
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread can be told. Each is answered.
enum Order {
    Restart(oneshot::Sender<Result<(), RealError>>),
    MintSetupCode {
        url: String,
        answer: oneshot::Sender<Result<String, RealError>>,
    },
    RssBytes(oneshot::Sender<Option<u64>>),
}

impl Ground {
    /// A ground for this release; `stop` ends its start. Nothing is started yet.
    pub fn new(release: &str, stop: Arc<AtomicBool>) -> Self {
        Self {
            release: release.to_owned(),
            stop,
            started: OnceLock::new(),
            turn: Mutex::default(),
        }
    }

    /// The release.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// What would keep it from starting, as far as that can be said without starting it.
    ///
    /// # Errors
    /// Says what is missing and what to do about it.
    pub fn check(&self) -> Result<(), RealError> {
        let component = crate::fetch::Component::gateway(&self.release).ok_or_else(|| {
            RealError::UnknownRelease {
                release: self.release.clone(),
            }
        })?;
        let cache = Cache::open()?;
        cache.locate(crate::fetch::Component::Node)?;
        cache.locate(component)?;
        Ok(())
    }

    /// Waits for this run's turn.
    pub fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The gateway, started if need be.
    ///
    /// # Errors
    /// Why there is none, in words; the same each time.
    pub fn footing(&self) -> Result<&Footing, &str> {
        self.started
            .get_or_init(|| Footing::begin(&self.release, &self.stop))
            .as_ref()
            .map_err(String::as_str)
    }
}

impl Footing {
    fn begin(release: &str, stop: &Arc<AtomicBool>) -> Result<Self, String> {
        let mut options = RealOptions::new(release);
        let forwarder = std::net::Ipv4Addr::from(FORWARDER).to_string();
        options.config = json!({ "gateway": { "trustedProxies": [forwarder] } });
        let token = options.token.clone();
        let (tell, told) = std::sync::mpsc::channel();
        let (orders, inbox) = mpsc::channel(ORDERS);
        let stop = Arc::clone(stop);
        let thread = thread::spawn(move || keep(options, &stop, &tell, inbox));
        let started = told
            .recv()
            .unwrap_or_else(|_gone| Err("the thread of the real gateway ended".to_owned()));
        match started {
            Ok((port, started_in)) => Ok(Self {
                port,
                token,
                started_in,
                orders: Some(orders),
                thread: Some(thread),
            }),
            Err(why) => {
                drop(thread.join());
                Err(why)
            }
        }
    }

    /// Restarts it in place and waits until it is ready.
    ///
    /// # Errors
    /// In words.
    pub async fn restart(&self) -> Result<(), String> {
        self.ask(Order::Restart)
            .await?
            .map_err(|error| error.to_string())
    }

    /// Makes a setup code that leads to `url`.
    ///
    /// # Errors
    /// In words.
    pub async fn mint_setup_code(&self, url: String) -> Result<String, String> {
        self.ask(|answer| Order::MintSetupCode { url, answer })
            .await?
            .map_err(|error| error.to_string())
    }

    /// Resident memory of all its processes, in bytes.
    ///
    /// # Errors
    /// In words, when it has ended.
    pub async fn rss_bytes(&self) -> Result<Option<u64>, String> {
        self.ask(Order::RssBytes).await
    }

    async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, String> {
        let gone = || "the real gateway has ended".to_owned();
        let (tell, told) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or_else(gone)?;
        orders.send(order(tell)).await.map_err(|_closed| gone())?;
        told.await.map_err(|_closed| gone())
    }
}

impl Drop for Footing {
    fn drop(&mut self) {
        // Without anybody to give orders the thread ends the gateway.
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// How a start is told: port and time, or why not.
type Started = std::sync::mpsc::Sender<Result<(u16, Duration), String>>;

/// The thread: starts the gateway, obeys, ends it.
fn keep(options: RealOptions, stop: &AtomicBool, tell: &Started, mut inbox: mpsc::Receiver<Order>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            drop(tell.send(Err(error.to_string())));
            return;
        }
    };
    runtime.block_on(async {
        let starting = async {
            let cache = Cache::open()?;
            RealGateway::start(&cache, options).await
        };
        let started = tokio::select! {
            biased;
            () = stopped(stop) => {
                drop(tell.send(Err("ended by Ctrl-C".to_owned())));
                return;
            }
            started = starting => started,
        };
        let gateway = match started {
            Ok(gateway) => gateway,
            Err(error) => {
                drop(tell.send(Err(format!("{error}; {}", error.hint()))));
                return;
            }
        };
        drop(tell.send(Ok((gateway.port(), gateway.started_in()))));
        while let Some(order) = inbox.recv().await {
            obey(&gateway, order).await;
        }
        if let Err(error) = gateway.terminate().await {
            tracing::warn!("the real gateway: {error}");
        }
    });
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(GLANCE).await;
    }
}

async fn obey(gateway: &RealGateway, order: Order) {
    // Whoever asked may have given up.
    match order {
        Order::Restart(answer) => drop(answer.send(gateway.restart().await)),
        Order::MintSetupCode { url, answer } => {
            drop(answer.send(gateway.mint_setup_code(&url, false).await));
        }
        Order::RssBytes(answer) => drop(answer.send(gateway.rss_bytes())),
    }
}
