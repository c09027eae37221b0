//! Deals that are being opened: who waits for them, going on with them, leaving them.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_base::{DealId, Digest, Report};
use semper_commerce::opening::{self, OpeningError, Pending, Stage};
use semper_commerce::{Host, Stop};
use semper_host_protocol::Refusal;
use semper_keeper::Keeper;
use semper_trust::VerifiedTerms;

use semper_host_protocol::Gone;

/// Pauses between tries to go on with an opening.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// What has come of an opening: a deal, or nothing.
type Outcome = Result<Option<DealId>, Refusal>;

/// The openings of a host.
pub(crate) struct Openings {
    host: Arc<Host>,
    keeper: Keeper,
    under_way: Mutex<HashMap<Digest, Waiting>>,
    changed: Condvar,
}

/// An opening that somebody works on.
#[derive(Default)]
struct Waiting {
    /// Clients that have begun it and wait for it: it is left when they have gone.
    wanted: usize,
    /// Clients that wait for it.
    heard: usize,
    /// Nobody works on it now.
    outcome: Option<Outcome>,
    /// It is tried again later, whatever has come of it by now.
    is_retried: bool,
    /// A client has begun it, and does not follow it yet.
    is_begun: bool,
}

impl Waiting {
    /// Whether nobody works on it, and nobody will ask what has come of it.
    const fn is_done_with(&self) -> bool {
        self.outcome.is_some() && self.heard == 0 && !self.is_retried && !self.is_begun
    }
}

impl Openings {
    pub fn new(host: &Arc<Host>, keeper: &Keeper) -> Self {
        let (host, keeper) = (Arc::clone(host), keeper.clone());
        Self { host, keeper, under_way: Mutex::default(), changed: Condvar::new() }
    }

    /// How many are under way.
    pub fn count(&self) -> usize {
        self.all().values().filter(|it| it.outcome.is_none() || it.is_retried).count()
    }

    /// Whether somebody works on an opening, or waits for what has come of it.
    pub fn knows(&self, nonce: Digest) -> bool {
        self.all().contains_key(&nonce)
    }

    /// Goes on with every opening that an earlier run of the host has left.
    pub fn resume(self: &Arc<Self>) -> Result<(), OpeningError> {
        for it in opening::pending(self.host.archive())? {
            self.go_on(it.nonce);
        }
        Ok(())
    }

    /// Opens a deal. Whoever begins it follows it then ([`Openings::follow`]): until he does, what has
    /// come of it is kept for him.
    pub fn begin(self: &Arc<Self>, nonce: Digest, terms: &Arc<VerifiedTerms>, address: &str) {
        self.all().entry(nonce).or_default().is_begun = true;
        let (this, terms, address) = (Arc::clone(self), Arc::clone(terms), address.to_owned());
        self.work(nonce, move || {
            let opened = this.host.open_named(nonce, &terms, &address);
            let unconfirmed = matches!(opened, Err(OpeningError::Unconfirmed { .. }));
            this.settle(nonce, opened.map(Some).map_err(|error| Report::from(error).into()));
            if unconfirmed {
                // The merchant may have opened it: this is found out, whoever waits.
                this.go_on(nonce);
            }
        });
    }

    /// Goes on with an opening until it is known what has come of it.
    fn go_on(self: &Arc<Self>, nonce: Digest) {
        let this = Arc::clone(self);
        self.work(nonce, move || {
            let mut pause = PAUSES.0;
            loop {
                let error = match this.host.resume_opening(nonce) {
                    Ok(outcome) => return this.settle(nonce, Ok(outcome)),
                    Err(error) => error,
                };
                // Whoever waits hears of it now.
                this.put_off(nonce, Report::from(error).into());
                if !this.keeper.ending().pause(pause) {
                    return;
                }
                pause = (pause * 2).min(PAUSES.1);
                this.all().entry(nonce).or_default().outcome = None;
            }
        });
    }

    fn work(self: &Arc<Self>, nonce: Digest, work: impl FnOnce() + Send + 'static) {
        self.all().entry(nonce).or_default().outcome = None;
        let this = Arc::clone(self);
        let name = format!("opening {}", nonce.short());
        let job = move || {
            let done = this.keeper.caught("an opening", work);
            if let Err(panicked) = done {
                let why = Report::from(OpeningError::from(Stop::broken(panicked.to_string())));
                this.settle(nonce, Err(why.into()));
            }
        };
        drop(self.keeper.job(&name, move |_| job()));
    }

    /// It could not be gone on with, and is tried again later.
    fn put_off(&self, nonce: Digest, why: Refusal) {
        let mut all = self.all();
        let waiting = all.entry(nonce).or_default();
        (waiting.outcome, waiting.is_retried) = (Some(Err(why)), true);
        drop(all);
        self.changed.notify_all();
    }

    fn settle(&self, nonce: Digest, outcome: Outcome) {
        let mut all = self.all();
        if let Some(waiting) = all.get_mut(&nonce) {
            (waiting.outcome, waiting.is_retried) = (Some(outcome), false);
            if waiting.is_done_with() {
                all.remove(&nonce);
            }
        }
        drop(all);
        self.changed.notify_all();
    }

    /// Waits until it is known what has come of an opening. None when nobody waits any more; what
    /// a client has begun and not signed is left then. None inside, if nobody works on it.
    pub fn follow(&self, nonce: Digest, gone: &Gone, wanted: bool) -> Option<Option<Outcome>> {
        let mut all = self.all();
        let Some(waiting) = all.get_mut(&nonce) else { return Some(None) };
        waiting.heard += 1;
        waiting.wanted += usize::from(wanted);
        waiting.is_begun = false;
        let outcome = loop {
            let Some(waiting) = all.get_mut(&nonce) else { return Some(None) };
            if let Some(outcome) = waiting.outcome.clone() {
                break Some(Some(outcome));
            }
            if gone.is_set() || self.keeper.ending().is_over() {
                break None;
            }
            all = self.changed.wait(all).unwrap_or_else(PoisonError::into_inner);
        };
        let mut unwanted = false;
        if let Some(waiting) = all.get_mut(&nonce) {
            waiting.heard -= 1;
            waiting.wanted -= usize::from(wanted);
            unwanted = wanted && waiting.wanted == 0 && waiting.outcome.is_none();
            if waiting.is_done_with() {
                all.remove(&nonce);
            }
        }
        drop(all);
        if unwanted && gone.is_set() {
            match self.leave(nonce) {
                Ok(left) => tracing::info!(opening = nonce.short(), left, "its client has gone"),
                Err(error) => tracing::warn!(%error, "an opening cannot be left"),
            }
        }
        outcome
    }

    /// Has everybody who follows an opening look whether somebody still waits.
    pub fn look(&self) {
        drop(self.all());
        self.changed.notify_all();
    }

    /// Leaves an opening that the buyer has not signed; false if she has, or there is none.
    pub fn leave(&self, nonce: Digest) -> Result<bool, OpeningError> {
        let archive = self.host.archive();
        let stage = self.pending(nonce)?.map(|it| it.stage);
        let left = opening::leave(archive, nonce)?;
        if let (true, Some(Stage::Signing(question))) = (left, stage) {
            // Nobody wants to know any more.
            self.host.tinguin().withdraw(question);
        }
        Ok(left)
    }

    /// An opening that is under way, by its nonce.
    pub fn pending(&self, nonce: Digest) -> Result<Option<Pending>, OpeningError> {
        let all = opening::pending(self.host.archive())?;
        Ok(all.into_iter().find(|it| it.nonce == nonce))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Digest, Waiting>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host ends while somebody waits.
pub(crate) fn ends() -> Refusal {
    Report::refusal("the host ends", "run the command again; nothing is lost").into()
}
