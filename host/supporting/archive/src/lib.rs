//! The archive: what happened, kept where a crash cannot reach it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`home`] | a party's directory: 0700, its files 0600, opened through `cap-std` |
//! | [`pair`] | a key and its certificate in two files, replaced as one |
//! | [`store`] | one SQLite file per home; typed writes, committed together in groups |
//! | [`entries`] | the archive as a bank statement: entries, filters, pages, totals |
//! | [`chain`] | the journal's format: records, their chain, checking it |
//! | [`rows`] | what can be written and read: deals, journals, messages, evidence |
//!
//! Writes go through one thread that commits whatever waits in one transaction (a *group
//! commit*, `synchronous=FULL`); a write is durable when [`store::Archive::commit`] returns.
#![forbid(unsafe_code)]

pub mod chain;
pub mod entries;
pub mod home;
pub mod pair;
pub mod rows;
pub mod store;

pub use entries::{Direction, Entry, Filter, Moved, Page, Sum, Total};
pub use home::{Home, HomeError, HomeKind};
pub use pair::{Former, Pair, PairError};
pub use rows::{
    ApplicationRow, DealRow, DealState, EvidenceRow, ExchangeRow, JournalRow, MessageRow,
    OpeningRow, ProposalRow, Seen, Waits, Write,
};
pub use store::{Archive, ArchiveError};
