//! One deterministic function from evidence to a finding, for hosts, third party and arbiter
//! alike. It needs no key, no network and no clock but the date that it is given.
//!
//! The arbiter's rules, in this order (`docs/exchange.md`, “Evidence and the judge”): the
//! agreement and its keys; a third party that contradicts itself, decides without a basis, or is
//! silent beyond its time, is liable; delivered items and completions beat aborts; a claimant
//! shows both promises; information that differs from its description is shown by one chunk;
//! otherwise things stay as they are.

mod evidence;
mod finding;

use semper_base::{Digest, Timestamp};
use semper_items::Hold;

use crate::agreement::{Agreed, Protocol};
use crate::crypto::{Crypto, Half, Named, Signed};
use crate::item::{Fraud, Item, ItemSignature, Money, Role};
use crate::manager::Place;
use crate::message::{Accept, Delivery, Promise, Token};
use crate::mutation::{Rule, leaves_out};
use crate::party::are_evidently_bad;
use crate::verdict::{Abort, Answer, Complaint, Decision, Rejection, Replacement, Verdict, Wish};

pub use evidence::{Evidence, Rebuttal};
pub use finding::{Blame, Finding, Got, Outcome, Ruling};

/// Finds who has what, who is to blame and what follows, as of this date.
pub fn judge<C: Crypto>(evidence: &Evidence<C>, at: Timestamp) -> Finding {
    let mut case = Judged { evidence, blame: Vec::new(), reasons: Vec::new() };
    let agreement = &evidence.agreement;
    let promised = case.promises();
    let verdict = case.third_party(at);
    case.parties();
    let from_originator = case.got(Role::Originator);
    let from_responder = case.got(Role::Responder);
    case.withheld(&[&from_originator, &from_responder]);
    let ruling = case.rule(agreement, promised, verdict, &from_originator, &from_responder);
    case.blame.sort_unstable();
    case.blame.dedup();
    let Judged { blame, mut reasons, .. } = case;
    reasons.dedup();
    Finding { promised, from_originator, from_responder, verdict, blame, ruling, reasons }
}

struct Judged<'a, C: Crypto> {
    evidence: &'a Evidence<C>,
    blame: Vec<Blame>,
    reasons: Vec<String>,
}

impl<C: Crypto> Judged<'_, C> {
    fn blame(&mut self, blame: Blame) {
        if !self.blame.contains(&blame) {
            self.reasons.push(blame.words());
            self.blame.push(blame);
        }
    }

    fn subject(&self) -> Digest {
        self.evidence.agreement.subject()
    }

    fn is_promise(&self, promise: &Signed<C, Promise<C>>) -> bool {
        promise.body().agreement == self.evidence.agreement
            && promise.is_by(&self.evidence.agreement.originator.sign, self.subject())
    }

    fn is_accept(&self, accept: &Signed<C, Accept<C>>) -> bool {
        accept.is_by(&self.evidence.agreement.responder.sign, self.subject())
    }

    /// Whether each side has signed its promise; equivocation shows here.
    fn promises(&mut self) -> (bool, bool) {
        let mut promises: Vec<Digest> =
            self.evidence.promises().filter(|it| self.is_promise(it)).map(Signed::digest).collect();
        promises.sort_unstable();
        promises.dedup();
        let mut accepts: Vec<(Digest, Digest)> = self
            .evidence
            .accepts()
            .filter(|it| self.is_accept(it))
            .map(|it| (it.body().promise, it.digest()))
            .collect();
        accepts.sort_unstable();
        accepts.dedup();
        let promised = (!promises.is_empty(), !accepts.is_empty());
        let say = |signed: bool, role: Role| match signed {
            true => format!("the {} has signed its promise", role.name()),
            false => format!("no promise of the {} is here", role.name()),
        };
        self.reasons.push(say(promised.0, Role::Originator));
        self.reasons.push(say(promised.1, Role::Responder));
        if promises.len() > 1 {
            self.blame(Blame::TwoPromises);
        }
        if accepts.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            self.blame(Blame::TwoAcceptances);
        }
        promised
    }

    /// The third party's decision; its own faults show here.
    fn third_party(&mut self, at: Timestamp) -> Option<Outcome> {
        let agreement = &self.evidence.agreement;
        let key = &agreement.third_party.sign;
        let mut verdicts: Vec<&Signed<C, Verdict<C>>> = Vec::new();
        for decided in self.evidence.decided() {
            let verdict = &decided.verdict;
            let known = verdicts.iter().any(|it| it.digest() == verdict.digest());
            if !known && verdict.is_by(key, self.subject()) {
                verdicts.push(verdict);
            }
        }
        let mut outcome = None;
        for verdict in &verdicts {
            if verdict.body().check(verdict, agreement).is_err() || self.is_hollow(verdict) {
                self.blame(Blame::Baseless);
                continue;
            }
            if self.is_false_fault(verdict) {
                self.blame(Blame::FalseFault);
                continue;
            }
            let says = match &verdict.body().decision {
                Decision::Complete { .. } => Outcome::Completed,
                Decision::Abort { .. } => Outcome::Aborted,
                Decision::Fault { .. } => Outcome::Fault,
                Decision::Expired { .. } => Outcome::Expired,
            };
            // A completion that a fault was shown after counts as the fault; others as the
            // completion, if there are two.
            outcome = match (outcome, says) {
                (Some(Outcome::Completed), Outcome::Fault) => Some(Outcome::Fault),
                (Some(Outcome::Fault), Outcome::Completed) => Some(Outcome::Fault),
                (Some(Outcome::Completed), _) => Some(Outcome::Completed),
                _ => Some(says),
            };
        }
        let convicts = !leaves_out(Rule::TwoVerdictsConvict);
        if convicts
            && verdicts.iter().enumerate().any(|(index, one)| {
                verdicts.iter().skip(index + 1).any(|other| !may_stand_together(one, other))
            })
        {
            self.blame(Blame::TwoVerdicts);
            outcome = outcome.map(|_| Outcome::Completed).filter(|_| {
                verdicts.iter().any(|it| matches!(it.body().decision, Decision::Complete { .. }))
            });
        }
        let blames = !leaves_out(Rule::SilenceBlames);
        if blames && verdicts.is_empty() && self.is_silent(at) {
            self.blame(Blame::Silence);
        }
        if let Some(outcome) = outcome {
            let words = match outcome {
                Outcome::Completed => "the third party has completed the exchange",
                Outcome::Aborted => "the third party will never complete the exchange",
                Outcome::Fault => "the third party attests that one side has cheated",
                Outcome::Expired => "the third party was asked too late",
            };
            self.reasons.push(words.into());
        }
        outcome
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
    fn is_silent(&self, at: Timestamp) -> bool {
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
                    && at > it.body().decide_by
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

    fn complaints(&self) -> impl Iterator<Item = &Signed<C, Complaint<C>>> {
        self.evidence.requests.iter().filter_map(|it| match &it.wish {
            Wish::Complain(complaint) => Some(&**complaint),
            _ => None,
        })
    }

    /// Blames parties for signatures that the honest never make together.
    fn parties(&mut self) {
        let key = &self.evidence.agreement.originator.sign;
        let subject = self.subject();
        let asked = self.evidence.requests.iter().any(|it| match &it.wish {
            Wish::Abort(abort) => {
                abort.body().role == Role::Originator && abort.is_by(key, subject)
            }
            _ => false,
        });
        let answered = self.evidence.decided().any(|it| match &it.verdict.body().decision {
            Decision::Abort {
                asked: crate::verdict::Asked::Abort(Role::Originator, by), ..
            } => by.is_by::<Abort>(key, subject),
            _ => false,
        });
        let delivered = self.evidence.delivers.iter().any(|it| it.is_by(key, subject));
        if (asked || answered) && delivered {
            self.blame(Blame::AbortedAndDelivered);
        }
        let frauds: Vec<Fraud> =
            self.complaints().filter_map(|it| it.body().shows(&self.evidence.agreement)).collect();
        for fraud in frauds {
            self.blame(Blame::Fraud(Role::Originator, fraud));
        }
    }

    /// A completion without what takes some information's place. The third party clears itself by
    /// laying its own answers before the judge.
    fn withheld(&mut self, got: &[&[Got]; 2]) {
        let agreement = &self.evidence.agreement;
        let completed = self.evidence.decided().any(|it| {
            matches!(it.verdict.body().decision, Decision::Complete { .. })
                && it.verdict.body().check(&it.verdict, agreement).is_ok()
        });
        let roles = [Role::Originator, Role::Responder];
        let missing = roles.into_iter().zip(got).any(|(from, got)| {
            // Whoever has asked is who would have been shown it.
            let asked = self.evidence.requests.iter().any(|it| it.wish.role() == from.other());
            let mut leaves = agreement.gives(from).iter().zip(*got);
            asked
                && leaves.any(|(leaf, got)| {
                    matches!(leaf.item, Item::Information(_)) && *got == Got::Unproven
                })
        });
        if completed && missing {
            self.blame(Blame::Withheld);
        }
    }

    /// Leaf by leaf, what has reached the other side.
    fn got(&self, from: Role) -> Vec<Got> {
        let agreement = &self.evidence.agreement;
        let key = &agreement.party(from).sign;
        let subject = self.subject();
        let items: Vec<&Vec<Delivery<C>>> = match from {
            Role::Originator => {
                let signed = self.evidence.delivers.iter().filter(|it| it.is_by(key, subject));
                signed.map(|it| &it.body().items).collect()
            }
            Role::Responder => {
                let signed = self.evidence.settles.iter().filter(|it| it.is_by(key, subject));
                signed.map(|it| &it.body().items).collect()
            }
        };
        let leaves = agreement.gives(from).iter().enumerate();
        leaves
            .map(|(index, leaf)| {
                let place = Place { agreement, from, index };
                let given = items.iter().filter_map(|items| items.get(index));
                if given.clone().any(|item| self.is_item(place, &leaf.item, item))
                    || self.is_paid(place, &leaf.item)
                {
                    return Got::Delivered;
                }
                match self.is_replaced(place, &leaf.item) {
                    true => Got::Replaced,
                    false => Got::Unproven,
                }
            })
            .collect()
    }

    fn is_item(&self, place: Place<'_, C>, item: &Item<C>, given: &Delivery<C>) -> bool {
        match (item, given) {
            (Item::Statement { statement, signer, .. }, Delivery::Signature(signature)) => {
                let body = ItemSignature { leaf: place.name(), statement: *statement };
                let kind = <ItemSignature as crate::Body>::KIND;
                let digest = C::digest(kind, &body);
                C::verify(signer, &Named { kind, subject: place.subject(), digest }, signature)
            }
            (Item::Information(info), Delivery::Key(key)) => {
                info.is_share::<C>(Half::Escrowed, key)
            }
            // Let go by its payer, and nothing shows that it did not arrive.
            (Item::Money(money), Delivery::Release(release)) => {
                let payer = &place.agreement.party(place.from).sign;
                release.body().leaf == place.name()
                    && release.is_by(payer, place.subject())
                    && !self.is_undone(place, money)
            }
            (Item::Money(money), Delivery::Waiver(_, waiver)) => {
                let payer = &place.agreement.party(place.from).sign;
                waiver.body().leaf == place.name()
                    && waiver.is_by(payer, place.subject())
                    && !self.is_undone(place, money)
            }
            _ => false,
        }
    }

    /// Whether a payment system says that the money went back, or was never paid.
    fn is_undone(&self, place: Place<'_, C>, money: &Money<C>) -> bool {
        self.evidence.facts.iter().any(|fact| {
            money.is_about(place, fact)
                && matches!(fact.body().hold, Hold::Refunded(_) | Hold::Never)
        })
    }

    /// Money counts when its payment system says so, not when somebody has signed for it.
    fn is_paid(&self, place: Place<'_, C>, item: &Item<C>) -> bool {
        let Item::Money(money) = item else { return false };
        self.evidence.facts.iter().any(|fact| {
            money.is_about(place, fact) && fact.body().hold == Hold::Released(money.amount)
        })
    }

    fn is_replaced(&self, place: Place<'_, C>, item: &Item<C>) -> bool {
        let agreement = &self.evidence.agreement;
        let key = &agreement.third_party.sign;
        self.evidence.decided().any(|decided| {
            let verdict = &decided.verdict;
            let counts = matches!(verdict.body().decision, Decision::Complete { .. })
                && verdict.body().check(verdict, agreement).is_ok();
            let deposit = |given: &Delivery<C>| self.is_item(place, item, given);
            counts
                && decided.replacements.iter().any(|it| match (it, item) {
                    (Replacement::Affidavit(signed), Item::Statement { statement, signer, .. }) => {
                        let body = signed.body();
                        signed.is_by(key, place.subject())
                            && body.leaf == place.name()
                            && (body.statement, body.signer) == (*statement, *signer)
                            && body.verdict == verdict.digest()
                    }
                    (Replacement::Opening(signed), Item::Information(_)) => {
                        signed.is_by(key, place.subject())
                            && signed.body().leaf == place.name()
                            && signed.body().verdict == verdict.digest()
                    }
                    (Replacement::Deposited(given), _) => deposit(given),
                    _ => false,
                })
        })
    }

    fn rule(
        &mut self,
        agreement: &Agreed<C>,
        promised: (bool, bool),
        verdict: Option<Outcome>,
        from_originator: &[Got],
        from_responder: &[Got],
    ) -> Ruling {
        let all = |got: &[Got]| got.iter().all(|it| *it != Got::Unproven);
        let (responder_has, originator_has) = (all(from_originator), all(from_responder));
        let completed = verdict == Some(Outcome::Completed);
        let ruling = match (responder_has, originator_has) {
            (true, true) => Ruling::Completed,
            // Whoever has a completion has what replaces the items.
            _ if completed && self.blame.iter().all(|it| it.culprit().is_some()) => {
                Ruling::Completed
            }
            (true, false) if promised.1 || agreement.protocol == Protocol::Ge => {
                Ruling::Owed(Role::Originator)
            }
            (false, true) if promised.0 => Ruling::Owed(Role::Responder),
            (false, false) if verdict.is_some_and(|it| it != Outcome::Completed) => Ruling::Undone,
            _ => Ruling::StatusQuo,
        };
        self.reasons.push(match ruling {
            Ruling::Completed => {
                "both sides have what they were promised, or what replaces it".into()
            }
            Ruling::Undone => "neither side has anything of the other: nobody owes anything".into(),
            Ruling::Owed(role) => {
                format!("the other side has what it was promised; the {} has not", role.name())
            }
            Ruling::StatusQuo => "nothing here shows that anybody owes anything".into(),
        });
        ruling
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
