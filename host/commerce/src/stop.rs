//! Why an activation ends before its component does.

use std::time::Duration;

use semper_archive::ArchiveError;
use semper_base::{Digest, Mend};
use semper_tinguin::ClientError;

use crate::flow::Violation;

/// A reason to end an activation. The deal goes on after `Wait` and `Later`, and has ended
/// after the others.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Stop {
    /// Nothing to do until something happens; in words for `semper deals`.
    #[error("waits for {0}")]
    Wait(String),
    /// Something that is needed is away; it is tried again.
    #[error("{what}; it is tried again")]
    Later {
        /// What is away.
        what: String,
        /// When to try again.
        after: Duration,
    },
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
    /// A record of the journal, or a message, is damaged.
    #[error("the journal is damaged at record {0}")]
    Damaged(u64),
    /// One side acted outside the flow.
    #[error(transparent)]
    Flow(#[from] Violation),
    /// A limit of the sandbox.
    #[error("the service has used up its {what}: {limit}")]
    Limit {
        /// Which.
        what: &'static str,
        /// How much it was.
        limit: String,
    },
    /// The component ended itself by a trap.
    #[error("the service has crashed: {0}")]
    Trap(String),
    /// The component says that it cannot go on.
    #[error("the service gave up: {0}")]
    GaveUp(String),
    /// The other side sent something that is not acceptable.
    #[error("the other side is at fault: {0}")]
    Peer(String),
    /// The component asked something that makes no sense.
    #[error("the service is at fault: {0}")]
    Service(String),
}

impl Mend for Stop {
    fn mend(&self) -> String {
        match self {
            Self::Wait(_) | Self::Later { .. } => String::new(),
            Self::Divergence { .. } | Self::Damaged(_) => {
                "keep the archive as it is; export the deal and have it examined".into()
            }
            Self::Flow(_) | Self::Peer(_) => {
                "nothing that was not enabled has been accepted; the evidence is in the archive"
                    .into()
            }
            Self::Limit { .. } | Self::Trap(_) | Self::GaveUp(_) | Self::Service(_) => {
                "tell the merchant and whoever certified the service".into()
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
