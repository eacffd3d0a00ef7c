//! Behaviours that a Rust test mounts: for good, or for as long as a guard lives.
//!
//! A guard is to a behaviour what wiremock's `MockGuard` is to a mock: when it goes, the behaviour is taken away, and
//! a use too few or too many is a panic that explains itself.

use gateway_core::{Behavior, BehaviorView, Control, ControlError};
use tokio::sync::watch;

use crate::hub::HubHandle;
use crate::server::Running;

/// A mounted behaviour; dropping it takes the behaviour away and checks how often it was used.
///
/// The check at the drop sees what the gateway has done by then. A test whose client runs on other threads waits first:
/// [`until_used`](Self::until_used), or ends with [`verify`](Self::verify).
#[derive(Debug)]
#[must_use = "a behaviour is taken away when its guard goes"]
pub struct BehaviorGuard {
    behavior: Behavior,
    hub: HubHandle,
    scores: watch::Receiver<Vec<BehaviorView>>,
    is_over: bool,
}

impl Running {
    /// Mounts a behaviour for good.
    ///
    /// # Errors
    /// [`ControlError`] when it makes no sense: the field, and what is allowed.
    pub async fn mount(&self, mut behavior: Behavior) -> Result<(), ControlError> {
        behavior.name = self.free_name(behavior.name).await;
        let behavior = Box::new(behavior);
        self.control(Control::Mount { behavior }).await.map(drop)
    }

    /// Mounts a behaviour for as long as the guard lives.
    ///
    /// ```
    /// use mock_gateway::{Behavior, Config, MockGateway, Reply, method};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let gateway = MockGateway::new()
    ///     .config(Config::with_token("t"))
    ///     .serve_tcp(([127, 0, 0, 1], 0).into())
    ///     .await?;
    /// let busy = Behavior::when(method("connect"))
    ///     .reply(Reply::close(1013, "gateway starting"))
    ///     .times(1)
    ///     .optional();
    /// let guard = gateway.mount_scoped(busy).await.map_err(std::io::Error::other)?;
    /// // ... a client connects ...
    /// assert_eq!(guard.uses(), 0);
    /// drop(guard);
    /// gateway.stop().await;
    /// # Ok::<(), std::io::Error>(()) })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ControlError`] when it makes no sense: the field, and what is allowed.
    pub async fn mount_scoped(
        &self,
        mut behavior: Behavior,
    ) -> Result<BehaviorGuard, ControlError> {
        behavior.name = self.free_name(behavior.name).await;
        let boxed = Box::new(behavior.clone());
        self.control(Control::Mount { behavior: boxed }).await?;
        Ok(BehaviorGuard {
            behavior,
            hub: self.hub().clone(),
            scores: self.hub().scores(),
            is_over: false,
        })
    }

    /// The value that a behaviour captured under this name.
    pub async fn captured(&self, name: &str) -> Option<serde_json::Value> {
        let captured = self.control(Control::Captured).await.ok()?;
        captured.get(name).cloned()
    }

    /// Two behaviours with one matcher are usual in a test; only names must differ.
    async fn free_name(&self, wanted: String) -> String {
        let taken: Vec<String> = match self.view().await {
            Some(view) => view.behaviors.into_iter().map(|view| view.name).collect(),
            None => Vec::new(),
        };
        let mut name = wanted.clone();
        let mut number = 1;
        while taken.contains(&name) {
            number += 1;
            name = format!("{wanted} ({number})");
        }
        name
    }
}

impl BehaviorGuard {
    /// Its name, as reports have it.
    pub fn name(&self) -> &str {
        &self.behavior.name
    }

    /// How often it was used.
    pub fn uses(&self) -> u32 {
        self.view().map_or(0, |view| view.applied)
    }

    /// Waits until it was used this often; false when the gateway ended first.
    pub async fn until_used(&mut self, uses: u32) -> bool {
        let name = &self.behavior.name;
        let enough = |views: &Vec<BehaviorView>| {
            let own = views.iter().find(|view| view.name == *name);
            own.is_some_and(|view| view.applied >= uses)
        };
        self.scores.wait_for(enough).await.is_ok()
    }

    /// Takes the behaviour away and says whether it was used as it should.
    ///
    /// # Errors
    /// The report that a drop would panic with.
    pub async fn verify(mut self) -> Result<(), String> {
        self.is_over = true;
        let name = self.behavior.name.clone();
        let view = match self.hub.control(Control::Unmount { name }).await {
            Ok(view) => serde_json::from_value(view).ok(),
            Err(_gone) => self.view(),
        };
        match view.and_then(|view| complaint(&self.behavior, &view)) {
            Some(report) => Err(report),
            None => Ok(()),
        }
    }

    fn view(&self) -> Option<BehaviorView> {
        let views = self.scores.borrow();
        views
            .iter()
            .find(|view| view.name == self.behavior.name)
            .cloned()
    }
}

impl Drop for BehaviorGuard {
    #[expect(
        clippy::panic,
        reason = "a test fails by panicking, and a guard has no other way to make it"
    )]
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let view = self.view();
        self.hub.forget(&self.behavior.name);
        if std::thread::panicking() {
            return;
        }
        if let Some(report) = view.and_then(|view| complaint(&self.behavior, &view)) {
            panic!("{report}");
        }
    }
}

/// What is wrong with the use of a behaviour, for somebody who reads only this.
fn complaint(behavior: &Behavior, view: &BehaviorView) -> Option<String> {
    let mut lines = Vec::new();
    if let Some(demanded) = &view.demanded {
        let used = match view.applied {
            0 => "never".to_owned(),
            1 => "once".to_owned(),
            many => format!("{many} times"),
        };
        lines.push(format!(
            "behaviour {:?} was used {used}; demanded: {demanded}",
            view.name
        ));
        lines.push(format!("  it matches: {}", behavior.when.describe()));
        if let Some(near) = &view.near {
            lines.push(format!("  came closest: {near}"));
        }
    }
    for problem in &view.problems {
        lines.push(format!(
            "behaviour {:?} could not do its part: {problem}",
            view.name
        ));
    }
    if lines.is_empty() {
        return None;
    }
    if view.demanded.is_some() {
        lines.push(
            "  hint: `.times(n)` or `.expect(range)` says how often, `.optional()` lets it stay unused"
                .to_owned(),
        );
    }
    Some(lines.join("\n"))
}
