//! TINGUIN, the trusted interactive graphical user interface (seed 2 §3.2): a process of its
//! own that holds the keys, shows what is really going on, and signs only what it showed.
//!
//! | module | what it is for |
//! |---|---|
//! | [`protocol`] | what a host may ask over the socket, and what it gets back |
//! | [`screen`] | the typed model of everything that is shown; faces only draw it |
//! | [`keystore`] | the master secret, encrypted under a pass-phrase (Argon2id) |
//! | [`memory`] | what was asked and answered: no question is put twice |
//! | [`service`] | the process: socket, requests, keys |
//! | [`client`] | the host's end of the socket |
//! | [`terminal`] | the face for terminals (ratatui) |
//! | [`scripted`] | the face that answers by rules: standing consents, automation |
//!
//! Rules (`docs/tinguin.md`): it parses the very bytes that it is asked to sign; what a
//! service says is shown as such, never near a decision; keys never leave.
#![forbid(unsafe_code)]

pub mod client;
mod exchange;
pub mod keystore;
pub mod memory;
mod posed;
pub mod protocol;
pub mod screen;
pub mod scripted;
pub mod service;
pub mod terminal;

pub use client::{Client, ClientError};
pub use protocol::{DealContext, Reply, Request};
pub use screen::{Answer, Frame, Screen};
pub use service::{Face, Service};

/// The socket's name in a home.
pub const SOCKET: &str = "tinguin.sock";
