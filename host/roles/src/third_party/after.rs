//! What follows a verdict: its line in the public log, and the payment systems that wait for it.
//! Both go on until they are done, also after a crash.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use semper_base::{Digest, PublicKey};
use semper_exchange::bank::Claim;
use semper_exchange::crypto::Signed;
use semper_exchange::standard::Standard;
use semper_exchange::third::{Case, Stored};
use semper_exchange::verdict::Answer;
use semper_exchange::{Agreed, Role};
use semper_keeper::{Bell, Post, Spawn, Turn};

use super::cases::CasesError;
use super::kept::Kept;
use super::{ThirdParty, away};

/// Verdicts that are published together at most.
const BATCH: u32 = 1_000;
/// How often what was left is looked after.
const LOOK: Duration = Duration::from_millis(200);
/// How often it is looked how large the store is.
const MEASURE: Duration = Duration::from_secs(10);

/// Looks after it as long as the third party stands, in two threads: a payment system that hangs
/// keeps no verdict from being published.
pub(super) fn keep(third: &Arc<ThirdParty>, spawn: &dyn Spawn) {
    third.keep_on("publisher", spawn, "verdicts cannot be published", ThirdParty::publish);
    third.keep_on("lodger", spawn, "verdicts cannot be shown to banks", ThirdParty::lodge);
    third.keep_room(spawn);
}

impl ThirdParty {
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

    /// Publishes verdicts that are not published.
    fn publish(&self) -> Result<(), CasesError> {
        let Some(log) = &self.log else { return Ok(()) };
        let (numbers, entries): (Vec<i64>, Vec<Vec<u8>>) =
            self.cases.to_log(BATCH)?.into_iter().unzip();
        if numbers.is_empty() {
            return Ok(());
        }
        log.append_all(entries).map_err(|error| CasesError(error.to_string()))?;
        self.cases.logged(&numbers)?;
        Ok(())
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
                Case::Decided(stored) => self.show(exchange, stored)?,
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
        let verdict = Signed::new(&self.keys, exchange, stored.verdict.clone());
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
