//! Revocation lists of certification authorities (RFC 5280 §5).

use std::sync::{Arc, OnceLock};

use x509_cert::crl::CertificateList;
use x509_cert::der::{Decode as _, DecodePem as _, Encode as _, EncodePem as _, pem::LineEnding};
use x509_cert::ext::pkix::CrlNumber;

use super::verify::Roots;
use super::{CertError, Certificate, common_name, stamp};
use crate::clock::Timestamp;
use crate::digest::hex;
use crate::keys::PublicKey;

/// Largest list that is looked at, in bytes.
pub const MAX_CRL: usize = 1024 * 1024;

/// Authorities between a root and the one whose list it is, that one counted.
const MOST_BELOW: usize = 2;
/// Under the address of a list: the authority that signs it and those between it and its root, in
/// PEM.
pub const ISSUER: &str = "/issuer";

/// An authority's list of certificates that it has withdrawn.
#[derive(Clone)]
pub struct Crl {
    der: Vec<u8>,
    parsed: CertificateList,
    number: u64,
    /// The key that was found to have signed it, so that it is found once. An authority that is
    /// certified anew keeps its lists.
    by: Arc<OnceLock<PublicKey>>,
}

/// A certificate on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// Its serial number, lower-case hex.
    pub serial: String,
    /// The date from which it no longer counts.
    pub since: Timestamp,
}

impl Crl {
    /// Parses DER of at most [`MAX_CRL`] bytes. A list must have a number (RFC 5280 §5.2.3).
    pub fn from_der(der: &[u8]) -> Result<Self, CertError> {
        let form = |error: String| CertError::Form(format!("revocation list: {error}"));
        if der.len() > MAX_CRL {
            return Err(form(format!("{} bytes are too many", der.len())));
        }
        let parsed = CertificateList::from_der(der).map_err(|error| form(error.to_string()))?;
        let extensions = parsed.tbs_cert_list.crl_extensions.iter().flatten();
        let oid = <CrlNumber as x509_cert::der::oid::AssociatedOid>::OID;
        let number = extensions.clone().find(|it| it.extn_id == oid);
        let number = number
            .and_then(|it| CrlNumber::from_der(it.extn_value.as_bytes()).ok())
            .and_then(|it| {
                it.0.as_bytes()
                    .iter()
                    .try_fold(0_u64, |n, b| n.checked_mul(256)?.checked_add(u64::from(*b)))
            })
            .ok_or_else(|| form("it has no number".into()))?;
        Ok(Self { der: der.to_vec(), parsed, number, by: Arc::default() })
    }

    /// Parses one PEM block.
    pub fn from_pem(pem: &str) -> Result<Self, CertError> {
        let form = |error: x509_cert::der::Error| CertError::Form(error.to_string());
        let list: CertificateList = CertificateList::from_pem(pem).map_err(form)?;
        Self::from_der(&list.to_der().map_err(form)?)
    }

    /// The DER encoding, as it was signed.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The list as PEM text.
    pub fn to_pem(&self) -> String {
        self.parsed.to_pem(LineEnding::LF).expect("what parsed encodes")
    }

    /// The common name of the authority.
    pub fn issuer(&self) -> String {
        common_name(&self.parsed.tbs_cert_list.issuer)
    }

    /// Its number, which only rises.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// When it was issued.
    pub fn issued(&self) -> Timestamp {
        stamp(&self.parsed.tbs_cert_list.this_update)
    }

    /// When the next one is due; a list without that date is always overdue.
    pub fn next_update(&self) -> Timestamp {
        self.parsed.tbs_cert_list.next_update.as_ref().map_or_else(|| self.issued(), stamp)
    }

    /// The certificates that it withdraws.
    pub fn withdrawn(&self) -> Vec<Withdrawn> {
        let all = self.parsed.tbs_cert_list.revoked_certificates.iter().flatten();
        all.map(|it| Withdrawn {
            serial: hex(it.serial_number.as_bytes()),
            since: stamp(&it.revocation_date),
        })
        .collect()
    }

    /// Whether a certificate is on it, with a date that has come by then.
    pub fn withdraws(&self, serial: &str, at: Timestamp) -> bool {
        let all = self.parsed.tbs_cert_list.revoked_certificates.iter().flatten();
        let mut gone = all.filter(|it| stamp(&it.revocation_date) <= at);
        gone.any(|it| hex(it.serial_number.as_bytes()) == serial)
    }

    /// Whether this authority has signed it.
    pub fn is_by(&self, authority: &Certificate) -> bool {
        if !self.names(authority) {
            return false;
        }
        authority.key().is_ok_and(|key| self.is_by_key(key))
    }

    fn is_by_key(&self, key: PublicKey) -> bool {
        if let Some(known) = self.by.get() {
            return *known == key;
        }
        let signed = || {
            let tbs = self.parsed.tbs_cert_list.to_der().ok()?;
            key.verify(&tbs, self.parsed.signature.raw_bytes()).ok()
        };
        let signed = signed().is_some();
        if signed {
            self.by.get_or_init(|| key);
        }
        signed
    }

    /// Whether it is by whom another list is by, which was found to be somebody's.
    pub fn follows(&self, other: &Self) -> bool {
        let same = self.parsed.tbs_cert_list.issuer == other.parsed.tbs_cert_list.issuer;
        same && match (self.by.get(), other.by.get()) {
            (_, Some(key)) => self.is_by_key(*key),
            (Some(key), None) => other.is_by_key(*key),
            (None, None) => false,
        }
    }

    /// Whether it is a list of one of these roots, or of an authority below one: the first of
    /// `chain`, which leads to the root.
    pub fn is_believed(&self, roots: &Roots, chain: &[Certificate]) -> bool {
        let below = |first: &Certificate| {
            chain.len() <= MOST_BELOW
                && first.is_authority()
                && roots.certify(chain)
                && self.is_by(first)
        };
        roots.certificates().iter().any(|root| self.is_by(root)) || chain.first().is_some_and(below)
    }

    /// Whether it goes by this authority's name, whoever has signed it.
    pub fn names(&self, authority: &Certificate) -> bool {
        &self.parsed.tbs_cert_list.issuer == authority.parsed.tbs_certificate().subject()
    }
}

impl PartialEq for Crl {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Crl {}

impl std::fmt::Debug for Crl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crl({:?}, number {})", self.issuer(), self.number)
    }
}
