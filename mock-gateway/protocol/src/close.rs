//! WebSocket close codes: which ones a gateway or client of this protocol uses, and why.

/// Close reasons are cut to this many bytes by the gateway. ref: gateway-behaviour.md §1.5
pub const MAX_REASON_BYTES: usize = 120;

/// A close frame: code and reason.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseFrame {
    /// WebSocket close code.
    pub code: u16,
    /// Text for people; never parse it, it is cut to 120 bytes.
    #[serde(default)]
    pub reason: String,
}

impl CloseFrame {
    /// A close frame whose reason is cut to [`MAX_REASON_BYTES`] on a character boundary, as the gateway cuts it.
    ///
    /// ```
    /// use gateway_protocol::CloseFrame;
    /// assert_eq!(CloseFrame::new(1008, "x".repeat(200)).reason.len(), 120);
    /// ```
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON_BYTES {
            let mut cut = MAX_REASON_BYTES;
            while !reason.is_char_boundary(cut) {
                cut -= 1;
            }
            reason.truncate(cut);
        }
        Self { code, reason }
    }
}

/// One row of the close-code registry.
#[derive(Clone, Copy, Debug)]
pub struct CloseRow {
    /// WebSocket close code.
    pub code: u16,
    /// Who sends it: `gateway`, `client` or `either`.
    pub sender: &'static str,
    /// Reason texts seen with it.
    pub reasons: &'static [&'static str],
    /// When it is sent.
    pub doc: &'static str,
}

/// Every close code that belongs on this wire. ref: gateway-behaviour.md B, real-clients.md §1
pub const CLOSE_CODES: &[CloseRow] = &[
    CloseRow {
        code: 1000,
        sender: "either",
        reasons: &["", "Disconnecting"],
        doc: "normal end; from the gateway before hello: handshake time-out or invalid JSON",
    },
    CloseRow {
        code: 1001,
        sender: "either",
        reasons: &[""],
        doc: "going away, a browser page that closes",
    },
    CloseRow {
        code: 1002,
        sender: "gateway",
        reasons: &["", "protocol mismatch"],
        doc: "WebSocket protocol error, or no common protocol version",
    },
    CloseRow {
        code: 1005,
        sender: "client",
        reasons: &[""],
        doc: "a close frame without a code (never on the wire itself)",
    },
    CloseRow {
        code: 1006,
        sender: "either",
        reasons: &[""],
        doc: "ended without a close frame (never on the wire itself)",
    },
    CloseRow {
        code: 1007,
        sender: "gateway",
        reasons: &[""],
        doc: "invalid UTF-8 in a text message",
    },
    CloseRow {
        code: 1008,
        sender: "either",
        reasons: &[
            "invalid request frame",
            "repeated unauthorized calls",
            "connect failed",
        ],
        doc: "policy: the message of a refused connect, or of a repeated offence",
    },
    CloseRow {
        code: 1009,
        sender: "either",
        reasons: &["", "message too large"],
        doc: "message over the size limit",
    },
    CloseRow {
        code: 1011,
        sender: "gateway",
        reasons: &[""],
        doc: "internal error",
    },
    CloseRow {
        code: 1012,
        sender: "gateway",
        reasons: &["service restart"],
        doc: "stop or restart of the gateway",
    },
    CloseRow {
        code: 1013,
        sender: "gateway",
        reasons: &["gateway starting"],
        doc: "the gateway is not ready yet; try again",
    },
    CloseRow {
        code: 4000,
        sender: "client",
        reasons: &["tick timeout", "connect timeout"],
        doc: "a reference client's watchdog gave up",
    },
    CloseRow {
        code: 4001,
        sender: "gateway",
        reasons: &["device removed", "gateway auth changed"],
        doc: "what this connection was authorised by is gone",
    },
    CloseRow {
        code: 4008,
        sender: "client",
        reasons: &["connect failed"],
        doc: "the Control UI leaves after a refused connect",
    },
    CloseRow {
        code: 4013,
        sender: "client",
        reasons: &[""],
        doc: "the Control UI leaves a gateway that is starting",
    },
];

/// The registry row of a close code.
pub fn close_row(code: u16) -> Option<&'static CloseRow> {
    CLOSE_CODES.iter().find(|row| row.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        let frame = CloseFrame::new(1008, "é".repeat(61));
        assert_eq!(frame.reason.len(), 120);
        let frame = CloseFrame::new(1008, format!("x{}", "é".repeat(61)));
        assert_eq!(frame.reason.len(), 119);
    }
}
