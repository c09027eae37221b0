//! A server: its roles, opened, and what they have in common while they run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use semper_base::{Digest, Timestamp};
use semper_keeper::{Bell, Health, Keeper, Post, Spawn as _, Turn};
use semper_net::{Credentials, Serving, TlsIdentity, serve_all};

use crate::config::{ConfigError, ServerConfig, TlsConfig};
use crate::health::{self, Ends, Metrics, Ward};
use crate::surroundings::Surroundings;

/// How long threads and tasks may take to end, once no request is under way.
const END: Duration = Duration::from_millis(500);

/// How often it is looked whether there is another certificate or key. The files are read: what
/// stands behind a link changes without any of its folders being touched.
const LOOK: Duration = Duration::from_secs(5);

/// A server whose roles are open.
#[derive(Debug)]
pub struct Server {
    keeper: Keeper,
    /// Ends before the roles' threads do: those who hold a request answer at once, and what is
    /// under way still finds its threads.
    requests: Keeper,
    router: Router,
    ward: Ward,
    metrics: Arc<Metrics>,
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
        let common = Surroundings::new(keeper, &requests, &metrics, &config.limits)
            .asking(config.revocation.as_ref());
        let (mut router, mut roles, mut arounds) = (Router::new(), Vec::new(), Vec::new());
        for configured in config.roles() {
            let around = common.of(configured.section());
            let role = configured.open(&around)?;
            router = router.merge(Arc::clone(&role).routes(&around));
            roles.push(role);
            arounds.push(around);
        }
        let ward = Ward::new(keeper, &common, roles);
        Ok(Self { keeper: keeper.clone(), requests, router, ward, metrics, _around: arounds })
    }

    /// How its threads, tasks, rooms and roles are, as `/healthz` says it.
    pub fn health(&self) -> Vec<Health> {
        self.ward.health()
    }

    /// Serves until SIGTERM, SIGINT or the keeper's end; then lets requests finish, and ends all
    /// threads and tasks. `ready` is called once the port is open. A new certificate and key are
    /// taken up when their files change, and at SIGHUP.
    ///
    /// # Errors
    /// When an address cannot be listened on, or certificate and key cannot be used.
    pub fn serve(
        self,
        config: &ServerConfig,
        ready: impl FnOnce(SocketAddr),
    ) -> Result<(), ConfigError> {
        let renewal = Renewal::begin(&config.tls, &self.metrics.ends)?;
        let serving = Serving {
            credentials: renewal.credentials.clone(),
            limits: config.limits.clone(),
            refusals: self.metrics.refusals.clone(),
            hangup: Bell::new(),
        };
        self.keeper.keep("tls", &serving.hangup, Box::new(renewal.turns()));
        let health = health::routes(&self.ward, &self.metrics);
        let routers = match config.metrics {
            Some(address) => vec![(config.listen, self.router), (address, health)],
            None => vec![(config.listen, self.router.merge(health))],
        };
        let served = serve_all(routers, &serving, &self.requests, |bound| {
            for address in &bound[1..] {
                tracing::info!(%address, "showing /healthz and /metrics");
            }
            ready(bound[0]);
        });
        self.keeper.end();
        for name in self.keeper.join(END) {
            tracing::warn!(name, "has not ended yet");
        }
        Ok(served?)
    }
}

/// Takes up a new certificate and key. A pair that cannot be used changes nothing: the old one
/// stays, and the server's health says so until there is a good one.
struct Renewal {
    files: TlsConfig,
    credentials: Credentials,
    ends: Ends,
    seen: Option<Digest>,
    is_ill: bool,
}

impl Renewal {
    /// Shows what stands in the files now.
    fn begin(files: &TlsConfig, ends: &Ends) -> Result<Self, ConfigError> {
        // Looked at first: what changes while it is read is read again.
        let seen = Self::look(files);
        let identity = files.identity()?;
        let credentials = Credentials::new(&identity)?;
        let this =
            Self { files: files.clone(), credentials, ends: ends.clone(), seen, is_ill: false };
        this.uses(&identity);
        Ok(this)
    }

    fn uses(&self, identity: &TlsIdentity) {
        if let Some(leaf) = identity.chain.first() {
            self.ends.uses("tls", leaf, Timestamp::now());
        }
    }

    /// What stands in both files now.
    fn look(files: &TlsConfig) -> Option<Digest> {
        let [certificate, key] = [&files.certificate, &files.key].map(std::fs::read);
        Some(Digest::of_parts(&[&certificate.ok()?, &key.ok()?]))
    }

    fn turns(mut self) -> impl FnMut(&Post) -> Turn + Send {
        move |post| {
            let now = Self::look(&self.files);
            let is_new = std::mem::replace(&mut self.seen, now) != now;
            // What is wrong may be mended without the contents being touched: a file's mode.
            if is_new || self.is_ill {
                self.take(post, is_new);
            }
            Turn::Wait(LOOK)
        }
    }

    fn take(&mut self, post: &Post, is_new: bool) {
        let new = self.files.identity();
        let taken = new.and_then(|it| {
            self.credentials.replace(&it)?;
            self.uses(&it);
            Ok(())
        });
        self.is_ill = taken.is_err();
        match taken {
            Ok(()) => {
                tracing::info!("a new certificate is shown to whoever connects from now on");
                post.well();
            }
            Err(error) => {
                if is_new {
                    tracing::error!(%error, "the new certificate and key are not used; the old ones stay");
                }
                post.ill("the new certificate and key cannot be used; the server's log says why");
            }
        }
    }
}
