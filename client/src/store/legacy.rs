//! The settings of a companion from before `gateways.json`, taken over once. ref: client-behaviour.md §4.3
//!
//! ```text
//! <data dir>/settings.json              GatewayUrl, Token, BootstrapToken, UseSshTunnel, SshTunnel*
//! <data dir>/device-key-ed25519.json    the one identity of that time
//! <data dir>/setup-state.json           which WSL distribution the setup made, and for which gateway
//! ```
//!
//! None of these files is ever written again. The key is copied first and the record is saved last, under an id that
//! follows from the URL: whenever it is interrupted, the next start does the same again and ends at the same place.

use std::io;

use client_core::url::{GatewayUrl, same_gateway};
use client_core::{GatewayRecord, IdentityDamage, Registry, SshTunnel, StoreError, StoreOp};
use gateway_protocol::{BootstrapToken, SharedToken};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::disk::{Disk, Overwrite, replace};
use super::file::{FileStore, IDENTITY};
use super::identity_file::{self, strip_bom};
use super::{LoadError, Store as _};

const SETTINGS: &str = "settings.json";
const SETUP_STATE: &str = "setup-state.json";

/// What is read of the settings; everything else in them is none of this client's business.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Settings {
    gateway_url: Option<String>,
    token: Option<SharedToken>,
    bootstrap_token: Option<BootstrapToken>,
    use_ssh_tunnel: bool,
    ssh_tunnel_user: Option<String>,
    ssh_tunnel_host: Option<String>,
    ssh_tunnel_remote_port: u16,
    ssh_tunnel_local_port: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct SetupState {
    gateway_url: Option<String>,
    distro_name: Option<String>,
}

/// Why old settings could not be taken over. Nothing is lost: the old files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The directory can't be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The old identity is there and can't be read: going on would mean a new key in its place.
    #[error("read the old {IDENTITY}: {0}")]
    Identity(#[source] io::Error),
    /// A write failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<D: Disk> FileStore<D> {
    /// Takes over the settings of an older companion, if there are any that `gateways.json` does not know yet.
    /// Gives back the id of the new record, which is active from then on.
    ///
    /// # Errors
    /// [`MigrationError`]; doing it again is safe.
    pub fn migrate_legacy(&mut self) -> Result<Option<String>, MigrationError> {
        let settings: Settings = self.read_json(SETTINGS);
        let url = settings.gateway_url.as_deref().map(str::trim);
        let Some(url) = url.and_then(GatewayUrl::parse) else {
            return Ok(None);
        };
        let mut registry = self.load()?.registry;
        if registry.find_by_url(&url.normalized()).is_some() {
            return Ok(None);
        }
        let state: SetupState = self.read_json(SETUP_STATE);
        let record = record(&url, settings, &state);
        self.copy_identity(&record.id)?;
        let id = record.id.clone();
        activate(&mut registry, record);
        self.apply(&StoreOp::SaveRegistry { registry })?;
        Ok(Some(id))
    }

    /// A file of somebody else's: missing or wrong means that there is nothing to take over.
    fn read_json<T: DeserializeOwned + Default>(&self, name: &str) -> T {
        let Ok(bytes) = self.disk.read(&self.folder.join(name)) else {
            return T::default();
        };
        serde_json::from_slice(strip_bom(&bytes)).unwrap_or_else(|error| {
            let (line, column) = (error.line(), error.column());
            tracing::warn!(file = name, line, column, "not readable as JSON; ignored");
            T::default()
        })
    }

    /// Byte for byte, even when it is damaged: the client then stops and says so, as with any damaged identity.
    fn copy_identity(&mut self, gateway_id: &str) -> Result<(), MigrationError> {
        let bytes = match self.disk.read(&self.folder.join(IDENTITY)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(MigrationError::Identity(error)),
        };
        if let Err(IdentityDamage::Corrupt(reason)) = identity_file::parse(&bytes).map(drop) {
            tracing::warn!(
                reason,
                "the old device identity is damaged and is taken over as it is"
            );
        }
        let target = self.identity_path(gateway_id)?;
        match replace(&mut self.disk, &target, &bytes, Overwrite::Refused) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(StoreError::Write(format!("{IDENTITY}: {error}")).into())
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn activate(registry: &mut Registry, record: GatewayRecord) {
    registry.active_id = Some(record.id.clone());
    registry.upsert(record);
}

fn record(url: &GatewayUrl, settings: Settings, state: &SetupState) -> GatewayRecord {
    let mut record = GatewayRecord::new(id_of(url), url.socket_url());
    let blank = |text: &str| text.trim().is_empty();
    record.bootstrap_token = settings.bootstrap_token.filter(|it| !blank(it.expose()));
    if record.bootstrap_token.is_none() {
        record.shared_gateway_token = settings.token.filter(|it| !blank(it.expose()));
    }
    if settings.use_ssh_tunnel
        && let (Some(user), Some(host)) = (settings.ssh_tunnel_user, settings.ssh_tunnel_host)
        && !blank(&user)
        && !blank(&host)
        && settings.ssh_tunnel_remote_port != 0
        && settings.ssh_tunnel_local_port != 0
    {
        record.ssh_tunnel = Some(SshTunnel {
            user,
            host,
            remote_port: settings.ssh_tunnel_remote_port,
            local_port: settings.ssh_tunnel_local_port,
            include_browser_proxy_forward: false,
            ssh_port: 22,
        });
    }
    let of_setup = state.gateway_url.as_deref();
    if url.is_loopback() && of_setup.is_some_and(|other| same_gateway(other, &url.normalized())) {
        record.setup_managed_distro_name = state.distro_name.clone().filter(|name| !blank(name));
    }
    record
}

/// An id in the form of a UUID that follows from the URL.
fn id_of(url: &GatewayUrl) -> String {
    let digest: [u8; 32] = Sha256::digest(url.normalized().to_ascii_lowercase()).into();
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest) {
        *to = from;
    }
    gateway_protocol::id::uuid_v4(bytes)
}

#[cfg(test)]
#[path = "legacy_tests.rs"]
mod tests;
