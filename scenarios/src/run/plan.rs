//! What will be run: scenarios times worlds, selected and cut into slices, in a stable order.

use std::sync::Arc;

use crate::adapter::{BLACK_BOX, Client};
use crate::real::Ground;
use crate::scenario::{Scenario, WorldName};
use crate::world::{missing_for_set_up, missing_for_wsl};

use super::durations::Durations;
use super::foreign;
use super::select::{Slice, glob_matches};

/// What the built-in client under test can do; a scenario's `needs` are compared with it.
pub const CAPABILITIES: &[&str] = &[
    "companion",
    "operator",
    "node",
    "role:operator",
    "role:node",
    "setup-code",
    "raw",
    "black-box",
    "device",
    "device-token",
    "reconnects",
    "watches-ticks",
    "invoke",
    "starts-without-token",
    "stays",
    "asks-until-approved",
];

/// Worlds that exist in this program.
pub const WORLDS_HERE: [WorldName; 4] = [
    WorldName::Core,
    WorldName::Memory,
    WorldName::Loopback,
    WorldName::Wsl,
];

/// Which scenarios are meant; everything that is empty says nothing.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Ids, globs or shard names; one of them must fit.
    pub patterns: Vec<String>,
    /// Capabilities that the scenario must need, all of them.
    pub needs: Vec<String>,
    /// Text that `about` must contain.
    pub about: Option<String>,
    /// Part of what is left.
    pub slice: Option<Slice>,
    /// What an earlier run took, for parts that take equally long.
    pub durations: Option<Durations>,
}

/// One scenario in one world.
#[derive(Clone, Debug)]
pub struct Job {
    /// What.
    pub scenario: Arc<Scenario>,
    /// Where.
    pub world: WorldName,
    /// What is missing, when it can't be run here.
    pub missing: Option<String>,
    /// The real gateway, in the world `real`.
    pub ground: Option<Arc<Ground>>,
    /// The foreign client under test; our own when absent.
    pub client: Option<Arc<Client>>,
}

impl Job {
    /// `setup-connect/auth/token::memory`, the name in every report.
    pub fn name(&self) -> String {
        format!("{}::{}", self.scenario.id, self.world.name())
    }
}

impl Selection {
    /// The scenarios that are meant, in order of their ids.
    pub fn choose(&self, scenarios: &[Arc<Scenario>]) -> Vec<Arc<Scenario>> {
        let whole = self.whole(scenarios);
        match (&self.slice, &self.durations) {
            (None, _) => whole,
            (Some(Slice::Part { part, of }), Some(durations)) => {
                let ids: Vec<&str> = whole.iter().map(|scenario| scenario.id.as_str()).collect();
                let parts = durations.deal(&ids, *of);
                let dealt = whole.into_iter().zip(parts);
                dealt
                    .filter(|(_, owner)| owner == part)
                    .map(|(scenario, _)| scenario)
                    .collect()
            }
            (Some(slice), _) => whole
                .into_iter()
                .enumerate()
                .filter(|(position, scenario)| takes(slice, *position, scenario))
                .map(|(_, scenario)| scenario)
                .collect(),
        }
    }

    /// The same without the slice: the plan that a slice is a part of.
    pub fn whole(&self, scenarios: &[Arc<Scenario>]) -> Vec<Arc<Scenario>> {
        let mut chosen: Vec<Arc<Scenario>> = scenarios
            .iter()
            .filter(|scenario| self.means(scenario))
            .map(Arc::clone)
            .collect();
        chosen.sort_by(|one, other| one.id.cmp(&other.id));
        chosen
    }

    fn means(&self, scenario: &Scenario) -> bool {
        let shard = scenario.shard().map(crate::scenario::Shard::name);
        let named = self.patterns.is_empty()
            || self.patterns.iter().any(|pattern| {
                glob_matches(pattern, &scenario.id) || shard == Some(pattern.as_str())
            });
        let needed = self.needs.iter().all(|need| scenario.needs.contains(need));
        let about = self
            .about
            .as_ref()
            .is_none_or(|text| scenario.about.contains(text));
        named && needed && about
    }
}

fn takes(slice: &Slice, position: usize, scenario: &Scenario) -> bool {
    let shard = scenario.shard().map(crate::scenario::Shard::name);
    match slice {
        Slice::Named(name) if shard == Some(name.as_str()) => true,
        Slice::Named(_) | Slice::Part { .. } => slice.takes(position, &scenario.id),
    }
}

/// The worlds a scenario runs in when nobody asks for one: virtual time where it can, sockets where it must.
pub fn default_worlds(scenario: &Scenario) -> Vec<WorldName> {
    let claimed = scenario.worlds();
    let virtual_time: Vec<WorldName> = claimed
        .iter()
        .copied()
        .filter(|world| matches!(world, WorldName::Core | WorldName::Memory))
        .collect();
    if virtual_time.is_empty() {
        claimed
    } else {
        virtual_time
    }
}

/// Every chosen scenario in the worlds that were asked for, or in its default ones.
pub fn jobs(chosen: &[Arc<Scenario>], worlds: &[WorldName]) -> Vec<Job> {
    let mut jobs = Vec::new();
    for scenario in chosen {
        let mut here = if worlds.is_empty() {
            default_worlds(scenario)
        } else {
            scenario
                .worlds()
                .into_iter()
                .filter(|world| worlds.contains(world))
                .collect()
        };
        here.sort();
        here.dedup();
        for world in here {
            jobs.push(Job {
                scenario: Arc::clone(scenario),
                world,
                missing: missing(scenario, world),
                ground: None,
                client: None,
            });
        }
    }
    jobs
}

/// Every chosen scenario in the world `real`, whatever worlds it claims; those that need a power of the mock say so.
pub fn real_jobs(chosen: &[Arc<Scenario>], ground: &Arc<Ground>) -> Vec<Job> {
    let absent = real_absence(ground);
    let missing = |scenario: &Scenario| match &absent {
        Some(absent) => Some(absent.clone()),
        None => foreign::mock_power(scenario, ground.release()).or_else(|| need(scenario)),
    };
    chosen
        .iter()
        .map(|scenario| Job {
            scenario: Arc::clone(scenario),
            world: WorldName::Real,
            missing: missing(scenario),
            ground: Some(Arc::clone(ground)),
            client: None,
        })
        .collect()
}

/// What is missing before a real gateway can be started.
fn real_absence(ground: &Arc<Ground>) -> Option<String> {
    let error = ground.check().err()?;
    Some(format!("{error}; {}", error.hint()))
}

/// The chosen scenarios that any client can be the client of, for this one; a companion behind its tools is asked for all
/// that have a client. Each either runs or says what it needs.
pub fn client_jobs(
    chosen: &[Arc<Scenario>],
    client: &Arc<Client>,
    ground: Option<&Arc<Ground>>,
) -> Vec<Job> {
    let absent = ground.and_then(real_absence);
    let with_tools = client.adapter.file.mcp;
    let black_boxes = chosen.iter().filter(|scenario| {
        let has_client = scenario
            .actor
            .values()
            .any(|actor| actor.client().is_some());
        let for_any = scenario.needs.iter().any(|need| need == BLACK_BOX);
        for_any || (with_tools && has_client)
    });
    let job = |scenario: &Arc<Scenario>| {
        let mut scenario = Scenario::clone(scenario);
        let power = ground.and_then(|ground| foreign::mock_power(&scenario, ground.release()));
        if scenario.profile.is_none() {
            scenario.profile = client.profile().map(str::to_owned);
        }
        Job {
            missing: absent.clone().or(power).or_else(|| client.lacks(&scenario)),
            scenario: Arc::new(scenario),
            world: match ground {
                Some(_) => WorldName::Real,
                None => WorldName::Loopback,
            },
            ground: ground.map(Arc::clone),
            client: Some(Arc::clone(client)),
        }
    };
    black_boxes.map(job).collect()
}

fn missing(scenario: &Scenario, world: WorldName) -> Option<String> {
    if !WORLDS_HERE.contains(&world) {
        return Some(format!("the world {}", world.name()));
    }
    if world == WorldName::Wsl
        && let Some(missing) = missing_for_wsl().or_else(|| missing_for_set_up(scenario))
    {
        return Some(missing);
    }
    need(scenario).or_else(|| beyond_openclaw(scenario, world))
}

/// What only the mock can do, in a scenario whose distro has the real OpenClaw.
fn beyond_openclaw(scenario: &Scenario, world: WorldName) -> Option<String> {
    let release = scenario.set_up()?.real_release()?;
    if world == WorldName::Wsl {
        foreign::mock_power_beside_set_ups(scenario, &release)
    } else {
        Some("a distro of this machine: the real OpenClaw runs in none other".to_owned())
    }
}

/// What the scenario needs of its client that the built-in one does not have.
fn need(scenario: &Scenario) -> Option<String> {
    let need = scenario
        .needs
        .iter()
        .find(|need| !CAPABILITIES.contains(&need.as_str()))?;
    Some(format!("the capability {need}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(id: &str, worlds: &[WorldName], needs: &[&str]) -> Arc<Scenario> {
        Arc::new(Scenario {
            id: id.to_owned(),
            about: format!("about {id}"),
            worlds: worlds.to_vec(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            ..Scenario::default()
        })
    }

    fn ids(chosen: &[Arc<Scenario>]) -> Vec<&str> {
        chosen.iter().map(|scenario| scenario.id.as_str()).collect()
    }

    #[test]
    fn every_part_of_a_selection_must_fit() {
        let all = [
            scenario("b/two", &[], &["node"]),
            scenario("a/one", &[], &[]),
        ];
        let choose = |selection: Selection| ids(&selection.choose(&all)).join(" ");
        assert_eq!(choose(Selection::default()), "a/one b/two");
        assert_eq!(
            choose(Selection {
                needs: vec!["node".to_owned()],
                ..Selection::default()
            }),
            "b/two"
        );
        assert_eq!(
            choose(Selection {
                about: Some("one".to_owned()),
                ..Selection::default()
            }),
            "a/one"
        );
        assert_eq!(
            choose(Selection {
                patterns: vec!["b".to_owned()],
                ..Selection::default()
            }),
            "b/two"
        );
        let slice = Some(Slice::Part { part: 2, of: 2 });
        assert_eq!(
            choose(Selection {
                slice,
                ..Selection::default()
            }),
            "b/two"
        );
    }

    #[test]
    fn virtual_worlds_come_first_and_what_is_not_here_is_named() {
        let jobs = jobs(
            &[
                scenario(
                    "a",
                    &[WorldName::Loopback, WorldName::Memory, WorldName::Core],
                    &[],
                ),
                scenario("b", &[WorldName::Loopback], &["wings"]),
                scenario("c", &[WorldName::Real], &[]),
            ],
            &[],
        );
        let told: Vec<(String, Option<String>)> = jobs
            .iter()
            .map(|job| (job.name(), job.missing.clone()))
            .collect();
        assert_eq!(
            told,
            [
                ("a::core".to_owned(), None),
                ("a::memory".to_owned(), None),
                (
                    "b::loopback".to_owned(),
                    Some("the capability wings".to_owned())
                ),
                ("c::real".to_owned(), Some("the world real".to_owned())),
            ]
        );
    }
}
