//! What a server gives to each of its roles: a keeper for its threads, places for work that
//! blocks, counters, what comes in from outside, and the word that the server is to end.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::response::{IntoResponse as _, Response};
use semper_archive::HomeError;
use semper_base::cert::{Revocation, Roots};
use semper_base::{Certificate, Clock};
use semper_keeper::{Ending, Health, Keeper, Spawn};
use semper_net::{Believed, Limits, Refusals};

use crate::budget::Budget;
use crate::health::Metrics;
use crate::outside::{Outside, System};
use crate::revocation::{self, RevocationConfig};
use crate::room::{NotDone, Room};

/// What a role finds around it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Keeps the role's threads and tasks.
    pub keeper: Keeper,
    /// The end of requests: whoever holds one answers at once. Threads end later, when no request
    /// is under way any more.
    pub requests: Ending,
    /// What comes in from outside of the server.
    pub outside: Arc<dyn Outside>,
    revocation: Option<Arc<RevocationConfig>>,
    /// What strangers may take of the server.
    pub limits: Limits,
    /// Counts those who were refused.
    pub refusals: Refusals,
    section: &'static str,
    metrics: Arc<Metrics>,
    rooms: Arc<Mutex<Vec<Room>>>,
}

impl Surroundings {
    /// What is around the roles of a server: `keeper` is the process's, `requests` ends first.
    pub(crate) fn new(
        keeper: &Keeper,
        requests: &Keeper,
        metrics: &Arc<Metrics>,
        limits: &Limits,
    ) -> Self {
        Self {
            limits: limits.clone(),
            refusals: metrics.refusals.clone(),
            keeper: keeper.clone(),
            requests: requests.ending().clone(),
            outside: System::shared(),
            revocation: None,
            section: "",
            metrics: Arc::clone(metrics),
            rooms: Arc::default(),
        }
    }

    /// The same, asking for revoked certificates as the server's file says.
    pub(crate) fn asking(self, revocation: Option<&RevocationConfig>) -> Self {
        Self { revocation: revocation.cloned().map(Arc::new), ..self }
    }

    /// Where a role with this home asks what these authorities have withdrawn, as the server's file says;
    /// the lists are fetched as long as somebody asks there.
    ///
    /// # Errors
    /// The home cannot keep them.
    pub fn revocation(&self, home: &Path, roots: &Roots) -> Result<Revocation, HomeError> {
        let Some(config) = &self.revocation else {
            tracing::warn!(
                "nobody is asked for revoked certificates: the server's file has no [revocation]"
            );
            return Ok(Revocation::Unasked("the server's file names no lists under [revocation]"));
        };
        let net = self.outside.net(&Believed::authorities(roots));
        revocation::keep(config, home, roots, net, self.clock(), &*self.spawn())
    }

    /// What is around one role without a server: for simulations, which call its routes themselves.
    pub fn alone(section: &'static str, outside: Arc<dyn Outside>) -> Self {
        let keeper = Keeper::new("server");
        let (requests, limits) = (keeper.child("requests"), Limits::default());
        let common = Self::new(&keeper, &requests, &Arc::default(), &limits);
        Self { outside, ..common }.of(section)
    }

    /// What the role takes time from.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.outside.clock()
    }

    /// Where the role's loops run.
    pub fn spawn(&self) -> Arc<dyn Spawn> {
        self.outside.spawn(&self.keeper)
    }

    /// The role has a certificate of its own: how long it is valid stands in the metrics.
    pub(crate) fn uses(&self, certificate: &Certificate) {
        self.metrics.ends.uses(self.section, certificate, self.clock().now());
    }

    /// What strangers may have stored by the role, as long as it stands.
    pub(crate) fn budget(&self) -> Budget {
        Budget::new(&self.limits, &self.refusals, self.clock())
    }

    /// The same for the role with this section.
    pub(crate) fn of(&self, section: &'static str) -> Self {
        Self { keeper: self.keeper.child(section), section, ..self.clone() }
    }

    /// A role with places of its own for what its handlers do: the state that they get.
    pub fn desk<R>(&self, role: Arc<R>) -> Desk<R> {
        self.desk_for("requests", role)
    }

    /// One of several such desks of a role, so that one kind of requests cannot take the places
    /// of another.
    pub fn desk_for<R>(&self, name: &str, role: Arc<R>) -> Desk<R> {
        let room = Room::new(&self.keeper, name, &self.outside);
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room.clone());
        Desk { role, room, section: self.section, metrics: Arc::clone(&self.metrics) }
    }

    /// How the places for requests are.
    pub(crate) fn rooms(&self) -> Vec<Health> {
        let rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.iter().map(Room::health).collect()
    }
}

/// A role as its handlers have it: what they do that blocks is done here, so much at a time, and
/// counted.
#[derive(Debug)]
pub struct Desk<R> {
    role: Arc<R>,
    room: Room,
    section: &'static str,
    metrics: Arc<Metrics>,
}

impl<R> Clone for Desk<R> {
    fn clone(&self) -> Self {
        Self {
            role: Arc::clone(&self.role),
            room: self.room.clone(),
            section: self.section,
            metrics: Arc::clone(&self.metrics),
        }
    }
}

impl<R> Deref for Desk<R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.role
    }
}

impl<R: Send + Sync + 'static> Desk<R> {
    /// Answers a request by work that blocks.
    pub async fn answer(
        &self,
        action: &'static str,
        work: impl FnOnce(&R) -> Response + Send + 'static,
    ) -> Response {
        let done = self.work(action, work).await;
        self.count(action, done.unwrap_or_else(|why| why.into_response()))
    }

    /// Does a part of an answer that blocks; [`Desk::count`] counts the whole.
    ///
    /// # Errors
    /// When all places are taken for long, or the work has panicked.
    pub async fn work<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&R) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let role = Arc::clone(&self.role);
        self.room.work(action, move || work(&role)).await
    }

    /// Counts an answer.
    pub fn count(&self, action: &'static str, response: Response) -> Response {
        self.metrics.outcome(self.section, action, response)
    }
}
