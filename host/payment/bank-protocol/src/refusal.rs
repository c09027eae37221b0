//! Why a bank does not do what it was asked to.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The reason of a refusal. Its text form is what travels.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Refusal {
    /// `no-funds`: the account does not hold that much.
    NoFunds,
    /// `unknown-account`: there is no such account.
    UnknownAccount,
    /// `unknown-hold`: nothing is held under that name.
    UnknownHold,
    /// `conflict`: something else was ordered under that name, or the hold has gone on.
    Conflict,
    /// `not-yours`: whoever asks has no right to it.
    NotYours,
    /// `malformed`: the request cannot be read, or asks for what cannot be.
    Malformed,
    /// `untrusted`: the bank does not believe the certificate of whoever asks.
    Untrusted,
    /// `other-bank`: the request is for another bank.
    OtherBank,
    /// `away`: the bank's own trouble; asking again later may help.
    Away,
    /// A reason that this version does not know.
    Other(String),
}

impl Refusal {
    /// The text form.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NoFunds => "no-funds",
            Self::UnknownAccount => "unknown-account",
            Self::UnknownHold => "unknown-hold",
            Self::Conflict => "conflict",
            Self::NotYours => "not-yours",
            Self::Malformed => "malformed",
            Self::Untrusted => "untrusted",
            Self::OtherBank => "other-bank",
            Self::Away => "away",
            Self::Other(text) => text,
        }
    }

    /// Whether asking again later may help: the bank's trouble, not the request's.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Away)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for Refusal {
    fn from(text: String) -> Self {
        match text.as_str() {
            "no-funds" => Self::NoFunds,
            "unknown-account" => Self::UnknownAccount,
            "unknown-hold" => Self::UnknownHold,
            "conflict" => Self::Conflict,
            "not-yours" => Self::NotYours,
            "malformed" => Self::Malformed,
            "untrusted" => Self::Untrusted,
            "other-bank" => Self::OtherBank,
            "away" => Self::Away,
            _ => Self::Other(text),
        }
    }
}

impl FromStr for Refusal {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.to_owned().into())
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Other(text) => text,
            known => known.as_str().to_owned(),
        }
    }
}

/// A refusal as it travels, in JSON: the reason, and the bank's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankRefusal {
    /// The reason.
    pub code: Refusal,
    /// What the bank says about it, for people.
    pub words: String,
}

impl BankRefusal {
    /// A refusal for this reason, in these words.
    pub fn new(code: Refusal, words: impl ToString) -> Self {
        Self { code, words: words.to_string() }
    }

    /// The request cannot be read, or asks for what cannot be.
    pub fn malformed(words: impl ToString) -> Self {
        Self::new(Refusal::Malformed, words)
    }
}
