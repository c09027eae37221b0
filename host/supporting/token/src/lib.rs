//! Keys in a token: a smart card, a USB key or a security module that is spoken to by PKCS#11
//! (OASIS, version 2.40 and later). A key is made in the token and never leaves it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`place`] | where a token is found: its maker's library, its label and serial number |
//! | [`token`] | a token that a PIN has opened; its keys |
//! | [`error`] | what can be wrong with one, and what helps |
//!
//! One mechanism is enough, Ed25519 signing (`CKM_EDDSA`), which semper's signatures need anyway.
//! What is kept outside the token is encrypted under a key that follows from a signature: Ed25519
//! signs the same bytes by the same signature (RFC 8032 §5.1.6), so [`Token::secret`] is always the
//! same, and nobody has it without the token and its PIN.
//!
//! The library of a token's maker is code that runs in this process. So it is named by the person,
//! by its whole path, and one that others than its owner may change is refused.
#![forbid(unsafe_code)]

pub mod error;
mod library;
pub mod place;
pub mod token;

pub use error::TokenError;
pub use place::{Listed, Place, list};
pub use token::{Key, Token};
