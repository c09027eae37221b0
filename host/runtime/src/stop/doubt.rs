//! Doubts: we failed, or cannot tell. Nothing is decided on top of a doubt, and nobody is blamed.

use std::time::Duration;

use semper_archive::ArchiveError;
use semper_base::{Digest, Mend};
use semper_items::Side;
use semper_tinguin_protocol::ClientError;
use semper_tinguin_protocol::failure::{Cause, Failure};

/// A failure of this host, or a record that does not fit.
#[derive(Debug, Clone, thiserror::Error, Mend)]
pub enum Doubt {
    /// The component asked something else than its journal says it asked.
    #[error(
        "call {call} ({function}) of the component is not what the journal holds: \
         journal {journal}, component {component}"
    )]
    #[mend("{EXAMINED}")]
    Diverged {
        /// The record's number.
        call: u64,
        /// The function that the component called.
        function: String,
        /// The digest in the journal.
        journal: Digest,
        /// The digest of what the component asked.
        component: Digest,
    },
    /// A record of the journal is damaged: by its number.
    #[error("the journal is damaged at record {0}")]
    #[mend("{EXAMINED}")]
    Journal(u64),
    /// A message is not the one that the journal or the channel names.
    #[error("message {seq} of the {} is not what it should be: {why}", from.name())]
    #[mend("{EXAMINED}")]
    Message {
        /// The side that sent it.
        from: Side,
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The archive cannot be read or written.
    #[error(transparent)]
    #[mend(from)]
    Archive(ArchiveError),
    /// The TINGUIN cannot do what it was asked, for reasons of its own.
    #[error(transparent)]
    #[mend(from)]
    Tinguin(ClientError),
    /// A fault of this program.
    #[error("this host has failed: {0}")]
    #[mend("nothing was decided; start the host again, and tell its makers if it happens again")]
    Broken(String),
}

impl Doubt {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Diverged { .. } => "divergence",
            Self::Journal(_) => "damaged-journal",
            Self::Message { .. } => "damaged-message",
            Self::Archive(_) => "archive",
            Self::Tinguin(_) => "tinguin",
            Self::Broken(_) => "broken",
        }
    }

    /// The first and the longest pause before it is tried again; `None` where trying again, as
    /// long as nobody mends anything, comes to the same. The next start of the host tries in any
    /// case.
    pub fn pauses(&self) -> Option<(Duration, Duration)> {
        const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));
        match self {
            // Room on a disk, and the lock of another process, come back.
            Self::Archive(ArchiveError::Full(_) | ArchiveError::Sqlite { .. }) => Some(PAUSES),
            // Its disk or its key; what it refuses by a rule, it refuses for ever.
            Self::Tinguin(
                ClientError::NotDone(Failure {
                    cause: Cause::Trouble | Cause::Busy | Cause::Locked,
                    ..
                })
                | ClientError::Away { .. }
                | ClientError::Failed { .. },
            ) => Some(PAUSES),
            Self::Tinguin(ClientError::NotDone(_) | ClientError::Declined(_)) => None,
            Self::Archive(
                ArchiveError::Corrupt { .. }
                | ArchiveError::Newer { .. }
                | ArchiveError::JournalTaken { .. }
                | ArchiveError::Closed,
            )
            | Self::Diverged { .. }
            | Self::Journal(_)
            | Self::Message { .. }
            | Self::Broken(_) => None,
        }
    }
}

const EXAMINED: &str = "keep the archive as it is; export the deal and have it examined";
