//! The judge: a pure function of what a run left behind.
//!
//! [`judge`] takes the scenario and the [`RunRecord`] and gives the [`Verdict`]. Expectations were decided while the
//! run went on ([`expectations`]), because only raw values can be compared; everything else is a fold over the
//! redacted transcript ([`invariant`]).
//!
//! | module | content |
//! |---|---|
//! | [`wire`] | who said what: actor, role and request of every entry |
//! | [`expectations`] | `expect`, `quiet`, `never`, `count`, `finally` |
//! | [`invariant`] | what always holds, one fold each |
//! | [`record`] | the input |
//! | [`verdict`] [`finding`] | the output |
//! | [`trust`] | what had been proven when a secret first crossed the wire |
//! | [`durable`] | a client's durable state without its secrets |

use crate::scenario::Scenario;

pub mod durable;
pub mod expectations;
pub mod explain;
pub mod finding;
pub mod invariant;
pub mod record;
pub mod trust;
pub mod verdict;
pub mod wire;

pub use finding::Finding;
pub use record::RunRecord;
pub use verdict::Verdict;

use explain::Explainer;
use record::RunEnd;

/// Judges a run.
///
/// The order matters: what broke the harness is no fault of the client, and a run that ran out of budget says nothing.
pub fn judge(scenario: &Scenario, record: &RunRecord) -> Verdict {
    match &record.end {
        RunEnd::Unavailable { missing } => {
            return Verdict::Skipped {
                missing: missing.clone(),
            };
        }
        RunEnd::HarnessBroke { what } => return Verdict::Broken { what: what.clone() },
        RunEnd::Completed | RunEnd::Stopped { .. } | RunEnd::OutOfBudget { .. } => {}
    }
    let explainer = Explainer::new(scenario, record);
    let mut findings = explainer.steps();
    findings.extend(explainer.ends());
    findings.extend(explainer.behaviors());
    findings.extend(explainer.invariants());
    if !findings.is_empty() {
        return Verdict::Failed(findings);
    }
    if let RunEnd::OutOfBudget { what } = &record.end {
        let why = format!("out of budget: {what}");
        return Verdict::Inconclusive { why };
    }
    Verdict::Passed
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
