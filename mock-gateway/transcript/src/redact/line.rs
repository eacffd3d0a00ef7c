//! The line of an entry, as it stands in a file.
//!
//! Almost every entry is a frame that is written as `serde_json` writes, and little of it is replaced. So its text is
//! copied, and looked through on a [`super::tape`] by the rules by which [`Redactor::entry`] looks through a JSON value. What
//! has no tape becomes a value first.

use super::marks::Marks;
use super::structure::{Class, Hints, classify};
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
                let begin = line.len();
                let frame = tape.read(text).filter(|frame| !self.is_signed(*frame));
                let is_written = frame.is_some_and(|frame| {
                    self.learn_frame(frame);
                    self.write_frame(frame, &mut line).is_some()
                });
                self.tape = tape;
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

    /// Learns what [`Redactor::learn`] learns of the frame's value, in the same order.
    fn learn_frame(&mut self, frame: Frame<'_>) {
        for (at, token) in frame.tokens.iter().enumerate() {
            match token.kind {
                Kind::Object if token.hints.has(Hints::PLACE.and(Hints::DEVICE)) => {
                    self.learn_object(frame.members(at));
                }
                Kind::Array if frame.is_pair(at) => {
                    if let (Some(class), Some(value)) = (pair(frame, at), frame.token(at + 2)) {
                        self.learn_secret(class, &frame.said(value).0, 0);
                    }
                }
                Kind::Text => match class(frame, at) {
                    Some(class) => self.learn_secret(class, &frame.said(token).0, 0),
                    None => self.learn_token(frame, token),
                },
                Kind::Object | Kind::Array | Kind::Name | Kind::Other => {}
            }
        }
    }

    fn learn_token(&mut self, frame: Frame<'_>, token: &Token) {
        let (text, marks) = frame.said(token);
        self.learn_marked(&text, marks, 0);
    }

    /// Writes what the frame becomes; none where something else than its strings changes.
    fn write_frame(&mut self, frame: Frame<'_>, line: &mut String) -> Option<()> {
        let mut copied = 0;
        let mut paired = None;
        for (at, token) in frame.tokens.iter().enumerate() {
            let shown = match token.kind {
                Kind::Name => {
                    let name = frame.raw(token).as_bytes();
                    if name.len() >= MIN_SEARCHED && self.needles.find(name, 0).is_some() {
                        return None;
                    }
                    None
                }
                Kind::Text => {
                    let pair = paired.take_if(|(value, _)| *value == at);
                    let class = pair.map_or_else(|| class(frame, at), |(_, class)| Some(class));
                    let (text, marks) = frame.said(token);
                    match frame.name_of(at) {
                        Some(name) if name.hints.has(Hints::PLACE) => {
                            self.changed_member_text(frame.raw(name), class, &text, marks, 0)
                        }
                        Some(_) | None => self.changed_as(class, &text, marks, 0),
                    }
                }
                // A password of digits becomes a string.
                Kind::Other if class(frame, at).is_some_and(|it| it.kind == "password") => {
                    return None;
                }
                Kind::Array if frame.is_pair(at) => {
                    paired = pair(frame, at).map(|class| (at + 2, class));
                    None
                }
                Kind::Object | Kind::Array | Kind::Other => None,
            };
            if let Some(shown) = shown {
                line.push_str(frame.text.get(copied..token.start)?);
                push_escaped(line, &shown)?;
                copied = token.end;
            }
        }
        line.push_str(frame.text.get(copied..)?);
        Some(())
    }
}

/// What the value at `at` is, from its name and what stands beside it.
fn class(frame: Frame<'_>, at: usize) -> Option<Class> {
    let name = frame
        .name_of(at)
        .filter(|name| name.hints.has(Hints::SECRET))?;
    frame.siblings(name).class(frame.raw(name))
}

/// What the second item of a pair is.
fn pair(frame: Frame<'_>, at: usize) -> Option<Class> {
    let name = frame.token(at + 1)?;
    classify(&frame.said(name).0)
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
