//! Faults as data: which calls of wsl.exe go wrong, how often, and how.
//!
//! - [`Fault`]: words that a call must contain, how many matching calls pass first, how many go wrong
//! - [`Effect`]: what such a call does instead
//! - [`NAMED`]: faults that the field has seen, by name
//!
//! ```
//! use wsl_fixtures::fault::{Effect, Fault, Faults};
//!
//! let mut faults = Faults::default();
//! faults.add(Fault::first(1, &["cat /etc/wsl.conf"], Effect::fail(1, "")));
//! assert!(faults.strike("-d D -- bash -c cat /etc/wsl.conf").is_some());
//! assert!(faults.strike("-d D -- bash -c cat /etc/wsl.conf").is_none());
//! ```
//!
//! ref: setup-and-wsl.md §10 (11), field-bugs.md 108-125

use serde::{Deserialize, Serialize};

/// What a call does instead of what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// It prints this and ends; nothing is done.
    Answer {
        /// Exit code; 0 is a lie that looks like success.
        exit: i32,
        /// Standard output.
        #[serde(default)]
        stdout: String,
        /// Standard error.
        #[serde(default)]
        stderr: String,
    },
    /// It prints this and never ends.
    Hang {
        /// What it prints before.
        #[serde(default)]
        stdout: String,
    },
    /// It does what was asked, this much later.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// It does what was asked and then fails: an installation that registers its distro and breaks off.
    HalfDone {
        /// Exit code.
        exit: i32,
        /// Standard error.
        #[serde(default)]
        stderr: String,
    },
}

impl Effect {
    /// Fails at once.
    pub fn fail(exit: i32, stderr: &str) -> Self {
        Self::Answer {
            exit,
            stdout: String::new(),
            stderr: stderr.to_owned(),
        }
    }

    /// Prints something else than the command would.
    pub fn says(stdout: &str) -> Self {
        Self::Answer {
            exit: 0,
            stdout: stdout.to_owned(),
            stderr: String::new(),
        }
    }

    /// Hangs without a word.
    pub fn hang() -> Self {
        Self::Hang {
            stdout: String::new(),
        }
    }
}

/// A rule for calls that go wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// All of these occur in the words of the call (long options; `run ` stands before a
    /// command in a distro, `wsl ` before everything else), or in
    /// the script on its input.
    pub on: Vec<String>,
    /// How many matching calls are left alone first.
    #[serde(default)]
    pub after: u32,
    /// How many go wrong from then on.
    pub times: u32,
    /// What they do instead.
    pub effect: Effect,
}

impl Fault {
    /// The first calls that contain all of `on` go wrong.
    pub fn first(times: u32, on: &[&str], effect: Effect) -> Self {
        Self {
            on: on.iter().map(|&word| word.to_owned()).collect(),
            after: 0,
            times,
            effect,
        }
    }

    /// Every such call goes wrong.
    pub fn always(on: &[&str], effect: Effect) -> Self {
        Self::first(u32::MAX, on, effect)
    }

    /// The same after some that pass.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.after = calls;
        self
    }

    fn matches(&self, call: &str) -> bool {
        self.on.iter().all(|word| call.contains(word.as_str()))
    }
}

/// The faults that are mounted, in order; the first that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Mounts one more.
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// A call is made: what it does instead, if anything. Counts it.
    pub fn strike(&mut self, call: &str) -> Option<Effect> {
        for fault in self.0.iter_mut().filter(|fault| fault.matches(call)) {
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.times > 0 {
                fault.times = match fault.times {
                    u32::MAX => u32::MAX,
                    left => left - 1,
                };
                return Some(fault.effect.clone());
            }
        }
        None
    }
}

/// A fault that the field has seen.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// What it is called in scenarios and on the command line.
    pub name: &'static str,
    /// What goes wrong, in one sentence.
    pub about: &'static str,
    /// The rules.
    pub rules: fn() -> Vec<Fault>,
}

/// Reads a fault by name.
pub fn named(name: &str) -> Option<&'static Named> {
    NAMED.iter().find(|fault| fault.name == name)
}

macro_rules! faults {
    ($($name:literal, $about:literal => $($rule:expr),+;)+) => {
        /// Every named fault.
        pub const NAMED: &[Named] = &[$(Named { name: $name, about: $about, rules: || vec![$($rule),+] }),+];
    };
}

const WSL_CONF: &[&str] = &["cat /etc/wsl.conf"];
const READY: &[&str] = &["OPENCLAW_FRESH_WSL_READY"];

faults! {
    "wsl-conf-read-fails-once", "the first read of wsl.conf after the restart fails" =>
        Fault::first(1, WSL_CONF, Effect::fail(1, ""));
    "wsl-conf-read-hangs-twice", "two reads of wsl.conf run into their time limit" =>
        Fault::first(2, WSL_CONF, Effect::hang());
    "wsl-conf-unreadable", "wsl.conf can't be read at all" =>
        Fault::always(WSL_CONF, Effect::fail(1, "cat: /etc/wsl.conf: Input/output error\n"));
    "wsl-conf-wrong-content", "wsl.conf is readable and does not lock the distro down" =>
        Fault::always(WSL_CONF, Effect::says("[boot]\nsystemd=false\n[interop]\nenabled=true\n"));
    "first-launch-slow", "the first probe of a fresh distro runs into its limit after half an answer" =>
        Fault::first(1, READY, Effect::Hang { stdout: "0\n".to_owned() });
    "first-launch-never", "no probe of a fresh distro ever answers" =>
        Fault::always(READY, Effect::hang());
    "version-hangs", "wsl --version starts an installer that waits for a key" =>
        Fault::always(&["wsl --version"], Effect::hang());
    "version-slow", "wsl --version takes three seconds" =>
        Fault::always(&["wsl --version"], Effect::Slow { ms: 3_000 });
    "virtualization-off", "WSL is there and can't start a virtual machine" =>
        Fault::always(&["wsl --status"], Effect::Answer { exit: 0, stdout: "WSL2 is not supported with your current machine configuration.\r\nPlease enable the \"Virtual Machine Platform\" optional component and ensure virtualization is enabled in the BIOS.\r\n".to_owned(), stderr: String::new() });
    "too-old", "the WSL that came with Windows, which knows no --version" =>
        Fault::always(&["wsl --version"], Effect::Answer { exit: -1, stdout: "Invalid command line option: --version\r\n".to_owned(), stderr: String::new() });
    "list-fails", "the list of distros can't be had" =>
        Fault::always(&["wsl --list"], Effect::fail(-1, ""));
    "list-hangs-once", "the first list of distros never comes" =>
        Fault::first(1, &["wsl --list"], Effect::hang());
    "install-partial", "the installation registers its distro and breaks off" =>
        Fault::first(1, &["wsl --install", "--name"], Effect::HalfDone { exit: 1, stderr: "The operation timed out. \r\nError code: Wsl/InstallDistro/0x80072ee2\r\n".to_owned() });
    "disk-locked-once", "the first unregister finds the disk in use" =>
        Fault::first(1, &["wsl --unregister"], Effect::fail(-1, "The process cannot access the file because it is being used by another process. \r\nError code: Wsl/Service/ERROR_SHARING_VIOLATION\r\n"));
    "disk-missing", "the distro is registered and its disk is gone" =>
        Fault::always(&["run "], Effect::fail(-1, "Failed to attach disk: The system cannot find the file specified. \r\nError code: Wsl/Service/CreateInstance/MountDisk/HCS/ERROR_FILE_NOT_FOUND\r\n"));
    "distro-not-found", "the distro was removed from outside" =>
        Fault::always(&["run "], Effect::fail(-1, "There is no distribution with the supplied name. \r\nError code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n"));
    "device-pair-missing", "the gateway has no device-pair plugin" =>
        Fault::always(&["devices approve"], Effect::fail(1, "plugin not found: device-pair\n"));
    "unsafe-request-id", "a pending request carries an id that a shell would run" =>
        Fault::always(&["devices approve --latest"], Effect::says("{\"selected\":{\"requestId\":\"x; rm -rf ~\"}}\n"));
    "drain-never-ends", "there is always one more pending device" =>
        Fault::always(&["devices approve"], Effect::says("{\"requestId\":\"again\"}\n"));
    "start-limit-once", "systemd refuses the first start because there were too many" =>
        Fault::first(1, &["openclaw gateway start"], Effect::fail(1, "Job failed: start-limit-hit\n"));
    "list-full-of-nul", "the list of distros has letters that are none between its lines, once" =>
        Fault::first(1, &["wsl --list --quiet"], Effect::says("\0Debian\0\r\n\0\0\r\n"));
    "migrations-lease", "the start-up migrations still hold the state directory when reload is restored" =>
        Fault::first(3, &["config set gateway.reload.mode 'hybrid'"], Effect::fail(1, "OpenClaw startup migrations are already running for this state directory;\n")).after(1);
    "company-tls", "the distro does not trust the company's certificate" =>
        Fault::always(&["curl -fsSL"], Effect::fail(60, "curl: (60) SSL certificate problem: unable to get local issuer certificate\n"));
    "foreign-listener", "somebody else has the gateway's port inside the distro" =>
        Fault::always(&["ss -tlnp"], Effect::says("LISTEN 0 511 127.0.0.1:18789 0.0.0.0:* users:((\"nginx\",pid=99,fd=6))\n"));
    "config-slow", "every line of the configuration takes its time" =>
        Fault::always(&["GATEWAY_CONFIGURED"], Effect::Slow { ms: 170_000 });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fault leaves the calls before alone, strikes as often as it says, and then is over.
    #[test]
    fn a_fault_strikes_in_its_window() {
        let mut faults = Faults::default();
        faults.add(Fault::first(2, &["--list", "--quiet"], Effect::hang()).after(1));
        let strikes: Vec<bool> = [
            "--list --quiet",
            "--list",
            "--list --quiet",
            "--list --quiet",
            "--list --quiet",
        ]
        .iter()
        .map(|call| faults.strike(call).is_some())
        .collect();
        assert_eq!(strikes, [false, false, true, true, false]);
    }

    /// Faults are data: what is written is read back, and a misspelt member is refused.
    #[test]
    fn faults_are_read_as_they_are_written() {
        for fault in NAMED.iter().flat_map(|named| (named.rules)()) {
            let text = serde_json::to_string(&fault).unwrap();
            assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
        }
        let error =
            serde_json::from_str::<Fault>(r#"{"on":[],"time":1,"effect":{"slow":{"ms":1}}}"#)
                .unwrap_err();
        assert!(
            error.to_string().contains("unknown field `time`"),
            "{error}"
        );
    }

    /// The configuration is written before the gateway was ever started: nothing holds the folder then.
    #[test]
    fn the_migrations_lease_leaves_the_configuration_alone() {
        let mut faults = Faults::default();
        for fault in (named("migrations-lease").unwrap().rules)() {
            faults.add(fault);
        }
        let call = "openclaw config set gateway.reload.mode 'hybrid'";
        let strikes: Vec<bool> = (0..5).map(|_| faults.strike(call).is_some()).collect();
        assert_eq!(strikes, [false, true, true, true, false]);
    }

    #[test]
    fn names_are_unique() {
        for (at, fault) in NAMED.iter().enumerate() {
            assert!(
                NAMED
                    .iter()
                    .skip(at + 1)
                    .all(|other| other.name != fault.name)
            );
            assert!(
                std::ptr::eq(named(fault.name).unwrap(), fault)
                    || named(fault.name).unwrap().about == fault.about
            );
        }
    }
}
