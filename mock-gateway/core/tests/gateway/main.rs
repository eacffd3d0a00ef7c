//! Tests of the whole gateway through its public door: inputs in, outputs out.

mod auth;
mod behaviors;
mod driver;
mod handshake;
mod lifecycle;
mod nodes;
mod pairing;
mod properties;
mod setup_codes;
