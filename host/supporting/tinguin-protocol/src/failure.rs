//! Why a request was not carried out, and whose trouble that is.

use serde::{Deserialize, Serialize};

/// Whose trouble it is that a request was not carried out. It decides whether asking again can
/// help, and whether anybody can be named for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// It cannot be done now: too much waits for the person, the store is in use by somebody
    /// else, a panic was caught, the TINGUIN is ending. Asked again, it may be done.
    Busy,
    /// The TINGUIN is locked: its keys are not in its memory. Once its person has typed her
    /// pass-phrase, it is done. Whoever asks waits for that, as for a decision.
    Locked,
    /// The TINGUIN's own store or key cannot be used: the disk is full, the store damaged or
    /// written by a newer version. Once somebody has mended that, it can be done.
    Trouble,
    /// A rule of the TINGUIN's: it does not do this, however often it is asked.
    Rule,
    /// What was to be opened was not sealed to the deal's key, or is not whole.
    Sealed,
    /// The request cannot be read: a fault of the program that asks.
    Malformed,
}

/// A request was not carried out.
#[derive(
    Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, semper_base::Mend,
)]
#[serde(deny_unknown_fields)]
#[error("{what}")]
#[mend("{mend}")]
pub struct Failure {
    /// Whose trouble it is.
    pub cause: Cause,
    /// What went wrong.
    pub what: String,
    /// What to do about it; may be empty.
    pub mend: String,
}

impl Failure {
    /// A failure with these words.
    pub fn new(cause: Cause, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { cause, what: what.into(), mend: mend.into() }
    }
}
