//! Takes entries from every tap of a run. Cheap to call, cheap to clone.
//!
//! `record` stores the message as it came and parses nothing. Redaction runs when entries are asked for, or at once
//! when the recorder streams to a writer or has a listener for redacted entries. What [`Recorder::raw_since`]
//! returns stays in the process: it has no serialised form.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::entry::{Draft, Entry, RawEntry};
use crate::header::Header;
use crate::reader::Transcript;
use crate::redact::Redactor;
use crate::writer::{LineWriter, WriteError};

type OnRecord = Box<dyn Fn(&Entry) + Send + Sync>;
type OnRaw = Box<dyn Fn(&RawEntry) + Send + Sync>;

/// Shared by all taps of one run: numbers and stores every entry, redacts what leaves.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    /// As it was given; it names a machine or holds a token where a person wrote one into it.
    given: Header,
    header: Header,
    keep: usize,
    is_brief: bool,
    store: Mutex<Store>,
    /// Whether `live` has anything to do, read without its lock.
    is_live: AtomicBool,
    live: Mutex<Live>,
    is_watched: AtomicBool,
    watchers: Mutex<Vec<OnRaw>>,
}

#[derive(Default)]
struct Store {
    entries: VecDeque<RawEntry>,
    recorded: u64,
    secrets: Vec<(String, String)>,
    names: Vec<(&'static str, String)>,
}

struct Live {
    redactor: Redactor,
    writer: Option<LineWriter>,
    callbacks: Vec<OnRecord>,
}

impl Recorder {
    /// Keeps everything in memory.
    pub fn in_memory(header: Header) -> Self {
        Self::with(header, usize::MAX, None, false)
    }

    /// Keeps everything in memory for [`Recorder::unredacted`]; taps make their texts brief, as [`crate::Payload::brief`] has it.
    pub fn brief(header: Header) -> Self {
        Self::with(header, usize::MAX, None, true)
    }

    /// Keeps only the last `entries` in memory, for a gateway that runs for days.
    pub fn keeping_last(header: Header, entries: usize) -> Self {
        Self::with(header, entries, None, false)
    }

    /// Keeps everything in memory and also streams redacted JSON Lines, header first, flushed line by line.
    /// The first error of the writer is kept for [`Recorder::finish`].
    pub fn to_writer(header: Header, out: Box<dyn Write + Send>) -> Self {
        Self::with(header, usize::MAX, Some(out), false)
    }

    /// Goes on after these entries, as if it had recorded them: for a run that begins where another one stood.
    #[must_use]
    pub fn after(self, entries: Vec<RawEntry>) -> Self {
        {
            let mut store = lock(&self.0.store);
            store.recorded = entries.last().map_or(0, |entry| entry.n);
            store.entries = entries.into();
        }
        self
    }

    /// Records nothing.
    pub fn off() -> Self {
        Self::with(Header::new(0, "none", "none"), 0, None, false)
    }

    fn with(
        header: Header,
        keep: usize,
        out: Option<Box<dyn Write + Send>>,
        is_brief: bool,
    ) -> Self {
        let mut redactor = Redactor::of_record(&header, &[]);
        let given = header;
        let header = redactor.header(given.clone());
        let writer = out.map(|out| LineWriter::new(&header, out));
        Self(Arc::new(Inner {
            given,
            header,
            keep,
            is_brief,
            store: Mutex::default(),
            is_live: AtomicBool::new(writer.is_some()),
            live: Mutex::new(Live {
                redactor,
                writer,
                callbacks: Vec::new(),
            }),
            is_watched: AtomicBool::new(false),
            watchers: Mutex::default(),
        }))
    }

    /// Whether `record` keeps anything; a tap asks before it copies a message.
    pub fn is_on(&self) -> bool {
        self.0.keep > 0
    }

    /// Whether taps leave out of a hello-ok what nobody reads.
    pub fn is_brief(&self) -> bool {
        self.0.is_brief
    }

    /// The header that the recorder was made with.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// Stores one entry and returns its number (0 when the recorder is off).
    pub fn record(&self, draft: Draft) -> u64 {
        if !self.is_on() {
            return 0;
        }
        if self.0.is_live.load(Ordering::Acquire) {
            let mut live = lock(&self.0.live);
            let entry = self.store(draft);
            live.take(&entry);
            drop(live);
            self.watch(&entry);
            return entry.n;
        }
        if self.0.is_watched.load(Ordering::Acquire) {
            let entry = self.store(draft);
            self.watch(&entry);
            return entry.n;
        }
        self.append(draft)
    }

    /// Tells the recorder a secret before, or after, it appears. Values known when a redacted entry is made are
    /// replaced in it wherever they stand; the entries of [`Recorder::transcript`] know all of them.
    pub fn register_secret(&self, kind: &str, value: &str) {
        let mut live = lock(&self.0.live);
        if self.0.is_live.load(Ordering::Acquire) {
            live.redactor.register(kind, value);
        }
        let mut store = lock(&self.0.store);
        if !store.secrets.iter().any(|(_, known)| known == value) {
            store.secrets.push((kind.to_owned(), value.to_owned()));
        }
    }

    /// Tells the recorder the name of a machine (`host`) or of a person (`user`) that is to be hidden wherever it stands
    /// as a word. Records of the virtual worlds name none and hide none.
    pub fn register_name(&self, kind: &'static str, name: &str) {
        let mut live = lock(&self.0.live);
        if self.0.is_live.load(Ordering::Acquire) {
            live.redactor.register_name(kind, name);
        }
        lock(&self.0.store).names.push((kind, name.to_owned()));
    }

    /// Number of entries recorded so far, which is also the number of the last one.
    pub fn len(&self) -> u64 {
        lock(&self.0.store).recorded
    }

    /// Whether nothing was recorded yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The redacted entries after number `n` (0 for all). Redacts the whole run again, so that secrets learned late
    /// are hidden in early entries too; use [`Recorder::on_record`] to follow a run.
    pub fn entries_since(&self, n: u64) -> Vec<Entry> {
        let mut entries = self.transcript().entries;
        entries.retain(|entry| entry.n > n);
        entries
    }

    /// The raw entries after number `n` (0 for all). Never write or print them.
    pub fn raw_since(&self, n: u64) -> Vec<RawEntry> {
        let store = lock(&self.0.store);
        let first = store.recorded - store.entries.len() as u64;
        let skip = usize::try_from(n.saturating_sub(first)).unwrap_or(usize::MAX);
        store.entries.iter().skip(skip).cloned().collect()
    }

    /// Same as [`Recorder::raw_since`].
    pub fn raw_entries_since(&self, n: u64) -> Vec<RawEntry> {
        self.raw_since(n)
    }

    /// The whole run, redacted with every secret that was registered or seen anywhere in it.
    pub fn transcript(&self) -> Transcript {
        self.finished().0
    }

    /// The whole run as it was, secrets and all, for a judge in this process whose words nobody reads. Never write or
    /// print it.
    pub fn unredacted(&self) -> Transcript {
        let store = lock(&self.0.store);
        Transcript {
            header: self.0.header.clone(),
            entries: store.entries.iter().map(RawEntry::as_it_was).collect(),
        }
    }

    /// [`Recorder::transcript`] and [`Recorder::secrets`] at the price of one: for the end of a run.
    pub fn finished(&self) -> (Transcript, Vec<(String, String)>) {
        let (raw, mut redactor) = {
            let store = lock(&self.0.store);
            let raw: Vec<RawEntry> = store.entries.iter().cloned().collect();
            (raw, self.informed(&store))
        };
        let entries = redactor.entries(&raw);
        let transcript = Transcript {
            header: self.0.header.clone(),
            entries,
        };
        let owned = |(kind, value): (&str, &str)| (kind.to_owned(), value.to_owned());
        let secrets = redactor.secrets().map(owned).collect();
        (transcript, secrets)
    }

    /// Every secret registered or seen so far as (kind, value): what a canary scan looks for.
    pub fn secrets(&self) -> Vec<(String, String)> {
        let mut redactor = self.informed(&lock(&self.0.store));
        for entry in self.raw_since(0) {
            redactor.learn_entry(&entry);
        }
        redactor
            .secrets()
            .map(|(kind, value)| (kind.to_owned(), value.to_owned()))
            .collect()
    }

    /// Calls `callback` with each entry recorded from here on, redacted, on the recording thread and in order. It
    /// must not record.
    pub fn on_record(&self, callback: Box<dyn Fn(&Entry) + Send + Sync>) {
        let mut live = lock(&self.0.live);
        live.callbacks.push(callback);
        if !self.0.is_live.swap(true, Ordering::AcqRel) {
            // Until now nobody asked, and the forms of a secret cost time to make.
            live.redactor = self.informed(&lock(&self.0.store));
        }
    }

    /// Calls `callback` with each raw entry recorded from here on, on the recording thread. Meant for waking the
    /// runner, which then asks for [`Recorder::raw_since`]; it must not add another callback.
    pub fn on_raw(&self, callback: Box<dyn Fn(&RawEntry) + Send + Sync>) {
        lock(&self.0.watchers).push(callback);
        self.0.is_watched.store(true, Ordering::Release);
    }

    /// The first error of the writer, if there was one. Nothing was written after it.
    pub fn finish(&self) -> Result<(), WriteError> {
        let mut live = lock(&self.0.live);
        match live.writer.as_mut().and_then(LineWriter::take_failure) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// A redactor that knows what was registered so far.
    pub(crate) fn redactor(&self) -> Redactor {
        self.informed(&lock(&self.0.store))
    }

    /// The same, and it gives the names that stand in the header.
    fn informed(&self, store: &Store) -> Redactor {
        let mut redactor = Redactor::of_record(&self.0.header, &store.secrets);
        redactor.header(self.0.given.clone());
        for (kind, name) in &store.names {
            redactor.register_name(kind, name);
        }
        redactor
    }

    fn append(&self, draft: Draft) -> u64 {
        let mut store = lock(&self.0.store);
        store.push(draft, self.0.keep)
    }

    fn store(&self, draft: Draft) -> RawEntry {
        let mut store = lock(&self.0.store);
        let n = store.recorded + 1;
        let entry = RawEntry::new(n, draft);
        store.recorded = n;
        store.keep(entry.clone(), self.0.keep);
        entry
    }

    fn watch(&self, entry: &RawEntry) {
        if self.0.is_watched.load(Ordering::Acquire) {
            for callback in lock(&self.0.watchers).iter() {
                callback(entry);
            }
        }
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Store {
    fn push(&mut self, draft: Draft, keep: usize) -> u64 {
        self.recorded += 1;
        let entry = RawEntry::new(self.recorded, draft);
        self.keep(entry, keep);
        self.recorded
    }

    fn keep(&mut self, entry: RawEntry, keep: usize) {
        if self.entries.len() >= keep {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }
}

impl Live {
    fn take(&mut self, raw: &RawEntry) {
        if let (Some(writer), []) = (&mut self.writer, self.callbacks.as_slice()) {
            writer.text(&self.redactor.line(raw));
            return writer.flush();
        }
        let entry = self.redactor.entry(raw);
        if let Some(writer) = &mut self.writer {
            writer.entry(&entry);
            writer.flush();
        }
        for callback in &self.callbacks {
            callback(&entry);
        }
    }
}

/// A recorder outlives a panicking tap: what it holds is whole after every call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
