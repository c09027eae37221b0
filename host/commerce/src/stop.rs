//! Why an activation ends before its component does.

use std::time::Duration;

use semper_archive::ArchiveError;
use semper_archive::chain::Damaged;
use semper_base::{Amount, Digest, Mend, Timestamp};
use semper_tinguin::ClientError;
use semper_trust::{Limit, Refusal};

use crate::flow::Violation;

/// What a deal that has left memory waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// In words, after “waits for”.
    pub what: String,
    /// The number of the peer's message.
    pub message: Option<u64>,
    /// The date that the service waits for, or the end of the agreement.
    pub until: Option<Timestamp>,
    /// The question to the person.
    pub question: Option<Digest>,
}

/// A reason to end an activation. The deal goes on after `Wait`, `Later`, `Slow` and `Checkpoint`,
/// stands still after `Divergence` and `Damaged`, and has ended after the others.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stop {
    /// Nothing to do until something happens.
    #[error("waits for {}", .0.what)]
    Wait(Waiting),
    /// Something that is needed is away; it is tried again.
    #[error("{what}; it is tried again")]
    Later {
        /// What is away.
        what: String,
        /// When to try again.
        after: Duration,
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
    /// The component asked something else than its journal says it asked.
    #[error(
        "call {call} ({function}) of the component is not what the journal holds: \
         journal {journal}, component {component}"
    )]
    Divergence {
        /// The record's number.
        call: u64,
        /// What the component called.
        function: String,
        /// The digest in the journal.
        journal: Digest,
        /// The digest of what the component asked.
        component: Digest,
    },
    /// A record of the journal is damaged.
    #[error("the journal is damaged at record {0}")]
    Damaged(u64),
    /// A message is not the one that the journal or the channel names.
    #[error("message {seq} of the {from} is not what it should be: {why}")]
    Message {
        /// Whose.
        from: &'static str,
        /// Its number.
        seq: u64,
        /// What is wrong.
        why: String,
    },
    /// The journal that was to be re-executed has ended here.
    #[error("the journal ends here")]
    JournalEnds,
    /// One side acted outside the flow.
    #[error(transparent)]
    Flow(#[from] Violation),
    /// A limit of the sandbox.
    #[error("the service has gone over its limit of {most} {limit}")]
    Limit {
        /// Which.
        limit: Limit,
        /// How much was granted.
        most: u64,
    },
    /// Calls too deep, in the component or between its parts.
    #[error("the service has used up its stack of {0} bytes")]
    Stack(u64),
    /// More money than granted.
    #[error("the service wants to pay more than it is granted: {}", granted(*.0))]
    Money(Option<Amount>),
    /// The component ended itself by a trap.
    #[error("the service has crashed: {0}")]
    Trap(String),
    /// The component says that it cannot go on.
    #[error("the service gave up: {0}")]
    GaveUp(String),
    /// The other side sent something that is not acceptable.
    #[error("the other side is at fault: {0}")]
    Peer(String),
    /// The other side has ended the deal, and says so.
    #[error("the other side has ended the deal: {0}")]
    PeerEnded(String),
    /// The component asked something that makes no sense.
    #[error("the service is at fault: {0}")]
    Service(String),
    /// The component is not one that runs here: not a component, or it does not compile.
    #[error("the service cannot be run: {0}")]
    Component(String),
    /// It wants more than it is granted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The person has left, in a wait that the service could not be told of.
    #[error("cancelled by the person: {0}")]
    Cancelled(String),
    /// A fair exchange has ended badly, through somebody's fault that can be shown.
    #[error("a fair exchange has ended badly: {0}")]
    Exchange(semper_exchange::End),
    /// The time that both sides agreed on is over.
    #[error("the deal's time was over at {0}")]
    Expired(Timestamp),
}

fn granted(most: Option<Amount>) -> String {
    most.map_or_else(|| "no payment".to_owned(), |most| most.to_string())
}

impl Stop {
    /// A typed reason for machines: `limit/memory`, `trap`, `flow` …
    pub fn code(&self) -> String {
        let word = match self {
            Self::Limit { limit, .. } => return format!("limit/{}", limit.name()),
            Self::Wait(_) => "wait",
            Self::Later { .. } => "later",
            Self::Slow { .. } => "slow",
            Self::Checkpoint => "checkpoint",
            Self::Divergence { .. } => "divergence",
            Self::Damaged(_) => "damaged-journal",
            Self::Message { .. } => "damaged-message",
            Self::JournalEnds => "journal-ends",
            Self::Flow(_) => "flow",
            Self::Stack(_) => "limit/stack",
            Self::Money(_) => "limit/money",
            Self::Trap(_) => "trap",
            Self::GaveUp(_) => "gave-up",
            Self::Peer(_) => "peer",
            Self::PeerEnded(_) => "peer-ended",
            Self::Service(_) => "service",
            Self::Component(_) => "component",
            Self::Refused(_) => "refused",
            Self::Cancelled(_) => "cancelled",
            Self::Exchange(_) => "exchange",
            Self::Expired(_) => "expired",
        };
        word.to_owned()
    }

    /// Whether the deal stands still because its record is doubtful: nothing is decided on top
    /// of a doubtful one.
    pub fn is_doubt(&self) -> bool {
        matches!(self, Self::Divergence { .. } | Self::Damaged(_) | Self::Message { .. })
    }
}

impl Mend for Stop {
    fn mend(&self) -> String {
        match self {
            Self::Wait(_)
            | Self::Later { .. }
            | Self::Slow { .. }
            | Self::Checkpoint
            | Self::JournalEnds => String::new(),
            Self::Divergence { .. } | Self::Damaged(_) | Self::Message { .. } => {
                "keep the archive as it is; export the deal and have it examined".into()
            }
            Self::Flow(_) | Self::Peer(_) | Self::PeerEnded(_) => {
                "nothing that was not enabled has been accepted; the evidence is in the archive"
                    .into()
            }
            Self::Limit { .. }
            | Self::Stack(_)
            | Self::Money(_)
            | Self::Trap(_)
            | Self::GaveUp(_)
            | Self::Service(_)
            | Self::Component(_) => "tell the merchant and whoever certified the service".into(),
            Self::Exchange(end) => end.mend(),
            Self::Refused(refusal) => refusal.mend(),
            Self::Cancelled(_) | Self::Expired(_) => {
                "what was promised before stays promised; the evidence is in the archive".into()
            }
        }
    }
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        // Whatever the archive's trouble: nothing was written, so the call can be made again.
        Self::Later { what: error.to_string(), after: Duration::from_secs(2) }
    }
}

impl From<Damaged> for Stop {
    fn from(Damaged(record): Damaged) -> Self {
        Self::Damaged(record)
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Away { .. } => {
                Self::Later { what: error.to_string(), after: Duration::from_secs(1) }
            }
            other => Self::Service(other.to_string()),
        }
    }
}
