//! A whole mail-order deal between two parties and a bank, under a simulated network (turmoil)
//! and a schedule of faults that follow from one seed: messages lost, repeated, reordered and
//! delayed; parties killed between any two steps and at any boundary between persist, send and
//! acknowledge; a full disk; clocks that jump.
//!
//! | module | what it is for |
//! |---|---|
//! | [`faults`] | what goes wrong, drawn from the seed |
//! | [`party`] | a party: the production archive, journal, channel and flow monitor |
//! | [`scripts`] | what the two components of mail-order do, call by call |
//! | [`world`] | network, schedule, and what must hold at the end |
//!
//! What is simulated are wires, clocks and kills. Archive, journal, channel, flow monitor,
//! messages with their signatures, and the ledger are those that ship.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a simulation that cannot go on has failed")]

pub mod faults;
pub mod party;
pub mod scripts;
pub mod world;

pub use world::{Report, run};
