//! One test per flow and version: what the mock says is what the real gateway said when it was recorded.
//!
//! A known difference passes while it is there, and fails as stale once it is gone.

use std::path::Path;
use std::sync::Arc;

use gateway_core::PROFILES;
use libtest_mimic::{Arguments, Failed, Trial};
use scenarios::conform::{Library, Outcome, against_golden};

fn main() {
    let arguments = Arguments::from_args();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library =
        Library::load(None, here).unwrap_or_else(|problems| panic!("{}", problems.join("\n")));
    let library = Arc::new(library);
    let mut trials = flows(&library);
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
            // Not every flow could be recorded from the real gateway yet.
            if matches!(library.golden(version, flow), Ok(None)) {
                continue;
            }
            let (library, flow) = (Arc::clone(library), flow.clone());
            trials.push(Trial::test(
                format!("{version}::{}", flow.id),
                move || match against_golden(&library, &flow, version, None) {
                    Outcome::Same | Outcome::Known { .. } => Ok(()),
                    Outcome::Different(difference) => Err(difference.to_text().into()),
                    other => Err(format!("{other:?}").into()),
                },
            ));
        }
    }
    trials
}
