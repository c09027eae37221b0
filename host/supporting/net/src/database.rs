//! How a client of a database speaks TLS: 1.3, to a server that a root of its operator vouches for.
//! The root may be of any kind that TLS knows; databases have authorities of their own.

use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};

use crate::{clock, provider};

/// The configuration for servers that these roots (PEM) vouch for.
///
/// # Errors
/// When there is no root in it, or one that cannot be used; in words.
pub fn client_config(roots: &[u8]) -> Result<ClientConfig, String> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(roots) {
        let root = root.map_err(|error| error.to_string())?;
        store.add(root).map_err(|error| error.to_string())?;
    }
    if store.is_empty() {
        return Err("it holds no certificate".into());
    }
    let config = ClientConfig::builder_with_details(provider(), clock())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}
