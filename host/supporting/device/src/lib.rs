//! A TINGUIN on a second device: another machine with a screen of its own. The host's machine may be
//! taken over; it can ask then, and the device shows and signs (seed 2 §5).
//!
//! | module | what it is for |
//! |---|---|
//! | [`pairing`] | the two meet once, and their person compares a code that both show |
//! | [`paired`] | what each of the two keeps of the other |
//! | [`channel`] | an encrypted channel between two known keys: frames, time-outs |
//! | [`bridge`] | the host's machine: a TINGUIN's socket whose requests go to the device |
//! | [`Handshakes`] | how many strangers may be let in at once to say who they are |
//! | [`dial`] | the device: connects to the host's machine, and answers |
//!
//! The channel is TLS 1.3 with bare public keys (RFC 7250) of Ed25519 at both ends. Each side knows
//! the other's key from the pairing and takes no other. The device connects, and opens no port: it
//! keeps some connections at hand, and each carries one request at a time. So a person who takes an
//! hour over a decision holds up no other request.
//!
//! Whatever goes through is a request as hosts make them ([`semper_tinguin_protocol::Request`]); the
//! device's TINGUIN parses it as it does one from its own socket.
#![forbid(unsafe_code)]

pub mod bridge;
pub mod channel;
pub mod dial;
pub mod error;
mod handshakes;
pub mod paired;
pub mod pairing;
mod tls;

pub use channel::{Channel, Frame};
pub use dial::{Answers, keep};
pub use error::DeviceError;
pub use handshakes::Handshakes;
pub use paired::{ToDevice, ToHost};
pub use pairing::{Code, Meeting};
