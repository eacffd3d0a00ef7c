//! The engine: whether it answers and has the image, and the network of a container.

use testcontainers::bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use testcontainers::core::client::docker_client_instance;

/// The image that `wsl-fixtures/container/build` makes.
pub(super) const IMAGE: &str = "clawproof-distro";
/// Its tag: a new one when the image changes.
pub(super) const TAG: &str = "2";
/// The network of containers that have one of their own.
pub(super) const BRIDGE: &str = "bridge";

/// What is in the way of a distro in a container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// No engine answers.
    #[error(
        "no Docker engine answers: {0}\nhint: start one (Debian: apt-get install docker.io; dockerd as root), or set DOCKER_HOST"
    )]
    NoEngine(String),
    /// The engine has not the image.
    #[error("the engine has no image {IMAGE}:{TAG}\nhint: bash wsl-fixtures/container/build")]
    NoImage,
    /// The distro did not come up.
    #[error(
        "the distro's systemd says {0}, not running\nhint: docker logs; the container needs /run and /run/lock as tmpfs and the machine's control groups"
    )]
    NotUp(String),
    /// No runtime.
    #[error("a runtime: {0}")]
    Runtime(String),
    /// Nothing is registered, or nothing has run, under this name.
    #[error("no container of a distro {0} is there")]
    NoDistro(String),
    /// Its network is everybody's.
    #[error(
        "{0} shares this machine's network, which is not cut\nhint: a machine with the network `nat`"
    )]
    SharedNetwork(String),
    /// Only the namespace back-end has archives.
    #[error(
        "distros in containers are neither exported nor imported\nhint: the namespace back-end does both"
    )]
    NoArchives,
    /// The engine refused.
    #[error("the Docker engine: {0}")]
    Engine(String),
}

pub(super) fn refused(error: impl std::fmt::Display) -> ContainerError {
    ContainerError::Engine(error.to_string())
}

/// Whether there is an engine with the image.
pub(super) async fn look() -> Result<(), ContainerError> {
    let no_engine = |error: &dyn std::fmt::Display| ContainerError::NoEngine(error.to_string());
    let docker = docker_client_instance()
        .await
        .map_err(|error| no_engine(&error))?;
    docker.ping().await.map_err(|error| no_engine(&error))?;
    // Nothing is pulled: a registry's image of this name would be somebody else's.
    let image = docker.inspect_image(&format!("{IMAGE}:{TAG}")).await;
    image.map(drop).map_err(|_| ContainerError::NoImage)
}

/// Takes a container off its network, or puts it back.
pub(super) async fn set_network(id: &str, connected: bool) -> Result<(), ContainerError> {
    let docker = docker_client_instance().await.map_err(refused)?;
    if connected {
        let request = NetworkConnectRequest {
            container: id.to_owned(),
            ..NetworkConnectRequest::default()
        };
        docker.connect_network(BRIDGE, request).await
    } else {
        let request = NetworkDisconnectRequest {
            container: id.to_owned(),
            force: Some(true),
        };
        docker.disconnect_network(BRIDGE, request).await
    }
    .map_err(refused)
}
