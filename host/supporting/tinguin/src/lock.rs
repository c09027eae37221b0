//! Whether the keys are in memory, and when they leave it.
//!
//! A locked TINGUIN has no master secret: it was wiped. It answers what needs no key; what needs one
//! is not done, with the cause [`Cause::Locked`]; questions to the person wait in line. It locks by
//! hand, after a while in which nobody was there, and when the machine has slept.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use semper_base::{Timestamp, fault};
use semper_keeper::Bell;
use semper_tinguin_protocol::lock_after::LockAfter;
use semper_tinguin_protocol::{Attention, Cause, Failure};

use crate::keystore::Keystore;
use crate::vault::Vault;

/// How often whoever waits for the keys looks whether she still has to.
const LOOK: Duration = Duration::from_millis(200);
/// So much more must have gone by outside than inside before the machine counts as having slept.
const SLEPT: Duration = Duration::from_secs(5);
/// The same by the wall clock, which is also set by hand and by the network.
const JUMPED: Duration = Duration::from_secs(60);

/// How a TINGUIN is locked and unlocked.
#[derive(Clone, Debug)]
pub struct Locking {
    /// What the pass-phrase opens.
    pub vault: Vault,
    /// When it locks by itself; without it by hand alone, also when the machine sleeps.
    pub after: Option<LockAfter>,
}

/// The keys, or their absence.
#[derive(Debug)]
pub(crate) struct Lock {
    state: Mutex<State>,
    changed: Condvar,
    /// Rings when it is locked or unlocked.
    bell: Bell,
}

#[derive(Debug)]
struct State {
    /// Shared with whoever uses them now; wiped when the last of them has done.
    keys: Option<Arc<Keystore>>,
    /// How often it was locked.
    times: u64,
    /// When somebody was last there.
    touched: Instant,
}

impl Lock {
    /// An open one.
    pub fn open_with(keys: Keystore) -> Self {
        let state = State { keys: Some(Arc::new(keys)), times: 0, touched: Instant::now() };
        Self { state: Mutex::new(state), changed: Condvar::new(), bell: Bell::new() }
    }

    /// The keys, for one piece of work.
    pub fn keys(&self) -> Result<Arc<Keystore>, Failure> {
        self.state().keys.clone().ok_or_else(locked)
    }

    /// Whether there are none.
    pub fn is_locked(&self) -> bool {
        self.state().keys.is_none()
    }

    /// How often it was locked: an answer from before is none.
    pub fn times(&self) -> u64 {
        self.state().times
    }

    /// Puts the keys back.
    pub fn unlock(&self, keys: Keystore) {
        let mut state = self.state();
        (state.keys, state.touched) = (Some(Arc::new(keys)), Instant::now());
        drop(state);
        self.tell();
    }

    /// How long nobody was there.
    pub fn idle(&self) -> Duration {
        self.state().touched.elapsed()
    }

    /// Waits for the keys; false where whoever wants them has gone.
    pub fn wait(&self, gone: &dyn Fn() -> bool) -> bool {
        loop {
            if gone() {
                return false;
            }
            let state = self.state();
            if state.keys.is_some() {
                return true;
            }
            drop(self.changed.wait_timeout(state, LOOK));
        }
    }

    /// Rings when it is locked or unlocked.
    pub const fn bell(&self) -> &Bell {
        &self.bell
    }

    fn tell(&self) {
        self.changed.notify_all();
        self.bell.ring_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attention for Lock {
    fn touched(&self) {
        self.state().touched = Instant::now();
    }

    fn lock(&self) {
        let mut state = self.state();
        if state.keys.take().is_some() {
            state.times += 1;
            drop(state);
            tracing::info!("the TINGUIN is locked");
            self.tell();
        }
    }
}

/// What needs a key is not done.
pub(crate) fn locked() -> Failure {
    let mend = "type the pass-phrase in it, or semper unlock; nothing is lost";
    Failure::new(Cause::Locked, "the TINGUIN is locked", mend)
}

/// Looks at the clocks: one that goes on while the machine sleeps, one that stands still then.
#[derive(Debug)]
pub(crate) struct Clocks {
    through: Duration,
    awake: Instant,
    wall: Timestamp,
}

impl Clocks {
    pub fn now() -> Self {
        let through = clock_gettime(ClockId::Boottime);
        let secs = u64::try_from(through.tv_sec).unwrap_or(0);
        let nanos = u32::try_from(through.tv_nsec).unwrap_or(0);
        let through = Duration::new(secs, nanos);
        Self { through, awake: Instant::now(), wall: Timestamp::now() }
    }

    /// Whether the machine has slept since the last look. A wall clock that is set far forward looks
    /// like it, as on a machine that was halted from outside: it locks, too.
    pub fn slept(&mut self) -> bool {
        let before = std::mem::replace(self, Self::now());
        let awake = self.awake.saturating_duration_since(before.awake);
        let slept = self.through.saturating_sub(before.through).saturating_sub(awake) > SLEPT;
        let jumped = self.wall.since(before.wall).saturating_sub(awake) > JUMPED;
        slept || jumped || fault::fails("tinguin.sleep")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_one_has_no_keys_and_whoever_waits_goes_on_with_them() {
        let lock = Arc::new(Lock::open_with(Keystore::create("correct horse battery").unwrap().0));
        let keys = lock.keys().unwrap();
        lock.lock();
        lock.lock();
        assert_eq!((lock.times(), Arc::strong_count(&keys)), (1, 1), "nobody else has them");
        assert_eq!(lock.keys().unwrap_err().cause, Cause::Locked);
        assert!(!lock.wait(&|| true));

        let waiting = Arc::clone(&lock);
        let waits = std::thread::spawn(move || waiting.wait(&|| false));
        lock.unlock(Keystore::clone(&keys));
        assert!(waits.join().unwrap());
    }

    #[test]
    fn a_clock_that_goes_on_alone_is_a_machine_that_slept() {
        let mut clocks = Clocks::now();
        assert!(!clocks.slept());
        clocks.through = clocks.through.saturating_sub(Duration::from_secs(10));
        assert!(clocks.slept());
        clocks.wall = clocks.wall.before(Duration::from_secs(120));
        assert!(clocks.slept());
    }
}
