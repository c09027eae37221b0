//! A server: its roles, opened, and what they have in common while they run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use semper_keeper::{Health, Keeper};
use semper_net::{ServeError, TlsIdentity};

use crate::config::{ConfigError, ServerConfig};
use crate::health::{self, Metrics, Ward};
use crate::surroundings::Surroundings;

/// How long threads and tasks may take to end, once no request is under way.
const END: Duration = Duration::from_millis(500);

/// A server whose roles are open.
#[derive(Debug)]
pub struct Server {
    keeper: Keeper,
    /// Ends before the roles' threads do: those who hold a request answer at once, and what is
    /// under way still finds its threads.
    requests: Keeper,
    router: Router,
    ward: Ward,
    /// Keepers of roles live as long as somebody has them.
    _around: Vec<Surroundings>,
}

impl Server {
    /// Opens every role of a configuration; their threads and tasks run under `keeper`.
    ///
    /// # Errors
    /// The first role that does not start; the keeper has ended.
    pub fn open(config: &ServerConfig, keeper: &Keeper) -> Result<Self, ConfigError> {
        Self::open_roles(config, keeper).inspect_err(|_| keeper.end())
    }

    fn open_roles(config: &ServerConfig, keeper: &Keeper) -> Result<Self, ConfigError> {
        let requests = keeper.child("requests");
        let metrics = Arc::new(Metrics::default());
        let common =
            Surroundings::new(keeper, &requests, &metrics).asking(config.revocation.as_ref());
        let (mut router, mut roles, mut arounds) = (Router::new(), Vec::new(), Vec::new());
        for configured in config.roles() {
            let around = common.of(configured.section());
            let role = configured.open(&around)?;
            router = router.merge(Arc::clone(&role).routes(&around));
            roles.push(role);
            arounds.push(around);
        }
        let ward = Ward::new(keeper, &common, roles);
        let router = router.merge(health::routes(&ward, &metrics));
        Ok(Self { keeper: keeper.clone(), requests, router, ward, _around: arounds })
    }

    /// How its threads, tasks, rooms and roles are, as `/healthz` says it.
    pub fn health(&self) -> Vec<Health> {
        self.ward.health()
    }

    /// Serves until SIGTERM, SIGINT or the keeper's end; then lets requests finish, and ends all
    /// threads and tasks. `ready` is called once the port is open.
    ///
    /// # Errors
    /// When the address cannot be listened on, or certificate and key cannot be used.
    pub fn serve(
        self,
        listen: SocketAddr,
        identity: &TlsIdentity,
        ready: impl FnOnce(SocketAddr),
    ) -> Result<(), ServeError> {
        let served = semper_net::serve(self.router, listen, identity, &self.requests, ready);
        self.keeper.end();
        for name in self.keeper.join(END) {
            tracing::warn!(name, "has not ended yet");
        }
        served
    }
}
