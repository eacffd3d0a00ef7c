//! What only a distro in a container can do: its start is timed, and its network is cut and healed. Set-ups in containers
//! are scenarios (`clawproof run --world wsl --distros containers`). Run by the lane `containers`, which has an engine and
//! the image.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers outside of the test functions; the lane reads figures from what is printed"
)]

use std::path::Path;
use std::time::Duration;

use wsl_fixtures::argv::{Install, Run};
use wsl_fixtures::backend::container::ContainerWsl;
use wsl_fixtures::machine::Network;
use wsl_fixtures::{Finished, Machine, Wsl};

/// What a distro in a container may take until systemd says `running`.
const BOOT: Duration = Duration::from_secs(10);
const CLAWPROOF: &str = env!("CARGO_BIN_EXE_clawproof");

fn in_distro(wsl: &mut dyn Wsl, user: &str, script: &str) -> Finished {
    let words = ["bash", "-s"];
    let run = Run::command("OpenClawGateway", &words).as_user(user);
    wsl.run(&run, script.as_bytes())
}

/// From nothing, and again after it was stopped, until systemd says `running`.
#[test]
fn a_distro_boots_in_time() {
    let mut wsl = ContainerWsl::new(Machine::default(), Path::new(CLAWPROOF)).unwrap();
    wsl.install(&Install::named("Ubuntu-24.04", "OpenClawGateway"))
        .unwrap();
    for _ in 0..2 {
        let said = in_distro(&mut wsl, "root", "systemctl is-system-running");
        assert_eq!(said.text().trim(), "running");
        wsl.terminate("OpenClawGateway").unwrap();
    }
    for boot in wsl.boots() {
        let verdict = if *boot < BOOT { "met" } else { "NOT MET" };
        println!(
            "figure: a container boots to running | at most {} ms | {} ms | {verdict}",
            BOOT.as_millis(),
            boot.as_millis()
        );
        assert!(*boot < BOOT, "{boot:?}");
    }
    assert_eq!(wsl.boots().len(), 2);
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
    let count = |wsl: &mut ContainerWsl| in_distro(wsl, "root", addresses).text().trim().to_owned();
    assert_eq!(count(&mut wsl), "1");
    wsl.set_network("OpenClawGateway", false).unwrap();
    assert_eq!(count(&mut wsl), "0");
    wsl.set_network("OpenClawGateway", true).unwrap();
    assert_eq!(count(&mut wsl), "1");

    wsl.machine.network = Network::Mirrored;
    let refused = wsl.set_network("OpenClawGateway", false).unwrap_err();
    assert!(refused.to_string().contains("hint:"), "{refused}");
}
