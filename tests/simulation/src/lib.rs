//! A whole marketplace in one process: a buyer's host, a merchant's host with its routes, a bank and
//! a third party, two TINGUINs whose persons are scripts, real components, all of it the code that
//! ships. Only what comes in from outside is simulated: time, threads, wires, and faults that follow
//! from one seed: requests and answers lost, repeated, delayed and reordered; processes killed
//! between any two steps; a full disk; TINGUINs that are away; clocks that jump.
//!
//! | module | what it is for |
//! |---|---|
//! | [`faults`] | what goes wrong, drawn from the seed |
//! | [`turns`] | threads that take turns in virtual time, and machines that are killed |
//! | [`wires`] | requests and answers as turmoil's parcels |
//! | [`computer`] | a computer: clock, network card, server |
//! | [`person`] | a person with a TINGUIN |
//! | [`outside`] | all that, as hosts and server roles take it |
//! | [`operator`] | who starts programs, and starts them again |
//! | [`template`] | the marketplace that every run begins with |
//! | [`world`] | one run |
//! | [`check`] | what must hold at its end |
#![forbid(unsafe_code)]
#![allow(clippy::expect_used, reason = "a simulation that cannot go on has failed")]

pub mod check;
pub mod computer;
pub mod faults;
pub mod operator;
pub mod outside;
pub mod person;
pub mod template;
pub mod turns;
pub mod wires;
pub mod world;

pub use check::Outcome;
pub use template::Trade;
pub use world::{Report, is_patient, run, run_abandoned, run_planned};
