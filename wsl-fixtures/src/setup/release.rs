//! Which releases of OpenClaw a set-up installs. ref: setup-and-wsl.md §9
//!
//! ```
//! use wsl_fixtures::setup::release::{self, RECOMMENDED};
//! assert_eq!(release::select("recommended", false).unwrap(), RECOMMENDED);
//! assert!(release::select("2026.7.1", true).is_err());
//! ```

/// What is installed unless something else is asked for.
pub const RECOMMENDED: &str = "2026.6.34";
/// What is installed when the recommended one does not work here; nothing older is safe.
pub const FALLBACK: &str = "2026.6.11";
/// The protocol that every release of the policy speaks.
pub const PROTOCOL_GENERATION: u64 = 4;

/// Every release that the policy knows.
const KNOWN: [(&str, Standing); 5] = [
    (RECOMMENDED, Standing::Attested),
    (FALLBACK, Standing::Attested),
    ("2026.7.1", Standing::Rejected),
    ("2026.7.1-2", Standing::Rejected),
    ("2026.9.6", Standing::Candidate),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Tried with this set-up.
    Attested,
    /// Known not to work.
    Rejected,
    /// To be tried by whoever says so.
    Candidate,
}

/// Why a release is not installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Nobody has tried it with this set-up, or it is known not to work.
    #[error(
        "UnattestedRelease: {0} is none of the releases that this set-up was tried with: {RECOMMENDED}, {FALLBACK}"
    )]
    Unattested(String),
    /// It is older than the oldest that is safe.
    #[error("BelowSecurityFloor: {0} is older than {FALLBACK}, the oldest release that is safe")]
    BelowFloor(String),
    /// It has to be asked for as a candidate.
    #[error("{0} is a candidate: --validate-gateway-candidate tries it")]
    Candidate(String),
}

/// The release that `wanted` names: `recommended`, `fallback`, or an exact one. `validates` lets a candidate be tried.
///
/// # Errors
/// [`ReleaseError`].
pub fn select(wanted: &str, validates: bool) -> Result<&'static str, ReleaseError> {
    match wanted {
        "recommended" => return Ok(RECOMMENDED),
        "fallback" => return Ok(FALLBACK),
        _exact => {}
    }
    if numbers(wanted).is_some_and(|wanted| Some(wanted) < numbers(FALLBACK)) {
        return Err(ReleaseError::BelowFloor(wanted.to_owned()));
    }
    let known = KNOWN.iter().find(|(version, _)| *version == wanted);
    match known {
        Some((version, Standing::Attested)) => Ok(version),
        Some((version, Standing::Candidate)) if validates => Ok(version),
        Some((_, Standing::Candidate)) => Err(ReleaseError::Candidate(wanted.to_owned())),
        Some((_, Standing::Rejected)) | None => Err(ReleaseError::Unattested(wanted.to_owned())),
    }
}

/// The numbers of a release, where it consists of them.
fn numbers(version: &str) -> Option<Vec<u32>> {
    let parts = version.split(['.', '-']);
    parts.map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::recommended("recommended", RECOMMENDED)]
    #[case::fallback("fallback", FALLBACK)]
    #[case::exact("2026.6.34", RECOMMENDED)]
    #[case::the_floor_itself("2026.6.11", FALLBACK)]
    fn what_was_tried_is_installed(#[case] wanted: &str, #[case] expected: &str) {
        assert_eq!(select(wanted, false), Ok(expected));
        assert_eq!(select(wanted, true), Ok(expected));
    }

    #[rstest]
    #[case::older("2026.6.10", "BelowSecurityFloor")]
    #[case::last_year("2025.12.31", "BelowSecurityFloor")]
    #[case::no_release("latest", "UnattestedRelease")]
    #[case::rejected("2026.7.1", "UnattestedRelease")]
    #[case::rejected_again("2026.7.1-2", "UnattestedRelease")]
    #[case::unknown("2026.6.35", "UnattestedRelease")]
    #[case::of_the_future("2027.1.1", "UnattestedRelease")]
    fn everything_else_is_refused_even_as_a_candidate(#[case] wanted: &str, #[case] word: &str) {
        for validates in [false, true] {
            let error = select(wanted, validates).unwrap_err().to_string();
            assert!(error.starts_with(word) && error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_candidate_has_to_be_asked_for() {
        let error = select("2026.9.6", false).unwrap_err();
        assert!(error.to_string().contains("--validate-gateway-candidate"));
        assert_eq!(select("2026.9.6", true), Ok("2026.9.6"));
    }
}
