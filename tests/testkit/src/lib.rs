//! A marketplace of real processes on loopback, and data for it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`attack`] | strangers who attack the servers of a marketplace |
//! | [`catalogue`] | articles made by a seeded generator: the same seed, the same catalogue |
//! | [`desktop`] | a display of its own, keys and a pointer, and the bus by which windows are read aloud |
//! | [`postgres`] | a PostgreSQL of our own |
//! | [`process`] | running commands and servers; what runs is ended with its owner |
//! | [`proxy`] | a way between processes that drops, delays, repeats, reorders and cuts |
//! | [`certification`] | more organisations, their lists, a log and its witness |
//! | [`exchange`] | what a fair exchange needs: an authority, a bank, a third party |
//! | [`market`] | authority, organisation, bank, merchant, buyer: set up by the commands of the README |
//!
//! The demo (`cargo xtask demo`) and the end-to-end tests build on the same marketplace.
#![forbid(unsafe_code)]

pub mod attack;
pub mod catalogue;
pub mod certification;
pub mod desktop;
pub mod exchange;
pub mod market;
pub mod postgres;
pub mod process;
pub mod proxy;
mod setup;

pub use desktop::Desktop;
pub use market::{BUYER_RULES, Market, MarketOptions, Part, Published};
pub use process::{Binaries, Output, Running};
pub use setup::{BankAt, NewBuyer};
