//! What a host and a TINGUIN say to each other.
//!
//! Whoever speaks to a TINGUIN, or draws for one, uses this crate; the keys, their store and the
//! process that holds them are in `semper-tinguin`.
//!
//! | module | what it is for |
//! |---|---|
//! | [`protocol`] | what a host may ask over the socket, and what it gets back |
//! | [`screen`] | the typed model of everything that is shown; faces only draw it |
//! | [`face`] | what draws screens and brings answers back |
//! | [`client`] | the host's end of the socket |
#![forbid(unsafe_code)]

pub mod client;
pub mod face;
pub mod protocol;
pub mod screen;

pub use client::{Client, ClientError};
pub use face::Face;
pub use protocol::{DealContext, Reply, Request};
pub use screen::{Answer, Frame, Screen};

/// The socket's name in a home.
pub const SOCKET: &str = "tinguin.sock";
