//! Believing certificates: from a chain to an [`Identity`].

use std::time::Duration;

use pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::{CertError, Certificate, Role};
use crate::clock::Timestamp;
use crate::keys::PublicKey;

/// Who somebody is, as a believed certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certified name.
    pub name: String,
    /// The certified key.
    pub key: PublicKey,
    /// What the holder may act as.
    pub role: Role,
    /// Who vouches for it: the name in the root.
    pub root: String,
    /// The leaf itself.
    pub certificate: Certificate,
}

/// Root certificates that are believed for some purpose.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<Certificate>);

impl Roots {
    /// These roots.
    pub fn new(roots: Vec<Certificate>) -> Self {
        Self(roots)
    }

    /// The roots, in the order given.
    pub fn certificates(&self) -> &[Certificate] {
        &self.0
    }

    /// Who the first certificate of `chain` names, if the path is valid at that time, ends at
    /// one of the roots, and the leaf says `role`.
    pub fn verify(
        &self,
        chain: &[Certificate],
        role: Role,
        at: Timestamp,
    ) -> Result<Identity, CertError> {
        let (leaf, issuers) =
            chain.split_first().ok_or_else(|| CertError::Form("the chain is empty".into()))?;
        let root = self.path(leaf, issuers, role, at)?;
        Ok(Identity {
            name: leaf.subject(),
            key: leaf.key()?,
            role,
            root,
            certificate: leaf.clone(),
        })
    }

    fn path(
        &self,
        leaf: &Certificate,
        issuers: &[Certificate],
        role: Role,
        at: Timestamp,
    ) -> Result<String, CertError> {
        let subject = leaf.subject();
        let (from, to) = leaf.validity();
        if at < from || at > to {
            return Err(CertError::Time { subject, from, to, at });
        }
        let failed = |why: String| CertError::Path { subject: subject.clone(), why };
        let anchored: Vec<CertificateDer<'_>> =
            self.0.iter().map(|root| CertificateDer::from(root.der())).collect();
        let anchors: Vec<TrustAnchor<'_>> = anchored
            .iter()
            .map(webpki::anchor_from_trusted_cert)
            .collect::<Result<_, _>>()
            .map_err(|error| failed(error.to_string()))?;
        let between: Vec<CertificateDer<'_>> =
            issuers.iter().map(|cert| CertificateDer::from(cert.der())).collect();
        let der = CertificateDer::from(leaf.der());
        let end = EndEntityCert::try_from(&der).map_err(|error| failed(error.to_string()))?;
        let usage = KeyUsage::required(role.oid().as_bytes());
        let time = UnixTime::since_unix_epoch(Duration::from_millis(at.millis()));
        let algorithms = [webpki::ring::ED25519];
        let path = end
            .verify_for_usage(&algorithms, &anchors, &between, time, usage, None, None)
            .map_err(|error| match error {
            webpki::Error::RequiredEkuNotFoundContext(_) => {
                CertError::NotRole { subject: subject.clone(), role }
            }
            webpki::Error::UnknownIssuer => {
                failed(format!("“{}” is not an authority believed here", leaf.issuer()))
            }
            other => failed(other.to_string()),
        })?;
        let anchor = path.anchor();
        self.0
            .iter()
            .zip(&anchors)
            .find(|(_, candidate)| candidate.subject == anchor.subject)
            .map(|(root, _)| root.subject())
            .ok_or_else(|| failed("the path ends nowhere".into()))
    }
}
