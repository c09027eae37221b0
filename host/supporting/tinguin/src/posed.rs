//! Questions that were posed: they wait in line for the person, and nobody waits with them.
//!
//! The line is not stored: a host poses its open questions again when it hears of a new run of
//! the TINGUIN. Answers are stored, by [`crate::memory`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_base::{Digest, keys};
use semper_tinguin_protocol::protocol::{News, Reply, Request};

/// Questions in line at most.
const LINE: usize = 200_000;
/// Answers that a late watcher can still be told of one by one.
const KEPT: usize = 10_000;

/// The line of posed questions.
#[derive(Debug)]
pub struct Posed {
    epoch: Digest,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    line: VecDeque<(Digest, Request)>,
    /// The ids of those in line, and of the one shown.
    open: HashSet<Digest>,
    /// The question that is before the person, and whether it has been withdrawn.
    shown: Option<(Digest, bool)>,
    /// Replies that are not stored: failures.
    failed: HashMap<Digest, Reply>,
    answered: VecDeque<Digest>,
    count: u64,
}

impl Default for Posed {
    fn default() -> Self {
        let epoch = Digest::from_bytes(keys::random());
        Self { epoch, state: Mutex::default(), changed: Condvar::new() }
    }
}

impl Posed {
    /// Puts a question in line, unless it is there; false if the line is full.
    pub fn put(&self, id: Digest, request: Request) -> bool {
        let mut state = self.lock();
        if state.open.contains(&id) {
            return true;
        }
        if state.line.len() >= LINE {
            return false;
        }
        state.open.insert(id);
        state.failed.remove(&id);
        state.line.push_back((id, request));
        self.changed.notify_all();
        true
    }

    /// The next question for the person; waits for one.
    pub fn next(&self) -> (Digest, Request) {
        let mut state = self.lock();
        loop {
            if let Some((id, request)) = state.line.pop_front() {
                state.shown = Some((id, false));
                return (id, request);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The person has answered, or it failed.
    pub fn done(&self, id: Digest, reply: Option<Reply>) {
        let mut state = self.lock();
        let withdrawn = state.shown.take().is_some_and(|shown| shown.1);
        state.open.remove(&id);
        // What was taken back has no outcome; posed again, it is a new question.
        if let Some(reply) = reply.filter(|_| !withdrawn) {
            if state.failed.len() >= KEPT {
                state.failed.clear();
            }
            state.failed.insert(id, reply);
        }
        state.answered.push_back(id);
        state.count += 1;
        if state.answered.len() > KEPT {
            state.answered.pop_front();
        }
        self.changed.notify_all();
    }

    /// Waits until a question is answered or the time is over; whether it is. A failure comes
    /// back as its reply.
    pub fn wait(&self, id: Digest, time: Duration) -> Option<Option<Reply>> {
        let until = Instant::now() + time;
        let mut state = self.lock();
        loop {
            if let Some(reply) = state.failed.remove(&id) {
                return Some(Some(reply));
            }
            if !state.open.contains(&id) {
                return Some(None);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes a question back, out of the line or off the screen.
    pub fn withdraw(&self, id: Digest) {
        let mut state = self.lock();
        if state.shown.is_none_or(|it| it.0 != id) && state.open.remove(&id) {
            state.line.retain(|it| it.0 != id);
        }
        if let Some(shown) = state.shown.as_mut().filter(|it| it.0 == id) {
            shown.1 = true;
        }
        self.changed.notify_all();
    }

    /// Whether this question is before the person and has been withdrawn.
    pub fn is_withdrawn(&self, id: &Digest) -> bool {
        self.lock().shown.is_some_and(|it| it.0 == *id && it.1)
    }

    /// What has been answered since; held until there is something, or the time is over.
    pub fn watch(&self, epoch: Digest, after: u64, time: Duration) -> News {
        let until = Instant::now() + time;
        let mut state = self.lock();
        loop {
            let last = state.count;
            let oldest = last - state.answered.len() as u64;
            if epoch != self.epoch || after < oldest || after > last {
                return News { epoch: self.epoch, last, answered: None };
            }
            let left = until.saturating_duration_since(Instant::now());
            if after < last || left.is_zero() {
                let skip = usize::try_from(after - oldest).unwrap_or(usize::MAX);
                let answered = Some(state.answered.iter().skip(skip).copied().collect());
                return News { epoch: self.epoch, last, answered };
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
