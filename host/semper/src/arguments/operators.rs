//! `semper ca`, `semper bank`, `semper catalogue`, and their help.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};

use super::HomeArgument;

/// What an invitation says beside the registration key.
#[derive(Args)]
pub struct InvitationArguments {
    /// Write an invitation for semper join into this file: everything that a buyer or merchant needs to
    /// begin, signed. It is as secret as the registration key.
    #[arg(long, value_name = "FILE", requires = "address")]
    pub invitation: Option<PathBuf>,
    /// Write it as a picture of a QR code, too (PNG).
    #[arg(long, value_name = "FILE", requires = "invitation")]
    pub qr: Option<PathBuf>,
    /// Where this authority is served, for the invitation.
    #[arg(long, requires = "invitation")]
    pub address: Option<String>,
    /// A consumer organisation to believe, for the invitation: name=root.pem; may be given several
    /// times.
    #[arg(long, requires = "invitation")]
    pub evaluator: Vec<String>,
    /// A third party to believe, for the invitation: what semper third-party-init has printed; may be
    /// given several times.
    #[arg(long, requires = "invitation")]
    pub third_party: Vec<PathBuf>,
    /// A bank to open an account at, for the invitation: its address.
    #[arg(long, requires_all = ["invitation", "bank_name"])]
    pub bank: Option<String>,
    /// The bank's certified name.
    #[arg(long, requires = "bank")]
    pub bank_name: Option<String>,
    /// The account's currency.
    #[arg(long, default_value = "EUR")]
    pub currency: String,
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
        #[command(flatten)]
        with: InvitationArguments,
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
