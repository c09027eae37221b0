//! The two ends of the window: threads of the TINGUIN ask here, the drawing thread answers.
//!
//! Whoever asks is blocked until the person has answered or nobody wants to know any more; the
//! drawing never waits. No answer is invented: a window that closes gives none, and the question is
//! asked again at the next start.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_tinguin_protocol::Face;
use semper_tinguin_protocol::screen::{Answer, Frame};

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
}

#[derive(Default)]
struct Inner {
    last: u64,
    asked: Option<(u64, Frame)>,
    answer: Option<(u64, Answer)>,
    shown: VecDeque<Frame>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
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
                inner = match self.shared.answered.wait_timeout(inner, LOOK) {
                    Ok((inner, _)) => inner,
                    Err(poisoned) => poisoned.into_inner().0,
                };
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
        if inner.shown.len() >= KEPT {
            inner.shown.pop_front();
        }
        inner.shown.push_back(frame.clone());
        drop(inner);
        self.shared.wake();
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
}
