//! The store's rules without a disk, for worlds that must not touch one, with failures on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use client_core::{DurableState, StoreError, StoreOp};
use gateway_protocol::Role;

use super::{LoadError, Store, TokenChange, identity_is_gone};

/// Which operations fail, counted from 1 over the life of the store.
///
/// ```
/// use client_core::{DurableState, Registry, StoreError, StoreOp};
/// use gateway_client::{FailurePlan, MemoryStore, Store as _};
///
/// let full = StoreError::Write("no space left on device".to_owned());
/// let mut store = MemoryStore::new(DurableState::default()).failing(FailurePlan::nth(2, full.clone()));
/// let op = StoreOp::SaveRegistry { registry: Registry::default() };
/// assert_eq!((store.apply(&op), store.apply(&op), store.apply(&op)), (Ok(()), Err(full), Ok(())));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FailurePlan {
    nth: BTreeMap<u64, StoreError>,
    from: Option<(u64, StoreError)>,
}

impl FailurePlan {
    /// The nth operation fails, those after it succeed.
    pub fn nth(n: u64, error: StoreError) -> Self {
        Self {
            nth: BTreeMap::from([(n, error)]),
            from: None,
        }
    }

    /// The nth operation and all after it fail.
    pub fn from_nth(n: u64, error: StoreError) -> Self {
        Self {
            nth: BTreeMap::new(),
            from: Some((n, error)),
        }
    }

    /// One more operation that fails.
    #[must_use]
    pub fn and_nth(mut self, n: u64, error: StoreError) -> Self {
        self.nth.insert(n, error);
        self
    }

    fn failure(&self, n: u64) -> Option<StoreError> {
        let lasting = self
            .from
            .iter()
            .find(|(first, _)| n >= *first)
            .map(|(_, error)| error);
        self.nth.get(&n).or(lasting).cloned()
    }
}

/// The content of a [`MemoryStore`], shared with whoever tests it. It outlives the client, so a second client
/// over the same state is a restart.
#[derive(Clone, Debug, Default)]
pub struct MemoryState(Arc<Mutex<DurableState>>);

impl MemoryState {
    /// Shares a state.
    pub fn new(state: DurableState) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// A copy of what is stored.
    pub fn read(&self) -> DurableState {
        self.with(|state| state.clone())
    }

    /// Changes what is stored behind the client's back: a damaged file, an edit by hand.
    pub fn with<T>(&self, look: impl FnOnce(&mut DurableState) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A store in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: MemoryState,
    plan: FailurePlan,
    count: u64,
}

impl MemoryStore {
    /// A store that holds this.
    pub fn new(state: DurableState) -> Self {
        Self::over(MemoryState::new(state))
    }

    /// A store over a state that others see too.
    pub fn over(state: MemoryState) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    /// With operations that fail.
    #[must_use]
    pub fn failing(mut self, plan: FailurePlan) -> Self {
        self.plan = plan;
        self
    }

    /// What it holds.
    pub fn state(&self) -> MemoryState {
        self.state.clone()
    }
}

impl Store for MemoryStore {
    fn apply(&mut self, op: &StoreOp) -> Result<(), StoreError> {
        self.count += 1;
        match self.plan.failure(self.count) {
            Some(error) => Err(error),
            None => self.state.with(|state| apply(state, op)),
        }
    }

    fn load(&self) -> Result<DurableState, LoadError> {
        Ok(self.state.read())
    }
}

fn apply(state: &mut DurableState, op: &StoreOp) -> Result<(), StoreError> {
    if let StoreOp::SaveRegistry { registry } = op {
        state.registry = registry.clone();
        return Ok(());
    }
    let gateway_id = op.gateway_id().unwrap_or_default();
    if let Some(damage) = state.damaged.get(gateway_id) {
        return Err(damage.clone().into());
    }
    if let StoreOp::CreateIdentity { identity, .. } = op {
        identity.validate()?;
        if let Some(existing) = state.identities.get(gateway_id) {
            return Err(StoreError::IdentityExists(Box::new(existing.clone())));
        }
        state
            .identities
            .insert(gateway_id.to_owned(), identity.clone());
        return Ok(());
    }
    let identity = state
        .identities
        .get_mut(gateway_id)
        .ok_or_else(identity_is_gone)?;
    let Some(change) = TokenChange::of(op) else {
        return Ok(());
    };
    change.check(identity)?;
    match change {
        TokenChange::Save {
            role,
            token,
            scopes,
            ..
        } => {
            identity.set_token(role, Some(token.clone()), scopes.map(<[String]>::to_vec));
        }
        TokenChange::Clear { role } => identity.set_token(role, None, None),
        TokenChange::ClearAll => Role::ALL
            .into_iter()
            .for_each(|role| identity.set_token(role, None, None)),
    }
    Ok(())
}
