//! Hand-written runs for tests: a transcript in a few words, and the record around it.

use std::time::Duration;

use serde_json::{Value, json};
use transcript::{Direction, Draft, Entry, Header, Kind, Payload, Recorder, Stage, Transcript};

use super::invariant::{Breach, Evidence, named};
use super::record::{FinalViews, RunEnd, RunRecord, StepOutcome, StepResult};
use super::wire::Wire;
use crate::scenario::{ClientActor, RawActor, Scenario};

/// Builds a transcript, one line of conversation at a time.
pub(crate) struct Talk {
    recorder: Recorder,
    t_us: u64,
}

impl Talk {
    pub(crate) fn new() -> Self {
        let header = Header::new(7, "memory", "mock profile 2026.6.34");
        Self {
            recorder: Recorder::in_memory(header),
            t_us: 0,
        }
    }

    pub(crate) fn after(mut self, millis: u64) -> Self {
        self.t_us += millis * 1_000;
        self
    }

    pub(crate) fn open(self, conn: u32, actor: &str) -> Self {
        self.recorder
            .record(Draft::new(self.t_us, Kind::Open).conn(conn).actor(actor));
        self
    }

    pub(crate) fn says(self, conn: u32, frame: &Value) -> Self {
        self.message(conn, Direction::ClientToGateway, &frame.to_string())
    }

    pub(crate) fn hears(self, conn: u32, frame: &Value) -> Self {
        self.message(conn, Direction::GatewayToClient, &frame.to_string())
    }

    pub(crate) fn says_text(self, conn: u32, text: &str) -> Self {
        self.message(conn, Direction::ClientToGateway, text)
    }

    /// What the gateway says and the client never gets.
    pub(crate) fn misses(self, conn: u32, frame: &Value) -> Self {
        let stages = [Stage::Sent, Stage::Dropped];
        self.passing(conn, Direction::GatewayToClient, &frame.to_string(), stages)
    }

    /// What the gateway says and a fault keeps.
    pub(crate) fn waits_for(self, conn: u32, frame: &Value) -> Self {
        let stages = [Stage::Sent, Stage::Held];
        self.passing(conn, Direction::GatewayToClient, &frame.to_string(), stages)
    }

    fn message(self, conn: u32, dir: Direction, text: &str) -> Self {
        self.passing(conn, dir, text, [Stage::Sent, Stage::Delivered])
    }

    fn passing(mut self, conn: u32, dir: Direction, text: &str, stages: [Stage; 2]) -> Self {
        for stage in stages {
            let draft = Draft::new(self.t_us, Kind::Text)
                .conn(conn)
                .passing(dir, stage)
                .payload(Payload::text(text));
            self.recorder.record(draft);
        }
        self.t_us += 100;
        self
    }

    pub(crate) fn close(self, conn: u32, dir: Direction, code: u16, reason: &str) -> Self {
        for stage in [Stage::Sent, Stage::Delivered] {
            self.recorder.record(
                Draft::new(self.t_us, Kind::Close)
                    .conn(conn)
                    .passing(dir, stage)
                    .close(Some(code), reason),
            );
        }
        self
    }

    pub(crate) fn eof(self, conn: u32) -> Self {
        self.recorder.record(
            Draft::new(self.t_us, Kind::Eof)
                .conn(conn)
                .dir(Direction::ClientToGateway),
        );
        self
    }

    pub(crate) fn fault(self, conn: u32, name: &str) -> Self {
        self.recorder.record(
            Draft::new(self.t_us, Kind::Fault)
                .conn(conn)
                .dir(Direction::GatewayToClient)
                .text(name),
        );
        self
    }

    pub(crate) fn challenge(self, conn: u32) -> Self {
        let nonce = format!("nonce-{conn}");
        self.hears(
            conn,
            &json!({"type":"event","event":"connect.challenge","payload":{"nonce":nonce,"ts":1}}),
        )
    }

    /// Open, challenge, and a connect as this role with this auth.
    pub(crate) fn connect(self, conn: u32, actor: &str, role: &str, auth: &Value) -> Self {
        let request = connect_frame(&format!("c{conn}"), role, auth, &format!("nonce-{conn}"));
        self.open(conn, actor).challenge(conn).says(conn, &request)
    }

    pub(crate) fn hello(self, conn: u32) -> Self {
        let payload = json!({"type":"hello-ok","protocol":4,"policy":{"maxPayload":26_214_400,"tickIntervalMs":30_000}});
        self.hears(
            conn,
            &json!({"type":"res","id":format!("c{conn}"),"ok":true,"payload":payload}),
        )
    }

    pub(crate) fn refusal(self, conn: u32, code: &str) -> Self {
        self.hears(conn, &refused(&format!("c{conn}"), code)).close(
            conn,
            Direction::GatewayToClient,
            1008,
            "unauthorized",
        )
    }

    /// Open, connect, hello.
    pub(crate) fn joined(self, conn: u32, actor: &str, role: &str) -> Self {
        self.connect(
            conn,
            actor,
            role,
            &json!({"deviceToken": format!("{role}-token-secret")}),
        )
        .hello(conn)
    }

    pub(crate) fn transcript(&self) -> Transcript {
        self.recorder.transcript()
    }

    pub(crate) fn raw(&self) -> Vec<transcript::RawEntry> {
        self.recorder.raw_since(0)
    }

    pub(crate) fn record(&self) -> RunRecord {
        record(self.transcript())
    }
}

/// The answer that refuses the connect with this id.
pub(crate) fn refused(id: &str, code: &str) -> Value {
    let error = json!({"code":"INVALID_REQUEST","message":"unauthorized","details":{"code":code}});
    json!({"type":"res","id":id,"ok":false,"error":error})
}

pub(crate) fn connect_frame(id: &str, role: &str, auth: &Value, nonce: &str) -> Value {
    json!({"type":"req","id":id,"method":"connect","params":{
        "minProtocol":3,"maxProtocol":4,"role":role,"scopes":[],
        "client":{"id":"node-host","version":"1","platform":"windows","mode":"node"},
        "auth":auth,
        "device":{"id":"d1","publicKey":"k","signature":"s","signedAt":1,"nonce":nonce}
    }})
}

/// A record around a transcript of the scenario [`scenario`].
pub(crate) fn record(transcript: Transcript) -> RunRecord {
    RunRecord {
        transcript,
        steps: vec![StepOutcome {
            index: 0,
            began_us: 0,
            ended_us: 0,
            first_entry: 1,
            result: StepResult::Done,
        }],
        views: FinalViews::default(),
        ends: Vec::new(),
        end: RunEnd::Completed,
        leftovers: Vec::new(),
        programs: Vec::new(),
        leaks: Vec::new(),
        unclaimed: Vec::new(),
        stores: Vec::new(),
        withheld: Vec::new(),
        shown: Vec::new(),
        referee: crate::referee::Standing::Off,
        errors_logged: Vec::new(),
        seed: 7,
        world: "memory".to_owned(),
        took: Duration::from_millis(3),
    }
}

/// One companion, one raw actor, one step.
pub(crate) fn scenario() -> Scenario {
    Scenario::builder("setup-connect/sample", "A sample")
        .about("tests")
        .client("companion", ClientActor::default())
        .raw("mallory", RawActor::default())
        .start("companion")
        .build()
}

/// What one invariant says of a run.
pub(crate) fn breaches(name: &str, record: &RunRecord) -> Vec<Breach> {
    let scenario = scenario();
    let wire = Wire::of(&record.transcript.entries);
    let evidence = Evidence::new(&scenario, record, &wire);
    (named(name).unwrap().check)(&evidence)
}

/// The entries of a transcript that a breach names.
pub(crate) fn named_entries<'a>(record: &'a RunRecord, breach: &Breach) -> Vec<&'a Entry> {
    record
        .transcript
        .entries
        .iter()
        .filter(|entry| breach.entries.contains(&entry.n))
        .collect()
}
