//! Whom a client believes when a server shows its certificate.
//!
//! ```
//! use semper_base::cert::Roots;
//! use semper_net::{Believed, Client};
//!
//! // A bank, a merchant, a log: the authorities of the trust file, and nobody else.
//! let authorities = Roots::default();
//! let roles = Client::new(&authorities);
//! // A registry: also whom the operating system believes.
//! let registries = Client::new(Believed::authorities(&authorities).and_the_system());
//! # let _ = (roles, registries);
//! ```

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::verify_tls13_signature;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerIncompatible, RootCertStore,
    SignatureScheme,
};
use semper_base::cert::{Revocation, Roots, ServerRoot};
use semper_base::{Certificate, Timestamp};

use crate::provider;

/// How far a server's clock and ours may be apart: a certificate counts that has been valid until
/// so long ago, or will be valid so soon.
pub const CLOCKS_APART: Duration = Duration::from_secs(300);

/// Whom a client believes when a server shows its certificate. No client is made without it.
#[derive(Clone, Debug, Default)]
pub struct Believed {
    roots: Vec<ServerRoot>,
    system: bool,
    /// Where it is known which certificates the authorities have withdrawn.
    revocation: Option<Revocation>,
}

impl Believed {
    /// Nobody: for a client that is to reach nobody, and to which more is added.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// These authorities of semper's own, and nobody else.
    pub fn authorities(roots: &Roots) -> Self {
        Self::nobody().and(roots.certificates().iter().map(ServerRoot::from))
    }

    /// Also these roots, which somebody has named. Their keys may be RSA or ECDSA.
    #[must_use]
    pub fn and(mut self, roots: impl IntoIterator<Item = ServerRoot>) -> Self {
        self.roots.extend(roots);
        self
    }

    /// Also those that the operating system believes (`SSL_CERT_FILE` and `SSL_CERT_DIR` name
    /// others, as they do for `curl`).
    #[must_use]
    pub fn and_the_system(mut self) -> Self {
        self.system = true;
        self
    }

    /// None whose certificate an authority of semper's has withdrawn. What cannot be told now is no
    /// reason to refuse: the list itself comes over such a connection. Of certificates with RSA or
    /// ECDSA keys nothing is asked.
    #[must_use]
    pub fn asking(mut self, revocation: Revocation) -> Self {
        self.revocation = Some(revocation);
        self
    }

    /// What of the servers' certificates is looked at.
    pub(crate) fn verifier(&self) -> Arc<dyn ServerCertVerifier> {
        let mut store = RootCertStore::empty();
        for root in &self.roots {
            if let Err(error) = store.add(CertificateDer::from(root.der())) {
                tracing::warn!(root = root.subject(), %error, "root not usable for TLS");
            }
        }
        if self.system {
            store.add_parsable_certificates(system().iter().cloned());
        }
        let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider());
        // Only an empty store makes none; it believes nobody.
        let chains = chains.build().ok();
        let ders = self.roots.iter().map(ServerRoot::der);
        let roots = ders.filter_map(|der| Certificate::from_der(der).ok()).collect();
        Arc::new(Tolerant { chains, roots, revocation: self.revocation.clone() })
    }
}

impl From<&Roots> for Believed {
    fn from(roots: &Roots) -> Self {
        Self::authorities(roots)
    }
}

impl From<&Self> for Believed {
    fn from(believed: &Self) -> Self {
        believed.clone()
    }
}

/// The certificates of the system's store, read once a process, and only if they are wanted.
fn system() -> &'static [CertificateDer<'static>] {
    static SYSTEM: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let read = rustls_native_certs::load_native_certs();
        for error in read.errors {
            tracing::warn!(%error, "part of the system's certificate store cannot be read");
        }
        read.certs
    })
}

/// Looks at chains as the TLS library does, with a tolerance for clocks that are apart.
#[derive(Debug)]
struct Tolerant {
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// Those of semper's own kind.
    roots: Vec<Certificate>,
    revocation: Option<Revocation>,
}

impl Tolerant {
    /// Whether an authority is known to have withdrawn a certificate of a chain that is valid.
    fn is_withdrawn(&self, leaf: &[u8], between: &[CertificateDer<'_>], now: Duration) -> bool {
        let Some(revocation) = &self.revocation else { return false };
        let Ok(now) = Timestamp::from_secs(now.as_secs()) else { return false };
        let shown = [leaf].into_iter().chain(between.iter().map(|it| &**it));
        let shown: Vec<Certificate> =
            shown.filter_map(|der| Certificate::from_der(der).ok()).collect();
        // Each that is shown, with each that may have signed it: nobody hides one by showing more.
        shown.iter().any(|certificate| {
            let mut issuers = shown.iter().chain(&self.roots);
            issuers.any(|issuer| {
                certificate.is_signed_by(issuer)
                    && matches!(revocation.list(issuer, now), Ok(Some(list))
                        if list.withdraws(&certificate.serial(), now))
            })
        })
    }
}

impl ServerCertVerifier for Tolerant {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let chains = self.chains.as_ref().ok_or_else(unknown)?;
        let at = |time: Duration| {
            let time = UnixTime::since_unix_epoch(time);
            chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, time)
        };
        let now = Duration::from_secs(now.as_secs());
        if self.is_withdrawn(end_entity, intermediates, now) {
            return Err(Error::InvalidCertificate(CertificateError::Revoked));
        }
        let looked = at(now);
        let theirs = match &looked {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            )) => now + CLOCKS_APART,
            Err(Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            )) => now.saturating_sub(CLOCKS_APART),
            _ => return looked,
        };
        // What is wrong by both clocks is told by ours.
        at(theirs).or(looked)
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
