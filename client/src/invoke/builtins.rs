//! The commands of the `companion`.

use std::future::ready;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::browser::BrowserProxy;
use super::run::{RunPolicy, run};
use super::which::{SearchPath, which};
use super::{Invocation, InvokeError, InvokeFuture, InvokeHandler};

/// What `device.info` tells of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Name shown to people.
    pub device_name: String,
    /// Operating system.
    pub system_name: String,
    /// Processor architecture.
    pub architecture: String,
    /// Version of this program.
    pub app_version: String,
}

impl DeviceFacts {
    /// Facts about the machine this process runs on.
    pub fn of_this_machine() -> Self {
        Self {
            device_name: host_name().unwrap_or_else(|| "unknown".to_owned()),
            system_name: std::env::consts::OS.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            app_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn host_name() -> Option<String> {
    let from_env = ["HOSTNAME", "COMPUTERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok());
    let name = from_env.or_else(|| std::fs::read_to_string("/etc/hostname").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// `system.which`, `system.run`, `system.notify`, `device.info` and `device.status`.
#[derive(Clone, Debug)]
pub struct Builtins {
    path: SearchPath,
    policy: Arc<RunPolicy>,
    facts: DeviceFacts,
    started: Instant,
    browser: Option<Arc<BrowserProxy>>,
}

impl Builtins {
    /// Handlers with the given search path, allow-list and facts.
    pub fn new(path: SearchPath, policy: RunPolicy, facts: DeviceFacts) -> Self {
        Self {
            path,
            policy: Arc::new(policy),
            facts,
            started: Instant::now(),
            browser: None,
        }
    }

    /// With `browser.proxy`. Advertise `browser` and `browser.proxy` only then: see [`super::browser_proxy`].
    #[must_use]
    pub fn with_browser(mut self, browser: BrowserProxy) -> Self {
        self.browser = Some(Arc::new(browser));
        self
    }

    /// Categories to advertise, in registration order. ref: client-behaviour.md §22
    pub fn caps() -> Vec<String> {
        ["system", "device"].map(ToOwned::to_owned).into()
    }

    /// Commands to advertise, in registration order.
    pub fn commands() -> Vec<String> {
        [
            "system.notify",
            "system.run",
            "system.which",
            "device.info",
            "device.status",
        ]
        .map(ToOwned::to_owned)
        .into()
    }

    fn device_info(&self) -> Value {
        json!({
            "deviceName": self.facts.device_name,
            "systemName": self.facts.system_name,
            "architecture": self.facts.architecture,
            "appVersion": self.facts.app_version,
        })
    }
}

impl InvokeHandler for Builtins {
    fn invoke(&self, call: Invocation, cancel: CancellationToken) -> InvokeFuture {
        let answer = match call.command.to_ascii_lowercase().as_str() {
            "system.which" => which(&self.path, &call.args),
            "system.run" => match self.policy.admit(&call.args) {
                Ok(job) => return Box::pin(run(job, cancel)),
                Err(error) => Err(error),
            },
            "system.notify" => {
                Ok(json!({ "delivered": false, "reason": "this client shows no notifications" }))
            }
            "device.info" => Ok(self.device_info()),
            "device.status" => Ok(json!({ "uptimeSeconds": self.started.elapsed().as_secs() })),
            "browser.proxy" => match &self.browser {
                Some(browser) => return Arc::clone(browser).invoke(call.args),
                None => Err(InvokeError::NotSupported(call.command)),
            },
            _ => Err(InvokeError::NotSupported(call.command)),
        };
        Box::pin(ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builtins() -> Builtins {
        let facts = DeviceFacts {
            device_name: "box".to_owned(),
            system_name: "linux".to_owned(),
            architecture: "x86_64".to_owned(),
            app_version: "1.2.3".to_owned(),
        };
        Builtins::new(SearchPath::default(), RunPolicy::default(), facts)
    }

    async fn call(command: &str) -> Result<Value, InvokeError> {
        let call = Invocation {
            command: command.to_owned(),
            args: json!({"bins": [], "command": ["true"]}),
            session_key: None,
        };
        builtins().invoke(call, CancellationToken::new()).await
    }

    #[tokio::test]
    async fn every_advertised_command_is_known() {
        for command in Builtins::commands() {
            let answer = call(&command).await;
            assert!(
                !matches!(answer, Err(InvokeError::NotSupported(_))),
                "{command}: {answer:?}"
            );
        }
        assert_eq!(
            call("camera.snap").await,
            Err(InvokeError::NotSupported("camera.snap".to_owned()))
        );
    }

    #[tokio::test]
    async fn commands_are_found_in_any_case() {
        assert_eq!(call("Device.Info").await.unwrap()["deviceName"], "box");
    }

    #[tokio::test]
    async fn nothing_runs_without_an_allow_list() {
        assert_eq!(call("system.run").await, Err(InvokeError::Denied));
    }
}
