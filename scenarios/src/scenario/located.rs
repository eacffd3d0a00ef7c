//! A value together with where in its file it was written.

use std::ops::{Deref, DerefMut, Range};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A part of a scenario that remembers its bytes in the file, so that a finding can point there.
///
/// Parts made in Rust have no place. Equality ignores the place.
#[derive(Clone, Debug, Default)]
pub struct Located<T> {
    /// The part itself.
    pub value: T,
    /// Byte range in the file that it came from.
    pub at: Option<Range<usize>>,
}

impl<T> Located<T> {
    /// A part without a place in a file.
    pub const fn nowhere(value: T) -> Self {
        Self { value, at: None }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Located<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        let at = spanned.span();
        Ok(Self {
            value: spanned.into_inner(),
            at: Some(at),
        })
    }
}

impl<T: Serialize> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
