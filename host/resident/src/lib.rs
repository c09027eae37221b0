//! The resident host of a buyer's home: all of its deals, exchanges, lists and dates at once.
//!
//! | module | what it is for |
//! |---|---|
//! | [`Resident`] | the host, and carrying out what a client asks |
//! | `buying` | from a merchant's address to a deal that is open |
//! | `openings` | deals that are being opened: who waits for them, going on with them |
//! | `applications` | business applications: pairing, and what they ask |
//! | `ears` | who hears what happens in which deal |
//! | [`server`] | the socket, and conversations with clients |
//!
//! A client asks for one thing and hears what happens ([`semper_host_protocol`]). A client that goes
//! away stops nothing but an opening that the person has not signed. The host may be killed at any
//! time: what is stored is whole, and the next one goes on.
#![forbid(unsafe_code)]

mod applications;
mod buying;
mod ears;
mod openings;
mod resident;
pub mod server;

pub use applications::Paired;
pub use ears::Tell;
pub use resident::Resident;
pub use semper_host_protocol::Gone;
