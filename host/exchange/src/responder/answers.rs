//! The responder's handling of the third party's answers.

use semper_base::Timestamp;

use super::{PEER, Responder, State, Stepped};
use crate::crypto::{Crypto, Holder};
use crate::item::Role;
use crate::machine::Heard;
use crate::party::{Effect, End, Taken, take, take_replacements};
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

    fn decided(
        mut self,
        decided: &Decided<C>,
        now: Timestamp,
        holder: &impl Holder<C>,
    ) -> Stepped<C> {
        match self.hear(decided, now) {
            Heard::Nothing => return self.stay(),
            Heard::Early => return Ok((self, vec![Effect::Persist])),
            Heard::Baseless => return self.accuse(now),
            Heard::Founded => {}
        }
        match &decided.verdict.body().decision {
            Decision::Complete { promise, accept, .. } => {
                let other = self.promised_as() != Some(promise.digest);
                if other && accept.is_some() {
                    // Completed by another promise than the one that we have accepted.
                    return self.accuse(now);
                }
                let ours = self.accepted_as();
                if accept.is_some() && accept.as_ref().map(|it| it.digest) != ours {
                    return self.stay();
                }
                self.completed(decided, now, holder)
            }
            Decision::Abort { .. } => self.undone(End::Aborted, decided, now),
            Decision::Fault { culprit: Role::Originator, .. } => {
                self.undone(End::Aborted, decided, now)
            }
            Decision::Fault { .. } => self.accused(decided, now),
            Decision::Expired { .. } => self.undone(End::Expired, decided, now),
        }
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
