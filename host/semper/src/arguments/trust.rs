//! `semper trust` and its help.

use std::path::PathBuf;

use clap::Subcommand;

use super::HomeArgument;

#[derive(Subcommand)]
pub enum TrustCommand {
    /// Authorities, organisations, logs, third parties, policies, and how fresh their lists are.
    #[command(after_help = "Example: semper trust list --home anna")]
    List {
        #[command(flatten)]
        home: HomeArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Believe an organisation, an authority, a third party or a log.
    #[command(
        after_help = "Example: semper trust add --home anna evaluator --name konsument --root konsument.pem --criteria https://semper.example/criteria/consumer/1"
    )]
    Add {
        #[command(flatten)]
        home: HomeArgument,
        #[command(subcommand)]
        what: TrustAdd,
    },
    /// No longer believe an authority, an organisation, a log or a third party.
    #[command(after_help = "Example: semper trust remove --home anna konsument")]
    Remove {
        #[command(flatten)]
        home: HomeArgument,
        /// Its name, as semper trust list shows it; of an authority also its file.
        name: String,
    },
    /// Say what a merchant's terms would be granted and why: which certificate, which policy,
    /// which fact; and what would have to change where they are refused.
    #[command(
        after_help = "Example: semper trust explain --home anna https://localhost:8442\nInstead of a merchant's address: a folder, a .tar file, registry://host:port/name:tag."
    )]
    Explain {
        #[command(flatten)]
        home: HomeArgument,
        /// The merchant's address, or where a bundle lies.
        place: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Hold the policies of a trust file against cases: unit tests for policies.
    #[command(
        after_help = "Example: semper trust test --trust policies/trust.toml policies/cases.toml"
    )]
    Test {
        /// The trust file.
        #[arg(long)]
        trust: PathBuf,
        /// The cases (TOML): what is asked for, and what is expected to be granted.
        cases: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum TrustAdd {
    /// A consumer organisation.
    #[command(
        after_help = "Example: semper trust add --home anna evaluator --name konsument --root konsument.pem --criteria https://semper.example/criteria/consumer/1"
    )]
    Evaluator {
        /// What you call it.
        #[arg(long)]
        name: String,
        /// Its root certificate.
        #[arg(long)]
        root: PathBuf,
        /// The criteria for which you believe it; may be given several times.
        #[arg(long, required = true)]
        criteria: Vec<String>,
        /// Where its revocation list is; its certificates count only while that is fresh.
        #[arg(long)]
        revocations: Option<String>,
        /// Over how many steps it may pass its judgement on to others.
        #[arg(long, default_value_t = 0)]
        delegates: u8,
    },
    /// An authority that certifies merchants, authors, banks and servers.
    #[command(after_help = "Example: semper trust add --home anna authority --root other-ca.pem")]
    Authority {
        /// Its root certificate.
        #[arg(long)]
        root: PathBuf,
    },
    /// A third party of fair exchanges; or the next key of one that is believed, if the key that
    /// is believed has signed it into succession.
    #[command(
        name = "third-party",
        after_help = "Example: semper trust add --home anna third-party --file third-party.toml"
    )]
    ThirdParty {
        /// What semper third-party-init or third-party-renew has printed.
        #[arg(long)]
        file: PathBuf,
    },
    /// A transparency log.
    #[command(
        after_help = "Example: semper trust add --home anna log --key log.example/terms+1a2b3c4d+… --witness witness.example/one+…+… --quorum 1"
    )]
    Log {
        /// Its key, as it publishes it.
        #[arg(long)]
        key: String,
        /// Its address.
        #[arg(long)]
        url: Option<String>,
        /// The key of a witness; may be given several times.
        #[arg(long)]
        witness: Vec<String>,
        /// How many of the witnesses must have cosigned.
        #[arg(long, default_value_t = 0)]
        quorum: u16,
    },
}
