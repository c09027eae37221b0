//! One deterministic function from evidence to a finding, for hosts, third party and arbiter
//! alike. It needs no key, no network and no clock but the date that it is given.
//!
//! The arbiter's rules, in this order (`docs/exchange.md`, “Evidence and the judge”): the
//! agreement and its keys; a third party that contradicts itself, decides without a basis, or is
//! dated as it cannot be, or silent beyond its time, is liable; delivered items and completions beat aborts; a claimant
//! shows both promises; information that differs from its description is shown by one chunk;
//! otherwise things stay as they are.

mod evidence;
mod finding;
mod joined;
mod missing;
mod third_party;

use semper_base::{Amount, Digest, Timestamp};
use semper_items::Hold;

use crate::agreement::{Agreed, Protocol};
use crate::crypto::{Crypto, Half, Named, Signed};
use crate::dates::{self, Bounds};
use crate::fee::{Fee, Share};
use crate::item::{Fraud, Item, ItemSignature, Money, Role};
use crate::manager::Place;
use crate::message::{Accept, Delivery, Promise, Token};
use crate::verdict::{Abort, Complaint, Decision, Replacement, Wish};

pub use evidence::{Evidence, Rebuttal};
pub use finding::{Blame, Finding, Got, Outcome, Ruling};
pub use joined::{Line, PublicLog, join, judge_together};
pub use missing::Missing;

/// Finds who has what, who is to blame and what follows, as of this date.
pub fn judge<C: Crypto>(evidence: &Evidence<C>, at: Timestamp) -> Finding {
    judge_by(evidence, &[], &[], at)
}

/// As [`judge`], with third parties' logs, and with what other exchanges show.
fn judge_by<C: Crypto>(
    evidence: &Evidence<C>,
    logs: &[PublicLog],
    elsewhere: &[Blame],
    at: Timestamp,
) -> Finding {
    let (blame, missing, reasons) = (Vec::new(), Vec::new(), Vec::new());
    let mut case = Judged { evidence, at, blame, missing, reasons };
    let agreement = &evidence.agreement;
    let promised = case.promises();
    let verdict = case.third_party();
    case.logged(logs);
    case.parties();
    elsewhere.iter().for_each(|it| case.blame(*it));
    let from_originator = case.got(Role::Originator);
    let mut from_responder = case.got(Role::Responder);
    case.provisional(&from_originator, &mut from_responder);
    case.replacements(verdict, &[&from_originator, &from_responder]);
    let ruling = case.rule(agreement, promised, verdict, &from_originator, &from_responder);
    let fee = case.fee(verdict);
    case.missing(verdict, ruling, promised, &[&from_originator, &from_responder]);
    case.blame.sort_unstable();
    case.blame.dedup();
    case.missing.sort_unstable();
    case.missing.dedup();
    let Judged { blame, missing, mut reasons, .. } = case;
    reasons.dedup();
    Finding {
        promised,
        from_originator,
        from_responder,
        verdict,
        blame,
        missing,
        ruling,
        fee,
        reasons,
    }
}

/// The side whose money has gone, and to which nothing has come for it, as of this date. A payer's word
/// that lets money go is not enough: its payment system must say that it went.
pub fn unrequited<C: Crypto>(evidence: &Evidence<C>, at: Timestamp) -> Option<Role> {
    let Ruling::Owed(role) = judge(evidence, at).ruling else { return None };
    let agreement = &evidence.agreement;
    let (index, money) = agreement.money(role)?;
    let place = Place { agreement, from: role, index };
    // Of what is paid at once the finding has looked at the facts.
    (agreement.protocol.pays(role) || evidence.is_released(place, money)).then_some(role)
}

struct Judged<'a, C: Crypto> {
    evidence: &'a Evidence<C>,
    at: Timestamp,
    blame: Vec<Blame>,
    missing: Vec<Missing>,
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

    /// What each side owes the third party for its verdict, as they have agreed. Word that it was asked
    /// too late costs nothing, one that is liable itself is owed nothing, and whoever it attests to
    /// have cheated owes all of it.
    fn fee(&self, verdict: Option<Outcome>) -> Option<(Amount, Amount)> {
        let fee = self.evidence.agreement.fee?;
        let owed_by = match verdict? {
            Outcome::Expired => return None,
            Outcome::Completed | Outcome::Aborted => fee.owed_by,
            Outcome::Fault => {
                self.attested().map_or(fee.owed_by, |culprit| Share::Ours.debtor(culprit))
            }
        };
        let fee = Fee { owed_by, ..fee };
        let liable = self.blame.iter().any(|it| it.culprit().is_none());
        (!liable).then(|| (fee.of(Role::Originator), fee.of(Role::Responder)))
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
        for role in [Role::Originator, Role::Responder] {
            let others =
                |token: &Token<C>| matches!(token, Token::Fact(it) if it.subject() != subject);
            if self.evidence.tokens(role).any(|tokens| tokens.iter().any(others)) {
                self.blame(Blame::OtherHold(role));
            }
        }
        let shown = |it: &Complaint<C>| Some((it.of, it.shows(&self.evidence.agreement)?));
        let frauds: Vec<(Role, Fraud)> =
            self.complaints().filter_map(|it| shown(it.body())).collect();
        for (of, fraud) in frauds {
            self.blame(Blame::Fraud(of, fraud));
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
        self.evidence.facts().any(|fact| {
            money.is_about(place, fact)
                && matches!(fact.body().hold, Hold::Refunded(_) | Hold::Never)
        })
    }

    /// Money counts when its payment system says so, not when somebody has signed for it.
    fn is_paid(&self, place: Place<'_, C>, item: &Item<C>) -> bool {
        matches!(item, Item::Money(money) if self.evidence.is_released(place, money))
    }

    /// A payment that can be taken back counts as made once it is delivered for, or once it can be taken
    /// back no more: only a verdict takes it back, in time, and there is none.
    fn provisional(&mut self, delivered: &[Got], paid: &mut [Got]) {
        let agreement = &self.evidence.agreement;
        // After one that says “too late” a bank gives the money back or has let it go: its word decides.
        let undone = self.verdicts().into_iter().any(|it| {
            matches!(it.body().decision, Decision::Abort { .. } | Decision::Fault { .. })
        });
        let too_late = self.at >= agreement.lock_until;
        let all = delivered.iter().all(|it| *it != Got::Unproven);
        if agreement.protocol != Protocol::Ger || undone || !(all || too_late) {
            return;
        }
        let Some((index, money)) = agreement.money(Role::Responder) else { return };
        let place = Place { agreement, from: Role::Responder, index };
        let until = self.evidence.facts().find_map(|fact| match fact.body().hold {
            Hold::Provisional { terms, frozen: false }
                if money.is_about(place, fact) && terms.amount == money.amount =>
            {
                Some(terms.until)
            }
            _ => None,
        });
        let undone = self.is_undone(place, money);
        if let (Some(until), Some(got @ Got::Unproven), false) =
            (until, paid.get_mut(index), undone)
        {
            *got = Got::Delivered;
            self.reasons.push(match too_late {
                true => "the payment was made, and can be taken back no more".to_owned(),
                false => format!(
                    "the payment is made; until {until} a verdict of the third party could still \
                     take it back"
                ),
            });
        }
    }

    fn is_replaced(&self, place: Place<'_, C>, item: &Item<C>) -> bool {
        let agreement = &self.evidence.agreement;
        let key = &agreement.third_party.sign;
        self.evidence.decided().any(|decided| {
            let verdict = &decided.verdict;
            let bounds = Bounds::of(agreement);
            let counts = matches!(verdict.body().decision, Decision::Complete { .. })
                && verdict.body().check(verdict, agreement).is_ok()
                && dates::check(verdict.body().dates(), &bounds, Some(self.at)).is_ok();
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
        let owed = self.missing.iter().find_map(|it| match it {
            Missing::Replacement(role) => Some(role),
            _ => None,
        });
        self.reasons.push(match (ruling, owed) {
            (Ruling::Completed, Some(role)) => format!(
                "the third party has completed it; what takes the place of the {}'s items is not here",
                role.other().name()
            ),
            (Ruling::Completed, None) => {
                "both sides have what they were promised, or what replaces it".into()
            }
            (Ruling::Undone, _) => "neither side has anything of the other: nobody owes anything".into(),
            (Ruling::Owed(role), _) => {
                format!("the other side has what it was promised; the {} has not", role.name())
            }
            (Ruling::StatusQuo, _) => "nothing here shows that anybody owes anything".into(),
        });
        ruling
    }
}
