//! The protocols of a deal, as pure state machines: no IO, no clock, no keys.
//!
//! | module | what it is for |
//! |---|---|
//! | [`opening`] | HELLO → AGREE → AGREED: both hosts sign one agreement, or neither is bound |
//! | [`channel`] | messages with gapless numbers and a hash chain; duplicates, gaps and forks |
//!
//! Each is one enum of states, one of events, one of effects, and one
//! `step(self, event, now) -> (state, effects)`. A driver carries the effects out in order;
//! `Persist` stands before `Send`, so that a crash at any instant is the same as a lost
//! message. The same code runs in production and under the model checker
//! (`tests/model.rs` of this crate).
#![forbid(unsafe_code)]

pub mod channel;
pub mod opening;

pub use channel::Channel;
