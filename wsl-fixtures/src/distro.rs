//! One distro's life as a pure state machine: installing, stopped, starting, running.
//!
//! Time is told to it and never asked for. What a start costs, and how many commands after a start go wrong,
//! is its [`ColdStart`].
//!
//! ```
//! use std::time::Duration;
//! use wsl_fixtures::distro::{ColdStart, Distro, Fate, State};
//!
//! let mut distro = Distro::stopped("Ubuntu", ColdStart { failing_commands: 1, ..ColdStart::default() });
//! assert_eq!(distro.command(Duration::ZERO), Fate::ColdStartFailure);
//! assert!(matches!(distro.command(Duration::ZERO), Fate::Runs { .. }));
//! distro.terminate();
//! assert_eq!(distro.state(Duration::ZERO), State::Stopped);
//! ```
//!
//! ref: setup-and-wsl.md §4.10, §10

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What `--list --verbose` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Being unpacked; no command runs.
    Installing,
    /// Installed, not running. The next command starts it.
    Stopped,
    /// Running.
    Running,
}

impl State {
    /// As an English Windows prints it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Installing => "Installing",
            Self::Stopped => "Stopped",
            Self::Running => "Running",
        }
    }
}

/// What a start costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ColdStart {
    /// How much longer the first command takes.
    pub delay: Duration,
    /// How many commands after a start fail.
    pub failing_commands: u32,
    /// Whether those commands hang until their time is up instead of failing at once.
    pub hangs: bool,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs after this delay.
    Runs {
        /// The rest of the start.
        delay: Duration,
    },
    /// It fails because the distro has only just started.
    ColdStartFailure,
    /// It never ends.
    Hangs,
    /// The distro is still being installed.
    StillInstalling,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Installing {
        until: Duration,
    },
    Stopped,
    Running {
        ready_at: Duration,
        failures_left: u32,
    },
}

/// One distro.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distro {
    name: String,
    cold_start: ColdStart,
    phase: Phase,
    starts: u32,
}

impl Distro {
    /// A distro that is unpacked until `until`.
    pub fn installing(name: &str, cold_start: ColdStart, until: Duration) -> Self {
        Self {
            phase: Phase::Installing { until },
            ..Self::stopped(name, cold_start)
        }
    }

    /// A distro that is there and does not run.
    pub fn stopped(name: &str, cold_start: ColdStart) -> Self {
        Self {
            name: name.to_owned(),
            cold_start,
            phase: Phase::Stopped,
            starts: 0,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Its state at `now`.
    pub fn state(&self, now: Duration) -> State {
        match self.phase {
            Phase::Installing { until } if now < until => State::Installing,
            Phase::Installing { .. } | Phase::Stopped => State::Stopped,
            Phase::Running { .. } => State::Running,
        }
    }

    /// A command begins at `now`; a stopped distro starts for it.
    pub fn command(&mut self, now: Duration) -> Fate {
        if self.state(now) == State::Installing {
            return Fate::StillInstalling;
        }
        if !matches!(self.phase, Phase::Running { .. }) {
            self.starts += 1;
            self.phase = Phase::Running {
                ready_at: now.saturating_add(self.cold_start.delay),
                failures_left: self.cold_start.failing_commands,
            };
        }
        let Phase::Running {
            ready_at,
            failures_left,
        } = &mut self.phase
        else {
            return Fate::StillInstalling;
        };
        if *failures_left > 0 {
            *failures_left -= 1;
            return if self.cold_start.hangs {
                Fate::Hangs
            } else {
                Fate::ColdStartFailure
            };
        }
        Fate::Runs {
            delay: ready_at.saturating_sub(now),
        }
    }

    /// Kills everything in it. A distro that is still being installed is left alone.
    pub fn terminate(&mut self) {
        if matches!(self.phase, Phase::Running { .. }) {
            self.phase = Phase::Stopped;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_command_waits_for_the_start_and_the_next_for_its_rest() {
        let cold = ColdStart {
            delay: 3 * SECOND,
            ..ColdStart::default()
        };
        let mut distro = Distro::stopped("D", cold);
        assert_eq!(distro.command(SECOND), Fate::Runs { delay: 3 * SECOND });
        assert_eq!(distro.command(2 * SECOND), Fate::Runs { delay: 2 * SECOND });
        assert_eq!(
            distro.command(9 * SECOND),
            Fate::Runs {
                delay: Duration::ZERO
            }
        );
        assert_eq!(distro.starts(), 1);
    }

    #[test]
    fn each_start_fails_its_own_commands() {
        let cold = ColdStart {
            failing_commands: 2,
            hangs: true,
            ..ColdStart::default()
        };
        let mut distro = Distro::stopped("D", cold);
        for start in 1..=2 {
            assert_eq!(
                [distro.command(SECOND), distro.command(SECOND)],
                [Fate::Hangs; 2]
            );
            assert!(matches!(distro.command(SECOND), Fate::Runs { .. }));
            assert_eq!(distro.starts(), start);
            distro.terminate();
            assert_eq!(distro.state(SECOND), State::Stopped);
        }
    }

    #[test]
    fn nothing_runs_before_the_installation_has_ended() {
        let mut distro = Distro::installing("D", ColdStart::default(), 5 * SECOND);
        assert_eq!(
            distro.command(Duration::from_nanos(4_999_999_999)),
            Fate::StillInstalling
        );
        distro.terminate();
        assert_eq!(distro.state(SECOND), State::Installing);
        assert!(matches!(distro.command(5 * SECOND), Fate::Runs { .. }));
    }
}
