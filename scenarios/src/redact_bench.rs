//! How well redaction works: planted secrets in many dresses, in frames, HAR, JSON Lines and logs.
//!
//! `corpus` writes samples that each hold one planted secret, and decoys that hold none. [`measure`] redacts them with
//! a redactor that was told nothing and with one that knows the secrets, and counts with a reader of its own: it undoes
//! the dress by itself and looks for any eight characters of the secret that are left. Recall is the part of samples in which nothing is
//! left; over-redaction is the part of facts, in samples and decoys, that a reader needs and no longer finds.
//!
//! ```
//! let score = scenarios::redact_bench::measure(1, 2);
//! assert_eq!(score.told.samples, score.dresses.len() * 2 * 4);
//! ```

use std::collections::BTreeMap;

use serde_json::Value;
use transcript::Redactor;

mod corpus;
mod reader;
pub mod rival;

pub use corpus::{Carrier, Dress, Sample};

/// One redactor's result.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Samples with a planted secret.
    pub samples: usize,
    /// Samples in which no part of it is left.
    pub hidden: usize,
    /// Facts that must stay.
    pub facts: usize,
    /// Facts that are gone.
    pub lost: usize,
    /// Samples that leaked, by dress and carrier.
    pub leaks: BTreeMap<String, usize>,
    /// Facts that are gone, by what they were.
    pub gone: BTreeMap<String, usize>,
}

impl Tally {
    /// Part of samples in which nothing is left, 0 to 1.
    pub fn recall(&self) -> f64 {
        part(self.hidden, self.samples)
    }

    /// Part of facts that are gone, 0 to 1.
    pub fn over_redaction(&self) -> f64 {
        part(self.lost, self.facts)
    }

    fn take(&mut self, sample: &Sample, redacted: &str) {
        if let Some((secret, dress)) = &sample.planted {
            self.samples += 1;
            if reader::leaks(redacted, secret) {
                let name = format!("{dress:?} in {:?}", sample.carrier);
                *self.leaks.entry(name).or_default() += 1;
            } else {
                self.hidden += 1;
            }
        }
        for fact in &sample.facts {
            self.facts += 1;
            if !redacted.contains(fact.as_str()) {
                self.lost += 1;
                *self.gone.entry(fact.clone()).or_default() += 1;
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of samples are far below 2^52"
)]
fn part(count: usize, of: usize) -> f64 {
    if of == 0 {
        0.0
    } else {
        count as f64 / of as f64
    }
}

/// Both results.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// The dresses of the corpus.
    pub dresses: Vec<Dress>,
    /// Redaction that knows the secrets of the run, as every run and recording of clawproof has it.
    pub told: Tally,
    /// Redaction that was told nothing and has only places to go by.
    pub untold: Tally,
}

/// Plants `each` secrets in every dress and carrier.
pub fn measure(seed: u64, each: usize) -> Score {
    let samples = corpus::samples(seed, each);
    let secrets: Vec<(String, String)> = samples
        .iter()
        .filter_map(|sample| {
            Some((
                "device-token".to_owned(),
                sample.planted.as_ref()?.0.clone(),
            ))
        })
        .collect();
    let mut score = Score {
        dresses: Dress::ALL.to_vec(),
        ..Score::default()
    };
    let mut told = Redactor::with_secrets(&secrets);
    let mut untold = Redactor::new();
    for sample in &samples {
        score.told.take(sample, &redacted(&mut told, sample));
        score.untold.take(sample, &redacted(&mut untold, sample));
    }
    score
}

/// The sample as it would be written: JSON by its structure, text as text.
fn redacted(redactor: &mut Redactor, sample: &Sample) -> String {
    let lines = sample
        .text
        .lines()
        .map(|line| match serde_json::from_str::<Value>(line) {
            Ok(value) if value.is_object() => redactor.redact(&value).to_string(),
            _ => redactor.redact_text(line),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the dress and the carrier, no planted secret is left, and next to nothing else is gone.
    #[test]
    fn known_secrets_are_hidden_and_facts_stay() {
        let score = measure(7, 3);
        assert!(score.dresses.len() >= 15);
        assert_eq!(score.told.leaks, BTreeMap::new());
        assert!(score.told.over_redaction() <= 0.01, "{:?}", score.told.gone);
    }

    /// The reader finds a secret in every dress: a count of zero leaks means something.
    #[test]
    fn the_reader_finds_every_dress() {
        for sample in corpus::samples(7, 1) {
            if let Some((secret, dress)) = &sample.planted {
                assert!(
                    reader::leaks(&sample.text, secret),
                    "{dress:?} in {:?}",
                    sample.carrier
                );
            }
        }
    }
}
