//! Believing certificates: from a chain to an [`Identity`].

use std::sync::Arc;
use std::time::Duration;

use pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

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
    /// The authority that has issued it: the root, or one below.
    pub issuer: Certificate,
}

/// How far the clock of whoever issues a certificate may be before the clock of whoever verifies it.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5 * 60);

/// Most certificates of a chain, the root not counted.
const MAX_CHAIN: usize = 3;

/// Root certificates that are believed for some purpose. They verify nothing by themselves: whoever
/// verifies says first where it is known what they have withdrawn ([`Roots::asking`]).
#[derive(Clone, Debug, Default)]
pub struct Roots {
    roots: Vec<Certificate>,
}

/// Where it is known which certificates have been withdrawn.
#[derive(Clone, Debug)]
pub enum Revocation {
    /// Nobody is asked, for this reason.
    Unasked(&'static str),
    /// These lists are at hand. Whether they are new enough was decided before.
    Lists(Arc<[Crl]>),
    /// Somebody keeps lists, and knows which are new enough.
    Kept(Arc<dyn Withdrawals>),
}

impl Revocation {
    /// For evidence: it counts as of when it was made, and whoever took it then has asked.
    pub const EVIDENCE: Self = Self::Unasked("evidence counts as of when it was made");
    /// For a party's own certificate: it does not ask others whether it is itself.
    pub const OWN: Self = Self::Unasked("it is one's own");
    /// For what is made up as a whole: the evaluator's stage, tests.
    pub const STAGE: Self = Self::Unasked("everything here is played");

    /// By these lists.
    pub fn lists(lists: impl IntoIterator<Item = Crl>) -> Self {
        Self::Lists(lists.into_iter().collect())
    }

    /// The list of an authority that is good enough at a time; `None` if it needs none.
    ///
    /// # Errors
    /// There should be one, and there is none that is new enough at that time: why.
    pub fn list(&self, authority: &Certificate, at: Timestamp) -> Result<Option<Crl>, String> {
        match self {
            Self::Unasked(_) => Ok(None),
            Self::Lists(lists) => {
                let own = lists.iter().filter(|crl| crl.is_by(authority));
                Ok(own.max_by_key(|crl| crl.number()).cloned())
            }
            Self::Kept(keeper) => keeper.list(authority, at),
        }
    }
}

/// Keeps the revocation lists of authorities.
pub trait Withdrawals: std::fmt::Debug + Send + Sync {
    /// The newest list of an authority; `None` if no list of it is expected.
    ///
    /// # Errors
    /// There should be one, and there is none that is new enough at that time: why.
    fn list(&self, authority: &Certificate, at: Timestamp) -> Result<Option<Crl>, String>;
}

/// Verifies certificates: by roots, and by what they have withdrawn.
#[derive(Clone, Debug)]
pub struct Verifier {
    roots: Roots,
    revocation: Revocation,
}

impl Roots {
    /// A set of these roots.
    pub fn new(roots: Vec<Certificate>) -> Self {
        Self { roots }
    }

    /// Verifies by these roots, and asks there what they have withdrawn.
    pub fn asking(&self, revocation: Revocation) -> Verifier {
        Verifier { roots: self.clone(), revocation }
    }

    /// Whether a chain of authorities, each certified by the next, leads to one of these roots.
    pub fn certify(&self, chain: &[Certificate]) -> bool {
        chain.last().is_some_and(|last| self.roots.iter().any(|root| last.is_signed_by(root)))
            && chain.windows(2).all(|pair| pair[0].is_signed_by(&pair[1]))
    }

    /// The roots, in the order given.
    pub fn certificates(&self) -> &[Certificate] {
        &self.roots
    }
}

impl Verifier {
    /// The roots by which it verifies.
    pub const fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The identity in the first certificate of `chain`, if the path is valid at that time, ends at
    /// one of the roots, the leaf says `role`, and nothing of it was withdrawn by then.
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
        let issuers = self.roots.path(leaf, issuers, role, at)?;
        self.hold(leaf, &issuers, at)?;
        let root = issuers.last().ok_or_else(|| CertError::Form("the path is empty".into()))?;
        Ok(Identity {
            name: leaf.subject(),
            key: leaf.key()?,
            role,
            root: root.subject(),
            anchor: root.digest(),
            certificate: leaf.clone(),
            issuer: issuers.first().map_or_else(|| (*root).clone(), |it| (*it).clone()),
        })
    }

    /// As [`Verifier::verify`], in any of these roles. Where none is right, the error is about the role that
    /// the certificate has, if it has one of them.
    pub fn verify_as(
        &self,
        chain: &[Certificate],
        roles: &[Role],
        at: Timestamp,
    ) -> Result<Identity, CertError> {
        let mut why = None;
        for role in roles {
            match self.verify(chain, *role, at) {
                Err(error @ CertError::NotRole { .. }) => why = why.or(Some(error)),
                found => return found,
            }
        }
        Err(why.unwrap_or_else(|| CertError::Form("no role is wanted".into())))
    }

    /// Whether none of a valid path's certificates had been withdrawn at that time; each one's
    /// issuer is the next.
    fn hold(
        &self,
        leaf: &Certificate,
        issuers: &[&Certificate],
        at: Timestamp,
    ) -> Result<(), CertError> {
        if matches!(self.revocation, Revocation::Unasked(_)) {
            return Ok(());
        }
        let certificates = [leaf].into_iter().chain(issuers.iter().copied());
        for (certificate, issuer) in certificates.zip(issuers) {
            let subject = || certificate.subject();
            let list = self.revocation.list(issuer, at);
            let list = list.map_err(|why| CertError::Unknown { subject: subject(), why })?;
            if list.is_some_and(|list| list.withdraws(&certificate.serial(), at)) {
                return Err(CertError::Revoked { subject: subject() });
            }
        }
        Ok(())
    }
}

impl Roots {
    /// The issuers of a leaf whose path is valid, each after the one that it certifies; the root is
    /// the last.
    fn path<'a>(
        &'a self,
        leaf: &Certificate,
        issuers: &'a [Certificate],
        role: Role,
        at: Timestamp,
    ) -> Result<Vec<&'a Certificate>, CertError> {
        let subject = leaf.subject();
        // Whoever has issued a certificate a moment ago may have a clock before ours.
        let begins = issuers.iter().chain([leaf]).map(|it| it.validity().0).max().unwrap_or(at);
        let at = if at < begins && begins <= at.after(CLOCKS_DIFFER) { begins } else { at };
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
        let path = end
            .verify_for_usage(&algorithms, &anchors, &between, time, usage, None, None)
            .map_err(|error| match error {
            webpki::Error::RequiredEkuNotFoundContext(_) => {
                CertError::NotRole { subject: subject.clone(), role }
            }
            webpki::Error::UnknownIssuer => stranger(),
            other => failed(other.to_string()),
        })?;
        let mut used: Vec<&Certificate> = Vec::with_capacity(issuers.len() + 1);
        for between in path.intermediate_certificates() {
            used.extend(issuers.iter().find(|it| it.der() == &*between.der()));
        }
        let anchor = path.anchor();
        let mut roots = self.roots.iter().zip(&anchors);
        let root = roots.find(|(_, candidate)| {
            candidate.subject == anchor.subject
                && candidate.subject_public_key_info == anchor.subject_public_key_info
        });
        used.push(root.ok_or_else(|| failed("the path ends nowhere".into()))?.0);
        Ok(used)
    }
}
