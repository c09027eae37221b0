//! Renewal of a key: whoever holds a certified key has a new one certified before the old
//! certificate ends. The old key signs the request (PKCS#10) that the new one has signed, so that both
//! are shown to be in one hand; the same bytes again ask for the same certificate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cbor;
use crate::cert::{CertError, Certificate, Identity, Request, Role, Verifier};
use crate::clock::Timestamp;
use crate::cose::{self, CoseError, Signatory};
use crate::keys::Signs;

/// The domain that renewals are signed in.
pub const DOMAIN: &str = "renewal";
/// Largest renewal, in bytes.
pub const MOST: usize = 32 * 1024;
/// How long before a certificate's end its holder is told.
pub const WARNED: Duration = Duration::from_secs(28 * 86_400);

/// The part that is signed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// PKCS#10 in PEM.
    request: String,
}

/// A renewal whose signatures have been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Whoever asks, by the old certificate.
    pub old: Identity,
    /// The new key and the name, as the new key asks for them.
    pub new: Request,
}

impl Renewal {
    /// Has the old key ask for the new one to be certified under the same name.
    ///
    /// # Errors
    /// The chain is empty, or what keeps a key does not sign now.
    pub fn sign(
        old: &dyn Signs,
        chain: Vec<Certificate>,
        new: &dyn Signs,
    ) -> Result<Vec<u8>, CertError> {
        let leaf = chain.first().ok_or_else(|| CertError::Form("the chain is empty".into()))?;
        let request = Request::new(&leaf.subject(), new)?.pem().to_owned();
        let payload = cbor::encode(&Asked { request });
        Ok(cose::sign_by(old, &Signatory::Chain(chain), DOMAIN, &payload)?)
    }

    /// Verifies one of at most [`MOST`] bytes.
    ///
    /// # Errors
    /// A signature is wrong, or `verifier` does not believe the old certificate at that time.
    pub fn verify(bytes: &[u8], verifier: &Verifier, at: Timestamp) -> Result<Self, CoseError> {
        let parsed = cose::parse(bytes, DOMAIN, MOST)?;
        let roles: Vec<Role> = Role::all().collect();
        let (payload, old) = parsed.verify_identity_as(verifier, &roles, at)?;
        let asked: Asked = cbor::decode(&payload, MOST)?;
        Ok(Self { old, new: Request::from_pem(&asked.request)? })
    }
}

/// Whether a certificate that is valid until then has to be renewed soon.
pub fn is_due(until: Timestamp, now: Timestamp) -> bool {
    now.after(WARNED) >= until
}
