//! Places for work that blocks: each role has its own, so that one that hangs leaves the threads
//! of others alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use semper_keeper::{Health, Keeper, Spawn, State};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::outside::Outside;
use crate::web;

/// Pieces of work at once. All rooms of a process together stay below the 256 threads that
/// [`semper_net::runtime`] has for what blocks.
pub const PLACES: usize = 24;
/// Requests that wait for a place.
const WAITING: usize = 512;
/// How long they wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long all places may be taken by the same work.
const LONG: Duration = Duration::from_secs(10);

/// Places for work that blocks. Clones are the same room.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    /// Catches and counts panics.
    spawn: Arc<dyn Spawn>,
    outside: Arc<dyn Outside>,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Since when all places have been taken and none has become free.
    full: Mutex<Option<Instant>>,
}

/// Why a piece of work was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDone {
    /// All places are taken.
    Busy,
    /// It has panicked.
    Panicked,
}

impl IntoResponse for NotDone {
    fn into_response(self) -> Response {
        match self {
            Self::Busy => {
                web::refuse(StatusCode::SERVICE_UNAVAILABLE, "not now", "try again later")
            }
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

impl Room {
    /// A room of what this keeper keeps; panics are counted there.
    pub fn new(keeper: &Keeper, name: &str, outside: &Arc<dyn Outside>) -> Self {
        Self(Arc::new(Inner {
            name: format!("{}/{name}", keeper.name()),
            spawn: outside.spawn(keeper),
            outside: Arc::clone(outside),
            places: Arc::new(Semaphore::new(PLACES)),
            waiting: AtomicUsize::new(0),
            full: Mutex::default(),
        }))
    }

    /// Does a piece of work as soon as there is a place for it.
    pub async fn work<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let place = self.place().await?;
        // The place belongs to the work: it is free when the work is done, also when whoever
        // asked has left.
        let (say, heard) = oneshot::channel();
        self.0.outside.block(Box::new(move || {
            let (mut work, mut done) = (Some(work), None);
            // A panic leaves nothing done.
            let _ = place.0.spawn.caught(what, &mut || done = work.take().map(|work| work()));
            drop(place);
            // Whoever asked may have left.
            let _ = say.send(done);
        }));
        heard.await.ok().flatten().ok_or(NotDone::Panicked)
    }

    async fn place(&self) -> Result<Place, NotDone> {
        let waits = Waits::new(&self.0)?;
        let places = Arc::clone(&self.0.places);
        let permit = tokio::time::timeout(PATIENCE, places.acquire_owned()).await;
        drop(waits);
        match permit {
            Ok(Ok(permit)) => Ok(Place::new(&self.0, permit)),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(room = self.0.name, "a request finds no place");
                Err(NotDone::Busy)
            }
        }
    }

    /// Whether work gets done here.
    pub fn health(&self) -> Health {
        let full = self.0.full().map(|since| since.elapsed()).filter(|time| *time > LONG);
        let state = match full {
            Some(time) => {
                State::Ill(format!("all {PLACES} places are taken for {} s", time.as_secs()))
            }
            None => State::Well,
        };
        Health { name: self.0.name.clone(), state, panics: 0 }
    }
}

impl Inner {
    fn full(&self) -> MutexGuard<'_, Option<Instant>> {
        self.full.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken.
struct Place(Arc<Inner>, Option<OwnedSemaphorePermit>);

impl Place {
    fn new(room: &Arc<Inner>, permit: OwnedSemaphorePermit) -> Self {
        if room.places.available_permits() == 0 {
            room.full().get_or_insert_with(Instant::now);
        }
        Self(Arc::clone(room), Some(permit))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.full() = None;
        self.1 = None;
    }
}

/// One that waits for a place.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(room: &'a Inner) -> Result<Self, NotDone> {
        let waits = Self(&room.waiting);
        if waits.0.fetch_add(1, Ordering::Relaxed) < WAITING {
            Ok(waits)
        } else {
            Err(NotDone::Busy)
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
