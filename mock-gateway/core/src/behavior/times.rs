//! How often a behaviour applies, and how often it should have.
//!
//! A number limits: after that many uses the behaviour steps aside, and the next match goes to another behaviour or
//! to the built-in answer. A range only demands. What is demanded and not met is a finding.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const EXPECTED: &str = "a number, or a table of `exactly`, `at_least` and `at_most`";

/// Written as `3`, or as `{ exactly = 3 }`, `{ at_least = 1, at_most = 3 }`.
///
/// ```
/// use gateway_core::Times;
///
/// let limited: Times = serde_json::from_str("2")?;
/// assert!(limited.is_spent(2) && limited.verdict(1, false).is_err());
/// let demanded: Times = serde_json::from_str(r#"{"at_least": 2}"#)?;
/// assert!(!demanded.is_spent(9) && demanded.verdict(9, false).is_ok());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    limit: Option<u32>,
    at_least: Option<u32>,
    at_most: Option<u32>,
}

impl Times {
    /// This often, then it steps aside.
    pub fn limited(limit: u32) -> Self {
        Self {
            limit: Some(limit),
            ..Self::default()
        }
    }

    /// Within these bounds, without a limit.
    pub fn demanded(uses: &impl RangeBounds<u32>) -> Self {
        let at_least = match uses.start_bound() {
            Bound::Included(least) => Some(*least),
            Bound::Excluded(below) => Some(below.saturating_add(1)),
            Bound::Unbounded => None,
        };
        let at_most = match uses.end_bound() {
            Bound::Included(most) => Some(*most),
            Bound::Excluded(above) => Some(above.saturating_sub(1)),
            Bound::Unbounded => None,
        };
        Self {
            limit: None,
            at_least,
            at_most,
        }
    }

    /// Whether nothing is said.
    pub fn is_unsaid(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it has no uses left.
    pub fn is_spent(&self, applied: u32) -> bool {
        self.limit.is_some_and(|limit| applied >= limit)
    }

    /// Whether it was used as often as it should; the error says how often that is.
    ///
    /// # Errors
    /// `"exactly 2 uses"` and the like.
    pub fn verdict(&self, applied: u32, optional: bool) -> Result<(), String> {
        let least = self.at_least.or(self.limit);
        let least = least.unwrap_or_else(|| u32::from(!optional && self.at_most != Some(0)));
        let least = if optional && applied == 0 { 0 } else { least };
        let most = self.at_most.or(self.limit);
        if applied >= least && most.is_none_or(|most| applied <= most) {
            return Ok(());
        }
        Err(match (least, most) {
            (least, Some(most)) if least == most => format!("exactly {}", uses(least)),
            (0, Some(most)) => format!("at most {}", uses(most)),
            (least, Some(most)) => format!("{least} to {}", uses(most)),
            (least, None) => format!("at least {}", uses(least)),
        })
    }

    pub(super) fn check(self) -> Result<(), String> {
        if self.limit == Some(0) {
            return Err("`times`: a behaviour that applies 0 times does nothing; for one that must not be used write `{ exactly = 0 }`".to_owned());
        }
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least > most => Err(format!(
                "`times`: at least {least} and at most {most} can't both hold"
            )),
            _ => Ok(()),
        }
    }
}

fn uses(count: u32) -> String {
    if count == 1 {
        "1 use".to_owned()
    } else {
        format!("{count} uses")
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(limit) = self.limit {
            return serializer.serialize_u32(limit);
        }
        let mut map = serializer.serialize_map(None)?;
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least == most => map.serialize_entry("exactly", &least)?,
            (least, most) => {
                for (name, count) in [("at_least", least), ("at_most", most)] {
                    if let Some(count) = count {
                        map.serialize_entry(name, &count)?;
                    }
                }
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;

        impl<'de> Visitor<'de> for Form {
            type Value = Times;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTED)
            }

            fn visit_u64<E: de::Error>(self, limit: u64) -> Result<Times, E> {
                u32::try_from(limit)
                    .map(Times::limited)
                    .map_err(|_too_many| E::invalid_value(de::Unexpected::Unsigned(limit), &self))
            }

            fn visit_i64<E: de::Error>(self, limit: i64) -> Result<Times, E> {
                u64::try_from(limit)
                    .map_err(|_negative| E::invalid_value(de::Unexpected::Signed(limit), &self))
                    .and_then(|limit| self.visit_u64(limit))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Times, E> {
                Ok(Times::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Times, A::Error> {
                const FIELDS: &[&str] = &["exactly", "at_least", "at_most"];
                let mut times = Times::default();
                while let Some(name) = map.next_key::<String>()? {
                    let count: u32 = map.next_value()?;
                    match name.as_str() {
                        "exactly" => (times.at_least, times.at_most) = (Some(count), Some(count)),
                        "at_least" => times.at_least = Some(count),
                        "at_most" => times.at_most = Some(count),
                        _ => return Err(de::Error::unknown_field(&name, FIELDS)),
                    }
                }
                Ok(times)
            }
        }

        deserializer.deserialize_any(Form)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("null", 0, Some("at least 1 use"))]
    #[case("null", 1, None)]
    #[case("2", 1, Some("exactly 2 uses"))]
    #[case("2", 2, None)]
    #[case(r#"{"exactly":0}"#, 0, None)]
    #[case(r#"{"exactly":0}"#, 1, Some("exactly 0 uses"))]
    #[case(r#"{"at_least":2}"#, 1, Some("at least 2 uses"))]
    #[case(r#"{"at_most":2}"#, 3, Some("1 to 2 uses"))]
    #[case(r#"{"at_least":1,"at_most":3}"#, 4, Some("1 to 3 uses"))]
    fn what_is_demanded_is_said(
        #[case] times: &str,
        #[case] applied: u32,
        #[case] missed: Option<&str>,
    ) {
        let times: Times = serde_json::from_str(times).unwrap();
        assert_eq!(times.verdict(applied, false).err().as_deref(), missed);
        let again: Times = serde_json::from_value(serde_json::to_value(times).unwrap()).unwrap();
        assert_eq!(again, times);
    }

    #[test]
    fn an_optional_one_may_stay_unused_but_not_be_used_too_rarely() {
        assert!(Times::limited(2).verdict(0, true).is_ok());
        assert!(Times::limited(2).verdict(1, true).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Times::limited(0).check().is_err());
        assert!(
            Times::demanded(&std::ops::RangeInclusive::new(3, 2))
                .check()
                .is_err()
        );
        let unknown = serde_json::from_str::<Times>(r#"{"once":true}"#).unwrap_err();
        assert!(
            unknown.to_string().contains("invalid type") || unknown.to_string().contains("once")
        );
    }
}
