//! Arguments of what a person does with her keys and her home's copy.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use semper_archive::home::usual;

use super::HomeArgument;

#[derive(Args)]
#[command(
    after_help = "Example: semper lock --home anna\nIn the TINGUIN itself the key l does it, and Ctrl-L amid a question. It locks by itself after a quarter of an hour in which nobody was there, and when the machine has slept; [tinguin] lock-after = \"5m\" in semper.toml, or \"off\", changes that. One that answers by rules locks by itself only if that is set."
)]
pub struct LockArguments {
    #[command(flatten)]
    pub home: HomeArgument,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper unlock --home otto\n  semper unlock --home otto --pass-phrase-file otto.pass\nWhere the TINGUIN has a screen, the pass-phrase is better typed there: it passes through no other program."
)]
pub struct UnlockArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// A file with the pass-phrase; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper pass-phrase --home anna\n  semper pass-phrase --home otto --pass-phrase-file otto.pass --new-pass-phrase-file otto-new.pass\nKeys, certificates and deals stay what they are. Backups made before open by the old one."
)]
pub struct PassPhraseArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// A file with the pass-phrase of now; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
    /// A file with the new one; without it you are asked.
    #[arg(long)]
    pub new_pass_phrase_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper backup --home anna --out anna-2026-11-30.backup\n  semper backup --home bank --out bank.backup --pass-phrase-file backup.pass\nThe home may be in use. A buyer's or merchant's copy opens by the home's own pass-phrase; for a server's, whose keys lie in clear, one is chosen. Keep the file where the home is not."
)]
pub struct BackupArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// The file to make; one that is there is never written over.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A file with the pass-phrase; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper restore anna-2026-11-30.backup --home anna-again\nNever let a copy and its original run side by side, nor an old copy after its original has gone on: others would be told two things, and hold you to both. Deals that were running go on: semper deals --home anna-again --resume"
)]
pub struct RestoreArguments {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The home to make; a folder that is not there yet.
    #[arg(long)]
    pub home: PathBuf,
    /// A file with the pass-phrase; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper join anna.invitation --home anna\n  semper join anna.invitation --home anna --yes --phrase \"two owls\" --pass-phrase-file anna.pass --backup anna.backup\nAn invitation is what the organiser has sent: a file, or the link semper:invitation/… itself. Whoever leaves in the middle gives the same command again, and goes on."
)]
pub struct JoinArguments {
    /// The invitation: a file, or the link.
    #[arg(value_name = "INVITATION")]
    pub invitation: String,
    /// The home to make, or to go on with; without it, ~/.local/share/semper.
    #[arg(long, env = "SEMPER_HOME", hide_env_values = true, default_value_os_t = usual(), hide_default_value = true)]
    pub home: PathBuf,
    /// Believe the invitation without comparing its fingerprint, and ask nothing that can wait.
    #[arg(long)]
    pub yes: bool,
    /// A personal phrase: only the real TINGUIN knows it.
    #[arg(long)]
    pub phrase: Option<String>,
    /// A file with the pass-phrase; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
    /// key=value for your address, as semper preference takes it; may be given several times.
    #[arg(long)]
    pub set: Vec<String>,
    /// A file for a copy of the home.
    #[arg(long, value_name = "FILE")]
    pub backup: Option<PathBuf>,
}

/// Tokens.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// List the tokens that a library finds, and whether each can be used.
    #[command(
        after_help = "Example: semper token list --library /usr/lib/softhsm/libsofthsm2.so\nA token needs Ed25519 (CKM_EDDSA and CKM_EC_EDWARDS_KEY_PAIR_GEN), and a PIN."
    )]
    List {
        /// The PKCS#11 library of the token's maker, by its whole path.
        #[arg(long)]
        library: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have a token keep a home's keys from now on.
    Use(TokenUseArguments),
}

#[derive(Args)]
#[command(
    after_help = "Example: semper token use --home anna --library /usr/lib/softhsm/libsofthsm2.so --token anna\nA new home has its keys in a token from the start: semper init --token. What is in a token cannot be copied: who loses it loses her running deals, and registers anew."
)]
pub struct TokenUseArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// The PKCS#11 library of the token's maker, by its whole path.
    #[arg(long)]
    pub library: PathBuf,
    /// The token, by its label or serial number.
    #[arg(long)]
    pub token: String,
    /// A file with the home's pass-phrase; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
    /// A file with the token's PIN; without it you are asked.
    #[arg(long)]
    pub pin_file: Option<PathBuf>,
}
