//! Why a request was not carried out, by the rule or the trouble that it was.

use rusqlite::ErrorCode;
use semper_tinguin_protocol::{Cause, Failure};

/// What cannot be read is not signed.
pub(crate) fn malformed(error: &impl ToString) -> Failure {
    unsigned(Cause::Malformed, error)
}

/// What can be read and is not what was agreed to, or is somebody else's, is not signed either.
pub(crate) fn unlike(error: &impl ToString) -> Failure {
    unsigned(Cause::Rule, error)
}

fn unsigned(cause: Cause, error: &impl ToString) -> Failure {
    let what = format!("will not be signed, it cannot be read: {}", error.to_string());
    Failure::new(cause, what, "the host or the service is at fault")
}

/// A rule forbids it.
pub(crate) fn refused(error: impl ToString, mend: &str) -> Failure {
    Failure::new(Cause::Rule, error.to_string(), mend)
}

/// The host contradicts what it has said before.
pub(crate) fn host_at_fault(what: impl Into<String>) -> Failure {
    Failure::new(Cause::Rule, what, "the host is at fault; do not go on with this deal")
}

/// The store is open, and does not work.
pub(crate) fn broken(error: &rusqlite::Error) -> Failure {
    let passing = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted)
    );
    store(if passing { Cause::Busy } else { Cause::Trouble }, error)
}

/// The store holds what this TINGUIN cannot read.
pub(crate) fn damaged(error: &impl ToString) -> Failure {
    store(Cause::Trouble, error)
}

fn store(cause: Cause, error: &impl ToString) -> Failure {
    let what = format!("the TINGUIN's own store cannot be used: {}", error.to_string());
    Failure::new(cause, what, "check the disk, then start the TINGUIN again")
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn a_store_that_is_in_use_is_busy_and_one_that_is_full_or_damaged_is_in_trouble() {
        let cause =
            |code| broken(&rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)).cause;

        assert_eq!(cause(ffi::SQLITE_BUSY), Cause::Busy);
        assert_eq!(cause(ffi::SQLITE_LOCKED), Cause::Busy);
        for code in [
            ffi::SQLITE_FULL,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_CANTOPEN,
        ] {
            assert_eq!(cause(code), Cause::Trouble, "{code}");
        }
    }
}
