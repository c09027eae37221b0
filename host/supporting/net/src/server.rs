//! Serving: an axum router over TLS 1.3, until SIGTERM or Ctrl-C.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use semper_base::{Certificate, Mend};

use crate::{provider, runtime};

/// How long requests that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(10);

/// The certificate chain and key of a server.
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

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Somebody else has the port.
    #[error("the address {0} is in use")]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {detail}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// Certificate and key do not fit.
    #[error("the server's certificate and key cannot be used: {0}")]
    Tls(String),
}

impl Mend for ServeError {
    fn mend(&self) -> String {
        match self {
            Self::InUse(_) => {
                "stop whatever listens there, or set another `listen` in the configuration".into()
            }
            Self::Listen { .. } => "set another `listen` in the configuration".into(),
            Self::Tls(_) => "register the server's key with the authority again".into(),
        }
    }

    fn is_input(&self) -> bool {
        true
    }
}

/// Serves until the process is told to stop; `ready` is called once the port is open.
pub fn serve(
    router: Router,
    address: SocketAddr,
    identity: &TlsIdentity,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let config = RustlsConfig::from_config(Arc::new(tls(identity)?));
    let listener = std::net::TcpListener::bind(address).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::InUse(address),
        _ => ServeError::Listen { address, detail: error.to_string() },
    })?;
    let failed = |error: std::io::Error| ServeError::Listen { address, detail: error.to_string() };
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    runtime().block_on(async move {
        let handle = Handle::new();
        tokio::spawn(stop(handle.clone()));
        ready(bound);
        // Small answers go out at once: a delayed one costs 40 ms of every message.
        let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
        axum_server::from_tcp(listener)
            .map_err(failed)?
            .acceptor(acceptor)
            .handle(handle)
            .serve(router.into_make_service())
            .await
            .map_err(failed)
    })
}

/// Waits for SIGTERM or SIGINT, then lets what is under way finish.
async fn stop(handle: Handle<SocketAddr>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping: no new connections, requests under way finish");
    handle.graceful_shutdown(Some(GRACE));
}

fn tls(identity: &TlsIdentity) -> Result<rustls::ServerConfig, ServeError> {
    let wrong = |error: &dyn std::fmt::Display| ServeError::Tls(error.to_string());
    let chain: Vec<CertificateDer<'static>> =
        identity.chain.iter().map(|it| CertificateDer::from(it.der().to_vec())).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
        .map_err(|error| wrong(&error))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
