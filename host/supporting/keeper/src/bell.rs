//! A bell: wakes a loop that has nothing to do. A ring is never missed: whoever listens says up
//! to which ring it has heard.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Wakes whoever waits for it.
#[derive(Clone, Debug, Default)]
pub struct Bell(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    rings: Mutex<u64>,
    rung: Condvar,
}

impl Bell {
    /// A bell that nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// There is work for one of those who wait.
    pub fn ring(&self) {
        *self.0.rings.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.rung.notify_one();
    }

    /// Something has changed for all who wait.
    pub fn ring_all(&self) {
        *self.0.rings.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.rung.notify_all();
    }

    /// Whether both are one bell.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How often it has rung.
    pub fn rings(&self) -> u64 {
        *self.0.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has rung more often than `heard`, or for so long; whether it has rung.
    pub fn wait(&self, heard: u64, at_most: Duration) -> bool {
        let rings = self.0.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let (rings, _) = self
            .0
            .rung
            .wait_timeout_while(rings, at_most, |rings| *rings == heard)
            .unwrap_or_else(PoisonError::into_inner);
        *rings != heard
    }
}
