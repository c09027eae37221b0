//! Why terms are not accepted: each stage's failures, with offender and mend.

use semper_base::{Mend, Timestamp};

use crate::envelope::EnvelopeError;
use crate::layout::LayoutError;
use crate::policy::Refusal;
use crate::revocation::Reason;

/// Why terms are not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The bundle itself.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The description contradicts itself or the bundle.
    #[error("the terms are not consistent: {0}")]
    Inconsistent(String),
    /// A signature.
    #[error("the {what} of the bundle: {source}")]
    Signature {
        /// The signed thing, such as `the terms`.
        what: &'static str,
        /// The fault of the signature.
        source: EnvelopeError,
    },
    /// Signed by another than the description names.
    #[error("the {what} are by “{said}”, but signed by “{signed}”")]
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
    Clock {
        /// The time by the clock.
        now: Timestamp,
        /// The newest signed time seen.
        seen: Timestamp,
    },
    /// The merchant's older terms are presented again.
    #[error("the terms have serial number {got}, but number {seen} has been seen before")]
    Rollback {
        /// The serial number of these terms.
        got: u64,
        /// The highest serial number that was seen.
        seen: u64,
    },
    /// Taken back by whoever signed it.
    #[error("{what} of “{by}” has been revoked since {since}: {reason}")]
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
    Stale {
        /// The name of the list's signer.
        of: String,
        /// Missing, or overdue since when.
        why: String,
    },
    /// Not proved to be logged.
    #[error("the terms are not proved to be in a transparency log that you believe: {0}")]
    Unlogged(String),
    /// What it wants is not granted.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Mend for TrustError {
    fn mend(&self) -> String {
        match self {
            Self::Layout(error) => error.mend(),
            Self::Refused(refusal) => refusal.mend(),
            Self::Signature { .. } | Self::OtherName { .. } => {
                "do not buy under them; if you know the merchant, add its authority to your trust \
                 file"
                    .into()
            }
            Self::Time { .. } | Self::Future { .. } => {
                "check this machine's clock, or ask the merchant for new terms".into()
            }
            Self::Clock { .. } => "set the clock".into(),
            Self::Rollback { .. } => "ask the merchant why it shows old terms".into(),
            Self::Inconsistent(_) => "the merchant must mend and sign them again".into(),
            Self::Revoked { .. } => "do not buy under them; ask the merchant for new ones".into(),
            Self::Stale { .. } => {
                "go on line and try again; offline = \"warn\" under [freshness] in the trust file \
                 accepts old lists"
                    .into()
            }
            Self::Unlogged(_) => {
                "ask the merchant to have its terms logged (semper-sign log add), or lower \
                 [transparency] in your trust file"
                    .into()
            }
        }
    }
}
