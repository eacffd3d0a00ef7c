//! The message behind an entry: kept as it came, parsed at most once, shared by its `sent` and `delivered` entries.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

enum Content {
    Text(Box<str>),
    Binary(Box<[u8]>),
}

struct Inner {
    content: Content,
    frame: OnceLock<Option<Arc<Value>>>,
}

/// One message. Cloning shares it. It has no `Debug`, so it cannot be printed by accident.
#[derive(Clone)]
pub struct Payload(Arc<Inner>);

impl Payload {
    /// A text message.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::new(Content::Text(text.into()))
    }

    /// A binary message, or the body of a ping or pong.
    pub fn binary(bytes: impl Into<Box<[u8]>>) -> Self {
        Self::new(Content::Binary(bytes.into()))
    }

    fn new(content: Content) -> Self {
        Self(Arc::new(Inner {
            content,
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
        serde_json::from_str(text)
            .ok()
            .filter(|value: &Value| value.is_object() || value.is_array())
            .map(Arc::new)
    }
}
