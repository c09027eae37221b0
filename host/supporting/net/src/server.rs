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
use semper_keeper::Keeper;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::flight::Flight;
use crate::{clock, provider, runtime};

/// How long requests that are under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(10);
/// How long connections may stay open when no request is under way any more: answers are being
/// read, or somebody has connected and asks nothing.
const IDLE: Duration = Duration::from_millis(300);
/// How often it is looked whether they are closed.
const LOOK: Duration = Duration::from_millis(5);

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
#[derive(Debug, thiserror::Error, Mend)]
#[mend(input)]
pub enum ServeError {
    /// Somebody else has the port.
    #[error("the address {0} is in use")]
    #[mend("stop whatever listens there, or set another `listen` in the configuration")]
    InUse(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {detail}")]
    #[mend("set another `listen` in the configuration")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// Certificate and key do not fit.
    #[error("the server's certificate and key cannot be used: {0}")]
    #[mend("register the server's key with the authority again")]
    Tls(String),
}

/// Serves until the process gets SIGTERM or SIGINT, or until `keeper` ends; `ready` is called once
/// the port is open.
///
/// `keeper` is that of requests. It ends with the signal: a handler that holds a request listens
/// to its [`Ending`](semper_keeper::Ending) and answers at once. Requests under way may finish,
/// for ten seconds; then connections are closed, also those on which nobody asks anything. A
/// panic in a request is counted with `keeper` and costs that request alone (status 500).
///
/// # Errors
/// When the address cannot be listened on, or certificate and key cannot be used.
pub fn serve(
    router: Router,
    address: SocketAddr,
    identity: &TlsIdentity,
    keeper: &Keeper,
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
        // Before anybody learns that it serves, so that no signal is missed.
        let term = signal(SignalKind::terminate()).map_err(failed)?;
        let (handle, flight) = (Handle::new(), Flight::new(keeper));
        let stopped = stop(handle.clone(), flight.clone(), term);
        let router =
            router.layer(axum::middleware::from_fn_with_state(flight, crate::flight::watch));
        ready(bound);
        // Small answers go out at once: a delayed one costs 40 ms of every message.
        let acceptor = RustlsAcceptor::new(config).acceptor(NoDelayAcceptor::new());
        let server = axum_server::from_tcp(listener).map_err(failed)?.acceptor(acceptor);
        tokio::select! {
            served = server.handle(handle).serve(router.into_make_service()) => {
                served.map_err(failed)
            }
            // Connections that are still being made do not listen to the handle.
            () = stopped => Ok(()),
        }
    })
}

/// Waits for a signal or the keeper's end, then lets what is under way finish.
async fn stop(handle: Handle<SocketAddr>, flight: Flight, mut term: Signal) {
    let keeper = flight.keeper();
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        () = keeper.ending().over() => {}
    }
    tracing::info!("stopping: no new connections, requests under way finish");
    keeper.end();
    handle.graceful_shutdown(Some(GRACE));
    flight.landed().await;
    // Whoever has connected and asks nothing does not keep the process from ending.
    let closed = async {
        while handle.connection_count() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    let _ = tokio::time::timeout(IDLE, closed).await;
    // What has come in at the last moment may finish, too.
    flight.landed().await;
    handle.shutdown();
}

/// Looks whether certificate and key could be used, and belong together.
///
/// # Errors
/// When they cannot.
pub fn check(identity: &TlsIdentity) -> Result<(), ServeError> {
    tls(identity).map(drop)
}

fn tls(identity: &TlsIdentity) -> Result<rustls::ServerConfig, ServeError> {
    let wrong = |error: &dyn std::fmt::Display| ServeError::Tls(error.to_string());
    let chain: Vec<CertificateDer<'static>> =
        identity.chain.iter().map(|it| CertificateDer::from(it.der().to_vec())).collect();
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes())
        .map_err(|error| wrong(&error))?;
    let mut config = rustls::ServerConfig::builder_with_details(provider(), clock())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| wrong(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
