//! The originator's handling of the third party's answers.

use std::ops::ControlFlow;

use semper_base::Timestamp;

use super::{Originator, PEER, State, Stepped};
use crate::crypto::{Crypto, Holder};
use crate::party::{End, Taken, are_evidently_bad, take_replacements};
use crate::verdict::{Answer, Decided, Decision, Rejection};

impl<C: Crypto> Originator<C> {
    pub(super) fn answered(
        self,
        answer: Answer<C>,
        now: Timestamp,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        let third = &self.agreement.third_party.sign;
        let subject = self.agreement.subject();
        match &answer {
            Answer::Decided(decided) => self.decided(decided, now, holder),
            Answer::Submitted(note) if self.is_note(note, now) => self.noted(&answer),
            // What we asked was no request, it says: that is kept.
            Answer::Rejected(signed)
                if signed.is_by(third, subject) && signed.body().why == Rejection::Malformed =>
            {
                self.noted(&answer)
            }
            _ => self.stay(),
        }
    }

    fn decided(self, decided: &Decided<C>, now: Timestamp, holder: &impl Holder<C>) -> Stepped<C> {
        let mut this = match self.weigh(decided, now) {
            ControlFlow::Continue(this) => this,
            ControlFlow::Break(stepped) => return stepped,
        };
        let Decision::Complete { promise, accept, .. } = &decided.verdict.body().decision else {
            return this.stay();
        };
        let ours = this.promised_as();
        let accept = accept.as_ref().map(|it| it.digest);
        let given = [&decided.accept, &this.kept.accept];
        let given = given.into_iter().flatten().find(|it| Some(it.digest()) == accept);
        if ours != Some(promise.digest) || (accept.is_some() && given.is_none()) {
            return this.stay();
        }
        if let Some(given) = given.cloned() {
            let answers = given.body().promise == promise.digest;
            let tokens = &given.body().tokens;
            let bad = !answers || are_evidently_bad(&this.agreement, PEER, tokens);
            this.kept.accept = Some(given);
            if bad {
                // What it completes by is worth nothing, as anybody can see.
                return this.accuse(now);
            }
        }
        this.completed(decided, now, holder)
    }

    fn completed(
        mut self,
        decided: &Decided<C>,
        now: Timestamp,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        let given = self.kept.accept.as_ref().map(|it| it.body().tokens.clone());
        let given = given.unwrap_or_default();
        match take_replacements(&self.agreement, PEER, &given, decided, holder)? {
            Taken::Here => self.ended(End::Completed),
            Taken::Claim(claim) => self.claim(PEER, claim, State::Over(End::Completed)),
            Taken::False(index, fraud, proof) => {
                self.kept.fraud = Some((fraud, proof.clone()));
                self.dispute(index, proof, holder)
            }
            Taken::Bad => self.accuse(now),
        }
    }
}
