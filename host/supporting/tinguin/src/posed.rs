//! Questions that were posed: they wait in line for the person, and nobody waits with them.
//!
//! The line is not stored: a host poses its open questions again when it hears of a new run of
//! the TINGUIN. Answers are stored, by [`crate::memory`].
//!
//! One asker takes the questions out of the line ([`Service::keep_asking`]). Where it panics over
//! one, that question goes to the end of the line and is put again; after [`PANICS`] panics it
//! fails instead, so that it holds up nobody else for ever.
//!
//! [`Service::keep_asking`]: crate::Service::keep_asking

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_base::{Digest, keys};
use semper_keeper::Bell;
use semper_tinguin_protocol::protocol::{News, Reply, Request};
use semper_tinguin_protocol::{Cause, Failure};

/// Questions in line at most.
const LINE: usize = 200_000;
/// Answers that a late watcher can still be told of one by one.
const KEPT: usize = 10_000;

/// Panics over one question before it fails.
const PANICS: u32 = 3;

/// The line of posed questions.
#[derive(Debug)]
pub struct Posed {
    epoch: Digest,
    state: Mutex<State>,
    changed: Condvar,
    /// Rings for the asker when there is a question.
    bell: Bell,
}

#[derive(Debug, Default)]
struct State {
    line: VecDeque<Question>,
    /// The ids of those in line, and of the one shown.
    open: HashSet<Digest>,
    /// The question that is before the person, and whether it has been withdrawn.
    shown: Option<(Question, bool)>,
    /// Replies that are not stored: failures.
    failed: HashMap<Digest, Reply>,
    answered: VecDeque<Digest>,
    count: u64,
    /// The TINGUIN ends: nobody waits any more.
    over: bool,
}

/// A question in line.
#[derive(Debug)]
struct Question {
    id: Digest,
    request: Request,
    /// How often the asker has panicked over it.
    panics: u32,
}

impl Default for Posed {
    fn default() -> Self {
        let epoch = Digest::from_bytes(keys::random());
        Self { epoch, state: Mutex::default(), changed: Condvar::new(), bell: Bell::new() }
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
        state.line.push_back(Question { id, request, panics: 0 });
        drop(state);
        self.bell.ring();
        true
    }

    /// Rings for the asker when there is a question.
    pub const fn bell(&self) -> &Bell {
        &self.bell
    }

    /// The next question for the person, if there is one.
    pub fn next(&self) -> Option<(Digest, Request)> {
        let mut state = self.lock();
        // One that is still shown was not done with: the asker has panicked over it.
        if let Some((mut question, withdrawn)) = state.shown.take() {
            question.panics += 1;
            if withdrawn {
                state.finish(question.id, None);
                self.changed.notify_all();
            } else if question.panics >= PANICS {
                state.finish(question.id, Some(panicked()));
                self.changed.notify_all();
            } else {
                state.line.push_back(question);
            }
        }
        let question = state.line.pop_front()?;
        let next = (question.id, question.request.clone());
        state.shown = Some((question, false));
        Some(next)
    }

    /// The person has answered, or it failed.
    pub fn done(&self, id: Digest, reply: Option<Reply>) {
        let mut state = self.lock();
        let withdrawn = state.shown.take().is_some_and(|shown| shown.1);
        // A face that the end has cut off has no answer: the question is put again by the next run.
        if state.over && reply.is_some() {
            return;
        }
        // What was taken back has no outcome; posed again, it is a new question.
        state.finish(id, reply.filter(|_| !withdrawn));
        self.changed.notify_all();
    }

    /// Nobody waits for answers any more: the TINGUIN ends.
    pub fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Questions in line, and the one that is shown.
    pub fn waiting(&self) -> usize {
        self.lock().open.len()
    }

    /// Whether the TINGUIN ends.
    pub fn is_over(&self) -> bool {
        self.lock().over
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
            if left.is_zero() || state.over {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Takes a question back, out of the line or off the screen.
    pub fn withdraw(&self, id: Digest) {
        let mut state = self.lock();
        match state.shown.as_mut().filter(|it| it.0.id == id) {
            Some(shown) => shown.1 = true,
            None => {
                if state.open.remove(&id) {
                    state.line.retain(|it| it.id != id);
                }
            }
        }
        self.changed.notify_all();
    }

    /// A question has been answered elsewhere: it leaves the line, or the screen, and whoever watches
    /// hears of the answer.
    pub fn answered_elsewhere(&self, id: Digest) {
        self.withdraw(id);
        let mut state = self.lock();
        // One that is on the screen is finished by its asker.
        if state.shown.as_ref().is_none_or(|it| it.0.id != id) {
            state.finish(id, None);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether this question is before the person and has been withdrawn.
    pub fn is_withdrawn(&self, id: &Digest) -> bool {
        self.lock().shown.as_ref().is_some_and(|it| it.0.id == *id && it.1)
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
            if after < last || left.is_zero() || state.over {
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

impl State {
    /// A question is done with; a failure is kept for whoever waits.
    fn finish(&mut self, id: Digest, failure: Option<Reply>) {
        self.open.remove(&id);
        if let Some(reply) = failure {
            if self.failed.len() >= KEPT {
                self.failed.clear();
            }
            self.failed.insert(id, reply);
        }
        self.answered.push_back(id);
        self.count += 1;
        if self.answered.len() > KEPT {
            self.answered.pop_front();
        }
    }
}

fn panicked() -> Reply {
    let what = format!("the TINGUIN has panicked {PANICS} times over this question");
    Reply::NotDone(Failure::new(Cause::Trouble, what, "report this to the project"))
}
