//! The published schema of the protocol: somebody else's word on what a frame looks like.
//!
//! Upstream publishes `protocol.schema.json` (npm `@openclaw/gateway-protocol`). It is fetched, never copied into this
//! repository, and given to whoever wants it as a [`Catalog`]: definitions by name, read when they are asked for.
//!
//! - `lines.rs`: the published text as a text of lines, which is quick to read;
//! - `names.rs`: which definition describes which method's params, which result, which event;
//! - `check.rs`: a value against a definition, in the gateway's words ([`problems`]);
//! - `sample.rs`: the smallest value that a definition allows ([`smallest`]).
//!
//! ```
//! use gateway_protocol::schema::Catalog;
//!
//! let text = r#"{"methods": {"x.get": {"scope": "operator.read", "since": "2026.9"}},
//!     "definitions": {"XGetParams": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}}}"#;
//! let catalog = Catalog::of_lines(Catalog::lines(text)?)?;
//! let params = catalog.params("x.get").ok_or("no params")?;
//! assert_eq!(catalog.problems(&params, &serde_json::json!({})), ["must have required property 'id'"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod lines;
mod names;
mod sample;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

pub use check::problems;
pub use sample::smallest;

/// Definitions and methods of one published schema.
///
/// Parsing all of it takes longer than most runs need it for: the text is kept, and a definition is read at its first
/// use.
pub struct Catalog {
    text: String,
    definitions: BTreeMap<String, Range<usize>>,
    scopes: BTreeMap<String, String>,
    read: Mutex<BTreeMap<String, Arc<Value>>>,
}

/// A text that is no catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// The last line is not there: the text was cut off.
    #[error("read the schema's definitions: the text is cut off")]
    CutOff,
    /// A line has another form.
    #[error("read the schema's definitions: line {line} is neither a method nor a definition")]
    BadLine {
        /// Its number, from 1.
        line: usize,
    },
}

/// Ends the text, so that half a file is noticed.
const LAST_LINE: &str = "end";

impl Catalog {
    /// The form in which a catalogue is kept: a line per method (`method NAME SCOPE`) and per definition
    /// (`definition NAME JSON`), without what only people read.
    ///
    /// # Errors
    /// When the text is no JSON object of methods and definitions.
    pub fn lines(schema: &str) -> serde_json::Result<String> {
        Ok(lines::of_published(schema)? + LAST_LINE + "\n")
    }

    /// Reads what [`lines`](Self::lines) made.
    ///
    /// # Errors
    /// [`CatalogError`] when the text is not whole.
    pub fn of_lines(text: String) -> Result<Self, CatalogError> {
        let (mut definitions, mut scopes) = (BTreeMap::new(), BTreeMap::new());
        let (mut at, mut whole) = (0, false);
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let start = at;
            at += line.len();
            let line = line.trim_end_matches('\n');
            if line == LAST_LINE {
                whole = true;
                continue;
            }
            let mut columns = line.splitn(3, '\t');
            match (columns.next(), columns.next(), columns.next()) {
                (Some("method"), Some(name), Some(scope)) => {
                    scopes.insert(name.to_owned(), scope.to_owned());
                }
                (Some("definition"), Some(name), Some(json)) => {
                    let from = start + line.len() - json.len();
                    definitions.insert(name.to_owned(), from..start + line.len());
                }
                _ => return Err(CatalogError::BadLine { line: index + 1 }),
            }
        }
        if !whole {
            return Err(CatalogError::CutOff);
        }
        Ok(Self {
            text,
            definitions,
            scopes,
            read: Mutex::new(BTreeMap::new()),
        })
    }

    /// A definition by its name.
    pub fn definition(&self, name: &str) -> Option<Arc<Value>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = read.get(name) {
            return Some(Arc::clone(known));
        }
        let json = self.text.get(self.definitions.get(name)?.clone())?;
        let definition: Arc<Value> = Arc::new(serde_json::from_str(json).ok()?);
        read.insert(name.to_owned(), Arc::clone(&definition));
        Some(definition)
    }

    /// Names of every definition.
    pub fn definitions(&self) -> impl Iterator<Item = &str> {
        self.definitions.keys().map(String::as_str)
    }

    /// Every method with its scope, as the schema has it (`operator.read`, `node`, `dynamic`).
    pub fn methods(&self) -> impl Iterator<Item = (&str, &str)> {
        self.scopes
            .iter()
            .map(|(name, scope)| (name.as_str(), scope.as_str()))
    }

    /// Whether the schema knows the method.
    pub fn has_method(&self, method: &str) -> bool {
        self.scopes.contains_key(method)
    }

    /// Name of the definition of a method's params.
    pub fn params(&self, method: &str) -> Option<String> {
        self.named(names::params(method))
    }

    /// Name of the definition of a method's result.
    pub fn result(&self, method: &str) -> Option<String> {
        names::results(method)
            .into_iter()
            .find_map(|name| self.named(Some(name)))
    }

    /// Name of the definition of an event's payload.
    pub fn event(&self, event: &str) -> Option<String> {
        self.named(Some(names::event(event)))
    }

    fn named(&self, name: Option<String>) -> Option<String> {
        name.filter(|name| self.definitions.contains_key(name))
    }

    /// What is wrong with a value, in the gateway's words; nothing for a definition that is not there.
    pub fn problems(&self, definition: &str, value: &Value) -> Vec<String> {
        self.definition(definition)
            .map_or_else(Vec::new, |schema| problems(&schema, value))
    }
}

/// Only names: the text is megabytes.
impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("definitions", &self.definitions.len())
            .field("methods", &self.scopes.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "methods": {"a.b": {"scope": "operator.read"}},
            "definitions": {
                "ABParams": {"type": "object", "description": "for people", "properties": {
                    "description": {"type": "string", "description": "for people"},
                }},
                "ABResponse": {"type": "null"},
            },
        })
    }

    #[test]
    fn prose_goes_and_properties_of_that_name_stay() {
        let catalog = Catalog::of_lines(Catalog::lines(&schema().to_string()).unwrap()).unwrap();
        let params = catalog.definition("ABParams").unwrap();
        let bare = json!({"type": "object", "properties": {"description": {"type": "string"}}});
        assert_eq!(*params, bare);
        assert_eq!(catalog.result("a.b").as_deref(), Some("ABResponse"));
        assert_eq!(
            catalog.methods().collect::<Vec<_>>(),
            [("a.b", "operator.read")]
        );
    }

    #[test]
    fn half_a_file_is_noticed() {
        let mut lines = Catalog::lines(&schema().to_string()).unwrap();
        lines.truncate(lines.len() - 4);
        assert_eq!(Catalog::of_lines(lines).unwrap_err(), CatalogError::CutOff);
        let odd = Catalog::of_lines("method\tx\n".to_owned());
        assert_eq!(odd.unwrap_err(), CatalogError::BadLine { line: 1 });
    }
}
