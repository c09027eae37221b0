//! Examination: what a deal left behind, looked at afterwards, here or on another machine. It needs
//! no host, no keys and no network.
//!
//! | module | what it is for |
//! |---|---|
//! | [`replay`] | running a deal's component again on its journal |
//! | [`record`] | the record of a deal, as that component's world |
//! | [`evidence`] | checking and exporting what a deal left |
//! | [`attest`] | what evidence says by itself: who signed what, when, by whom certified |
//! | [`receipt`] | a deal on paper, with the evidence that it is drawn from; checking such files |
//! | [`story`] | a deal in plain words: what happened, what is owed |
//! | [`disclosed`] | who knows what about a person |
//! | [`exported`] | examining an exported deal on another machine |
//!
//! Source: seed 2 §3.5; `docs/execution.md`, `docs/deals.md`.
#![forbid(unsafe_code)]

pub mod attest;
pub mod disclosed;
pub mod evidence;
pub mod exported;
pub mod receipt;
pub mod record;
pub mod replay;
pub mod story;
