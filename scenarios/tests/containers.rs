//! The same set-up over namespaces and in containers, with the mock gateway as the service of the distro and our client
//! on the Windows side. Run by the lane `containers`, which has an engine and the image.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers outside of the test functions; the lane reads figures from what is printed"
)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use scenarios::setup::CompanionPeer;
use wsl_fixtures::argv::{Install, Run};
use wsl_fixtures::backend::container::ContainerWsl;
use wsl_fixtures::backend::process::ProcessWsl;
use wsl_fixtures::machine::Network;
use wsl_fixtures::setup::{Config, Context, Journal as _, MemoryJournal, Outcome, run, uninstall};
use wsl_fixtures::standin::home::Home;
use wsl_fixtures::{Finished, Machine, Wsl};

/// What a distro in a container may take until systemd says `running`.
const BOOT: Duration = Duration::from_secs(10);
const GATEWAY: &str = "/opt/clawproof/clawproof";
const CLAWPROOF: &str = env!("CARGO_BIN_EXE_clawproof");

/// A computer whose gateway is the mock.
fn machine(config: &Config) -> Machine {
    let file = format!("/home/{}/.openclaw/openclaw.json", config.user);
    let words = [
        GATEWAY,
        "serve",
        "--port",
        "{port}",
        "--profile",
        &config.version,
        "--config",
        &file,
    ];
    let mut machine = Machine {
        gateway: words.map(ToOwned::to_owned).to_vec(),
        ..Machine::default()
    };
    let binds = &mut machine.binds;
    binds.insert(GATEWAY.to_owned(), CLAWPROOF.to_owned());
    machine
}

fn config() -> Config {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    Config {
        gateway_port: listener.local_addr().unwrap().port(),
        ..Config::default()
    }
}

fn in_distro(wsl: &mut dyn Wsl, user: &str, script: &str) -> Finished {
    let words = ["bash", "-s"];
    let run = Run::command("OpenClawGateway", &words).as_user(user);
    wsl.run(&run, script.as_bytes())
}

/// Set up, looked at, restarted, taken away.
fn whole(wsl: &mut dyn Wsl, config: &Config, app: &Path) {
    let mut peer = CompanionPeer::new(app.to_owned(), Arc::new(AtomicBool::new(false))).unwrap();
    let mut journal = MemoryJournal::default();
    let mut context = Context::new(config.clone(), wsl, &mut peer, app.to_owned());
    let outcome = run(&mut context, &mut journal);
    assert_eq!(outcome, Outcome::Done, "{:#?}", journal.lines());
    for line in journal.lines().iter().filter(|line| line.elapsed > 500) {
        println!("{:?} took {} ms", line.step_id, line.elapsed);
    }

    let wsl = &mut *context.wsl;
    let active = in_distro(
        wsl,
        "openclaw",
        "systemctl --user is-active openclaw-gateway",
    );
    assert_eq!(active.text().trim(), "active");
    let pid = "systemctl --user show -p MainPID --value openclaw-gateway";
    let before = in_distro(wsl, "openclaw", pid).text();
    let restarted = in_distro(wsl, "openclaw", "openclaw gateway restart");
    assert!(restarted.success(), "{}", restarted.text());
    assert_ne!(in_distro(wsl, "openclaw", pid).text(), before);
    let block = in_distro(
        wsl,
        "openclaw",
        "grep -c 'exec host=node' ~/.openclaw/workspace/AGENTS.md",
    );
    assert_eq!(block.text().trim(), "1");

    assert_eq!(
        uninstall(&mut context, &mut journal),
        Outcome::Done,
        "{:#?}",
        journal.lines()
    );
    assert_eq!(context.wsl.names().unwrap(), Vec::<String>::new());
}

#[test]
fn a_set_up_over_namespaces() {
    let (folder, config) = (tempfile::tempdir().unwrap(), config());
    let home = Home::open(folder.path().join("computer")).unwrap();
    home.change(|known| *known = machine(&config)).unwrap();
    let program = folder.path().join("wsl.exe");
    std::os::unix::fs::symlink(CLAWPROOF, &program).unwrap();
    let mut wsl = ProcessWsl::stand_in(&program, home.path()).with_pace(20);
    whole(&mut wsl, &config, &folder.path().join("app"));
}

#[test]
fn a_set_up_in_a_container() {
    let (folder, config) = (tempfile::tempdir().unwrap(), config());
    let wsl = ContainerWsl::new(machine(&config), Path::new(CLAWPROOF));
    let mut wsl = wsl.unwrap().with_pace(20);
    let began = wsl.now();
    whole(&mut wsl, &config, &folder.path().join("app"));
    let took = wsl.now().saturating_sub(began).as_millis();
    println!("figure: a full set-up in a container: {took} ms");
    for boot in wsl.boots() {
        println!(
            "figure: a container boots to running: {} ms",
            boot.as_millis()
        );
        assert!(*boot < BOOT, "{boot:?}");
    }
    assert!(!wsl.boots().is_empty());
}

/// A distro with a network of its own is cut off and comes back; one that shares the machine's is not cut.
#[test]
fn a_network_is_cut_and_heals() {
    let plain = || Machine {
        network: Network::Nat,
        ..Machine::default()
    };
    let mut wsl = ContainerWsl::new(plain(), Path::new(CLAWPROOF)).unwrap();
    wsl.install(&Install::named("Ubuntu-24.04", "OpenClawGateway"))
        .unwrap();
    let addresses = "ip -4 -o address show scope global | wc -l";
    let mut count =
        |wsl: &mut ContainerWsl| in_distro(wsl, "root", addresses).text().trim().to_owned();
    assert_eq!(count(&mut wsl), "1");
    wsl.set_network("OpenClawGateway", false).unwrap();
    assert_eq!(count(&mut wsl), "0");
    wsl.set_network("OpenClawGateway", true).unwrap();
    assert_eq!(count(&mut wsl), "1");

    wsl.machine.network = Network::Mirrored;
    let refused = wsl.set_network("OpenClawGateway", false).unwrap_err();
    assert!(refused.to_string().contains("hint:"), "{refused}");
}
