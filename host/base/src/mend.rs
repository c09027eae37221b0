//! Errors are pairs: what went wrong (`Display`) and what to do about it ([`Mend::mend`]).

/// What a person can do about an error.
pub trait Mend: std::error::Error {
    /// One sentence or command that mends it; empty when nothing but the message helps.
    fn mend(&self) -> String;

    /// Whether the input was wrong (exit code 2) rather than refused (exit code 1).
    fn is_input(&self) -> bool {
        false
    }
}
