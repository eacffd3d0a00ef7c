//! Options of `setup`.

use std::path::PathBuf;

use clap::Args;

use super::OpenClawArg;

/// Options of `setup`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof setup                                     set up, show every step, take it away again",
    "clawproof setup --data-dir store/wsl                leave it running",
    "clawproof setup --data-dir store/wsl --uninstall --confirm-destructive",
    "clawproof setup --fault wsl-conf-read-fails-once    with something that goes wrong",
    "clawproof setup --list-faults                       what can go wrong",
))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct SetupArgs {
    /// Folder of the app and of its stand-in computer; a temporary one, removed at the end, when left out
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// JSON file with what is set up (`DistroName`, `GatewayPort`, `Version` ...); every member has a default
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Name of the distro
    #[arg(long, value_name = "NAME")]
    pub distro_name: Option<String>,
    /// Port of the gateway; a free one of 20000 to 39999 when neither this nor the file names one
    #[arg(long, value_name = "N")]
    pub gateway_port: Option<u16>,
    /// Whose OpenClaw is installed
    #[arg(long, value_name = "WHOSE", value_enum, default_value = "mock")]
    pub openclaw: OpenClawArg,
    /// Release of OpenClaw to install: recommended, fallback, or an exact one
    #[arg(long, value_name = "RELEASE")]
    pub gateway_version: Option<String>,
    /// Take a release that is not recommended yet
    #[arg(long)]
    pub validate_gateway_candidate: bool,
    /// Leave the gateway's wizard out
    #[arg(long)]
    pub skip_wizard: bool,
    /// Run the wizard and the node context again on a set-up that stands
    #[arg(long, requires = "data_dir", conflicts_with = "uninstall")]
    pub wizard_only: bool,
    /// Something that goes wrong, by name (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub fault: Vec<String>,
    /// List what can go wrong
    #[arg(long)]
    pub list_faults: bool,
    /// Check the configuration and end
    #[arg(long)]
    pub dry_run: bool,
    /// Keep what stands when a step fails
    #[arg(long)]
    pub no_rollback_on_failure: bool,
    /// Pause as long as the set-up does on Windows; a twentieth of it when left out
    #[arg(long)]
    pub real_pauses: bool,
    /// Take away what a set-up made
    #[arg(long, requires = "data_dir")]
    pub uninstall: bool,
    /// Yes, remove the distro with all its files
    #[arg(long)]
    pub confirm_destructive: bool,
    /// Write the result as JSON into this file
    #[arg(long, value_name = "FILE")]
    pub json_output: Option<PathBuf>,
}
