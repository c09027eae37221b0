//! What a home's resident host and its clients say to each other, over the socket `host.sock`.
//!
//! | module | what it is for |
//! |---|---|
//! | [`protocol`] | requests, what is said meanwhile, how a request ends |
//! | [`application`] | what a business application may ask, and what it is told |
//! | [`gone`] | whether whoever asked has gone away |
//! | [`link`] | `semper:` links |
//! | [`client`] | a client's end of a conversation |
//!
//! A conversation is one request. The client says which version it speaks, and the host says so,
//! too. Then the client asks for one thing; the host says what happens, and how it ended. Frames
//! are canonical CBOR ([`semper_base::frames`]) and bounded. Whoever closes the connection waits no
//! longer; a deal that is open goes on without him.
#![forbid(unsafe_code)]

pub mod application;
pub mod client;
pub mod gone;
pub mod link;
pub mod protocol;

pub use client::{Client, ClientError};
pub use gone::Gone;
pub use protocol::{Done, Hello, Refusal, Reply, Request, Said, Status, Welcome};

/// The socket's name in a home.
pub const SOCKET: &str = "host.sock";
