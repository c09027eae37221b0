//! Handshakes that go on: anybody may begin one, and be slow, so there is a bound on how many.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Handshakes at once.
const MOST: usize = 16;

/// Those that go on. Clones are the same.
#[derive(Clone, Debug)]
pub struct Handshakes {
    of_one: usize,
    now: Arc<Mutex<Vec<IpAddr>>>,
}

/// The place of one of them; it is free when this is dropped.
#[derive(Debug)]
pub struct Place {
    all: Handshakes,
    from: IpAddr,
}

impl Handshakes {
    /// None yet; at most so many of one address.
    pub fn new(of_one: usize) -> Self {
        Self { of_one, now: Arc::default() }
    }

    /// A place for one from this address; none if there are too many.
    pub fn begin(&self, from: IpAddr) -> Option<Place> {
        let mut now = self.now();
        let same = now.iter().filter(|it| **it == from).count();
        if now.len() >= MOST || same >= self.of_one {
            return None;
        }
        now.push(from);
        Some(Place { all: self.clone(), from })
    }

    fn now(&self) -> MutexGuard<'_, Vec<IpAddr>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut now = self.all.now();
        if let Some(at) = now.iter().position(|it| *it == self.from) {
            now.swap_remove(at);
        }
    }
}
