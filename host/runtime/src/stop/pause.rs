//! Pauses: the deal goes on when what it waits for has come.

use std::time::Duration;

use semper_base::{Digest, ExchangeId, Timestamp};

/// What a deal that has left memory waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// In words, after “waits for”.
    pub what: String,
    /// The number of the peer's message that wakes it.
    pub message: Option<u64>,
    /// Whether the component wants that message; another one may be the other side's end.
    pub wants_message: bool,
    /// The date that the service waits for, or the end of the agreement.
    pub until: Option<Timestamp>,
    /// The question to the person.
    pub question: Option<Digest>,
    /// The exchange whose end wakes it.
    pub exchange: Option<ExchangeId>,
}

/// Whom or what a deal needs to go on, when that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// The TINGUIN.
    Tinguin,
    /// The payment system.
    Bank,
    /// The merchant's own application.
    Application,
    /// The compiler, or room in the engine's pool.
    Runtime,
    /// The terms of the deal, in this home.
    Terms,
}

impl Needed {
    /// The first pause before it is asked again, and the longest: they double in between.
    pub const fn pauses(self) -> (Duration, Duration) {
        let (first, last) = match self {
            // Everything on this machine comes back quickly, or somebody has to start it.
            Self::Tinguin | Self::Application => (1_000, 5_000),
            Self::Runtime => (200, 5_000),
            Self::Bank => (1_000, 60_000),
            Self::Terms => (5_000, 60_000),
        };
        (Duration::from_millis(first), Duration::from_millis(last))
    }
}

/// A reason to end an activation for now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Pause {
    /// Nothing to do until something happens.
    #[error("waits for {}", .0.what)]
    Wait(Box<Waiting>),
    /// Something that is needed does not answer: it is asked again, in growing pauses.
    #[error("{what}; it is tried again")]
    Again {
        /// Which of the things that a deal needs.
        needed: Needed,
        /// What it says, or what happened when it was asked.
        what: String,
    },
    /// It computes or writes for long: it is run again where that hinders nobody.
    #[error("goes on for long")]
    Slow {
        /// Whether its like will do so, too: it is the component that computes.
        heavy: bool,
    },
    /// A run has ended with a checkpoint; the next begins at once.
    #[error("a checkpoint")]
    Checkpoint,
    /// The record that was to be re-executed has ended here.
    #[error("the journal ends here")]
    RecordEnds,
}

impl Pause {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Wait(_) => "wait",
            Self::Again { .. } => "later",
            Self::Slow { .. } => "slow",
            Self::Checkpoint => "checkpoint",
            Self::RecordEnds => "journal-ends",
        }
    }
}
