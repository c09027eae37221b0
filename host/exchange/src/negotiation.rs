//! Finding what to exchange: both state their options, and a public deterministic function picks.
//!
//! ```text
//! N1 PROPOSE { what I give and want, in how many ways, which third parties, at least how fair }
//! N2 SELECT  { the same of mine, my nonce }            or COUNTER, or REJECT with a reason
//! ```
//!
//! A proposal names at once whatever cannot be bargained about: items, third parties, protocols,
//! dates. What can is who owes the third party's fee. So a proposal begins with what its side
//! likes best, a COUNTER shows what the other side is ready for, and the next proposal, which names
//! the counter that it answers, goes as far as its own side's rules permit.
//!
//! Both make the agreement out of N1 and N2 by themselves ([`agree`]); it carries the digest of
//! both, so whoever leaves an option out on the way changes the exchange's identity, and nothing
//! is ever promised. See `docs/exchange.md`, “Agreeing on an exchange”.

use semper_base::{Amount, Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::agreement::{
    Agreed, AgreementError, Exchange, Fairness, LOCK_MARGIN_MS, Party, Protocol, ThirdParty,
    VERSION,
};
use crate::crypto::{Body, Crypto, Signed};
use crate::fee::{self, Fee, Fees, Share};
use crate::item::{Item, Leaf, MAX_LEAVES, Role};

/// Ways of giving one leaf, and third parties, at most.
pub const MAX_OPTIONS: usize = 8;
/// Answers to an answer, at most.
pub const MAX_COUNTERS: u32 = 3;

/// One leaf in several ways, most liked first: the same money held or paid, say.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Offered<C: Crypto> {
    /// Its place in the package.
    pub path: String,
    /// Ways of giving it, most liked first.
    pub ways: Vec<Item<C>>,
    /// Whether the third party has certified the escrow, for information.
    pub certified: bool,
}

/// The needs of a side, and everything that it is ready for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Wishes<C: Crypto> {
    /// The deal's name, the same on both sides.
    pub deal: Digest,
    /// Our keys in this exchange.
    pub party: Party<C>,
    /// The leaves that we give.
    pub gives: Vec<Offered<C>>,
    /// The roles that we take, most liked first.
    pub roles: Vec<Role>,
    /// Third parties that we believe, most liked first.
    pub third_parties: Vec<ThirdParty<C>>,
    /// The least that we accept.
    pub fairness: Fairness,
    /// Protocols that we do.
    pub protocols: Vec<Protocol>,
    /// Until when it must be accepted; the earlier of both counts.
    pub accept_by: Timestamp,
    /// Until when the third party can be asked; the earlier of both counts.
    pub close_by: Timestamp,
    /// For how long money must be stoppable after a verdict, in ms; the longer of both counts.
    pub dispute_ms: u64,
    /// The digest of the clauses; both must name the same.
    pub clauses: Digest,
    /// A fresh random value, so that no two exchanges are alike.
    pub nonce: Digest,
    /// What the third parties take and who may owe it; nothing if all of them take nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fees: Option<Fees>,
}

impl<C: Crypto> Wishes<C> {
    /// What a third party takes by what this side knows, and how it is ready to share that.
    fn fee(&self, third: &ThirdParty<C>) -> (Option<Amount>, &[Share]) {
        let Some(fees) = &self.fees else { return (None, &[]) };
        let place = self.third_parties.iter().position(|it| it == third);
        let takes = place.and_then(|place| fees.takes.get(place).copied().flatten());
        (takes, &fees.shares)
    }
}

/// N1, the proposal: the proposer's wishes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Propose<C: Crypto> {
    /// The proposer's wishes.
    pub wishes: Wishes<C>,
    /// The counter that it answers, if it is not the first.
    pub answers: Option<Digest>,
}

impl<C: Crypto> Body for Propose<C> {
    const KIND: &'static str = "propose";
}

/// N2, the answer: the answerer's wishes, and the agreement that follows from both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Select<C: Crypto> {
    /// The proposal that it answers.
    pub propose: Digest,
    /// The answerer's wishes.
    pub wishes: Wishes<C>,
    /// The agreement's digest as the answerer's side computed it: a check, nothing else.
    pub exchange: Digest,
}

impl<C: Crypto> Body for Select<C> {
    const KIND: &'static str = "select";
}

/// "Not so, but perhaps like this": N1 may be made anew, a few times.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Counter<C: Crypto> {
    /// The proposal that it answers.
    pub propose: Digest,
    /// The answerer's wishes.
    pub wishes: Wishes<C>,
    /// The reason why the proposal was not accepted.
    pub why: Refusal,
    /// How many there were before it.
    pub round: u32,
}

impl<C: Crypto> Body for Counter<C> {
    const KIND: &'static str = "counter";
}

/// A refusal: no agreement follows from the proposal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The proposal that it answers.
    pub propose: Digest,
    /// The reason for the refusal.
    pub why: Refusal,
}

impl Body for Reject {
    const KIND: &'static str = "reject";
}

/// Why nothing can be agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Another deal.
    #[error("the two sides do not speak of the same deal")]
    Deal,
    /// No third party that both believe.
    #[error("there is no third party that both believe")]
    ThirdParty,
    /// The clauses differ.
    #[error("the two sides name different clauses")]
    Clauses,
    /// No protocol gives what both want.
    #[error(
        "no protocol exchanges these items as both want: fairness and protocols in [exchange] and \
         banks in [[third-party]] of both trust files, and modes in [payment.purse] of both \
         semper.toml have to leave one"
    )]
    NoProtocol,
    /// Too much of something.
    #[error("there is too much of: {0}")]
    TooMuch(String),
    /// The agreement that came out cannot be one.
    #[error("what came out cannot be agreed on: {0}")]
    Agreement(String),
    /// The two sides know different fees of the third party.
    #[error(
        "the two sides know different fees of the third party: see what it says in its entry for trust files"
    )]
    Fee,
    /// Neither is ready to owe the fee as the other wants.
    #[error("the two sides do not agree who owes the third party's fee")]
    Share,
    /// Too many counters.
    #[error("no agreement after {MAX_COUNTERS} attempts")]
    Rounds,
    /// Whoever has to decide has said no.
    #[error("it was declined")]
    Person,
    /// A signature is wrong, or a message answers another.
    #[error("the messages of the negotiation do not belong together")]
    Form,
}

impl From<AgreementError> for Refusal {
    fn from(error: AgreementError) -> Self {
        Self::Agreement(error.to_string())
    }
}

/// The agreement that follows from what both wish: the first that fits, in the order of
/// protocols, then with the proposer as the originator, then the other way round. Public and
/// deterministic.
///
/// # Errors
/// Names what stands in the way.
pub fn select<C: Crypto>(
    proposer: &Wishes<C>,
    answerer: &Wishes<C>,
    transcript: Digest,
) -> Result<Agreed<C>, Refusal> {
    bounded(proposer)?;
    bounded(answerer)?;
    if proposer.deal != answerer.deal {
        return Err(Refusal::Deal);
    }
    if proposer.clauses != answerer.clauses {
        return Err(Refusal::Clauses);
    }
    let (third, agreed) = third_party(proposer, answerer)?;
    let least = proposer.fairness.max(answerer.fairness);
    let mut why = Refusal::NoProtocol;
    for protocol in Protocol::ALL {
        let both = proposer.protocols.contains(&protocol) && answerer.protocols.contains(&protocol);
        if !both || protocol.fairness() < least {
            continue;
        }
        for role in proposer.roles.iter().filter(|role| answerer.roles.contains(&role.other())) {
            let sides = match role {
                Role::Originator => [proposer, answerer],
                Role::Responder => [answerer, proposer],
            };
            let fee = match protocol {
                // Nobody decides, and nobody is owed anything for it.
                Protocol::Hl => &Ok(None),
                _ => &agreed,
            };
            let owed = fee.as_ref().ok().copied().flatten();
            let owed = owed.map(|(amount, it)| Fee { amount, owed_by: it.debtor(*role) });
            match (fit(protocol, sides, (third, owed), transcript), fee) {
                (None, _) => {}
                (Some(_), Err(refusal)) => why = refusal.clone(),
                (Some(Ok(agreed)), Ok(_)) => return Ok(agreed),
                (Some(Err(error)), Ok(_)) => why = error.into(),
            }
        }
    }
    Err(why)
}

fn bounded<C: Crypto>(wishes: &Wishes<C>) -> Result<(), Refusal> {
    let too = |what: &str| Err(Refusal::TooMuch(what.into()));
    if wishes.gives.len() > MAX_LEAVES {
        return too("items");
    }
    if wishes.third_parties.len() > MAX_OPTIONS {
        return too("third parties");
    }
    if wishes.gives.iter().any(|it| it.ways.len() > MAX_OPTIONS) {
        return too("ways of giving an item");
    }
    if wishes.fees.as_ref().is_some_and(|it| it.takes.len().max(it.shares.len()) > MAX_OPTIONS) {
        return too("fees");
    }
    Ok(())
}

/// The agreement under one protocol with these roles, if every leaf has a way that suits it.
fn fit<C: Crypto>(
    protocol: Protocol,
    [originator, responder]: [&Wishes<C>; 2],
    (third, fee): (&ThirdParty<C>, Option<Fee>),
    transcript: Digest,
) -> Option<Result<Agreed<C>, AgreementError>> {
    let from_originator = leg(protocol, Role::Originator, &originator.gives)?;
    let from_responder = leg(protocol, Role::Responder, &responder.gives)?;
    let close_by = originator.close_by.min(responder.close_by);
    let dispute_ms = originator.dispute_ms.max(responder.dispute_ms);
    let lasts = std::time::Duration::from_millis(dispute_ms.saturating_add(LOCK_MARGIN_MS));
    let exchange = Exchange {
        version: VERSION,
        protocol,
        fairness: protocol.fairness(),
        deal: originator.deal,
        originator: originator.party.clone(),
        responder: responder.party.clone(),
        third_party: third.clone(),
        from_originator,
        from_responder,
        nonces: [originator.nonce, responder.nonce],
        accept_by: originator.accept_by.min(responder.accept_by),
        close_by,
        dispute_ms,
        lock_until: close_by.after(lasts),
        clauses: originator.clauses,
        transcript,
        fee,
    };
    Some(Agreed::new(exchange))
}

/// The leaves of a leg, each in the first way that the protocol can use.
fn leg<C: Crypto>(protocol: Protocol, from: Role, offered: &[Offered<C>]) -> Option<Vec<Leaf<C>>> {
    if protocol == Protocol::Hl && offered.len() != 1 {
        return None;
    }
    let leaf = |offer: &Offered<C>| {
        let way = offer.ways.iter().find(|way| protocol.exchanges(from, way, offer.certified))?;
        Some(Leaf { path: offer.path.clone(), item: way.clone() })
    };
    offered.iter().map(leaf).collect()
}

/// The agreement that follows from a proposal and its answer; each side makes it by itself.
///
/// # Errors
/// When a signature is wrong, or nothing follows.
pub fn agree<C: Crypto>(
    propose: &Signed<C, Propose<C>>,
    select_: &Signed<C, Select<C>>,
) -> Result<Agreed<C>, Refusal> {
    let (one, other) = (&propose.body().wishes, &select_.body().wishes);
    let signed = propose.is_by(&one.party.sign, one.deal)
        && select_.is_by(&other.party.sign, one.deal)
        && select_.body().propose == propose.digest();
    if !signed {
        return Err(Refusal::Form);
    }
    // The answer's own conclusion is no part of what it concludes from.
    let transcript = C::digest("negotiation", &(propose.digest(), C::digest("wishes", other)));
    let agreed = select(one, other, transcript)?;
    if select_.body().exchange != agreed.subject() {
        return Err(Refusal::Form);
    }
    Ok(agreed)
}

/// The counter to a proposal from which nothing follows, if another proposal might help: at most
/// [`MAX_COUNTERS`] in one negotiation, of which this proposal answers the last, if it answers one.
pub fn counter<C: Crypto>(
    propose: &Signed<C, Propose<C>>,
    wishes: Wishes<C>,
    why: &Refusal,
    answered: Option<&Counter<C>>,
) -> Option<Counter<C>> {
    let round = answered.map_or(0, |it| it.round.saturating_add(1));
    let helps = *why == Refusal::Share && round < MAX_COUNTERS;
    helps.then(|| Counter { propose: propose.digest(), wishes, why: why.clone(), round })
}

/// Whether another proposal with these wishes could be answered by whoever has countered, by what is
/// bargained about.
///
/// # Errors
/// Why not.
pub fn meets<C: Crypto>(wishes: &Wishes<C>, counters: &Wishes<C>) -> Result<(), Refusal> {
    third_party(wishes, counters)?.1.map(drop)
}

/// The third party that both believe and whose fee they agree on, the proposer's liking first; without
/// one the first that both believe, and why its fee stands in the way.
fn third_party<'a, C: Crypto>(
    proposer: &'a Wishes<C>,
    answerer: &Wishes<C>,
) -> Result<(&'a ThirdParty<C>, fee::Agreed), Refusal> {
    let both = proposer.third_parties.iter().filter(|it| answerer.third_parties.contains(it));
    let mut all = both.map(|it| (it, fee::agreed(proposer.fee(it), answerer.fee(it)))).peekable();
    let first = all.peek().cloned().ok_or(Refusal::ThirdParty)?;
    Ok(all.find(|it| it.1.is_ok()).unwrap_or(first))
}

/// Whether a proposal answers this counter to an earlier one: it is about the same items in the same
/// deal, by the same side.
pub fn answers<C: Crypto>(
    again: &Propose<C>,
    counter: &Signed<C, Counter<C>>,
    before: &Propose<C>,
) -> bool {
    let same = |one: &Wishes<C>, other: &Wishes<C>| {
        (one.deal, &one.party, &one.clauses) == (other.deal, &other.party, &other.clauses)
            && one.gives.len() == other.gives.len()
    };
    again.answers == Some(counter.digest()) && same(&again.wishes, &before.wishes)
}

/// The answer to a proposal: a selection, if something follows from it.
///
/// # Errors
/// Why nothing follows.
pub fn answer<C: Crypto>(
    propose: &Signed<C, Propose<C>>,
    wishes: Wishes<C>,
) -> Result<(Select<C>, Agreed<C>), Refusal> {
    let one = &propose.body().wishes;
    if !propose.is_by(&one.party.sign, one.deal) {
        return Err(Refusal::Form);
    }
    let transcript = C::digest("negotiation", &(propose.digest(), C::digest("wishes", &wishes)));
    let agreed = select(one, &wishes, transcript)?;
    let select = Select { propose: propose.digest(), wishes, exchange: agreed.subject() };
    Ok((select, agreed))
}
