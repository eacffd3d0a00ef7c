//! What the mean drawn flow is made of: `cargo run --release -p scenarios --example explore_census -- 3000`.
//!
//! Counted on whole runs in `core`, so that docs/performance.md can say what a flow is. With `both` as a second argument every
//! companion has both roles, as in the third of the flows that has them.

#![expect(clippy::print_stdout, reason = "its lines are what it is for")]

use std::sync::Arc;

use scenarios::explore::{Flow, Roles};
use scenarios::run::{Job, run_job};
use scenarios::scenario::WorldName;
use serde_json::Value;
use transcript::{Direction, Stage};

/// Sums over all flows.
#[derive(Default)]
struct Census {
    flows: usize,
    events: usize,
    steps: usize,
    connects: usize,
    hellos: usize,
    requests: usize,
    entries: usize,
    both_roles: usize,
}

fn main() {
    let seeds = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let all_have_both = std::env::args().nth(2).as_deref() == Some("both");
    let mut census = Census::default();
    for seed in 0..seeds.unwrap_or(1_000) {
        let mut flow = Flow::drawn(seed);
        flow.links.clear();
        if all_have_both {
            flow.roles = Roles::Both;
        }
        census.take(&flow, seed);
    }
    census.tell();
}

impl Census {
    fn take(&mut self, flow: &Flow, seed: u64) {
        let Some(mut scenario) = flow.scenario(&format!("found/seed-{seed}"), None) else {
            return;
        };
        scenario.seed = Some(seed);
        self.flows += 1;
        self.events += flow.events.len();
        self.steps += scenario.steps.len();
        self.both_roles += usize::from(flow.roles == Roles::Both);
        let job = Job {
            scenario: Arc::new(scenario),
            world: WorldName::Core,
            missing: None,
            ground: None,
            client: None,
        };
        let outcome = run_job(&job, seed, None);
        for entry in &outcome.record.transcript.entries {
            self.entries += 1;
            let Some(frame) = entry.frame.as_deref() else {
                continue;
            };
            if entry.stage != Some(Stage::Sent) {
                continue;
            }
            let text = |name: &str| frame.get(name).and_then(Value::as_str);
            if entry.dir == Some(Direction::ClientToGateway) && text("type") == Some("req") {
                let is_connect = text("method") == Some("connect");
                self.connects += usize::from(is_connect);
                self.requests += usize::from(!is_connect);
            }
            let kind = frame.pointer("/payload/type").and_then(Value::as_str);
            self.hellos += usize::from(kind == Some("hello-ok"));
        }
    }

    fn tell(&self) {
        let rows = [
            ("events", self.events),
            ("steps", self.steps),
            ("signed connects", self.connects),
            ("hello-oks", self.hellos),
            ("other requests", self.requests),
            ("entries", self.entries),
            ("with both roles", self.both_roles),
        ];
        println!("{} flows, of each on average:", self.flows);
        for (name, sum) in rows {
            let mean = f64::from(u32::try_from(sum).unwrap_or(u32::MAX));
            let flows = f64::from(u32::try_from(self.flows.max(1)).unwrap_or(u32::MAX));
            println!("{name}: {:.2}", mean / flows);
        }
    }
}
