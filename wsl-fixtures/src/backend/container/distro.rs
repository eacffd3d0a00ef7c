//! One distro: a container, its start, and commands in it.

use std::path::Path;
use std::time::Duration;

use testcontainers::core::{CgroupnsMode, ExecCommand, Mount, WaitFor};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _};

use super::engine::{BRIDGE, ContainerError, IMAGE, TAG, refused};
use crate::machine::{Execution, Machine, Network};
use crate::wsl::{Call, Finished};

/// Where a distro finds our program, as over namespaces.
const STANDIN: &str = "/run/clawproof/standin";
/// What starts the gateway, as `openclaw` in the distro reads it.
const GATEWAY: &str = "/etc/clawproof/gateway.json";
/// What `timeout` ends with when the time was up, and when it had to kill.
const TIMED_OUT: [i64; 2] = [124, 137];

/// Makes what a fresh distro has, once, and waits until systemd is up; at first there is nobody to ask.
const READY: &str = r#"
for name in curl gateway-relay; do ln -sfn /run/clawproof/standin "/usr/local/bin/$name"; done
for _ in $(seq 300); do
    said=$(systemctl is-system-running --wait 2>/dev/null)
    case "$said" in running | degraded | maintenance) break ;; esac
    sleep 0.05
done
echo "$said"
"#;

/// Enters the distro: `$1` user, `$2` folder, `$3` limit in seconds, `$4` input in base64, then variables and words.
const ENTER: &str = r#"
user=$1 cd=$2 limit=$3 input=$4; shift 4
if [ -z "$user" ]; then user=$(sed -n '/^\[user\]/,/^\[/s/^default=//p' /etc/wsl.conf 2>/dev/null); fi
entry=$(getent passwd "${user:-root}") || { echo "User not found."; exit 255; }
IFS=: read -r name _ uid gid _ home shell <<<"$entry"
# As when somebody logs in: the user's own systemd runs.
[ "$uid" = 0 ] || systemctl start "user@$uid.service"
[ "$cd" != '~' ] || cd=$home
has_words=0
for word in "$@"; do case "$word" in *=*) ;; *) has_words=1; break ;; esac; done
[ "$has_words" = 1 ] || set -- "$@" "$shell" -l
printf %s "$input" | base64 -d | tr -d '\r' |
    timeout --kill-after=1 "$limit" setpriv --reuid="$uid" --regid="$gid" --init-groups env -i -C "$cd" \
    HOME="$home" USER="$name" LOGNAME="$name" SHELL="$shell" LANG=C.UTF-8 XDG_RUNTIME_DIR="/run/user/$uid" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
exit "${PIPESTATUS[3]}"
"#;

/// What a distro is made of.
pub(super) struct Plan<'a> {
    pub(super) program: &'a Path,
    pub(super) machine: &'a Machine,
}

/// A container.
#[derive(Debug)]
pub(super) struct Distro {
    container: ContainerAsync<GenericImage>,
}

impl Distro {
    /// Makes and starts it.
    pub(super) async fn make(plan: &Plan<'_>) -> Result<Self, ContainerError> {
        let network = match plan.machine.network {
            Network::Mirrored => "host",
            Network::Nat => BRIDGE,
        };
        let bind = |from: &str, to: &str| Mount::bind_mount(from, to);
        let program = plan.program.display().to_string();
        let command = serde_json::to_vec(&plan.machine.gateway).map_err(refused)?;
        let mut request = GenericImage::new(IMAGE, TAG)
            .with_wait_for(WaitFor::Nothing)
            .with_cmd(["/sbin/init"])
            .with_network(network)
            .with_cgroupns_mode(CgroupnsMode::Host)
            .with_mount(Mount::tmpfs_mount("/run"))
            .with_mount(Mount::tmpfs_mount("/run/lock"))
            .with_mount(bind("/sys/fs/cgroup", "/sys/fs/cgroup"))
            .with_mount(bind(&program, STANDIN))
            .with_copy_to(GATEWAY, command);
        for (at, from) in &plan.machine.binds {
            request = request.with_mount(bind(from, at));
        }
        let container = request.start().await.map_err(refused)?;
        let distro = Self { container };
        distro.wait().await?;
        Ok(distro)
    }

    pub(super) fn id(&self) -> &str {
        self.container.id()
    }

    /// Starts it unless it runs; whether it did.
    pub(super) async fn start(&self) -> Result<bool, ContainerError> {
        if self.runs().await? {
            return Ok(false);
        }
        self.container.start().await.map_err(refused)?;
        self.wait().await?;
        Ok(true)
    }

    pub(super) async fn runs(&self) -> Result<bool, ContainerError> {
        self.container.is_running().await.map_err(refused)
    }

    async fn wait(&self) -> Result<(), ContainerError> {
        let (_, said, _) = self
            .exec(["sh", "-c", READY].map(ToOwned::to_owned))
            .await?;
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        if said == "running" {
            Ok(())
        } else {
            Err(ContainerError::NotUp(said))
        }
    }

    /// Kills everything in it, as --terminate does; its files stay.
    pub(super) async fn stop(&self) -> Result<(), ContainerError> {
        self.container
            .stop_with_timeout(Some(0))
            .await
            .map_err(refused)
    }

    pub(super) async fn remove(self) -> Result<(), ContainerError> {
        self.container.rm().await.map_err(refused)
    }

    /// Runs a command as its user, with its variables and its input.
    pub(super) async fn run(
        &self,
        execution: &Execution,
        call: &Call,
    ) -> Result<Finished, ContainerError> {
        let head = [
            "bash".to_owned(),
            "-c".to_owned(),
            ENTER.to_owned(),
            "enter".to_owned(),
            execution.user.clone().unwrap_or_default(),
            execution.cd.clone().unwrap_or_else(|| "~".to_owned()),
            seconds(call.limit),
            base64(&call.stdin),
            format!("WSL_DISTRO_NAME={}", execution.distro),
        ];
        let variables = execution.env.iter();
        let variables = variables.map(|(name, value)| format!("{name}={value}"));
        let words = head.into_iter().chain(variables);
        let words = words.chain(execution.words.iter().cloned());
        let (exit, stdout, stderr) = self.exec(words).await?;
        let exit = exit.filter(|code| !TIMED_OUT.contains(code));
        Ok(Finished {
            // wsl.exe ends with -1, of which a container's process keeps one byte.
            exit: exit.map(|code| {
                i32::try_from(code).map_or(-1, |code| if code == 255 { -1 } else { code })
            }),
            stdout,
            stderr,
            ..Finished::default()
        })
    }

    async fn exec(
        &self,
        words: impl IntoIterator<Item = String>,
    ) -> Result<(Option<i64>, Vec<u8>, Vec<u8>), ContainerError> {
        let mut done = self
            .container
            .exec(ExecCommand::new(words))
            .await
            .map_err(refused)?;
        let stdout = done.stdout_to_vec().await.map_err(refused)?;
        let stderr = done.stderr_to_vec().await.map_err(refused)?;
        let exit = done.exit_code().await.map_err(refused)?;
        Ok((exit, stdout, stderr))
    }
}

fn seconds(limit: Duration) -> String {
    limit.as_secs().max(1).to_string()
}

/// The engine's exec has no input of its own: it goes along as an argument.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let word = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for at in 0..4_usize {
            let index = usize::try_from((word >> (18 - 6 * at)) & 63).unwrap_or_default();
            let letter = LETTERS.get(index).copied().unwrap_or(b'=');
            text.push(if at <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_one_that_everybody_reads() {
        let cases: [(&[u8], &str); 5] = [
            (b"", ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (&[0xff, 0xef, 0x00, 0x3e], "/+8APg=="),
        ];
        for (bytes, text) in cases {
            assert_eq!(base64(bytes), text);
        }
    }
}
