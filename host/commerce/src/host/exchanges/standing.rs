//! Who keeps an exchange waiting: worked out from where its machine stands in the archive, so that
//! whoever looks needs no running host.

use std::time::Duration;

use semper_archive::ExchangeRow;
use semper_base::{ExchangeId, Timestamp};
use semper_exchange::originator::State as Originating;
use semper_exchange::responder::State as Responding;
use semper_runtime::Stop;
use serde::Serialize;

use super::step::{LONGEST, SHORTEST};
use crate::exchange::{Machine, Stored};

/// Whom an exchange waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whom {
    /// Our own side, which has to begin.
    OurSide,
    /// The other side.
    OtherSide,
    /// The payment system.
    Bank,
    /// The third party.
    ThirdParty,
}

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
            waits_for: waits_for(&stored.machine),
            third_party: stored.machine.agreement().third_party.origin.clone(),
            since: row.changed,
            next: now.after(pause),
        }))
    }
}

fn waits_for(machine: &Machine) -> Whom {
    match machine {
        Machine::Originator(it) => match it.state {
            Originating::Idle => Whom::OurSide,
            Originating::Offered | Originating::Delivered => Whom::OtherSide,
            Originating::Locking
            | Originating::Leaving
            | Originating::Paying
            | Originating::Claiming
            | Originating::Redeeming
            | Originating::Over(_) => Whom::Bank,
            Originating::Aborting | Originating::Depositing | Originating::Resolving => {
                Whom::ThirdParty
            }
        },
        Machine::Responder(it) => match it.state {
            Responding::Idle | Responding::Accepted => Whom::OtherSide,
            Responding::Committing | Responding::Redeeming | Responding::Over(_) => Whom::Bank,
            Responding::Depositing
            | Responding::Resolving
            | Responding::Complaining
            | Responding::Aborting => Whom::ThirdParty,
        },
    }
}
