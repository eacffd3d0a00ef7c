//! Scripted behaviours: what the mock does instead of, before or after its built-in answer.
//!
//! A [`Behavior`] is a specification; once mounted it counts (see `mounted.rs`). Of the mounted behaviours that match
//! and have uses left the one with the lowest `priority` wins, of equal ones the one that was mounted first. It is
//! asked before every built-in check of a well-formed request, `connect` too.
//!
//! - `matcher.rs`: [`Matcher`], when it applies. `reply.rs`: [`Reply`], what it does.
//! - `times.rs`: [`Times`], how often. This file: the whole, and the builder.
//!
//! ```
//! use gateway_core::{Behavior, Reply, method};
//! use gateway_protocol::Role;
//! use serde_json::json;
//!
//! let from_rust = Behavior::when(method("connect").role(Role::Node))
//!     .reply(Reply::close(1013, "gateway starting"))
//!     .named("busy once")
//!     .times(1);
//! let from_json: Behavior = serde_json::from_value(json!({
//!     "name": "busy once",
//!     "when": { "method": "connect", "role": "node" },
//!     "reply": { "close": { "code": 1013, "reason": "gateway starting" } },
//!     "times": 1,
//! }))?;
//! assert_eq!(from_rust, from_json);
//! # Ok::<(), serde_json::Error>(())
//! ```

mod matcher;
mod reply;
mod times;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use matcher::{ConnPick, Matcher, Trigger, any_request, glob, method, opening, upgrade};
pub use reply::{
    ChallengeReply, DelayReply, ErrorReply, EventReply, HttpReply, Reply, check_json_patch,
};
pub(crate) use reply::{apply_json_patch, decode, mentions_dollar};
pub use times::Times;

/// What [`Behavior::priority`] is when nothing is said.
const USUAL_PRIORITY: u8 = 5;

/// What the mock does when something matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behavior {
    /// Unique name, shown in reports.
    pub name: String,
    /// What must match.
    #[serde(default)]
    pub when: Matcher,
    /// What to do.
    pub reply: Reply,
    /// How often it applies, and how often it should.
    #[serde(default, skip_serializing_if = "Times::is_unsaid")]
    pub times: Times,
    /// Lower wins; 5 when nothing is said.
    #[serde(default = "usual_priority")]
    pub priority: u8,
    /// Whether it may stay unused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Names for parts of a matched request: JSON pointers into its parameters, or with `frame/` into the frame. They
    /// are known in this reply already, as `"$name"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, String>,
}

fn usual_priority() -> u8 {
    USUAL_PRIORITY
}

/// A behaviour that knows when, and not yet what.
#[derive(Clone, Debug)]
#[must_use = "say what the behaviour does: `.reply(..)`"]
pub struct When {
    when: Matcher,
}

impl When {
    /// What it does.
    pub fn reply(self, reply: Reply) -> Behavior {
        Behavior {
            name: self.when.describe(),
            when: self.when,
            reply,
            times: Times::default(),
            priority: USUAL_PRIORITY,
            optional: false,
            capture: BTreeMap::new(),
        }
    }
}

impl Behavior {
    /// Begins a behaviour; its name, unless one is given, is what it matches.
    pub fn when(when: Matcher) -> When {
        When { when }
    }

    /// Sets the name: unique among what is mounted.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Lets it apply this often and then step aside; fewer uses are a finding.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Times::limited(times);
        self
    }

    /// Demands this many uses, `1..=3` or `2..`, without limiting them.
    #[must_use]
    pub fn expect(mut self, uses: impl std::ops::RangeBounds<u32>) -> Self {
        self.times = Times::demanded(&uses);
        self
    }

    /// Lets it stay unused.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Sets the priority: lower wins, 5 is usual.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// Captures a part of the matched request.
    #[must_use]
    pub fn capture(mut self, name: &str, pointer: &str) -> Self {
        self.capture.insert(name.to_owned(), pointer.to_owned());
        self
    }

    /// What is wrong with it, if anything: a reply that fits no request, a patch that is none.
    ///
    /// # Errors
    /// The field, what is wrong with it, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        self.when.check()?;
        self.times.check()?;
        self.reply.check(self.when.on)
    }
}
