//! Arbitrary bytes against the frame path: nothing a client sends may crash or wedge the mock.
//!
//! ```
//! clawproof_fuzz::frame_path(br#"{"type":"req","id":"1","method":"connect"}"#);
//! ```

use std::time::Duration;

use gateway_core::{Config, DEFAULT_PROFILE, Gateway, Input, Output, Peer, profile};
use gateway_protocol::{ConnectParams, Frame, Now, Outgoing, UnixMillis};

/// The shared token of the gateway; corpus files connect with it.
pub const TOKEN: &str = "fuzz-token";

/// More outputs than this for one input is a gateway that talks to itself.
const MOST_OUTPUTS: usize = 10_000;

/// More wake-ups than this in one minute is a gateway that never sleeps.
const MOST_WAKES: usize = 10_000;

/// Reads the bytes as a conversation, one text message a line, and holds it against everything between
/// the socket and the gateway's answer.
///
/// # Panics
/// When a frame of the gateway can't be read back, when the gateway answers without end, or when it
/// panics itself: each is a find.
pub fn frame_path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut host = Host::start();
    for line in text.lines() {
        parse(line);
        host.say(line);
    }
    host.let_a_minute_pass();
}

/// Parsers on their own: what is read can be printed and read again.
fn parse(line: &str) {
    let Ok(frame) = Frame::parse(line) else {
        return;
    };
    let printed = frame.to_text();
    let again = Frame::parse(&printed).expect("a printed frame is readable");
    assert_eq!(again.to_text(), printed, "printing is stable");
    if let Frame::Request(request) = frame
        && let Some(params) = request.params
    {
        let _params: Result<ConnectParams, _> = serde_json::from_value(params);
    }
}

/// A gateway with one client that connects again whenever it was thrown out.
struct Host {
    gateway: Gateway,
    now: Duration,
    conn: u32,
    open: bool,
}

impl Host {
    fn start() -> Self {
        let profile = profile(DEFAULT_PROFILE).expect("the default profile exists");
        let gateway = Gateway::new(
            Config::with_token(TOKEN),
            profile,
            1,
            Self::at(Duration::ZERO),
        );
        Self {
            gateway,
            now: Duration::ZERO,
            conn: 0,
            open: false,
        }
    }

    fn at(since_start: Duration) -> Now {
        Now::at(since_start, UnixMillis(1_795_000_000_000))
    }

    fn say(&mut self, line: &str) {
        if !self.open {
            self.conn += 1;
            self.open = true;
            self.handle(Input::Opened {
                conn: self.conn,
                peer: Peer::loopback(),
            });
        }
        self.pass(Duration::from_millis(1));
        if self.open {
            self.handle(Input::Text {
                conn: self.conn,
                text: line.to_owned(),
            });
        }
    }

    fn let_a_minute_pass(&mut self) {
        self.pass(Duration::from_secs(60));
        if self.open {
            self.open = false;
            self.handle(Input::Closed {
                conn: self.conn,
                code: None,
            });
        }
        self.pass(Duration::from_secs(60));
    }

    /// Moves the clock, stopping at every deadline on the way.
    fn pass(&mut self, by: Duration) {
        let end = self.now + by;
        for _ in 0..MOST_WAKES {
            match self.gateway.wake_at() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.handle(Input::Woke);
                }
                _ => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("woke {MOST_WAKES} times in {by:?}");
    }

    fn handle(&mut self, input: Input) {
        self.gateway.handle(Self::at(self.now), input);
        let mut thrown_out = false;
        for _ in 0..MOST_OUTPUTS {
            let Some(output) = self.gateway.poll() else {
                if thrown_out && self.open {
                    self.open = false;
                    self.handle(Input::Closed {
                        conn: self.conn,
                        code: Some(1000),
                    });
                }
                return;
            };
            match output {
                Output::Send { conn, message } => {
                    assert!(
                        conn <= self.conn,
                        "sends only to connections that were opened"
                    );
                    if let Outgoing::Frame(frame) = message {
                        Frame::parse(&frame.to_text()).expect("what the gateway says is readable");
                    }
                }
                Output::Close { conn, frame } => {
                    assert!(
                        frame.reason.len() <= 123,
                        "a close reason fits into its frame"
                    );
                    thrown_out |= conn == self.conn;
                }
                Output::Abort { conn } => thrown_out |= conn == self.conn,
                Output::Ping { .. }
                | Output::Limit { .. }
                | Output::Lifecycle(_)
                | Output::Synthetic { .. }
                | Output::Log(_) => {}
            }
        }
        panic!("more than {MOST_OUTPUTS} outputs for one input");
    }
}
