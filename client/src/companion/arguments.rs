//! The command line of the `companion`.

use std::path::PathBuf;

use client_core::{Intent, Policy};
use gateway_client::Fingerprint;

/// A gateway client: operator and node over one device identity per gateway.
#[derive(Debug, clap::Parser)]
#[command(name = "companion", version)]
pub(crate) struct Arguments {
    /// A TOML file with any of the other options, by their names with _ for -; what is said here wins over it.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Where gateways.json and the identities lie; made when it is not there. Default: `OPENCLAW_TRAY_DATA_DIR`.
    #[arg(long, value_name = "FOLDER")]
    pub(super) data_dir: Option<PathBuf>,
    /// Gateway to connect to with a shared token.
    #[arg(long, value_name = "URL", requires = "token")]
    pub(super) url: Option<String>,
    /// Its shared token.
    #[arg(long, value_name = "TOKEN", requires = "url")]
    pub(super) token: Option<Hidden>,
    /// Setup code to redeem.
    #[arg(long, value_name = "CODE", conflicts_with = "url")]
    pub(super) setup_code: Option<Hidden>,
    /// Offer this machine as a node: system.which, system.notify, device.info, device.status, and system.run
    /// for the programs of --allow-run.
    #[arg(long)]
    pub(super) node: bool,
    /// A program that system.run may start; may be given more than once.
    #[arg(long, value_name = "PROGRAM", requires = "node")]
    pub(super) allow_run: Vec<String>,
    /// Offer browser.proxy too, where the gateway's shared token is known and its browser control port is sure.
    #[arg(long, requires = "node")]
    pub(super) browser: bool,
    /// Serve MCP tools on this port of 127.0.0.1, behind the token in mcp-token.txt; 0 takes any free port.
    #[arg(long, value_name = "PORT")]
    pub(super) mcp_port: Option<u16>,
    /// Ask the distributions of gateways that the app manages through this program, which is called like wsl.exe. Without
    /// an answer nothing but a device token is sent to them.
    #[arg(long, value_name = "PROGRAM")]
    pub(super) wsl: Option<PathBuf>,
    /// Leave a managed gateway that is gone to its owner: --wsl restarts its service otherwise.
    #[arg(long, requires = "wsl")]
    pub(super) no_repair: bool,
    /// Believe wss gateways whose certificate one of these roots vouches for, instead of the computer's roots.
    #[arg(long, value_name = "PEM", conflicts_with = "tls_fingerprint")]
    pub(super) tls_ca: Option<PathBuf>,
    /// Believe the wss gateway with exactly this certificate: its SHA-256, as openssl prints it.
    #[arg(long, value_name = "SHA256")]
    pub(super) tls_fingerprint: Option<Fingerprint>,
    /// Which generation of the client to be; hardened unless it is said.
    #[arg(long, value_name = "POLICY")]
    pub(super) policy: Option<PolicyName>,
    /// Seed of ids, jitter and new device keys; drawn from the system when absent.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Form of the log on stderr; text unless it is said.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// An argument that never prints itself.
#[derive(Clone)]
pub(super) struct Hidden(pub(super) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<hidden>")
    }
}

impl std::str::FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    #[default]
    Text,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PolicyName {
    Pr741,
    #[default]
    Hardened,
}

impl PolicyName {
    pub(super) const fn policy(self) -> Policy {
        match self {
            Self::Pr741 => Policy::Pr741,
            Self::Hardened => Policy::Hardened,
        }
    }
}

impl Arguments {
    /// What the command line wants first.
    pub(super) fn first_intent(&self) -> Intent {
        match (&self.setup_code, &self.url, &self.token) {
            (Some(code), _, _) => Intent::ApplySetupCode {
                code: code.0.clone(),
            },
            (None, Some(url), Some(token)) => Intent::ConnectSharedToken {
                url: url.clone(),
                token: token.0.clone(),
                ssh_tunnel: None,
            },
            (None, _, _) => Intent::Connect,
        }
    }
}
