//! Signed handshakes in the core world with nothing around them: what a search over many runs pays for each.

use futures_util::FutureExt as _;
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{Frame, Request};
use link::FaultTable;
use transcript::Recorder;

use crate::scenario::{Actor, AuthPlan, ConnectPlan, RawActor, Scenario};
use crate::world::{Brains, Draw, Ink, RawMessage, World, arrange, connect_params};

/// The one actor.
const ACTOR: &str = "raw";

/// Makes `count` signed handshakes, one after the other, and returns how many ended with hello-ok. Nothing is recorded.
///
/// ```
/// assert_eq!(scenarios::run::handshakes(3, 7), 3);
/// ```
pub fn handshakes(count: u32, seed: u64) -> u32 {
    let mut scenario = Scenario::default();
    scenario
        .actor
        .insert(ACTOR.to_owned(), Actor::Raw(RawActor::default()));
    let Ok(arrangement) = arrange(&scenario, seed) else {
        return 0;
    };
    let token = arrangement
        .config
        .auth
        .token
        .as_ref()
        .map(|token| token.expose().to_owned());
    let Some(mut world) = Brains::new(arrangement, Recorder::off(), FaultTable::new()) else {
        return 0;
    };
    let auth = AuthPlan {
        token,
        ..AuthPlan::default()
    };
    let plan = ConnectPlan {
        auth,
        ..ConnectPlan::default()
    };
    let key = Draw::new(seed).key(&format!("device-key {ACTOR}"));
    let mut done = 0;
    for _ in 0..count {
        let one = async {
            world.start(ACTOR).await.ok()?;
            world.settle().await;
            let (_, nonce) = world.raw(ACTOR, None);
            let now = VIRTUAL_EPOCH.plus(world.now());
            let params = connect_params(
                &plan,
                Ink {
                    key: &key,
                    nonce: nonce.as_deref(),
                    now,
                },
            );
            let request = Frame::Request(Request::new("1", "connect", Some(params)));
            world
                .send(ACTOR, None, RawMessage::Text(request.to_text()))
                .await
                .ok()?;
            world.settle().await;
            // The challenge, and the answer to `connect`; a refusal would have closed.
            let welcome =
                world.heard(ACTOR) >= 2 && world.raw(ACTOR, None).0 == crate::world::RawPhase::Open;
            world.stop(ACTOR).await.ok()?;
            world.settle().await;
            welcome.then_some(())
        };
        done += u32::from(one.now_or_never().flatten().is_some());
    }
    done
}
