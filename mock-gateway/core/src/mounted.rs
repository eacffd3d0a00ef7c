//! Mounted behaviours: specifications with counters.

use gateway_protocol::Role;
use serde_json::Value;

use crate::behavior::{Behavior, Matcher, Reply, Trigger};
use crate::json::contains;
use crate::view::BehaviorView;

/// What a matcher looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) on: Trigger,
    pub(crate) conn: u32,
    pub(crate) method: Option<&'a str>,
    pub(crate) role: Option<Role>,
    pub(crate) params: Option<&'a Value>,
}

#[derive(Clone, Debug)]
struct Mounted {
    behavior: Behavior,
    matched: u32,
    applied: u32,
}

/// All mounted behaviours, in mounting order.
#[derive(Clone, Debug, Default)]
pub(crate) struct MountedBehaviors {
    all: Vec<Mounted>,
}

impl MountedBehaviors {
    /// Mounts one; false when the name is taken.
    pub(crate) fn mount(&mut self, behavior: Behavior) -> bool {
        if self
            .all
            .iter()
            .any(|mounted| mounted.behavior.name == behavior.name)
        {
            return false;
        }
        self.all.push(Mounted {
            behavior,
            matched: 0,
            applied: 0,
        });
        true
    }

    /// Takes one away; false when there is none of that name.
    pub(crate) fn unmount(&mut self, name: &str) -> bool {
        let before = self.all.len();
        self.all.retain(|mounted| mounted.behavior.name != name);
        self.all.len() < before
    }

    /// The reply of the first behaviour that matches and has uses left; counts.
    pub(crate) fn reply_to(&mut self, subject: &Subject<'_>) -> Option<Reply> {
        for mounted in &mut self.all {
            let spent = mounted
                .behavior
                .times
                .is_some_and(|times| mounted.applied >= times);
            if spent || !holds(&mounted.behavior.when, subject) {
                continue;
            }
            mounted.matched += 1;
            if mounted
                .behavior
                .when
                .nth
                .is_some_and(|nth| nth != mounted.matched)
            {
                continue;
            }
            mounted.applied += 1;
            return Some(mounted.behavior.reply.clone());
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn views(&self) -> Vec<BehaviorView> {
        let view = |mounted: &Mounted| BehaviorView {
            name: mounted.behavior.name.clone(),
            matched: mounted.matched,
            applied: mounted.applied,
        };
        self.all.iter().map(view).collect()
    }
}

fn holds(when: &Matcher, subject: &Subject<'_>) -> bool {
    let method = when.method.as_deref().is_none_or(|wanted| {
        subject
            .method
            .is_some_and(|method| match wanted.strip_suffix('*') {
                Some(start) => method.starts_with(start),
                None => method == wanted,
            })
    });
    when.on == subject.on
        && method
        && when.conn.is_none_or(|conn| conn == subject.conn)
        && when.role.is_none_or(|role| Some(role) == subject.role)
        && when.params.as_ref().is_none_or(|wanted| {
            subject
                .params
                .is_some_and(|params| contains(params, wanted))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn behavior(when: Value, times: Option<u32>) -> Behavior {
        let when = serde_json::from_value(when).unwrap();
        Behavior {
            name: "b".into(),
            when,
            reply: Reply::Ignore,
            times,
        }
    }

    fn subject<'a>(method: &'a str, params: &'a Value) -> Subject<'a> {
        Subject {
            on: Trigger::Request,
            conn: 1,
            method: Some(method),
            role: Some(Role::Node),
            params: Some(params),
        }
    }

    #[test]
    fn uses_are_counted() {
        let mut mounted = MountedBehaviors::default();
        assert!(mounted.mount(behavior(json!({"method": "node.*"}), Some(1))));
        assert!(
            !mounted.mount(behavior(json!({}), None)),
            "the name is taken"
        );
        let params = json!({});
        assert_eq!(mounted.reply_to(&subject("health", &params)), None);
        assert_eq!(
            mounted.reply_to(&subject("node.event", &params)),
            Some(Reply::Ignore)
        );
        assert_eq!(mounted.reply_to(&subject("node.event", &params)), None);
        assert_eq!(
            mounted.views(),
            [BehaviorView {
                name: "b".into(),
                matched: 1,
                applied: 1
            }]
        );
    }

    #[test]
    fn nth_counts_only_what_else_matches() {
        let mut mounted = MountedBehaviors::default();
        mounted.mount(behavior(
            json!({"nth": 2, "role": "node", "params": {"a": {"b": 1}}}),
            None,
        ));
        let (fits, other) = (json!({"a": {"b": 1, "c": 2}}), json!({"a": 1}));
        assert_eq!(mounted.reply_to(&subject("m", &fits)), None);
        assert_eq!(mounted.reply_to(&subject("m", &other)), None);
        assert_eq!(mounted.reply_to(&subject("m", &fits)), Some(Reply::Ignore));
        assert_eq!(mounted.reply_to(&subject("m", &fits)), None);
    }
}
