//! The real gateway: OpenClaw's own program, started with a state and a home of its own.
//!
//! The mock is measured against it. It listens on loopback only, gets none of this machine's
//! environment, looks for no updates, and is ended with everything that it started. It must have been
//! fetched before (`clawproof fetch gateway-2026.9.6`); nothing here uses the network.
//!
//! | module | content |
//! |---|---|
//! | [`gateway`] | start, ready, restart, setup codes, memory, end |
//! | [`admin`] | the owner's connection: requests to the gateway |
//! | [`ground`] | one gateway for many runs |
//! | `output` | what it prints, as lines that can be waited for |
//! | `http` | a GET without a client library |
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use scenarios::fetch::Cache;
//! use scenarios::real::{RealGateway, RealOptions};
//!
//! let mut options = RealOptions::new("2026.9.6");
//! options.config = serde_json::json!({ "gateway": { "trustedProxies": ["127.0.0.2"] } });
//! let mut gateway = RealGateway::start(&Cache::open()?, options).await?;
//! let mut owner = gateway.admin().await?;
//! let devices = owner.request("device.pair.list", serde_json::json!({})).await?;
//! assert!(devices["paired"].is_array());
//! gateway.terminate().await?;
//! # Ok(())
//! # }
//! ```

pub mod admin;
pub mod gateway;
pub mod ground;
mod http;
mod output;

pub use admin::{Admin, AdminError};
pub use gateway::{RELEASES, RealError, RealGateway, RealOptions};
pub use ground::{FORWARDER, Footing, Ground};
