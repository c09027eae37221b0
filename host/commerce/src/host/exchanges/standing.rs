//! Who keeps an exchange waiting: worked out from where its machine stands in the archive, so that
//! whoever looks needs no running host.

use std::time::Duration;

use semper_archive::ExchangeRow;
use semper_base::{DealId, ExchangeId, Timestamp};
use semper_exchange::driven::Whom;
use semper_runtime::Stop;
use serde::Serialize;

use super::step::{LONGEST, SHORTEST};
use crate::exchange::Stored;
use crate::host::Host;

/// What an exchange waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The exchange.
    pub exchange: ExchangeId,
    /// Whom it waits for.
    pub waits_for: Whom,
    /// The name of its third party.
    #[serde(skip)]
    pub third_party: String,
    /// Since when.
    pub since: Timestamp,
    /// By then at the latest it is tried again, as long as the home's host runs.
    pub next: Timestamp,
    /// When it closes by itself, if nobody has answered.
    pub until: Timestamp,
}

impl Host {
    /// What the exchanges of a deal wait for, and until when, in a sentence.
    ///
    /// # Errors
    /// When the archive cannot be read.
    pub fn awaited(&self, deal: DealId) -> Result<String, Stop> {
        let mut said = Vec::new();
        for row in self.archive().exchanges_of(deal)? {
            if let Some(it) = Standing::of(&row, self.now())? {
                let (exchange, whom, until) = (it.exchange.short(), it.waits_for, it.until);
                said.push(format!("{exchange} waits for {whom}, until {until} at most"));
            }
        }
        Ok(format!("an exchange is not over yet; it goes on by itself: {}", said.join("; ")))
    }
}

impl Standing {
    /// What an exchange waits for now; `None` when there is nothing more to do for it.
    ///
    /// # Errors
    /// When it is damaged in the archive.
    pub fn of(row: &ExchangeRow, now: Timestamp) -> Result<Option<Self>, Stop> {
        if !row.open {
            return Ok(None);
        }
        let stored = Stored::read(row)?;
        // Pauses begin with the shortest and double, so that none is longer than what has passed.
        let passed = Duration::from_millis(now.millis().saturating_sub(row.changed.millis()));
        let pause = (passed + SHORTEST * 2).min(LONGEST);
        Ok(Some(Self {
            exchange: row.id,
            waits_for: match stored.unsaid {
                true => Whom::OtherSide,
                false => stored.machine.waits_for(),
            },
            third_party: stored.machine.agreement().third_party.origin.clone(),
            since: row.changed,
            next: now.after(pause),
            until: stored.machine.agreement().closed_at(),
        }))
    }
}
