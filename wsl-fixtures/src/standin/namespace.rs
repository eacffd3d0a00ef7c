//! A distro as namespaces of this machine: mount, pid, uts, ipc, and with [`Network::Nat`] net, over a private
//! root in which only `/usr` is the host's, read-only.
//!
//! - [`follow`]: makes and removes the files of a distro
//! - [`execute`]: starts the distro when it must, and runs a command in it
//! - [`stop`]: kills its first process, and with it everything in it
//!
//! Nothing here needs a daemon. The programs are util-linux (`unshare`, `nsenter`, `setpriv`, `mount`), which
//! every distribution has. As root no user namespace is needed; without it, one with a range of subordinate ids.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use super::home::Home;
use crate::machine::{Change, Execution, Machine, Network};
use crate::wsl_conf::WslConf;

/// Folders of a fresh root.
const FOLDERS: &[&str] = &[
    "etc",
    "home",
    "root",
    "opt",
    "run/clawproof",
    "tmp",
    "proc",
    "sys",
    "dev",
    "usr",
    "mnt",
    "usr-local/bin",
    "var/lib",
    "var/log",
    "var/tmp",
    "etc/alternatives",
    "etc/ssl",
    "run/user",
];
/// Files of a fresh root.
const FILES: &[(&str, &str)] = &[
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/shadow", "root:*:19000:0:99999:7:::\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
    ),
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    (
        "etc/login.defs",
        "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nUSERGROUPS_ENAB yes\nENCRYPT_METHOD SHA512\n",
    ),
];
/// Programs that are ours inside: the rest is the host's.
const PROGRAMS: &[&str] = &["systemctl", "journalctl", "loginctl", "curl"];
/// Where a distro finds this program.
const STANDIN: &str = "/run/clawproof/standin";
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
cd "$R"
pivot_root . mnt
umount -l /mnt
exec /run/clawproof/init
"#;

/// Makes the disk follow a change.
pub(crate) fn follow(home: &Home, machine: &Machine, change: &Change) -> io::Result<()> {
    match change {
        Change::Made(name) => {
            let location = machine
                .distro(name)
                .and_then(|entry| entry.location.clone());
            make(&home.distro(name), location.as_deref())
        }
        Change::Stopped(name) => stop(home, name),
        Change::Removed(name) => remove(home, name),
        Change::Exported(name, file) => tar(&home.distro(name), &["-cf", file, "root"]),
        Change::Imported(name, file) => {
            make(&home.distro(name), None)?;
            tar(&home.distro(name), &["-xf", file])
        }
    }
}

fn tar(distro: &Path, words: &[&str]) -> io::Result<()> {
    let status = Command::new("tar")
        .arg("-C")
        .arg(distro)
        .args(words)
        .status()?;
    status
        .success()
        .then_some(())
        .ok_or_else(|| io::Error::other(format!("tar ended with {status}")))
}

fn make(distro: &Path, location: Option<&str>) -> io::Result<()> {
    let root = distro.join("root");
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder))?;
    }
    for folder in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(folder), fs::Permissions::from_mode(0o1777))?;
    }
    for (name, text) in FILES {
        File::create(root.join(name))?.write_all(text.as_bytes())?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        if Path::new("/usr").join(name).exists() {
            symlink(format!("usr/{name}"), root.join(name))?;
        }
    }
    for name in ["resolv.conf", "ld.so.cache", "localtime"] {
        let from = Path::new("/etc").join(name);
        if from.is_file() {
            fs::copy(from, root.join("etc").join(name))?;
        }
    }
    let programs = root.join("run/clawproof");
    symlink("standin", programs.join("init"))?;
    for name in PROGRAMS {
        symlink(STANDIN, root.join("usr-local/bin").join(name))?;
    }
    let Some(location) = location else {
        return Ok(());
    };
    fs::create_dir_all(location)?;
    File::create(Path::new(location).join("ext4.vhdx"))?
        .write_all(b"a stand-in: the files are elsewhere\n")
}

fn remove(home: &Home, name: &str) -> io::Result<()> {
    stop(home, name)?;
    let distro = home.distro(name);
    if distro.exists() {
        fs::remove_dir_all(distro)?;
    }
    Ok(())
}

/// The first process of a running distro, as this machine numbers it.
fn running(home: &Home, name: &str) -> Option<u32> {
    proven(&home.distro(name).join("pid"))
}

/// The process that a file names, when it is still that process: its number alone may be another's by this time.
fn proven(file: &Path) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (start_time(pid)? == started).then_some(pid)
}

fn remember(file: &Path, pid: u32) -> io::Result<()> {
    let started =
        start_time(pid).ok_or_else(|| io::Error::other("a process of the distro ended at once"))?;
    File::create(file)?.write_all(format!("{pid} {started}\n").as_bytes())
}

/// When a process was started, as the kernel counts it: the 22nd field, counted after the name in parentheses.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19).map(ToOwned::to_owned)
}

/// Kills everything in a distro, and its relay.
pub(crate) fn stop(home: &Home, name: &str) -> io::Result<()> {
    for file in ["pid", "relay"] {
        let path = home.distro(name).join(file);
        if let Some(pid) = proven(&path) {
            kill_and_wait(pid)?;
        }
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn kill_and_wait(pid: u32) -> io::Result<()> {
    let Ok(raw) = i32::try_from(pid) else {
        return Ok(());
    };
    // The number could be somebody else's by the time it is gone: the start time tells them apart.
    let gone = start_time(pid);
    match kill(Pid::from_raw(raw), Signal::SIGKILL) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
        Err(error) => return Err(error.into()),
    }
    while gone.is_some() && start_time(pid) == gone && !is_zombie(pid) {
        std::thread::yield_now();
    }
    Ok(())
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(')')
            .is_some_and(|(_, after)| after.trim_start().starts_with(['Z', 'X']))
    })
}

/// Runs a command in a distro; it starts for it when it must. Gives its exit code.
pub(crate) fn execute(
    home: &Home,
    machine: &Machine,
    execution: &Execution,
    stdin: Vec<u8>,
) -> io::Result<i32> {
    let root = home.distro(&execution.distro).join("root");
    let pid = boot(home, machine, &execution.distro)?;
    let user = execution
        .user
        .clone()
        .unwrap_or_else(|| default_user(&root));
    let Some(entry) = user_entry(&root, &user) else {
        let said = crate::output::encode_utf16le(crate::text::USER_NOT_FOUND, false);
        io::stdout().write_all(&said)?;
        return Ok(-1);
    };
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--target={pid}"))
        .args(["--mount", "--uts", "--ipc", "--net", "--pid"]);
    if !geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.args([
        "setpriv",
        &format!("--reuid={}", entry.uid),
        &format!("--regid={}", entry.gid),
        "--init-groups",
    ]);
    let cd = match execution.cd.as_deref() {
        None | Some("~") => entry.home.clone(),
        Some(folder) => folder.to_owned(),
    };
    command.args(["env", "-i", "-C", &cd]);
    for (name, value) in environment(&execution.distro, &user, &entry)
        .into_iter()
        .chain(execution.env.clone())
    {
        command.arg(format!("{name}={value}"));
    }
    if execution.words.is_empty() {
        command.args([entry.shell.as_str(), "-l"]);
    } else {
        command.args(&execution.words);
    }
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    finish(command, stdin)
}

fn finish(mut command: Command, stdin: Vec<u8>) -> io::Result<i32> {
    if stdin.is_empty() {
        return Ok(command.status()?.code().unwrap_or(-1));
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // WSL accepts scripts with Windows line ends; a shell that ended early is no error.
        let script: Vec<u8> = stdin.into_iter().filter(|&byte| byte != b'\r').collect();
        drop(pipe.write_all(&script));
    }
    Ok(child.wait()?.code().unwrap_or(-1))
}

fn environment(distro: &str, user: &str, entry: &UserEntry) -> [(String, String); 8] {
    [
        ("HOME", entry.home.as_str()),
        ("USER", user),
        ("LOGNAME", user),
        ("SHELL", entry.shell.as_str()),
        (
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ),
        ("LANG", "C.UTF-8"),
        ("WSL_DISTRO_NAME", distro),
        ("XDG_RUNTIME_DIR", &format!("/run/user/{}", entry.uid)),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

struct UserEntry {
    uid: u32,
    gid: u32,
    home: String,
    shell: String,
}

fn user_entry(root: &Path, user: &str) -> Option<UserEntry> {
    let text = fs::read_to_string(root.join("etc/passwd")).ok()?;
    let fields: Vec<&str> = text
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&user))?;
    let [_, _, uid, gid, _, home, shell] = fields.as_slice() else {
        return None;
    };
    Some(UserEntry {
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: (*home).to_owned(),
        shell: (*shell).to_owned(),
    })
}

fn conf(root: &Path) -> WslConf {
    WslConf::parse(&fs::read_to_string(root.join("etc/wsl.conf")).unwrap_or_default())
}

fn default_user(root: &Path) -> String {
    conf(root)
        .value("user", "default")
        .unwrap_or("root")
        .to_owned()
}

/// Starts a distro unless it runs.
fn boot(home: &Home, machine: &Machine, name: &str) -> io::Result<u32> {
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
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
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
