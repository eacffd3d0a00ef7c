//! The command line of `ssh`. ref: client-behaviour.md §24

use std::ffi::OsString;
use std::path::Path;

use client_core::SshTunnel;

/// Why a tunnel's record can't become a command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Not a plain name. `ssh` would take a leading dash for an option.
    #[error(
        "expected an SSH {what} of letters, digits, dots, dashes and underscores, got {text:?}"
    )]
    Name {
        /// `user` or `host`.
        what: &'static str,
        /// What was there.
        text: String,
    },
    /// Port 0 leads nowhere.
    #[error("expected a remote port above 0")]
    RemotePort,
}

fn check_name(what: &'static str, text: &str) -> Result<(), SpecError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain) {
        return Ok(());
    }
    Err(SpecError::Name {
        what,
        text: text.to_owned(),
    })
}

/// The arguments; the near end is `local_port`, whatever the record says.
pub(super) fn arguments(
    spec: &SshTunnel,
    local_port: u16,
    config_file: Option<&Path>,
) -> Result<Vec<OsString>, SpecError> {
    check_name("user", &spec.user)?;
    check_name("host", &spec.host)?;
    if spec.remote_port == 0 {
        return Err(SpecError::RemotePort);
    }
    let mut arguments: Vec<OsString> = Vec::new();
    if let Some(file) = config_file {
        arguments.extend([OsString::from("-F"), file.into()]);
    }
    for option in [
        "BatchMode=yes",
        "ExitOnForwardFailure=yes",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=3",
        "TCPKeepAlive=yes",
    ] {
        arguments.extend(["-o", option].map(OsString::from));
    }
    arguments.push("-N".into());
    let forward = |local: u16, remote: u16| format!("{local}:127.0.0.1:{remote}");
    arguments.extend([
        OsString::from("-L"),
        forward(local_port, spec.remote_port).into(),
    ]);
    if spec.include_browser_proxy_forward
        && let (Some(local), Some(remote)) =
            (local_port.checked_add(2), spec.remote_port.checked_add(2))
    {
        arguments.extend([OsString::from("-L"), forward(local, remote).into()]);
    }
    if spec.ssh_port != 22 {
        arguments.extend([OsString::from("-p"), spec.ssh_port.to_string().into()]);
    }
    arguments.push(format!("{}@{}", spec.user, spec.host).into());
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn spec() -> SshTunnel {
        SshTunnel {
            user: "ada".into(),
            host: "box.example".into(),
            remote_port: 18_789,
            local_port: 4_000,
            include_browser_proxy_forward: false,
            ssh_port: 22,
        }
    }

    fn line(spec: &SshTunnel, config: Option<&Path>) -> String {
        let arguments = arguments(spec, spec.local_port, config).unwrap();
        let texts: Vec<&str> = arguments.iter().map(|it| it.to_str().unwrap()).collect();
        texts.join(" ")
    }

    #[test]
    fn the_command_line_is_the_companions() {
        let expected = "-o BatchMode=yes -o ExitOnForwardFailure=yes -o ServerAliveInterval=15 \
            -o ServerAliveCountMax=3 -o TCPKeepAlive=yes -N -L 4000:127.0.0.1:18789 ada@box.example";
        assert_eq!(line(&spec(), None), expected);
        let spec = SshTunnel {
            include_browser_proxy_forward: true,
            ssh_port: 2_222,
            ..spec()
        };
        let line = line(&spec, Some(Path::new("cfg")));
        assert!(line.starts_with("-F cfg -o "), "{line}");
        let end = "-L 4000:127.0.0.1:18789 -L 4002:127.0.0.1:18791 -p 2222 ada@box.example";
        assert!(line.ends_with(end), "{line}");
    }

    #[rstest]
    #[case::option("-oProxyCommand=x", "box")]
    #[case::space("ada lovelace", "box")]
    #[case::empty("", "box")]
    #[case::option_as_host("ada", "-oProxyCommand=x")]
    #[case::shell("ada", "box;rm")]
    #[case::another_user("ada", "eve@box")]
    fn names_that_ssh_could_misread_are_refused(#[case] user: &str, #[case] host: &str) {
        let spec = SshTunnel {
            user: user.into(),
            host: host.into(),
            ..spec()
        };
        assert!(matches!(
            arguments(&spec, 1, None),
            Err(SpecError::Name { .. })
        ));
    }
}
