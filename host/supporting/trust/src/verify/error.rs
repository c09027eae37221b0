//! Why terms are not accepted: each stage's failures, with offender and mend.

use semper_base::{Mend, Timestamp};

use crate::envelope::EnvelopeError;
use crate::layout::LayoutError;
use crate::policy::Refusal;
use crate::revocation::Reason;

/// Why terms are not accepted.
#[derive(Debug, thiserror::Error, Mend)]
pub enum TrustError {
    /// The bundle itself.
    #[error(transparent)]
    #[mend(from)]
    Layout(#[from] LayoutError),
    /// The description contradicts itself or the bundle.
    #[error("the terms are not consistent: {0}")]
    #[mend("the merchant must mend and sign them again")]
    Inconsistent(String),
    /// A signature.
    #[error("the {what} of the bundle: {source}")]
    #[mend("{STRANGER}")]
    Signature {
        /// The signed thing, such as `the terms`.
        what: &'static str,
        /// The fault of the signature.
        source: EnvelopeError,
    },
    /// Signed by another than the description names.
    #[error("the {what} are by “{said}”, but signed by “{signed}”")]
    #[mend("{STRANGER}")]
    OtherName {
        /// The signed thing: the terms or the service.
        what: &'static str,
        /// The name in the description.
        said: String,
        /// The certified name of the signer.
        signed: String,
    },
    /// Signed at a time that has not yet come.
    #[error("the {what} was made at {made}, which is still to come at {at}")]
    #[mend("check this machine's clock, or ask the merchant for new terms")]
    Future {
        /// The signed thing, such as `the terms`.
        what: &'static str,
        /// When it says that it was made.
        made: Timestamp,
        /// The time by the clock.
        at: Timestamp,
    },
    /// Outside their validity.
    #[error("the terms are valid from {from} to {to}, not at {at}")]
    #[mend("check this machine's clock, or ask the merchant for new terms")]
    Time {
        /// The start of their validity.
        from: Timestamp,
        /// The end of their validity.
        to: Timestamp,
        /// When they were looked at.
        at: Timestamp,
    },
    /// This machine's clock stands before a time that it has already seen signed.
    #[error("this machine's clock says {now}, but {seen} has already been")]
    #[mend("set the clock")]
    Clock {
        /// The time by the clock.
        now: Timestamp,
        /// The newest signed time seen.
        seen: Timestamp,
    },
    /// The merchant's older terms are presented again.
    #[error("the terms have serial number {got}, but number {seen} has been seen before")]
    #[mend("ask the merchant why it shows old terms")]
    Rollback {
        /// The serial number of these terms.
        got: u64,
        /// The highest serial number that was seen.
        seen: u64,
    },
    /// Taken back by whoever signed it.
    #[error("{what} of “{by}” has been revoked since {since}: {reason}")]
    #[mend("do not buy under them; ask the merchant for new ones")]
    Revoked {
        /// The thing that was taken back, such as `the terms`.
        what: &'static str,
        /// The name of the signer that took it back.
        by: String,
        /// The time from which it no longer holds.
        since: Timestamp,
        /// The reason that the signer gives.
        reason: Reason,
    },
    /// A list that must be asked is not there, or overdue.
    #[error("the revocation list of “{of}” {why}")]
    #[mend(
        "go on line and try again; offline = \"warn\" under [freshness] in the trust file \
         accepts old lists"
    )]
    Stale {
        /// The name of the list's signer.
        of: String,
        /// Missing, or overdue since when.
        why: String,
    },
    /// Not proved to be logged.
    #[error("the terms are not proved to be in a transparency log that you believe: {0}")]
    #[mend(
        "ask the merchant to have its terms logged (semper-sign log add), or lower \
         [transparency] in your trust file"
    )]
    Unlogged(String),
    /// What it wants is not granted.
    #[error(transparent)]
    #[mend(from)]
    Refused(#[from] Refusal),
}

const STRANGER: &str = "do not buy under them; if you know the merchant, add its authority to your \
     trust file";
