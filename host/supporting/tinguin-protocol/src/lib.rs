//! What a host and a TINGUIN say to each other.
//!
//! Whoever speaks to a TINGUIN, or draws for one, uses this crate; the keys, their store and the
//! process that holds them are in `semper-tinguin`.
//!
//! | module | what it is for |
//! |---|---|
//! | [`protocol`] | what a host may ask over the socket, and what it gets back |
//! | [`screen`] | the typed model of everything that is shown; faces only draw it |
//! | [`failure`] | why a request was not carried out, and whose trouble that is |
//! | [`secret`] | a pass-phrase on its way |
//! | [`told`] | what of the person is told to whom; letters that ask it back |
//! | [`lock_after`] | how long nobody may be there before it locks |
//! | [`pairing`] | a business application, and what it may do |
//! | [`face`] | what draws screens and brings answers back |
//! | [`client`] | the host's end, and how a request gets to the other |
#![forbid(unsafe_code)]

pub mod client;
pub mod face;
pub mod failure;
pub mod lock_after;
pub mod pairing;
pub mod protocol;
pub mod screen;
pub mod secret;
pub mod told;

pub use client::{Ask, Client, ClientError};
pub use face::{Attention, Face};
pub use failure::{Cause, Failure};
pub use lock_after::LockAfter;
pub use pairing::{Pairing, Scope};
pub use protocol::{DealContext, Filled, Reply, Request};
pub use screen::{Answer, Frame, Screen};
pub use secret::PassPhrase;
pub use told::Told;

/// The socket's name in a home.
pub const SOCKET: &str = "tinguin.sock";
