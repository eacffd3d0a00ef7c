//! The programs that a distro finds in `/usr/local/bin`, where its own would need a systemd or the network.
//!
//! - `init`: the distro's first process; carries connections of the relay to the distro's network
//! - [`systemctl`], [`journal`]: user units as real processes, without systemd
//! - [`openclaw`]: the gateway's command line over the mock gateway's control endpoint
//! - `curl`: the installer of OpenClaw, from here; everything else goes to the distro's own curl
//! - `wslrelay`: the Windows side of a port; it runs outside
//! - `gateway-relay`: a gateway's port and life, where the gateway itself runs outside

mod control;
mod init;
mod journal;
mod openclaw;
mod relay;
mod supervise;
mod systemctl;
mod unit;
mod units;

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use super::complain;

/// Where the installer of OpenClaw lives.
const INSTALLER: &str = "https://openclaw.ai/install-cli.sh";

/// What the installer does: it puts the program where the real one puts it.
const INSTALL: &str = r#"set -e
version=2026.6.34
while [ $# -gt 0 ]; do
  case "$1" in
    --version) version=$2; shift 2 ;;
    --node-version) shift 2 ;;
    *) echo "install-cli: unknown option: $1" >&2; exit 2 ;;
  esac
done
mkdir -p "$HOME/.openclaw/bin"
if [ -e /opt/clawproof/openclaw ]; then ln -sfn /opt/clawproof/openclaw "$HOME/.openclaw/bin/openclaw"
else ln -sfn /run/clawproof/standin "$HOME/.openclaw/bin/openclaw"; fi
printf '%s\n' "$version" > "$HOME/.openclaw/version"
echo "OpenClaw $version installed"
"#;

/// Why a program inside ends badly: exit code and what it says on standard error.
#[derive(Debug)]
struct Failed(u8, String);

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(1, error.to_string())
    }
}

impl From<serde_json::Error> for Failed {
    fn from(error: serde_json::Error) -> Self {
        Self(1, error.to_string())
    }
}

/// What a program inside has to say on standard output.
type Said = Result<String, Failed>;

/// Runs the program of this name; `None` when no program inside has it.
pub(super) fn run(name: &str, words: &[String]) -> Option<ExitCode> {
    let said = match name {
        "init" => init::run(),
        "wslrelay" => relay::run(words),
        "gateway-relay" => relay::gateway(words),
        "systemctl" => systemctl::run(words),
        "journalctl" => journal::run(words),
        "loginctl" => Ok(String::new()),
        "unit-run" => supervise::run(words),
        "openclaw" => openclaw::run(words),
        "curl" => curl(words),
        _ => return None,
    };
    Some(match said {
        Ok(text) => {
            drop(io::stdout().write_all(text.as_bytes()));
            ExitCode::SUCCESS
        }
        Err(Failed(exit, text)) => {
            complain(&format!("{}\n", text.trim_end()));
            ExitCode::from(exit)
        }
    })
}

fn curl(words: &[String]) -> Said {
    if words.iter().any(|word| word == INSTALLER) {
        return Ok(INSTALL.to_owned());
    }
    let error = Command::new("/usr/bin/curl").args(words).exec();
    Err(Failed(
        127,
        format!(
            "/usr/bin/curl: {error}\nhint: install curl on the machine; the distro has its /usr"
        ),
    ))
}
