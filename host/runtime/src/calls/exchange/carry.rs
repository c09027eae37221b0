//! Carrying an exchange out: the person's decision, the wait for its end, and what has come of it.

use std::sync::Arc;

use semper_base::{Digest, Timestamp};
use semper_exchange::package::Part;
use semper_items::Side;

use super::super::v1_2::semper::exchange::exchange as wit;
use super::Failed;
use crate::context::Context;
use crate::exchange::{Begun, CONSENT, Declared, END_OF_EXCHANGE, Got, Outcome, moved};
use crate::flow::{Moved, Moving};
use crate::handles::{PaymentHandle, StatementHandle};
use crate::stop::{Cause, Proof, Stop, Verdict};

impl Context {
    /// Looks once more whether an exchange may begin, before the person is asked: since it was
    /// proposed, the flow has perhaps gone on, and other money may have left. `Err` inside is why the
    /// person's policies do not permit it.
    fn may_begin(&mut self, begun: &Begun<'_>) -> Result<Result<(), String>, Stop> {
        let (ours, theirs) = (moved(&begun.ours.parts), moved(&begun.theirs.parts));
        let (by, gives, wants) = self.in_order(begun, &ours, &theirs);
        self.enabled(by, Moving::Exchange(gives, wants), self.clock)?;
        let mut money = 0_i64;
        for part in &begun.ours.parts {
            if let Part::Money { money: it, .. } = part {
                money = money.saturating_add(it.amount.minor());
                if let Err(why) = self.permitted(it.amount, money)? {
                    return Ok(Err(why));
                }
            }
        }
        self.may_post(self.clock)?;
        Ok(Ok(()))
    }

    /// Who proposed an exchange, what that side gives, and what it wants.
    fn in_order<'a>(
        &self,
        begun: &Begun<'_>,
        ours: &'a [Moved],
        theirs: &'a [Moved],
    ) -> (Side, &'a [Moved], &'a [Moved]) {
        match begun.proposed {
            true => (self.deal.side, ours, theirs),
            false => (self.deal.side.other(), theirs, ours),
        }
    }

    /// Whether an exchange may begin, and the person agrees; `Err` inside is why not.
    pub(super) fn agreed_to(&mut self, begun: &Begun<'_>) -> Result<Result<(), String>, Stop> {
        match self.may_begin(begun)? {
            Ok(()) => self.consent_to(begun),
            Err(why) => Ok(Err(why)),
        }
    }

    /// Has the person decide about an exchange; `Err` inside is why not.
    fn consent_to(&mut self, begun: &Begun<'_>) -> Result<Result<(), String>, Stop> {
        let (world, refers) = (Arc::clone(&self.world), self.referred());
        let account = self.till()?.map(|till| (till.system, till.account));
        let pays = begun.ours.parts.iter().any(|it| matches!(it, Part::Money { .. }));
        let account = account.filter(|_| pays);
        let next = self.received + 1;
        let asked = begun.agreement.subject();
        // An effect, though nothing has happened before the yes: the question is put once.
        self.journal
            .effect(CONSENT, &asked, |call| world.agree(next, call.key, begun, &refers, account))
    }

    /// Waits until an exchange has ended, and takes what has come.
    pub(super) fn carried_out(
        &mut self,
        begun: &Begun<'_>,
    ) -> wasmtime::Result<Result<Vec<wit::Received>, Failed>> {
        let (world, clock) = (Arc::clone(&self.world), self.clock);
        let id = begun.agreement.id();
        let (outcome, at): (Outcome, Timestamp) =
            self.journal.wait(END_OF_EXCHANGE, id.digest(), |_| {
                let (outcome, writes) = world.exchanged(begun)?;
                Ok(((outcome, world.now().max(clock)), writes))
            })?;
        self.clock = self.clock.max(at);
        let failed = |cause| Stop::from(Verdict::new(cause).shown_by(Proof::Exchange(id))).into();
        match outcome {
            Outcome::Got(got) => Ok(Ok(self.settle(begun, got)?)),
            Outcome::Undone(end) => Ok(Err(wit::Failure::Undone(end.to_string()))),
            Outcome::Broken(end) => Err(failed(Cause::Exchange(end))),
            Outcome::OneSided(end) => Err(failed(Cause::OneSided(end))),
        }
    }

    /// An exchange has ended well: the flow goes on, and handles are made of what has come.
    fn settle(&mut self, begun: &Begun<'_>, got: Vec<Got>) -> wasmtime::Result<Vec<wit::Received>> {
        let (ours, theirs) = (moved(&begun.ours.parts), moved(&begun.theirs.parts));
        let side = self.deal.side;
        let (by, gives, wants) = self.in_order(begun, &ours, &theirs);
        // It was enabled when it began; what has ended since then does not undo it.
        let at = self.clock.min(begun.agreement.accept_by);
        // Whether the flow enables it was looked at before anybody agreed.
        self.monitor
            .advance(by, Moving::Exchange(gives, wants), true, at)
            .map_err(Stop::outside_flow)?;
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
        // The machine counts as received what was agreed to, and nothing else.
        let other = || Stop::broken("the exchange has given something else");
        let declared = match (got, part) {
            (Got::Statement(stated), Part::Statement { digest, .. }) => {
                let (statement, key) = stated.verify().map_err(Stop::broken)?;
                if key != self.deal.agreement.keys(peer).sign
                    || Digest::of(&stated.statement) != *digest
                {
                    return Err(other().into());
                }
                Declared::exchanged(statement, *digest, &name, &stated)
            }
            (Got::Signed(bytes), Part::Statement { .. }) => {
                let (world, deal) = (&*self.world, &self.deal);
                crate::verified::statement_of_peer(world, deal, &bytes, self.clock)?.into()
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
