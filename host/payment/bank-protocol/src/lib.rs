//! What a bank and those who ask it say to each other, over HTTPS.
//!
//! The bank's server, the purse, `semper account` and a third party that asks banks speak by these
//! types; none of them needs another's code for it.
//!
//! | module | what it is for |
//! |---|---|
//! | [`request`] | what can be asked: each request's address and the form of its body and answer |
//! | [`account`] | opening an account, and statements of account |
//! | [`refusal`] | why a bank does not do what it was asked to |
//! | [`answer`] | reading an HTTP answer: done, refused, or not now |
//!
//! A payment order and a hold order are signed statements (`semper_items`); a claim about a hold
//! is a [`Claim`], and what the bank says about a hold is a [`HoldFact`].
//!
//! ```
//! use semper_bank_protocol::{Answer, Refusal, Request};
//!
//! assert_eq!(Request::Payment.url("https://bank.example"), "https://bank.example/semper/v1/payments");
//! let body = br#"{"code":"no-funds","words":"account 17 has only 3.00 EUR"}"#;
//! let Answer::Refused(refused) = Answer::of(422, body.to_vec()) else { panic!("not refused") };
//! assert_eq!(refused.code, Refusal::NoFunds);
//! ```
#![forbid(unsafe_code)]

pub mod account;
pub mod answer;
pub mod refusal;
pub mod request;

use semper_exchange::bank::{ClaimRequest, Fact};
use semper_exchange::crypto::Signed;
use semper_exchange::standard::Standard;

pub use account::{ACCOUNT_DOMAIN, AccountAction, AccountRequest, AccountView, EntryView};
pub use answer::Answer;
pub use refusal::{BankRefusal, Refusal};
pub use request::{BANK, CBOR, COSE, MAX_ANSWER, MAX_CLAIM, Request, key_name};

/// A claim about a hold, by anybody who has the right signature or verdict.
pub type Claim = ClaimRequest<Standard>;

/// Where a hold stands, signed by the bank.
pub type HoldFact = Signed<Standard, Fact<Standard>>;
