//! Why an activation ends before its component does. There are three kinds, and everything that
//! follows (what is stored, what the person reads, when it is tried again) follows from the kind:
//!
//! | kind | what it means | what follows |
//! |---|---|---|
//! | [`Pause`] | not now | the deal goes on when what it waits for has come |
//! | [`Doubt`] | we failed: a store, the TINGUIN, a fault of ours | nothing is decided, nobody is blamed; tried again where that can help |
//! | [`Verdict`] | the deal is over | whose fault it is, with what proves it; nobody's where nothing does |

mod doubt;
mod pause;
mod verdict;

use semper_archive::ArchiveError;
use semper_archive::chain::Damaged;
use semper_base::Mend;
use semper_tinguin_protocol::ClientError;
use semper_tinguin_protocol::failure::{Cause as Whose, Failure};
use semper_trust::{Limit, Refusal};

pub use doubt::Doubt;
pub use pause::{Needed, Pause, Waiting};
pub use verdict::{Cause, Fault, Incident, Proof, Verdict};

use crate::flow::Violation;

/// A reason to end an activation.
#[derive(Debug, Clone, thiserror::Error, Mend)]
pub enum Stop {
    /// Not now.
    #[error(transparent)]
    #[mend(none)]
    Pause(#[from] Pause),
    /// We failed, or cannot tell.
    #[error(transparent)]
    #[mend(from)]
    Doubt(#[from] Doubt),
    /// The deal is over.
    #[error(transparent)]
    #[mend(from)]
    Verdict(Box<Verdict>),
}

impl Stop {
    /// The component asked something that makes no sense.
    pub fn service(why: impl ToString) -> Self {
        Verdict::new(Cause::Nonsense(why.to_string())).into()
    }

    /// The other side signed something that is not acceptable.
    pub fn peer(why: impl ToString) -> Self {
        Verdict::new(Cause::Unacceptable(why.to_string())).into()
    }

    /// The component acted outside the flow. That an offer has ended meanwhile is nobody's fault:
    /// the person may have taken her time, and no component holds the clock.
    pub fn outside_flow(by: Violation) -> Self {
        let cause = match by {
            Violation::Expired { until, .. } => Cause::TooLate(until),
            by => Cause::Flow(by),
        };
        Verdict::new(cause).into()
    }

    /// The other side acted outside the flow. What it has signed in time may come late, or be
    /// taken late here: that is nobody's fault.
    pub fn peer_outside_flow(by: Violation) -> Self {
        let cause = match by {
            Violation::Expired { until, made } if made <= until => Cause::TooLate(until),
            by => Cause::PeerFlow(by),
        };
        Verdict::new(cause).into()
    }

    /// The component has ended itself by a trap.
    pub fn trap(why: impl ToString) -> Self {
        Verdict::new(Cause::Trap(why.to_string())).into()
    }

    /// The component is not one that runs here.
    pub fn unfit(why: impl ToString) -> Self {
        Verdict::new(Cause::Component(why.to_string())).into()
    }

    /// A limit of the sandbox.
    pub fn limit(limit: Limit, most: u64) -> Self {
        Verdict::new(Cause::Limit { limit, most }).into()
    }

    /// A fault of ours: something that cannot be has happened.
    pub fn broken(what: impl ToString) -> Self {
        Doubt::Broken(what.to_string()).into()
    }

    /// Something that is needed does not answer now.
    pub fn away(needed: Needed, what: impl ToString) -> Self {
        Pause::Again { needed, what: what.to_string() }.into()
    }

    /// Nothing to do until something happens.
    pub fn wait(waiting: Waiting) -> Self {
        Self::Pause(Pause::Wait(Box::new(waiting)))
    }

    /// A typed reason for machines: `wait`, `divergence`, `limit/memory`, `trap` …
    pub fn code(&self) -> String {
        match self {
            Self::Pause(pause) => pause.code().to_owned(),
            Self::Doubt(doubt) => doubt.code().to_owned(),
            Self::Verdict(verdict) => verdict.cause.code(),
        }
    }

    /// The verdict, if it is one.
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            _ => None,
        }
    }

    /// Whether the activation has ended with a checkpoint, and the next run begins at once.
    pub const fn is_checkpoint(&self) -> bool {
        matches!(self, Self::Pause(Pause::Checkpoint))
    }
}

impl From<Verdict> for Stop {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(Box::new(verdict))
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Verdict::new(Cause::Refused(refusal)).into()
    }
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Doubt::Archive(error).into()
    }
}

impl From<Damaged> for Stop {
    fn from(damaged: Damaged) -> Self {
        Doubt::Journal(damaged.0).into()
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Away { .. }
            | ClientError::NotDone(Failure { cause: Whose::Busy | Whose::Locked, .. }) => {
                Self::away(Needed::Tinguin, error)
            }
            // A refusal of its rules, a full disk, a person's no where none can be given: nothing
            // of that is the component's doing, or the other side's.
            other => Doubt::Tinguin(other).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use semper_base::Timestamp;

    use super::*;

    fn at_fault(stop: &Stop) -> Option<Fault> {
        stop.verdict().map(Verdict::at_fault)
    }

    #[test]
    fn what_was_signed_in_time_and_taken_late_is_nobodys_fault() {
        let at = |millis| Timestamp::from_millis(millis).unwrap();
        let expired = |made| Violation::Expired { until: at(100), made: at(made) };

        assert_eq!(at_fault(&Stop::peer_outside_flow(expired(100))), Some(Fault::Nobody));
        assert_eq!(at_fault(&Stop::peer_outside_flow(expired(101))), Some(Fault::Peer));
        // No component holds the clock, and the person may take her time.
        for made in [100, 101] {
            assert_eq!(at_fault(&Stop::outside_flow(expired(made))), Some(Fault::Nobody));
        }
    }

    #[test]
    fn payment_systems_that_do_not_fit_are_nobodys_fault() {
        let unpayable = Stop::from(Verdict::new(Cause::Unpayable("not by Test Bank".into())));
        assert_eq!(
            (at_fault(&unpayable), unpayable.code().as_str()),
            (Some(Fault::Nobody), "payment")
        );
    }
}
