//! Replacing what was learned. What holds nothing of it is not copied: each part says what it becomes, and nothing when it stays.

use serde_json::{Map, Value};

use super::marks::Marks;
use super::structure::{self, Class, Siblings};
use super::text;
use super::{HEADER, MAX_NESTING, Redactor, TOO_DEEP, encoded, has_own_form, nested_json, widened};
use crate::encoding::{Encoding, MIN_SEARCHED};

impl Redactor {
    pub(super) fn replaced(&mut self, value: &Value, depth: usize) -> Value {
        self.changed(value, depth).unwrap_or_else(|| value.clone())
    }

    pub(super) fn replaced_text(&mut self, text: &str, depth: usize) -> String {
        let changed = self.changed_text(text, depth);
        changed.unwrap_or_else(|| text.to_owned())
    }

    /// What a value becomes.
    pub(super) fn changed(&mut self, value: &Value, depth: usize) -> Option<Value> {
        match value {
            Value::Object(object) => self.changed_object(object, depth).map(Value::Object),
            Value::Array(items) => {
                let pair = match items.as_slice() {
                    [Value::String(name), Value::String(_)] => structure::classify(name),
                    _ => None,
                };
                let mut changed: Option<Vec<Value>> = None;
                for (at, item) in items.iter().enumerate() {
                    let new = self.changed_member(pair.filter(|_| at == 1), item, depth);
                    if new.is_some() && changed.is_none() {
                        changed = Some(items.iter().take(at).cloned().collect());
                    }
                    if let Some(changed) = &mut changed {
                        changed.push(new.unwrap_or_else(|| item.clone()));
                    }
                }
                changed.map(Value::Array)
            }
            Value::String(text) => self.changed_text(text, depth).map(Value::String),
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }

    fn changed_object(
        &mut self,
        object: &Map<String, Value>,
        depth: usize,
    ) -> Option<Map<String, Value>> {
        let siblings = Siblings::of(structure::members(object));
        let mut changed: Option<Map<String, Value>> = None;
        for (at, (name, member)) in object.iter().enumerate() {
            let class = Siblings::class(name, || siblings);
            let new = match member.as_str() {
                Some(text) => self
                    .changed_member_text(name, class, text, Marks::of(text), depth)
                    .map(Value::String),
                None => self.changed_member(class, member, depth),
            };
            let key = self.changed_key(name);
            if (new.is_some() || key.is_some()) && changed.is_none() {
                let before = object.iter().take(at);
                changed = Some(
                    before
                        .map(|(name, it)| (name.clone(), it.clone()))
                        .collect(),
                );
            }
            if let Some(changed) = &mut changed {
                changed.insert(
                    key.unwrap_or_else(|| name.clone()),
                    new.unwrap_or_else(|| member.clone()),
                );
            }
        }
        changed
    }

    fn changed_member(
        &mut self,
        class: Option<Class>,
        member: &Value,
        depth: usize,
    ) -> Option<Value> {
        match (class, member) {
            (_, Value::String(text)) => {
                let changed = self.changed_as(class, text, Marks::of(text), depth);
                changed.map(Value::String)
            }
            (Some(class), Value::Number(number)) if class.kind == "password" => {
                self.learn_value(class.kind, false, &number.to_string());
                self.pseudonym(&number.to_string()).map(Value::String)
            }
            _ => self.changed(member, depth),
        }
    }

    /// What the text of a member becomes.
    pub(super) fn changed_member_text(
        &mut self,
        name: &str,
        class: Option<Class>,
        text: &str,
        marks: Marks,
        depth: usize,
    ) -> Option<String> {
        let places = self.places.as_mut().filter(|_| class.is_none());
        let named = places.and_then(|places| places.hide_member(name, text));
        named.or_else(|| self.changed_as(class, text, marks, depth))
    }

    /// What a text becomes in a place of this class.
    pub(super) fn changed_as(
        &mut self,
        class: Option<Class>,
        text: &str,
        marks: Marks,
        depth: usize,
    ) -> Option<String> {
        match class {
            Some(class) if has_own_form(class, text) => {
                let line = self.changed_text(&format!("{HEADER}{text}"), depth)?;
                Some(line.strip_prefix(HEADER).unwrap_or(TOO_DEEP).to_owned())
            }
            Some(_) => self.pseudonym(text),
            None => self.changed_marked(text, marks, depth),
        }
    }

    fn changed_key(&mut self, name: &str) -> Option<String> {
        if name.len() < MIN_SEARCHED || self.needles.find(name.as_bytes(), 0).is_none() {
            return None;
        }
        self.without_needles_text(name)
    }

    /// What a text becomes.
    fn changed_text(&mut self, text: &str, depth: usize) -> Option<String> {
        self.changed_marked(text, Marks::of(text), depth)
    }

    fn changed_marked(&mut self, text: &str, marks: Marks, depth: usize) -> Option<String> {
        if let Some(nested) = nested_json(text, marks) {
            if depth >= MAX_NESTING {
                return Some(TOO_DEEP.to_owned());
            }
            // Unchanged texts keep their spelling.
            let changed = self.changed(&nested, depth + 1)?;
            return Some(changed.to_string());
        }
        let spans = text::spans(text, marks);
        if spans.is_empty() {
            return self.without_needles_marked(text, marks);
        }
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for span in spans {
            self.push_without_needles(&mut out, text.get(from..span.range.start));
            match self.pseudonym(&span.value) {
                Some(name) if span.kind == "basic-credential" => {
                    out.push_str(&encoded(&name, Encoding::Base64));
                }
                Some(name) => out.push_str(&name),
                // Only values that trim to nothing are unknown here.
                None => out.push_str(text.get(span.range.clone()).unwrap_or_default()),
            }
            from = span.range.end;
        }
        self.push_without_needles(&mut out, text.get(from..));
        Some(out)
    }

    fn push_without_needles(&mut self, out: &mut String, text: Option<&str>) {
        let text = text.unwrap_or_default();
        match self.without_needles_text(text) {
            Some(changed) => out.push_str(&changed),
            None => out.push_str(text),
        }
    }

    /// The text without known secrets and names, when it holds any.
    pub(super) fn without_needles_text(&mut self, text: &str) -> Option<String> {
        self.without_needles_marked(text, Marks::of(text))
    }

    fn without_needles_marked(&mut self, text: &str, marks: Marks) -> Option<String> {
        let shown = self.without_secrets_text(text);
        let Some(places) = &mut self.places else {
            return shown;
        };
        match shown {
            Some(shown) => Some(places.hide(&shown, Marks::of(&shown)).unwrap_or(shown)),
            None => places.hide(text, marks),
        }
    }

    fn without_secrets_text(&mut self, text: &str) -> Option<String> {
        self.needles.find(text.as_bytes(), 0)?;
        // Needles are whole UTF-8 strings, so what is left is UTF-8 too; if not, nothing is shown.
        let shown = String::from_utf8(self.without_needles(text.as_bytes()));
        Some(shown.unwrap_or_else(|_| TOO_DEEP.to_owned()))
    }

    pub(super) fn without_needles(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut from = 0;
        while let Some(hit) = self.needles.find(bytes, from) {
            let hit = widened(hit, bytes, from);
            out.extend_from_slice(bytes.get(from..hit.start).unwrap_or_default());
            let shown = self.shown(hit.secret, hit.encoding, hit.end - hit.start);
            out.extend_from_slice(shown.as_bytes());
            from = hit.end;
        }
        out.extend_from_slice(bytes.get(from..).unwrap_or_default());
        out
    }
}
