//! What a component of a deal meets: the journal, the flow monitor, the calls of its world, the
//! compiler and the sandbox.
//!
//! | module | what it is for |
//! |---|---|
//! | [`world`] | everything that a component's calls can reach, as one trait |
//! | [`engine`] | wasmtime: the linker that holds the grants, activations |
//! | [`settings`] | wasmtime's settings |
//! | [`compile`] | from bytes to code: looked over, compiled by a worker process, cached |
//! | [`context`] | the state of one activation: deal, journal, flow, handles |
//! | [`handles`] | what a component's handles stand for |
//! | [`journal`] | every call of a component, before its effect; and replay |
//! | [`flow`] | the flow monitor: what may be sent and received in the present state |
//! | [`limiter`] | memory and tables of one activation |
//! | [`exchange`] | fair exchanges: drawing them up, and what has come of them |
//! | [`business`] | the merchant's own affairs, behind a trait |
//! | [`stop`] | why an activation ends: pauses, doubts, verdicts |
//! | `calls` | the WIT interfaces, one module each |
//! | [`verified`] | signed things of a deal, verified |
//!
//! This crate knows neither hosts nor stages: whoever runs a component implements
//! [`World`] for it. Source: seed 2 §3.5; `docs/execution.md`.
// Unsafe code is denied by the workspace and allowed in one function, `compile::load`, whose
// comment is the proof.
#![deny(unsafe_code)]

pub mod business;
mod calls;
pub mod compile;
pub mod context;
pub mod engine;
pub mod exchange;
pub mod flow;
pub mod handles;
pub mod journal;
pub mod limiter;
pub mod settings;
pub mod stop;
pub mod verified;
pub mod world;

pub use context::Context;
pub use engine::{Lane, Runtime};
pub use handles::Deal;
pub use stop::Stop;
pub use world::{Done, END, World};
