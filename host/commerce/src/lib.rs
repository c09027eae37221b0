//! Commerce: deals that run.
//!
//! | module | what it is for |
//! |---|---|
//! | [`host`] | a party's host: its parts, activations, messages in and out |
//! | `running` | what a component reaches on a running host |
//! | [`opening`] | drivers of the opening: HELLO, AGREE, AGREED |
//! | [`link`] | the buyer's connection to a merchant: outbox and long poll |
//! | [`links`] | the links of all deals of a home: those that sleep cost nothing |
//! | [`news`] | news of many deals at once |
//! | [`elsewhere`] | questions that somebody else than the person may answer |
//! | `errands` | what a host asks of others, in a line for each destination |
//! | `exchange` | fair exchanges: keys and goods of a deal, and how they are stored |
//! | [`means`] | whom a deal believes and how it pays: what it began with |
//! | [`terms`] | terms of business: downloaded, kept in the home, verified again when used |
//! | [`lists`] | revocation lists: fetched, kept, re-checked while deals run |
//!
//! Source: seed 2 §3.5; `docs/execution.md`, `docs/deals.md`.
#![forbid(unsafe_code)]

pub mod elsewhere;
mod errands;
mod exchange;
pub mod host;
pub mod link;
pub mod links;
pub mod lists;
pub mod means;
pub mod news;
pub mod opening;
mod running;
pub mod terms;

pub use host::{Host, HostError, HostParts};
pub use means::{Basis, Means};
pub use semper_runtime::Stop;
