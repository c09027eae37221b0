//! Orders, claims and facts between an exchange and a payment system, and the right to each.
//!
//! A hold names three keys: its payer's and its payee's of the exchange, and the third party's.
//! That is all a bank has to know: it verifies a release, a refund or a verdict against them
//! and never sees what is exchanged. The life of a hold itself is [`semper_items::Hold`].

use semper_base::{Amount, Digest, Timestamp};
use semper_items::Mode;
use semper_items::hold::{Hold, Instruction, Terms};
use semper_items::statement::{HoldKind, HoldOrder};
use serde::{Deserialize, Serialize};

use crate::agreement::Agreed;
use crate::crypto::{Body, Crypto, Signed};
use crate::dates::{self, Bounds, Misdated};
use crate::item::{Item, Role};
use crate::verdict::{Decision, Verdict};

/// The kind of hold that an order makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A lock: falls back to the payer.
    Lock,
    /// A payment that can still be revoked: falls on to the payee.
    Provisional,
    /// A payment for good, which can only be fenced beforehand.
    Final,
}

/// A payer's order to hold or pay: the part of it that the exchange knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Order<C: Crypto> {
    /// The exchange: the subject of every signature about the hold.
    pub exchange: Digest,
    /// The leaf: the name under which it is held, once.
    pub leaf: Digest,
    /// The amount to hold or pay, in one currency.
    pub amount: Amount,
    /// The account that is credited on a release.
    pub payee: String,
    /// The kind of hold.
    pub kind: Kind,
    /// The commitment whose opening releases it, for a hash lock; with the salt.
    pub opens: Option<(Digest, Digest)>,
    /// When it falls back to the payer (a lock) or on to the payee (a payment).
    pub until: Timestamp,
    /// The payer's key: it releases a lock and waives a payment.
    pub payer: C::Key,
    /// The payee's key: it gives a lock back.
    pub payee_key: C::Key,
    /// The key of the third party whose verdicts and fences count.
    pub third_party: C::Key,
    /// Which of the two sides pays: the roles of the keys in a verdict.
    pub payer_role: Role,
}

impl<C: Crypto> Body for Order<C> {
    const KIND: &'static str = "hold-order";
}

/// A payment system's word about a hold, signed by its key; the exchange is the subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Fact<C: Crypto> {
    /// The leaf that the hold is named by.
    pub leaf: Digest,
    /// The digest of the order, where there was one.
    pub order: Option<Digest>,
    /// The state of the hold after the request.
    pub hold: Hold,
    /// The share by which a hash lock was opened.
    pub opened: Option<C::Share>,
}

impl<C: Crypto> Body for Fact<C> {
    const KIND: &'static str = "bank-fact";
}

/// The payer lets a lock go to the payee.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The leaf whose lock is released.
    pub leaf: Digest,
}

impl Body for Release {
    const KIND: &'static str = "release";
}

/// The payee gives a lock back to the payer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refund {
    /// The leaf whose lock is given back.
    pub leaf: Digest,
}

impl Body for Refund {
    const KIND: &'static str = "refund";
}

/// The payer makes a provisional payment final.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The leaf whose payment becomes final.
    pub leaf: Digest,
}

impl Body for Waiver {
    const KIND: &'static str = "waiver";
}

/// A third party asks whether a payment was made, and has it fenced if not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fence {
    /// The leaf whose payment is asked about.
    pub leaf: Digest,
}

impl Body for Fence {
    const KIND: &'static str = "fence";
}

/// A request of anybody to a payment system about a leaf, besides making the hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Claim<C: Crypto> {
    /// Where does it stand?
    Look,
    /// The payer's release of a lock.
    Release(Signed<C, Release>),
    /// The payee's return of a lock.
    Refund(Signed<C, Refund>),
    /// The payer's waiver: a provisional payment becomes final.
    Waiver(Signed<C, Waiver>),
    /// The third party's verdict, by whoever has it.
    Verdict(Box<Signed<C, Verdict<C>>>),
    /// The share that a hash lock is committed to.
    Open(C::Share),
    /// The third party fences; with its key, since nothing may be held yet that names it.
    Fence(Signed<C, Fence>, C::Key),
}

/// Why a payment system does not follow a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimError {
    /// Nothing is held under this name.
    #[error("nothing is held under this name")]
    Absent,
    /// The signature is not of the key that the hold names.
    #[error("the {0} is not signed by the key that the hold names")]
    Signer(String),
    /// It names another leaf or exchange.
    #[error("the {0} is about something else")]
    Leaf(String),
    /// The verdict is of a kind that says nothing about this hold.
    #[error("the verdict says nothing about this hold: {0}")]
    Verdict(String),
    /// The verdict is not of today: nothing has moved, and it may be shown again.
    #[error("the verdict counts from {0} on, by the clock here")]
    NotYet(Timestamp),
}

/// The instruction that a claim gives to the hold of this order, once its right is verified; `now`
/// is the payment system's own clock.
///
/// # Errors
/// When whoever claims has no right to.
pub fn authorise<C: Crypto>(
    order: &Order<C>,
    claim: &Claim<C>,
    now: Timestamp,
) -> Result<Instruction, ClaimError> {
    let signed = |by: bool, what: &str| match by {
        true => Ok(()),
        false => Err(ClaimError::Signer(what.into())),
    };
    let about = |leaf: Digest, what: &str| match leaf == order.leaf {
        true => Ok(()),
        false => Err(ClaimError::Leaf(what.into())),
    };
    match claim {
        Claim::Look => Ok(Instruction::Look),
        Claim::Release(release) => {
            about(release.body().leaf, "release")?;
            signed(release.is_by(&order.payer, order.exchange), "release")?;
            Ok(Instruction::Release { from: None })
        }
        Claim::Refund(refund) => {
            about(refund.body().leaf, "refund")?;
            signed(refund.is_by(&order.payee_key, order.exchange), "refund")?;
            Ok(Instruction::Refund)
        }
        Claim::Waiver(waiver) => {
            about(waiver.body().leaf, "waiver")?;
            signed(waiver.is_by(&order.payer, order.exchange), "waiver")?;
            Ok(Instruction::Finalize { verdict: false })
        }
        Claim::Open(share) => match order.opens {
            Some((salt, commitment))
                if C::commitment(crate::Half::Escrowed, &salt, share) == commitment =>
            {
                Ok(Instruction::Release { from: None })
            }
            _ => Err(ClaimError::Signer("key".into())),
        },
        Claim::Fence(fence, key) => {
            about(fence.body().leaf, "fence")?;
            signed(*key == order.third_party && fence.is_by(key, order.exchange), "fence")?;
            Ok(Instruction::Fence)
        }
        Claim::Verdict(attested) => by_verdict(order, attested, now),
    }
}

fn by_verdict<C: Crypto>(
    order: &Order<C>,
    verdict: &Signed<C, Verdict<C>>,
    now: Timestamp,
) -> Result<Instruction, ClaimError> {
    let keys = |role: Role| match role == order.payer_role {
        true => order.payer,
        false => order.payee_key,
    };
    let parties = [keys(Role::Originator), keys(Role::Responder)];
    verdict
        .body()
        .is_founded(verdict, order.exchange, &order.third_party, &parties)
        .map_err(|why| ClaimError::Verdict(why.to_string()))?;
    let bounds = Bounds::of_hold(order.until, order.kind == Kind::Lock, order.kind == Kind::Final);
    dates::check(verdict.body().dates(), &bounds, Some(now)).map_err(|why| match why {
        Misdated::Future(date) => ClaimError::NotYet(date),
        why => ClaimError::Verdict(why.to_string()),
    })?;
    Ok(match (&verdict.body().decision, order.kind) {
        (Decision::Complete { from, .. }, Kind::Lock) => Instruction::Release { from: Some(*from) },
        (Decision::Complete { .. }, _) => Instruction::Finalize { verdict: true },
        (_, Kind::Lock) => Instruction::Refund,
        (_, _) => Instruction::Revoke,
    })
}

/// The instruction by which an order begins in the ledger.
pub const fn begin<C: Crypto>(order: &Order<C>) -> Instruction {
    let terms = Terms { amount: order.amount, until: order.until };
    match order.kind {
        Kind::Lock => Instruction::Lock(terms),
        Kind::Provisional => Instruction::Pay(terms),
        Kind::Final => Instruction::Transfer(terms),
    }
}

/// The name under which a bank keeps a hold: two third parties' fences never meet.
pub fn hold_name<C: Crypto>(third_party: &C::Key, leaf: Digest) -> Digest {
    C::digest("hold", &(third_party, leaf))
}

/// The order that the payer of a leg gives to its payment system; `until` by the agreement.
pub fn order_for<C: Crypto>(agreement: &Agreed<C>, payer: Role) -> Option<Order<C>> {
    let (index, money) = agreement.money(payer)?;
    let opens = match agreement.from_originator.first().map(|leaf| &leaf.item) {
        Some(Item::Information(info)) if money.mode == Mode::HashLock => {
            Some((info.salt, info.escrowed))
        }
        _ => None,
    };
    let (kind, until) = match money.mode {
        Mode::Hold | Mode::HashLock => (Kind::Lock, agreement.lock_until),
        Mode::Reversible => (Kind::Provisional, agreement.lock_until),
        Mode::Fenced | Mode::Plain => (Kind::Final, agreement.close_by),
    };
    Some(Order {
        exchange: agreement.subject(),
        leaf: agreement.leaf(payer, index),
        amount: money.amount,
        payee: money.payee.clone(),
        kind,
        opens,
        until,
        payer: agreement.party(payer).sign,
        payee_key: agreement.party(payer.other()).sign,
        third_party: agreement.third_party.sign,
        payer_role: payer,
    })
}

/// A claim as it travels to a payment system: anybody may send it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct ClaimRequest<C: Crypto> {
    /// The exchange that the hold belongs to.
    pub exchange: Digest,
    /// The leaf that the hold is named by, with the third party.
    pub leaf: Digest,
    /// The third party whose verdicts count for it.
    pub third_party: C::Key,
    /// The right that is claimed, with its signature.
    pub claim: Claim<C>,
}

impl Order<crate::standard::Standard> {
    /// The exchange's part of a hold order that a payer has signed.
    pub fn of(order: &HoldOrder) -> Self {
        Self {
            exchange: order.exchange,
            leaf: order.leaf,
            amount: order.amount,
            payee: order.to.clone(),
            kind: match order.kind {
                HoldKind::Lock => Kind::Lock,
                HoldKind::Provisional => Kind::Provisional,
                HoldKind::Final => Kind::Final,
            },
            opens: order.opens,
            until: order.until,
            payer: order.payer,
            payee_key: order.payee,
            third_party: order.third_party,
            payer_role: if order.originates { Role::Originator } else { Role::Responder },
        }
    }

    /// The hold order for a payer to sign.
    pub fn statement(&self, bank: String, from: String) -> HoldOrder {
        HoldOrder {
            bank,
            from,
            to: self.payee.clone(),
            amount: self.amount,
            kind: match self.kind {
                Kind::Lock => HoldKind::Lock,
                Kind::Provisional => HoldKind::Provisional,
                Kind::Final => HoldKind::Final,
            },
            exchange: self.exchange,
            leaf: self.leaf,
            opens: self.opens,
            until: self.until,
            payer: self.payer,
            payee: self.payee_key,
            third_party: self.third_party,
            originates: self.payer_role == Role::Originator,
        }
    }
}
