//! Arguments of what makes a TINGUIN of a second device.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::HomeArgument;

/// A TINGUIN on a second device.
#[derive(Subcommand)]
pub enum DeviceCommand {
    /// On the host's machine: wait for the device that is to be the home's TINGUIN.
    Pair(DevicePairArguments),
    /// On the device: be the TINGUIN of a host on another machine.
    Join(DeviceJoinArguments),
    /// Show with which device, or host's machine, a home is paired.
    #[command(after_help = "Example: semper device show --home anna")]
    Show {
        #[command(flatten)]
        home: HomeArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Forget the pairing. It is to be forgotten on both.
    #[command(after_help = "Example: semper device remove --home anna")]
    Remove(HomeArgument),
}

#[derive(Args)]
#[command(
    after_help = "Example: semper device pair --home anna --listen 0.0.0.0:8460\nThe home has no keys of its own: semper init --device. Both machines show a code, which you compare; then start semper tinguin on both."
)]
pub struct DevicePairArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// Where the device is waited for, now and later: an address of this machine and a port.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: String,
    /// What this machine is called on the device.
    #[arg(long)]
    pub name: Option<String>,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper device join desk.example:8460 --home tinguin\nA home that is not there is made, with keys of its own; you are asked for what is not given."
)]
pub struct DeviceJoinArguments {
    /// The host's machine: its name or address, and the port where it waits.
    #[arg(value_name = "MACHINE:PORT")]
    pub address: String,
    #[command(flatten)]
    pub home: HomeArgument,
    /// What this device is called on the host's machine.
    #[arg(long)]
    pub name: Option<String>,
    /// The name by which the TINGUIN greets you.
    #[arg(long)]
    pub user: Option<String>,
    /// A personal phrase: only the real TINGUIN knows it.
    #[arg(long)]
    pub phrase: Option<String>,
    /// A file with the pass-phrase; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
}
