//! The ground that every layer of semper stands on: values that cannot be wrong.
//!
//! | module | what it is for |
//! |---|---|
//! | [`digest`] | SHA-256 digests, their one text form |
//! | [`id`] | typed identifiers: deals, keys |
//! | [`amount`] | money in minor units with an ISO 4217 code, checked arithmetic |
//! | [`clock`] | times: milliseconds inside, RFC 3339 UTC at borders |
//! | [`cbor`] | deterministic CBOR (RFC 8949 §4.2.1), strict in both directions |
//! | [`keys`] | Ed25519 signing keys and X25519 sealing keys (HPKE, RFC 9180) |
//! | [`cose`] | COSE_Sign1 (RFC 9052) with `x5chain` (RFC 9360) or a deal key's id |
//! | [`cert`] | X.509 certificates: the project's profile, roles, chains, requests |
//! | [`fault`] | fault injection, in the tests' builds alone |
//! | [`frames`] | canonical CBOR between programs of one machine |
//! | [`mend`] | what every error of ours also says: how to mend it; the derive of that |
//! | [`renewal`] | a certified key that asks for its successor |
//! | [`text`] | text from outside that a person will read |
//!
//! Bytes from outside become one of these types once, at the border, or a named error.
#![forbid(unsafe_code)]

// What `semper-mend` derives names this crate by its name, here too.
extern crate self as semper_base;

pub mod amount;
pub mod cbor;
pub mod cert;
pub mod clock;
pub mod cose;
pub mod digest;
pub mod fault;
pub mod frames;
pub mod id;
pub mod keys;
pub mod mend;
pub mod renewal;
pub mod text;

pub use amount::{Amount, AmountError, Currency};
pub use cert::{Certificate, Identity, Role};
pub use clock::{Clock, SystemClock, Timestamp};
pub use digest::Digest;
pub use id::{DealId, ExchangeId, KeyId};
pub use keys::{PublicKey, SealPublic, SealSecret, SigningKey, Signs};
pub use mend::{Mend, Report};

/// Whether something is in a list twice.
pub fn has_twice<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, it)| list[..index].contains(it))
}
