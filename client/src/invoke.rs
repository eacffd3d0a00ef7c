//! What a node does when it is invoked.
//!
//! The core decides whether an invoke is well formed, busy, duplicate or cancelled; an [`InvokeHandler`]
//! does the work. [`Builtins`] is the handler of the `companion`: `system.*` and `device.*`.
//!
//! - `which`: names looked up on a search path
//! - `run`: programs of an allow-list, with a deadline and an output cap (Linux only)
//! - `browser`: `browser.proxy`, requests handed to the browser's control host on this machine
//!
//! ref: client-behaviour.md §21, §22

mod browser;
mod builtins;
mod run;
mod which;

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub use browser::{BrowserBlock, BrowserProxy, browser_proxy};
pub use builtins::{Builtins, DeviceFacts};
pub use run::RunPolicy;
pub use which::SearchPath;

/// One call of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Invocation {
    /// Command name as the gateway wrote it, e.g. `system.which`.
    pub command: String,
    /// Arguments; null when there were none.
    pub args: Value,
    /// Chat session the call belongs to, from the envelope only. ref: client-behaviour.md §21
    pub session_key: Option<String>,
}

/// Why a command gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// No handler knows the command.
    #[error("Command not supported: {0}")]
    NotSupported(String),
    /// The command exists, but not on this operating system.
    #[error("{command} is not supported on {os}")]
    NotOnThisSystem {
        /// The command.
        command: &'static str,
        /// Name of the operating system.
        os: &'static str,
    },
    /// An argument is missing or has the wrong type.
    #[error("{argument}: expected {expected}, got {got}")]
    BadArgument {
        /// Name of the argument.
        argument: &'static str,
        /// What it should be.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// The program is not on the allow-list. The text is the real node host's. ref: gateway-behaviour.md §A.8
    #[error("SYSTEM_RUN_DENIED: approval required")]
    Denied,
    /// The browser's control host was not asked, or gave no usable answer.
    #[error("browser control: {0}")]
    Browser(String),
    /// The caller took the call back.
    #[error("cancelled")]
    Cancelled,
}

/// The result of a command, or why there is none.
pub type InvokeFuture = Pin<Box<dyn Future<Output = Result<Value, InvokeError>> + Send>>;

/// Does what a node is invoked for.
///
/// ```
/// use gateway_client::{InvokeError, InvokeFuture, InvokeHandler, Invocation};
/// use tokio_util::sync::CancellationToken;
///
/// struct Echo;
/// impl InvokeHandler for Echo {
///     fn invoke(&self, call: Invocation, _cancel: CancellationToken) -> InvokeFuture {
///         Box::pin(async move { Ok(call.args) })
///     }
/// }
/// ```
pub trait InvokeHandler: Send + Sync + 'static {
    /// Starts one call. The future runs on a task of its own and may take its time; when `cancel` fires
    /// its result is ignored, and it is dropped when the client stops.
    fn invoke(&self, call: Invocation, cancel: CancellationToken) -> InvokeFuture;
}

/// A handler that knows no command.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCommands;

impl InvokeHandler for NoCommands {
    fn invoke(&self, call: Invocation, _cancel: CancellationToken) -> InvokeFuture {
        Box::pin(std::future::ready(Err(InvokeError::NotSupported(
            call.command,
        ))))
    }
}
