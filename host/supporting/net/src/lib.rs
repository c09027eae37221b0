//! Links between hosts: HTTPS with TLS 1.3 and nothing less, bounded at both ends.
//!
//! | module | what it is for |
//! |---|---|
//! | [`believed`] | whom a client believes when a server shows its certificate |
//! | [`shown`] | what is wrong with the certificate that a server has shown |
//! | [`carry`] | how requests travel: by TLS 1.3, or as a simulation carries them |
//! | [`client`] | requests to a merchant, bank or authority: blocking, with timeouts and limits |
//! | `proxy` | the way to a server: straight, or through the environment's proxy |
//! | `sent` | a body that is being sent, and how long ago some of it last went out |
//! | [`server`] | serving axum routers with TLS until SIGTERM, then letting requests finish |
//! | [`local`] | serving programs of this machine, on the loopback address alone |
//! | [`limits`] | what strangers may take of a server: the one place for every bound |
//! | `guests` | who is connected, who has to make room, who keeps us waiting too long |
//! | `flight` | requests under way: how many there are, and what a panic in one costs |
//! | `credentials` | the certificate and key of a server, which can be replaced while it runs |
//! | [`refusals`] | those who were refused, counted and logged at a bounded rate |
//! | [`stream`] | files as answers, read as they are taken |
//! | [`database`] | TLS to a database |
//!
//! TLS protects the way; who speaks is settled by signatures above it. rustls is built without
//! TLS 1.2, so there is nothing to be downgraded to.
#![forbid(unsafe_code)]

pub mod believed;
pub mod carry;
pub mod client;
mod credentials;
pub mod database;
mod flight;
mod guests;
pub mod limits;
pub mod local;
mod proxy;
pub mod refusals;
mod sent;
pub mod server;
pub mod shown;
pub mod stream;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use semper_base::Timestamp;

pub use believed::{Believed, CLOCKS_APART};
pub use carry::{Bounds, Carry, Until};
pub use client::{Ask, Client, Method, NetError, Reply, Response};
pub use limits::Limits;
pub use refusals::{Refusals, Refused};
pub use server::{Credentials, Peer, ServeError, Serving, TlsIdentity, serve, serve_all};
pub use shown::Shown;

/// The one tokio runtime of a process; drivers block on it from plain threads.
pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .max_blocking_threads(256)
            .build()
            .expect("the operating system gives threads")
    })
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// The clock that says whether a TLS certificate is still valid: the one that everything else in
/// this process goes by.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(Timestamp::now().millis())))
    }
}

pub(crate) fn clock() -> Arc<dyn TimeProvider> {
    Arc::new(Clock)
}
