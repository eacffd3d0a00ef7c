//! The body of the mock gateway: one port for WebSocket and HTTP around the pure core.
//!
//! [`gateway_core::Gateway`] decides everything; this crate gives it sockets, time and a wire on which faults act and
//! everything is recorded. [`MockGateway`] serves on TCP or on an in-memory net of the `link` crate, with real time or
//! under tokio's paused clock.
//!
//! A map, in the order in which a client meets it:
//!
//! - `server.rs`: [`MockGateway`], the accept loop, [`Running`]. `connection.rs`: one accepted stream.
//! - `http.rs`, `upgrade.rs`: plain requests; who may upgrade and what the others are told. `browser_control.rs`: the
//!   gateway's second port.
//! - `socket.rs`: the WebSocket codec on a stream. `driver.rs`: one task per WebSocket, between socket, wire and hub.
//! - `hub.rs`: the one task that owns the brain. `keeper.rs`: what it knows, in a file. `clock.rs`: time.
//! - `scoped.rs`: behaviours that a Rust test mounts, with guards.
//! - `control_port.rs`: orders from another process. `inspector.rs`: the page for people.
//! - `serve.rs`: [`serve()`], the gateway for hand work.
//!   [`settings`]: its configuration, from a file and the command line. `program.rs`, `main.rs`: the command line itself.
//!
//! ```
//! use mock_gateway::{Config, Control, MockGateway};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let gateway = MockGateway::new()
//!     .config(Config::with_token("t"))
//!     .serve_tcp(([127, 0, 0, 1], 0).into())
//!     .await?;
//! let code = gateway.control(Control::MintSetupCode { url: None, ttl_ms: None, limited: false }).await;
//! assert!(code.is_ok_and(|answer| answer["setupCode"].is_string()));
//! gateway.stop().await;
//! # Ok::<(), std::io::Error>(()) })?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod browser_control;
mod clock;
mod connection;
mod control_port;
mod driver;
mod http;
mod hub;
mod inspector;
mod keeper;
#[cfg(feature = "program")]
pub mod program;
mod scoped;
mod serve;
mod server;
pub mod settings;
mod socket;
mod upgrade;

pub use gateway_core::{
    Behavior, Config, Control, ControlError, Reply, StateView, any_request, method, opening,
    upgrade,
};
pub use keeper::StateError;
pub use scoped::BehaviorGuard;
pub use serve::{ServeError, ServeOptions, serve, serve_until};
pub use server::{Guest, MockGateway, Running};
