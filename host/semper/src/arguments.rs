//! The commands and their help.

mod trust;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

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
    /// Buy from a merchant: fetch its terms, check them, open a deal and carry it out.
    Buy(BuyArguments),
    /// List your deals and what each waits for; go on with those that have not ended.
    Deals(DealsArguments),
    /// Leave a deal: its service is told at its next wait, and tidies up.
    Cancel(CancelArguments),
    /// Run a deal's component on its journal again: a readable account of each call.
    Replay(ReplayArguments),
    /// Whom a home believes, and what that means for terms: list, add, remove, explain, test.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Look into the archive: list, show, verify, export.
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
    /// What a host starts to compile a component, within this many milliseconds.
    #[command(hide = true)]
    CompileComponent { milliseconds: u64 },
}

#[derive(Args)]
pub struct HomeArgument {
    /// The home.
    #[arg(long, env = "SEMPER_HOME")]
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
    /// A file with the pass-phrase; without it you are asked.
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
    #[arg(long, env = "SEMPER_HOME")]
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
    #[arg(long, env = "SEMPER_HOME")]
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

#[derive(Args)]
#[command(
    after_help = "Example: semper buy --home anna https://localhost:8442\nThe TINGUIN of the home must be running."
)]
pub struct BuyArguments {
    #[command(flatten)]
    pub home: HomeArgument,
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

#[derive(Subcommand)]
pub enum ArchiveCommand {
    /// Everything that was signed, as a bank statement shows what was booked.
    #[command(after_help = "Example: semper archive list --home anna")]
    List {
        #[command(flatten)]
        home: HomeArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// One deal: its evidence, messages, journal.
    #[command(after_help = "Example: semper archive show --home anna 3fd20a11")]
    Show {
        #[command(flatten)]
        home: HomeArgument,
        /// The deal's id, or its first digits.
        deal: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check signatures, chains, journal and messages of one deal or of all.
    #[command(after_help = "Example: semper archive verify --home anna")]
    Verify {
        #[command(flatten)]
        home: HomeArgument,
        /// The deal's id, or its first digits; all without it.
        deal: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write one deal's evidence into a file that openssl can check.
    #[command(after_help = "Example: semper archive export --home anna 3fd20a11 --out deal.json")]
    Export {
        #[command(flatten)]
        home: HomeArgument,
        /// The deal's id, or its first digits.
        deal: String,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
        /// Open the private parts too (questions, answers, searches, addresses), and add the
        /// terms' bundle: what an arbiter needs for semper replay --verify.
        #[arg(long)]
        open: bool,
    },
    /// Write one piece of evidence as it is, such as an exchange's for semper judge.
    #[command(after_help = "Example: semper archive save --home anna 12 --out exchange.cbor")]
    Save {
        #[command(flatten)]
        home: HomeArgument,
        /// Its number, as semper archive show prints it.
        number: i64,
        /// The file to write.
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Subcommand)]
pub enum CaCommand {
    /// Make an authority's home: root, key, and a TLS certificate for its server.
    #[command(
        after_help = "Example: semper ca init --home ca --name \"Market CA\" --server localhost --server 127.0.0.1"
    )]
    Init {
        /// The home to make.
        #[arg(long)]
        home: PathBuf,
        /// The authority's name.
        #[arg(long)]
        name: String,
        /// DNS names and addresses of its server; a root without a server is kept off line.
        #[arg(long)]
        server: Vec<String>,
        /// It is an authority below this root: what the root has to certify is made, too.
        #[arg(long, value_name = "ROOT.PEM")]
        below: Option<PathBuf>,
    },
    /// Certify an authority below this one.
    #[command(
        after_help = "Example: semper ca certify --home root --request ca.csr --out ca.pem --role buyer --role merchant"
    )]
    Certify {
        /// The home of the authority above.
        #[arg(long)]
        home: PathBuf,
        /// What semper ca init --below has made.
        #[arg(long)]
        request: PathBuf,
        /// Where its certificate goes.
        #[arg(long)]
        out: PathBuf,
        /// For how long.
        #[arg(long, default_value_t = 1825, value_parser = clap::value_parser!(u32).range(1..=7300))]
        days: u32,
        /// The only roles that it may certify; all if none is given.
        #[arg(long)]
        role: Vec<String>,
        /// The only DNS names of servers that it may certify, with those below them; all if none is
        /// given.
        #[arg(long)]
        dns: Vec<String>,
    },
    /// Take up what the root has certified and signed.
    #[command(
        after_help = "Example: semper ca install --home ca --certificate ca.pem --list root.crl"
    )]
    Install {
        /// The authority's home.
        #[arg(long)]
        home: PathBuf,
        /// What semper ca certify has made.
        #[arg(long)]
        certificate: Option<PathBuf>,
        /// The root's list of withdrawn authorities (semper ca crl), shown beside our own.
        #[arg(long)]
        list: Option<PathBuf>,
    },
    /// Sign a list of what this authority has withdrawn, for an authority that is off line.
    #[command(after_help = "Example: semper ca crl --home root --out root.crl --days 90")]
    Crl {
        /// The authority's home.
        #[arg(long)]
        home: PathBuf,
        /// Where the list goes.
        #[arg(long)]
        out: PathBuf,
        /// For how long it is good.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=730))]
        days: u32,
    },
    /// Hand out a registration key.
    #[command(after_help = "Example: semper ca invite --home ca --name \"Anna Berg\" --role buyer")]
    Invite {
        /// The authority's home.
        #[arg(long)]
        home: PathBuf,
        /// For whom.
        #[arg(long)]
        name: String,
        /// As what: buyer, merchant, author, bank, third-party, log, witness, arbiter, mint or server.
        #[arg(long)]
        role: String,
        /// DNS names and addresses, for a server.
        #[arg(long)]
        server: Vec<String>,
        /// It is a further key of the party that has this name already.
        #[arg(long)]
        again: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// List the certificates that were issued, with names that look alike.
    #[command(after_help = "Example: semper ca list --home ca")]
    List {
        /// The authority's home.
        #[arg(long)]
        home: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a certificate; it is on the authority's list from then on.
    #[command(
        after_help = "Examples:\n  semper ca revoke --home ca --certificate otto.pem\n  semper ca revoke --home ca --serial 5f0c…",
        group(ArgGroup::new("which").required(true).args(["serial", "certificate"]))
    )]
    Revoke {
        /// The authority's home.
        #[arg(long)]
        home: PathBuf,
        /// The certificate's serial number, in hex: semper ca list shows it.
        #[arg(long)]
        serial: Option<String>,
        /// The certificate.
        #[arg(long, conflicts_with = "serial")]
        certificate: Option<PathBuf>,
    },
}

#[derive(Subcommand)]
pub enum BankCommand {
    /// Make a bank's home from its key and certificate.
    #[command(
        after_help = "Example: semper bank init --home bank --key bank.key --certificate bank.pem --authority root.pem"
    )]
    Init {
        /// The home to make.
        #[arg(long)]
        home: PathBuf,
        /// The bank's key (semper-sign key).
        #[arg(long)]
        key: PathBuf,
        /// The bank's certificate (semper register --request).
        #[arg(long)]
        certificate: PathBuf,
        /// The authority's root.
        #[arg(long)]
        authority: PathBuf,
    },
    /// Put test money into an account.
    #[command(
        after_help = "Example: semper bank fund --home bank --account acct:0123456789abcdef --amount \"200.00 EUR\""
    )]
    Fund {
        /// The bank's home.
        #[arg(long)]
        home: PathBuf,
        /// The account.
        #[arg(long)]
        account: String,
        /// How much.
        #[arg(long)]
        amount: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Hand an account over to a customer's new key, whose old one is lost.
    #[command(
        after_help = "Example: semper bank hand-over --home bank --account acct:0123456789abcdef --certificate anna-new.pem"
    )]
    HandOver {
        /// The bank's home.
        #[arg(long)]
        home: PathBuf,
        /// The account.
        #[arg(long)]
        account: String,
        /// The customer's new certificate: what semper register --out has written.
        #[arg(long)]
        certificate: PathBuf,
    },
    /// Work the books out again, and name every row that does not fit. The bank may be running.
    #[command(
        after_help = "Example: semper bank audit --home bank\nEnds with 1 if a row does not fit."
    )]
    Audit {
        /// The bank's home.
        #[arg(long)]
        home: PathBuf,
        /// Set balances that are not the sum of their entries to that sum.
        #[arg(long)]
        recompute: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Book a correction: an entry of its own, which stays in the books with your words.
    #[command(
        after_help = "Example: semper bank correct --home bank --from held:EUR --to acct:0123456789abcdef --amount \"0.01 EUR\" --text \"paid in by mistake\""
    )]
    Correct {
        /// The bank's home.
        #[arg(long)]
        home: PathBuf,
        /// The account that pays: a customer's, or the bank's own (bank:EUR, held:EUR).
        #[arg(long)]
        from: String,
        /// The account that is paid.
        #[arg(long)]
        to: String,
        /// How much.
        #[arg(long)]
        amount: String,
        /// Why, for whoever reads the books.
        #[arg(long)]
        text: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
pub enum CatalogueCommand {
    /// The articles: number, price, stock, days until delivery, title.
    #[command(after_help = "Example: semper catalogue list --home otto --words scarf")]
    List {
        #[command(flatten)]
        home: HomeArgument,
        /// Only those with these words in title or category.
        #[arg(long, default_value = "")]
        words: String,
        /// As many at most.
        #[arg(long, default_value_t = 100)]
        most: u32,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set how many pieces of an article are in stock; what is reserved for deals is not counted.
    #[command(after_help = "Example: semper catalogue stock --home otto 1001 25")]
    Stock {
        #[command(flatten)]
        home: HomeArgument,
        /// The article's number.
        number: String,
        /// Pieces in stock.
        pieces: u32,
    },
    /// Take an article out of the catalogue.
    #[command(after_help = "Example: semper catalogue remove --home otto 1001")]
    Remove {
        #[command(flatten)]
        home: HomeArgument,
        /// The article's number.
        number: String,
    },
    /// The parcels: what is sent where, for which deal.
    #[command(after_help = "Example: semper catalogue parcels --home otto")]
    Parcels {
        #[command(flatten)]
        home: HomeArgument,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Import articles from CSV: number,title,category,size,colour,price,stock,delivery_days.
    #[command(
        after_help = "Examples:\n  semper catalogue import --home otto articles.csv\n  semper catalogue import --home otto export.csv --currency EUR --dry-run"
    )]
    Import {
        #[command(flatten)]
        home: HomeArgument,
        /// The file: separated by commas, semicolons or tabs; UTF-8, UTF-16 or Windows-1252.
        file: PathBuf,
        /// The currency of prices that name none.
        #[arg(long)]
        currency: Option<semper_base::Currency>,
        /// Only say what would be imported, or what is wrong.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// How a third party is served, as others have to know it.
#[derive(Debug, Args)]
pub struct ServedArguments {
    /// Where it is served.
    #[arg(long)]
    pub address: String,
    /// The certified name of a bank that it asks whether a payment was made, once for each: those of
    /// the sections “third-party.bank” of its server. Without it nobody pays by other ways than a
    /// hold in an exchange that it is to decide.
    #[arg(long = "bank", value_name = "NAME")]
    pub banks: Vec<String>,
    /// What it takes for deciding an exchange, such as "0.50 EUR"; who owes it stands in each
    /// agreement.
    #[arg(long)]
    pub fee: Option<String>,
}
