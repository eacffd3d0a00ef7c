//! The files of a fresh distro.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::STANDIN;

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
const PROGRAMS: &[&str] = &[
    "systemctl",
    "journalctl",
    "loginctl",
    "curl",
    "gateway-relay",
];

/// Makes them, and a file that stands for the disk.
pub(super) fn make(distro: &Path, location: Option<&str>) -> io::Result<()> {
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
