//! The set-up over a WSL in memory: what it does when all goes well, when something fails, and when it is killed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "runs are made outside of the test functions"
)]

use std::path::Path;

use rstest::rstest;
use wsl_fixtures::fault::{Effect, Fault, named};
use wsl_fixtures::setup::memory::{MemoryPeer, Shared, World, pair};
use wsl_fixtures::setup::{
    Config, Context, FileJournal, Journal, MemoryJournal, Outcome, Owner, repeat, run, uninstall,
};
use wsl_fixtures::{Call, Machine, ModelWsl, Wsl as _};

/// A computer with another distro on it, which no set-up may touch.
struct Bench {
    wsl: ModelWsl,
    world: Shared,
    peer: MemoryPeer,
    folder: tempfile::TempDir,
    config: Config,
}

impl Bench {
    fn new(world: World) -> Self {
        let (world, distro, peer) = pair(world);
        let mut wsl = ModelWsl::new(Machine::default()).with_inside(distro);
        assert!(
            wsl.call(&Call::new(["--install", "--distribution", "Debian"]))
                .success()
        );
        world
            .borrow_mut()
            .records
            .insert("Debian".to_owned(), "wss://elsewhere".to_owned());
        let folder = tempfile::tempdir().unwrap();
        Self {
            wsl,
            world,
            peer,
            folder,
            config: Config::default(),
        }
    }

    fn with_fault(name: &str) -> Self {
        let mut bench = Self::new(World::default());
        let fault = named(name).unwrap_or_else(|| panic!("no fault is named {name}"));
        for rule in (fault.rules)() {
            bench.wsl.machine.faults.add(rule);
        }
        bench
    }

    fn context(&mut self) -> Context<'_> {
        Context::new(
            self.config.clone(),
            &mut self.wsl,
            &mut self.peer,
            self.folder.path().to_owned(),
        )
    }

    fn run(&mut self) -> (Outcome, MemoryJournal) {
        let mut journal = MemoryJournal::default();
        (run(&mut self.context(), &mut journal), journal)
    }

    /// Words of every call, one line each.
    fn calls(&self) -> Vec<String> {
        self.wsl
            .log()
            .entries()
            .iter()
            .map(|entry| entry.argv.join(" "))
            .collect()
    }

    fn count(&self, words: &str) -> usize {
        self.calls()
            .iter()
            .filter(|call| call.contains(words))
            .count()
    }

    /// Nothing of the set-up is left, and the other distro is.
    fn assert_clean(&self) {
        assert_eq!(self.wsl.machine.names().collect::<Vec<_>>(), ["Debian"]);
        assert_eq!(
            self.world.borrow().records.keys().collect::<Vec<_>>(),
            ["Debian"]
        );
        assert_eq!(files(self.folder.path()), ["settings.json"; 0]);
    }
}

/// Files that a set-up made, but for the user's settings.
fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "settings.json").collect()
}

fn failed(outcome: &Outcome) -> (&str, &str) {
    match outcome {
        Outcome::Failed { step, message } => (step, message),
        Outcome::Done | Outcome::Cancelled | Outcome::Killed => {
            panic!("expected a failure, got {outcome:?}")
        }
    }
}

/// All goes well: everything stands, secrets stay out of the log, and the order is the one that pairing needs.
#[test]
fn a_set_up_comes_to_its_end() {
    let mut bench = Bench::new(World::default());
    let (outcome, journal) = bench.run();
    assert_eq!(outcome, Outcome::Done, "{:#?}", journal.lines().last());
    let world = bench.world.borrow();
    assert!(world.runs() && world.operator_token && !world.bootstrap);
    assert_eq!(world.config("gateway.port"), Some("18789"));
    assert_eq!(
        world.config("gateway.nodes.allowCommands"),
        Some(r#"["screen.snapshot","system.notify","system.which"]"#)
    );
    let token = format!("{:064x}", 1);
    assert_eq!(world.config("gateway.auth.token"), Some(token.as_str()));
    assert!(
        !serde_json::to_string(bench.wsl.log().entries())
            .unwrap()
            .contains(&token)
    );
    assert_eq!(bench.count("--shutdown"), 0);
    assert_eq!(
        world.events,
        [
            "connect operator shared",
            "approve device device-1",
            "connect operator shared",
            "connect node shared",
            "approve device node-1",
            "connect node shared",
            "connect operator device",
            // The wizard: once before the gateway stops to follow its file, once for the session.
            "connect operator device",
            "connect operator device",
            r#"ask wizard.start {"installDaemon":false}"#,
        ]
    );
    assert_eq!(bench.wsl.detached(), ["sleep infinity"]);
    let mut left = files(bench.folder.path());
    left.sort();
    assert_eq!(
        left,
        [
            "keepalive.json",
            "setup-state.json",
            "windows-node-context.json"
        ]
    );
}

/// Uninstalled, nothing of it is left; the other distro and its gateway are.
#[test]
fn an_uninstall_leaves_nothing_of_ours_and_everything_else() {
    let mut bench = Bench::new(World::default());
    assert_eq!(bench.run().0, Outcome::Done);
    assert_eq!(
        uninstall(&mut bench.context(), &mut MemoryJournal::default()),
        Outcome::Done
    );
    bench.assert_clean();
    // A second time there is nothing to do, and that is fine.
    assert_eq!(
        uninstall(&mut bench.context(), &mut MemoryJournal::default()),
        Outcome::Done
    );
    bench.assert_clean();
}

/// Killed at every single line of the journal and run again, a set-up comes to its end and can be taken away without
/// a trace.
#[test]
fn a_killed_set_up_is_run_again_from_every_point() {
    let lines = {
        let mut bench = Bench::new(World::default());
        bench.run().1.lines().len()
    };
    assert!(lines > 30, "{lines}");
    for room in 0..lines {
        let mut bench = Bench::new(World::default());
        let mut journal = MemoryJournal::with_room(room);
        assert_eq!(
            run(&mut bench.context(), &mut journal),
            Outcome::Killed,
            "after {room} lines"
        );
        journal.room = None;
        assert_eq!(
            run(&mut bench.context(), &mut journal),
            Outcome::Done,
            "after {room} lines: {:#?}",
            journal.lines().last()
        );
        assert_eq!(
            uninstall(&mut bench.context(), &mut journal),
            Outcome::Done,
            "after {room} lines"
        );
        bench.assert_clean();
    }
}

/// The same when the second run fails: it is undone to the last file.
#[test]
fn a_killed_set_up_that_then_fails_is_undone() {
    // The lines up to the step that fails.
    for room in 0..26 {
        let mut bench = Bench::new(World::default());
        let mut journal = MemoryJournal::with_room(room);
        assert_eq!(run(&mut bench.context(), &mut journal), Outcome::Killed);
        journal.room = None;
        bench
            .wsl
            .machine
            .faults
            .add(Fault::always(&["openclaw qr"], Effect::fail(1, "no")));
        assert_eq!(
            failed(&run(&mut bench.context(), &mut journal)).0,
            "mint-token"
        );
        bench.assert_clean();
    }
}

/// What the field has seen and a set-up survives.
#[rstest]
#[case("wsl-conf-read-fails-once", "cat /etc/wsl.conf", 2)]
#[case("wsl-conf-read-hangs-twice", "cat /etc/wsl.conf", 3)]
#[case("first-launch-slow", "OPENCLAW_FRESH_WSL_READY", 2)]
#[case("version-slow", "--version", 5)]
#[case("start-limit-once", "openclaw gateway start", 2)]
#[case("config-slow", "GATEWAY_CONFIGURED", 1)]
fn what_passes_is_waited_for(#[case] fault: &str, #[case] words: &str, #[case] calls: usize) {
    let mut bench = Bench::with_fault(fault);
    let (outcome, journal) = bench.run();
    assert_eq!(outcome, Outcome::Done, "{:#?}", journal.lines().last());
    assert_eq!(bench.count(words), calls, "{:#?}", bench.calls());
}

/// What no attempt can mend ends the set-up at its step, with the reason, and leaves nothing behind.
#[rstest]
#[case(
    "wsl-conf-unreadable",
    "validate-wsl-lockdown",
    "Cannot read /etc/wsl.conf after 3 attempts"
)]
#[case(
    "wsl-conf-wrong-content",
    "validate-wsl-lockdown",
    "boot.systemd: expected true, got false; interop.enabled: expected false, got true"
)]
#[case("first-launch-never", "wsl-create", "ran into its time limit")]
#[case("version-hangs", "preflight-wsl", "did not answer within 5 s")]
#[case("too-old", "preflight-wsl", "too old")]
#[case("virtualization-off", "preflight-wsl", "Virtual Machine Platform")]
#[case("install-partial", "wsl-create", "0x80072ee2")]
#[case("device-pair-missing", "pair-operator", "no device-pair plugin")]
#[case("unsafe-request-id", "pair-operator", "not safe to run")]
#[case("company-tls", "install-cli", "certificate authority")]
#[case("foreign-listener", "start-gateway", "nginx")]
fn what_cannot_be_mended_ends_the_set_up(
    #[case] fault: &str,
    #[case] step: &str,
    #[case] reason: &str,
) {
    let mut bench = Bench::with_fault(fault);
    let (outcome, _) = bench.run();
    let (at, message) = failed(&outcome);
    assert_eq!(at, step, "{message}");
    assert!(message.contains(reason), "{message}");
    assert_eq!(bench.count("--shutdown"), 0);
    bench.assert_clean();
}

/// A list that can't be had is no permission to install.
#[test]
fn unknown_is_not_absent() {
    let mut bench = Bench::with_fault("list-fails");
    assert_eq!(failed(&bench.run().0).0, "wsl-create");
    assert_eq!(bench.count("--install"), 1, "the other distro's only");
}

/// Wrong content is no passing weakness: it is read once.
#[test]
fn content_is_judged_at_the_first_read() {
    let mut bench = Bench::with_fault("wsl-conf-wrong-content");
    assert_eq!(failed(&bench.run().0).0, "validate-wsl-lockdown");
    assert_eq!(bench.count("cat /etc/wsl.conf"), 1);
}

/// A disk in use is tried once more after another terminate.
#[test]
fn a_locked_disk_is_removed_at_the_second_attempt() {
    let mut bench = Bench::with_fault("disk-locked-once");
    assert_eq!(bench.run().0, Outcome::Done);
    assert_eq!(
        uninstall(&mut bench.context(), &mut MemoryJournal::default()),
        Outcome::Done
    );
    assert_eq!(bench.count("--unregister"), 2);
    bench.assert_clean();
}

/// Something that never stops asking is stopped after ten rounds.
#[test]
fn a_drain_has_an_end() {
    let mut bench = Bench::with_fault("drain-never-ends");
    let world = World {
        asks_for_devices: false,
        ..World::default()
    };
    *bench.world.borrow_mut() = world;
    bench.config.rollback_on_failure = false;
    let (outcome, _) = bench.run();
    let (step, message) = failed(&outcome);
    assert_eq!(
        (step, message),
        (
            "pair-node",
            "after 10 approvals there is still a pending device"
        )
    );
    assert_eq!(
        bench.count("devices approve --latest"),
        30,
        "three attempts of ten"
    );
}

/// The gateway's answer decides: bootstrap token, else setup code, else failure. The shared token never stands in.
#[rstest]
#[case(r#"{"bootstrapToken":"a","setupCode":"b"}"#, None)]
#[case(r#"{"setupCode":"b"}"#, None)]
#[case("{}", Some("neither bootstrapToken nor setupCode"))]
#[case("warning\n{}", Some("printed no JSON"))]
fn a_code_is_minted(#[case] qr: &str, #[case] error: Option<&str>) {
    let mut bench = Bench::new(World {
        qr: qr.to_owned(),
        ..World::default()
    });
    match (bench.run().0, error) {
        (Outcome::Done, None) => {}
        (Outcome::Failed { message, .. }, Some(error)) => {
            assert!(message.contains(error), "{message}");
        }
        (outcome, _) => panic!("{outcome:?}"),
    }
}

/// Another protocol or another version is refused before anything else is paired.
#[rstest]
#[case(3, "2026.6.34")]
#[case(4, "2026.6.11")]
fn another_gateway_is_not_compatible(#[case] protocol: u32, #[case] version: &str) {
    let mut bench = Bench::new(World {
        protocol,
        version: version.to_owned(),
        ..World::default()
    });
    let (outcome, _) = bench.run();
    let (step, message) = failed(&outcome);
    assert_eq!(step, "pair-operator");
    assert!(message.starts_with("CompatibilityFailure"), "{message}");
    assert!(
        !bench
            .world
            .borrow()
            .events
            .iter()
            .any(|event| event.contains("node"))
    );
}

/// No credential goes to a port of somebody else.
#[test]
fn a_foreign_owner_gets_no_credential() {
    let mut bench = Bench::new(World {
        owner: Owner::Unknown("httpd.exe".to_owned()),
        ..World::default()
    });
    let (outcome, _) = bench.run();
    let (step, message) = failed(&outcome);
    assert_eq!(step, "pair-operator");
    assert!(
        message.contains("httpd.exe") && message.contains("no credential"),
        "{message}"
    );
    assert!(bench.world.borrow().events.is_empty());
}

/// Cancelled is not failed: no retry, exit code 3, everything undone.
#[test]
fn a_cancelled_set_up_is_no_failure() {
    let mut bench = Bench::new(World {
        cancelled: true,
        ..World::default()
    });
    let (outcome, journal) = bench.run();
    assert_eq!(
        (
            outcome.exit_code(),
            journal.lines().last().unwrap().event.as_str()
        ),
        (3, "pipeline_cancelled")
    );
    bench.assert_clean();
}

/// A late failure does not take a gateway away that works, when that is asked for.
#[test]
fn a_healthy_gateway_is_kept_when_asked() {
    for keeps in [true, false] {
        let mut bench = Bench::new(World {
            protocol: 3,
            ..World::default()
        });
        bench.config.keep_healthy_gateway = keeps;
        assert_eq!(failed(&bench.run().0).0, "pair-operator");
        assert_eq!(bench.count("--unregister") == 0, keeps);
        assert_eq!(bench.world.borrow().runs(), keeps);
    }
}

/// The journal of a program is read back, a line that a crash cut off is left out, and the run that it tells of is
/// undone first.
#[test]
fn a_journal_on_disk_survives_a_crash() {
    let mut bench = Bench::new(World::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("setup.journal.jsonl");
    let mut memory = MemoryJournal::with_room(14);
    assert_eq!(run(&mut bench.context(), &mut memory), Outcome::Killed);
    let mut text: String = memory
        .lines()
        .iter()
        .map(|line| serde_json::to_string(line).unwrap() + "\n")
        .collect();
    text.push_str("{\"Timestamp\":\"2026");
    #[expect(
        clippy::disallowed_methods,
        reason = "half a line is what this is about"
    )]
    std::fs::write(&path, text).unwrap();
    let mut journal = FileJournal::open(&path).unwrap();
    assert_eq!(journal.lines().len(), 14);
    assert_eq!(run(&mut bench.context(), &mut journal), Outcome::Done);
    let again = FileJournal::open(&path).unwrap();
    assert_eq!(again.lines(), journal.lines());
}

/// What the field has seen of distros that are gone or broken while the set-up runs: it ends at its step, and what it
/// had made is taken away.
#[rstest]
#[case("disk-missing", "wsl-create", "ERROR_FILE_NOT_FOUND")]
#[case("distro-not-found", "wsl-create", "WSL_E_DISTRO_NOT_FOUND")]
#[case("list-hangs-once", "wsl-create", "did not answer within 15")]
fn a_distro_that_is_gone_ends_the_set_up(
    #[case] fault: &str,
    #[case] step: &str,
    #[case] reason: &str,
) {
    let mut bench = Bench::with_fault(fault);
    let (outcome, _) = bench.run();
    let (at, message) = failed(&outcome);
    assert_eq!(at, step, "{message}");
    assert!(message.contains(reason), "{message}");
    assert_eq!(bench.count("--shutdown"), 0);
    bench.assert_clean();
}

/// A relay that holds the port for seconds is waited for; one that keeps it is named.
#[rstest]
#[case(10, true)]
#[case(11, false)]
fn a_port_is_waited_for_ten_seconds(#[case] looks: u32, #[case] fine: bool) {
    let mut bench = Bench::new(World {
        port_held: looks,
        ..World::default()
    });
    let (outcome, _) = bench.run();
    if fine {
        assert_eq!(outcome, Outcome::Done);
    } else {
        assert_eq!(failed(&outcome).0, "preflight-port");
        bench.assert_clean();
    }
}

/// An owner that changes between two looks gets no credential: the second look decides.
#[test]
fn an_owner_that_changes_gets_no_credential() {
    let mut bench = Bench::new(World {
        next_owners: [Owner::Unknown("httpd.exe".to_owned())].into(),
        ..World::default()
    });
    let (outcome, _) = bench.run();
    assert_eq!(failed(&outcome).0, "pair-operator");
    assert_eq!(
        bench.world.borrow().events,
        ["connect operator shared", "approve device device-1"]
    );
}

/// One step is run again on a set-up that stands; what it made before is still there once.
#[test]
fn a_step_is_repeated_alone() {
    let mut bench = Bench::new(World::default());
    assert_eq!(bench.run().0, Outcome::Done);
    let mut journal = MemoryJournal::default();
    let again = repeat(&mut bench.context(), &mut journal, "windows-node-context");
    assert_eq!(again, Some(Outcome::Done));
    assert_eq!(journal.lines().len(), 2);
    assert_eq!(repeat(&mut bench.context(), &mut journal, "nothing"), None);
}
