//! Lengths of time as people write them: `"35s"`, `"1m 30s"`, `"200ms"`.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time in a scenario file.
///
/// ```
/// use scenarios::scenario::Lapse;
/// let lapse: Lapse = "1m 30s".parse().unwrap();
/// assert_eq!(lapse.0.as_secs(), 90);
/// assert_eq!(lapse.to_string(), "1m 30s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Lapse(pub Duration);

/// A length of time with a sign: how far a clock is ahead (or, with `-`, behind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Offset {
    /// Milliseconds ahead of true time; negative when behind.
    pub millis: i64,
}

/// Text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "read {got:?} as a length of time: expected something like \"35s\", \"200ms\" or \"1m 30s\""
)]
pub struct LapseError {
    /// The text as written.
    pub got: String,
}

impl Lapse {
    /// A lapse of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A lapse of milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

fn signed(text: &str) -> Result<SignedDuration, LapseError> {
    text.parse().map_err(|_refused: jiff::Error| LapseError {
        got: text.to_owned(),
    })
}

impl std::str::FromStr for Lapse {
    type Err = LapseError;

    fn from_str(text: &str) -> Result<Self, LapseError> {
        Duration::try_from(signed(text)?)
            .map(Self)
            .map_err(|_negative| LapseError {
                got: text.to_owned(),
            })
    }
}

impl std::str::FromStr for Offset {
    type Err = LapseError;

    fn from_str(text: &str) -> Result<Self, LapseError> {
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let millis = i64::try_from(signed(rest)?.as_millis()).map_err(|_too_long| LapseError {
            got: text.to_owned(),
        })?;
        Ok(Self {
            millis: sign * millis,
        })
    }
}

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(signed) => write!(f, "{signed:#}"),
            Err(_too_long) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis < 0 {
            f.write_str("-")?;
        }
        Lapse::millis(self.millis.unsigned_abs()).fmt(f)
    }
}

macro_rules! as_text {
    ($name:ident, $example:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": concat!("A length of time, for example ", $example, "."),
                    "examples": [$example],
                })
            }
        }
    };
}

as_text!(Lapse, "35s");
as_text!(Offset, "-12h");

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("35s", 35_000)]
    #[case("200ms", 200)]
    #[case("1m 30s", 90_000)]
    #[case("2h", 7_200_000)]
    fn lengths_of_time_read_and_print_alike(#[case] text: &str, #[case] millis: u64) {
        let lapse: Lapse = text.parse().unwrap();
        assert_eq!(lapse, Lapse::millis(millis));
        assert_eq!(lapse.to_string().parse::<Lapse>().unwrap(), lapse);
    }

    #[rstest]
    #[case("-12h", -43_200_000)]
    #[case("130s", 130_000)]
    #[case("+1s", 1_000)]
    fn offsets_carry_a_sign(#[case] text: &str, #[case] millis: i64) {
        let offset: Offset = text.parse().unwrap();
        assert_eq!(offset.millis, millis);
        assert_eq!(offset.to_string().parse::<Offset>().unwrap(), offset);
    }

    #[rstest]
    #[case("soon")]
    #[case("")]
    #[case("-3s")]
    #[case("35")]
    fn what_is_no_length_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Lapse>().unwrap_err().got, text);
    }
}
