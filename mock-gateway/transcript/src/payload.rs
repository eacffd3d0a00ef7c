//! The message behind an entry: kept as it came, parsed at most once, shared by its `sent` and `delivered` entries.

use std::sync::{Arc, OnceLock};

use gateway_protocol::hello;
use serde_json::Value;

/// A hello-ok says that it is one within its first so many bytes, unless the id of its request is a long one.
const BEGINNING: usize = 160;

enum Content {
    Text(Box<str>),
    Binary(Box<[u8]>),
}

struct Inner {
    content: Content,
    is_brief: bool,
    frame: OnceLock<Option<Arc<Value>>>,
}

/// One message. Cloning shares it. It has no `Debug`, so it cannot be printed by accident.
#[derive(Clone)]
pub struct Payload(Arc<Inner>);

impl Payload {
    /// A text message.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::new(Content::Text(text.into()), false)
    }

    /// A text message whose [`Payload::frame`], when it is a hello-ok, lacks the lists that nobody reads: they are most of
    /// its values.
    pub fn brief(text: impl Into<Box<str>>) -> Self {
        Self::new(Content::Text(text.into()), true)
    }

    /// A text message of which it is known what it says, so that nobody has to read it again.
    pub fn known(text: impl Into<Box<str>>, frame: Value) -> Self {
        let text = text.into();
        debug_assert_eq!(
            serde_json::from_str(&text).ok().as_ref(),
            Some(&frame),
            "what is known is what would be read"
        );
        let frame = Some(Arc::new(frame)).filter(|frame| frame.is_object() || frame.is_array());
        Self(Arc::new(Inner {
            content: Content::Text(text),
            is_brief: false,
            frame: OnceLock::from(frame),
        }))
    }

    /// A binary message, or the body of a ping or pong.
    pub fn binary(bytes: impl Into<Box<[u8]>>) -> Self {
        Self::new(Content::Binary(bytes.into()), false)
    }

    fn new(content: Content, is_brief: bool) -> Self {
        Self(Arc::new(Inner {
            content,
            is_brief,
            frame: OnceLock::new(),
        }))
    }

    /// The text, if it is a text message.
    pub fn as_text(&self) -> Option<&str> {
        match &self.0.content {
            Content::Text(text) => Some(text),
            Content::Binary(_) => None,
        }
    }

    /// The text of which [`Payload::frame`] is all, if it is a text message.
    pub(crate) fn whole_text(&self) -> Option<&str> {
        self.as_text().filter(|text| !self.is_cut(text))
    }

    fn is_cut(&self, text: &str) -> bool {
        self.0.is_brief && is_hello(text)
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0.content {
            Content::Text(text) => text.as_bytes(),
            Content::Binary(bytes) => bytes,
        }
    }

    /// The text as JSON, if it is an object or an array.
    ///
    /// ```
    /// use transcript::Payload;
    /// assert_eq!(Payload::text("{\"a\":1}").frame().unwrap()["a"], 1);
    /// assert!(Payload::text("17").frame().is_none());
    /// ```
    pub fn frame(&self) -> Option<&Value> {
        self.0.frame.get_or_init(|| self.parse()).as_deref()
    }

    /// The same, to keep.
    pub fn shared_frame(&self) -> Option<Arc<Value>> {
        self.0.frame.get_or_init(|| self.parse()).clone()
    }

    /// Whether both are the same message, not merely equal ones.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn parse(&self) -> Option<Arc<Value>> {
        let text = self.as_text()?;
        let value = if self.is_cut(text) {
            hello::read_without_lists(text)
        } else {
            serde_json::from_str(text)
        };
        value
            .ok()
            .filter(|value: &Value| value.is_object() || value.is_array())
            .map(Arc::new)
    }
}

fn is_hello(text: &str) -> bool {
    let beginning = text.as_bytes();
    let beginning = beginning.get(..BEGINNING).unwrap_or(beginning);
    let mark = b"\"type\":\"hello-ok\"";
    beginning.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_is_not_read() {
        let payload = Payload::known("{\"a\":1}", json!({"a": 1}));
        assert_eq!(payload.frame(), Payload::text("{\"a\":1}").frame());
        assert_eq!(payload.whole_text(), Some("{\"a\":1}"));
        assert!(Payload::known("17", json!(17)).frame().is_none());
    }

    #[test]
    fn a_brief_hello_lacks_its_lists_and_nothing_else() {
        let whole = json!({"type": "res", "id": "1", "ok": true, "payload": {
            "type": "hello-ok", "features": {"methods": ["health"]}, "snapshot": {}, "auth": {"role": "node"},
        }});
        let brief = json!({"type": "res", "id": "1", "ok": true, "payload": {
            "type": "hello-ok", "auth": {"role": "node"},
        }});
        let text = whole.to_string();
        assert_eq!(Payload::text(text.as_str()).frame(), Some(&whole));
        assert_eq!(Payload::brief(text.as_str()).frame(), Some(&brief));
        // What is no hello-ok is whole.
        let other = text.replace("hello-ok", "hello");
        let parsed: Value = serde_json::from_str(&other).unwrap();
        assert_eq!(Payload::brief(other).frame(), Some(&parsed));
        assert!(Payload::brief("17").frame().is_none());
    }
}
