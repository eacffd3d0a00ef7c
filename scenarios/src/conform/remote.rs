//! A gateway over TCP as a ground: one that runs somewhere, or one that we started.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpSocket;

use super::ground::Ground;
use super::ws::Stream;

/// Long enough for a busy machine to send what it has to say.
pub(crate) const SETTLE: Duration = Duration::from_millis(400);

/// A gateway at an address. What only its owner can do is not to be had.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) addr: SocketAddr,
    pub(crate) secret: String,
    /// Prints a setup code of this gateway, as `openclaw qr --json` does.
    pub(crate) mint: Option<String>,
}

impl Remote {
    pub(crate) async fn connect(addr: SocketAddr, from: IpAddr) -> io::Result<Stream> {
        let socket = if addr.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if from.is_loopback() && addr.ip().is_loopback() {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket.connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// The wall clock.
pub(crate) fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_millis()).unwrap_or_default()
}

impl Ground for Remote {
    fn dial(&self, from: IpAddr) -> impl Future<Output = io::Result<Stream>> + Send {
        Self::connect(self.addr, from)
    }

    fn authority(&self) -> String {
        self.addr.to_string()
    }

    fn secret(&self) -> String {
        self.secret.clone()
    }

    fn now_ms(&self) -> i64 {
        unix_millis()
    }

    fn settle(&self) -> Duration {
        SETTLE
    }

    async fn mint(&self, limited: bool) -> Result<String, String> {
        let command = self.mint.as_ref().ok_or(
            "a setup code, which only the gateway's own machine can mint; --mint COMMAND runs what prints one",
        )?;
        let flag = if limited { " --limited" } else { "" };
        let line = format!("{command}{flag}");
        let ran = tokio::task::spawn_blocking(move || {
            std::process::Command::new("sh")
                .args(["-c", &line])
                .output()
        });
        let output = ran
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("{command}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let printed: serde_json::Value = text
            .find('{')
            .and_then(|start| serde_json::from_str(text.get(start..)?.trim()).ok())
            .unwrap_or_default();
        let code = printed["setupCode"].as_str().map(str::to_owned);
        code.ok_or_else(|| format!("{command}: printed no setupCode"))
    }

    async fn restart(&self, _token: Option<&str>) -> Result<(), String> {
        Err("a restart, which only the gateway's own machine can order".to_owned())
    }

    async fn reload(&self, _config: &serde_json::Value) -> Result<(), String> {
        Err("a configuration file, which only the gateway's own machine has".to_owned())
    }

    async fn stop(&self) -> Result<(), String> {
        Err("a stop, which only the gateway's own machine can order".to_owned())
    }
}
