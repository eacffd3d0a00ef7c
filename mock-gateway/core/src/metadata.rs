//! What a device says of its platform, and which changes of it need a new approval. ref: gateway-behaviour.md §5.1, §6.5

use gateway_protocol::{ClientInfo, ConnectParams};

use crate::devices::Device;

/// How a connect's metadata compares with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// Only the version of the operating system moved on.
    Refresh,
    Different,
}

/// Compares the pinned metadata. macOS versions are pinned too, except on `lenient` releases.
pub(crate) fn change(record: &Device, client: &ClientInfo, lenient: bool) -> Change {
    let same = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b.trim());
    let family = |family: &Option<String>| family.clone().unwrap_or_default();
    if !same(
        &family(&record.device_family),
        &family(&client.device_family),
    ) {
        return Change::Different;
    }
    if same(&record.platform, &client.platform) {
        return Change::None;
    }
    let (old, new) = (system(&record.platform), system(&client.platform));
    let moves = ["ios", "ipados", "android"].contains(&new.as_str()) || (lenient && new == "macos");
    if old == new && moves {
        Change::Refresh
    } else {
        Change::Different
    }
}

/// 2026.9.6 knows the family of a node host that names none. Seen by the flow pairing/who-is-told.
pub(crate) fn complete(client: &mut ClientInfo) {
    if client.id == "node-host" && client.platform == "linux" && client.device_family.is_none() {
        client.device_family = Some("Linux".to_owned());
    }
}

/// The part of a platform before its version.
fn system(platform: &str) -> String {
    platform
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// A node that may take a setup code's handoff without approval: what the official mobile apps send.
pub(crate) fn is_official_mobile_node(params: &ConnectParams) -> bool {
    let client = &params.client;
    let family = client
        .device_family
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let system = system(&client.platform);
    let ios = client.id == "openclaw-ios"
        && ["ios", "ipados"].contains(&system.as_str())
        && ["iphone", "ipad", "ios"].contains(&family.as_str());
    let android = client.id == "openclaw-android" && system == "android" && family == "android";
    params.role_text() == "node"
        && client.mode == "node"
        && params.scope_list().is_empty()
        && (ios || android)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn params(id: &str, platform: &str, family: &str, role: &str) -> ConnectParams {
        let mut params = ConnectParams {
            role: Some(role.to_owned()),
            ..ConnectParams::default()
        };
        params.client.id = id.to_owned();
        params.client.mode = "node".to_owned();
        params.client.platform = platform.to_owned();
        params.client.device_family = Some(family.to_owned());
        params
    }

    #[rstest]
    #[case("openclaw-ios", "iOS 18.4.0", "iPhone", "node", true)]
    #[case("openclaw-ios", "iPadOS 18", "iPad", "node", true)]
    #[case("openclaw-android", "Android 15 (SDK 35)", "Android", "node", true)]
    #[case("openclaw-android", "linux", "Android", "node", false)]
    #[case("node-host", "iOS 18.4.0", "iPhone", "node", false)]
    #[case("openclaw-ios", "iOS 18.4.0", "iPhone", "operator", false)]
    fn official_mobile_nodes(
        #[case] id: &str,
        #[case] platform: &str,
        #[case] family: &str,
        #[case] role: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(
            is_official_mobile_node(&params(id, platform, family, role)),
            expected
        );
    }
}
