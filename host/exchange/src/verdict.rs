//! Requests to the third party, and its answers.
//!
//! A verdict carries its *basis*: the signatures without which the third party has no power.
//! An abort carries the request for it, a completion both promises, so that neither can be made
//! up; signatures are over digests, so whoever sees a verdict sees no contents.

use semper_base::{Digest, Timestamp};
use semper_items::Hold;
use serde::{Deserialize, Serialize};

use crate::agreement::{Agreed, Protocol};
use crate::bank::{Fact, Order, order_for};
use crate::crypto::{Body, Crypto, Detached, Half, Signed};
use crate::dates::{self, Bounds, Dated, Misdated, Says};
use crate::information::Proof;
use crate::item::{Fraud, Information, Item, Role};
use crate::message::{Accept, Delivery, Promise};
use crate::mutation::{Rule, leaves_out};

/// Where requests are posted at a third party.
pub const REQUESTS: &str = "/semper/v1/exchange";
/// Bytes of an answer at most.
pub const MAX_ANSWER: usize = 512 * 1024;

/// "Never complete this": the originator's, before it has delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// The digest of the promise (X1).
    pub promise: Digest,
    /// The side that asks.
    pub role: Role,
}

/// "Complete this, or say that it never will be."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// The digest of the promise (X1).
    pub promise: Digest,
    /// The acceptance, if there is one yet.
    pub accept: Option<Digest>,
    /// The side that asks.
    pub role: Role,
}

/// "Information is not what was promised", with what anybody can check.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Complaint<C: Crypto> {
    /// The digest of the promise (X1).
    pub promise: Digest,
    /// Whose information it is: the originator's, unless it is said. The third party stops money for
    /// that alone; a complaint about the responder's is for a judge.
    #[serde(default = "originators", skip_serializing_if = "is_originators")]
    pub of: Role,
    /// Which of that side's leaves.
    pub leaf: u32,
    /// Both shares of the key.
    pub shares: (C::Share, C::Share),
    /// One chunk, and the fault in it.
    pub proof: Proof,
}

const fn originators() -> Role {
    Role::Originator
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
const fn is_originators(of: &Role) -> bool {
    matches!(of, Role::Originator)
}

/// "Here is my package": the items themselves, for a third party that hands both over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Deposit<C: Crypto> {
    /// The acceptance, and through it the promise.
    pub accept: Digest,
    /// The side whose package it is.
    pub role: Role,
    /// The items of its leg, in order.
    pub items: Vec<Delivery<C>>,
}

impl Body for Abort {
    const KIND: &'static str = "abort-request";
}

impl Body for Resolve {
    const KIND: &'static str = "resolve-request";
}

impl<C: Crypto> Complaint<C> {
    /// The information that it is about.
    pub fn information<'a>(&self, agreement: &'a Agreed<C>) -> Option<&'a Information> {
        let leaf = agreement.gives(self.of).get(usize::try_from(self.leaf).ok()?)?;
        match &leaf.item {
            Item::Information(info) => Some(info),
            _ => None,
        }
    }

    /// The fraud that it shows, if any: to the third party and to any judge alike.
    pub fn shows(&self, agreement: &Agreed<C>) -> Option<Fraud> {
        let info = self.information(agreement)?;
        let (escrowed, peers) = &self.shares;
        let kept =
            info.is_share::<C>(Half::Escrowed, escrowed) && info.is_share::<C>(Half::Peers, peers);
        C::shows(info, [escrowed, peers], &self.proof).filter(|_| kept)
    }
}

impl<C: Crypto> Body for Complaint<C> {
    const KIND: &'static str = "complaint";
}

impl<C: Crypto> Body for Deposit<C> {
    const KIND: &'static str = "deposit";
}

/// A party's request: its signed wish, with the messages that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Request<C: Crypto> {
    /// The signed wish.
    pub wish: Wish<C>,
    /// The promise (X1), whole: it carries the agreement.
    pub promise: Signed<C, Promise<C>>,
    /// X2, if the requester has it.
    pub accept: Option<Signed<C, Accept<C>>>,
}

/// The wish of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Wish<C: Crypto> {
    /// Never complete it.
    Abort(Signed<C, Abort>),
    /// Complete it, if both promises are good.
    Resolve(Signed<C, Resolve>),
    /// Stop the money: what came is false.
    Complain(Box<Signed<C, Complaint<C>>>),
    /// Hand this over when the other side's is there, too.
    Deposit(Signed<C, Deposit<C>>),
}

impl<C: Crypto> Wish<C> {
    /// The side that asks.
    pub fn role(&self) -> Role {
        match self {
            Self::Abort(it) => it.body().role,
            Self::Resolve(it) => it.body().role,
            Self::Complain(it) => it.body().of.other(),
            Self::Deposit(it) => it.body().role,
        }
    }

    /// The digest of the signed wish.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Abort(it) => it.digest(),
            Self::Resolve(it) => it.digest(),
            Self::Complain(it) => it.digest(),
            Self::Deposit(it) => it.digest(),
        }
    }
}

/// A verdict: there is one for an exchange, for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Verdict<C: Crypto> {
    /// The decision, with its basis.
    pub decision: Decision<C>,
    /// When, by the third party's clock.
    pub at: Timestamp,
}

impl<C: Crypto> Body for Verdict<C> {
    const KIND: &'static str = "verdict";
}

/// A decision with its basis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Decision<C: Crypto> {
    /// It will never be completed.
    Abort {
        /// The signed request that led to it.
        asked: Asked<C>,
        /// The payment systems' facts, where they were asked.
        facts: Vec<Signed<C, Fact<C>>>,
    },
    /// It is completed: the items, or what replaces them, are for whom they were promised to.
    Complete {
        /// The originator's signature on the promise.
        promise: Detached<C>,
        /// The responder's on the acceptance; with a payment instead of it, none.
        accept: Option<Detached<C>>,
        /// The payment systems' facts, where they were asked.
        facts: Vec<Signed<C, Fact<C>>>,
        /// Locked money moves from then on.
        from: Timestamp,
    },
    /// One side has cheated: as an abort, with blame.
    Fault {
        /// The side that cheated.
        culprit: Role,
        /// The kind of the fraud.
        fraud: Fraud,
        /// Which of its leaves.
        leaf: u32,
        /// The originator's signature on the promise.
        promise: Detached<C>,
        /// The responder's on the acceptance.
        accept: Option<Detached<C>>,
        /// The complaint that shows it; without one, the escrow itself does, once opened.
        complaint: Option<Digest>,
        /// The completion that came before it, whose money it stops.
        after: Option<Digest>,
    },
    /// Nobody asked in time. Blames nobody.
    Expired {
        /// Until when it could have been asked.
        close_by: Timestamp,
    },
}

/// The request that an abort rests on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Asked<C: Crypto> {
    /// This side asked for it.
    Abort(Role, Detached<C>),
    /// This side asked for completion, and a payment is missing for good.
    Resolve(Role, Detached<C>),
}

/// Why a verdict is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfounded {
    /// Not the agreed third party's, or about another exchange.
    #[error("it is not signed by the agreed third party about this exchange")]
    Signer,
    /// The basis is not what it says.
    #[error("it does not rest on what the {0} signed")]
    Basis(&'static str),
    /// The third party may not decide so under this protocol.
    #[error("the third party may not decide so under this protocol")]
    Protocol,
    /// It is dated as no verdict of this exchange may be.
    #[error("{0}")]
    Date(#[from] Misdated),
}

impl<C: Crypto> Verdict<C> {
    /// The dates that it names.
    pub fn dates(&self) -> Dated {
        let says = match &self.decision {
            Decision::Complete { from, .. } => Says::Complete(*from),
            Decision::Fault { after: Some(_), .. } => Says::FaultAfter,
            Decision::Abort { .. } | Decision::Fault { .. } => Says::Never,
            Decision::Expired { close_by } => Says::Expired(*close_by),
        };
        Dated { at: self.at, says }
    }

    /// Whether a signed verdict rests on its basis, as far as can be told from the keys alone:
    /// the third party's and the two parties', originator first. Banks look no further.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn is_founded(
        &self,
        signed: &Signed<C, Self>,
        exchange: Digest,
        third_party: &C::Key,
        [originator, responder]: &[C::Key; 2],
    ) -> Result<(), Unfounded> {
        if !signed.is_by(third_party, exchange) {
            return Err(Unfounded::Signer);
        }
        let by = |good: bool, what| if good { Ok(()) } else { Err(Unfounded::Basis(what)) };
        let of = |role: &Role| match role {
            Role::Originator => originator,
            Role::Responder => responder,
        };
        match &self.decision {
            Decision::Abort { .. } if leaves_out(Rule::AbortCarriesRequest) => Ok(()),
            Decision::Abort { asked: Asked::Abort(role, request), .. } => {
                by(request.is_by::<Abort>(of(role), exchange), role.name())
            }
            Decision::Abort { asked: Asked::Resolve(role, request), .. } => {
                by(request.is_by::<Resolve>(of(role), exchange), role.name())
            }
            Decision::Complete { promise, accept, .. }
            | Decision::Fault { promise, accept, .. } => {
                by(promise.is_by::<Promise<C>>(originator, exchange), "originator")?;
                let accepted = |it: &Detached<C>| it.is_by::<Accept<C>>(responder, exchange);
                by(accept.as_ref().is_none_or(accepted), "responder")
            }
            Decision::Expired { .. } => Ok(()),
        }
    }

    /// Whether the agreement lets the third party decide so; with [`Verdict::is_founded`],
    /// whether the verdict counts. Facts are verified against the agreed payment systems' keys, dates
    /// against the agreement's; whether a date has come is for the reader's clock to say.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn check(&self, signed: &Signed<C, Self>, agreement: &Agreed<C>) -> Result<(), Unfounded> {
        let keys = [agreement.originator.sign, agreement.responder.sign];
        self.is_founded(signed, agreement.subject(), &agreement.third_party.sign, &keys)?;
        dates::check(self.dates(), &Bounds::of(agreement), None)?;
        let allowed = match (&self.decision, agreement.protocol) {
            (_, Protocol::Hl) => false,
            (Decision::Expired { .. }, _) => true,
            (Decision::Abort { asked, .. }, Protocol::Gg | Protocol::Wg) => {
                matches!(asked, Asked::Abort(Role::Originator, _))
            }
            (Decision::Abort { asked, .. }, Protocol::Inline) => matches!(asked, Asked::Abort(..)),
            (Decision::Abort { facts, .. }, Protocol::Ge | Protocol::Ger) => {
                told(agreement, Role::Responder, facts) == Some(Told::Never)
            }
            (Decision::Abort { facts, .. }, Protocol::Rr) => {
                let told = |role| told(agreement, role, facts);
                match (told(Role::Originator), told(Role::Responder)) {
                    (Some(one), Some(other)) => {
                        let made = one.is_done() && other.is_done();
                        !made || (one, other) == (Told::Made, Told::Made)
                    }
                    _ => false,
                }
            }
            (Decision::Complete { facts, .. }, Protocol::Ge | Protocol::Ger) => {
                told(agreement, Role::Responder, facts).is_some_and(Told::is_done)
            }
            (Decision::Complete { facts, .. }, Protocol::Rr) => [Role::Originator, Role::Responder]
                .into_iter()
                .all(|role| told(agreement, role, facts).is_some_and(Told::is_done)),
            (Decision::Complete { accept, .. }, _) => accept.is_some(),
            // Its promise was verified when it was given, and its payment cannot be taken back.
            (Decision::Fault { .. }, Protocol::Ge) => false,
            (Decision::Fault { culprit, .. }, protocol) => {
                *culprit == Role::Originator || protocol == Protocol::Wg
            }
        };
        if allowed { Ok(()) } else { Err(Unfounded::Protocol) }
    }
}

/// The state of a leg's payment by its payment system's fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// It was made, for good.
    Final,
    /// It was made and can be revoked.
    Made,
    /// It will never be made, or was taken back.
    Never,
}

impl Told {
    /// Whether it was made.
    pub fn is_done(self) -> bool {
        self != Self::Never
    }
}

/// The state of a side's payment by these facts, if one is signed by the agreed
/// payment system.
pub fn told<C: Crypto>(
    agreement: &Agreed<C>,
    payer: Role,
    facts: &[Signed<C, Fact<C>>],
) -> Option<Told> {
    let (index, money) = agreement.money(payer)?;
    let leaf = agreement.leaf(payer, index);
    let fact = facts
        .iter()
        .find(|it| it.body().leaf == leaf && it.is_by(&money.bank, agreement.subject()))?;
    let agreed = order_for(agreement, payer);
    let agreed = agreed.map(|it| C::digest(<Order<C> as Body>::KIND, &it));
    if fact.body().order != agreed {
        // Something else was ordered under this name: it will never be paid as agreed.
        return Some(Told::Never);
    }
    Some(match fact.body().hold {
        Hold::Released(amount) if amount == money.amount => Told::Final,
        Hold::Provisional { terms, .. } if terms.amount == money.amount => Told::Made,
        Hold::Held(_) => return None,
        _ => Told::Never,
    })
}

/// The third party has a request: what it must answer for if no verdict comes in time (NRS).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    /// The digest of the signed wish.
    pub request: Digest,
    /// When it came, by the third party's clock.
    pub at: Timestamp,
    /// A verdict or a signed reason for none comes by then.
    pub decide_by: Timestamp,
}

impl Body for Submitted {
    const KIND: &'static str = "submitted";
}

/// The third party's word takes a signature's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Affidavit<C: Crypto> {
    /// The leaf in whose place it stands.
    pub leaf: Digest,
    /// The digest of the statement.
    pub statement: Digest,
    /// The key whose signature it replaces.
    pub signer: C::Key,
    /// The completion that it belongs to.
    pub verdict: Digest,
}

impl<C: Crypto> Body for Affidavit<C> {
    const KIND: &'static str = "affidavit";
}

/// An escrow, opened for whom it was promised to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Opening<C: Crypto> {
    /// The leaf whose share it is.
    pub leaf: Digest,
    /// The share, sealed to its receiver and bound to the leaf.
    pub share: C::Sealed,
    /// The completion that it belongs to.
    pub verdict: Digest,
}

impl<C: Crypto> Body for Opening<C> {
    const KIND: &'static str = "opening";
}

/// The replacement that takes an item's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Replacement<C: Crypto> {
    /// In place of a signature.
    Affidavit(Signed<C, Affidavit<C>>),
    /// In place of a delivered key: the escrowed share for the buyer.
    Opening(Signed<C, Opening<C>>),
    /// For money: the verdict itself moves it.
    Verdict,
    /// The item that was deposited.
    Deposited(Delivery<C>),
}

/// An answer of the third party.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Answer<C: Crypto> {
    /// It has the request.
    Submitted(Signed<C, Submitted>),
    /// The verdict, with the replacements for whoever asks.
    Decided(Box<Decided<C>>),
    /// It does not decide on this request, for this reason; the exchange stays as it was.
    Rejected(Signed<C, Rejected>),
}

/// A verdict as it is answered: with what it is about and what the asker gets by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Decided<C: Crypto> {
    /// The signed verdict.
    pub verdict: Signed<C, Verdict<C>>,
    /// The promise that it completes.
    pub promise: Option<Signed<C, Promise<C>>>,
    /// The acceptance that it completes.
    pub accept: Option<Signed<C, Accept<C>>>,
    /// On a completion: what the asker gets, leaf by leaf.
    pub replacements: Vec<Replacement<C>>,
}

/// A request was not decided on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// The digest of the signed wish.
    pub request: Digest,
    /// The reason for the rejection.
    pub why: Rejection,
}

impl Body for Rejected {
    const KIND: &'static str = "rejected";
}

/// Why the third party does not decide on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Rejection {
    /// The messages in it do not belong together, or are not signed by whom they must be.
    #[error("the messages do not belong together or are not properly signed")]
    Malformed,
    /// The agreement names another third party.
    #[error("the agreement names another third party")]
    NotMine,
    /// This side may not ask for that.
    #[error("this side may not ask for that under this protocol")]
    NotYours,
    /// The acceptance is missing.
    #[error("the acceptance is missing")]
    NoAcceptance,
    /// The responder's promise is no good: nothing can be completed by it.
    #[error("what the responder promised cannot be completed")]
    BadToken,
    /// The complaint does not show what it says.
    #[error("the complaint does not show what it says")]
    FalseComplaint,
    /// The other side's deposit, or a payment system's answer, is still missing.
    #[error("something is still missing; ask again")]
    Pending,
    /// It could have been complained about until a date.
    #[error("the time to complain is over")]
    TooLate,
}
