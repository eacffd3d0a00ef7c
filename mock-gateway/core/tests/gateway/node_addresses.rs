//! What the address of a fresh node is worth. ref: gateway-behaviour.md §6.1

use gateway_core::{Config, NodesConfig, Peer};
use rstest::rstest;
use serde_json::json;

use crate::driver::{Client, TOKEN, World};

#[test]
fn nodes_from_trusted_ranges_are_paired_silently() {
    let nodes = NodesConfig {
        auto_approve_cidrs: vec!["203.0.113.0/24".into()],
        ..NodesConfig::default()
    };
    let mut world = World::with(
        "2026.6.34",
        Config {
            nodes,
            ..Config::with_token(TOKEN)
        },
    );
    world.join_remote(&Client::node(1, &[]));
    world.refused(
        &Client::node(2, &[]).set("/scopes", json!(["node.x"])),
        true,
    );
    world.refused(&Client::desktop(3, &[]), true);
}

/// While the gateway looks over SSH who a fresh node of a private network is, the node is told to wait; not so once the look
/// has failed, where it is switched off, for other addresses, and by the older release. ref: gateway-behaviour.md §6.1
#[rstest]
#[case::looked_at("2026.9.6", "192.168.1.7", true, true)]
#[case::overlay_network("2026.9.6", "100.64.0.7", true, true)]
#[case::public_address("2026.9.6", "203.0.113.7", true, false)]
#[case::switched_off("2026.9.6", "192.168.1.7", false, false)]
#[case::older_release("2026.6.34", "192.168.1.7", true, false)]
fn a_node_of_a_private_network_is_looked_at(
    #[case] version: &str,
    #[case] from: &str,
    #[case] ssh_verify: bool,
    #[case] waits: bool,
) {
    let nodes = NodesConfig {
        ssh_verify,
        ..NodesConfig::default()
    };
    let mut world = World::with(
        version,
        Config {
            nodes,
            ..Config::with_token(TOKEN)
        },
    );
    let told_to_wait = |world: &mut World| {
        let conn = world.open_from(Peer::at(from.parse().unwrap()));
        let error = world.connect_on(conn, &Client::node(1, &[])).unwrap_err();
        assert_eq!(error["details"]["reason"], "not-paired");
        error["details"]["recommendedNextStep"] == "wait_then_retry"
    };
    assert_eq!(told_to_wait(&mut world), waits);
    world.elapse(7_500);
    assert!(!told_to_wait(&mut world), "the look has failed");
}
