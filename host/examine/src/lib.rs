//! Examination: what a deal left behind, looked at afterwards, here or on another machine. It needs
//! no host, no keys and no network.
//!
//! | module | what it is for |
//! |---|---|
//! | [`replay`] | running a deal's component again on its journal |
//! | [`record`] | the record of a deal, as that component's world |
//! | [`evidence`] | checking and exporting what a deal left |
//! | [`exported`] | examining an exported deal on another machine |
//!
//! Source: seed 2 §3.5; `docs/execution.md`, `docs/deals.md`.
#![forbid(unsafe_code)]

pub mod evidence;
pub mod exported;
pub mod record;
pub mod replay;
