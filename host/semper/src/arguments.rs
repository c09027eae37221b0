//! The commands and their help.

mod applications;
mod archive;
mod device;
mod keys;
mod operators;
mod trust;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};
use semper_archive::home::usual;

pub use applications::{ApplicationsCommand, McpArguments, OpenArguments, PairArguments};
pub use archive::{ArchiveCommand, FilterArguments, LetterArguments};
pub use device::{DeviceCommand, DeviceJoinArguments, DevicePairArguments};
pub use keys::{
    BackupArguments, JoinArguments, LockArguments, PassPhraseArguments, RestoreArguments,
    TokenCommand, TokenUseArguments, UnlockArguments,
};
pub use operators::{BankCommand, CaCommand, CatalogueCommand, InvitationArguments};
pub use trust::{TrustAdd, TrustCommand};

/// A secure electronic marketplace: buy under certified terms of business, or serve them.
#[derive(Parser)]
#[command(name = "semper", version, max_term_width = 100)]
pub struct Arguments {
    /// Print JSON; what goes wrong is one line of JSON on standard error.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Begin: make a home of an invitation, have it certified, open an account, make a copy.
    Join(JoinArguments),
    /// Make a home for a buyer or merchant: key store, archive, trust file.
    Init(InitArguments),
    /// Get a certificate from an authority, with the registration key that it handed out.
    Register(RegisterArguments),
    /// Have the next key certified by the old one, before its certificate ends.
    Renew(RenewArguments),
    /// Show or set what you tell merchants by default: name, street, postcode, city, country.
    #[command(
        after_help = "Example: semper preference --home anna --set name=\"Anna Berg\" --set country=DE"
    )]
    Preference {
        #[command(flatten)]
        home: HomeArgument,
        /// key=value; may be given several times.
        #[arg(long)]
        set: Vec<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Open or show your account at a bank.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Start the TINGUIN of a home: the trusted user interface, which holds the keys.
    Tinguin(TinguinArguments),
    /// Run the host of a home, which goes on with all of its deals; look at it, or end it.
    Run(RunArguments),
    /// Lock a TINGUIN that runs: its keys leave its memory until the pass-phrase is typed again.
    Lock(LockArguments),
    /// Unlock a TINGUIN that has no screen to type the pass-phrase on, such as a merchant's.
    Unlock(UnlockArguments),
    /// Give a home another pass-phrase, or its token another PIN. A TINGUIN that runs goes on.
    PassPhrase(PassPhraseArguments),
    /// Keep a home's keys in a token (PKCS#11): a smart card, a USB key, a security module.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Have a second device be the TINGUIN: a machine with a screen of its own, paired by a code.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Copy a home into one encrypted file, while it is in use: a buyer's, a server's, any.
    Backup(BackupArguments),
    /// Make a home of a backup, in a new folder: whole, or not at all.
    Restore(RestoreArguments),
    /// Buy from a merchant: fetch its terms, check them, open a deal and carry it out.
    Buy(BuyArguments),
    /// Open a semper: link: it is shown, and a purchase begins with what it fills in.
    Open(OpenArguments),
    /// Business applications that may shop for you and decide nothing: list, pair, remove.
    #[command(subcommand)]
    Applications(ApplicationsCommand),
    /// Serve an agent that starts this command: the Model Context Protocol over standard streams.
    Mcp(McpArguments),
    /// List your deals and what each waits for; go on with those that have not ended.
    Deals(DealsArguments),
    /// Leave a deal: its service is told at its next wait, and tidies up.
    Cancel(CancelArguments),
    /// Run a deal's component on its journal again: a readable account of each call.
    Replay(ReplayArguments),
    /// Whom a home believes, and what that means for terms: list, add, remove, explain, test.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Look into the archive: list, totals, show, receipts, who knows what, verify, export.
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Serve the roles of a configuration file: merchant, bank, certification authority, third party, log, witness, files.
    #[command(
        after_help = "Example: semper serve market.toml\nStops gracefully on SIGTERM; logs by RUST_LOG (default info)."
    )]
    Serve {
        /// The configuration (TOML).
        file: PathBuf,
        /// Only say what is wrong with it.
        #[arg(long)]
        check: bool,
    },
    /// What the operator of a certification authority does.
    #[command(subcommand)]
    Ca(CaCommand),
    /// Make the home of a transparency log: its key, for the section “tlog” of a server.
    #[command(
        name = "log-init",
        after_help = "Example: semper log-init --home log --origin log.example/terms"
    )]
    Log {
        /// The home to make.
        #[arg(long)]
        home: PathBuf,
        /// The log's name, such as log.example/terms; it never changes.
        #[arg(long)]
        origin: String,
    },
    /// Make the home of a witness of logs: its key, for the section “witness” of a server.
    #[command(
        name = "witness-init",
        after_help = "Example: semper witness-init --home witness --name witness.example/one"
    )]
    Witness {
        /// The home to make.
        #[arg(long)]
        home: PathBuf,
        /// The witness's name; it never changes.
        #[arg(long)]
        name: String,
    },
    /// Make the home of a third party for fair exchanges: its key and its log of verdicts, for
    /// the section “third-party” of a server.
    #[command(
        name = "third-party-init",
        after_help = "Example: semper third-party-init --home third --origin third.example --address https://third.example:8446 > third-party.toml\nWhat it prints belongs into the trust files of those who believe it: semper init --third-party third-party.toml"
    )]
    ThirdParty {
        /// The home to make.
        #[arg(long)]
        home: PathBuf,
        /// Its name in agreements, such as third.example; it never changes.
        #[arg(long)]
        origin: String,
        #[command(flatten)]
        served: ServedArguments,
    },
    /// Give a third party another key, signed into succession by the one that it has. Exchanges
    /// that pin the old key go on being decided by it.
    #[command(
        name = "third-party-renew",
        after_help = "Example: semper third-party-renew --home third --address https://third.example:8446 > third-party.toml\nStart its server again. Whoever believes it takes up what is printed: semper trust add --home anna third-party --file third-party.toml"
    )]
    ThirdPartyRenew {
        /// Its home.
        #[arg(long)]
        home: PathBuf,
        #[command(flatten)]
        served: ServedArguments,
    },
    /// Judge the evidence of fair exchanges: the same finding for everybody, from the files alone.
    #[command(
        after_help = "Example: semper judge anna.cbor otto.cbor verdicts/ --log-key third.example/verdicts+…\nJoins what several parties have kept: saved evidence, exported deals, answers of a third party, words of a\nbank, and a third party's public log of verdicts (its folder with checkpoint and tiles, or a saved file of\nentries). Each exchange is judged, and together with others where they touch. Says what is missing where\nsomething further would decide. Needs no home, no key and no network. Exits with 1 when somebody is to\nblame or is owed something."
    )]
    Judge {
        /// Evidence (as exchange.cddl describes it), exported deals, a third party's log.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The key of a third party's log (vkey): its lines count against it. Without it they only
        /// say what to ask for.
        #[arg(long, value_name = "VKEY")]
        log_key: Vec<String>,
        /// The key of a witness (vkey): when it has seen the log is held against dates of verdicts.
        #[arg(long, value_name = "VKEY")]
        witness: Vec<String>,
        /// Judge as of this date (RFC 3339), instead of now.
        #[arg(long, value_name = "DATE")]
        at: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// What the operator of a bank does.
    #[command(subcommand)]
    Bank(BankCommand),
    /// A merchant's catalogue.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Print completions for a shell: bash, zsh, fish, elvish, powershell.
    #[command(after_help = "Example: semper completions bash > /etc/bash_completion.d/semper")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages.
    #[command(after_help = "Example: semper man --out man1")]
    Man {
        /// The folder to write them to.
        #[arg(long)]
        out: PathBuf,
    },
    /// What a host starts to compile a component, within this many milliseconds.
    #[command(hide = true)]
    CompileComponent { milliseconds: u64 },
}

#[derive(Args)]
pub struct HomeArgument {
    /// The home; without it, ~/.local/share/semper.
    #[arg(long, env = "SEMPER_HOME", hide_env_values = true, default_value_os_t = usual(), hide_default_value = true)]
    pub home: PathBuf,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper init --home anna --user \"Anna Berg\" --phrase \"two owls\" --authority root.pem --evaluator verbraucherbund=verbraucherbund/root.pem"
)]
pub struct InitArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// The name by which the TINGUIN greets you.
    #[arg(long)]
    pub user: String,
    /// A personal phrase: only the real TINGUIN knows it.
    #[arg(long)]
    pub phrase: String,
    /// The root certificate of an authority that you believe.
    #[arg(long)]
    pub authority: PathBuf,
    /// A consumer organisation that you believe: name=root.pem; may be given several times.
    #[arg(long)]
    pub evaluator: Vec<String>,
    /// A third party of fair exchanges that you believe: what semper third-party-init has printed
    /// for it; may be given several times, most liked first.
    #[arg(long)]
    pub third_party: Vec<PathBuf>,
    /// The keys are on a second device, which is paired next: semper device pair.
    #[arg(long, conflicts_with_all = ["token", "library", "pass_phrase_file"])]
    pub device: bool,
    /// A token that keeps the keys, by its label or serial number: semper token list.
    #[arg(long, requires = "library")]
    pub token: Option<String>,
    /// The PKCS#11 library of the token's maker, by its whole path.
    #[arg(long, requires = "token")]
    pub library: Option<PathBuf>,
    /// A file with the pass-phrase, or the token's PIN; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper register --home anna --ca https://localhost:8440 --name \"Anna Berg\" --key 3f2a1-…\n  semper register --ca https://localhost:8440 --authority root.pem --request bank.csr --out bank.pem --key 77b0c-…"
)]
#[command(group(ArgGroup::new("which").required(true).multiple(true).args(["home", "request"])))]
pub struct RegisterArguments {
    /// The authority's address.
    #[arg(long)]
    pub ca: String,
    /// The registration key.
    #[arg(long)]
    pub key: String,
    /// The home whose TINGUIN makes the key pair.
    #[arg(long, env = "SEMPER_HOME", hide_env_values = true)]
    pub home: Option<PathBuf>,
    /// The name that the registration key was given out for.
    #[arg(long, required_unless_present = "request")]
    pub name: Option<String>,
    /// Make another key pair from the same key store, and register that: the certificate of the first
    /// one was revoked. Whose key store is in other hands makes a new home.
    #[arg(long, conflicts_with = "request")]
    pub new_key: bool,
    /// A request made elsewhere (semper-sign, openssl), for a key that is a file.
    #[arg(long, requires = "out", requires = "authority")]
    pub request: Option<PathBuf>,
    /// Where the certificate goes; for a home, a copy of it.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// The root certificate that the authority's server must show, with --request.
    #[arg(long)]
    pub authority: Option<PathBuf>,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper renew --home anna --ca https://localhost:8440\n  semper renew --ca https://localhost:8440 --key otto-tls.key --certificate otto-tls.pem --authority root.pem\nThe home's TINGUIN has to run, and its bank to answer.\nWhatever was interrupted is done by the same command again."
)]
#[command(group(ArgGroup::new("which").required(true).multiple(true).args(["home", "key"])))]
pub struct RenewArguments {
    /// The authority's address.
    #[arg(long)]
    pub ca: String,
    /// The home whose TINGUIN makes the next key pair.
    #[arg(long, env = "SEMPER_HOME", hide_env_values = true)]
    pub home: Option<PathBuf>,
    /// A key in a file; the next one takes its place.
    #[arg(long, requires = "certificate", requires = "authority")]
    pub key: Option<PathBuf>,
    /// Its certificate; the next one takes its place.
    #[arg(long, requires = "key")]
    pub certificate: Option<PathBuf>,
    /// The root certificate that the authority's server must show, with --key.
    #[arg(long, requires = "key")]
    pub authority: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum AccountCommand {
    /// Open an account and remember it in the home as the purse.
    Open(AccountArguments),
    /// Balance and newest entries.
    #[command(after_help = "Example: semper account show --home anna")]
    Show {
        #[command(flatten)]
        home: HomeArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
#[command(
    after_help = "Example: semper account open --home anna --bank https://localhost:8441 --name \"Test Bank\""
)]
pub struct AccountArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// The bank's address.
    #[arg(long)]
    pub bank: String,
    /// The bank's certified name.
    #[arg(long)]
    pub name: String,
    /// The account's currency.
    #[arg(long, default_value = "EUR")]
    pub currency: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper tinguin --home anna\n  semper tinguin --home otto --rules otto-rules.toml --transcript otto.log --pass-phrase-file otto.pass"
)]
pub struct TinguinArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// Answer by these rules (TOML) instead of asking at the terminal.
    #[arg(long)]
    pub rules: Option<PathBuf>,
    /// Where screens and answers go, with --rules; standard output without it.
    #[arg(long, requires = "rules")]
    pub transcript: Option<PathBuf>,
    /// A file with the pass-phrase; without it you are asked.
    #[arg(long)]
    pub pass_phrase_file: Option<PathBuf>,
}

/// Which host does it.
#[derive(Args)]
pub struct HostArguments {
    /// Run the home's host in this process, for as long as the command takes, instead of asking the
    /// resident one: for scripts and containers.
    #[arg(long, env = "SEMPER_ALONE", value_parser = clap::builder::BoolishValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub alone: bool,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper run --home anna\n  semper run --home anna --status\n  semper run --home anna --end\nThe host runs all deals of a home at once. semper buy, deals --resume and cancel ask it, and start it where it is not running; one that they have started ends when nothing was under way for five minutes. What happens stands in the file host.log of its home then. It may be ended and killed at any time: nothing is lost."
)]
pub struct RunArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// End the host that is running.
    #[arg(long, conflicts_with = "status")]
    pub end: bool,
    /// Say what the host that is running does.
    #[arg(long)]
    pub status: bool,
    /// A command has started it: it ends when nothing is under way.
    #[arg(long, hide = true, conflicts_with_all = ["end", "status"])]
    pub started: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper buy --home anna https://localhost:8442\nThe TINGUIN of the home must be running."
)]
pub struct BuyArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    #[command(flatten)]
    pub host: HostArguments,
    /// The merchant's address: https://… or semper://….
    pub merchant: String,
    /// Where its terms lie, if not beside it: a folder, a .tar file, https://…,
    /// registry://host:port/name:tag.
    #[arg(long)]
    pub terms: Option<String>,
    /// Print the outcome as JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper deals --home anna\n  semper deals --home anna --resume"
)]
pub struct DealsArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    #[command(flatten)]
    pub host: HostArguments,
    /// Go on with every deal that has not ended, until it has.
    #[arg(long)]
    pub resume: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(
    after_help = "Example: semper cancel --home anna 3fd20a11 --reason \"found it cheaper\"\nWhat you have promised stays promised; a host that runs the home goes on with the deal, otherwise this command does."
)]
pub struct CancelArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    #[command(flatten)]
    pub host: HostArguments,
    /// The deal's id, or its first digits.
    pub deal: String,
    /// Why; the service is told.
    #[arg(long, default_value = "the person wants to leave")]
    pub reason: String,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper replay --home anna 3fd20a11\n  semper replay --home arbiter --verify deal.json\nThe second runs the component in an exported deal (semper archive export --open) and says whether every signed message follows from certified code and journal, by the trust file of the home."
)]
#[command(group(ArgGroup::new("which").required(true).args(["deal", "verify"])))]
pub struct ReplayArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// The deal's id, or its first digits.
    pub deal: Option<String>,
    /// An exported deal to examine.
    #[arg(long, value_name = "FILE", conflicts_with = "deal")]
    pub verify: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How a third party is served, as others have to know it.
#[derive(Debug, Args)]
pub struct ServedArguments {
    /// Where it is served.
    #[arg(long)]
    pub address: String,
    /// The certified name of a bank that it asks whether a payment was made, once for each: those of
    /// the sections “third-party.bank” of its server. Without it nobody pays by other ways than a
    /// hold in an exchange that it is to decide. Of a third party that has another key now the banks
    /// stay as they were, unless some are named; "none" for none.
    #[arg(long = "bank", value_name = "NAME")]
    pub banks: Vec<String>,
    /// What it takes for deciding an exchange, such as "0.50 EUR"; who owes it stands in each
    /// agreement. Of a third party that has another key now it stays as it was, unless it is named;
    /// "none" for nothing.
    #[arg(long, allow_hyphen_values = true)]
    pub fee: Option<String>,
}
