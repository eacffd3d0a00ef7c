//! Tests that need something of the machine, and what becomes of them where it is missing: they are left out and
//! counted as skipped, and the run says by name what it did not verify. A test never passes without having run.
//!
//! Such a test stands in a module `needs_<name>`, and there is a row of that name here. Run by hand it fails where the
//! thing is missing and says how to leave it out:
//!
//! ```text
//! cargo nextest run -p gateway-client -E 'not test(/(^|::)needs_sshd::/)'
//! ```

use std::path::Path;
use std::process::{Command, Stdio};

/// Something of the machine that tests need.
struct Need {
    /// The module is `needs_<name>`.
    name: &'static str,
    /// What can be had where, for people.
    hint: &'static str,
    is_met: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need {
        name: "sshd",
        hint: "Debian: openssh-server, openssh-client; only root can make its folder /run/sshd",
        is_met: sshd,
    },
    Need {
        name: "namespaces",
        hint: "Debian: util-linux, iproute2, uidmap; in a container --privileged",
        is_met: namespaces,
    },
];

/// The published schema: whether it could be had is known from fetching it, see `schema`.
const SCHEMA: &str = "schema";

/// What a run leaves out.
pub(crate) struct LeftOut {
    /// One line each, for people.
    pub(crate) reasons: Vec<String>,
    names: Vec<&'static str>,
}

impl LeftOut {
    /// Looks at this machine.
    pub(crate) fn here(has_schema: bool) -> Self {
        let unmet = NEEDS.iter().filter(|need| !(need.is_met)());
        let mut left_out = Self {
            reasons: Vec::new(),
            names: Vec::new(),
        };
        for need in unmet {
            left_out.add(need.name, need.hint);
        }
        if !has_schema {
            left_out.add(SCHEMA, "clawproof fetch schema");
        }
        left_out
    }

    fn add(&mut self, name: &'static str, hint: &str) {
        let reason = format!("the tests that need {name} ({hint})");
        self.reasons.push(reason);
        self.names.push(name);
    }

    /// The filter that leaves them out; none where nothing is missing.
    pub(crate) fn filter(&self) -> Option<String> {
        let names = self.names.join("|");
        (!names.is_empty()).then(|| format!("not test(/(^|::)needs_({names})::/)"))
    }
}

fn sshd() -> bool {
    let folder = Path::new("/run/sshd");
    let folder = folder.exists() || std::fs::create_dir_all(folder).is_ok();
    folder && Path::new("/usr/sbin/sshd").exists() && runs("ssh", &["-V"])
}

/// The namespaces of a stand-in's distro, made the way it makes them.
fn namespaces() -> bool {
    let all = [
        "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "true",
    ];
    let user = ["--user", "--map-root-user", "--map-auto"];
    let as_user = [user.as_slice(), all.as_slice()].concat();
    runs("ip", &["-V"]) && (runs("unshare", &all) || runs("unshare", &as_user))
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A test whose need nobody looks up would fail where the thing is missing; a row without tests says nothing.
    #[test]
    fn every_need_of_a_test_is_looked_up() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut named = BTreeSet::new();
        for folder in ["client", "scenarios", "wsl-fixtures", "mock-gateway"] {
            for file in std::fs::read_dir(root.join(folder).join("tests")).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_none_or(|ending| ending != "rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let modules = text.lines().filter_map(|line| {
                    let name = line.strip_prefix("mod needs_")?;
                    Some(name.trim_end_matches([' ', '{', ';']).to_owned())
                });
                named.extend(modules);
            }
        }
        let rows = NEEDS.iter().map(|need| need.name).chain([SCHEMA]);
        let rows: BTreeSet<String> = rows.map(str::to_owned).collect();
        assert_eq!(named, rows);
    }

    #[test]
    fn what_is_missing_is_left_out_and_told() {
        let mut left_out = LeftOut {
            reasons: Vec::new(),
            names: Vec::new(),
        };
        assert_eq!(left_out.filter(), None);
        left_out.add("sshd", "Debian: openssh-server");
        left_out.add("schema", "fetch");
        let filter = left_out.filter();
        assert_eq!(
            filter.as_deref(),
            Some("not test(/(^|::)needs_(sshd|schema)::/)")
        );
        assert_eq!(
            left_out.reasons.first().map(String::as_str),
            Some("the tests that need sshd (Debian: openssh-server)")
        );
    }
}
