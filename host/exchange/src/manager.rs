//! The item managers: what each kind of item does at each step of an exchange.
//!
//! One trait, three kinds. The machines fold over a package's leaves with it and know nothing of
//! the kinds. Everything here is a pure function of its arguments and of the holder's keys and
//! goods; what must be asked of a payment system is given back as a claim.

mod information;
mod money;
mod statement;

use semper_base::Digest;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreed;
use crate::bank::{Claim, Fact};
use crate::crypto::{Crypto, Half, Holder, HolderError, Signed};
use crate::information::Proof;
use crate::item::{EscrowCertificate, Fraud, Item, Role};
use crate::message::{Delivery, Token};
use crate::verdict::{Affidavit, Decided, Opening, Replacement};
use statement::Statement;

/// Where a leaf is: in which exchange, from which side, which one.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a, C: Crypto> {
    /// The agreed exchange.
    pub agreement: &'a Agreed<C>,
    /// The side that gives it.
    pub from: Role,
    /// Its place in the leg.
    pub index: usize,
}

impl<C: Crypto> Place<'_, C> {
    /// The name that locks, escrows and affidavits of this leaf are bound to.
    pub fn name(&self) -> Digest {
        self.agreement.leaf(self.from, self.index)
    }

    /// The exchange's digest: the subject of every signature.
    pub const fn subject(&self) -> Digest {
        self.agreement.subject()
    }
}

/// Secrets that the giver of a leaf must not forget until the exchange is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Secret<C: Crypto> {
    /// Nothing has to be remembered.
    Nothing,
    /// The shares of an information's key, with the seeds by which they are sealed: the seeds
    /// clear whoever is accused of having sealed something else.
    Shares {
        /// The share for the third party.
        escrowed: C::Share,
        /// The share that the peer gets with the promise.
        peers: C::Share,
        /// The seeds for sealing the escrowed and the peer's share.
        seeds: (Digest, Digest),
        /// If the third party has looked at the escrow before.
        certificate: Option<Box<Signed<C, EscrowCertificate<C>>>>,
    },
}

/// The worth of a token to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Worth {
    /// Worthless: the third party could make nothing of it.
    Bad,
    /// Perhaps something: only the third party can tell.
    Unverifiable,
    /// As much as the item that it stands for.
    Good,
}

/// The kind of thing that a delivered item, or its replacement, turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received<C: Crypto> {
    /// It is here, for good.
    Here,
    /// It is here when its payment system says so: "received" means final at the ledger.
    Claim(Claim<C>),
    /// It is what was promised, but that was not what was described.
    False(Fraud, Proof),
    /// It is not what was promised.
    Bad,
}

/// How the third party can make a leaf happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan<C: Crypto> {
    /// By its affidavit, in place of the signature.
    Affidavit,
    /// By opening the escrow: the share.
    Open(C::Share),
    /// By the verdict alone, which the payment system follows.
    Verdict,
}

/// The work of each kind of item. All of it can be repeated.
pub trait Manager<C: Crypto> {
    /// The token that the giver puts into its promise for this leaf.
    fn promise(
        &self,
        place: Place<'_, C>,
        secret: &Secret<C>,
        facts: &[Signed<C, Fact<C>>],
    ) -> Token<C>;

    /// The worth of a token as far as anybody can tell who sees it: to judges, too.
    fn evident(&self, place: Place<'_, C>, token: &Token<C>) -> Worth;

    /// The worth of a token to its receiver, who may see more of it than anybody.
    ///
    /// # Errors
    /// When the receiver's keys cannot be reached.
    fn check(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        _: &impl Holder<C>,
    ) -> Result<Worth, HolderError> {
        Ok(self.evident(place, token))
    }

    /// The item itself.
    ///
    /// # Errors
    /// When the giver's keys cannot be reached.
    fn deliver(
        &self,
        place: Place<'_, C>,
        secret: &Secret<C>,
        facts: &[Signed<C, Fact<C>>],
        holder: &impl Holder<C>,
    ) -> Result<Delivery<C>, HolderError>;

    /// A delivered item, as its receiver finds it.
    ///
    /// # Errors
    /// When the receiver's keys cannot be reached.
    fn accept(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        item: &Delivery<C>,
        holder: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError>;

    /// At the third party: whether it can make the leaf happen from the token alone.
    ///
    /// # Errors
    /// When the third party's keys cannot be reached; inside, why it cannot.
    fn can_generate(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        holder: &impl Holder<C>,
    ) -> Result<Result<Plan<C>, Fraud>, HolderError>;

    /// A replacement, as its receiver finds it.
    ///
    /// # Errors
    /// When the receiver's keys cannot be reached.
    fn accept_replacement(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        replacement: &Replacement<C>,
        decided: &Decided<C>,
        holder: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError>;
}

/// At the third party: what takes a leaf's place, once a completion is decided.
///
/// # Errors
/// When the third party's keys cannot be reached.
pub fn generate<C: Crypto>(
    place: Place<'_, C>,
    item: &Item<C>,
    plan: Plan<C>,
    verdict: Digest,
    holder: &impl Holder<C>,
) -> Result<Replacement<C>, HolderError> {
    let leaf = place.name();
    Ok(match (plan, item) {
        (Plan::Affidavit, Item::Statement { statement, signer, .. }) => {
            let affidavit = Affidavit { leaf, statement: *statement, signer: *signer, verdict };
            Replacement::Affidavit(Signed::new(holder, place.subject(), affidavit)?)
        }
        (Plan::Open(share), _) => {
            let receiver = place.agreement.party(place.from.other()).seal;
            // The same seed for the same verdict: the same bytes for ever.
            let seed = holder.seed(&C::digest("opening", &(leaf, verdict)))?;
            let share = C::seal(&receiver, Half::Escrowed, &leaf, &share, &seed);
            let opening = Opening { leaf, share, verdict };
            Replacement::Opening(Signed::new(holder, place.subject(), opening)?)
        }
        _ => Replacement::Verdict,
    })
}

/// Calls the manager of an item's kind.
macro_rules! manage {
    ($item:expr, $manager:ident => $call:expr) => {
        match $item {
            Item::Statement { statement, signer, .. } => {
                let $manager = &Statement::<C> { statement, signer };
                $call
            }
            Item::Information($manager) => $call,
            Item::Money($manager) => $call,
        }
    };
}

impl<C: Crypto> Manager<C> for Item<C> {
    fn promise(
        &self,
        place: Place<'_, C>,
        secret: &Secret<C>,
        facts: &[Signed<C, Fact<C>>],
    ) -> Token<C> {
        manage!(self, it => it.promise(place, secret, facts))
    }

    fn evident(&self, place: Place<'_, C>, token: &Token<C>) -> Worth {
        manage!(self, it => it.evident(place, token))
    }

    fn check(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        holder: &impl Holder<C>,
    ) -> Result<Worth, HolderError> {
        manage!(self, it => it.check(place, token, holder))
    }

    fn deliver(
        &self,
        place: Place<'_, C>,
        secret: &Secret<C>,
        facts: &[Signed<C, Fact<C>>],
        holder: &impl Holder<C>,
    ) -> Result<Delivery<C>, HolderError> {
        manage!(self, it => it.deliver(place, secret, facts, holder))
    }

    fn accept(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        item: &Delivery<C>,
        holder: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        manage!(self, it => it.accept(place, token, item, holder))
    }

    fn can_generate(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        holder: &impl Holder<C>,
    ) -> Result<Result<Plan<C>, Fraud>, HolderError> {
        manage!(self, it => it.can_generate(place, token, holder))
    }

    fn accept_replacement(
        &self,
        place: Place<'_, C>,
        token: &Token<C>,
        replacement: &Replacement<C>,
        decided: &Decided<C>,
        holder: &impl Holder<C>,
    ) -> Result<Received<C>, HolderError> {
        // What was deposited is the item itself.
        if let Replacement::Deposited(item) = replacement {
            return self.accept(place, token, item, holder);
        }
        manage!(self, it => it.accept_replacement(place, token, replacement, decided, holder))
    }
}
