//! What has happened, as typed rows: amounts as amounts, dates as dates, a page at a time.
//!
//! [`Records`] is where rows come from. [`archive`] reads a home's archive and trust file; a
//! resident host can stand behind the same trait. [`shelf`] is what the window holds of them, and
//! [`source`] how they get there without the drawing waiting.

pub mod archive;
pub mod shelf;
pub mod source;

use semper_archive::{DealState, Direction, Sum};
use semper_base::text::Text;
use semper_base::{Amount, DealId, Digest, Timestamp};
use semper_items::Side;
use semper_steps::Steps;
use semper_tinguin_protocol::Told;

/// Rows on one page.
pub const PAGE: usize = 200;

/// Why rows could not be read: what, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What went wrong.
    pub what: Text,
    /// What to do about it.
    pub mend: Text,
}

/// Some rows of a list, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// How many the whole list has.
    pub all: usize,
}

/// A deal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Which.
    pub id: DealId,
    /// Our side.
    pub side: Side,
    /// The other side's certified name.
    pub peer: Text,
    /// Where it stands.
    pub state: DealState,
    /// What it waits for, or why it ended.
    pub note: Text,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
    /// Whether it waits for an answer of the person's.
    pub asks: bool,
    /// The date that it waits for.
    pub until: Option<Timestamp>,
    /// What was signed so far, by kind, in order.
    pub done: Vec<Text>,
}

/// Something signed that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The archive's number for it.
    pub number: i64,
    /// When it was stored.
    pub stored: Timestamp,
    /// The deal that it belongs to.
    pub deal: Option<DealId>,
    /// What it is: `offer`, `order`, `receipt` …
    pub kind: Text,
    /// Who signed it.
    pub signer: Text,
    /// The other side of its deal.
    pub with: Text,
    /// One sentence about it.
    pub summary: Text,
    /// The money that it is about.
    pub about: Option<Amount>,
    /// The money that has moved by it.
    pub moved: Vec<(Direction, Amount)>,
    /// The digest of what was signed, where a story is told: for experts.
    pub digest: Option<Digest>,
}

/// Which entries are looked for. Each part that is set narrows them down.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Find {
    /// Words, or their beginnings.
    pub words: String,
    /// The other side, by its certified name as it is stored.
    pub with: Option<String>,
    /// The month in which it was stored, such as `2026-11`.
    pub month: Option<String>,
}

impl Find {
    /// Whether everything is looked for.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// What entries can be narrowed down to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices {
    /// Other sides, by their certified names as they are stored.
    pub with: Vec<String>,
    /// Months, the newest first.
    pub months: Vec<String>,
}

/// What has moved in a month, in one currency, by one payment system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    /// The month.
    pub month: String,
    /// The payment system.
    pub system: Text,
    /// What came in.
    pub paid_in: Sum,
    /// What went out.
    pub paid_out: Sum,
}

/// An account at a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The bank's certified name.
    pub bank: Text,
    /// The bank's address.
    pub address: Text,
    /// The account's number.
    pub number: Text,
    /// In which ways it pays.
    pub modes: Vec<Text>,
}

/// In which matter somebody is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    /// Who parties are.
    Authority,
    /// What a service does: a consumer organisation.
    Examines,
    /// Decides about exchanges.
    ThirdParty,
    /// Shows in public what was signed.
    Log,
}

/// Somebody who is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Believed {
    /// In which matter.
    pub matter: Matter,
    /// The name.
    pub name: Text,
    /// What it is believed for, or where it is found.
    pub about: Vec<Text>,
    /// Until when its certificate holds.
    pub until: Option<Timestamp>,
    /// The key or certificate: for experts.
    pub key: Text,
}

/// A consent given in advance: an application that may shop for the person until she takes that back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingConsent {
    /// The application's name, as it gave it.
    pub who: Text,
    /// The web page that it is; a program has none.
    pub page: Option<Text>,
    /// What it may do.
    pub may: Vec<Text>,
    /// When the person agreed.
    pub since: Timestamp,
    /// How many purchases it has begun.
    pub purchases: u64,
    /// When it began the last of them.
    pub last: Option<Timestamp>,
}

/// Where rows come from.
pub trait Records: Send {
    /// Deals, newest first, from this one on.
    fn deals(&self, from: usize) -> Result<Page<Deal>, Unread>;
    /// What was signed in a deal, in order.
    fn story(&self, deal: DealId) -> Result<Vec<Entry>, Unread>;
    /// How far a deal has come in the flow of its terms, if these and its journal say.
    fn steps(&self, deal: DealId) -> Result<Option<Steps>, Unread>;
    /// Entries that are looked for, newest first, from this one on.
    fn entries(&self, find: &Find, from: usize) -> Result<Page<Entry>, Unread>;
    /// What has moved by them, by month.
    fn totals(&self, find: &Find) -> Result<Vec<Total>, Unread>;
    /// What they can be narrowed down to.
    fn choices(&self) -> Result<Choices, Unread>;
    /// Accounts.
    fn accounts(&self) -> Result<Vec<Account>, Unread>;
    /// Whom this person believes.
    fn believed(&self) -> Result<Vec<Believed>, Unread>;
    /// What is consented to in advance.
    fn consents(&self) -> Result<Vec<StandingConsent>, Unread>;
    /// What was told about the person, the last of it first.
    fn told(&self) -> Result<Vec<Told>, Unread>;
    /// Writes a letter that asks back what somebody was told; its file.
    fn letter(&self, to: &str, german: bool) -> Result<Text, Unread>;
    /// Takes back the consent that somebody of this name has.
    fn take_back(&self, who: &str) -> Result<(), Unread>;
}
