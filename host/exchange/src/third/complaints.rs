//! Complaints: information that is not what was promised, shown by one chunk.

use semper_base::Timestamp;

use super::{Case, Effect, Stepped, Stored, reject};
use crate::agreement::Agreed;
use crate::crypto::{Crypto, Signed};
use crate::item::{Fraud, Role};
use crate::mutation::{Rule, leaves_out};
use crate::verdict::{Complaint, Decision, Rejection, Verdict};

/// The fraud that a complaint shows, and the leaf; `None` if it shows nothing.
pub(super) fn shown<C: Crypto>(
    agreement: &Agreed<C>,
    complaint: &Signed<C, Complaint<C>>,
) -> Option<(Fraud, u32)> {
    let body = complaint.body();
    if leaves_out(Rule::ComplaintShows) && body.information(agreement).is_some() {
        return Some((Fraud::Content, body.leaf));
    }
    Some((body.shows(agreement)?, body.leaf))
}

/// A fault that is shown after a completion stops the money, if that has not gone yet.
pub(super) fn after<C: Crypto>(
    mut stored: Box<Stored<C>>,
    complaint: &Signed<C, Complaint<C>>,
    now: Timestamp,
) -> Stepped<C> {
    let Decision::Complete { from, .. } = &stored.verdict.decision else {
        return Ok((Some(Case::Decided(stored)), vec![Effect::Answer]));
    };
    if stored.after.is_some() {
        return Ok((Some(Case::Decided(stored)), vec![Effect::Answer]));
    }
    if now >= *from {
        return reject(Some(Case::Decided(stored)), Rejection::TooLate);
    }
    let Some((fraud, leaf)) = shown(&stored.promise.body().agreement, complaint) else {
        return reject(Some(Case::Decided(stored)), Rejection::FalseComplaint);
    };
    let decision = Decision::Fault {
        culprit: Role::Originator,
        fraud,
        leaf,
        promise: stored.promise.detached(),
        accept: stored.accept.as_ref().map(Signed::detached),
        complaint: Some(complaint.digest()),
        after: Some(C::digest(<Verdict<C> as crate::Body>::KIND, &stored.verdict)),
    };
    stored.after = Some(Verdict { decision, at: now });
    Ok((Some(Case::Decided(stored)), vec![Effect::Persist, Effect::Answer]))
}
