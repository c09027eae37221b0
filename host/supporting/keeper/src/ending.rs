//! The end of a keeper, as its threads and tasks hear of it.

use std::time::Duration;

use tokio::sync::watch;

use crate::Bell;

/// Says when its keeper ends; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ending {
    over: watch::Sender<bool>,
    bell: Bell,
}

impl Ending {
    pub(crate) fn new() -> Self {
        Self { over: watch::Sender::new(false), bell: Bell::new() }
    }

    pub(crate) fn begin(&self) {
        self.over.send_replace(true);
        self.bell.ring_all();
    }

    /// Whether the end has come.
    pub fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Sleeps for so long, or until the end comes; false when it has come.
    pub fn pause(&self, time: Duration) -> bool {
        let heard = self.bell.rings();
        if self.is_over() {
            return false;
        }
        self.bell.wait(heard, time);
        !self.is_over()
    }

    /// For tasks: done when the end comes.
    pub async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender lives in `self`, so this cannot fail before the end comes.
        let _ = over.wait_for(|over| *over).await;
    }
}
