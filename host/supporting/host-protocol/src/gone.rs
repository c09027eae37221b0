//! Whether whoever asked has gone away: whoever works for him looks, and stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a client has gone away.
#[derive(Clone, Debug, Default)]
pub struct Gone(Arc<AtomicBool>);

impl Gone {
    /// It has.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it has.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
