//! The responder's handling of the third party's answers.

use std::ops::ControlFlow;

use semper_base::Timestamp;

use super::{PEER, Responder, State, Stepped};
use crate::crypto::{Crypto, Holder};
use crate::party::{End, Taken, take, take_replacements};
use crate::verdict::{Answer, Decided, Decision, Rejection};

impl<C: Crypto> Responder<C> {
    pub(super) fn answered(
        mut self,
        answer: Answer<C>,
        now: Timestamp,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        let third = &self.agreement.third_party.sign;
        let subject = self.agreement.subject();
        match &answer {
            Answer::Decided(decided) => self.decided(decided, now, holder),
            Answer::Submitted(note) if self.is_note(note, now) => self.noted(&answer),
            Answer::Rejected(signed) if signed.is_by(third, subject) => {
                let over = matches!(
                    signed.body().why,
                    Rejection::TooLate | Rejection::FalseComplaint | Rejection::NotYours
                );
                if self.state == State::Complaining && over {
                    self.kept.note(&answer);
                    return self.ended(End::Disputed);
                }
                self.noted(&answer)
            }
            _ => self.stay(),
        }
    }

    fn decided(self, decided: &Decided<C>, now: Timestamp, holder: &impl Holder<C>) -> Stepped<C> {
        let this = match self.weigh(decided, now) {
            ControlFlow::Continue(this) => this,
            ControlFlow::Break(stepped) => return stepped,
        };
        let Decision::Complete { promise, accept, .. } = &decided.verdict.body().decision else {
            return this.stay();
        };
        let other = this.promised_as() != Some(promise.digest);
        if other && accept.is_some() {
            // Completed by another promise than the one that we have accepted.
            return this.accuse(now);
        }
        let ours = this.accepted_as();
        if accept.is_some() && accept.as_ref().map(|it| it.digest) != ours {
            return this.stay();
        }
        this.completed(decided, now, holder)
    }

    fn completed(
        self,
        decided: &Decided<C>,
        now: Timestamp,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        if self.state == State::Complaining {
            // The third party lets it stand.
            return self.ended(End::Disputed);
        }
        let given = self.tokens_of_peer();
        let mut taken = take_replacements(&self.agreement, PEER, &given, decided, holder)?;
        if let (Taken::Bad, Some(deliver)) = (&taken, &self.kept.deliver) {
            // The items themselves came while we asked.
            taken = take(&self.agreement, PEER, &given, &deliver.body().items, holder)?;
        }
        match taken {
            Taken::Here => self.ended(End::Completed),
            Taken::Claim(claim) => self.claim(PEER, claim, State::Over(End::Completed)),
            Taken::False(index, fraud, proof) => self.complain(index, fraud, proof, holder),
            Taken::Bad => self.accuse(now),
        }
    }
}
