//! `semper archive` and its help.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::HomeArgument;

#[derive(Subcommand)]
pub enum ArchiveCommand {
    /// Everything that was signed and paid, as a bank statement shows what was booked: newest first.
    #[command(
        after_help = "Examples:\n  semper archive list --home anna\n  semper archive list --home anna --search \"woollen scarf\" --month 2026-11\n  semper archive list --home anna --with otto --paid out --currency EUR\n  semper archive list --home anna --before 120        # the page before entry 120"
    )]
    List {
        #[command(flatten)]
        home: HomeArgument,
        #[command(flatten)]
        filter: FilterArguments,
        /// Entries of one page, at most 1000.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        most: u16,
        /// Only entries with lower numbers: the next page begins where the last one ended.
        #[arg(long, value_name = "NUMBER")]
        before: Option<i64>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// What was paid in and out: by month, currency and payment system.
    #[command(
        after_help = "Examples:\n  semper archive totals --home anna\n  semper archive totals --home anna --with otto --from 2026-01-01"
    )]
    Totals {
        #[command(flatten)]
        home: HomeArgument,
        #[command(flatten)]
        filter: FilterArguments,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// One deal as a story: who signed what and when, what is owed, which steps are done and left.
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
    /// Print a receipt of a deal, or of one entry: a page that carries the evidence for every word in it.
    #[command(
        after_help = "Examples:\n  semper archive receipt --home anna 3fd20a11 --out receipt.pdf\n  semper archive receipt --home anna 12 --out receipt.html\nWhoever gets the file checks it: semper archive verify receipt.pdf --authority root.pem\nA deal's receipt shows the order, with the address in it."
    )]
    Receipt {
        #[command(flatten)]
        home: HomeArgument,
        /// The deal's id, or its first digits; or the number of an entry.
        what: String,
        /// The file to write, which ends in .html or .pdf.
        #[arg(long)]
        out: PathBuf,
    },
    /// Who knows what about you: what was given out, to whom, when, in which deal, and how it travelled.
    #[command(
        after_help = "Examples:\n  semper archive disclosed --home anna\n  semper archive disclosed --home anna --to otto"
    )]
    Disclosed {
        #[command(flatten)]
        home: HomeArgument,
        /// Only what was given to whoever has this in its name.
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a letter about what somebody was told: ask it back, or complain of it.
    Letter(LetterArguments),
    /// Check the archive: signatures, chains, journal, messages. Or check a file: a receipt, an exported deal.
    #[command(
        after_help = "Examples:\n  semper archive verify --home anna\n  semper archive verify --home anna 3fd20a11\n  semper archive verify receipt.pdf --authority root.pem\n  semper archive verify deal.json --home arbiter\nA file is checked by the authorities that you name, or by those that the home believes. Exits with 1 when\nanything does not hold."
    )]
    Verify {
        /// The home whose archive is checked, or whose trust file a file is checked by.
        #[arg(long, env = "SEMPER_HOME", hide_env_values = true)]
        home: Option<PathBuf>,
        /// The deal's id, or its first digits; or a file. All deals of the home without it.
        #[arg(value_name = "DEAL|FILE")]
        what: Option<String>,
        /// The root certificate of an authority that is believed, for a file; may be given several times.
        #[arg(long, value_name = "ROOT.PEM")]
        authority: Vec<PathBuf>,
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

/// Which entries are wanted.
#[derive(Debug, Args)]
pub struct FilterArguments {
    /// Words that must stand in the entry, or begin a word in it: articles, addresses, names, amounts.
    #[arg(long, value_name = "WORDS")]
    pub search: Option<String>,
    /// The other side, by its certified name or a part of it.
    #[arg(long, value_name = "NAME")]
    pub with: Option<String>,
    /// A kind of entry, such as offer, order, receipt, payment-confirmation, exchange; may be given several times.
    #[arg(long, value_name = "KIND")]
    pub kind: Vec<String>,
    /// The currency, such as EUR.
    #[arg(long)]
    pub currency: Option<String>,
    /// One month, such as 2026-11.
    #[arg(long, conflicts_with_all = ["from", "until"])]
    pub month: Option<String>,
    /// From this day on, such as 2026-11-01, or from this time on (RFC 3339).
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Until this day, which is still among them, or before this time (RFC 3339).
    #[arg(long, value_name = "DATE")]
    pub until: Option<String>,
    /// Only where money has moved: in or out.
    #[arg(long, value_name = "in|out")]
    pub paid: Option<String>,
    /// Where the deal stands: running, completed, withdrawn, failed, disputed.
    #[arg(long)]
    pub state: Option<String>,
}

#[derive(Args)]
#[command(
    after_help = "Examples:\n  semper archive letter --home anna --to otto --out letter.txt\n  semper archive letter --home anna --to otto --complain-to Verbraucherbund --because \"They advertise, and I have not agreed.\" --german --out letter.txt\nThe letter names what was told, when and in which deal. You send it yourself; the archive remembers that it was written."
)]
pub struct LetterArguments {
    #[command(flatten)]
    pub home: HomeArgument,
    /// Who was told: whoever has this in the name.
    #[arg(long, value_name = "NAME")]
    pub to: String,
    /// The organisation to complain to, such as one that has certified the service.
    #[arg(long, value_name = "ORGANISATION", requires = "because")]
    pub complain_to: Option<String>,
    /// What you complain of.
    #[arg(long, value_name = "TEXT", requires = "complain_to")]
    pub because: Option<String>,
    /// Write it in German.
    #[arg(long)]
    pub german: bool,
    /// The file to make.
    #[arg(long)]
    pub out: PathBuf,
}
