//! What becomes of an identity file behind the client's back.

use client_core::{DurableState, Identity, IdentityDamage, Input};

use super::GATEWAY_ID;
use crate::scenario::IdentityFile;

/// Something becomes of the identity file of the gateway that a client knows at first; a damaged one is set aside until it
/// is restored.
pub(crate) fn turn_identity(
    file: IdentityFile,
    state: &mut DurableState,
    aside: &mut Option<Identity>,
) {
    let damage = match file {
        IdentityFile::Corrupt => Some(IdentityDamage::Corrupt("it is cut off".to_owned())),
        IdentityFile::Unreadable => Some(IdentityDamage::Unreadable("it is locked".to_owned())),
        IdentityFile::Gone => None,
        IdentityFile::Restored | IdentityFile::Made => {
            state.damaged.remove(GATEWAY_ID);
            if let Some(identity) = aside.take() {
                state.identities.insert(GATEWAY_ID.to_owned(), identity);
            }
            return;
        }
    };
    if let Some(identity) = state.identities.remove(GATEWAY_ID) {
        *aside = Some(identity);
    }
    state.damaged.remove(GATEWAY_ID);
    if let Some(damage) = damage {
        state.damaged.insert(GATEWAY_ID.to_owned(), damage);
    }
}

/// What a look at the identity file finds.
pub(crate) fn identity_read(state: &DurableState) -> Input {
    let identity = match state.damaged.get(GATEWAY_ID) {
        Some(damage) => Err(damage.clone()),
        None => Ok(state.identities.get(GATEWAY_ID).cloned()),
    };
    Input::IdentityRead {
        gateway_id: GATEWAY_ID.to_owned(),
        identity,
    }
}
