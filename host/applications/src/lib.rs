//! The door for business applications: programs that shop in a person's name and decide nothing.
//!
//! | module | what it is for |
//! |---|---|
//! | [`shop`] | where calls are carried out: the host itself, or a way to it |
//! | [`http`] | JSON over HTTP on this machine's loopback address |
//! | [`openapi`] | the description of that, made from the same list of calls |
//! | [`mcp`] | the same calls as tools of the Model Context Protocol, over standard streams or HTTP |
//! | `guard` | who may come in over HTTP: hosts, origins, tokens, how many at once |
//! | `pairings` | pairing over HTTP: one at a time |
//!
//! All calls are those of [`semper_host_protocol::application`]: one list, from which the routes, the
//! tools and the description follow. See `docs/applications.md`.
#![forbid(unsafe_code)]

mod guard;
pub mod http;
pub mod mcp;
pub mod openapi;
mod pairings;
pub mod shop;

pub use shop::{Shop, Visitor};
