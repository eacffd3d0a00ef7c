//! The start of a distro: namespaces, mounts, the first process, the relay.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use super::process::{proven, remember};
use super::users::conf;
use super::{STANDIN, SYSTEM_PATH};
use crate::machine::{Machine, Network};
use crate::standin::home::Home;

/// Prepares the root and hands over to the first process. `$1` is the root, `$2` whether there is a net of its own, `$3` its name, then pairs of what is
/// bound: where, and from where.
const BOOT: &str = r#"set -e
R=$1
mount --bind "$R" "$R"
mount --rbind /usr "$R/usr"
mount -o remount,bind,ro "$R/usr"
mount --bind "$R/usr-local" "$R/usr/local"
for d in /etc/alternatives /etc/ssl; do
  if [ -d "$d" ]; then mount --bind "$d" "$R$d"; mount -o remount,bind,ro "$R$d"; fi
done
mount -t proc proc "$R/proc"
printf %s "$3" > "$R/proc/sys/kernel/hostname"
mount -t tmpfs -o mode=755 tmpfs "$R/dev"
for n in null zero full random urandom tty; do : > "$R/dev/$n"; mount --bind "/dev/$n" "$R/dev/$n"; done
ln -s /proc/self/fd "$R/dev/fd"
mkdir "$R/dev/shm"
if [ "$2" = nat ]; then ip link set lo up; fi
shift 3
while [ $# -gt 1 ]; do
  if [ -d "$2" ]; then mkdir -p "$R$1"; else mkdir -p "$R${1%/*}"; : >> "$R$1"; fi
  mount --bind "$2" "$R$1"
  mount -o remount,bind,ro "$R$1"
  shift 2
done
# Programs that look in /usr/bin only must not meet the machine's own there, which wants a systemd.
for p in systemctl journalctl loginctl; do
  if [ -f "$R/usr/bin/$p" ]; then mount --bind "$R/run/clawproof/standin" "$R/usr/bin/$p"; fi
done
cd "$R"
pivot_root . mnt
umount -l /mnt
exec /run/clawproof/init
"#;

/// The first process of a running distro, as this machine numbers it.
fn running(home: &Home, name: &str) -> Option<u32> {
    proven(&home.distro(name).join("pid"))
}

/// Starts a distro unless it runs.
pub(super) fn boot(home: &Home, machine: &Machine, name: &str) -> io::Result<u32> {
    let distro = home.distro(name);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(distro.join("boot.lock"))?;
    lock.lock()?;
    if let Some(pid) = running(home, name) {
        return Ok(pid);
    }
    let root = distro.join("root");
    clear(&root.join("run/user"))?;
    fs::create_dir_all(root.join("etc/clawproof"))?;
    serde_json::to_writer(
        File::create(root.join("etc/clawproof/gateway.json"))?,
        &machine.gateway,
    )?;
    let marker = root.join("run/clawproof/systemd");
    if conf(&root).is("boot", "systemd", "true") {
        File::create(marker)?;
    } else if marker.exists() {
        fs::remove_file(marker)?;
    }
    let pid = unshare(&root, machine, name)?;
    remember(&distro.join("pid"), pid)?;
    if machine.network == Network::Nat && !machine.relay_ports.is_empty() {
        relay(&distro, &machine.relay_ports)?;
    }
    Ok(pid)
}

fn clear(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)
}

fn unshare(root: &Path, machine: &Machine, name: &str) -> io::Result<u32> {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--pid",
        "--fork",
        "--uts",
        "--ipc",
        "--propagation=private",
    ]);
    let net = if machine.network == Network::Nat {
        "nat"
    } else {
        "mirrored"
    };
    if machine.network == Network::Nat {
        command.arg("--net");
    }
    if !geteuid().is_root() {
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    command
        .args(["/bin/sh", "-c", BOOT, "boot"])
        .arg(root)
        .args([net, name]);
    command.arg(STANDIN).arg(std::env::current_exe()?);
    for (at, from) in &machine.binds {
        command.args([at, from]);
    }
    command.env_clear().env("PATH", SYSTEM_PATH);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = command.spawn()?;
    let mut ready = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut ready)?;
    }
    if ready.trim() != "up" {
        let output = child.wait_with_output()?;
        return Err(missing_right(&String::from_utf8_lossy(&output.stderr)));
    }
    // `unshare --fork` has one child: the first process of the distro.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()))?;
    children.trim().parse().map_err(io::Error::other)
}

/// What this machine does not allow, and what to do.
fn missing_right(said: &str) -> io::Error {
    let hint = if said.contains("newuidmap")
        || said.contains("subuid")
        || said.contains("--map-auto")
    {
        "install the package uidmap and give this user a range in /etc/subuid and /etc/subgid, or run as root"
    } else if said.contains("unshare failed") || said.contains("Operation not permitted") {
        "allow namespaces: sysctl kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), user.max_user_namespaces above 0; in a container --privileged; or run as root"
    } else if said.contains("not found") {
        "install util-linux, and iproute2 for a network of its own"
    } else {
        "the namespace back-end needs mount, pid, uts and ipc namespaces"
    };
    io::Error::other(format!(
        "a distro can't be started: {}\nhint: {hint}",
        said.trim()
    ))
}

/// The stand-in for wslrelay.exe: a process that owns the Windows side of the ports.
fn relay(distro: &Path, ports: &[u16]) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg0("wslrelay")
        .args(ports.iter().map(ToString::to_string))
        .current_dir(distro.join("root/run/clawproof"));
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command.spawn()?;
    let mut ready = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut ready)?;
    }
    if ready.trim() != "up" {
        return Err(io::Error::other(format!(
            "the relay could not take the ports {ports:?}: {}\nhint: see who listens there with ss -ltnp",
            ready.trim()
        )));
    }
    remember(&distro.join("relay"), child.id())
}
