//! What can be asked of a bank: each request is posted to an address of its own.

use semper_base::{Digest, PublicKey};

/// A key as it is named in addresses: 64 hexadecimal digits.
pub fn key_name(key: &PublicKey) -> String {
    Digest::from_bytes(*key.as_bytes()).hex()
}

/// Where a bank shows its certificate (GET, canonical CBOR): by its key it signs facts about holds.
pub const BANK: &str = "/semper/v1/bank";
/// Media type of canonical CBOR.
pub const CBOR: &str = "application/cbor";
/// Media type of signed structures.
pub const COSE: &str = "application/cose";
/// Media type of statements of account and of refusals.
pub const JSON: &str = "application/json";
/// Largest answer of a bank, in bytes.
pub const MAX_ANSWER: usize = 128 * 1024;
/// Largest claim about a hold, in bytes: a verdict with its basis.
pub const MAX_CLAIM: usize = 64 * 1024;

/// What can be asked of a bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Open an account, or show one: a signed [`crate::AccountRequest`]; the answer is an
    /// [`crate::AccountView`].
    Account,
    /// Pay: a signed payment order; the answer is a signed payment confirmation.
    Payment,
    /// Hold money under the conditions of an exchange: a signed hold order; the answer is a
    /// [`crate::HoldFact`].
    Hold,
    /// Claim something about a hold: a [`crate::Claim`]; the answer is a [`crate::HoldFact`].
    Claim,
}

impl Request {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Payment, Self::Account, Self::Hold, Self::Claim];

    /// Where it is posted, after the bank's address.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Account => "/semper/v1/accounts",
            Self::Payment => "/semper/v1/payments",
            Self::Hold => "/semper/v1/holds",
            Self::Claim => "/semper/v1/claims",
        }
    }

    /// Where it is posted at the bank with this address.
    pub fn url(self, bank: &str) -> String {
        format!("{bank}{}", self.path())
    }

    /// The same, for a fact that is to be signed by this key of the bank's. An exchange names the key
    /// that its bank had when it was agreed on; a bank that has a newer one goes on signing by it.
    pub fn url_by(self, bank: &str, key: &PublicKey) -> String {
        format!("{}?key={}", self.url(bank), key_name(key))
    }

    /// The media type of its body.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Account | Self::Payment | Self::Hold => COSE,
            Self::Claim => CBOR,
        }
    }

    /// The media type of its answer, when it is done.
    pub const fn answer_type(self) -> &'static str {
        match self {
            Self::Account => JSON,
            Self::Payment => COSE,
            Self::Hold | Self::Claim => CBOR,
        }
    }
}
