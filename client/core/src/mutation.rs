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
    /// The bootstrap token is sent as if it were the shared token.
    BootstrapSentAsShared,
    /// Delays have no jitter: both roles come back in the same moment. field-bugs.md 87
    SameDelays,
    /// Reconnects come every 10 ms.
    ReconnectStorm,
    /// What the gateway says of a refusal is shown as it is, a token in it too.
    ShowsItsToken,
    /// The own node is approved whenever it stands in the list of pending nodes, as the older client does.
    ApprovesFromTheList,
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
    /// A dial whose upgrade is never answered is waited for without end. field-bugs.md 88
    WaitForTheUpgradeForEver,
    /// What a disconnect ends is told as a timeout. field-bugs.md 93
    CancelIsTimeout,
    /// A connection on which nothing comes any more is kept. field-bugs.md 80
    DeafToSilence,
    /// A spent bootstrap token is used again although a device token is stored. field-bugs.md 57
    BootstrapForever,
    /// An expired signature is taken for one of a version that the gateway does not know. field-bugs.md 2
    ExpiredIsOldVersion,
    /// That a gateway wants v2 signatures is not remembered. field-bugs.md 7
    ForgetVersion,
    /// A device token is sent, and an empty token is signed. field-bugs.md 8
    SignEmptyToken,
    /// `device.id` is not the digest of the key. field-bugs.md 9
    ForeignDeviceId,
    /// The fallback for a refused token is sent to endpoints that prove nothing. field-bugs.md 25
    RecoverAnywhere,
    /// A token with too few scopes is taken for a bad token. field-bugs.md 27
    ScopeMismatchIsBadToken,
    /// A removed device stays away in silence. field-bugs.md 28
    RemovedIsFinal,
    /// A node whose hello-ok brings no token is still pending. field-bugs.md 37
    PendingWithoutToken,
    /// Details of an error are read at one of their two places only. field-bugs.md 38
    OneSpelling,
    /// A request id is taken as it comes. field-bugs.md 39
    AnyRequestId,
    /// A bootstrap connect asks for `operator.admin`. field-bugs.md 54
    BootstrapAsksForAdmin,
    /// A fresh setup code loses to the stored credential. field-bugs.md 61
    CodeLoses,
    /// Two spellings of one address are two gateways. field-bugs.md 65
    AliasIsAnother,
    /// A setup code that is none clears the device tokens. field-bugs.md 66
    BadCodeClears,
    /// The node offers nothing. field-bugs.md 67
    EmptySurface,
    /// The node sends the operator's token. field-bugs.md 71
    OperatorTokenAsNode,
    /// Pairing events about other devices are taken for its own. field-bugs.md 74
    HearsOtherDevices,
    /// After a lost connection only the operator comes back. field-bugs.md 84
    NodeStaysAway,
    /// A lost connection is never opened again. field-bugs.md 85
    NeverReconnect,
    /// Every attempt comes a second after the last, for ever. field-bugs.md 86
    SteadyRetries,
    /// A close before hello-ok ends the loop. field-bugs.md 16
    EarlyCloseIsFinal,
    /// At most protocol 3 is offered. field-bugs.md 126
    OldProtocolOnly,
    /// Code and details of a refusal are thrown away. field-bugs.md 128
    DropDetails,
    /// That somebody else approved its node is not noticed.
    MissesApproval,
    /// Only a 1012 with the usual reason is a restart. field-bugs.md 129
    ReadsCloseReason,
    /// The operator's socket of a lifecycle that has ended stays open.
    KeepOldSocket,
    /// A connect frame follows although it is not known who listens. field-bugs.md 104
    SendToStrangers,
    /// A method whose scope is missing is polled on. field-bugs.md 10
    PollsWithoutScope,
    /// The platform names the patch level of the system. field-bugs.md 12
    PlatformWithPatchLevel,
    /// A role connects with the credential that it was started with, whatever is stored since. field-bugs.md 31
    CachedToken,
    /// The request id that was shown first is shown for ever. field-bugs.md 43
    KeepsFirstRequestId,
    /// Node trust is asked for in the devices' queue. field-bugs.md 47
    OneQueue,
    /// An approval that was sent has succeeded. field-bugs.md 55
    SentIsApproved,
    /// The bootstrap token of a setup code is kept as the shared token. field-bugs.md 56
    BootstrapAsShared,
    /// Tokens that come over a plain address of a network are not kept. field-bugs.md 59
    NoTokensOverPlain,
    /// A start with the node's token alone finds nothing to connect with. field-bugs.md 72
    NodeAloneIsNothing,
    /// A request that waits for its answer keeps the watchdog away. field-bugs.md 81
    RequestSilencesWatchdog,
    /// Only a tick is a sign of life. field-bugs.md 82
    OnlyTicksAreLife,
    /// The watchdog reads the wall clock. field-bugs.md 83
    WatchdogByWallClock,
    /// A device token asks for every scope, whatever was granted with it. field-bugs.md 51
    AsksForMore,
    /// Any hello-ok is taken, whoever asked for it. field-bugs.md 96
    AnyHello,
}
