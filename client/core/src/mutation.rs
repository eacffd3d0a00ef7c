//! Deliberate bugs. Each is one branch at the decision that it changes, compiled in by the feature `mutants`.
//!
//! The invariants' mutants and the bug museum run a client with one of these on and expect the judge to name it.

/// One deliberate bug of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutation {
    /// Every connect frame carries the nonce of the first challenge this client ever saw.
    ReuseNonce,
    /// Two connect frames answer one challenge.
    ConnectTwice,
    /// `auth` carries the shared token beside the credential that was chosen.
    SecondAuthKey,
    /// Reconnects come every 10 ms.
    ReconnectStorm,
    /// The bootstrap token goes as soon as one role token is stored.
    ClearBootstrapEarly,
    /// `signedAt` is the local clock, never the challenge's. field-bugs.md 1
    LocalClockSignedAt,
    /// A reconnect makes a fresh device key.
    NewKeyOnReconnect,
    /// Every invoke is answered twice.
    AnswerInvokeTwice,
    /// A `health` request goes out before the connect frame.
    SendBeforeConnect,
    /// Every request after the first uses the id of the first.
    DuplicateRequestId,
    /// A terminal connect error does not stop the reconnect loop. field-bugs.md 23
    KeepRetryingAfterTerminal,
    /// The node connects before the operator's hello-ok.
    NodeBeforeOperator,
    /// The client closes with 4999, a code nobody knows.
    UnknownCloseCode,
    /// The first request after hello-ok is larger than the gateway's payload limit.
    OversizeFrame,
    /// The operator token of a hello-ok is filed as the node's and the other way round. field-bugs.md 63
    SwapRoleTokens,
    /// Reconnecting stops while pairing is pending, so an approval never takes effect. field-bugs.md 35
    StopWhilePairing,
    /// While pairing is pending the client asks again every 10 ms. field-bugs.md 34
    PairingStorm,
    /// A mismatch of the shared token clears the device tokens. field-bugs.md 19
    ClearTokensOnSharedMismatch,
    /// A rejected device token is never replaced. field-bugs.md 20
    NeverRecoverToken,
    /// A retryable "gateway starting" is taken for terminal. field-bugs.md 77
    StartingIsFatal,
    /// A 1012 ends the reconnect loop in silence. field-bugs.md 76
    ZombieAfterRestart,
    /// The close after a pairing answer overwrites the pairing state. field-bugs.md 36
    CloseOverwritesPairing,
    /// The device family is signed as `desktop` and left out of the operator's frame. field-bugs.md 11
    OmitDeviceFamily,
    /// A challenge that does not come is waited for without end. field-bugs.md 2
    WaitForTheChallengeForEver,
    /// A connection on which nothing comes any more is kept. field-bugs.md 80
    DeafToSilence,
    /// A spent bootstrap token is used again although a device token is stored. field-bugs.md 57
    BootstrapForever,
}
