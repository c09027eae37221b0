//! Commerce: deals, the flow monitor, the component runtime, and the way terms come in.
//!
//! | module | what it is for |
//! |---|---|
//! | [`terms`] | terms of business: downloaded, kept in the home, verified again when used |
//! | [`lists`] | revocation lists: fetched, kept, re-checked while deals run |
//! | [`flow`] | the flow monitor: what may be sent and received in the present state |
//! | [`journal`] | every call of a component, before its effect; and replay |
//! | [`compile`] | from bytes to code: looked over, compiled by a worker process, cached |
//! | [`runtime`] | wasmtime: the linker that holds the grants, activations |
//! | [`limiter`] | memory and tables of one activation |
//! | [`context`] | what a running component's calls act on |
//! | [`outside`] | what they reach: a running host, or the record of a deal |
//! | [`exchange`] | fair exchanges: drawing them up, and what has come of them |
//! | [`stage`] | both components against each other in a scripted world, for evaluators |
//! | [`replay`] | re-executing a deal's journal, here or on another machine |
//! | `calls` | the WIT interfaces, one module each |
//! | [`business`] | the merchant's own affairs, behind a trait |
//! | `verified` | signed things of a deal, verified |
//! | [`stop`] | why an activation ends before its component does |
//! | [`host`] | a party's host: its parts, activations, messages in and out |
//! | [`opening`] | drivers of the opening: HELLO, AGREE, AGREED |
//! | [`link`] | the buyer's connection to a merchant: outbox and long poll |
//! | [`evidence`] | checking and exporting what a deal left |
//! | [`exported`] | examining an exported deal on another machine |
//!
//! Source: seed 2 §3.5; `docs/execution.md`, `docs/deals.md`.
// Unsafe code is denied by the workspace and allowed in one function, `compile::load`, whose
// comment is the proof.
#![deny(unsafe_code)]

pub mod business;
mod calls;
pub mod compile;
pub mod context;
pub mod evidence;
pub mod exchange;
pub mod exported;
pub mod flow;
pub mod host;
pub mod journal;
pub mod limiter;
pub mod link;
pub mod lists;
pub mod opening;
pub mod outside;
pub mod replay;
pub mod runtime;
pub mod stage;
pub mod stop;
pub mod terms;
mod verified;

pub use host::{Host, HostError, HostParts};
pub use stop::Stop;
