//! The payment manager: one generic service to everything above, payment systems as modules
//! below (seed 2 §3.6; `docs/payments.md`).
//!
//! A module says what it can promise ([`Properties`]), makes a payment order that the person
//! signs, carries a signed one out, and verifies what the other side's module sent. Adding one
//! changes nothing above this crate.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use semper_base::{Amount, DealId, Digest, Mend, PublicKey, Timestamp};
use semper_items::statement::PaymentOrder;

pub use semper_items::{Excludes, Generates, Mode, Properties};

/// A payment that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The deal in which it is paid.
    pub deal: DealId,
    /// The amount to pay.
    pub amount: Amount,
    /// The payee's account, as the offer says.
    pub payee: String,
    /// The purpose: the order's digest.
    pub purpose: Digest,
    /// Idempotency key: the same payment, however often it is asked for.
    pub reference: Digest,
}

/// A payment that its module has confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The item that proves it: what travels to the payee, and is evidence.
    pub item: Vec<u8>,
    /// Its digest, for receipts.
    pub digest: Digest,
    /// The amount that was paid.
    pub amount: Amount,
    /// The purpose: the order's digest.
    pub purpose: Digest,
    /// The certified name of the payment system that confirms it.
    pub signer: String,
}

/// Why a payment is not made or not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
pub enum PaymentError {
    /// The account does not hold enough; nothing was booked.
    #[error("there is not enough in the account")]
    #[mend("put money into the account, then order again")]
    NoFunds,
    /// The payment system refuses, with its words; nothing was booked.
    #[error("the payment system refuses: {0}")]
    #[mend("ask the bank, with the evidence")]
    Refused(String),
    /// It cannot be reached; asking again is safe.
    #[error("the payment system cannot be reached: {0}")]
    #[mend("it is tried again by itself")]
    Away(String),
    /// What the other side sent is no payment to us in this deal.
    #[error("this is no payment: {0}")]
    #[mend("ask the bank, with the evidence")]
    Invalid(String),
    /// No such module is set up here.
    #[error("no payment module “{0}” is set up here")]
    #[mend("set up [payment.{0}] in the home's semper.toml")]
    NoModule(String),
    /// The module itself has failed, which says nothing about anybody else.
    #[error("the payment module has failed: {0}")]
    #[mend("report it with the log; what was asked for is asked again")]
    Broken(String),
}

/// A payment system, as the manager uses it; see `docs/payments.md`, “Adding a module”.
pub trait Module: Send + Sync + std::fmt::Debug {
    /// Its name in negotiations.
    fn name(&self) -> &str;
    /// The ways in which it can pay, most liked first; what each promises is the mode's.
    fn modes(&self) -> &[Mode];
    /// The account that payments to us go to.
    fn account(&self) -> &str;
    /// The name of the payment system that keeps it.
    fn system(&self) -> &str;
    /// The key by which that system signs what it says about held money, once it is known: nobody
    /// has to be asked for it then.
    fn known_system_key(&self) -> Option<PublicKey>;
    /// The same key; asked of the system once, and held against the authorities.
    fn system_key(&self, now: Timestamp) -> Result<PublicKey, PaymentError>;
    /// The order that the payer signs.
    fn order(&self, intent: &Intent) -> PaymentOrder;
    /// Carries a signed order out; any number of times, with one effect.
    fn execute(&self, signed_order: &[u8], now: Timestamp) -> Result<Confirmed, PaymentError>;
    /// Has the payment system hold or pay under condition what a signed hold order says; any
    /// number of times, with one effect. Its signed fact about it.
    fn hold(&self, signed_order: &[u8]) -> Result<Vec<u8>, PaymentError>;
    /// Claims held money at the payment system; its signed fact.
    fn claim(&self, claim: &[u8]) -> Result<Vec<u8>, PaymentError>;
    /// Verifies an item as a payment to us in this deal.
    fn accept(&self, item: &[u8], deal: DealId, now: Timestamp) -> Result<Confirmed, PaymentError>;
}

/// The modules that are set up in a home, most liked first.
#[derive(Clone, Debug, Default)]
pub struct Manager {
    order: Vec<String>,
    modules: BTreeMap<String, Arc<dyn Module>>,
}

impl Manager {
    /// These modules, most liked first.
    pub fn new(modules: Vec<Arc<dyn Module>>) -> Self {
        let order = modules.iter().map(|it| it.name().to_owned()).collect();
        let modules = modules.into_iter().map(|it| (it.name().to_owned(), it)).collect();
        Self { order, modules }
    }

    /// The names of the modules, most liked first.
    pub fn names(&self) -> &[String] {
        &self.order
    }

    /// A module by name.
    pub fn module(&self, name: &str) -> Result<&Arc<dyn Module>, PaymentError> {
        self.modules.get(name).ok_or_else(|| PaymentError::NoModule(name.to_owned()))
    }
}

/// The module that both sides can use: the first of the buyer's that the terms accept. Public
/// and deterministic, so that each side finds the same.
pub fn negotiate<'a>(buyer: &'a [String], accepted: &[String]) -> Option<&'a str> {
    buyer.iter().find(|name| accepted.contains(name)).map(String::as_str)
}
