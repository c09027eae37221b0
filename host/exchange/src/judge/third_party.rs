//! What the judge finds of the third party: whether its decision counts, and its own faults.

use semper_base::Digest;

use super::{Blame, Judged, Outcome};
use crate::crypto::{Crypto, Half, Signed};
use crate::dates::{self, Bounds, Misdated, TOLERANCE};
use crate::item::{Item, Role};
use crate::manager::Place;
use crate::message::Token;
use crate::mutation::{Rule, leaves_out};
use crate::party::are_evidently_bad;
use crate::verdict::{Answer, Complaint, Decision, Rejection, Submitted, Unfounded, Verdict};

impl<'a, C: Crypto> Judged<'a, C> {
    /// The third party's decision; its own faults show here.
    pub(super) fn third_party(&mut self) -> Option<Outcome> {
        let verdicts = self.verdicts();
        let mut outcome = None;
        for verdict in &verdicts {
            let Some(says) = self.says(verdict) else { continue };
            // A completion that a fault was shown after counts as the fault; others as the
            // completion, if there are two.
            outcome = match (outcome, says) {
                (Some(Outcome::Completed), Outcome::Fault) => Some(Outcome::Fault),
                (Some(Outcome::Fault), Outcome::Completed) => Some(Outcome::Fault),
                (Some(Outcome::Completed), _) => Some(Outcome::Completed),
                _ => Some(says),
            };
        }
        let contradicts = |(index, one): (usize, &&Signed<C, Verdict<C>>)| {
            verdicts.iter().skip(index + 1).any(|other| !may_stand_together(one, other))
        };
        let convicts = !leaves_out(Rule::TwoVerdictsConvict);
        if convicts && verdicts.iter().enumerate().any(contradicts) {
            self.blame(Blame::TwoVerdicts);
            outcome = outcome.map(|_| Outcome::Completed).filter(|_| {
                verdicts.iter().any(|it| matches!(it.body().decision, Decision::Complete { .. }))
            });
        }
        if self.contradicts_its_dates(&verdicts) {
            self.blame(Blame::Misdated);
        }
        let blames = !leaves_out(Rule::SilenceBlames);
        if blames && verdicts.is_empty() && self.is_silent() {
            self.blame(Blame::Silence);
        }
        let culprit = self.attested().map(Role::name);
        self.reasons.push(match outcome? {
            Outcome::Completed => "the third party has completed the exchange".into(),
            Outcome::Aborted => "the third party will never complete the exchange".into(),
            Outcome::Fault => {
                format!(
                    "the third party attests that the {} has cheated",
                    culprit.unwrap_or("other side")
                )
            }
            Outcome::Expired => "the third party was asked too late".into(),
        });
        outcome
    }

    /// Whom the third party attests to have cheated.
    pub(super) fn attested(&self) -> Option<Role> {
        self.verdicts().into_iter().find_map(|it| match it.body().decision {
            Decision::Fault { culprit, .. } => Some(culprit),
            _ => None,
        })
    }

    /// All verdicts that the third party has signed about this exchange, each once.
    pub(super) fn verdicts(&self) -> Vec<&'a Signed<C, Verdict<C>>> {
        let key = &self.evidence.agreement.third_party.sign;
        let mut verdicts: Vec<&Signed<C, Verdict<C>>> = Vec::new();
        for decided in self.evidence.decided() {
            let verdict = &decided.verdict;
            let known = verdicts.iter().any(|it| it.digest() == verdict.digest());
            if !known && verdict.is_by(key, self.subject()) {
                verdicts.push(verdict);
            }
        }
        verdicts
    }

    /// What a verdict states, if it counts; if it does not, and not for our own clock, its signer is to
    /// blame.
    fn says(&mut self, verdict: &Signed<C, Verdict<C>>) -> Option<Outcome> {
        let agreement = &self.evidence.agreement;
        let deed = match verdict.body().check(verdict, agreement) {
            Err(Unfounded::Date(_)) => Some(Blame::Misdated),
            Err(_) => Some(Blame::Baseless),
            Ok(()) if self.is_hollow(verdict) => Some(Blame::Baseless),
            Ok(()) => None,
        };
        if let Some(deed) = deed {
            self.blame(deed);
            return None;
        }
        let bounds = Bounds::of(agreement);
        if let Err(Misdated::Future(date)) =
            dates::check(verdict.body().dates(), &bounds, Some(self.at))
        {
            self.reasons.push(format!("a verdict is dated {date}, which has not come yet"));
            return None;
        }
        if self.is_false_fault(verdict) {
            self.blame(Blame::FalseFault);
            return None;
        }
        Some(match &verdict.body().decision {
            Decision::Complete { .. } => Outcome::Completed,
            Decision::Abort { .. } => Outcome::Aborted,
            Decision::Fault { .. } => Outcome::Fault,
            Decision::Expired { .. } => Outcome::Expired,
        })
    }

    /// Whether a completion rests on promises that do not belong together, or that are worth
    /// nothing as anybody can see; as far as they are here.
    fn is_hollow(&self, verdict: &Signed<C, Verdict<C>>) -> bool {
        let Decision::Complete { promise, accept, .. } = &verdict.body().decision else {
            return false;
        };
        let agreement = &self.evidence.agreement;
        let accept = accept.as_ref().map(|it| it.digest);
        let accept = self.evidence.accepts().find(|it| Some(it.digest()) == accept);
        let given = self.evidence.promises().find(|it| it.digest() == promise.digest);
        accept.is_some_and(|it| {
            it.body().promise != promise.digest
                || are_evidently_bad(agreement, Role::Responder, &it.body().tokens)
        }) || given
            .is_some_and(|it| are_evidently_bad(agreement, Role::Originator, &it.body().tokens))
    }

    /// Whether there is a note of receipt whose time is over, and no answer to that request.
    fn is_silent(&self) -> bool {
        let key = &self.evidence.agreement.third_party.sign;
        let rejected = |request: Digest| {
            self.evidence.answers.iter().any(|answer| match answer {
                Answer::Rejected(it) => {
                    it.body().request == request
                        && it.body().why != Rejection::Pending
                        && it.is_by(key, self.subject())
                }
                _ => false,
            })
        };
        self.evidence.answers.iter().any(|answer| match answer {
            Answer::Submitted(it) => {
                it.is_by(key, self.subject())
                    && self.at > it.body().decide_by.after(TOLERANCE)
                    && !rejected(it.body().request)
            }
            _ => false,
        })
    }

    /// Whether a fault blames an escrow that, made again from what its maker shows, is good.
    fn is_false_fault(&self, verdict: &Signed<C, Verdict<C>>) -> bool {
        let Decision::Fault { culprit, leaf, promise, accept, complaint, .. } =
            &verdict.body().decision
        else {
            return false;
        };
        if complaint.is_some() {
            // A complaint that is here and shows nothing.
            let named = |it: &&Signed<C, Complaint<C>>| Some(it.digest()) == *complaint;
            return self
                .complaints()
                .find(named)
                .is_some_and(|it| it.body().shows(&self.evidence.agreement).is_none());
        }
        let agreement = &self.evidence.agreement;
        let index = usize::try_from(*leaf).unwrap_or(usize::MAX);
        let item = agreement.gives(*culprit).get(index).map(|leaf| &leaf.item);
        let Some(Item::Information(info)) = item else { return true };
        let tokens = match culprit {
            Role::Originator => self
                .evidence
                .promises()
                .find(|it| it.digest() == promise.digest)
                .map(|it| &it.body().tokens),
            Role::Responder => self
                .evidence
                .accepts()
                .find(|it| Some(it.digest()) == accept.as_ref().map(|it| it.digest))
                .map(|it| &it.body().tokens),
        };
        let Some(Token::Escrow { escrow, .. }) = tokens.and_then(|it| it.get(index)) else {
            return false;
        };
        let bound = Place { agreement, from: *culprit, index }.name();
        let clears = !leaves_out(Rule::RebuttalClears);
        clears
            && self.evidence.rebuttals.iter().any(|rebuttal| {
                rebuttal.from == *culprit
                    && rebuttal.leaf == *leaf
                    && info.is_share::<C>(Half::Escrowed, &rebuttal.share)
                    && C::seal(
                        &agreement.third_party.seal,
                        Half::Escrowed,
                        &bound,
                        &rebuttal.share,
                        &rebuttal.seed,
                    ) == *escrow
            })
    }

    /// Notes of receipt that the third party has signed about this exchange.
    fn notes(&self) -> impl Iterator<Item = &Submitted> {
        let key = &self.evidence.agreement.third_party.sign;
        self.evidence.answers.iter().filter_map(|answer| match answer {
            Answer::Submitted(it) if it.is_by(key, self.subject()) => Some(it.body()),
            _ => None,
        })
    }

    /// Whether two dates that the third party has signed cannot both be true, by more than the clocks
    /// of its machines may be apart.
    fn contradicts_its_dates(&self, verdicts: &[&Signed<C, Verdict<C>>]) -> bool {
        let complains = |request| self.complaints().any(|it| it.digest() == request);
        let known = |request| self.evidence.requests.iter().any(|it| it.wish.digest() == request);
        let too_long =
            self.notes().any(|note| dates::check_note(note.at, note.decide_by, None).is_err());
        // Whoever has decided answers a request with the verdict, and not with a note that it is
        // still to be decided. A complaint alone is something new after a completion.
        let noted_after = self.notes().any(|note| {
            let new = complains(note.request) || !known(note.request);
            !new && verdicts.iter().any(|it| note.at > it.body().at.after(TOLERANCE))
        });
        too_long || noted_after || stops_late(verdicts)
    }
}

/// Whether an honest third party may have signed both.
fn may_stand_together<C: Crypto>(
    one: &Signed<C, Verdict<C>>,
    other: &Signed<C, Verdict<C>>,
) -> bool {
    let follows = |fault: &Signed<C, Verdict<C>>, completion: &Signed<C, Verdict<C>>| {
        let completed = matches!(completion.body().decision, Decision::Complete { .. });
        match &fault.body().decision {
            Decision::Fault { after: Some(after), .. } => {
                completed && *after == completion.digest()
            }
            _ => false,
        }
    };
    follows(one, other) || follows(other, one)
}

/// Whether a fault stops the money of a completion before that was there, or when it could have gone.
fn stops_late<C: Crypto>(verdicts: &[&Signed<C, Verdict<C>>]) -> bool {
    let completed = |digest| {
        verdicts.iter().find_map(|it| match &it.body().decision {
            Decision::Complete { from, .. } if it.digest() == digest => Some((it.body().at, *from)),
            _ => None,
        })
    };
    verdicts.iter().any(|it| match &it.body().decision {
        Decision::Fault { after: Some(digest), .. } => {
            let fault = it.body().at;
            completed(*digest)
                .is_some_and(|(at, from)| fault >= from || fault.after(TOLERANCE) < at)
        }
        _ => false,
    })
}
