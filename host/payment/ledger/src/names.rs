//! Names of accounts. A customer's account and one of the bank's own are two types: an order of a
//! customer is read into [`AccountId`], and can name no other.

use std::fmt;
use std::str::FromStr;

use semper_base::{Currency, Digest};

use crate::{LedgerError, Result};

/// Numbers of customers' accounts begin so.
const CUSTOMER: &str = "acct:";
/// Names of accounts that test money comes from begin so; the currency follows.
const FUNDS: &str = "bank:";
/// Names of accounts of what is held begin so; the currency follows.
const HELD: &str = "held:";
/// Characters after the beginning of a number, at most.
const LONGEST: usize = 64;

/// The number of a customer's account, such as `acct:0123456789abcdef`.
///
/// ```
/// use semper_ledger::AccountId;
///
/// let number: AccountId = "acct:0123456789abcdef".parse().unwrap();
/// assert_eq!(number.to_string(), "acct:0123456789abcdef");
/// // The account of what is held is the bank's own, and no customer's order can name it.
/// let refused = "held:EUR".parse::<AccountId>().unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "“held:EUR” is not the number of a customer's account, which begins with acct:"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(String);

impl AccountId {
    /// The number that follows from this name.
    pub(crate) fn of(name: &Digest) -> Self {
        Self(format!("{CUSTOMER}{}", &name.hex()[..16]))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is not the number of a customer's account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("“{0}” is not the number of a customer's account, which begins with {CUSTOMER}")]
pub struct NotAnAccount(String);

impl FromStr for AccountId {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> std::result::Result<Self, NotAnAccount> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        match text.strip_prefix(CUSTOMER) {
            Some(rest) if (1..=LONGEST).contains(&rest.len()) && rest.bytes().all(plain) => {
                Ok(Self(text.to_owned()))
            }
            _ => {
                let shown = text.chars().filter(|it| !it.is_control()).take(LONGEST).collect();
                Err(NotAnAccount(shown))
            }
        }
    }
}

/// An account of the bank's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Own {
    /// Test money comes from here; it goes below zero.
    Funds(Currency),
    /// What is held for exchanges lies here.
    Held(Currency),
}

impl Own {
    /// Its currency.
    pub const fn currency(self) -> Currency {
        match self {
            Self::Funds(currency) | Self::Held(currency) => currency,
        }
    }

    /// By this name the books say whose it is.
    pub(crate) const fn holder(self) -> &'static str {
        match self {
            Self::Funds(_) => "the bank",
            Self::Held(_) => "what is held",
        }
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Funds(currency) => write!(f, "{FUNDS}{currency}"),
            Self::Held(currency) => write!(f, "{HELD}{currency}"),
        }
    }
}

/// The name of any account in the books. Its text form is what is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountName {
    /// A customer's.
    Customer(AccountId),
    /// The bank's own.
    Own(Own),
}

impl AccountName {
    /// Whether it is the bank's own, which may go below zero.
    pub const fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// A name as it is stored.
    pub(crate) fn stored(text: &str) -> Result<Self> {
        text.parse().map_err(|_| LedgerError::Audit(format!("an account is named “{text}”")))
    }
}

impl From<AccountId> for AccountName {
    fn from(id: AccountId) -> Self {
        Self::Customer(id)
    }
}

impl From<Own> for AccountName {
    fn from(own: Own) -> Self {
        Self::Own(own)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => id.fmt(f),
            Self::Own(own) => own.fmt(f),
        }
    }
}

impl FromStr for AccountName {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> std::result::Result<Self, NotAnAccount> {
        let own = |beginning: &str, own: fn(Currency) -> Own| {
            let currency = text.strip_prefix(beginning)?.parse().ok()?;
            Some(own(currency)).filter(|it| it.to_string() == text)
        };
        match own(FUNDS, Own::Funds).or_else(|| own(HELD, Own::Held)) {
            Some(own) => Ok(own.into()),
            None => text.parse().map(Self::Customer),
        }
    }
}
