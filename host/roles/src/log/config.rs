//! A log's configuration, and why one does not start or does not take a statement.

use std::path::PathBuf;

use semper_archive::HomeError;
use semper_base::cert::CertError;
use semper_base::text::counted;
use semper_base::{Mend, keys};
use semper_tlog::note::NoteError;
use semper_tlog::tree::TreeError;
use serde::Deserialize;

use super::KEY;

/// A log's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The home.
    pub home: PathBuf,
    /// Roots of those whose statements are accepted.
    pub authorities: Vec<PathBuf>,
    /// Witnesses that are asked to cosign.
    #[serde(default)]
    pub witness: Vec<WitnessAddress>,
    /// How many of them must have cosigned before a checkpoint is published.
    #[serde(default)]
    pub quorum: usize,
}

/// A witness.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessAddress {
    /// Its key, as it publishes it.
    pub key: String,
    /// Its address.
    pub url: String,
    /// The root behind its TLS certificate.
    pub root: PathBuf,
}

/// Why a log does not start, or does not take a statement.
#[derive(Debug, thiserror::Error, Mend)]
pub enum LogError {
    /// The home.
    #[error(transparent)]
    #[mend(from)]
    Home(#[from] HomeError),
    /// A certificate.
    #[error("{file}: {source}")]
    #[mend(input, "give PEM certificates under [tlog] authorities")]
    Certificate {
        /// Which file.
        file: String,
        /// What is wrong.
        source: CertError,
    },
    /// The private key file.
    #[error("{KEY} is not usable: {0}")]
    #[mend("{RESTORE}")]
    Key(#[from] keys::KeyError),
    /// A note or a key of one.
    #[error(transparent)]
    #[mend(input, "{RESTORE}")]
    Note(#[from] NoteError),
    /// The stored tree.
    #[error("the stored log is damaged: {0}")]
    #[mend("{RESTORE}")]
    Tree(#[from] TreeError),
    /// The store.
    #[error("the log's store cannot be used: {0}")]
    #[mend("{RESTORE}")]
    Sqlite(#[from] rusqlite::Error),
    /// A file.
    #[error("{name}: {source}")]
    #[mend("{RESTORE}")]
    Io {
        /// Which.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a statement that is accepted here.
    #[error("the statement is not accepted: {0}")]
    #[mend(
        "statements must be signed by a merchant, author or evaluator whom the log's \
         authorities vouch for"
    )]
    Refused(String),
    /// It cannot be said now whether a statement is accepted.
    #[error("the statement cannot be taken now: {0}")]
    #[mend("try again later; the log's operator looks after the authority's list")]
    Unsure(String),
    /// It cannot be logged now, for a reason that the log's operator finds in the server's log.
    #[error("the log cannot take statements now")]
    #[mend("try again later")]
    Later,
    /// Not enough witnesses.
    #[error("{}", cosigned(*got, *want))]
    #[mend("try again later")]
    Quorum {
        /// How many have.
        got: usize,
        /// How many must.
        want: usize,
    },
    /// A witness knows more of the log than the log itself.
    #[error(
        "the witness {witness} has cosigned {} of this log, which has {has}: it was put back from a \
         copy", counted(*seen, "entry", "entries")
    )]
    #[mend(
        "put back the newest log, with everything that belongs to it; what it has signed since the \
         copy was made cannot be signed again. For a third party: “After a restore” in \
         docs/fair-exchange-for-operators.md"
    )]
    Older {
        /// Which.
        witness: String,
        /// How many entries it has seen.
        seen: u64,
        /// How many there are.
        has: u64,
    },
    /// The log's writer has ended.
    #[error("the log does not take statements now")]
    #[mend("try again later")]
    Closed,
}

/// How many witnesses have cosigned, where more are wanted.
fn cosigned(got: usize, want: usize) -> String {
    match (got, want) {
        (0, 1) => "the witness that is wanted has not cosigned".into(),
        (got, want) => format!("only {got} of the {want} witnesses wanted have cosigned"),
    }
}

const RESTORE: &str = "restore the log's home from a backup";
