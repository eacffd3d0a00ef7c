//! The sentences of wsl.exe, in the languages that the field has sent in.
//!
//! Labels of `--version` and the heads of `--list --verbose` are translated; errors stay English here, because
//! no reader may rely on more of them than the error code, which is the same everywhere.
//!
//! ref: setup-and-wsl.md §2.5, field-bugs.md 108, 109

use serde::{Deserialize, Serialize};

use crate::output::Labels;

/// The language of Windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Locale {
    /// English.
    #[default]
    #[serde(rename = "en-US")]
    EnUs,
    /// French: a non-breaking space before the colon.
    #[serde(rename = "fr-FR")]
    FrFr,
    /// Simplified Chinese: a full-width colon.
    #[serde(rename = "zh-CN")]
    ZhCn,
}

impl Locale {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EnUs, Self::FrFr, Self::ZhCn];

    /// As Windows names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EnUs => "en-US",
            Self::FrFr => "fr-FR",
            Self::ZhCn => "zh-CN",
        }
    }

    /// Column heads of the list. Only the English ones differ in no language seen so far.
    pub fn labels(self) -> Labels {
        Labels::ENGLISH
    }

    /// `--version`, with the versions of the other parts as they went with WSL 2.4.13.
    pub fn version(self, wsl: &[u32]) -> String {
        let wsl: Vec<String> = wsl.iter().map(ToString::to_string).collect();
        let parts = [
            ("WSL", wsl.join(".")),
            ("kernel", "5.15.167.4-1".to_owned()),
            ("WSLg", "1.0.65".to_owned()),
            ("MSRDC", "1.2.5716".to_owned()),
            ("Direct3D", "1.611.1-81528511".to_owned()),
            ("DXCore", "10.0.26100.1-240331-1435.ge-release".to_owned()),
            ("Windows", "10.0.26100.3476".to_owned()),
        ];
        parts.iter().fold(String::new(), |text, (part, version)| {
            text + &self.version_label(part) + version + "\r\n"
        })
    }

    fn version_label(self, part: &str) -> String {
        match (self, part) {
            (Self::EnUs, "kernel") => "Kernel version: ".to_owned(),
            (Self::EnUs, part) => format!("{part} version: "),
            (Self::FrFr, "kernel") => "Version du noyau\u{a0}: ".to_owned(),
            (Self::FrFr, part) => format!("Version {part}\u{a0}: "),
            (Self::ZhCn, "kernel") => "内核版本\u{ff1a} ".to_owned(),
            (Self::ZhCn, part) => format!("{part} 版本\u{ff1a} "),
        }
    }

    /// `--status`.
    pub fn status(self, default: Option<&str>) -> String {
        let (distro, version) = match self {
            Self::EnUs => ("Default Distribution: ", "Default Version: "),
            Self::FrFr => (
                "Distribution par défaut\u{a0}: ",
                "Version par défaut\u{a0}: ",
            ),
            Self::ZhCn => ("默认分发\u{ff1a} ", "默认版本\u{ff1a} "),
        };
        let first = default
            .map(|name| format!("{distro}{name}\r\n"))
            .unwrap_or_default();
        format!("{first}{version}2\r\n")
    }
}

/// No distro of this name.
pub const NOT_FOUND: &str = "There is no distribution with the supplied name.\r\nError code: Wsl/Service/WSL_E_DISTRO_NOT_FOUND\r\n";
/// The list is empty, or there is no default.
pub const NONE_INSTALLED: &str = "Windows Subsystem for Linux has no installed distributions.\r\nYou can resolve this by installing a distribution with the instructions below:\r\n\r\nUse 'wsl.exe --list --online' to list available distributions\r\nand 'wsl.exe --install <Distro>' to install.\r\nError code: Wsl/WSL_E_DEFAULT_DISTRO_NOT_FOUND\r\n";
/// A distro of this name is there.
pub const EXISTS: &str = "A distribution with the supplied name already exists. Use --name to choose a different name.\r\nError code: Wsl/InstallDistro/Service/RegisterDistro/ERROR_ALREADY_EXISTS\r\n";
/// A verb without words did its work.
pub const DONE: &str = "The operation completed successfully. \r\n";
/// The list is asked for what can be installed.
pub const ONLINE: &str = "The following is a list of valid distributions that can be installed.\r\nInstall using 'wsl.exe --install <Distro>'.\r\n\r\nNAME            FRIENDLY NAME\r\nUbuntu          Ubuntu\r\nUbuntu-24.04    Ubuntu 24.04 LTS\r\nDebian          Debian GNU/Linux\r\n";
/// The distro's user does not exist.
pub const USER_NOT_FOUND: &str =
    "User not found.\r\nError code: Wsl/Service/CreateInstance/WSL_E_USER_NOT_FOUND\r\n";
/// A command came while the distro is being installed.
pub const INSTALLING: &str =
    "The distribution is being installed.\r\nError code: Wsl/Service/WSL_E_INVALID_STATE\r\n";

/// A word that is no option of wsl.exe.
pub fn unknown_option(option: &str) -> String {
    format!(
        "Invalid command line option: {option}\r\nPlease use 'wsl.exe --help' to get a list of supported arguments.\r\n"
    )
}

/// An option without its value.
pub fn missing_value(option: &str) -> String {
    format!(
        "Command line argument {option} requires a value.\r\nPlease use 'wsl.exe --help' to get a list of supported arguments.\r\n"
    )
}
