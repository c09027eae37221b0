//! One's own account: opening it, and statements of it.

use semper_base::{Currency, Digest, KeyId, Timestamp};
use serde::{Deserialize, Serialize};

/// The domain that requests to a bank about one's own account are signed in.
pub const ACCOUNT_DOMAIN: &str = "account-request";

/// A request to a bank about one's own account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountRequest {
    /// The bank's certified name.
    pub bank: String,
    /// When it was made: a bank answers recent ones only.
    pub made: Timestamp,
    /// Fresh: a bank answers each once.
    pub nonce: Digest,
    /// What is asked.
    pub what: AccountAction,
}

/// What is asked about an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum AccountAction {
    /// Open an account in this currency; the one there is comes back if there is one.
    Open(Currency),
    /// Balance and the newest entries of this account.
    Show(String),
    /// This account is the holder's by another key, too: the one that takes the place of the key
    /// which signs this.
    HandOver {
        /// The account.
        account: String,
        /// The new key.
        to: KeyId,
    },
}

/// A statement of account: what its holder sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// The bank's name.
    pub bank: String,
    /// The account's number.
    pub account: String,
    /// Who holds it.
    pub holder: String,
    /// What is in it, such as `19.99 EUR`.
    pub balance: String,
    /// The newest entries, newest first.
    pub entries: Vec<EntryView>,
}

/// A line of a statement of account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryView {
    /// The ledger's number.
    pub number: u64,
    /// Positive when the account was paid.
    pub change: String,
    /// The other account.
    pub other: String,
    /// What for.
    pub text: String,
    /// When it was booked, RFC 3339.
    pub booked: String,
}
