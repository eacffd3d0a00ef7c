//! What gives away whose machine it was: addresses, hosts, e-mail addresses, home folders, names of users and machines.
//!
//! These are no secrets: they are short, and their letters stand in other words. So they are looked for as whole words
//! and in no encoding, and what cannot be anybody's (loopback, addresses and names reserved for documentation, `root`)
//! stays readable. Off in records of the virtual worlds, where no machine is ever named.
//!
//! - [`Places`]: the names of one record and what is shown for them
//! - [`shape`]: what a text gives away by its form
//! - [`words`]: finds the names in a text

mod shape;
mod words;

use std::collections::BTreeMap;

use gateway_protocol::shape::CLIENT_IDS_9;
use indexmap::IndexMap;
use indexmap::map::Entry;

use super::hints::Hints;
use super::marks::Marks;
use super::pseudonym;
use super::structure::{MAX_NAME, Member, fold};
use words::Words;

/// A shorter name is hidden where it stands and not looked for elsewhere.
const MIN_WORD: usize = 2;
/// More names than this are hidden where they stand only.
const MOST_WORDS: usize = 256;
/// Words that a record needs: as the name of a host or a user they say nothing about anybody.
const ORDINARY: [&str; 24] = [
    "admin",
    "administrator",
    "app",
    "clawproof",
    "client",
    "companion",
    "container",
    "default",
    "docker",
    "gateway",
    // The mock's own.
    "gateway-host",
    "host",
    "local",
    "localhost",
    "node",
    "openclaw",
    "operator",
    "public",
    "remote",
    "root",
    "runner",
    "server",
    "test",
    "user",
];

/// The names of one record.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By lower-case name: machines and mail don't tell them apart by case.
    names: IndexMap<String, Name>,
    counters: BTreeMap<&'static str, u32>,
    /// Those that are hidden in other texts too.
    words: Words,
    /// Whether what people called their devices is hidden too.
    people: bool,
}

#[derive(Debug)]
struct Name {
    kind: &'static str,
    number: u32,
}

impl Places {
    /// Hides what people called their devices too.
    pub(crate) fn of_people() -> Self {
        Self {
            people: true,
            ..Self::default()
        }
    }

    /// Learns a name: it is hidden wherever it stands as a word, unless it is an ordinary one.
    pub(crate) fn learn(&mut self, kind: &'static str, name: &str) {
        // Telling an ordinary name takes longer than looking one up.
        let is_known = self.names.contains_key(name.to_ascii_lowercase().as_str());
        if !is_known && !is_ordinary(name) && !is_address(name) {
            self.known(kind, name, name.len() >= MIN_WORD);
        }
    }

    /// Learns what a text with these marks gives away by its form; false when that is nothing.
    pub(super) fn learn_text(&mut self, text: &str, marks: Marks) -> bool {
        let spots = shape::spots(text, marks);
        let is_any = !spots.is_empty();
        for spot in spots {
            if let Some(name) = text.get(spot.range) {
                self.known(spot.kind, name, spot.is_word && name.len() >= MIN_WORD);
            }
        }
        is_any
    }

    /// Learns the members of an object that name a machine or a person.
    pub(super) fn learn_object<'a>(&mut self, members: impl Iterator<Item = Member<'a>>) {
        for (name, text) in members {
            if let Some((kind, value)) = text.as_ref().and_then(|text| self.named(name, text)) {
                self.learn(kind, value);
            }
        }
    }

    /// What is shown for such a member; none for one that is shown as any other text.
    pub(crate) fn hide_member(&mut self, name: &str, text: &str) -> Option<String> {
        let (kind, value) = self.named(name, text)?;
        if is_ordinary(value) || is_address(value) {
            return None;
        }
        let shown = self.known(kind, value, value.len() >= MIN_WORD).shown();
        if value.len() == text.len() {
            return Some(shown);
        }
        Some(text.replacen(value, &shown, 1))
    }

    /// Whether [`Places::hide_member`] may hide anything.
    pub(super) fn is_named(&self, member: &str, text: &str) -> bool {
        self.named(member, text).is_some()
    }

    /// The name in a member, and its kind.
    fn named<'a>(&self, member: &str, text: &'a str) -> Option<(&'static str, &'a str)> {
        let kind = member_kind(member)?;
        if let Some(machine) = program(text) {
            return (!machine.is_empty()).then_some(("host", machine));
        }
        match kind {
            // In a list of presence the host is what the client calls itself.
            "host" if text.contains(' ') => None,
            // A host may come with its port.
            "host" => Some((kind, text.split_once(':').map_or(text, |(host, _)| host))),
            "name" if !self.people => None,
            _ => Some((kind, text)),
        }
    }

    /// How many names are known.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// The kinds of all names, in the order in which they were learned.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.names.values().map(|name| name.kind)
    }

    /// The text without them, when it holds any.
    pub(super) fn hide(&mut self, text: &str, marks: Marks) -> Option<String> {
        let spots = shape::spots(text, marks);
        let shown = (!spots.is_empty()).then(|| {
            let mut out = String::with_capacity(text.len());
            let mut from = 0;
            for spot in spots {
                out.push_str(text.get(from..spot.range.start).unwrap_or_default());
                let name = text.get(spot.range.clone()).unwrap_or_default();
                let name = self.known(spot.kind, name, spot.is_word && name.len() >= MIN_WORD);
                out.push_str(&name.shown());
                from = spot.range.end;
            }
            out.push_str(text.get(from..).unwrap_or_default());
            out
        });
        let rest = self.without_words(shown.as_deref().unwrap_or(text));
        rest.or(shown)
    }

    /// Whether a name stands in it as a word.
    pub(super) fn holds_word(&self, text: &str) -> bool {
        !self.words.find(text).is_empty()
    }

    /// Whether a name that stands as a word begins there.
    pub(super) fn word_begins(&self, text: &str, at: usize) -> bool {
        self.words.begins(text, at)
    }

    /// The names of at least [`crate::encoding::MIN_SEARCHED`] bytes that are hidden in other texts too, and were learned
    /// since this was asked last.
    pub(super) fn take_new_words(&mut self) -> Vec<Box<str>> {
        self.words.take_new()
    }

    /// Whether there are shorter ones.
    pub(super) fn has_short(&self) -> bool {
        self.words.has_short()
    }

    fn without_words(&self, text: &str) -> Option<String> {
        let mut out = String::new();
        let mut from = 0;
        for (range, at) in self.words.find(text) {
            let Some((_, name)) = self.names.get_index(at) else {
                continue;
            };
            if range.start >= from && !is_in_pseudonym(text, &range) {
                out.push_str(text.get(from..range.start).unwrap_or_default());
                out.push_str(&name.shown());
                from = range.end;
            }
        }
        if from == 0 {
            return None;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Some(out)
    }

    /// The name, which is learned if it is new.
    fn known(&mut self, kind: &'static str, name: &str, is_word: bool) -> &Name {
        let is_word = is_word && self.names.len() < MOST_WORDS;
        let (counters, words, place) = (&mut self.counters, &mut self.words, self.names.len());
        let entry = self.names.entry(name.to_ascii_lowercase());
        if is_word && matches!(entry, Entry::Vacant(_)) {
            words.add(entry.key(), place);
        }
        entry.or_insert_with(|| {
            let counter = counters.entry(kind).or_insert(0);
            *counter += 1;
            Name {
                kind,
                number: *counter,
            }
        })
    }
}

impl Name {
    fn shown(&self) -> String {
        pseudonym(self.kind, self.number)
    }
}

fn is_ordinary(name: &str) -> bool {
    let name = name.trim();
    name.is_empty()
        || name.contains('<')
        || ORDINARY.iter().any(|word| name.eq_ignore_ascii_case(word))
        || CLIENT_IDS_9.contains(&name)
        || shape::is_nobodys_host(name)
}

/// Addresses are told by their form.
fn is_address(name: &str) -> bool {
    name.parse::<std::net::IpAddr>().is_ok()
}

/// Which kind of name a member holds. Case, `-` and `_` do not matter.
fn member_kind(name: &str) -> Option<&'static str> {
    if !Hints::of(name.as_bytes()).has(Hints::PLACE) {
        return None;
    }
    let mut buffer = [0_u8; MAX_NAME];
    match fold(name, &mut buffer)? {
        "host" | "hostname" | "computername" | "machinename" | "sshhost" => Some("host"),
        "user" | "username" | "osuser" | "sshuser" => Some("user"),
        "displayname" => Some("name"),
        _ => None,
    }
}

/// What the companion calls itself is no name that somebody gave; the machine in it is. ref: client-behaviour.md §6
fn program(text: &str) -> Option<&str> {
    if text == "OpenClaw Windows Tray" {
        return Some("");
    }
    text.strip_prefix("Windows Node (")?.strip_suffix(')')
}

/// `<host:1>` is not looked into, though somebody may be called `host`.
fn is_in_pseudonym(text: &str, range: &std::ops::Range<usize>) -> bool {
    let before = text.get(..range.start).and_then(|before| before.rfind('<'));
    let Some(start) = before else { return false };
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.find('>').map(|end| start + end + 1);
    end.is_some_and(|end| end >= range.end && text.get(start..end).is_some_and(super::is_pseudonym))
}

#[cfg(test)]
mod tests;
