//! The line of an entry, as it stands in a file.
//!
//! Almost every entry is a frame that is written as `serde_json` writes, and little of it is replaced. So its text is
//! copied, and looked through on a [`super::tape`] by the rules by which [`Redactor::entry`] looks through a JSON value. What
//! has no tape becomes a value first.

use super::marks::Marks;
use super::structure::{Class, Hints};
use super::tape::{Frame, Kind, Token};
use super::{Message, Redactor};
use crate::encoding::MIN_SEARCHED;
use crate::entry::RawEntry;
use crate::payload::Payload;
use crate::writer::to_line;

impl Redactor {
    /// The redacted form of one entry as a line of a transcript.
    pub fn line(&mut self, raw: &RawEntry) -> String {
        let copied = match raw.only_text() {
            Some((payload, text)) => self.copied(raw, payload, text),
            None => None,
        };
        // Strings, numbers and JSON values: printing them can't fail.
        copied.unwrap_or_else(|| to_line(&self.entry(raw)).unwrap_or_default())
    }

    /// The line of a frame whose text is copied; none where only its value can be redacted.
    fn copied(&mut self, raw: &RawEntry, payload: &Payload, text: &str) -> Option<String> {
        let mut line = raw.head(text.len())?;
        match &self.last {
            Some((known, Message::Text(shown))) if known.is(payload) => line.push_str(shown),
            Some((known, Message::Frame(_) | Message::Raw(_))) if known.is(payload) => return None,
            Some(_) | None => {
                let mut tape = std::mem::take(&mut self.tape);
                let mut told = std::mem::take(&mut self.told);
                let begin = line.len();
                let frame = tape.read(text).filter(|frame| !self.is_signed(*frame));
                let is_written = frame.is_some_and(|frame| {
                    self.learn_frame(frame, &mut told);
                    self.write_frame(frame, &mut told, &mut line).is_some()
                });
                (self.tape, self.told) = (tape, told);
                if !is_written {
                    return None;
                }
                self.remember(payload, line.get(begin..).unwrap_or_default());
            }
        }
        line.push_str("}\n");
        Some(line)
    }

    /// Keeps the text that a message became, in the memory of the one before it.
    fn remember(&mut self, payload: &Payload, shown: &str) {
        let mut kept = match self.last.take() {
            Some((_, Message::Text(kept))) => kept,
            Some((_, Message::Frame(_) | Message::Raw(_))) | None => String::new(),
        };
        kept.clear();
        kept.push_str(shown);
        self.last = Some((payload.clone(), Message::Text(kept)));
    }

    /// Whether it may have to be signed again, which takes its value.
    fn is_signed(&self, frame: Frame<'_>) -> bool {
        let is_connect = |member: (&str, Option<_>)| matches!(member, ("method", Some(method)) if method == "connect");
        self.identities.is_some() && frame.members(0).any(is_connect)
    }

    /// Learns what [`Redactor::learn`] learns of the frame's value, in the same order, and notes what tells something.
    fn learn_frame(&mut self, frame: Frame<'_>, told: &mut Told) {
        told.clear();
        for (at, token) in frame.tokens.iter().enumerate() {
            match token.kind {
                Kind::Object if token.hints.has(Hints::PLACE.and(Hints::DEVICE)) => {
                    self.learn_object(frame.members(at));
                }
                Kind::Array => {
                    if let Some((value, class)) = frame.pair(at) {
                        self.learn_secret(class, &frame.said(value).0, 0);
                    }
                }
                Kind::Text => {
                    if let Some(class) = frame.class(token) {
                        self.learn_secret(class, &frame.said(token).0, 0);
                    } else if token.marks.may_tell() {
                        let (text, marks) = frame.said(token);
                        if self.learn_marked(&text, marks, 0) || token.marks.has(Marks::ESCAPED) {
                            told.add(at);
                        }
                    }
                }
                Kind::Object | Kind::Other => {}
            }
        }
    }

    /// Writes what the frame becomes; none where something else than its strings changes.
    fn write_frame(&mut self, frame: Frame<'_>, told: &mut Told, line: &mut String) -> Option<()> {
        let (mut copied, mut paired) = (0, None);
        for (at, token) in frame.tokens.iter().enumerate() {
            let name = frame.name(token).filter(|name| name.len() >= MIN_SEARCHED);
            if name.is_some_and(|name| self.needles.find(name.as_bytes(), 0).is_some()) {
                return None;
            }
            match token.kind {
                Kind::Text => {
                    let is_told = told.next_is(at);
                    let pair = paired.take_if(|(value, _)| *value == at);
                    let class = pair.map_or_else(|| frame.class(token), |(_, class)| Some(class));
                    if let Some(shown) = self.changed_token(frame, token, class, is_told) {
                        line.push_str(frame.text.get(copied..token.start())?);
                        push_escaped(line, &shown)?;
                        copied = token.end();
                    }
                }
                // A password of digits becomes a string.
                Kind::Other if frame.class(token).is_some_and(|it| it.kind == "password") => {
                    return None;
                }
                Kind::Array => paired = frame.pair(at).map(|(_, class)| (at + 2, class)),
                Kind::Object | Kind::Other => {}
            }
        }
        line.push_str(frame.text.get(copied..)?);
        Some(())
    }

    /// What a text becomes, which tells something itself, or not.
    fn changed_token(
        &mut self,
        frame: Frame<'_>,
        token: &Token,
        class: Option<Class>,
        is_told: bool,
    ) -> Option<String> {
        let is_named = token.hints.has(Hints::PLACE);
        if class.is_none() && !is_named && !is_told {
            let text = frame.raw(token);
            let is_known = || {
                self.places
                    .as_ref()
                    .is_some_and(|places| places.holds_word(text))
            };
            if self.needles.find(text.as_bytes(), 0).is_none() && !is_known() {
                return None;
            }
        }
        let (text, marks) = frame.said(token);
        match frame.name(token).filter(|_| is_named) {
            Some(name) => self.changed_member_text(name, class, &text, marks, 0),
            None => self.changed_as(class, &text, marks, 0),
        }
    }
}

/// The texts of a frame that tell something themselves, or are escaped, in their order.
#[derive(Debug, Default)]
pub(super) struct Told {
    tokens: Vec<usize>,
    /// Those before it were passed.
    next: usize,
}

impl Told {
    fn clear(&mut self) {
        self.tokens.clear();
        self.next = 0;
    }

    fn add(&mut self, token: usize) {
        self.tokens.push(token);
    }

    /// Whether it is the next one, which is passed then.
    fn next_is(&mut self, token: usize) -> bool {
        let is_next = self.tokens.get(self.next) == Some(&token);
        self.next += usize::from(is_next);
        is_next
    }
}

/// What stands between the quotation marks of a string.
fn push_escaped(line: &mut String, text: &str) -> Option<()> {
    if Marks::of(text).has(Marks::ESCAPED) {
        let quoted = serde_json::to_string(text).ok()?;
        line.push_str(quoted.strip_prefix('"')?.strip_suffix('"')?);
    } else {
        line.push_str(text);
    }
    Some(())
}
