//! What never changes about a deal; what a component's handles stand for; what is journaled of a
//! received message.

use std::sync::Arc;

use semper_base::{Amount, DealId, Digest, Timestamp};
use semper_exchange::package::Talk;
use semper_items::statement::PaymentOrder;
use semper_items::{Agreement, Side, SignedStatement};
use semper_trust::VerifiedTerms;
use semper_trust::policy::Grants;
use serde::{Deserialize, Serialize};

use crate::exchange::Declared;
use crate::stop::Stop;

/// A payment of the other side's that was accepted, as the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// How much.
    pub amount: Amount,
    /// The confirmation's digest.
    pub digest: Digest,
    /// The order that it is for.
    pub purpose: Digest,
    /// The payment system that confirmed it.
    pub signer: String,
}

/// A statement that a component holds.
#[derive(Debug, Clone)]
pub struct StatementHandle(pub Declared);

/// A payment that a component holds.
#[derive(Debug, Clone)]
pub struct PaymentHandle {
    /// How much.
    pub amount: Amount,
    /// The confirmation's digest.
    pub digest: Digest,
    /// The order that it is for.
    pub purpose: Digest,
    /// The payment system that confirmed it.
    pub signer: String,
    /// The confirmation itself.
    pub item: Vec<u8>,
}

impl PaymentHandle {
    /// The handle of a payment that was accepted when it came.
    pub(crate) fn accepted(accepted: Accepted, item: &[u8]) -> Self {
        let Accepted { amount, digest, purpose, signer } = accepted;
        Self { amount, digest, purpose, signer, item: item.to_vec() }
    }
}

/// A signed statement that has not been sent.
#[derive(Debug)]
pub struct ConsentHandle(pub SignedStatement);

/// What a guest with a language runtime has of WASI.
#[derive(Debug, Default)]
pub struct Wasi {
    /// The journaled seed of its randomness, once it has asked for any.
    pub(crate) seed: Option<Digest>,
    /// How many blocks of randomness it has had.
    pub(crate) counter: u64,
}

/// A signed payment order that has not been carried out.
#[derive(Debug)]
pub struct PaymentConsentHandle {
    /// The signed order.
    pub signed: Vec<u8>,
    /// What it says.
    pub order: PaymentOrder,
}

/// What never changes about a deal while it runs.
#[derive(Debug)]
pub struct Deal {
    /// Its identifier.
    pub id: DealId,
    /// The side that is ours.
    pub side: Side,
    /// What both signed.
    pub agreement: Agreement,
    /// The terms.
    pub terms: Arc<VerifiedTerms>,
    /// When it was opened here.
    pub opened: Timestamp,
}

impl Deal {
    /// What its component may do.
    pub fn grants(&self) -> &Grants {
        self.terms.grants()
    }
}

/// What is journaled of a received message: its name, and when it was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taken {
    pub seq: u64,
    pub digest: Digest,
    pub at: Timestamp,
    /// What accepting its money has come to. Journals of before this was kept have none: there the
    /// confirmation's signature is looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Result<Accepted, String>>,
}

/// A received item, checked against signatures, deal and flow.
#[derive(Debug, Clone)]
pub enum Received {
    /// Information: kind and bytes.
    Information(String, Vec<u8>),
    /// A statement.
    Statement(Box<SignedStatement>),
    /// Money.
    Money(PaymentHandle),
    /// What is said before an exchange.
    Talk(Box<Talk>),
}

/// Words about negotiations that are over here, which were passed over in a run.
#[derive(Debug, Default)]
pub(crate) struct Late(u32);

impl Late {
    /// So many may come in a run. Two can cross the end of one negotiation, and no service leaves a
    /// hundred of them; whoever goes on says things to nobody, to fill our journal.
    const MOST: u32 = 256;

    /// Another one has come.
    pub(crate) fn another(&mut self) -> Result<(), Stop> {
        self.0 += 1;
        match self.0 > Self::MOST {
            true => Err(Stop::peer("it answers proposals that nobody has made")),
            false => Ok(()),
        }
    }
}

impl Received {
    /// Whether it answers a proposal, where nobody waits for an answer: it comes late, from a
    /// negotiation that our side has left meanwhile, and says nothing any more.
    pub(crate) fn comes_late(&self) -> bool {
        matches!(self, Self::Talk(talk) if !matches!(**talk, Talk::Propose { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stop::Fault;

    #[test]
    fn words_that_crossed_blame_nobody_and_a_flood_of_them_blames_its_sender() {
        let mut late = Late::default();
        for _ in 0..Late::MOST {
            late.another().unwrap();
        }
        let Err(Stop::Verdict(verdict)) = late.another() else { panic!("a flood is let through") };
        assert_eq!(verdict.at_fault(), Fault::Peer);
    }
}
