//! Errors are pairs: what went wrong (`Display`) and what to do about it ([`Mend::mend`]).
//!
//! thiserror derives the one, [`derive(Mend)`](macro@Mend) the other. Each variant says how it is
//! mended:
//!
//! ```
//! use std::path::PathBuf;
//!
//! use semper_base::{AmountError, Mend};
//!
//! #[derive(Debug, thiserror::Error, Mend)]
//! enum ShopError {
//!     #[error("{} is open to others", .0.display())]
//!     #[mend(input, "chmod 600 {}", .0.display())]
//!     Loose(PathBuf),
//!     #[error("there are {count} errors in {file}")]
//!     #[mend(input, "mend the lines of {file}")]
//!     Lines { file: String, count: usize },
//!     #[error("the shop answers with status {0}")]
//!     #[mend(by = again)]
//!     Status(u16),
//!     #[error(transparent)]
//!     #[mend(from)]
//!     Amount(#[from] AmountError),
//!     #[error("the person said no")]
//!     #[mend(none)]
//!     Declined,
//! }
//!
//! fn again(status: &u16) -> String {
//!     if *status == 503 { "try again".into() } else { "ask the shop".into() }
//! }
//!
//! let loose = ShopError::Loose("anna".into());
//! assert_eq!((loose.mend().as_str(), loose.is_input()), ("chmod 600 anna", true));
//! let lines = ShopError::Lines { file: "articles.csv".into(), count: 2 };
//! assert_eq!(lines.mend(), "mend the lines of articles.csv");
//! assert_eq!(ShopError::Status(503).mend(), "try again");
//! let passed_on = ShopError::from(AmountError::Overflow);
//! assert_eq!((passed_on.mend().as_str(), passed_on.is_input()), ("use a smaller amount", true));
//! assert_eq!(ShopError::Declined.mend(), "");
//! ```
//!
//! A variant that says nothing does not compile, nor does one that passes on what is no error:
//!
//! ```compile_fail
//! # use semper_base::Mend;
//! #[derive(Debug, thiserror::Error, Mend)]
//! enum ShopError {
//!     #[error("the shop is closed")]
//!     #[mend("come again tomorrow")]
//!     Closed,
//!     #[error("the shop answers with status {0}")]
//!     Status(u16),
//! }
//! ```
//!
//! ```compile_fail
//! # use semper_base::Mend;
//! #[derive(Debug, thiserror::Error, Mend)]
//! #[error("the shop answers with status {0}")]
//! #[mend(from)]
//! struct Status(u16);
//! ```
//!
//! ```compile_fail
//! # use semper_base::{AmountError, Mend};
//! #[derive(Debug, thiserror::Error, Mend)]
//! #[error("{0} and {1}")]
//! #[mend(from)]
//! struct Two(AmountError, AmountError);
//! ```

use serde::Serialize;

use crate::text;

/// See [the module](self) for every form of the attribute.
pub use semper_mend::Mend;

/// The mend of an error: the thing that a person can do about it.
pub trait Mend: std::error::Error {
    /// One sentence or command that mends it; empty when nothing but the message helps.
    fn mend(&self) -> String;

    /// Whether the input was wrong (exit code 2) rather than refused (exit code 1).
    fn is_input(&self) -> bool {
        false
    }
}

/// An error as a command prints it, and the exit code that goes with it: 2 for wrong input,
/// 1 for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The error in one sentence.
    #[serde(rename = "error")]
    pub what: String,
    /// The mend; may be empty.
    pub mend: String,
    /// The exit code: 1 for a refusal, 2 for wrong input.
    pub code: u8,
}

impl Report {
    /// A report of wrong input, which exits with 2.
    pub fn input(what: impl ToString, mend: impl Into<String>) -> Self {
        Self { what: what.to_string(), mend: mend.into(), code: 2 }
    }

    /// A report of arguments that cannot be read, from what the library says to people: its error,
    /// and how the command is used.
    pub fn of_arguments(words: &str) -> Self {
        let (what, usage) = words.split_once("\n\n").unwrap_or((words, ""));
        let usage = usage.lines().find_map(|it| it.strip_prefix("Usage: ")).unwrap_or_default();
        let what: Vec<&str> = what.trim_start_matches("error: ").split_whitespace().collect();
        Self::input(what.join(" "), usage)
    }

    /// A report of a refusal, which exits with 1.
    pub fn refusal(what: impl ToString, mend: impl Into<String>) -> Self {
        Self { what: what.to_string(), mend: mend.into(), code: 1 }
    }
}

impl<E: Mend> From<E> for Report {
    fn from(error: E) -> Self {
        let code = if error.is_input() { 2 } else { 1 };
        Self { what: error.to_string(), mend: error.mend(), code }
    }
}

/// Words of an error, whoever they come from: nothing in them is obeyed by a terminal, and no line of
/// them looks like another error.
fn plain(words: &str) -> String {
    let lines: Vec<String> = words.lines().map(|line| text::shown(line, LONGEST_LINE)).collect();
    lines.join("\n  ")
}

/// Characters of one line of an error, at most.
const LONGEST_LINE: usize = 1_000;

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", plain(&self.what))?;
        if !self.mend.is_empty() {
            write!(f, "\n  try  {}", plain(&self.mend))?;
        }
        Ok(())
    }
}
