//! The scripts that run in the distro. Those that go in arguments use no variable of the shell: wsl.exe would take it
//! away ([`crate::expand`]).

use super::config::Config;

/// What `/etc/wsl.conf` has to say.
pub(super) fn wsl_conf(user: &str) -> String {
    format!(
        "[boot]\nsystemd=true\n\n[automount]\nenabled=false\nmountFsTab=false\n\n[interop]\nenabled=false\nappendWindowsPath=false\n\n[user]\ndefault={user}\n\n[time]\nuseWindowsTimezone=true\n"
    )
}

/// Folders that belong to the gateway's user.
pub(super) fn folders(user: &str) -> [String; 4] {
    [
        format!("/home/{user}/.openclaw"),
        "/var/lib/openclaw".to_owned(),
        "/var/log/openclaw".to_owned(),
        "/opt/openclaw".to_owned(),
    ]
}

/// Makes the user, the folders and `wsl.conf`.
pub(super) fn configure(user: &str) -> String {
    let lines: Vec<String> = wsl_conf(user)
        .lines()
        .map(|line| format!("'{line}'"))
        .collect();
    let folders = folders(user).join(" ");
    format!(
        "set -e; id -u {user} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {user}; mkdir -p {folders}; chown -R {user}:{user} {folders}; printf '%s\\n' {} > /etc/wsl.conf; echo CONFIGURED_OK",
        lines.join(" ")
    )
}

/// Checks user and folders; prints what is wrong, or `LOCKDOWN_VALID`.
pub(super) fn verify(user: &str) -> String {
    let checks = folders(user).map(|folder| {
        format!(
            "{{ test -d {folder} || {{ echo DIR_MISSING:{folder}; false; }}; }} && {{ stat -c %U {folder} | grep -qx {user} || {{ stat -c OWNER_MISMATCH:{folder}:%U {folder}; false; }}; }}"
        )
    });
    format!(
        "{{ id {user} >/dev/null 2>&1 || {{ echo USER_MISSING; false; }}; }} && {} && echo LOCKDOWN_VALID",
        checks.join(" && ")
    )
}

/// The root probe of a fresh distro.
pub(super) const READY: &str = "id -u; test -d /root; echo OPENCLAW_FRESH_WSL_READY";

/// The installer.
pub(super) fn install(version: &str) -> String {
    format!(
        "curl -fsSL --proto '=https' --tlsv1.2 'https://openclaw.ai/install-cli.sh' | bash -s -- --version '{version}'"
    )
}

/// Puts the command where every shell finds it, and proves it with an empty environment.
pub(super) fn link(found: &str) -> String {
    format!("ln -sfn '{found}' /usr/local/bin/openclaw && echo OPENCLAW_PATH_READY")
}

/// Proves that a shell without any environment finds it. As the gateway's user.
pub(super) const BARE_VERSION: &str = "env -i HOME=/tmp PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin openclaw --version";

/// Puts the folders with `openclaw` in front.
pub(super) fn with_path(user: &str, command: &str) -> String {
    format!(
        "export PATH=\"/home/{user}/.openclaw/bin:/opt/openclaw/bin:/usr/local/bin:$PATH\" && {command}"
    )
}

/// How the gateway follows its file when nothing else is done.
pub(super) const RELOAD: &str = "hybrid";

/// Sets how the gateway follows its file.
pub(super) fn reload(mode: &str) -> String {
    format!("openclaw config set gateway.reload.mode '{mode}'")
}

/// One line for every value of the gateway's configuration.
pub(super) fn config_lines(config: &Config) -> Vec<String> {
    let mut commands = config.allow_commands.clone();
    commands.sort_by_key(|id| id.to_ascii_lowercase());
    commands.dedup();
    let list = serde_json::to_string(&commands).unwrap_or_default();
    let allow = if allows_by_new_name(&config.version) {
        "gateway.nodes.commands.allow"
    } else {
        "gateway.nodes.allowCommands"
    };
    let port = config.gateway_port;
    let mut lines = vec![
        "gateway.mode 'local'".to_owned(),
        format!("gateway.port '{port}'"),
        format!("gateway.bind '{}'", config.bind),
        "gateway.auth.mode 'token'".to_owned(),
        "gateway.auth.token \"$OPENCLAW_GATEWAY_TOKEN\"".to_owned(),
        format!("gateway.reload.mode '{RELOAD}'"),
        format!("{allow} '{list}'"),
    ];
    if config.bind == "loopback" {
        lines.push(format!(
            "plugins.entries.device-pair.config.publicUrl 'http://127.0.0.1:{port}'"
        ));
        lines.push("plugins.entries.device-pair.enabled 'true'".to_owned());
    }
    lines
        .into_iter()
        .map(|line| format!("openclaw config set {line}"))
        .collect()
}

/// The name of the list changed with 2026.7.2.
fn allows_by_new_name(version: &str) -> bool {
    let number = |part: &str| {
        part.split('-')
            .next()
            .and_then(|digits| digits.parse::<u32>().ok())
            .unwrap_or_default()
    };
    let numbers: Vec<u32> = version.split('.').map(number).collect();
    numbers.as_slice() >= [2026, 7, 2].as_slice()
}

/// The status of the gateway over HTTP.
pub(super) fn health(port: u16) -> String {
    format!("curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{port}/ --max-time 3")
}

/// The beginning and the end of the block in AGENTS.md.
pub(super) const BEGIN: &str =
    "<!-- BEGIN OPENCLAW WINDOWS NODE CONTEXT (managed by OpenClaw Windows setup) -->";
/// See [`BEGIN`].
pub(super) const END: &str = "<!-- END OPENCLAW WINDOWS NODE CONTEXT -->";

/// Replaces or adds the block (`keep` true), or removes it. Goes by the input.
pub(super) fn node_context(workspace: &str, keep: bool) -> String {
    let block = if keep {
        format!(
            "{BEGIN}\nThis gateway runs in WSL; a Windows node is paired with it.\nRun commands on Windows with: exec host=node\n{END}\n"
        )
    } else {
        String::new()
    };
    let marker = if keep {
        "WINDOWS_NODE_CONTEXT_READY"
    } else {
        "WINDOWS_NODE_CONTEXT_REMOVED"
    };
    // A last line without its end would run into the marker, which is only found alone in its line.
    let open = if keep {
        "[ -z \"$(tail -c 1 \"$new\")\" ] || echo >> \"$new\""
    } else {
        ":"
    };
    let (link, prepare) = if keep {
        (2, "mkdir -p \"$dir\"; [ -e \"$file\" ] || : > \"$file\"")
    } else {
        (
            5,
            "[ -e \"$file\" ] || { echo WINDOWS_NODE_CONTEXT_ABSENT; exit 0; }",
        )
    };
    format!(
        r#"set -eu
dir='{workspace}'
file="$dir/AGENTS.md"
[ ! -L "$file" ] || exit {link}
{prepare}
plain=$(mktemp)
trap 'rm -f "$plain"' EXIT
tr -d '\r' < "$file" > "$plain"
begins=$(grep -cxF '{BEGIN}' "$plain" || true)
ends=$(grep -cxF '{END}' "$plain" || true)
[ "$begins" = "$ends" ] && [ "$begins" -le 1 ] || exit 4
if [ "$begins" = 1 ]; then
  first=$(grep -nxF '{BEGIN}' "$plain" | cut -d: -f1)
  last=$(grep -nxF '{END}' "$plain" | cut -d: -f1)
  [ "$first" -lt "$last" ] || exit 4
else
  first=0; last=0
fi
new=$(mktemp "$dir/.agents.XXXXXX")
if [ "$first" -gt 0 ]; then
  head -n "$((first - 1))" "$file" > "$new"
else
  cat "$file" > "$new"
  {open}
fi
cat >> "$new" <<'OPENCLAW_BLOCK'
{block}OPENCLAW_BLOCK
if [ "$first" -gt 0 ]; then tail -n "+$((last + 1))" "$file" >> "$new"; fi
chmod --reference="$file" "$new"
mv -f "$new" "$file"
echo {marker}
"#
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::expand::{WindowsEnv, expand};

    #[rstest]
    #[case("2026.6.34", false)]
    #[case("2026.7.1-2", false)]
    #[case("2026.7.2", true)]
    #[case("2027.1.1", true)]
    fn the_list_has_the_name_of_its_release(#[case] version: &str, #[case] new: bool) {
        assert_eq!(allows_by_new_name(version), new);
    }

    /// What goes in arguments means the same before and after wsl.exe has rewritten it.
    #[test]
    fn no_script_in_arguments_loses_a_variable() {
        let env = WindowsEnv::default();
        for script in [
            configure("u"),
            verify("u"),
            READY.to_owned(),
            install("1"),
            link("/x"),
            BARE_VERSION.to_owned(),
            health(1),
        ] {
            assert_eq!(expand(&script, &env, 1), script);
        }
    }

    /// Runs the script over an AGENTS.md, and gives what it ended with and what the file holds then.
    #[cfg(unix)]
    fn agents(before: &str, keep: bool) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("AGENTS.md");
        std::io::Write::write_all(
            &mut std::fs::File::create(&file).unwrap(),
            before.as_bytes(),
        )
        .unwrap();
        let script = node_context(&folder.path().display().to_string(), keep);
        let done = std::process::Command::new("bash")
            .args(["-c", &script])
            .output()
            .unwrap();
        (done.status.code(), std::fs::read_to_string(&file).unwrap())
    }

    #[cfg(unix)]
    #[rstest]
    #[case::empty("")]
    #[case::whole("be kind\n")]
    #[case::open_line("be kind")]
    #[case::windows("be kind\r\nand brief\r\n")]
    fn the_block_is_added_once_and_taken_out_again(#[case] users: &str) {
        let (exit, with) = agents(users, true);
        assert_eq!(exit, Some(0));
        assert!(with.starts_with(users), "{with:?}");
        assert!(with.lines().any(|line| line == BEGIN), "{with:?}");
        assert_eq!(agents(&with, true), (Some(0), with.clone()));
        let (exit, without) = agents(&with, false);
        assert_eq!(
            (exit, without.trim_end_matches('\n')),
            (Some(0), users.trim_end_matches('\n'))
        );
    }

    #[cfg(unix)]
    #[test]
    fn markers_that_are_not_a_pair_are_left_alone() {
        let torn = format!("{BEGIN}\nmine\n");
        assert_eq!(agents(&torn, true), (Some(4), torn.clone()));
    }
}
