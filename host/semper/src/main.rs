//! `semper`: the one binary for buyers, merchants, banks and certification authorities.
//!
//! | module | what it is for |
//! |---|---|
//! | `arguments` | the commands and their help |
//! | `home` | init, register, preferences |
//! | `account` | accounts at banks |
//! | `join` | from an invitation to a home that can buy |
//! | `renew` | the next key, certified by the old one |
//! | `tinguin` | the trusted user interface's process |
//! | `unlock` | pass-phrases: asked for, chosen; the key store opened by one |
//! | `lock` | locking and unlocking a TINGUIN that runs |
//! | `passphrase` | another pass-phrase |
//! | `token` | keys in a token |
//! | `device` | a TINGUIN on a second device |
//! | `backup`, `restore` | a home's copy in one encrypted file, and back |
//! | `buy` | buying, and going on with deals |
//! | `open` | links |
//! | `applications`, `mcp` | business applications, and the doors by which they come |
//! | `qr` | QR codes in picture files |
//! | `hosted` | having a home's host do something, and starting it |
//! | `run` | the resident host as a process |
//! | `judge` | a finding from the evidence of a fair exchange |
//! | `look` | the archive: verify, export, save; finding deals |
//! | `archived` | the archive as a bank statement: list, totals, who knows what |
//! | `letters` | letters that ask back what somebody was told |
//! | `story` | one deal as a story |
//! | `receipt` | receipts, and files that are checked without a home |
//! | `replay` | running a deal's component on its journal again |
//! | `trust` | whom a home believes: list, add, remove, explain, test |
//! | `serve` | server roles, and what their operators do beside |
//! | `third` | what operators of third parties do |
//! | `ca` | what operators of certification authorities do |
//! | `books` | a bank's audit and corrections |
//! | `shop` | a merchant's catalogue and parcels |
//! | `manual` | manual pages and completions, from the arguments |
//! | `signals` | what a command does last when a signal ends it |
//! | `print` | JSON or text; errors with their mend |
#![forbid(unsafe_code)]

mod account;
mod address;
mod applications;
mod archived;
mod arguments;
mod backup;
mod books;
mod buy;
mod ca;
mod device;
mod home;
mod hosted;
mod join;
mod judge;
mod letters;
mod lock;
mod logging;
mod look;
mod manual;
mod mcp;
mod open;
mod passphrase;
mod print;
mod qr;
mod receipt;
mod renew;
mod replay;
mod restore;
mod run;
mod serve;
mod shop;
mod signals;
mod story;
mod third;
mod tinguin;
mod token;
mod trust;
mod unlock;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use semper_base::{Report, text};

use arguments::{AccountCommand, Arguments, BankCommand, CatalogueCommand, Command};

fn main() -> ExitCode {
    // Looked for by hand: arguments that cannot be read are an error, too.
    if std::env::args_os().skip(1).take_while(|it| it != "--").any(|it| it == "--json") {
        print::for_machines();
    }
    match text::arguments(std::env::args_os()).and_then(|()| arguments()).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(report) => {
            print::error(&report);
            ExitCode::from(report.code)
        }
    }
}

/// What the person has typed. Help is printed here, and so is what she may have meant.
fn arguments() -> Result<Command, Report> {
    Arguments::try_parse().map(|it| it.command).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ if !print::is_for_machines() => error.exit(),
        _ => Report::of_arguments(&error.render().to_string()),
    })
}

fn run(command: Command) -> Result<(), Report> {
    match command {
        Command::Init(arguments) => home::init(&arguments),
        Command::Register(arguments) => home::register(&arguments),
        Command::Renew(arguments) => renew::renew(&arguments),
        Command::Preference { home, set, json } => home::preference(&home.home, &set, json),
        Command::Account(AccountCommand::Open(arguments)) => account::open_account(&arguments),
        Command::Account(AccountCommand::Show { home, json }) => {
            account::show_account(&home.home, json)
        }
        Command::Join(arguments) => join::join(&arguments),
        Command::Tinguin(arguments) => tinguin::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Lock(arguments) => lock::lock(&arguments),
        Command::Unlock(arguments) => lock::unlock(&arguments),
        Command::PassPhrase(arguments) => passphrase::change(&arguments),
        Command::Backup(arguments) => backup::backup(&arguments),
        Command::Restore(arguments) => restore::restore(&arguments),
        Command::Buy(arguments) => buy::buy(&arguments),
        Command::Open(arguments) => open::open(&arguments),
        Command::Device(command) => device::run(&command),
        Command::Token(command) => token::run(&command),
        Command::Applications(command) => applications::run(&command),
        Command::Mcp(arguments) => mcp::run(&arguments),
        Command::Deals(arguments) => buy::deals(&arguments),
        Command::Cancel(arguments) => buy::cancel(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Trust(command) => trust::trust(&command),
        Command::Archive(command) => look::archive(&command),
        Command::Serve { file, check } => serve::serve(&file, check),
        Command::Ca(command) => ca::run(&command),
        Command::Log { home, origin } => serve::log_init(&home, &origin),
        Command::Witness { home, name } => serve::witness_init(&home, &name),
        Command::ThirdParty { home, origin, served } => third::init(&home, &origin, &served),
        Command::Judge { files, log_key, witness, at, json } => {
            judge::judge(&files, &judge::Believed::parse(&log_key, &witness)?, at.as_deref(), json)
        }
        Command::ThirdPartyRenew { home, served } => third::renew(&home, &served),
        Command::Bank(BankCommand::Init { home, key, certificate, authority }) => {
            serve::bank_init(&home, &key, &certificate, &authority)
        }
        Command::Bank(BankCommand::Fund { home, account, amount, json }) => {
            serve::bank_fund(&home, &account, &amount, json)
        }
        Command::Bank(BankCommand::HandOver { home, account, certificate }) => {
            serve::bank_hand_over(&home, &account, &certificate)
        }
        Command::Bank(BankCommand::Audit { home, recompute, json }) => {
            books::audit(&home, recompute, json)
        }
        Command::Bank(BankCommand::Correct { home, from, to, amount, text, json }) => {
            books::correct(&home, [&from, &to], &amount, &text, json)
        }
        Command::Catalogue(CatalogueCommand::List { home, words, most, json }) => {
            shop::list(&home.home, &words, most, json)
        }
        Command::Catalogue(CatalogueCommand::Stock { home, number, pieces }) => {
            shop::stock(&home.home, &number, pieces)
        }
        Command::Catalogue(CatalogueCommand::Remove { home, number }) => {
            shop::remove(&home.home, &number)
        }
        Command::Catalogue(CatalogueCommand::Parcels { home, json }) => {
            shop::parcels(&home.home, json)
        }
        Command::Catalogue(CatalogueCommand::Import { home, file, currency, dry_run, json }) => {
            serve::catalogue_import(&home.home, &file, currency, dry_run, json)
        }
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { out } => manual::pages(&out),
        Command::CompileComponent { milliseconds } => {
            std::process::exit(semper_runtime::compile::worker(milliseconds))
        }
    }
}
