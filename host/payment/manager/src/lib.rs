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
use semper_items::agreement::Way;
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
    /// The same key; asked of the system now and then, and held against the authorities.
    fn system_key(&self, now: Timestamp) -> Result<PublicKey, PaymentError>;
    /// The order that the payer signs.
    fn order(&self, intent: &Intent) -> PaymentOrder;
    /// Carries a signed order out; any number of times, with one effect.
    fn execute(&self, signed_order: &[u8], now: Timestamp) -> Result<Confirmed, PaymentError>;
    /// Has the payment system hold or pay under condition what a signed hold order says; any
    /// number of times, with one effect. Its fact about it, signed by the key that the exchange
    /// names, which may be an older one than the system has now.
    fn hold(&self, signed_order: &[u8], by: &PublicKey) -> Result<Vec<u8>, PaymentError>;
    /// Claims held money at the payment system; its fact, signed by that key.
    fn claim(&self, claim: &[u8], by: &PublicKey) -> Result<Vec<u8>, PaymentError>;
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

    /// The ways to pay, most liked first, as HELLO names them. Each is named with its payment
    /// system; then the modules alone follow, for hosts that know no more.
    pub fn ways(&self) -> Vec<String> {
        let own = || self.order.iter().filter_map(|name| self.modules.get(name));
        let whole = own().map(|it| Way::at(it.name(), it.system()).to_string());
        whole.chain(self.order.iter().cloned()).collect()
    }

    /// The module of a way to pay.
    ///
    /// # Errors
    /// There is none of this name, or its account is at another payment system.
    pub fn module(&self, way: &str) -> Result<&Arc<dyn Module>, PaymentError> {
        let missing = || PaymentError::NoModule(way.to_owned());
        let way: Way = way.parse().map_err(|_| missing())?;
        let module = self.modules.get(&way.module).ok_or_else(missing)?;
        match way.system {
            Some(system) if system != module.system() => Err(missing()),
            _ => Ok(module),
        }
    }

    /// The way in which a buyer can pay this home: the first of hers whose module the terms accept
    /// and whose payment system keeps our account, too. Whether money can come across is settled
    /// here, before anybody signs.
    pub fn negotiate<'a>(&self, buyer: &'a [String], accepted: &[String]) -> Option<&'a str> {
        let ways: Vec<(&str, Way)> =
            buyer.iter().filter_map(|it| Some((it.as_str(), it.parse().ok()?))).collect();
        // A module that is named alone is what older hosts say; others have said more above.
        let alone = |way: &Way| {
            way.system.is_none() && !ways.iter().any(|it| it.1.module == way.module && it.1 != *way)
        };
        let fits = |text: &str, way: &Way| {
            accepted.contains(&way.module)
                && (way.system.is_some() || alone(way))
                && self.module(text).is_ok()
        };
        ways.iter().find(|(text, way)| fits(text, way)).map(|it| it.0)
    }

    /// Our ways to pay and be paid under terms that accept these modules, in words.
    pub fn words(&self, accepted: &[String]) -> String {
        let one = |name: &String| match self.modules.get(name) {
            Some(module) => Way::at(name, module.system()).words(),
            None => name.clone(),
        };
        accepted.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

/// A buyer's ways to pay, in words.
pub fn words(ways: &[String]) -> String {
    let all: Vec<Way> = ways.iter().filter_map(|it| it.parse().ok()).collect();
    let said = |way: &&Way| {
        way.system.is_some() || !all.iter().any(|it| it.module == way.module && it != *way)
    };
    let words: Vec<String> = all.iter().filter(said).map(Way::words).collect();
    if words.is_empty() { "none".into() } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account at a bank, which nobody asks for anything.
    #[derive(Debug)]
    struct Account(&'static str);

    impl Module for Account {
        fn name(&self) -> &str {
            "purse"
        }
        fn modes(&self) -> &[Mode] {
            &[Mode::Plain]
        }
        fn account(&self) -> &str {
            "acct:1"
        }
        fn system(&self) -> &str {
            self.0
        }
        fn known_system_key(&self) -> Option<PublicKey> {
            None
        }
        fn system_key(&self, _: Timestamp) -> Result<PublicKey, PaymentError> {
            Err(PaymentError::Away(self.0.into()))
        }
        fn order(&self, intent: &Intent) -> PaymentOrder {
            PaymentOrder {
                bank: self.0.into(),
                from: "acct:1".into(),
                to: intent.payee.clone(),
                amount: intent.amount,
                purpose: intent.purpose,
                reference: intent.reference,
            }
        }
        fn execute(&self, _: &[u8], _: Timestamp) -> Result<Confirmed, PaymentError> {
            Err(PaymentError::NoFunds)
        }
        fn hold(&self, _: &[u8], _: &PublicKey) -> Result<Vec<u8>, PaymentError> {
            Err(PaymentError::NoFunds)
        }
        fn claim(&self, _: &[u8], _: &PublicKey) -> Result<Vec<u8>, PaymentError> {
            Err(PaymentError::NoFunds)
        }
        fn accept(&self, _: &[u8], _: DealId, _: Timestamp) -> Result<Confirmed, PaymentError> {
            Err(PaymentError::NoFunds)
        }
    }

    fn at(bank: &'static str) -> Manager {
        Manager::new(vec![Arc::new(Account(bank))])
    }

    #[test]
    fn two_accounts_at_one_bank_are_a_way_to_pay_and_two_at_two_banks_are_none() {
        let (merchant, accepted) = (at("Sparbank"), ["purse".to_owned()]);
        let (same, other) = (at("Sparbank").ways(), at("Volksbank").ways());

        let way = merchant.negotiate(&same, &accepted);
        assert_eq!(way, Some("purse@Sparbank"));
        assert_eq!(merchant.module(way.unwrap()).unwrap().system(), "Sparbank");
        assert_eq!(merchant.negotiate(&other, &accepted), None);
        assert_eq!(
            (words(&other), merchant.words(&accepted)),
            ("purse, at Volksbank".to_owned(), "purse, at Sparbank".to_owned())
        );
        assert_eq!(merchant.negotiate(&same, &["card".to_owned()]), None);
    }

    #[test]
    fn a_host_that_names_no_bank_is_believed_to_have_the_same() {
        let (older, accepted) = (["purse".to_owned()], ["purse".to_owned()]);
        assert_eq!(at("Sparbank").negotiate(&older, &accepted), Some("purse"));
        // Its deals go on by the name that they began with.
        assert!(at("Sparbank").module("purse").is_ok());
        assert!(at("Volksbank").module("purse@Sparbank").is_err());
    }
}
