//! The certificate and key by which a server shows who it is. They can be replaced while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use semper_base::Certificate;

use crate::server::ServeError;
use crate::{clock, provider};

/// The certificate chain and key of a server.
#[derive(Clone)]
pub struct TlsIdentity {
    /// Leaf first.
    pub chain: Vec<Certificate>,
    /// PKCS#8 PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TlsIdentity({:?})", self.chain)
    }
}

/// What new connections are shown. Clones are replaced together.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<Shown>);

#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Credentials {
    /// Takes certificate and key, if they can be used and belong together.
    ///
    /// # Errors
    /// When they cannot.
    pub fn new(identity: &TlsIdentity) -> Result<Self, ServeError> {
        Ok(Self(Arc::new(Shown(RwLock::new(Arc::new(certified(identity)?))))))
    }

    /// From now on new connections are shown these. Connections that stand stay as they are.
    ///
    /// # Errors
    /// When they cannot be used: the old ones stay.
    pub fn replace(&self, identity: &TlsIdentity) -> Result<(), ServeError> {
        let new = Arc::new(certified(identity)?);
        *self.0.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    pub(crate) fn config(&self) -> Result<rustls::ServerConfig, ServeError> {
        let mut config = rustls::ServerConfig::builder_with_details(provider(), clock())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| ServeError::Tls(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.0) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certified(identity: &TlsIdentity) -> Result<CertifiedKey, ServeError> {
    let wrong = |error: &dyn std::fmt::Display| ServeError::Tls(error.to_string());
    let chain: Vec<CertificateDer<'static>> =
        identity.chain.iter().map(|it| CertificateDer::from(it.der().to_vec())).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
        .map_err(|error| wrong(&error))?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => ServeError::Pair,
        error => wrong(&error),
    })
}
