//! The machines of fair exchange that ship, explored exhaustively.
//!
//! | module | what it is for |
//! |---|---|
//! | [`symbolic`] | cryptography as symbols |
//! | [`setup`] | exchanges to explore |
//! | [`bank`] | a bank of production's checks and production's holds |
//! | [`world`] | one exchange: everything that can happen to it |
//! | [`adversary`] | everything that a cheat can do |
//! | `properties` | what must hold |
//! | [`model`] | stateright's view of it all |
//! | [`two`] | two exchanges at once, and each in the other |
//! | [`whole`] | whole parties: stores, keys, drivers that die, lose errands, are put back |
//!
//! The properties are I1 to I17 of `docs/exchange.md`, “Checked properties”. Loss is a message that
//! is never delivered, repetition one that is delivered again: what was sent is never taken away.
#![forbid(unsafe_code)]

pub mod adversary;
pub mod bank;
pub mod model;
mod properties;
pub mod setup;
pub mod symbolic;
pub mod two;
pub mod whole;
pub mod world;

pub use model::Session;
pub use setup::{Kind, Setup};
pub use two::Two;
pub use whole::{Parties, Trouble};
pub use world::{Config, Corrupt};
