//! Believing certificates: from a chain to an [`Identity`].

use std::time::Duration;

use pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage,
    RevocationOptionsBuilder, UnknownStatusPolicy,
};

use super::{CertError, Certificate, Crl, Role};
use crate::clock::Timestamp;
use crate::digest::Digest;
use crate::keys::PublicKey;

/// An identity, as a believed certificate gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name that the certificate gives.
    pub name: String,
    /// The key that the certificate gives.
    pub key: PublicKey,
    /// The role that the holder may act in.
    pub role: Role,
    /// The name of the authority that vouches for it, from the root.
    pub root: String,
    /// The digest of the root that vouches for it.
    pub anchor: Digest,
    /// The certificate itself, without its chain.
    pub certificate: Certificate,
}

/// Most certificates of a chain, the root not counted.
const MAX_CHAIN: usize = 3;

/// Root certificates that are believed for some purpose, and what they have withdrawn.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    roots: Vec<Certificate>,
    crls: Vec<Crl>,
}

impl Roots {
    /// A set of these roots, with no withdrawals known.
    pub fn new(roots: Vec<Certificate>) -> Self {
        Self { roots, crls: Vec::new() }
    }

    /// With those of the lists that one of these roots has signed. How old a list may be is
    /// the caller's decision.
    #[must_use]
    pub fn with_crls(mut self, crls: impl IntoIterator<Item = Crl>) -> Self {
        let own = |crl: &Crl| self.roots.iter().any(|root| crl.is_by(root));
        self.crls = crls.into_iter().filter(own).collect();
        self
    }

    /// The roots, in the order given.
    pub fn certificates(&self) -> &[Certificate] {
        &self.roots
    }

    /// The identity in the first certificate of `chain`, if the path is valid at that time, ends at
    /// one of the roots, and the leaf says `role`.
    pub fn verify(
        &self,
        chain: &[Certificate],
        role: Role,
        at: Timestamp,
    ) -> Result<Identity, CertError> {
        let (leaf, issuers) =
            chain.split_first().ok_or_else(|| CertError::Form("the chain is empty".into()))?;
        if chain.len() > MAX_CHAIN {
            return Err(CertError::Long { subject: leaf.subject() });
        }
        let root = self.path(leaf, issuers, role, at)?;
        Ok(Identity {
            name: leaf.subject(),
            key: leaf.key()?,
            role,
            root: root.subject(),
            anchor: root.digest(),
            certificate: leaf.clone(),
        })
    }

    fn path(
        &self,
        leaf: &Certificate,
        issuers: &[Certificate],
        role: Role,
        at: Timestamp,
    ) -> Result<&Certificate, CertError> {
        let subject = leaf.subject();
        let (from, to) = leaf.validity();
        if at < from || at > to {
            return Err(CertError::Time { subject, from, to, at });
        }
        let failed = |why: String| CertError::Path { subject: subject.clone(), why };
        let stranger = || failed(format!("“{}” is not an authority believed here", leaf.issuer()));
        // Somebody else's chain is told by its names, before anything is computed.
        let mut chain = issuers.iter().chain([leaf]);
        if !chain.any(|it| self.roots.iter().any(|root| it.is_issued_by(root))) {
            return Err(stranger());
        }
        let anchored: Vec<CertificateDer<'_>> =
            self.roots.iter().map(|root| CertificateDer::from(root.der())).collect();
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
        let parsed: Vec<CertRevocationList<'_>> = self
            .crls
            .iter()
            .map(|crl| BorrowedCertRevocationList::from_der(crl.der()).map(Into::into))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(error.to_string()))?;
        let lists: Vec<&CertRevocationList<'_>> = parsed.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|it| {
            it.with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        let path = end
            .verify_for_usage(&algorithms, &anchors, &between, time, usage, revocation, None)
            .map_err(|error| match error {
                webpki::Error::CertRevoked => CertError::Revoked { subject: subject.clone() },
                webpki::Error::RequiredEkuNotFoundContext(_) => {
                    CertError::NotRole { subject: subject.clone(), role }
                }
                webpki::Error::UnknownIssuer => stranger(),
                other => failed(other.to_string()),
            })?;
        let anchor = path.anchor();
        self.roots
            .iter()
            .zip(&anchors)
            .find(|(_, candidate)| {
                candidate.subject == anchor.subject
                    && candidate.subject_public_key_info == anchor.subject_public_key_info
            })
            .map(|(root, _)| root)
            .ok_or_else(|| failed("the path ends nowhere".into()))
    }
}
