//! What a flow is played against: the one thing that the mock and a real gateway have in common is a place to dial.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::ws::Stream;

/// A gateway that can be dialled, and what its owner can do at its machine.
pub(crate) trait Ground: Sync {
    /// A new connection from this address.
    fn dial(&self, from: IpAddr) -> impl Future<Output = io::Result<Stream>> + Send;

    /// Host and port as a client writes them into `Host`.
    fn authority(&self) -> String;

    /// The shared token or password.
    fn secret(&self) -> String;

    /// Unix milliseconds on the gateway's clock.
    fn now_ms(&self) -> i64;

    /// How long nothing must arrive until a flow counts as over.
    fn settle(&self) -> Duration;

    /// Mints a setup code on the gateway's machine; gives the code.
    ///
    /// # Errors
    /// What is missing.
    fn mint(&self, limited: bool) -> impl Future<Output = Result<String, String>> + Send;

    /// Restarts the gateway; back when this returns.
    ///
    /// # Errors
    /// What is missing.
    fn restart(&self, token: Option<&str>) -> impl Future<Output = Result<(), String>> + Send;

    /// Puts this over the gateway's configuration file, null takes away; the gateway has taken notice, and is back if it
    /// restarted, when this returns.
    ///
    /// # Errors
    /// What is missing.
    fn reload(&self, config: &serde_json::Value)
    -> impl Future<Output = Result<(), String>> + Send;

    /// Ends the gateway.
    ///
    /// # Errors
    /// What is missing.
    fn stop(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// The trusted proxy of every configuration: a client that comes from here with `X-Forwarded-For` is remote.
pub(crate) const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// A client on the gateway's own machine.
pub(crate) const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
