//! A user service as a pure state machine: main process, start limit, failure.
//!
//! Like systemd with its defaults: five starts within ten seconds are one too many, and then only
//! [`Service::reset_failed`] helps.
//!
//! ```
//! use wsl_fixtures::service::{Service, StartError};
//!
//! let mut service = Service::default();
//! for pid in 1..=5 {
//!     service.may_start(0).unwrap();
//!     service.started(0, pid);
//!     service.ended(1);
//! }
//! assert_eq!(service.may_start(9_999), Err(StartError::StartLimit));
//! service.reset_failed();
//! assert_eq!(service.may_start(9_999), Ok(()));
//! ```
//!
//! ref: setup-and-wsl.md §4.16, §6.4, §10 (9)

use serde::{Deserialize, Serialize};

/// Starts that are allowed within [`INTERVAL_MS`].
pub const BURST: usize = 5;
/// The time that the starts are counted over, in milliseconds.
pub const INTERVAL_MS: u64 = 10_000;

/// What `ActiveState` and `SubState` say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Not running.
    #[default]
    Inactive,
    /// Running.
    Active,
    /// Ended badly, or was started too often.
    Failed,
}

/// Why a service does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// It was started too often.
    #[error("start-limit-hit")]
    StartLimit,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    activity: Activity,
    main_pid: u32,
    last_exit: i32,
    starts_ms: Vec<u64>,
}

impl Service {
    /// What it is doing.
    pub fn activity(&self) -> Activity {
        self.activity
    }

    /// Its process; 0 when there is none, as systemd says it.
    pub fn main_pid(&self) -> u32 {
        self.main_pid
    }

    /// How its last process ended.
    pub fn last_exit(&self) -> i32 {
        self.last_exit
    }

    /// Whether it may be started at this time, in milliseconds.
    ///
    /// # Errors
    /// [`StartError::StartLimit`]; the service counts as failed then.
    pub fn may_start(&mut self, now_ms: u64) -> Result<(), StartError> {
        self.starts_ms
            .retain(|start| now_ms.saturating_sub(*start) < INTERVAL_MS);
        if self.starts_ms.len() >= BURST {
            self.activity = Activity::Failed;
            return Err(StartError::StartLimit);
        }
        Ok(())
    }

    /// It was started.
    pub fn started(&mut self, now_ms: u64, pid: u32) {
        self.starts_ms.push(now_ms);
        self.activity = Activity::Active;
        self.main_pid = pid;
    }

    /// Its process has ended by itself.
    pub fn ended(&mut self, exit: i32) {
        self.main_pid = 0;
        self.last_exit = exit;
        self.activity = if exit == 0 {
            Activity::Inactive
        } else {
            Activity::Failed
        };
    }

    /// It was stopped.
    pub fn stopped(&mut self) {
        self.main_pid = 0;
        self.activity = Activity::Inactive;
    }

    /// Forgets failures and starts.
    pub fn reset_failed(&mut self) {
        self.starts_ms.clear();
        if self.activity == Activity::Failed {
            self.activity = Activity::Inactive;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit counts a window, not a life: the first start after it is free again.
    #[test]
    fn the_start_limit_is_a_window() {
        let mut service = Service::default();
        for at in 0..BURST as u64 {
            service.may_start(at).unwrap();
            service.started(at, 7);
        }
        assert_eq!(
            service.may_start(INTERVAL_MS - 1),
            Err(StartError::StartLimit)
        );
        assert_eq!(service.activity(), Activity::Failed);
        assert_eq!(service.may_start(INTERVAL_MS), Ok(()));
    }
}
