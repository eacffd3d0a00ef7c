//! The stand-in as any program finds it: `wsl.exe` on PATH, a distro in namespaces of this machine.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the computer of a test is set up outside of the test functions"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use wsl_fixtures::machine::{Machine, Network};
use wsl_fixtures::output::{decode, parse_list};
use wsl_fixtures::standin::decoy::is_decoy;
use wsl_fixtures::standin::home::Home;

/// A computer in a folder of its own. Its distros end with it.
struct Computer {
    folder: tempfile::TempDir,
}

impl Computer {
    fn new(machine: Machine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wsl"), folder.path().join("wsl.exe"))
            .unwrap();
        home(folder.path())
            .change(|saved| *saved = machine)
            .unwrap();
        Self { folder }
    }

    /// With a distro `D`, or what this machine does not allow.
    fn with_distro(machine: Machine) -> Result<Self, String> {
        let computer = Self::new(machine);
        let made = computer.wsl(
            &[
                "--install",
                "--distribution",
                "Ubuntu-24.04",
                "--name",
                "D",
                "--no-launch",
            ],
            b"",
        );
        assert!(made.status.success());
        let started = computer.wsl(&["-d", "D", "--", "true"], b"");
        if started.status.success() {
            return Ok(computer);
        }
        Err(String::from_utf8_lossy(&started.stderr).into_owned())
    }

    fn wsl(&self, words: &[&str], stdin: &[u8]) -> Output {
        let path = format!(
            "{}:/usr/bin:/bin:/usr/sbin:/sbin",
            self.folder.path().display()
        );
        let mut child = Command::new(self.folder.path().join("wsl.exe"))
            .args(words)
            .env_clear()
            .envs([
                ("PATH", path.as_str()),
                ("FOO", "bar"),
                ("HIDDEN", "no"),
                ("WSLENV", "FOO:MY_TOKEN"),
                ("MY_TOKEN", "s3cr3t"),
            ])
            .env("CLAWPROOF_WSL", self.folder.path().join("computer"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        child.wait_with_output().unwrap()
    }

    fn says(&self, words: &[&str], stdin: &[u8]) -> String {
        let output = self.wsl(words, stdin);
        format!("{}{}", decode(&output.stdout), decode(&output.stderr))
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        let home = home(self.folder.path());
        for name in home.machine().unwrap().names() {
            self.wsl(&["--terminate", name], b"");
        }
    }
}

fn home(folder: &Path) -> Home {
    Home::open(folder.join("computer")).unwrap()
}

/// Runs a test on a computer with a distro. Fails where this machine can't have one; `cargo xtask test` leaves it out.
fn on_a_distro(machine: Machine, test: impl FnOnce(&Computer)) {
    match Computer::with_distro(machine) {
        Ok(computer) => test(&computer),
        Err(missing) => {
            panic!("{missing}\nor leave these tests out: -E 'not test(/needs_namespaces::/)'")
        }
    }
}

mod needs_namespaces {
    use super::*;

    /// Root is root, /usr is the machine's and read-only, processes and files are the distro's own.
    #[test]
    fn a_distro_has_its_own_files_and_processes() {
        on_a_distro(Machine::default(), |wsl| {
            assert_eq!(
                wsl.says(
                    &[
                        "-d",
                        "D",
                        "-u",
                        "root",
                        "--",
                        "bash",
                        "-c",
                        "id -u; cat /proc/sys/kernel/hostname; cat /proc/1/comm"
                    ],
                    b""
                ),
                "0\nD\ninit\n"
            );
            let written = wsl.wsl(&["-d", "D", "-u", "root", "--", "touch", "/usr/x"], b"");
            assert_eq!(written.status.code(), Some(1));
            wsl.says(&["-d", "D", "-u", "root", "--", "bash", "-s"], b"useradd -m -s /bin/bash openclaw\r\nprintf '[user]\\ndefault=openclaw\\n' > /etc/wsl.conf\r\n");
            assert!(!Path::new("/etc/wsl.conf").exists());
            assert_eq!(
                wsl.says(
                    &["-d", "D", "--", "bash", "-c", "id -un; pwd; stat -c %U ."],
                    b""
                ),
                "openclaw\n/home/openclaw\nopenclaw\n"
            );
        });
    }

    /// Only what WSLENV lists crosses; a script on the input is not rewritten, one in the arguments is.
    #[test]
    fn variables_cross_as_wslenv_says() {
        on_a_distro(Machine::default(), |wsl| {
            let script = b"x=abc; echo $x $FOO $HIDDEN.\r\n";
            assert_eq!(
                wsl.says(&["-d", "D", "--", "bash", "-s"], script),
                "abc bar .\n"
            );
            assert_eq!(
                wsl.says(
                    &["-d", "D", "--", "bash", "-c", r"x=abc; echo $x \$FOO."],
                    b""
                ),
                "bar.\n"
            );
            wsl.says(&["-d", "D", "--", "echo", "$MY_TOKEN"], b"");
            let log = home(wsl.folder.path()).log().unwrap();
            let text = serde_json::to_string(&log).unwrap();
            assert!(!text.contains("s3cr3t"), "{text}");
            assert_eq!(
                log.last().unwrap().received.as_deref().unwrap(),
                ["echo", "<MY_TOKEN:1>"]
            );
        });
    }

    /// Bytes on the input arrive as they are, unless they are a script.
    #[test]
    fn binary_input_is_not_touched() {
        on_a_distro(Machine::default(), |wsl| {
            let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
            let output = wsl.wsl(
                &["-d", "D", "-u", "root", "--", "bash", "-c", "cat"],
                &bytes,
            );
            assert!(output.stdout == bytes);
        });
    }

    /// Terminate kills what runs in the distro and leaves its files; unregister removes them; nothing stays mounted.
    #[test]
    fn a_terminated_distro_has_no_process_and_a_removed_one_no_file() {
        on_a_distro(Machine::default(), |wsl| {
            wsl.says(
                &["-d", "D", "--", "bash", "-s"],
                b"echo kept > ~/file; setsid sleep 4711 >/dev/null 2>&1 &\n",
            );
            wsl.says(&["--terminate", "D"], b"");
            let list = wsl.wsl(&["--list", "--verbose"], b"");
            assert_eq!(
                parse_list(&decode(&list.stdout)).unwrap()[0].state,
                "Stopped"
            );
            assert_eq!(
                wsl.says(
                    &[
                        "-d",
                        "D",
                        "--",
                        "bash",
                        "-c",
                        "cat ~/file; ps ax | grep -c '[s]leep 4711'"
                    ],
                    b""
                ),
                "kept\n0\n"
            );
            wsl.says(&["--unregister", "D"], b"");
            assert!(!home(wsl.folder.path()).distro("D").exists());
            let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
            assert!(!mounts.contains(wsl.folder.path().to_str().unwrap()));
        });
    }

    /// An archive holds the files of a distro, and another distro made of it has them.
    #[test]
    fn a_distro_is_exported_and_imported() {
        on_a_distro(Machine::default(), |wsl| {
            let archive = wsl.folder.path().join("d.tar");
            let (archive, place) = (archive.to_str().unwrap(), wsl.folder.path().join("place"));
            wsl.says(&["-d", "D", "--", "bash", "-s"], b"echo kept > ~/file\n");
            let exported = wsl.wsl(&["--export", "D", archive], b"");
            assert!(exported.status.success());
            assert!(std::fs::metadata(archive).unwrap().len() > 0);
            wsl.says(&["--unregister", "D"], b"");
            let imported = wsl.wsl(&["--import", "E", place.to_str().unwrap(), archive], b"");
            assert!(imported.status.success());
            let read = wsl.says(&["-d", "E", "--", "bash", "-c", "cat ~/file"], b"");
            assert_eq!(read, "kept\n");
        });
    }

    /// A command without a distro goes to the default one; a distro that is not there can't be it.
    #[test]
    fn the_default_distro_gets_what_names_none() {
        on_a_distro(Machine::default(), |wsl| {
            let install = "--install --distribution Ubuntu-24.04 --name E --no-launch";
            let install: Vec<&str> = install.split(' ').collect();
            assert!(wsl.wsl(&install, b"").status.success());
            let whose = ["--", "cat", "/proc/sys/kernel/hostname"];
            assert_eq!(wsl.says(&whose, b""), "D\n");
            assert!(wsl.wsl(&["--set-default", "E"], b"").status.success());
            assert_eq!(wsl.says(&whose, b""), "E\n");
            let refused = wsl.wsl(&["--set-default", "Gone"], b"");
            assert_eq!(refused.status.code(), Some(255));
            assert_eq!(wsl.says(&whose, b""), "E\n");
        });
    }

    /// Stopping every distro of the machine is refused and recorded, and stops none.
    #[test]
    fn a_shutdown_is_refused_and_recorded() {
        on_a_distro(Machine::default(), |wsl| {
            let refused = wsl.wsl(&["--shutdown"], b"");
            assert_eq!(refused.status.code(), Some(255));
            let list = wsl.wsl(&["--list", "--verbose"], b"");
            let rows = parse_list(&decode(&list.stdout)).unwrap();
            assert_eq!(rows[0].state, "Running");
            let log = home(wsl.folder.path()).log().unwrap();
            let recorded = log.iter().filter(|entry| entry.argv == ["--shutdown"]);
            assert_eq!(
                recorded.map(|entry| entry.exit).collect::<Vec<_>>(),
                [Some(-1)]
            );
        });
    }

    /// With a network of its own the distro's port is reached through the relay, and only through it.
    #[test]
    fn the_relay_carries_a_port() {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let machine = Machine {
            network: Network::Nat,
            relay_ports: vec![port],
            ..Machine::default()
        };
        on_a_distro(machine, |wsl| {
            let script = format!(
                "set -e; cd /tmp; echo hello > f; setsid perl -MIO::Socket::INET -e 'my $s=IO::Socket::INET->new(LocalAddr=>\"127.0.0.1:{port}\",Listen=>5) or die; print \"up\\n\"; close STDOUT; while(my $c=$s->accept){{my $l=<$c>; print $c \"got $l\"; close $c}}' 2>/dev/null\n"
            );
            // The server prints `up` when it listens, and only then this call goes on.
            let computer = &wsl.folder;
            let mut child = Command::new(computer.path().join("wsl.exe"))
                .args(["-d", "D", "--", "bash", "-s"])
                .env("CLAWPROOF_WSL", computer.path().join("computer"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            child
                .stdin
                .take()
                .unwrap()
                .write_all(script.as_bytes())
                .unwrap();
            let mut up = String::new();
            std::io::BufRead::read_line(
                &mut std::io::BufReader::new(child.stdout.take().unwrap()),
                &mut up,
            )
            .unwrap();
            assert_eq!(up, "up\n");
            for host in ["127.0.0.1", "[::1]"] {
                let mut stream = std::net::TcpStream::connect(format!("{host}:{port}")).unwrap();
                stream.write_all(b"ping\n").unwrap();
                let mut answer = String::new();
                std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
                assert_eq!(answer, "got ping\n");
            }
            wsl.says(&["--terminate", "D"], b"");
            child.wait().unwrap();
            assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
        });
    }
}

/// What Windows has besides is never run: its decoy says so, and the call stands in the log.
#[test]
fn a_decoy_runs_nothing_and_tells() {
    let computer = Computer::new(Machine::default());
    let decoy = computer.folder.path().join("schtasks.exe");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_wsl"), &decoy).unwrap();
    let refused = Command::new(decoy)
        .args(["/Run", "/TN", "x"])
        .env("CLAWPROOF_WSL", computer.folder.path().join("computer"))
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nothing was run"));
    computer.wsl(&["--list", "--quiet"], b"");
    let log = home(computer.folder.path()).log().unwrap();
    let told: Vec<(String, bool)> = (log.iter())
        .map(|call| (call.argv.join(" "), is_decoy(&call.argv)))
        .collect();
    assert_eq!(
        told,
        [
            ("schtasks.exe /Run /TN x".to_owned(), true),
            ("--list --quiet".to_owned(), false)
        ]
    );
}
