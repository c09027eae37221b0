//! Errors are pairs: what went wrong (`Display`) and what to do about it ([`Mend::mend`]).

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The error in one sentence.
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

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.what)?;
        if !self.mend.is_empty() {
            write!(f, "\n  try  {}", self.mend)?;
        }
        Ok(())
    }
}
