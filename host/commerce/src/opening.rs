//! Drivers of the opening: they carry out what `semper_transfer::opening` decides.

mod buyer;
mod merchant;
mod pending;

use semper_archive::ArchiveError;
use semper_base::cbor::CborError;
use semper_base::{Digest, Mend};
use semper_items::Agreement;
use semper_items::agreement::{AgreementError, MAX_SIGNED};
use semper_net::NetError;
use semper_tinguin_protocol::{ClientError, DealContext};
use semper_transfer::opening::{Event, Refusal};
use semper_trust::VerifiedTerms;

use semper_runtime::stop::Stop;

use crate::host::Host;
use crate::terms::TermsError;

pub use merchant::Forgotten;
pub use pending::{Pending, Stage, leave, pending};

/// Media type of HELLO.
pub const HELLO: &str = "application/vnd.semper.hello.v1+cbor";
/// Media type of signed agreements.
pub const AGREEMENT: &str = "application/vnd.semper.agreement.v1";
/// Largest HELLO.
pub const MAX_HELLO: usize = 4096;

/// Why a deal is not open.
#[derive(Debug, thiserror::Error, Mend)]
pub enum OpeningError {
    /// One side refused.
    #[error("the deal was not opened: {0}")]
    #[mend(by = after)]
    Refused(Refusal),
    /// The other side's agreement.
    #[error(transparent)]
    #[mend("{LEAVE}")]
    Agreement(#[from] AgreementError),
    /// Not HELLO, or not canonical.
    #[error("not an opening: {0}")]
    #[mend("{LEAVE}")]
    Form(#[from] CborError),
    /// The TINGUIN.
    #[error(transparent)]
    #[mend(from)]
    Tinguin(#[from] ClientError),
    /// The way.
    #[error(transparent)]
    #[mend(from)]
    Net(#[from] NetError),
    /// The archive.
    #[error(transparent)]
    #[mend(from)]
    Archive(#[from] ArchiveError),
    /// Terms.
    #[error(transparent)]
    #[mend(from)]
    Terms(#[from] TermsError),
    /// Starting the deal.
    #[error(transparent)]
    #[mend(from)]
    Stop(#[from] Stop),
    /// The merchant answers something that is no answer.
    #[error("the merchant answers with status {0}")]
    #[mend("{LEAVE}")]
    Status(u16),
    /// Nobody at the other side opens deals now.
    #[error("the other side's host answers, but cannot open the deal now")]
    #[mend("buy again later")]
    Stuck,
    /// The buyer has signed, and whether the deal is open is not known yet.
    #[error(
        "you have signed the agreement with {peer}, and whether the deal is open is not known yet: {why}"
    )]
    #[mend("semper deals --resume asks again; semper cancel {} leaves it", nonce.short())]
    Unconfirmed {
        /// The merchant.
        peer: String,
        /// By which it is found.
        nonce: Digest,
        /// Why it is not known.
        why: Box<OpeningError>,
    },
}

const LEAVE: &str = "do not deal with this host; it does not keep to the protocol";

/// What to do after a refusal.
fn after(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoPayment { .. } => {
            "open an account where the merchant has one: semper account open; the home pays from it then"
                .into()
        }
        Refusal::Clock { .. } => "set the clock".into(),
        Refusal::Certificate(_) => {
            "semper renew; where it is over or revoked, semper register".into()
        }
        Refusal::UnknownTerms(_) => "fetch the merchant's terms again".into(),
        _ => "nothing was ordered; you may open another deal".into(),
    }
}

/// What our own archive holds of an opening cannot be read: that says nothing about the other side.
fn damaged(why: &dyn std::fmt::Display) -> OpeningError {
    Stop::broken(format!("a stored opening: {why}")).into()
}

/// Largest stored state of an opening.
const MAX_STATE: usize = 4 * MAX_SIGNED;

/// By what the TINGUIN knows the question whether to open this deal.
fn question(nonce: Digest, agreement: &Agreement) -> Digest {
    let id = agreement.id();
    Digest::of_parts(&[b"semper/agreement/v1", nonce.as_bytes(), id.digest().as_bytes()])
}

/// Has the TINGUIN sign an agreement: what comes of it, as an event.
fn sign(
    host: &Host,
    nonce: Digest,
    agreement: &Agreement,
    terms: &VerifiedTerms,
    known: bool,
) -> Result<Event, OpeningError> {
    let service = terms.service();
    let context = DealContext {
        service: format!("{} {}", service.name, service.version),
        // Certificates that do not reach the threshold certify nothing.
        certified_by: if terms.grants().certified { terms.certified_by() } else { Vec::new() },
        known,
        warnings: terms.warnings().to_vec(),
        begun_by: host.begun_by(nonce),
    };
    match host.tinguin().sign_agreement(question(nonce, agreement), agreement, context) {
        Ok(token) => Ok(Event::Signed(token)),
        Err(ClientError::Declined(why)) => Ok(Event::Declined(why)),
        Err(other) => Err(other.into()),
    }
}
