//! The line of an entry, as it stands in a file.
//!
//! Almost every entry is a frame that is written as `serde_json` writes, and little of it is replaced. So its text is
//! copied, and looked through on a [`super::tape`] by the rules by which [`Redactor::entry`] looks through a JSON value. What
//! has no tape becomes a value first.
//!
//! - [`Notes`]: the texts of a frame that may change; no other is looked at again.

mod notes;

use super::hints::Hints;
use super::marks::Marks;
use super::structure::Class;
use super::tape::{Frame, Kind, Token};
use super::{Message, Redactor};
use crate::entry::RawEntry;
use crate::payload::Payload;
use crate::writer::to_line;
use notes::Note;
pub(super) use notes::Notes;

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
                let mut notes = std::mem::take(&mut self.notes);
                let begin = line.len();
                let frame = tape.read(text).filter(|frame| !self.is_signed(*frame));
                let is_written = frame.is_some_and(|frame| {
                    self.learn_frame(frame, &mut notes)
                        .and_then(|()| self.note_hits(frame, 0, &mut notes))
                        .and_then(|()| self.write_frame(frame, &mut notes, &mut line))
                        .is_some()
                });
                (self.tape, self.notes) = (tape, notes);
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

    /// Learns what [`Redactor::learn`] learns of the frame's value, in the same order, and notes what may change by its
    /// place or by what it tells; none where something else than its strings changes, or something is learned later.
    fn learn_frame(&mut self, frame: Frame<'_>, notes: &mut Notes) -> Option<()> {
        notes.clear();
        self.is_learned_late = false;
        let with_places = self.places.is_some();
        let mut paired = None;
        for (at, token) in frame.tokens.iter().enumerate() {
            match token.kind {
                Kind::Object if token.hints.has(Hints::PLACE.and(Hints::DEVICE)) => {
                    self.learn_members(frame, at, token.hints);
                }
                Kind::Array => {
                    if let Some((value, class)) = frame.pair(at) {
                        self.learn_secret(class, &frame.said(value).0, 0);
                        paired = Some((at + 2, class));
                    }
                }
                Kind::Text
                    if token.hints == Hints::NONE
                        && !token.may_tell(with_places)
                        && paired.is_none() => {}
                Kind::Text => {
                    let pair = paired.take_if(|(value, _)| *value == at);
                    let class = pair.map(|(_, class)| class);
                    self.learn_token(frame, at, token, class, notes);
                }
                // A password of digits becomes a string.
                Kind::Other if frame.class(token).is_some_and(|it| it.kind == "password") => {
                    return None;
                }
                Kind::Object | Kind::Other => {}
            }
        }
        (!self.is_learned_late).then_some(())
    }

    /// Learns the members of an object with these hints that name a device, a machine or a person.
    fn learn_members(&mut self, frame: Frame<'_>, object: usize, hints: Hints) {
        if hints.has(Hints::DEVICE) {
            self.learn_identities(frame.members(object));
        }
        if hints.has(Hints::PLACE) {
            let members = frame.hinted(object, Hints::PLACE);
            self.learn_names(|places| places.learn_object(members));
        }
    }

    /// Learns a text, which is the second one of a pair of the class `paired`, or of none.
    fn learn_token(
        &mut self,
        frame: Frame<'_>,
        at: usize,
        token: &Token,
        paired: Option<Class>,
        notes: &mut Notes,
    ) {
        let class = frame.class(token);
        let (text, marks) = frame.said(token);
        let mut is_noted = paired.is_some() || token.marks.has(Marks::ESCAPED);
        if let Some(class) = class {
            self.learn_secret(class, &text, 0);
            is_noted = true;
        } else if token.may_tell(self.places.is_some()) {
            is_noted |= self.learn_marked(&text, marks, 0);
        }
        let named = frame.name(token).filter(|_| token.hints.has(Hints::PLACE));
        let is_named = named.is_some_and(|name| self.is_named(name, &text));
        if is_noted || is_named {
            let class = class.or(paired);
            notes.add(Note { token: at, class });
        }
    }

    /// Whether a member is a name to hide.
    fn is_named(&self, member: &str, text: &str) -> bool {
        let places = self.places.as_ref();
        places.is_some_and(|places| places.is_named(member, text))
    }

    /// Writes what the frame becomes, of which what may change is noted.
    fn write_frame(
        &mut self,
        frame: Frame<'_>,
        notes: &mut Notes,
        line: &mut String,
    ) -> Option<()> {
        let (mut copied, mut next) = (0, 0);
        while let Some(note) = notes.get(next) {
            let (at, known) = (note.token, self.known());
            let token = frame
                .tokens
                .get(at)
                .filter(|token| token.kind == Kind::Text);
            if let Some(token) = token
                && let Some(shown) = self.changed_token(frame, token, note.class)
            {
                line.push_str(frame.text.get(copied..token.start())?);
                push_escaped(line, &shown)?;
                copied = token.end();
            }
            next += 1;
            // What is left of a text without its secrets may be a name.
            if self.known() != known {
                let behind = token.map_or(0, Token::end);
                self.note_hits(frame, behind, notes)?;
                next = notes.behind(at);
            }
        }
        line.push_str(frame.text.get(copied..)?);
        Some(())
    }

    /// How many secrets and names are known.
    fn known(&self) -> (usize, usize) {
        let names = self.places.as_ref().map_or(0, super::Places::count);
        (self.secrets.len(), names)
    }

    /// What a text becomes.
    fn changed_token(
        &mut self,
        frame: Frame<'_>,
        token: &Token,
        class: Option<Class>,
    ) -> Option<String> {
        let (text, marks) = frame.said(token);
        match frame.name(token).filter(|_| token.hints.has(Hints::PLACE)) {
            Some(name) => self.changed_member_text(name, class, &text, marks, 0),
            None => self.changed_as(class, &text, marks, 0),
        }
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
