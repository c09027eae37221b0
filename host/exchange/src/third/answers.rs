//! Answers of the third party, made from the stored case and signed then.

use semper_base::{Digest, Timestamp};

use super::{DECIDE_MS, Stored};
use crate::crypto::{Crypto, Holder, HolderError, Signed};
use crate::item::Role;
use crate::manager::{Manager as _, Place, Plan, generate};
use crate::message::Token;
use crate::verdict::{
    Answer, Decided, Decision, Rejected, Rejection, Replacement, Request, Submitted, Verdict,
};

/// The answer to a party from the stored case, signed now. The same for ever, but that a fault
/// shown after a completion takes the completion's place for its victim.
///
/// # Errors
/// When the keys cannot be reached.
pub fn answer<C: Crypto>(
    stored: &Stored<C>,
    role: Role,
    holder: &impl Holder<C>,
) -> Result<Answer<C>, HolderError> {
    let agreement = &stored.promise.body().agreement;
    let subject = agreement.subject();
    if let (Some(after), Role::Responder) = (&stored.after, role) {
        let verdict = Signed::new(holder, subject, after.clone())?;
        let (promise, accept) = (Some(stored.promise.clone()), stored.accept.clone());
        let decided = Decided { verdict, promise, accept, replacements: Vec::new() };
        return Ok(Answer::Decided(Box::new(decided)));
    }
    let verdict = Signed::new(holder, subject, stored.verdict.clone())?;
    if is_bare(&stored.verdict) {
        return Ok(bare(verdict));
    }
    let mut replacements = Vec::new();
    if let Decision::Complete { .. } = stored.verdict.decision {
        replacements = replacements_for(stored, role, verdict.digest(), holder)?;
    }
    let (promise, accept) = (Some(stored.promise.clone()), stored.accept.clone());
    Ok(Answer::Decided(Box::new(Decided { verdict, promise, accept, replacements })))
}

/// Whether a verdict stands without the messages that it is about: nothing is completed by them and
/// nobody is blamed for them, and whoever asks has them. Then they need not be kept.
pub const fn is_bare<C: Crypto>(verdict: &Verdict<C>) -> bool {
    matches!(verdict.decision, Decision::Abort { .. } | Decision::Expired { .. })
}

/// The answer that is a bare verdict.
pub fn bare<C: Crypto>(verdict: Signed<C, Verdict<C>>) -> Answer<C> {
    let decided = Decided { verdict, promise: None, accept: None, replacements: Vec::new() };
    Answer::Decided(Box::new(decided))
}

fn replacements_for<C: Crypto>(
    stored: &Stored<C>,
    role: Role,
    verdict: Digest,
    holder: &impl Holder<C>,
) -> Result<Vec<Replacement<C>>, HolderError> {
    let agreement = &stored.promise.body().agreement;
    let from = role.other();
    let (tokens, deposit) = match from {
        Role::Originator => (Some(&stored.promise.body().tokens), &stored.deposits.0),
        Role::Responder => (stored.accept.as_ref().map(|it| &it.body().tokens), &stored.deposits.1),
    };
    let leaves = agreement.gives(from).iter().enumerate();
    let mut replacements = Vec::new();
    for (index, leaf) in leaves {
        let place = Place { agreement, from, index };
        if let Some(item) = deposit.as_ref().and_then(|items| items.get(index)) {
            replacements.push(Replacement::Deposited(item.clone()));
            continue;
        }
        let token = tokens.and_then(|it| it.get(index)).unwrap_or(&Token::Nothing);
        let plan = leaf.item.can_generate(place, token, holder)?;
        let plan = plan.unwrap_or(Plan::Verdict);
        replacements.push(generate(place, &leaf.item, plan, verdict, holder)?);
    }
    Ok(replacements)
}

/// That a request has come, and by when it is decided.
///
/// # Errors
/// When the keys cannot be reached.
pub fn submitted<C: Crypto>(
    request: &Request<C>,
    now: Timestamp,
    holder: &impl Holder<C>,
) -> Result<Answer<C>, HolderError> {
    let subject = request.promise.body().agreement.subject();
    let decide_by = now.after(std::time::Duration::from_millis(DECIDE_MS));
    let body = Submitted { request: request.wish.digest(), at: now, decide_by };
    Ok(Answer::Submitted(Signed::new(holder, subject, body)?))
}

/// That a request is not decided on.
///
/// # Errors
/// When the keys cannot be reached.
pub fn rejected<C: Crypto>(
    request: &Request<C>,
    why: Rejection,
    holder: &impl Holder<C>,
) -> Result<Answer<C>, HolderError> {
    let subject = request.promise.body().agreement.subject();
    let body = Rejected { request: request.wish.digest(), why };
    Ok(Answer::Rejected(Signed::new(holder, subject, body)?))
}
