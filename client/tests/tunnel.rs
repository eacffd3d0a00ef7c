//! Tunnels by the real `ssh` to a real `sshd`, and what happens when somebody else sits on the near end.
//!
//! Needs Debian's openssh-server and openssh-client; `cargo xtask test` leaves these tests out where they are missing.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may panic; a test that can't run fails"
)]

mod watch;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use client_core::{
    ClientOptions, DurableState, ErrorKind, GatewayRecord, Intent, OperatorState, SshTunnel,
};
use gateway_client::tunnel::{ProcListeners, Ssh};
use gateway_client::{ClientHandle, Clock, MemoryStore, NetConnector, Setup};
use gateway_protocol::SharedToken;
use mock_gateway::{Config, Control, MockGateway};
use tempfile::TempDir;
use tokio::time::timeout;
use watch::until;

const SSHD: &str = "/usr/sbin/sshd";

/// A server of our own: its own port, keys and configuration, for the user who runs the test.
struct Sshd {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn put(path: &Path, text: &str) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Sshd {
    fn start() -> Self {
        // sshd wants this folder, and only root can make it.
        drop(std::fs::create_dir_all("/run/sshd"));
        for needed in [SSHD, "/run/sshd"] {
            assert!(
                Path::new(needed).exists(),
                "{needed} is missing (Debian: openssh-server); or leave these tests out: -E 'not test(/needs_sshd::/)'"
            );
        }
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        keygen(&folder.path().join("host"));
        keygen(&folder.path().join("user"));
        std::fs::copy(
            folder.path().join("user.pub"),
            folder.path().join("authorized"),
        )
        .unwrap();
        let port = free_port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             PasswordAuthentication no\nStrictModes no\nPermitRootLogin prohibit-password\n",
            at("host"),
            at("authorized"),
        );
        put(&folder.path().join("sshd_config"), &config);
        let client = format!(
            "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n",
            at("user"),
        );
        put(&folder.path().join("ssh_config"), &client);
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(folder.path().join("sshd_config"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            folder,
            child,
            port,
        }
    }

    /// Waits until it takes connections.
    async fn ready(&self) {
        let listens = async {
            while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                .await
                .is_err()
            {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_mins(1), listens).await.unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("ssh_config")
    }

    fn spec(&self, remote_port: u16, local_port: u16) -> SshTunnel {
        SshTunnel {
            user: user(),
            host: "127.0.0.1".into(),
            remote_port,
            local_port,
            include_browser_proxy_forward: false,
            ssh_port: self.port,
        }
    }
}

fn client(spec: SshTunnel, config: &Path) -> ClientHandle {
    let mut record = GatewayRecord::new("g", "ws://far.example:18789");
    record.shared_gateway_token = Some(SharedToken::new("shared"));
    record.ssh_tunnel = Some(spec);
    let mut state = DurableState::default();
    state.registry.active_id = Some("g".to_owned());
    state.registry.upsert(record);
    let options = ClientOptions {
        node_enabled: false,
        ..ClientOptions::default()
    };
    let store = MemoryStore::new(state);
    Setup::new(options, store, NetConnector::default(), Clock::system())
        .ssh(Ssh::new(ProcListeners::default()).config_file(config))
        .spawn()
        .unwrap()
}

mod needs_sshd {
    use super::*;

    #[tokio::test]
    async fn a_gateway_is_reached_through_ssh_and_again_after_ssh_was_killed() {
        let sshd = Sshd::start();
        sshd.ready().await;
        let gateway = MockGateway::new().config(Config::with_token("shared"));
        let gateway = gateway.serve_tcp(([127, 0, 0, 1], 0).into()).await.unwrap();
        let url = gateway.ws_url();
        let remote: u16 = url
            .rsplit(':')
            .next()
            .unwrap()
            .trim_end_matches('/')
            .parse()
            .unwrap();
        let local = free_port();
        let client = client(sshd.spec(remote, local), &sshd.config());
        client.intent(Intent::Connect).await.unwrap();
        until(&client, |it| {
            it.operator.state == OperatorState::PairingRequired
        })
        .await;
        let approve = Control::Approve {
            request_id: "latest".to_owned(),
        };
        gateway.control(approve).await.unwrap();
        let first = until(&client, |it| it.operator.state == OperatorState::Connected).await;
        assert_eq!(first.operator.error, None);

        let pattern = format!("{local}:127.0.0.1:{remote}");
        let found = Command::new("pgrep")
            .args(["-f", "--", &pattern])
            .output()
            .unwrap();
        let pid: i32 = String::from_utf8(found.stdout)
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let ssh = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(ssh, nix::sys::signal::Signal::SIGKILL).unwrap();
        until(&client, |it| it.operator.state != OperatorState::Connected).await;
        let again = until(&client, |it| it.operator.state == OperatorState::Connected).await;
        assert!(
            again.generation > first.generation,
            "the tunnel's own recovery reconnected"
        );
        client.shutdown().await;
        gateway.stop().await;
    }

    #[tokio::test]
    async fn a_squatter_on_the_near_end_keeps_ssh_from_starting_and_hears_nothing() {
        let sshd = Sshd::start();
        sshd.ready().await;
        let squatter = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let local = squatter.local_addr().unwrap().port();
        let client = client(sshd.spec(1, local), &sshd.config());
        client.intent(Intent::Connect).await.unwrap();
        let snapshot = until(&client, |it| it.operator.state == OperatorState::Error).await;
        assert_eq!(snapshot.operator.error_kind, Some(ErrorKind::Tunnel));
        let error = snapshot.operator.error.unwrap();
        assert!(
            error.contains("in use") && error.contains("credentials were not sent"),
            "{error}"
        );
        client.shutdown().await;
        let dialled = futures_util::FutureExt::now_or_never(squatter.accept());
        assert!(dialled.is_none(), "nobody dialled the squatter");
    }

    #[tokio::test]
    async fn what_ssh_says_reaches_the_user() {
        let folder = TempDir::new().unwrap();
        let config = folder.path().join("ssh_config");
        put(&config, "Host *\n  StrictHostKeyChecking no\n");
        let spec = SshTunnel {
            user: "nobody".into(),
            host: "127.0.0.1".into(),
            remote_port: 1,
            local_port: free_port(),
            include_browser_proxy_forward: false,
            ssh_port: free_port(),
        };
        let client = client(spec, &config);
        client.intent(Intent::Connect).await.unwrap();
        let snapshot = until(&client, |it| it.operator.state == OperatorState::Error).await;
        let error = snapshot.operator.error.unwrap();
        assert!(
            error.contains("SSH tunnel start failed") && error.contains("Connection refused"),
            "{error}"
        );
        client.shutdown().await;
    }
}
