//! Several sources on one clock, and the transcript of them.

use std::collections::BTreeMap;

use serde_json::Value;
use transcript::{Draft, Header, Kind, Payload, Recorder, Transcript};

use super::{Moment, Source, What};

/// How a source was put on the clock of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    /// The source.
    pub name: String,
    /// Microseconds that are added to its times.
    pub us: i64,
    /// How that is known.
    pub because: &'static str,
}

/// Finds the offset of each source to the first: told, by a challenge that both saw, by their clocks, or none.
pub fn merge(sources: &[Source], told: &BTreeMap<String, i64>) -> Vec<Offset> {
    let first = sources.first();
    let seen = first.map(nonces).unwrap_or_default();
    sources
        .iter()
        .map(|source| {
            let common = nonces(source).into_iter().find_map(|(nonce, at)| {
                let there = *seen.get(&nonce)?;
                Some(signed(there) - signed(at))
            });
            let clocks = first
                .and_then(|first| first.began_us)
                .zip(source.began_us)
                .map(|(first, this)| this - first);
            let (us, because) = match (told.get(&source.name), common, clocks) {
                (Some(us), ..) => (
                    *us + clocks.unwrap_or_default(),
                    "told, beyond what the clocks say",
                ),
                (None, Some(us), _) => (us, "a challenge that both saw"),
                (None, None, Some(us)) => (us, "their clocks"),
                (None, None, None) => (0, "nothing: both are taken to begin together"),
            };
            Offset {
                name: source.name.clone(),
                us,
                because,
            }
        })
        .collect()
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

/// When each challenge passed.
fn nonces(source: &Source) -> BTreeMap<String, u64> {
    let nonce = |moment: &Moment| {
        let What::Text(text) = &moment.what else {
            return None;
        };
        if !text.contains("connect.challenge") {
            return None;
        }
        let frame: Value = serde_json::from_str(text).ok()?;
        Some((
            frame.pointer("/payload/nonce")?.as_str()?.to_owned(),
            moment.t_us,
        ))
    };
    source.moments.iter().filter_map(nonce).collect()
}

/// Sources that are on one clock already, as one transcript.
pub fn transcript(sources: &[Source]) -> Transcript {
    let recorder = Recorder::in_memory(Header::new(0, "imported", names(sources)));
    record(sources, &merge(sources, &BTreeMap::new()), &recorder);
    let mut whole = recorder.transcript();
    // Kept in this process and played from it: only what is written must be redacted, and what was is already.
    for (entry, raw) in whole.entries.iter_mut().zip(recorder.raw_since(0)) {
        let frame = raw.payload().and_then(Payload::shared_frame);
        entry.frame = frame.or_else(|| entry.frame.take());
    }
    whole
}

/// Who the sources are, for a header.
pub fn names(sources: &[Source]) -> String {
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    format!("whoever answered in {}", names.join(", "))
}

/// Records every moment in the order of time. Connections are numbered as they appear.
pub fn record(sources: &[Source], offsets: &[Offset], recorder: &Recorder) {
    let mut all: Vec<(i64, usize, &Moment)> = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let offset = offsets.get(index).map_or(0, |offset| offset.us);
        all.extend(
            source
                .moments
                .iter()
                .map(|moment| (signed(moment.t_us) + offset, index, moment)),
        );
    }
    all.sort_by_key(|(us, ..)| *us);
    let began = all.first().map_or(0, |(us, ..)| *us);
    let mut numbers: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for (us, source, moment) in all {
        let t_us = u64::try_from(us - began).unwrap_or_default();
        let mut conn = None;
        if let Some(name) = moment.conn.as_deref() {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX) + 1;
            let is_new = !numbers.contains_key(&(source, name));
            let number = *numbers.entry((source, name)).or_insert(next);
            // A log need not show the opening.
            if is_new && !matches!(moment.what, What::Open(_)) {
                recorder.record(Draft::new(t_us, Kind::Open).conn(number));
            }
            conn = Some(number);
        }
        recorder.record(draft(t_us, conn, moment));
    }
}

fn draft(t_us: u64, conn: Option<u32>, moment: &Moment) -> Draft {
    let draft = match &moment.what {
        What::Open(data) => Draft::new(t_us, Kind::Open).data(data.clone()),
        What::Text(text) => Draft::new(t_us, Kind::Text).payload(Payload::text(text.as_str())),
        What::Binary(bytes) => {
            Draft::new(t_us, Kind::Binary).payload(Payload::binary(bytes.as_slice()))
        }
        What::Close(code, reason) => Draft::new(t_us, Kind::Close).close(*code, reason.as_str()),
        What::End => Draft::new(t_us, Kind::Eof),
        What::Note(text, data) => Draft::new(t_us, Kind::Note)
            .text(text.as_str())
            .data(data.clone()),
    };
    let draft = match conn {
        Some(conn) => draft.conn(conn),
        None => draft,
    };
    // A source does not tell what was sent from what arrived.
    match moment.dir {
        Some(dir) => draft.dir(dir),
        None => draft,
    }
}
