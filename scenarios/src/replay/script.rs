//! A transcript as a script: what arrived, in order, without the stages of its way and without pings.

use gateway_protocol::device::decode_base64_any;
use serde_json::Value;
use transcript::{CloseInfo, Direction, Entry, Kind, Stage, Transcript};

/// What stands in one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// The connection opens; what is known of it.
    Open(Value),
    /// A frame.
    Frame(Value),
    /// A message that is no frame.
    Raw(Vec<u8>),
    /// A close frame.
    Close(CloseInfo),
    /// The stream ends without one.
    End,
}

impl Said {
    /// The frame, when it is one.
    pub const fn frame(&self) -> Option<&Value> {
        match self {
            Self::Frame(frame) => Some(frame),
            Self::Open(_) | Self::Raw(_) | Self::Close(_) | Self::End => None,
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Number of the entry in the transcript.
    pub n: u64,
    /// Microseconds since the recording began.
    pub t_us: u64,
    /// Connection.
    pub conn: u32,
    /// Who says it; none for an opening.
    pub dir: Option<Direction>,
    /// What is said.
    pub said: Said,
}

/// The whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// Lines in the order in which they arrived.
    pub lines: Vec<Line>,
}

impl Script {
    /// What of a transcript can be played.
    pub fn of(transcript: &Transcript) -> Self {
        let mut lines: Vec<Line> = transcript.entries.iter().filter_map(line).collect();
        let mut ended = std::collections::BTreeSet::new();
        // After a close frame the ends of both halves say nothing new.
        lines.retain(|line| match line.said {
            Said::Close(_) | Said::End => ended.insert(line.conn),
            Said::Open(_) | Said::Frame(_) | Said::Raw(_) => true,
        });
        Self { lines }
    }

    /// Numbers of the connections.
    pub fn connections(&self) -> usize {
        self.lines
            .iter()
            .filter(|line| matches!(line.said, Said::Open(_)))
            .count()
    }
}

fn line(entry: &Entry) -> Option<Line> {
    // What a fault lost never arrived; an import knows no stages.
    let arrived = entry.stage.is_none_or(|stage| stage == Stage::Delivered);
    if !arrived {
        return None;
    }
    let said = match entry.kind {
        Kind::Open => Said::Open(entry.data.clone().unwrap_or_default()),
        Kind::Text | Kind::Binary => match (&entry.frame, &entry.raw) {
            (Some(frame), _) => Said::Frame(frame.as_ref().clone()),
            (None, Some(raw)) => Said::Raw(decode_base64_any(raw)?),
            (None, None) => return None,
        },
        Kind::Close => Said::Close(entry.close.clone().unwrap_or_default()),
        Kind::Eof | Kind::Reset => Said::End,
        Kind::Ping | Kind::Pong | Kind::Fault | Kind::Step | Kind::Note => return None,
    };
    Some(Line {
        n: entry.n,
        t_us: entry.t_us,
        conn: entry.conn?,
        dir: entry.dir,
        said,
    })
}
