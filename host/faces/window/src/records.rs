//! What has happened, as typed rows: amounts as amounts, dates as dates, a page at a time.
//!
//! [`Records`] is where rows come from. [`archive`] reads a home's archive and trust file; a
//! resident host can stand behind the same trait. [`shelf`] is what the window holds of them, and
//! [`source`] how they get there without the drawing waiting.

pub mod archive;
pub mod shelf;
pub mod source;

use semper_archive::DealState;
use semper_base::text::Text;
use semper_base::{Amount, DealId, Digest, Timestamp};
use semper_items::Side;

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
    /// One sentence about it.
    pub summary: Text,
    /// The money that it is about.
    pub amount: Option<Amount>,
    /// The digest of what was signed: for experts.
    pub digest: Digest,
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

/// A consent given in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingConsent {
    /// What it is about.
    pub topic: Text,
    /// With whom alone.
    pub peer: Option<Text>,
    /// Up to how much.
    pub most: Option<Amount>,
}

/// Where rows come from.
pub trait Records: Send {
    /// Deals, newest first, from this one on.
    fn deals(&self, from: usize) -> Result<Page<Deal>, Unread>;
    /// What was signed in a deal, in order.
    fn story(&self, deal: DealId) -> Result<Vec<Entry>, Unread>;
    /// Everything that was signed and holds this text, newest first, from this one on.
    fn entries(&self, find: &str, from: usize) -> Result<Page<Entry>, Unread>;
    /// Accounts.
    fn accounts(&self) -> Result<Vec<Account>, Unread>;
    /// Whom this person believes.
    fn believed(&self) -> Result<Vec<Believed>, Unread>;
    /// What is consented to in advance.
    fn consents(&self) -> Result<Vec<StandingConsent>, Unread>;
}
