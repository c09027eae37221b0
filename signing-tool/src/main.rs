//! `semper-sign`: what authors, merchants and consumer organisations sign with.
//!
//! | module | what it is for |
//! |---|---|
//! | `files` | reading and writing keys, certificates, bundles, descriptions |
//! | `make` | service, terms, certify: adding signed artifacts to a bundle |
//! | `look` | inspect, verify: what is in a bundle, and what a trust file says of it |
#![forbid(unsafe_code)]

mod files;
mod look;
mod make;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use semper_base::Report;

/// Sign services, terms of business and certificates, and look into bundles.
#[derive(Parser)]
#[command(name = "semper-sign", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an Ed25519 key (PKCS#8 PEM, readable by you alone).
    #[command(after_help = "Example: semper-sign key --out author.key")]
    Key {
        /// Where to write it; a file that is there is not overwritten.
        #[arg(long)]
        out: PathBuf,
    },
    /// Make a certificate request (PKCS#10) for a key.
    #[command(
        after_help = "Example: semper-sign request --key author.key --name \"Ada Author\" --out author.csr"
    )]
    Request {
        /// The key.
        #[arg(long)]
        key: PathBuf,
        /// The name to be certified, as the registration key was given out for it.
        #[arg(long)]
        name: String,
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Set up a consumer organisation: its own root, and the key that it certifies with.
    #[command(
        after_help = "Example: semper-sign organisation --name Verbraucherbund --out verbraucherbund"
    )]
    Organisation {
        /// The organisation's name.
        #[arg(long)]
        name: String,
        /// The folder to make: root.pem, root.key, evaluator.pem, evaluator.key.
        #[arg(long)]
        out: PathBuf,
    },
    /// Make a bundle of a service: two components and a description, signed by the author.
    #[command(
        after_help = "Example: semper-sign service --description service.toml --buyer buyer.wasm --seller seller.wasm --key author.key --certificate author.pem --out bundle"
    )]
    Service {
        /// Name, version, flow, parameters (TOML).
        #[arg(long)]
        description: PathBuf,
        /// The buyer's component.
        #[arg(long)]
        buyer: PathBuf,
        /// The seller's component.
        #[arg(long)]
        seller: PathBuf,
        #[command(flatten)]
        signer: SignerArguments,
        /// The folder to make.
        #[arg(long)]
        out: PathBuf,
    },
    /// Add a merchant's terms to a service's bundle, signed by the merchant.
    #[command(
        after_help = "Example: semper-sign terms --bundle bundle --description terms.toml --text en=terms.en.md --key otto.key --certificate otto.pem"
    )]
    Terms {
        /// The bundle's folder.
        #[arg(long)]
        bundle: PathBuf,
        /// Serial number, parameters, payment, validity (TOML).
        #[arg(long)]
        description: PathBuf,
        /// A text for people: language=file; may be given several times.
        #[arg(long)]
        text: Vec<String>,
        #[command(flatten)]
        signer: SignerArguments,
    },
    /// Certify the service in a bundle, as a consumer organisation.
    #[command(
        after_help = "Example: semper-sign certify --bundle bundle --description certificate.toml --key evaluator.key --certificate evaluator.pem"
    )]
    Certify {
        /// The bundle's folder.
        #[arg(long)]
        bundle: PathBuf,
        /// Criteria, level, scope, report, validity (TOML).
        #[arg(long)]
        description: PathBuf,
        #[command(flatten)]
        signer: SignerArguments,
    },
    /// Show what is in a bundle: artifacts, components, what they import, the flow and its faults.
    #[command(after_help = "Example: semper-sign inspect --bundle bundle")]
    Inspect {
        /// The bundle's folder.
        #[arg(long)]
        bundle: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Verify a bundle as a buyer with this trust file would.
    #[command(
        after_help = "Example: semper-sign verify --bundle bundle --trust policies/trust.toml"
    )]
    Verify {
        /// The bundle's folder.
        #[arg(long)]
        bundle: PathBuf,
        /// The trust file.
        #[arg(long)]
        trust: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct SignerArguments {
    /// The signer's key.
    #[arg(long)]
    key: PathBuf,
    /// The signer's certificate.
    #[arg(long)]
    certificate: PathBuf,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            eprintln!("{report}");
            ExitCode::from(report.code)
        }
    }
}

fn run(command: Command) -> Result<(), Report> {
    match command {
        Command::Key { out } => make::key(&out),
        Command::Request { key, name, out } => make::request(&key, &name, &out),
        Command::Organisation { name, out } => make::organisation(&name, &out),
        Command::Service { description, buyer, seller, signer, out } => {
            make::service(&description, &buyer, &seller, &signer, &out)
        }
        Command::Terms { bundle, description, text, signer } => {
            make::terms(&bundle, &description, &text, &signer)
        }
        Command::Certify { bundle, description, signer } => {
            make::certify(&bundle, &description, &signer)
        }
        Command::Inspect { bundle, json } => look::inspect(&bundle, json),
        Command::Verify { bundle, trust, json } => look::verify(&bundle, &trust, json),
    }
}
