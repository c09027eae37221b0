//! Carrying an exchange out: the person's decision, the wait for its end, and what has come of it.

use std::sync::Arc;

use semper_base::{Digest, Timestamp};
use semper_exchange::package::Part;

use super::super::v1_2::semper::exchange::exchange as wit;
use super::{Begun, CONSENT, END_OF_EXCHANGE, Failed};
use crate::context::{Context, PaymentHandle, StatementHandle, decided};
use crate::exchange::{Declared, Got, Outcome, moved};
use crate::flow::Moving;
use crate::outside::Outside;
use crate::stop::Stop;

impl Context {
    /// Has the person decide about an exchange; `Err` inside is why not.
    pub(super) fn consent_to(&mut self, begun: &Begun<'_>) -> Result<Result<(), String>, Stop> {
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let refers = self.referred();
        let account = self.till()?.map(|till| (till.system, till.account));
        let pays = begun.ours.parts.iter().any(|it| matches!(it, Part::Money { .. }));
        let account = account.filter(|_| pays);
        let (next, cancel) = (self.received + 1, &mut self.cancel);
        let asked = begun.agreement.subject();
        // An effect, though nothing has happened before the yes: the question is put once.
        self.journal.effect(CONSENT, &asked, |call| {
            if let Outside::Stage(stage) = &outside {
                return Ok((stage.agree(&deal, begun), Vec::new()));
            }
            let host = outside.host()?;
            let question = host.exchange_question(&deal, begun, &refers, account.clone());
            let came = host.decision(&deal, next, call.key, cancel.take(), |wait| {
                host.tinguin().pose_exchange(call.key, deal.id, question.clone(), wait)
            });
            decided(&deal, came)
        })
    }

    /// Waits until an exchange has ended, and takes what has come.
    pub(super) fn carried_out(
        &mut self,
        begun: &Begun<'_>,
    ) -> wasmtime::Result<Result<Vec<wit::Received>, Failed>> {
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let (id, theirs) = (begun.agreement.id(), &begun.theirs.parts);
        let clock = self.clock;
        let (outcome, at): (Outcome, Timestamp) =
            self.journal.wait(END_OF_EXCHANGE, id.digest(), |_| match &outside {
                Outside::Stage(stage) => {
                    Ok(((stage.carried_out(&deal, begun)?, stage.now().max(clock)), Vec::new()))
                }
                _ => {
                    let (outcome, writes) = outside.host()?.exchange_end(&deal, id, theirs)?;
                    Ok(((outcome, Timestamp::now().max(clock)), writes))
                }
            })?;
        self.clock = self.clock.max(at);
        match outcome {
            Outcome::Got(got) => Ok(Ok(self.settle(begun, got)?)),
            Outcome::Undone(end) => Ok(Err(wit::Failure::Undone(end.to_string()))),
            Outcome::Broken(end) => Err(Stop::Exchange(end).into()),
        }
    }

    /// An exchange has ended well: the flow goes on, and handles are made of what has come.
    fn settle(&mut self, begun: &Begun<'_>, got: Vec<Got>) -> wasmtime::Result<Vec<wit::Received>> {
        let (ours, theirs) = (moved(&begun.ours.parts), moved(&begun.theirs.parts));
        let (side, peer) = (self.deal.side, self.deal.side.other());
        let (by, gives, wants) = match begun.proposed {
            true => (side, &ours, &theirs),
            false => (peer, &theirs, &ours),
        };
        // It was enabled when it began; what has ended since then does not undo it.
        let at = self.clock.min(begun.agreement.accept_by);
        self.monitor.advance(by, Moving::Exchange(gives, wants), true, at).map_err(Stop::from)?;
        let name = self.deal.agreement.name(side).to_owned();
        for part in &begun.ours.parts {
            match part {
                Part::Money { money, .. } => {
                    self.spent = self.spent.saturating_add(money.amount.minor());
                }
                Part::Statement { statement, digest } => {
                    self.statements.push(Declared::own((**statement).clone(), *digest, &name));
                }
                Part::Information { .. } => {}
            }
        }
        let mut received = Vec::with_capacity(got.len());
        for (got, part) in got.into_iter().zip(&begun.theirs.parts) {
            received.push(self.handle_of(got, part)?);
        }
        Ok(received)
    }

    fn handle_of(&mut self, got: Got, part: &Part) -> wasmtime::Result<wit::Received> {
        let peer = self.deal.side.other();
        let name = self.deal.agreement.name(peer).to_owned();
        let other = || Stop::Peer("the exchange has given something else".into());
        let declared = match (got, part) {
            (Got::Statement(stated), Part::Statement { digest, .. }) => {
                let (statement, key) = stated.verify().map_err(|it| Stop::Peer(it.to_string()))?;
                if key != self.deal.agreement.keys(peer).sign
                    || Digest::of(&stated.statement) != *digest
                {
                    return Err(other().into());
                }
                Declared::exchanged(statement, *digest, &name, &stated)
            }
            (Got::Signed(bytes), Part::Statement { .. }) => {
                let signed = crate::verified::statement_of_peer(
                    &self.outside,
                    &self.deal,
                    &bytes,
                    self.clock,
                );
                signed?.into()
            }
            (Got::Money { amount, purpose, fact }, Part::Money { .. }) => {
                let signer = self.till()?.map(|till| till.system).unwrap_or_default();
                let (digest, item) = (Digest::of(&fact), fact.into_vec());
                let handle = PaymentHandle { amount, digest, purpose, signer, item };
                return Ok(wit::Received::Money(self.hold(handle)?));
            }
            (Got::Information(kind, body), Part::Information { .. }) => {
                return Ok(wit::Received::Information((kind, body.into_vec())));
            }
            _ => return Err(other().into()),
        };
        self.statements.push(declared.clone());
        Ok(wit::Received::Statement(self.hold(StatementHandle(declared))?))
    }
}
