//! Certificates that vouch for TLS servers, whatever kind of key they have.

use std::fmt;

use pki_types::CertificateDer;
use pki_types::pem::PemObject as _;
use x509_cert::der::Decode as _;

use super::{CertError, common_name};

/// Largest root that is looked at, in bytes: one with an RSA key of 8192 bits fits.
const MAX_ROOT: usize = 16 * 1024;

/// A root certificate for TLS alone: its key may be RSA, ECDSA or Ed25519.
///
/// Signatures of semper's own are Ed25519, and what vouches for them is a
/// [`Certificate`](super::Certificate). A root of this type vouches for the way to a server, and
/// for nothing that anybody has signed.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerRoot {
    der: Vec<u8>,
}

impl ServerRoot {
    /// Parses DER, as far as path validation needs it.
    ///
    /// # Errors
    /// When it is no certificate, or too large.
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        if der.len() > MAX_ROOT {
            return Err(CertError::Form(format!("{} bytes are too many", der.len())));
        }
        webpki::anchor_from_trusted_cert(&CertificateDer::from(der))
            .map_err(|error| CertError::Form(error.to_string()))?;
        Ok(Self { der: der.to_vec() })
    }

    /// Every certificate of a PEM text, whatever stands between them; at least one.
    ///
    /// # Errors
    /// When there is none, or one of them is no certificate.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, CertError> {
        let all: Vec<Self> = CertificateDer::pem_slice_iter(text.as_bytes())
            .map(|der| Self::from_der(&der.map_err(|error| CertError::Form(error.to_string()))?))
            .collect::<Result<_, _>>()?;
        if all.is_empty() {
            return Err(CertError::Form("there is no PEM certificate in it".into()));
        }
        Ok(all)
    }

    /// The DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The common name of the subject, for people.
    pub fn subject(&self) -> String {
        let parsed = x509_cert::Certificate::from_der(&self.der);
        parsed.map_or_else(
            |_| "(no name)".to_owned(),
            |it| common_name(it.tbs_certificate().subject()),
        )
    }
}

impl From<&super::Certificate> for ServerRoot {
    fn from(certificate: &super::Certificate) -> Self {
        Self { der: certificate.der().to_vec() }
    }
}

impl fmt::Debug for ServerRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerRoot({:?})", self.subject())
    }
}
