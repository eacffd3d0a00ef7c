//! Which commands a node may offer, by platform and configuration. ref: gateway-behaviour.md E, §7.1, §7.4

use gateway_protocol::ClientInfo;

use crate::config::NodesConfig;
use crate::profile::Profile;

/// Platforms the gateway knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Platform {
    Ios,
    Android,
    Macos,
    Windows,
    Linux,
    Unknown,
}

const MOBILE: &[&str] = &[
    "camera.list",
    "location.get",
    "device.info",
    "device.status",
    "contacts.search",
    "calendar.events",
    "reminders.list",
    "photos.latest",
    "motion.activity",
    "motion.pedometer",
    "system.notify",
];
const ANDROID_ONLY: &[&str] = &[
    "notifications.list",
    "notifications.actions",
    "device.permissions",
    "device.health",
    "device.apps",
    "callLog.search",
];
const HOST: &[&str] = &[
    "system.run",
    "system.run.prepare",
    "system.which",
    "system.notify",
    "browser.proxy",
];
const HOST_9: &[&str] = &[
    "camera.ptz.status",
    "device.apps",
    "system.execApprovals.get",
    "system.execApprovals.set",
    "fs.listDir",
    "file.create",
    "file.stat",
    "browser.proxy.upload.v1",
    "mcp.tools.call.v1",
    "ollama.chat",
    "ollama.models",
    "terminal.upload",
    "screen.snapshot",
    "desktop.stream",
    "computer.act",
];
const WINDOWS_ONLY: &[&str] = &[
    "camera.list",
    "location.get",
    "device.info",
    "device.status",
    "screen.snapshot",
];
/// What a plugin of the newer release lets Linux node hosts offer. Flow node/platform-lists.
const LINUX_9: &[&str] = &["camera.list", "location.get"];
const UNKNOWN: &[&str] = &["camera.list", "location.get", "system.notify"];
/// Need to be allowed by name. ref: gateway-behaviour.md E
const DANGEROUS: &[&str] = &[
    "camera.snap",
    "camera.clip",
    "screen.record",
    "contacts.add",
    "calendar.add",
    "reminders.add",
    "sms.send",
    "sms.search",
    "camera.ptz.control",
    "health.summary",
];
/// Approving these takes admin. ref: gateway-behaviour.md §7.1
const ADMIN_6: &[&str] = &["system.run", "system.run.prepare", "system.which"];
const ADMIN_9: &[&str] = &[
    "browser.proxy",
    "fs.listDir",
    "system.execApprovals.get",
    "system.execApprovals.set",
    "terminal.upload",
];

/// What the platform and the configuration make of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    NotListed,
    Dangerous,
    Denied,
    /// `talk.ptt.*` from a node without the talk capability.
    NeedsTalk,
}

/// Judges one command of a node.
pub(crate) fn judge(
    command: &str,
    client: &ClientInfo,
    caps: &[String],
    declared: &[String],
    config: &NodesConfig,
    profile: &Profile,
) -> Verdict {
    if config.deny_commands.iter().any(|denied| denied == command) {
        return Verdict::Denied;
    }
    if config
        .allow_commands
        .iter()
        .any(|allowed| allowed == command)
    {
        return Verdict::Allowed;
    }
    if command.starts_with("talk.ptt.") {
        let talks = caps.iter().any(|cap| cap == "talk")
            || declared.iter().any(|command| command.starts_with("talk."));
        return if talks {
            Verdict::Allowed
        } else {
            Verdict::NeedsTalk
        };
    }
    if DANGEROUS.contains(&command) {
        return Verdict::Dangerous;
    }
    if listed(command, platform_of(client), profile) {
        Verdict::Allowed
    } else {
        Verdict::NotListed
    }
}

/// A command that acts on the desktop of the node's host.
pub(crate) fn is_host_command(command: &str) -> bool {
    HOST.contains(&command) && command != "system.notify" || command == "screen.snapshot"
}

/// The declared commands that may be asked for, in declared order.
pub(crate) fn filter(
    client: &ClientInfo,
    caps: &[String],
    declared: &[String],
    config: &NodesConfig,
    profile: &Profile,
) -> Vec<String> {
    let allowed = |command: &&String| {
        judge(command, client, caps, declared, config, profile) == Verdict::Allowed
    };
    crate::pairing::union(
        &[],
        &declared.iter().filter(allowed).cloned().collect::<Vec<_>>(),
    )
}

/// Scopes that approving a surface takes, weakest first.
pub(crate) fn approve_scopes(commands: &[String], profile: &Profile) -> Vec<&'static str> {
    use gateway_protocol::role::scope;
    let strict = |command: &String| {
        let command = command.as_str();
        ADMIN_6.contains(&command) || (profile.rules.node_errors_9 && ADMIN_9.contains(&command))
    };
    if commands.iter().any(strict) {
        vec![scope::PAIRING, scope::ADMIN]
    } else if commands.is_empty() {
        vec![scope::PAIRING]
    } else {
        vec![scope::PAIRING, scope::WRITE]
    }
}

fn listed(command: &str, platform: Platform, profile: &Profile) -> bool {
    let newer = profile.rules.node_errors_9;
    // The canvas plugin of the older release adds its own everywhere but on Linux.
    let on_canvas = matches!(
        platform,
        Platform::Ios | Platform::Android | Platform::Macos | Platform::Windows | Platform::Unknown
    );
    let canvas = if newer {
        platform == Platform::Macos
    } else {
        on_canvas
    };
    if canvas && command.starts_with("canvas.") {
        return true;
    }
    match platform {
        Platform::Ios => {
            MOBILE.contains(&command)
                || (newer && ["watch.status", "watch.notify"].contains(&command))
        }
        Platform::Android => {
            MOBILE.contains(&command)
                || ANDROID_ONLY.contains(&command)
                || (newer && ["mobile.ui.observe", "mobile.ui.act"].contains(&command))
        }
        Platform::Macos => {
            MOBILE.contains(&command)
                || HOST.contains(&command)
                || command == "screen.snapshot"
                || (newer && HOST_9.contains(&command))
        }
        Platform::Windows => {
            WINDOWS_ONLY.contains(&command)
                || HOST.contains(&command)
                || (newer && HOST_9.contains(&command))
        }
        Platform::Linux => {
            HOST.contains(&command)
                || (newer && (HOST_9.contains(&command) || LINUX_9.contains(&command)))
        }
        Platform::Unknown => UNKNOWN.contains(&command),
    }
}

/// A bare name counts with a family that fits: of a phone it may be absent, a desktop must name it. A name with a
/// version always needs the family, and only systems that ship with one have it. Flow node/platform-family.
fn platform_of(client: &ClientInfo) -> Platform {
    let platform = client.platform.trim().to_ascii_lowercase();
    let family = client
        .device_family
        .as_deref()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let (system, version) = platform
        .split_once(' ')
        .map_or((platform.as_str(), None), |(system, version)| {
            (system, Some(version))
        });
    let is = |families: &[&str]| families.contains(&family.as_str());
    let apple = || is(&["iphone", "ipad", "ios"]);
    match (system, version) {
        ("ios", None) if family.is_empty() || apple() => Platform::Ios,
        ("ios" | "ipados", Some(version)) if is_dotted(version) && apple() => Platform::Ios,
        ("android", None) if family.is_empty() || is(&["android"]) => Platform::Android,
        ("android", Some(version)) if is_android(version) && is(&["android"]) => Platform::Android,
        ("macos", None) if is(&["mac"]) => Platform::Macos,
        ("macos", Some(version)) if is_dotted(version) && is(&["mac"]) => Platform::Macos,
        ("windows", None) if is(&["windows"]) => Platform::Windows,
        ("linux", None) if is(&["linux"]) => Platform::Linux,
        ("", None) => platform_of_family(&family),
        _ => Platform::Unknown,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `26`, `26.1`, `26.1.0`.
fn is_dotted(version: &str) -> bool {
    version.split('.').count() <= 3 && version.split('.').all(is_number)
}

/// `15`, `15 (SDK 35)`, in small letters.
fn is_android(version: &str) -> bool {
    let (release, sdk) = version
        .split_once(" (sdk ")
        .map_or((version, None), |(release, sdk)| (release, Some(sdk)));
    is_number(release) && sdk.is_none_or(|sdk| sdk.strip_suffix(')').is_some_and(is_number))
}

fn platform_of_family(family: &str) -> Platform {
    const FAMILIES: [(&str, Platform); 6] = [
        ("iphone", Platform::Ios),
        ("ipad", Platform::Ios),
        ("android", Platform::Android),
        ("mac", Platform::Macos),
        ("windows", Platform::Windows),
        ("linux", Platform::Linux),
    ];
    FAMILIES
        .iter()
        .find(|(part, _)| family.contains(part))
        .map_or(Platform::Unknown, |(_, platform)| *platform)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::profile::profile;

    fn client(platform: &str, family: Option<&str>) -> ClientInfo {
        ClientInfo {
            platform: platform.to_owned(),
            device_family: family.map(str::to_owned),
            ..ClientInfo::default()
        }
    }

    #[rstest]
    #[case("iOS 18.4.0", Some("iPhone"), Platform::Ios)]
    #[case("macOS 26.1.0", Some("Mac"), Platform::Macos)]
    #[case("Android 15 (SDK 35)", Some("Android"), Platform::Android)]
    #[case("linux", Some("Linux"), Platform::Linux)]
    #[case("windows", Some("Windows"), Platform::Windows)]
    #[case("windows", None, Platform::Unknown)]
    #[case("linux", None, Platform::Unknown)]
    #[case("macos", None, Platform::Unknown)]
    #[case("macOS 26.1.0", None, Platform::Unknown)]
    #[case("ios", None, Platform::Ios)]
    #[case("iOS 26.1", None, Platform::Unknown)]
    #[case("ipados 18", Some("iPad"), Platform::Ios)]
    #[case("ipados", Some("iPad"), Platform::Unknown)]
    #[case("android", None, Platform::Android)]
    #[case("Android 15 Go", Some("Android"), Platform::Unknown)]
    #[case("iOS 26.1 beta", Some("iPhone"), Platform::Unknown)]
    #[case("linux 6.1", Some("Linux"), Platform::Unknown)]
    #[case("linux", Some("iPhone"), Platform::Unknown)]
    #[case("beos", None, Platform::Unknown)]
    #[case("", Some("Apple iPhone 17"), Platform::Ios)]
    fn platforms(#[case] platform: &str, #[case] family: Option<&str>, #[case] expected: Platform) {
        assert_eq!(platform_of(&client(platform, family)), expected);
    }

    // Recording 218: what the real node hosts declare and what the gateways let them ask for.
    #[rstest]
    #[case("2026.6.34", &["system.run.prepare", "system.run", "system.which", "system.execApprovals.get", "system.execApprovals.set", "browser.proxy", "dir.fetch", "dir.list", "file.fetch", "file.write"], &["system.run.prepare", "system.run", "system.which", "browser.proxy"])]
    #[case("2026.9.6", &["browser.proxy", "dir.fetch", "fs.listDir", "system.execApprovals.get", "system.run", "workspace.memory"], &["browser.proxy", "fs.listDir", "system.execApprovals.get", "system.run"])]
    fn node_hosts(#[case] version: &str, #[case] declared: &[&str], #[case] expected: &[&str]) {
        let declared: Vec<String> = declared
            .iter()
            .map(|command| (*command).to_owned())
            .collect();
        let linux = client("linux", Some("Linux"));
        let filtered = filter(
            &linux,
            &[],
            &declared,
            &NodesConfig::default(),
            profile(version).unwrap(),
        );
        assert_eq!(filtered, expected);
    }

    #[rstest]
    #[case("camera.snap", Verdict::Dangerous)]
    #[case("system.notify", Verdict::Denied)]
    #[case("made.up", Verdict::Allowed)]
    #[case("other.thing", Verdict::NotListed)]
    #[case("talk.ptt.start", Verdict::NeedsTalk)]
    fn verdicts(#[case] command: &str, #[case] expected: Verdict) {
        let config = NodesConfig {
            allow_commands: vec!["made.up".into()],
            deny_commands: vec!["system.notify".into()],
            ..NodesConfig::default()
        };
        let profile = profile("2026.6.34").unwrap();
        assert_eq!(
            judge(
                command,
                &client("iOS 18", Some("iPhone")),
                &[],
                &[],
                &config,
                profile
            ),
            expected
        );
    }

    #[rstest]
    #[case(&[], &["operator.pairing"])]
    #[case(&["device.info"], &["operator.pairing", "operator.write"])]
    #[case(&["device.info", "system.which"], &["operator.pairing", "operator.admin"])]
    fn scopes(#[case] commands: &[&str], #[case] expected: &[&str]) {
        let commands: Vec<String> = commands
            .iter()
            .map(|command| (*command).to_owned())
            .collect();
        assert_eq!(
            approve_scopes(&commands, profile("2026.6.34").unwrap()),
            expected
        );
    }
}
