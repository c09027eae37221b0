//! What the responder makes of the third party's answers.

use super::{PEER, Responder, State, Stepped, US};
use crate::bank::Claim;
use crate::crypto::{Crypto, Holder, Signed};
use crate::item::Role;
use crate::mutation::{Rule, leaves_out};
use crate::party::{Claimed, Effect, End, Taken, own_order, take, take_replacements};
use crate::verdict::{Answer, Decided, Decision, Rejection};

impl<C: Crypto> Responder<C> {
    pub(super) fn answered(mut self, answer: Answer<C>, holder: &impl Holder<C>) -> Stepped<C> {
        let third = &self.agreement.third_party.sign;
        let subject = self.agreement.subject();
        match &answer {
            Answer::Decided(decided) => {
                let decided = decided.clone();
                self.decided(&answer, &decided, holder)
            }
            Answer::Submitted(signed) if signed.is_by(third, subject) => {
                self.kept.note(&answer);
                Ok((self, vec![Effect::Persist]))
            }
            Answer::Rejected(signed) if signed.is_by(third, subject) => {
                let why = signed.body().why;
                self.kept.note(&answer);
                let over = matches!(
                    why,
                    Rejection::TooLate | Rejection::FalseComplaint | Rejection::NotYours
                );
                if self.state == State::Complaining && over {
                    return self.to(State::Over(End::Disputed), []);
                }
                Ok((self, vec![Effect::Persist]))
            }
            _ => self.stay(),
        }
    }

    fn decided(
        mut self,
        answer: &Answer<C>,
        decided: &Decided<C>,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        let asking = matches!(
            self.state,
            State::Resolving
                | State::Complaining
                | State::Depositing
                | State::Aborting
                | State::Redeeming
        );
        let verdict = decided.verdict.body();
        let subject = match leaves_out(Rule::VerdictNamesExchange) {
            true => decided.verdict.subject(),
            false => self.agreement.subject(),
        };
        if !asking || !decided.verdict.is_by(&self.agreement.third_party.sign, subject) {
            return self.stay();
        }
        self.kept.note(answer);
        let believed = leaves_out(Rule::VerdictNamesExchange);
        let checked = verdict.check(&decided.verdict, &self.agreement);
        if checked.is_err() && !(believed && matches!(verdict.decision, Decision::Abort { .. })) {
            return self.to(State::Over(End::ThirdPartyFault), []);
        }
        match &verdict.decision {
            Decision::Complete { promise, accept, .. } => {
                let other = self.kept.promise.as_ref().map(Signed::digest) != Some(promise.digest);
                if other && accept.is_some() {
                    // Completed by another promise than the one that we have accepted.
                    return self.to(State::Over(End::ThirdPartyFault), []);
                }
                let ours = self.kept.accept.as_ref().map(Signed::digest);
                if accept.is_some() && accept.as_ref().map(|it| it.digest) != ours {
                    return self.stay();
                }
                self.completed(decided, holder)
            }
            Decision::Abort { .. } => self.undone(End::Aborted, decided),
            Decision::Fault { culprit: Role::Originator, .. } => self.undone(End::Aborted, decided),
            Decision::Fault { .. } => self.to(State::Over(End::ThirdPartyFault), []),
            Decision::Expired { .. } => self.undone(End::Expired, decided),
        }
    }

    fn completed(mut self, decided: &Decided<C>, holder: &impl Holder<C>) -> Stepped<C> {
        if self.state == State::Complaining {
            // The third party lets it stand.
            return self.to(State::Over(End::Disputed), []);
        }
        let given = self.tokens_of_peer();
        let mut taken = take_replacements(&self.agreement, PEER, &given, decided, holder)?;
        if let (Taken::Bad, Some(deliver)) = (&taken, &self.kept.deliver) {
            // The items themselves came while we asked.
            taken = take(&self.agreement, PEER, &given, &deliver.body().items, holder)?;
        }
        match taken {
            Taken::Here => self.to(State::Over(End::Completed), []),
            Taken::Claim(claim) => {
                let claimed = Claimed { payer: PEER, claim };
                self.kept.owed = Some(claimed.clone());
                self.to(State::Over(End::Completed), [Effect::Claim(claimed)])
            }
            Taken::False(index, fraud, proof) => self.complain(index, fraud, proof, holder),
            Taken::Bad => self.to(State::Over(End::ThirdPartyFault), []),
        }
    }

    /// It will never be completed: own money comes back.
    fn undone(mut self, end: End, decided: &Decided<C>) -> Stepped<C> {
        self.kept.owed = None;
        if own_order(&self.agreement, US).is_some() {
            let claim = Claim::Verdict(Box::new(decided.verdict.clone()));
            let claimed = Claimed { payer: US, claim };
            self.kept.owed = Some(claimed.clone());
            return self.to(State::Over(end), [Effect::Claim(claimed)]);
        }
        self.to(State::Over(end), [])
    }
}
