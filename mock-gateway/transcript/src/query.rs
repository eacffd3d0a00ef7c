//! Selects entries of a transcript.
//!
//! A query is a list of `name=value` words that must all hold; a value may hold `*` at its end.
//!
//! ```
//! use transcript::Query;
//! let query: Query = "conn=2 dir=c2g method=node.*".parse().unwrap();
//! assert!("direction=c2g".parse::<Query>().is_err());
//! # let _ = query;
//! ```

use std::str::FromStr;

use crate::entry::{Direction, Entry, Kind, Stage};
use crate::reader::Transcript;

/// What an entry must be to be selected; an unset field selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Connection number.
    pub conn: Option<u32>,
    /// Party in the scenario.
    pub actor: Option<String>,
    /// Direction.
    pub dir: Option<Direction>,
    /// Stage.
    pub stage: Option<Stage>,
    /// Kind.
    pub kind: Option<Kind>,
    /// Method of a request frame; `node.*` selects every method that begins with `node.`.
    pub method: Option<String>,
    /// Name of an event frame; may end in `*`.
    pub event: Option<String>,
    /// Id of a request or response frame.
    pub id: Option<String>,
    /// `error.code` of a response frame.
    pub error: Option<String>,
    /// `ok` of a response frame.
    pub ok: Option<bool>,
}

/// A word of a query that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("query word `{word}`: expected {expected}")]
pub struct QueryError {
    /// The word as written.
    pub word: String,
    /// What would have been understood.
    pub expected: &'static str,
}

impl Query {
    /// Whether an entry is selected.
    pub fn selects(&self, entry: &Entry) -> bool {
        fits(self.conn.as_ref(), entry.conn.as_ref())
            && fits(self.dir.as_ref(), entry.dir.as_ref())
            && fits(self.stage.as_ref(), entry.stage.as_ref())
            && fits(self.kind.as_ref(), Some(&entry.kind))
            && fits(self.ok.as_ref(), entry.ok().as_ref())
            && named(self.actor.as_deref(), entry.actor.as_deref())
            && named(self.method.as_deref(), entry.method())
            && named(self.event.as_deref(), entry.event())
            && named(self.id.as_deref(), entry.request_id())
            && named(self.error.as_deref(), entry.error_code())
    }
}

impl Transcript {
    /// The entries that a query selects, in order.
    pub fn select<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a Entry> {
        self.entries.iter().filter(|entry| query.selects(entry))
    }
}

fn fits<T: PartialEq>(wanted: Option<&T>, actual: Option<&T>) -> bool {
    wanted.is_none() || wanted == actual
}

fn named(wanted: Option<&str>, actual: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    let Some(actual) = actual else { return false };
    match wanted.strip_suffix('*') {
        Some(prefix) => actual.starts_with(prefix),
        None => wanted == actual,
    }
}

const NAMES: &str = "conn, actor, dir, stage, kind, method, event, id, error or ok, then `=`";

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut query = Self::default();
        for word in text.split_whitespace() {
            query.word(word)?;
        }
        Ok(query)
    }
}

impl Query {
    fn word(&mut self, word: &str) -> Result<(), QueryError> {
        let fail = |expected| QueryError {
            word: word.to_owned(),
            expected,
        };
        let (name, value) = word.split_once('=').ok_or_else(|| fail(NAMES))?;
        let text = Some(value.to_owned());
        match name {
            "conn" => {
                self.conn = Some(
                    value
                        .parse()
                        .map_err(|_| fail("a connection number from 1"))?,
                );
            }
            "dir" => self.dir = Some(named_value(value).ok_or_else(|| fail("c2g or g2c"))?),
            "stage" => {
                self.stage = Some(
                    named_value(value).ok_or_else(|| fail("sent, delivered, dropped or held"))?,
                );
            }
            "kind" => {
                self.kind = Some(
                    named_value(value)
                        .ok_or_else(|| fail("a kind of entry, such as text or close"))?,
                );
            }
            "ok" => self.ok = Some(value.parse().map_err(|_| fail("true or false"))?),
            "actor" => self.actor = text,
            "method" => self.method = text,
            "event" => self.event = text,
            "id" => self.id = text,
            "error" => self.error = text,
            _ => return Err(fail(NAMES)),
        }
        Ok(())
    }
}

fn named_value<T: serde::de::DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(name.into()).ok()
}
