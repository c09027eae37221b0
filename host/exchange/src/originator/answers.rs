//! What the originator makes of the third party's answers.

use super::{Originator, PEER, State, Stepped, US};
use crate::bank::Claim;
use crate::crypto::{Crypto, Holder, Signed};
use crate::item::Role;
use crate::mutation::{Rule, leaves_out};
use crate::party::{Claimed, Effect, End, Taken, are_evidently_bad, own_order, take_replacements};
use crate::verdict::{Answer, Decided, Decision, Rejection};

impl<C: Crypto> Originator<C> {
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
            // Both had deposited: it is completed, and the answer is on its way.
            Answer::Rejected(signed)
                if signed.is_by(third, subject) && signed.body().why == Rejection::Malformed =>
            {
                self.kept.note(&answer);
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
            State::Aborting | State::Resolving | State::Depositing | State::Redeeming
        );
        let verdict = decided.verdict.body();
        let third = &self.agreement.third_party.sign;
        let subject = match leaves_out(Rule::VerdictNamesExchange) {
            true => decided.verdict.subject(),
            false => self.agreement.subject(),
        };
        if !asking || !decided.verdict.is_by(third, subject) {
            return self.stay();
        }
        let believed = leaves_out(Rule::VerdictNamesExchange);
        let checked = verdict.check(&decided.verdict, &self.agreement);
        self.kept.note(answer);
        if checked.is_err() && !(believed && matches!(verdict.decision, Decision::Abort { .. })) {
            // Signed by the third party, and without a basis: that is evidence against it.
            return self.to(State::Over(End::ThirdPartyFault), []);
        }
        match &verdict.decision {
            Decision::Complete { promise, accept, .. } => {
                let ours = self.kept.promise.as_ref().map(Signed::digest);
                let accept = accept.as_ref().map(|it| it.digest);
                let given = [&decided.accept, &self.kept.accept];
                let given = given.into_iter().flatten().find(|it| Some(it.digest()) == accept);
                if ours != Some(promise.digest) || (accept.is_some() && given.is_none()) {
                    return self.stay();
                }
                if let Some(given) = given.cloned() {
                    let answers = given.body().promise == promise.digest;
                    let tokens = &given.body().tokens;
                    // What it completes by is worth nothing, as anybody can see.
                    if !answers || are_evidently_bad(&self.agreement, PEER, tokens) {
                        self.kept.accept = Some(given);
                        return self.to(State::Over(End::ThirdPartyFault), []);
                    }
                    self.kept.accept = Some(given);
                }
                self.completed(decided, holder)
            }
            Decision::Abort { .. } => self.undone(End::Aborted, decided),
            Decision::Fault { culprit: Role::Responder, .. } => self.undone(End::Wronged, decided),
            Decision::Fault { .. } => self.to(State::Over(End::ThirdPartyFault), []),
            Decision::Expired { .. } => self.undone(End::Expired, decided),
        }
    }

    fn completed(mut self, decided: &Decided<C>, holder: &impl Holder<C>) -> Stepped<C> {
        let given = self.kept.accept.as_ref().map(|it| it.body().tokens.clone());
        let given = given.unwrap_or_default();
        match take_replacements(&self.agreement, PEER, &given, decided, holder)? {
            Taken::Here => self.to(State::Over(End::Completed), []),
            Taken::Claim(claim) => {
                let claimed = Claimed { payer: PEER, claim };
                self.kept.owed = Some(claimed.clone());
                self.to(State::Over(End::Completed), [Effect::Claim(claimed)])
            }
            Taken::False(_, fraud, proof) => {
                self.kept.fraud = Some((fraud, proof));
                self.to(State::Over(End::Disputed), [])
            }
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
