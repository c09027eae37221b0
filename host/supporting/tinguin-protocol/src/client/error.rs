//! Why a TINGUIN did not do what a host asked of it.

use std::path::PathBuf;

use semper_base::Mend;

use crate::failure::{Cause, Failure};

/// Why the TINGUIN did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Mend)]
pub enum ClientError {
    /// It is not there, or is being restarted.
    #[error("the TINGUIN of {} does not answer: {detail}", home.display())]
    #[mend("start it in another terminal: semper tinguin --home {}", home.display())]
    Away {
        /// Whose home.
        home: PathBuf,
        /// What the socket said.
        detail: String,
    },
    /// It has not done it; [`Failure::cause`] says whose trouble that is.
    #[error("the TINGUIN refuses: {0}")]
    #[mend(from)]
    NotDone(Failure),
    /// It has not done it, and does not say whose trouble that is: TINGUINs before
    /// [`Reply::NotDone`](crate::Reply::NotDone) did not.
    #[error("the TINGUIN refuses: {what}")]
    #[mend("{mend}")]
    Failed {
        /// What went wrong.
        what: String,
        /// What to do about it.
        mend: String,
    },
    /// The person, or a rule of hers, said no.
    #[error("declined: {0}")]
    #[mend(none)]
    Declined(String),
}

impl ClientError {
    /// One of the two cannot read the other: a fault of ours, or two versions.
    pub(super) fn unreadable(what: impl Into<String>) -> Self {
        Self::NotDone(Failure::new(
            Cause::Malformed,
            what,
            "host and TINGUIN must be of one version",
        ))
    }
}
