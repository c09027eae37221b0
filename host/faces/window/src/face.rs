//! The two ends of the window: threads of the TINGUIN ask here, the drawing thread answers.
//!
//! Whoever asks is blocked until the person has answered or nobody wants to know any more; the
//! drawing never waits. No answer is invented: a window that closes gives none, and the question is
//! asked again at the next start.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use semper_tinguin_protocol::screen::{Answer, Frame, Locked, Screen};
use semper_tinguin_protocol::{Attention, Face, PassPhrase};

/// How often a thread that waits for the person looks whether its question is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// Frames without a question that are kept until they are drawn; older ones are superseded.
const KEPT: usize = 64;

/// A face, and the desk at which its questions are answered.
pub fn pair() -> (WindowFace, Desk) {
    let shared = Arc::new(Shared::default());
    (WindowFace { shared: Arc::clone(&shared) }, Desk { shared })
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    answered: Condvar,
    wake: Mutex<Option<Box<dyn Fn() + Send>>>,
    attention: OnceLock<Arc<dyn Attention>>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    asked: Option<(u64, Frame)>,
    answer: Option<(u64, Answer)>,
    shown: VecDeque<Frame>,
    shut: Option<Shut>,
    typed: Option<(u64, PassPhrase)>,
}

/// A TINGUIN that is locked, as the desk sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shut {
    /// What its screen says.
    pub locked: Locked,
    /// The number under which a pass-phrase is taken now, if one is.
    pub wanted: Option<u64>,
    /// Whether one is being tried.
    pub trying: bool,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a little for the person.
    fn pause<'a>(&self, inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        match self.answered.wait_timeout(inner, LOOK) {
            Ok((inner, _)) => inner,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    fn wake(&self) {
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            wake();
        }
    }
}

/// What the TINGUIN's threads hold.
pub struct WindowFace {
    shared: Arc<Shared>,
}

impl fmt::Debug for WindowFace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WindowFace")
    }
}

impl Face for WindowFace {
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer {
        let mut inner = self.shared.inner();
        inner.last += 1;
        let number = inner.last;
        inner.asked = Some((number, frame.clone()));
        inner.answer = None;
        drop(inner);
        self.shared.wake();
        let mut inner = self.shared.inner();
        let answer = loop {
            if inner.answer.as_ref().is_some_and(|it| it.0 == number)
                && let Some((_, answer)) = inner.answer.take()
            {
                break answer;
            }
            // The TINGUIN's own locks may be behind this.
            drop(inner);
            let unwanted = withdrawn();
            inner = self.shared.inner();
            if unwanted {
                break Answer::Leave;
            }
            if inner.answer.is_none() {
                inner = self.shared.pause(inner);
            }
        };
        if inner.asked.as_ref().is_some_and(|it| it.0 == number) {
            inner.asked = None;
        }
        drop(inner);
        self.shared.wake();
        answer
    }

    fn show(&self, frame: &Frame) {
        let mut inner = self.shared.inner();
        if let Screen::Locked(locked) = &frame.screen {
            inner.shut = Some(Shut { locked: locked.clone(), wanted: None, trying: false });
        } else {
            // What was on its way when it was locked does not open a locked screen.
            if inner.shut.as_ref().is_none_or(|it| it.wanted.is_none()) {
                inner.shut = None;
            }
            if inner.shown.len() >= KEPT {
                inner.shown.pop_front();
            }
            inner.shown.push_back(frame.clone());
        }
        drop(inner);
        self.shared.wake();
    }

    fn attend(&self, to: Arc<dyn Attention>) {
        // One TINGUIN has one face.
        let _ = self.shared.attention.set(to);
    }

    fn unlocks(&self) -> bool {
        true
    }

    fn unlock(&self, frame: &Frame, over: &dyn Fn() -> bool) -> Option<PassPhrase> {
        let Screen::Locked(locked) = &frame.screen else { return None };
        let mut inner = self.shared.inner();
        inner.last += 1;
        let number = inner.last;
        inner.typed = None;
        let wanted = Some(number);
        inner.shut = Some(Shut { locked: locked.clone(), wanted, trying: false });
        drop(inner);
        self.shared.wake();
        let typed = self.typed(number, over);
        let mut inner = self.shared.inner();
        match (&typed, &mut inner.shut) {
            (Some(_), Some(shut)) => (shut.wanted, shut.trying) = (None, true),
            _ => inner.shut = None,
        }
        drop(inner);
        self.shared.wake();
        typed
    }
}

impl WindowFace {
    /// The pass-phrase that is typed under this number.
    fn typed(&self, number: u64, over: &dyn Fn() -> bool) -> Option<PassPhrase> {
        loop {
            // The TINGUIN's own locks may be behind this.
            if over() {
                return None;
            }
            let mut inner = self.shared.inner();
            if inner.typed.is_none() {
                inner = self.shared.pause(inner);
            }
            if let Some((_, typed)) = inner.typed.take().filter(|it| it.0 == number) {
                return Some(typed);
            }
        }
    }
}

/// What the drawing thread holds.
pub struct Desk {
    shared: Arc<Shared>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

impl Desk {
    /// Calls this whenever there is something new to draw.
    pub fn wake_by(&self, wake: impl Fn() + Send + 'static) {
        *self.shared.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(wake));
    }

    /// What is asked now, and its number.
    pub fn asked(&self) -> Option<(u64, Frame)> {
        self.shared.inner().asked.clone()
    }

    /// The number of what is asked now.
    pub fn number(&self) -> Option<u64> {
        self.shared.inner().asked.as_ref().map(|it| it.0)
    }

    /// What was shown since the last call.
    pub fn shown(&self) -> Vec<Frame> {
        self.shared.inner().shown.drain(..).collect()
    }

    /// Answers the question with this number; nothing happens if it has gone.
    pub fn answer(&self, number: u64, answer: Answer) {
        let mut inner = self.shared.inner();
        if inner.asked.as_ref().is_some_and(|it| it.0 == number) {
            inner.asked = None;
            inner.answer = Some((number, answer));
            self.shared.answered.notify_all();
        }
    }

    /// Whether it is locked, and how it is unlocked.
    pub fn shut(&self) -> Option<Shut> {
        self.shared.inner().shut.clone()
    }

    /// Gives the pass-phrase that is wanted under this number; it is wiped if none is any more.
    pub fn unlock(&self, number: u64, pass_phrase: PassPhrase) {
        let mut inner = self.shared.inner();
        if let Some(shut) = inner.shut.as_mut().filter(|it| it.wanted == Some(number)) {
            (shut.wanted, shut.trying) = (None, true);
            inner.typed = Some((number, pass_phrase));
            self.shared.answered.notify_all();
        }
    }

    /// Somebody is there.
    pub fn touched(&self) {
        if let Some(attention) = self.shared.attention.get() {
            attention.touched();
        }
    }

    /// The person locks it.
    pub fn lock(&self) {
        if let Some(attention) = self.shared.attention.get() {
            attention.lock();
        }
    }
}
