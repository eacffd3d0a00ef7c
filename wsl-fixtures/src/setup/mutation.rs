//! Deliberate mistakes of the set-up. Each is one branch at the decision that it changes.
//!
//! The bug museum runs a set-up with one of these on and expects that its scenario fails.

use serde::{Deserialize, Serialize};

/// One deliberate mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mutation {
    /// What wsl.exe prints is read as one byte a letter. field-bugs.md 108
    OneByteLetters,
    /// The version is looked for behind its English label. field-bugs.md 109
    EnglishLabels,
    /// A script in arguments uses a variable of its shell. field-bugs.md 110
    VariablesInArguments,
    /// wsl.conf is read once. field-bugs.md 111
    ReadsConfOnce,
    /// A fresh distro is probed once. field-bugs.md 112
    ProbesOnce,
    /// The version is waited for as long as it takes. field-bugs.md 113
    WaitsForTheVersion,
    /// A list that can't be had is an empty one. field-bugs.md 114
    FailedListIsEmpty,
    /// The port is looked at once. field-bugs.md 115
    LooksAtThePortOnce,
    /// A port without a listener is given up at once. field-bugs.md 116
    NobodyListensForGood,
    /// Nothing keeps the distro up. field-bugs.md 117
    NoKeepalive,
    /// The configuration gets thirty seconds, however long it is. field-bugs.md 119
    FixedTime,
    /// A gateway that works is taken away when a later step fails. field-bugs.md 120
    TakesAHealthyGateway,
    /// Whoever listens on the port gets the credentials. field-bugs.md 121
    AnyOwnerWillDo,
    /// A distro that was made is never removed. field-bugs.md 122
    KeepsTheDistro,
    /// Whether a distro can run is not asked. field-bugs.md 123
    SkipsTheStatus,
    /// A set-up that was cancelled is not undone. field-bugs.md 124
    CancelLeavesAll,
    /// The installer is tried again whatever it said. field-bugs.md 125
    InstallerIsTriedAgain,
    /// Pending devices are not looked for before the node connects. scenario-catalogue 232
    DrainsNothing,
    /// Of several pending nodes the first is approved. scenario-catalogue 233
    ApprovesTheFirst,
    /// A missing plugin is tried again. scenario-catalogue 234
    PluginIsTriedAgain,
    /// The operator does not connect once more at the end. scenario-catalogue 235
    NodeConnectsLast,
    /// Every protocol and every version is fine. scenario-catalogue 236
    AnyReleaseWillDo,
    /// A request id is run as it comes. scenario-catalogue 084
    RunsAnyRequestId,
    /// wsl.conf is read, and whatever it says is fine. scenario-catalogue 106
    AnyContentWillDo,
    /// The bootstrap token stays when everything is done. setup-and-wsl.md §4.21
    KeepsTheBootstrapToken,
    /// A wizard whose gateway restarted is given up. scenario-catalogue 238
    NeverReplays,
    /// A state directory that is in use for a moment is given up. scenario-catalogue 239
    RestoresOnce,
    /// After the wizard the gateway does not follow its file any more. setup-and-wsl.md §7
    LeavesReloadOff,
    /// Every distro of the computer is stopped before the own one is removed. setup-and-wsl.md §4.5
    ShutsDown,
}

impl Mutation {
    /// The mistake with this name.
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }
}
