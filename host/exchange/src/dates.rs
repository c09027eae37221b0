//! Which dates count: one function for both parties, the bank and the judge.
//!
//! A third party dates its words by its own clock. Two things are asked of each date. The
//! *agreement* says between which dates it must lie: what is dated outside of them is worth nothing
//! to anybody, at any time, and convicts whoever signed it. The *reader's clock* says whether the
//! date has come: what is dated later is nothing yet. It convicts nobody, since the clock that is
//! wrong may be the reader's, and it may be shown again when its date has come.
//!
//! The agreement's bounds are held against the signed dates alone, so no clock but the signer's own
//! can make a word worthless: an honest third party looks at the same dates before it signs.

use std::time::Duration;

use semper_base::Timestamp;
use semper_items::Mode;

use crate::agreement::{Agreed, LOCK_MARGIN_MS, Protocol};
use crate::crypto::Crypto;
use crate::item::Role;

/// By how much the clocks of two honest computers differ at most.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// For how long the third party may consider a request, in ms: by then it has decided, or can
/// show who kept it from deciding.
pub const DECIDE_MS: u64 = 10 * 60 * 1000;

/// The dates that a verdict names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dated {
    /// When it was given.
    pub at: Timestamp,
    /// What it says.
    pub says: Says,
}

/// What a verdict says, as far as dates go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// It is completed, and its money moves from then on.
    Complete(Timestamp),
    /// A side has cheated, after a completion.
    FaultAfter,
    /// It will never be completed.
    Never,
    /// It was asked too late: after this close.
    Expired(Timestamp),
}

/// What is wrong with a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Misdated {
    /// It is of the future, by the reader's clock: it counts when its date has come.
    #[error("it is dated {0}, which has not come yet")]
    Future(Timestamp),
    /// No verdict may say that under the agreement: it never counts.
    #[error("it is dated {0}, after the last date that was agreed on, {1}")]
    Late(Timestamp, Timestamp),
    /// Before the date from which it could be said: it never counts.
    #[error("it is dated {0}, before it could be said, {1}")]
    Early(Timestamp, Timestamp),
}

impl Misdated {
    /// Whether its signer alone is at fault, whatever the reader's clock says.
    pub const fn convicts(self) -> bool {
        !matches!(self, Self::Future(_))
    }
}

/// The dates of an exchange, as far as a reader knows them. Whoever has the agreement knows all of
/// them; a bank sees its order alone, and holds a verdict against the end of the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The date after which "too late" may be said.
    close_by: Option<Timestamp>,
    /// The last date of a decision. None where a payment has been made that waits for it, however
    /// late its bank answers.
    last: Option<Timestamp>,
    /// For how long a completion leaves locked money where it is.
    dispute: Option<Duration>,
    /// What was locked has moved by then, or never does.
    moved_by: Option<Timestamp>,
    /// A bank gives money back for a third party's "too late" only from then on.
    gives_back_from: Option<Timestamp>,
}

impl Bounds {
    /// As the agreement has them.
    pub fn of<C: Crypto>(agreement: &Agreed<C>) -> Self {
        let dispute = Duration::from_millis(agreement.dispute_ms);
        Self {
            close_by: Some(agreement.close_by),
            last: last_decision(agreement),
            dispute: Some(dispute),
            moved_by: None,
            gives_back_from: None,
        }
    }

    /// As a bank sees them. A lock outlasts the close, the dispute window and a day more; the close
    /// itself is not in its order.
    pub fn of_hold(until: Timestamp, is_lock: bool, is_final: bool) -> Self {
        let end = until.before(Duration::from_millis(LOCK_MARGIN_MS));
        Self {
            close_by: None,
            last: None,
            dispute: None,
            moved_by: is_lock.then_some(end),
            gives_back_from: (!is_final).then_some(end),
        }
    }
}

/// The last date on which the third party decides. Payments that are made before anybody asks
/// wait for its word, and so it may come later; but not where a lock would have ended by then.
pub fn last_decision<C: Crypto>(agreement: &Agreed<C>) -> Option<Timestamp> {
    let is_held = |role: Role| {
        agreement.money(role).is_some_and(|(_, money)| {
            !agreement.protocol.pays(role) && matches!(money.mode, Mode::Hold | Mode::HashLock)
        })
    };
    let waits = matches!(agreement.protocol, Protocol::Ge | Protocol::Ger | Protocol::Rr);
    let held = is_held(Role::Originator) || is_held(Role::Responder);
    (held || !waits).then_some(agreement.close_by)
}

/// Whether a verdict's dates count: within these bounds, and, where a clock is given, not of the
/// future.
///
/// # Errors
/// Names the date and what it is held against.
pub fn check(verdict: Dated, bounds: &Bounds, now: Option<Timestamp>) -> Result<(), Misdated> {
    let at = verdict.at;
    let no_later = |date: Timestamp, last: Option<Timestamp>| match last {
        Some(last) if date > last => Err(Misdated::Late(date, last)),
        _ => Ok(()),
    };
    match verdict.says {
        Says::Complete(from) => {
            let due = at.after(bounds.dispute.unwrap_or_default());
            if from < due {
                return Err(Misdated::Early(from, due));
            }
            let dispute = bounds.dispute.unwrap_or_default();
            let latest = bounds.last.map_or(due, |last| last.after(dispute));
            no_later(from, bounds.dispute.map(|_| latest))?;
            no_later(from, bounds.moved_by)?;
            no_later(at, bounds.last)?;
        }
        // The money of a completion can be stopped until its dispute window ends.
        Says::FaultAfter => {
            let dispute = bounds.dispute.unwrap_or_default();
            no_later(at, bounds.last.map(|last| last.after(dispute)))?;
            no_later(at, bounds.moved_by)?;
        }
        Says::Never => {
            no_later(at, bounds.last)?;
            no_later(at, bounds.moved_by)?;
        }
        Says::Expired(close_by) => {
            let close = bounds.close_by.unwrap_or(close_by);
            no_later(close_by, Some(close))?;
            if close_by < close || at <= close {
                return Err(Misdated::Early(close_by.min(at), close));
            }
            no_later(close_by, bounds.moved_by)?;
            has_come(bounds.gives_back_from, now)?;
        }
    }
    has_come(Some(at), now)
}

/// Whether a note of receipt gives the third party no more time than it may have, and is not of
/// the future.
///
/// # Errors
/// Names the date and what it is held against.
pub fn check_note(
    at: Timestamp,
    decide_by: Timestamp,
    now: Option<Timestamp>,
) -> Result<(), Misdated> {
    let most = at.after(Duration::from_millis(DECIDE_MS)).after(TOLERANCE);
    if decide_by > most {
        return Err(Misdated::Late(decide_by, most));
    }
    has_come(Some(at), now)
}

/// Whether a date has come, by a clock that may be wrong by the tolerance.
fn has_come(date: Option<Timestamp>, now: Option<Timestamp>) -> Result<(), Misdated> {
    match (date, now) {
        (Some(date), Some(now)) if date > now.after(TOLERANCE) => Err(Misdated::Future(date)),
        _ => Ok(()),
    }
}
