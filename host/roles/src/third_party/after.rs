//! What follows a verdict: its line in the public log, and the payment systems that wait for it.
//! Both go on until they are done, also after a crash.
//!
//! A verdict leaves the third party only when its line is logged. Whoever is the first to need that
//! publishes everything that waits, also for those who come meanwhile; they find it done. What counts
//! is that the line stands below a head that the log has signed and stored, which is never taken
//! back. Witnesses are asked for that head in the same breath, with a short patience: if too few
//! answer, it is published when they do, `/healthz` says so, and the verdict leaves all the same.
//! Witnesses hold a log to what it has signed; a verdict that was kept back for them would harm the
//! party that needs it.
//!
//! Of several processes on one store, one publishes; the others wait until it has.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::{Duration, Instant};

use semper_base::{Digest, PublicKey, fault};
use semper_exchange::bank::Claim;
use semper_exchange::crypto::Signed;
use semper_exchange::standard::Standard;
use semper_exchange::third::{Case, Stored};
use semper_exchange::verdict::Answer;
use semper_exchange::{Agreed, Role};
use semper_keeper::{Bell, Post, Spawn, Turn};

use super::cases::CasesError;
use super::kept::{Kept, Verdicts};
use super::{ThirdParty, agree, away};
use crate::log::Log;

/// Verdicts that are published together at most.
const BATCH: u32 = 1_000;
/// The same, where other processes may wait for it.
const BRISK: Duration = Duration::from_millis(10);
/// How long it stays so after something was published.
const BUSY: u32 = 1_000;
/// How often a process that does not publish looks whether the other has.
const POLL: Duration = Duration::from_millis(10);
/// How long it waits for that.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often what was left is looked after.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked how large the store is.
const MEASURE: Duration = Duration::from_secs(10);

/// Looks after it as long as the third party stands, in two threads: a payment system that hangs
/// keeps no verdict from being published.
pub(super) fn keep(third: &Arc<ThirdParty>, spawn: &dyn Spawn) {
    third.keep_publisher(spawn);
    third.keep_on("lodger", spawn, "verdicts cannot be shown to banks", ThirdParty::lodge);
    third.keep_room(spawn);
}

impl ThirdParty {
    /// Publishes what a crash has left, and what other processes wait for.
    fn keep_publisher(self: &Arc<Self>, spawn: &dyn Spawn) {
        let weak: Weak<Self> = Arc::downgrade(self);
        let (mut is_said, mut brisk) = (false, 0_u32);
        let turn = move |post: &Post| {
            let Some(this) = weak.upgrade() else { return Turn::End };
            match this.publish_all(&mut is_said) {
                Ok(done) => {
                    post.well();
                    brisk = if done { BUSY } else { brisk.saturating_sub(1) };
                }
                Err(error) => {
                    tracing::error!(%error, "verdicts cannot be published");
                    post.ill("verdicts cannot be published");
                    brisk = 0;
                }
            }
            let others = this.cases.is_shared() && brisk > 0;
            Turn::Wait(if others { BRISK } else { LOOK })
        };
        spawn.keep("publisher", &Bell::new(), Box::new(turn));
    }

    /// Does something again and again, as long as the third party stands.
    fn keep_on(
        self: &Arc<Self>,
        name: &str,
        spawn: &dyn Spawn,
        trouble: &'static str,
        work: fn(&Self) -> Result<(), CasesError>,
    ) {
        let weak: Weak<Self> = Arc::downgrade(self);
        let turn = move |post: &Post| {
            let Some(this) = weak.upgrade() else { return Turn::End };
            match work(&this) {
                Ok(()) => post.well(),
                Err(error) => {
                    tracing::error!(%error, trouble);
                    post.ill(trouble);
                }
            }
            Turn::Wait(LOOK)
        };
        spawn.keep(name, &Bell::new(), Box::new(turn));
    }

    /// Looks how large the store is: full, it takes no new cases.
    fn keep_room(self: &Arc<Self>, spawn: &dyn Spawn) {
        let weak: Weak<Self> = Arc::downgrade(self);
        let turn = move |post: &Post| {
            let Some(this) = weak.upgrade() else { return Turn::End };
            // A store that cannot be measured is the other threads' matter.
            let size = this.cases.size().unwrap_or(0);
            let is_full = size >= this.room;
            if this.full.swap(is_full, Ordering::Relaxed) != is_full {
                tracing::error!(size, room = this.room, is_full, "the room for cases");
            }
            match is_full {
                true => post.ill("the store is full: no new cases; see [third-party] room"),
                false => post.well(),
            }
            Turn::Wait(MEASURE)
        };
        spawn.keep("room", &Bell::new(), Box::new(turn));
    }

    /// Has verdicts logged, if they are not; before that nobody may see them.
    pub(super) fn made_public(
        &self,
        exchange: Digest,
        verdicts: Verdicts<'_>,
    ) -> Result<(), CasesError> {
        let lines = agree::lines(exchange, verdicts).concat();
        if !self.cases.waits(&lines)? {
            return Ok(());
        }
        let Some(log) = &self.log else { return self.wait_for_publisher(&lines) };
        let _turn = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever had the turn before has published it, too.
        while self.cases.waits(&lines)? {
            if !self.publish(log)? {
                return Err(CasesError("what is to be logged cannot be found".into()));
            }
        }
        Ok(())
    }

    /// Waits until the process that publishes has done it. If it is late, others do not wait as well:
    /// they are told to ask again.
    fn wait_for_publisher(&self, lines: &[Vec<u8>]) -> Result<(), CasesError> {
        let begun = Instant::now();
        loop {
            if !self.cases.waits(lines)? {
                self.is_late.store(false, Ordering::Relaxed);
                return Ok(());
            }
            if self.is_late.load(Ordering::Relaxed) || begun.elapsed() > PATIENCE {
                self.is_late.store(true, Ordering::Relaxed);
                let why = "the process that publishes its verdicts (publish = true) is not there";
                return Err(CasesError(why.into()));
            }
            std::thread::sleep(POLL);
        }
    }

    /// Publishes what waits; whether something did. At first also how its keys follow each other.
    fn publish_all(&self, is_said: &mut bool) -> Result<bool, CasesError> {
        let Some(log) = &self.log else { return Ok(false) };
        let _turn = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_said && !self.ring.statements.is_empty() {
            let head = log.append_all(self.ring.lines());
            self.cases.logged(&[], head.map_err(|error| CasesError(error.to_string()))?)?;
        }
        *is_said = true;
        self.publish(log)
    }

    /// Publishes some of what waits; whether something did. By one at a time.
    fn publish(&self, log: &Log) -> Result<bool, CasesError> {
        let (numbers, entries): (Vec<i64>, Vec<Vec<u8>>) =
            self.cases.to_log(BATCH)?.into_iter().unzip();
        if numbers.is_empty() {
            return Ok(false);
        }
        let head = log.append_all(entries).map_err(|error| CasesError(error.to_string()))?;
        fault::point("publish.logged");
        self.cases.logged(&numbers, head)?;
        Ok(true)
    }

    /// Goes on with cases that payment systems kept from being decided, and shows verdicts to
    /// those that wait for them. One that does not answer is asked once a round.
    fn lodge(&self) -> Result<(), CasesError> {
        let mut silent = HashSet::new();
        for (exchange, row) in self.cases.to_lodge(64)? {
            // Of a bare verdict nothing is left to show.
            let Some(case) = Kept::decode(&row)?.case() else { continue };
            let agreement = match &case {
                Case::Decided(stored) => &stored.promise.body().agreement,
                Case::Pending(pending) => &pending.request.promise.body().agreement,
            };
            let banks = banks_of(agreement);
            if banks.iter().any(|bank| silent.contains(bank)) {
                continue;
            }
            let done = match &case {
                Case::Pending(pending) => {
                    let answer = self.answer(&pending.request, self.clock.now())?;
                    !matches!(answer, Answer::Submitted(_))
                }
                Case::Decided(stored) => {
                    self.made_public(exchange, (&stored.verdict, stored.after.as_ref()))?;
                    self.show(exchange, stored)?
                }
            };
            if !done {
                silent.extend(banks);
            }
        }
        Ok(())
    }

    /// Shows a verdict to the payment systems that wait for it; whether all have seen it.
    fn show(&self, exchange: Digest, stored: &Stored<Standard>) -> Result<bool, CasesError> {
        let agreement = &stored.promise.body().agreement;
        let verdict = Signed::new(self.keys(agreement), exchange, stored.verdict.clone());
        let claim = Claim::Verdict(Box::new(verdict.map_err(|error| away(&error))?));
        let seen = payers(agreement).all(|it| self.claim(agreement, it, &claim).is_some());
        if seen {
            self.cases.lodged(&exchange)?;
        }
        Ok(seen)
    }
}

/// Who pays in an exchange.
fn payers(agreement: &Agreed<Standard>) -> impl Iterator<Item = Role> {
    [Role::Originator, Role::Responder].into_iter().filter(|it| agreement.protocol.pays(*it))
}

/// The payment systems of an exchange, by their keys.
pub(super) fn banks_of(agreement: &Agreed<Standard>) -> Vec<PublicKey> {
    payers(agreement).filter_map(|it| Some(agreement.money(it)?.1.bank)).collect()
}
