//! Fair exchange with real signatures, a real ledger and a real third party.
//!
//! | module | what it is for |
//! |---|---|
//! | [`goods`] | information that a trader has: encrypted, to be opened later |
//! | [`trader`] | a party with keys, money and goods; what it wishes |
//! | [`services`] | a bank and a third party, in this process |
//! | [`remote`] | the same as servers in other processes |
//! | [`town`] | the same servers with two account holders whose exchanges are processes |
//! | [`bazaar`] | a marketplace of the shipped processes, with a proxy between them |
//! | [`dice`] | numbers that follow from a seed |
//! | [`run`] | an exchange from beginning to end, with whatever goes wrong: a plain loop over the machines |
//!
//! The shipped driver of exchanges is under simulation in `tests/simulation`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod bazaar;
pub mod dice;
pub mod goods;
pub mod remote;
pub mod run;
pub mod services;
pub mod town;
pub mod trader;

pub use run::{Run, Silence};
pub use services::{Local, Services};
pub use trader::{Kind, Trader, agree};
