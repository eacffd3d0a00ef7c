//! The scripted agent: who holds a conversation when there is no model.
//!
//! - [`AgentScript`] (`script.rs`): what it says to what, piece by piece and when;
//! - `sessions.rs`: chat sessions with their messages and settings;
//! - `run.rs`: one turn on its way: `agent` and `chat` events, the final answer, an abort.
//!
//! The methods that use it are in `method/chat.rs` and `method/sessions.rs`. ref: real-clients.md §2, §3, §6, §7

mod run;
mod script;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

pub use script::{AgentScript, Ending, Turn};

pub(crate) use run::{Asked, Run, RunEnd};
pub(crate) use sessions::{Session, Sessions, canonical_key, text_of};

/// The only agent of the mock. ref: real-clients.md §6
pub(crate) const AGENT_ID: &str = "main";

/// Everything the agent knows and does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agent {
    pub(crate) sessions: Sessions,
    /// Turns that have not ended, by run id.
    pub(crate) runs: BTreeMap<String, Run>,
    /// How turns ended, by run id: repeated requests and `agent.wait` are answered from here.
    pub(crate) ended: BTreeMap<String, RunEnd>,
    /// How often each turn of the script was used.
    pub(crate) used: BTreeMap<usize, u32>,
    /// Connections that hear of every session.
    pub(crate) session_listeners: BTreeSet<u32>,
    /// Connections that hear the messages of one session.
    pub(crate) message_listeners: BTreeSet<(u32, String)>,
}

impl Agent {
    /// Nobody listens on a connection that is gone.
    pub(crate) fn forget(&mut self, conn: u32) {
        self.session_listeners.remove(&conn);
        self.message_listeners
            .retain(|(listener, _)| *listener != conn);
        for run in self.runs.values_mut() {
            run.waiting.retain(|(waiting, _)| *waiting != conn);
        }
    }

    /// A restart ends every turn and forgets who listened; sessions stay.
    pub(crate) fn restart(&mut self) {
        self.runs.clear();
        self.session_listeners.clear();
        self.message_listeners.clear();
    }
}
