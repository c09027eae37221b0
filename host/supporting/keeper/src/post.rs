//! The place of one thread: what it says about itself, and what its keeper says about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Ending;

/// How a thread is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It does its work, or waits for some.
    Well,
    /// It does not get on, for this reason.
    Ill(String),
    /// It has ended, as it should.
    Ended,
}

impl State {
    /// Whether nothing is wrong.
    pub const fn is_well(&self) -> bool {
        !matches!(self, Self::Ill(_))
    }
}

/// What is known of one thread or task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Its name, after its keepers': `merchant/worker 3`.
    pub name: String,
    /// How it is.
    pub state: State,
    /// How often it has panicked.
    pub panics: u64,
}

/// The place of a thread; the thread has it while it runs.
#[derive(Clone, Debug)]
pub struct Post {
    pub(crate) name: Arc<str>,
    pub(crate) ending: Ending,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    ill: Option<String>,
    /// What it is doing since when, and until when that is to be done.
    busy: Option<(Instant, Duration, &'static str)>,
    panics: u64,
    /// Set by a panic, cleared by the next turn that is whole.
    crashed: bool,
    ended: bool,
}

impl Post {
    pub(crate) fn new(name: &str, ending: Ending) -> Self {
        Self { name: name.into(), ending, seen: Arc::default() }
    }

    /// A place without a keeper: for whoever calls loops in turn.
    pub fn alone(name: &str) -> Self {
        Self::new(name, Ending::new())
    }

    /// When the keeper ends.
    pub const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// It gets on.
    pub fn well(&self) {
        self.seen().ill = None;
    }

    /// It does not get on, for this reason; it goes on trying.
    pub fn ill(&self, why: impl Into<String>) {
        self.seen().ill = Some(why.into());
    }

    /// Does something that is to be done within so long; health says so if it is not.
    pub fn within<T>(&self, time: Duration, what: &'static str, work: impl FnOnce() -> T) -> T {
        let before = self.seen().busy.replace((Instant::now(), time, what));
        let done = work();
        self.seen().busy = before;
        done
    }

    /// How it is now.
    pub(crate) fn health(&self) -> Health {
        let seen = self.seen();
        let late = seen.busy.filter(|(since, time, _)| since.elapsed() > *time);
        let state = match (&seen.ill, late) {
            _ if seen.ended => State::Ended,
            _ if seen.crashed => State::Ill("it has panicked, and is started again".into()),
            (Some(why), _) => State::Ill(why.clone()),
            (None, Some((since, _, what))) => {
                State::Ill(format!("{what} for {} s", since.elapsed().as_secs()))
            }
            (None, None) => State::Well,
        };
        Health { name: self.name.to_string(), state, panics: seen.panics }
    }

    pub(crate) fn panicked(&self) {
        let mut seen = self.seen();
        seen.panics += 1;
        (seen.crashed, seen.busy) = (true, None);
    }

    pub(crate) fn whole(&self) {
        self.seen().crashed = false;
    }

    pub(crate) fn ended(&self) {
        self.seen().ended = true;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.seen().ended
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
