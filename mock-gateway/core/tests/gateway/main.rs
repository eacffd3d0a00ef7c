//! Tests of the whole gateway through its public door: inputs in, outputs out.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod agent;
mod auth;
mod behaviors;
mod config_methods;
mod driver;
mod handshake;
mod lifecycle;
mod memory;
mod node_addresses;
mod node_work;
mod nodes;
mod pairing;
mod properties;
mod reload;
mod setup_codes;
