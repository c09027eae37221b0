//! The third party: one verdict for an exchange, for ever.
//!
//! ```text
//! Open ── request ──▶ Decided                    (one insert: the first to be stored wins)
//!   ╰──── request ──▶ Pending ── facts, deposit ──▶ Decided
//! ```
//!
//! A case is stored before anything is answered, and what is answered follows from what is
//! stored: the same request gets the same bytes, from whichever process. Verdicts are signed
//! only when they are answered, after they are stored; nothing that was opened to decide is
//! released before. See `docs/exchange.md`, “The third party”.

mod answers;
mod complaints;
mod deposits;

use semper_base::{Digest, Timestamp};

use serde::{Deserialize, Serialize};

use crate::agreement::{Agreed, Protocol};
use crate::bank::{Claim, Fact, Fence};
use crate::crypto::{Crypto, Detached, Holder, HolderError, Signed};
use crate::dates;
use crate::item::{Fraud, Role};
use crate::manager::{Manager as _, Place, Plan};
use crate::message::{Accept, Delivery, Promise, Token};
use crate::mutation::{Rule, leaves_out};
use crate::party::are_evidently_bad;
use crate::verdict::{Asked, Complaint, Decision, Rejection, Request, Told, Verdict, Wish, told};

pub use answers::{answer, bare, is_bare, rejected, submitted};

pub use crate::dates::DECIDE_MS;

/// The third party's record of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, bound = "")]
pub enum Case<C: Crypto> {
    /// Something is still missing: payment systems' facts, or the other deposit.
    Pending(Box<Pending<C>>),
    /// Decided. Immutable, but for a fault that was shown after a completion.
    Decided(Box<Stored<C>>),
}

/// The deposited packages: the originator's, the responder's.
pub type Deposits<C> = (Option<Vec<Delivery<C>>>, Option<Vec<Delivery<C>>>);

/// A case that cannot be decided yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Pending<C: Crypto> {
    /// The request that began it.
    pub request: Request<C>,
    /// The payment systems' signed facts.
    pub facts: Vec<Signed<C, Fact<C>>>,
    /// The packages deposited by the originator and by the responder.
    pub deposits: Deposits<C>,
}

/// A case that has been decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Stored<C: Crypto> {
    /// The verdict, not signed yet.
    pub verdict: Verdict<C>,
    /// The promise that it is about.
    pub promise: Signed<C, Promise<C>>,
    /// The acceptance, if there was one.
    pub accept: Option<Signed<C, Accept<C>>>,
    /// The packages that were deposited (INLINE).
    pub deposits: Deposits<C>,
    /// A fault that was shown after the completion, in time to stop its money.
    pub after: Option<Verdict<C>>,
}

/// An event of a case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<C: Crypto> {
    /// A party has sent a request.
    Requested(Request<C>),
    /// Payment systems have answered what was asked of them.
    Facts(Vec<Signed<C, Fact<C>>>),
}

/// An effect that the driver must carry out, in the order of the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect<C: Crypto> {
    /// Store the case, if it is still what it was; otherwise take the step again from what is
    /// there now.
    Persist,
    /// Ask the payment systems of these payers' legs, and come back with their facts.
    Fence(Vec<(Role, Claim<C>)>),
    /// Show the verdict to the payment systems of these payers' legs, which wait for it since
    /// they were asked. Until they have it: also after a restart.
    Lodge(Vec<Role>),
    /// Answer whoever has asked from what is stored: [`answer`].
    Answer,
    /// Answer that this is not decided on.
    Reject(Rejection),
}

/// The outcome of a step: the next case, if there is one, and the effects, in order.
pub type Stepped<C> = Result<(Option<Case<C>>, Vec<Effect<C>>), HolderError>;

/// One step; `None` is an exchange that nothing is known of.
///
/// # Errors
/// When keys are needed that cannot be reached: nothing has changed.
pub fn step<C: Crypto>(
    case: Option<Case<C>>,
    event: Event<C>,
    own: &C::Key,
    now: Timestamp,
    holder: &impl Holder<C>,
) -> Stepped<C> {
    match event {
        Event::Requested(request) => match check(&request, own) {
            Err(why) => Ok((case, vec![Effect::Reject(why)])),
            Ok(()) => requested(case, request, now, holder),
        },
        Event::Facts(facts) => match case {
            Some(Case::Pending(mut pending)) => {
                let agreement = pending.request.promise.body().agreement.clone();
                for fact in facts {
                    let ours = [Role::Originator, Role::Responder]
                        .iter()
                        .any(|role| told(&agreement, *role, std::slice::from_ref(&fact)).is_some());
                    if ours {
                        pending.facts.retain(|it| it.body().leaf != fact.body().leaf);
                        pending.facts.push(fact);
                    }
                }
                weigh(pending, now, holder)
            }
            other => Ok((other, Vec::new())),
        },
    }
}

/// Whether the messages of a request belong together, are signed by whom they must be, and have no
/// more in them than the agreement needs. Looks at nothing that is stored, so that a driver can ask
/// before it counts a request against anybody.
///
/// # Errors
/// Why nothing can be decided on it.
pub fn check<C: Crypto>(request: &Request<C>, own: &C::Key) -> Result<(), Rejection> {
    let promise = &request.promise;
    let agreement = &promise.body().agreement;
    let subject = agreement.subject();
    if agreement.third_party.sign != *own && !leaves_out(Rule::OwnThirdParty) {
        return Err(Rejection::NotMine);
    }
    if !promise.is_by(&agreement.originator.sign, subject) {
        return Err(Rejection::Malformed);
    }
    if promise.body().tokens.len() != agreement.from_originator.len() {
        return Err(Rejection::Malformed);
    }
    if let Some(accept) = &request.accept {
        if accept.body().tokens.len() != agreement.from_responder.len() {
            return Err(Rejection::Malformed);
        }
        let names =
            accept.body().promise == promise.digest() || leaves_out(Rule::AcceptNamesPromise);
        if !names || !accept.is_by(&agreement.responder.sign, subject) {
            return Err(Rejection::Malformed);
        }
    }
    let key = &agreement.party(request.wish.role()).sign;
    let accept = request.accept.as_ref().map(Signed::digest);
    let good = match &request.wish {
        Wish::Abort(signed) => {
            signed.is_by(key, subject) && signed.body().promise == promise.digest()
        }
        Wish::Resolve(signed) => {
            signed.is_by(key, subject)
                && signed.body().promise == promise.digest()
                && signed.body().accept == accept
        }
        Wish::Complain(signed) => {
            signed.is_by(key, subject)
                && signed.body().promise == promise.digest()
                && signed.body().of == Role::Originator
        }
        Wish::Deposit(signed) => signed.is_by(key, subject) && Some(signed.body().accept) == accept,
    };
    if good { Ok(()) } else { Err(Rejection::Malformed) }
}

fn requested<C: Crypto>(
    case: Option<Case<C>>,
    request: Request<C>,
    now: Timestamp,
    holder: &impl Holder<C>,
) -> Stepped<C> {
    match case {
        Some(Case::Decided(stored)) if !leaves_out(Rule::OneVerdict) => match &request.wish {
            Wish::Complain(complaint) => complaints::after(stored, complaint, now),
            _ => Ok((Some(Case::Decided(stored)), vec![Effect::Answer])),
        },
        Some(Case::Pending(pending)) => continued(pending, request, now, holder),
        _ => opened(request, now, holder),
    }
}

/// The first request about an exchange opens its case.
fn opened<C: Crypto>(request: Request<C>, now: Timestamp, holder: &impl Holder<C>) -> Stepped<C> {
    let agreement = request.promise.body().agreement.clone();
    // A hash lock needs no third party: nothing that it could sign would have a basis.
    if agreement.protocol == Protocol::Hl {
        return reject(None, Rejection::NotYours);
    }
    if now > agreement.close_by {
        let decision = Decision::Expired { close_by: agreement.close_by };
        return decide(&request, decision, now, (None, None));
    }
    match agreement.protocol {
        // Rejected above.
        Protocol::Hl => reject(None, Rejection::NotYours),
        Protocol::Gg | Protocol::Wg => by_tokens(&agreement, request, now, holder),
        Protocol::Ge | Protocol::Ger | Protocol::Rr => {
            if let Wish::Complain(_) | Wish::Deposit(_) = &request.wish {
                return reject(None, Rejection::NotYours);
            }
            if is_unpayable(&request) && !matches!(request.wish, Wish::Abort(_)) {
                return reject(None, Rejection::BadToken);
            }
            let pending = Pending { request, facts: Vec::new(), deposits: (None, None) };
            fence(pending, holder)
        }
        Protocol::Inline => {
            let pending =
                Pending { request: request.clone(), facts: Vec::new(), deposits: (None, None) };
            deposits::deposited(pending, request, now, holder)
        }
    }
}

/// Whether no honest responder has paid for this promise: under GE it must be verifiable. Whoever
/// shows it has made another.
fn is_unpayable<C: Crypto>(request: &Request<C>) -> bool {
    let promise = request.promise.body();
    promise.agreement.protocol == Protocol::Ge
        && are_evidently_bad(&promise.agreement, Role::Originator, &promise.tokens)
}

/// A further request while something is missing.
fn continued<C: Crypto>(
    mut pending: Box<Pending<C>>,
    request: Request<C>,
    now: Timestamp,
    holder: &impl Holder<C>,
) -> Stepped<C> {
    // What was promised to begin with stays, unless nobody can have paid for it; an acceptance
    // may still come.
    if is_unpayable(&pending.request) && !is_unpayable(&request) {
        pending.request = request.clone();
    }
    if request.promise != pending.request.promise {
        return reject(Some(Case::Pending(pending)), Rejection::Malformed);
    }
    if pending.request.accept.is_none() {
        pending.request.accept.clone_from(&request.accept);
    }
    let agreement = &pending.request.promise.body().agreement;
    match agreement.protocol {
        Protocol::Inline if is_over(agreement, now) => {
            let decision = Decision::Expired { close_by: agreement.close_by };
            decide(&pending.request, decision, now, (None, None))
        }
        Protocol::Inline => deposits::deposited(*pending, request, now, holder),
        _ => fence(*pending, holder),
    }
}

/// Whether the last date of a decision has passed: then it was too late, also for whoever has asked
/// in time.
fn is_over<C: Crypto>(agreement: &Agreed<C>, now: Timestamp) -> bool {
    dates::last_decision(agreement).is_some_and(|last| now > last)
}

/// GG and WG: everything follows from the tokens.
fn by_tokens<C: Crypto>(
    agreement: &Agreed<C>,
    request: Request<C>,
    now: Timestamp,
    holder: &impl Holder<C>,
) -> Stepped<C> {
    match &request.wish {
        Wish::Abort(signed) => {
            let role = signed.body().role;
            if role != Role::Originator && !leaves_out(Rule::OnlyOriginatorAborts) {
                return reject(None, Rejection::NotYours);
            }
            let asked = Asked::Abort(role, signed.detached());
            let decision = Decision::Abort { asked, facts: Vec::new() };
            decide(&request, decision, now, (None, None))
        }
        Wish::Deposit(_) => reject(None, Rejection::NotYours),
        Wish::Complain(complaint) => {
            match complaints::shown(agreement, complaint).filter(|_| request.accept.is_some()) {
                Some((fraud, leaf)) => {
                    let decision = fault(&request, Role::Originator, fraud, leaf, Some(complaint));
                    decide(&request, decision, now, (None, None))
                }
                None => reject(None, Rejection::FalseComplaint),
            }
        }
        Wish::Resolve(_) => {
            let Some(accept) = request.accept.clone() else {
                return reject(None, Rejection::NoAcceptance);
            };
            if let Err((leaf, fraud)) =
                plans(agreement, Role::Responder, &accept.body().tokens, holder)?
            {
                if agreement.protocol == Protocol::Wg {
                    let decision = fault(&request, Role::Responder, fraud, leaf, None);
                    return decide(&request, decision, now, (None, None));
                }
                return reject(None, Rejection::BadToken);
            }
            let open = !leaves_out(Rule::OpenBeforeCompleting);
            let tokens = request.promise.body().tokens.clone();
            match plans(agreement, Role::Originator, &tokens, holder)? {
                Err((leaf, fraud)) if open => {
                    let decision = fault(&request, Role::Originator, fraud, leaf, None);
                    decide(&request, decision, now, (None, None))
                }
                _ => decide(&request, completion(&request, Vec::new(), now), now, (None, None)),
            }
        }
    }
}

/// How every leaf of a leg can be made to happen; or the first that cannot.
type Plans<C> = Result<Vec<Plan<C>>, (u32, Fraud)>;

fn plans<C: Crypto>(
    agreement: &Agreed<C>,
    from: Role,
    tokens: &[Token<C>],
    holder: &impl Holder<C>,
) -> Result<Plans<C>, HolderError> {
    let leaves = agreement.gives(from);
    let mut plans = Vec::with_capacity(leaves.len());
    for (index, leaf) in leaves.iter().enumerate() {
        let token = tokens.get(index).unwrap_or(&Token::Nothing);
        match leaf.item.can_generate(Place { agreement, from, index }, token, holder)? {
            Ok(plan) => plans.push(plan),
            Err(_) if index > 0 && leaves_out(Rule::AllOrNothing) => {}
            Err(fraud) => return Ok(Err((u32::try_from(index).unwrap_or(u32::MAX), fraud))),
        }
    }
    Ok(Ok(plans))
}

/// Asks the payment systems whether what this protocol pays was paid, and has it fenced.
fn fence<C: Crypto>(pending: Pending<C>, holder: &impl Holder<C>) -> Stepped<C> {
    let agreement = pending.request.promise.body().agreement.clone();
    let mut asks = Vec::new();
    for payer in [Role::Originator, Role::Responder] {
        if !agreement.protocol.pays(payer) {
            continue;
        }
        if let Some((index, _)) = agreement.money(payer) {
            let fence = Fence { leaf: agreement.leaf(payer, index) };
            let signed = Signed::new(holder, agreement.subject(), fence)?;
            let claim = match leaves_out(Rule::Fence) {
                true => Claim::Look,
                false => Claim::Fence(signed, agreement.third_party.sign),
            };
            asks.push((payer, claim));
        }
    }
    let effects = vec![Effect::Persist, Effect::Fence(asks)];
    Ok((Some(Case::Pending(Box::new(pending))), effects))
}

/// GE, GER, RR: everything follows from whether the payments were made.
fn weigh<C: Crypto>(
    pending: Box<Pending<C>>,
    now: Timestamp,
    holder: &impl Holder<C>,
) -> Stepped<C> {
    let request = pending.request.clone();
    let agreement = request.promise.body().agreement.clone();
    let told = |role| told(&agreement, role, &pending.facts);
    let facts = pending.facts.clone();
    let (originator, responder) = (told(Role::Originator), told(Role::Responder));
    let decision = match agreement.protocol {
        _ if is_over(&agreement, now) => Decision::Expired { close_by: agreement.close_by },
        Protocol::Rr => {
            let (Some(originator), Some(responder)) = (originator, responder) else {
                return reject(Some(Case::Pending(pending)), Rejection::Pending);
            };
            let made = originator.is_done() && responder.is_done();
            let fixed = originator == Told::Final || responder == Told::Final;
            match &request.wish {
                _ if made && (fixed || matches!(request.wish, Wish::Resolve(_))) => {
                    completion(&request, facts, now)
                }
                _ => abortion(&request, facts),
            }
        }
        _ => match responder {
            None => {
                return reject(Some(Case::Pending(pending)), Rejection::Pending);
            }
            Some(Told::Never) => abortion(&request, facts),
            Some(_) if is_unpayable(&request) => {
                return reject(Some(Case::Pending(pending)), Rejection::BadToken);
            }
            Some(_) => {
                let tokens = &request.promise.body().tokens;
                match plans(&agreement, Role::Originator, tokens, holder)? {
                    Ok(_) => completion(&request, facts, now),
                    // With a promise that could be verified this cannot be.
                    Err((leaf, fraud)) => fault(&request, Role::Originator, fraud, leaf, None),
                }
            }
        },
    };
    let (case, mut effects) = decide(&request, decision, now, (None, None))?;
    let frozen = [Role::Originator, Role::Responder];
    let frozen = frozen.into_iter().filter(|payer| told(*payer) == Some(Told::Made)).collect();
    effects.push(Effect::Lodge(frozen));
    Ok((case, effects))
}

fn reject<C: Crypto>(case: Option<Case<C>>, why: Rejection) -> Stepped<C> {
    Ok((case, vec![Effect::Reject(why)]))
}

/// The verdict that a request for an end without completion gets.
fn abortion<C: Crypto>(request: &Request<C>, facts: Vec<Signed<C, Fact<C>>>) -> Decision<C> {
    let asked = match &request.wish {
        Wish::Abort(signed) => Asked::Abort(signed.body().role, signed.detached()),
        Wish::Resolve(signed) => Asked::Resolve(signed.body().role, signed.detached()),
        // Neither begins a case of these protocols.
        Wish::Complain(signed) => Asked::Abort(Role::Responder, signed.detached()),
        Wish::Deposit(signed) => Asked::Abort(signed.body().role, signed.detached()),
    };
    Decision::Abort { asked, facts }
}

fn completion<C: Crypto>(
    request: &Request<C>,
    facts: Vec<Signed<C, Fact<C>>>,
    now: Timestamp,
) -> Decision<C> {
    let agreement = &request.promise.body().agreement;
    let from = now.after(std::time::Duration::from_millis(agreement.dispute_ms));
    let accept = request.accept.as_ref().map(Signed::detached);
    Decision::Complete { promise: request.promise.detached(), accept, facts, from }
}

fn fault<C: Crypto>(
    request: &Request<C>,
    culprit: Role,
    fraud: Fraud,
    leaf: u32,
    complaint: Option<&Signed<C, Complaint<C>>>,
) -> Decision<C> {
    let promise: Detached<C> = request.promise.detached();
    let accept = request.accept.as_ref().map(Signed::detached);
    let complaint: Option<Digest> = complaint.map(Signed::digest);
    Decision::Fault { culprit, fraud, leaf, promise, accept, complaint, after: None }
}

fn decide<C: Crypto>(
    request: &Request<C>,
    decision: Decision<C>,
    now: Timestamp,
    deposits: Deposits<C>,
) -> Stepped<C> {
    let stored = Stored {
        verdict: Verdict { decision, at: now },
        promise: request.promise.clone(),
        accept: request.accept.clone(),
        deposits,
        after: None,
    };
    Ok((Some(Case::Decided(Box::new(stored))), vec![Effect::Persist, Effect::Answer]))
}
