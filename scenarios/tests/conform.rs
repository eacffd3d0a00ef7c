//! One test per flow and version: what the mock says is what the real gateway said when it was recorded.
//!
//! A known difference passes while it is there, and fails as stale once it is gone. `mutant::NAME` proves that the flows
//! notice a gateway that is wrong in one point.

#![expect(clippy::panic, reason = "without flows there is nothing to run")]

use std::path::Path;
use std::sync::Arc;

use gateway_core::{Mutation, PROFILES};
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::conform::{Library, Outcome, against_golden};

fn main() {
    let arguments = Arguments::from_args();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library =
        Library::load(None, here).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
    let library = Arc::new(library);
    let mut trials = flows(&library);
    trials.extend(mutants(&library));
    let orphans = library.orphans();
    trials.push(Trial::test("every golden record has its flow", move || {
        if orphans.is_empty() {
            Ok(())
        } else {
            Err(Failed::from(format!("no flow for {}", orphans.join(", "))))
        }
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn flows(library: &Arc<Library>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in PROFILES {
        for flow in library.flows.iter().filter(|flow| flow.runs_on(version)) {
            let unrecorded = matches!(library.golden(version, flow), Ok(None));
            let (library, flow) = (Arc::clone(library), flow.clone());
            let trial = Trial::test(
                format!("{version}::{}", flow.id),
                move || match against_golden(&library, &flow, version, None) {
                    Outcome::Same | Outcome::Known { .. } => Ok(()),
                    Outcome::Different(difference) => Err(difference.to_text().into()),
                    other @ (Outcome::Stale { .. }
                    | Outcome::Skipped { .. }
                    | Outcome::Broken { .. }) => Err(format!("{other:?}").into()),
                },
            );
            // Counted as skipped; `cargo xtask test` names it.
            trials.push(trial.with_ignored_flag(unrecorded));
        }
    }
    trials
}

/// Every deliberate bug is noticed by a flow that notices nothing without it.
fn mutants(library: &Arc<Library>) -> Vec<Trial> {
    let recorded = |mutation: &Mutation| {
        let flow = library.flows.iter().find(|flow| flow.id == mutation.flow());
        flow.is_some_and(|flow| {
            PROFILES
                .iter()
                .any(|version| matches!(library.golden(version, flow), Ok(Some(_))))
        })
    };
    let trial = |mutation: Mutation| {
        // One whose flow was not recorded proves nothing: it is skipped, like the flow.
        let unproven = !recorded(&mutation);
        let library = Arc::clone(library);
        let trial = Trial::test(format!("mutant::{mutation:?}"), move || {
            match caught_by(&library, mutation) {
                Some(_) => Ok(()),
                None => Err(format!("no flow notices {mutation:?}").into()),
            }
        });
        trial.with_ignored_flag(unproven)
    };
    Mutation::ALL.into_iter().map(trial).collect()
}

/// The flow that is written for the mutation, if it is `same` without it and different with it.
fn caught_by(library: &Library, mutation: Mutation) -> Option<String> {
    library
        .flows
        .iter()
        .filter(|flow| flow.id == mutation.flow())
        .find(|flow| {
            PROFILES.iter().any(|version| {
                flow.runs_on(version)
                    && against_golden(library, flow, version, None) == Outcome::Same
                    && matches!(
                        against_golden(library, flow, version, Some(mutation)),
                        Outcome::Different(_)
                    )
            })
        })
        .map(|flow| flow.id.clone())
}
