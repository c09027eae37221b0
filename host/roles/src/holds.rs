//! The bank's desk for holds: money under the conditions of a fair exchange.
//!
//! Orders come signed by the account's owner; claims from anybody who has the right signature or
//! verdict. Every answer is a fact, signed by the bank: where the hold stands now. The life of a
//! hold is the ledger's, who may do what the exchange layer's; here they meet, in one commit.

pub(crate) mod fences;

use semper_bank_protocol::{Claim as ClaimRequest, HoldFact};
use semper_base::{Digest, PublicKey, Timestamp, cbor};
use semper_exchange::bank::{Claim, ClaimError, Fact, Order, authorise, begin, hold_name};
use semper_exchange::crypto::Signed;
use semper_exchange::standard::{Keys, Share, Standard};
use semper_exchange::{Body as _, Crypto as _};
use semper_items::statement::HoldOrder;
use semper_ledger::{HoldOrder as Held, HoldRow, Instruction, Ledger, LedgerError, NotAnAccount};

/// Bytes of a stored order.
const MAX_ORDER: usize = 8 * 1024;

/// Why there is no fact to tell.
#[derive(Debug, thiserror::Error)]
pub enum HoldsError {
    /// The books.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Whoever claims has no right to.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// It names no account of a customer.
    #[error(transparent)]
    Account(#[from] NotAnAccount),
    /// A third party whom nobody here has named fences more than strangers may have stored.
    #[error("fences of third parties that no order here has named are not taken now")]
    Strangers,
    /// A stored order cannot be read.
    #[error("the order of a hold is damaged")]
    Damaged,
}

/// The desk.
#[derive(Debug)]
pub struct Holds<'a> {
    /// The books.
    pub ledger: &'a Ledger,
    /// The bank's keys.
    pub keys: &'a Keys,
}

impl Holds<'_> {
    /// Holds or pays what the owner of the account has ordered at that time: once.
    ///
    /// # Errors
    /// No funds, no such account, another order under this name: nothing was booked.
    pub fn order(
        &self,
        order: &HoldOrder,
        ordered: Timestamp,
        now: Timestamp,
    ) -> Result<HoldFact, HoldsError> {
        let terms = Order::of(order);
        let name = hold_name::<Standard>(&terms.third_party, terms.leaf);
        let held = Held {
            name,
            ordered,
            debit: order.from.parse()?,
            credit: order.to.parse()?,
            instruction: begin(&terms),
            record: cbor::encode(&terms),
            text: format!("exchange {}", order.exchange.short()),
        };
        let row = self.ledger.hold(&held, now)?;
        self.fact(terms.leaf, terms.exchange, &row)
    }

    /// Where a hold stands that this very order has made; `None` if it has made none.
    pub fn taken(&self, order: &HoldOrder, now: Timestamp) -> Option<HoldFact> {
        let terms = Order::of(order);
        let Order { exchange, leaf, third_party, .. } = terms;
        let look = ClaimRequest { exchange, leaf, third_party, claim: Claim::Look };
        let fact = self.claim(&look, now).ok()?;
        let ordered = Standard::digest(<Order<Standard> as semper_exchange::Body>::KIND, &terms);
        (fact.body().order == Some(ordered)).then_some(fact)
    }

    /// Follows a claim; what is so afterwards, whether or not it could be followed.
    ///
    /// # Errors
    /// When nothing is held, or whoever claims has no right to: nothing has changed.
    pub fn claim(&self, request: &ClaimRequest, now: Timestamp) -> Result<HoldFact, HoldsError> {
        self.claim_if(request, now, || true)
    }

    /// As [`Holds::claim`]; `is_taken` says of a fence under a name of which nothing is known, once
    /// its signature has been verified, whether it is stored. It is asked with the books held.
    ///
    /// # Errors
    /// As [`Holds::claim`]; [`HoldsError::Strangers`] when it is not stored.
    pub fn claim_if(
        &self,
        request: &ClaimRequest,
        now: Timestamp,
        is_taken: impl FnOnce() -> bool,
    ) -> Result<HoldFact, HoldsError> {
        let name = hold_name::<Standard>(&request.third_party, request.leaf);
        let opened = match &request.claim {
            Claim::Open(share) => Some(share.as_bytes().to_vec()),
            _ => None,
        };
        let decide = |row: Option<&HoldRow>| match decide(request, row, now)? {
            Instruction::Fence if row.is_none() && !is_taken() => Err(HoldsError::Strangers),
            instruction => Ok(instruction),
        };
        let followed = match self.ledger.follow(name, now, decide, opened) {
            Ok(followed) => followed?,
            // It cannot be followed (any more): the fact says why.
            Err(LedgerError::Hold(_)) => {
                let look = |row: Option<&HoldRow>| match row {
                    Some(_) => Ok(Instruction::Look),
                    None => Err(HoldsError::Claim(ClaimError::Absent)),
                };
                self.ledger.follow(name, now, look, None)??
            }
            Err(other) => return Err(other.into()),
        };
        self.fact(request.leaf, request.exchange, &followed)
    }

    fn fact(&self, leaf: Digest, exchange: Digest, row: &HoldRow) -> Result<HoldFact, HoldsError> {
        let order = stored(row)?;
        let opened = row.opened.as_ref().and_then(|it| <[u8; 32]>::try_from(it.as_slice()).ok());
        let fact = Fact {
            leaf,
            order: order.map(|it| Standard::digest(Order::<Standard>::KIND, &it)),
            hold: row.hold,
            opened: opened.map(Share::from_bytes),
        };
        // Keys in memory are never away.
        Signed::new(self.keys, exchange, fact).map_err(|_| HoldsError::Damaged)
    }

    /// The key that facts are signed by.
    pub fn public(&self) -> PublicKey {
        self.keys.public()
    }
}

/// The order of a hold; none for a fence.
fn stored(row: &HoldRow) -> Result<Option<Order<Standard>>, HoldsError> {
    if row.record.is_empty() {
        return Ok(None);
    }
    cbor::decode(&row.record, MAX_ORDER).map(Some).map_err(|_| HoldsError::Damaged)
}

/// What a claim does, once its right has been verified.
fn decide(
    request: &ClaimRequest,
    row: Option<&HoldRow>,
    now: Timestamp,
) -> Result<Instruction, HoldsError> {
    let order = row.map(stored).transpose()?.flatten();
    match (order, row, &request.claim) {
        (Some(order), ..) if order.exchange != request.exchange => {
            Err(ClaimError::Leaf("claim".into()).into())
        }
        (Some(order), _, claim) => Ok(authorise(&order, claim, now)?),
        // Nothing ordered yet: only the third party whose name it is can fence it.
        (None, _, Claim::Fence(fence, key)) => {
            let good = *key == request.third_party
                && fence.body().leaf == request.leaf
                && fence.is_by(key, request.exchange);
            if good {
                Ok(Instruction::Fence)
            } else {
                Err(ClaimError::Signer("fence".into()).into())
            }
        }
        (None, Some(_), _) => Ok(Instruction::Look),
        (None, None, _) => Err(ClaimError::Absent.into()),
    }
}
