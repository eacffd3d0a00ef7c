//! What a set-up writes into a companion's registry, and takes out again.

use client_core::{GatewayRecord, Registry};
use gateway_protocol::{BootstrapToken, SharedToken};

/// Remembers the gateway of a distro and makes it the active one. A record of the same address keeps its id.
pub(crate) fn remember(
    registry: &mut Registry,
    id: &str,
    url: &str,
    distro: &str,
    tokens: [&str; 2],
) {
    let [shared, bootstrap] = tokens;
    let mut record = GatewayRecord::new(id.to_owned(), url);
    record.friendly_name = Some(format!("Local ({distro})"));
    record.shared_gateway_token = Some(SharedToken::new(shared));
    record.bootstrap_token = Some(BootstrapToken::new(bootstrap));
    record.is_local = true;
    record.setup_managed_distro_name = Some(distro.to_owned());
    if let Some(known) = registry.find_by_url(url) {
        record.id.clone_from(&known.id);
        record
            .identity_dir_name
            .clone_from(&known.identity_dir_name);
    }
    registry.active_id = Some(record.id.clone());
    registry.upsert(record);
}

/// Forgets the gateways of a distro and gives their ids. One behind a tunnel is somebody else's.
pub(crate) fn forget(registry: &mut Registry, distro: &str) -> Vec<String> {
    let ours = |record: &&GatewayRecord| {
        record.managed_distro() == Some(distro) && record.ssh_tunnel.is_none()
    };
    let gone: Vec<String> = registry
        .gateways
        .iter()
        .filter(ours)
        .map(|record| record.id.clone())
        .collect();
    for id in &gone {
        registry.remove(id);
    }
    gone
}

/// Forgets the bootstrap token of the active gateway.
pub(crate) fn clear_bootstrap(registry: &mut Registry) {
    let active = registry.active_id.clone().unwrap_or_default();
    if let Some(record) = registry.find_mut(&active) {
        record.bootstrap_token = None;
    }
}

#[cfg(test)]
mod tests {
    use client_core::SshTunnel;

    use super::*;

    /// Of all records only the one that a set-up made for this distro goes: not another distro's, not one behind a tunnel,
    /// not one that nobody marked.
    #[test]
    fn only_the_managed_record_is_forgotten() {
        let record = |id: &str, distro: Option<&str>| {
            let mut record = GatewayRecord::new(id.to_owned(), format!("ws://localhost/{id}"));
            record.is_local = true;
            record.setup_managed_distro_name = distro.map(ToOwned::to_owned);
            record
        };
        let mut known = Registry::default();
        known.upsert(record("ours", Some("OpenClawGateway")));
        known.upsert(record("another", Some("Debian")));
        known.upsert(record("unmarked", None));
        let mut tunnel = record("tunnel", Some("OpenClawGateway"));
        tunnel.ssh_tunnel = Some(SshTunnel {
            user: "me".to_owned(),
            host: "far".to_owned(),
            remote_port: 18789,
            local_port: 28789,
            include_browser_proxy_forward: false,
            ssh_port: 22,
        });
        known.upsert(tunnel);
        assert_eq!(forget(&mut known, "OpenClawGateway"), ["ours"]);
        let left: Vec<&str> = known
            .gateways
            .iter()
            .map(|record| record.id.as_str())
            .collect();
        assert_eq!(left, ["another", "unmarked", "tunnel"]);
    }
}
