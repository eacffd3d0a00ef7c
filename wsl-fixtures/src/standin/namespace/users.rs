//! Who a command runs as, and what is in its environment.

use std::fs;
use std::path::Path;

use crate::wsl_conf::WslConf;

/// What every command finds set.
pub(super) fn environment(distro: &str, user: &str, entry: &UserEntry) -> [(String, String); 8] {
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

/// A line of the distro's `/etc/passwd`.
pub(super) struct UserEntry {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
    pub(super) shell: String,
}

/// The line of a user.
pub(super) fn user_entry(root: &Path, user: &str) -> Option<UserEntry> {
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

/// The distro's `wsl.conf`.
pub(super) fn conf(root: &Path) -> WslConf {
    WslConf::parse(&fs::read_to_string(root.join("etc/wsl.conf")).unwrap_or_default())
}

/// The user of a command that names none.
pub(super) fn default_user(root: &Path) -> String {
    conf(root)
        .value("user", "default")
        .unwrap_or("root")
        .to_owned()
}
