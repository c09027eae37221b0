//! What goes wrong: drawn from the seed, or planned by a test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Faults of one run at most. A storm ends: a deal is to be completed, not merely not to be broken.
const STORM: u32 = 32;
/// Kills of one run at most.
const KILLS: u32 = 8;
/// A clock is off by this at most, in ms.
const FAR: u64 = 2 * 3_600_000;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed at a point between two steps.
    Kill,
    /// The disk is full at a commit.
    Full,
    /// A clock jumps.
    Jump,
    /// A request or an answer is lost.
    Lost,
    /// A request is carried twice.
    Repeated,
    /// A TINGUIN does not answer, or its answer is lost.
    Away,
}

/// How many kinds there are.
pub const KINDS: usize = 6;

/// One fault that a test wants: on this computer, when it has come to a point for the so-manieth
/// time, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The computer.
    pub computer: &'static str,
    /// The point, such as `exchange.before`; [`DISK`] is where an archive writes.
    pub point: &'static str,
    /// Which time.
    pub number: u32,
    /// What happens.
    pub what: Accident,
}

/// What happens by plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accident {
    /// The process is killed.
    Kill,
    /// All that runs on the computer is, and the host is back before its TINGUIN.
    PowerCut,
    /// The process is killed, and is back only when the other side has lost its patience.
    Absence,
    /// The disk is full at this write and the next.
    Full,
    /// The code panics.
    Panic,
}

/// The point at which an archive is about to write.
pub const DISK: &str = "disk";

/// The faults of one run.
#[derive(Debug)]
pub struct Faults {
    rng: Mutex<StdRng>,
    /// The chance of each kind, whenever it could happen.
    chances: [f64; KINDS],
    /// Longest delay of a request or an answer, in ms.
    pub delay: u64,
    left: AtomicU32,
    happened: [AtomicU32; KINDS],
    plan: Vec<Planned>,
    /// How often each computer has come to each point.
    points: Mutex<HashMap<(String, String), u32>>,
}

impl Faults {
    /// The faults of this seed: calm, stormy, or in between.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut some =
            |most: f64| if rng.random_bool(0.7) { rng.random_range(0.0..most) } else { 0.0 };
        let chances = [some(0.04), some(0.1), some(0.02), some(0.3), some(0.3), some(0.1)];
        let delay = rng.random_range(1..400);
        Self {
            rng: Mutex::new(rng),
            chances,
            delay,
            left: AtomicU32::new(STORM),
            happened: Default::default(),
            plan: Vec::new(),
            points: Mutex::default(),
        }
    }

    /// Nothing goes wrong but this.
    pub fn planned(plan: &[Planned]) -> Self {
        Self { chances: [0.0; KINDS], delay: 20, plan: plan.to_vec(), ..Self::new(1) }
    }

    /// A computer has come to a point: what happens there by plan.
    pub fn at_point(&self, computer: &str, point: &str) -> Option<Accident> {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        let count = points.entry((computer.to_owned(), point.to_owned())).or_default();
        *count += 1;
        let here = |it: &&Planned| {
            let full = u32::from(it.what == Accident::Full);
            it.computer == computer
                && it.point == point
                && (it.number..=it.number + full).contains(count)
        };
        self.plan.iter().find(here).map(|it| it.what)
    }

    /// How often a computer has come to a point.
    pub fn count(&self, computer: &str, point: &str) -> u32 {
        let points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        points.get(&(computer.to_owned(), point.to_owned())).copied().unwrap_or_default()
    }

    /// Whether this happens now.
    pub fn happens(&self, fault: Fault) -> bool {
        let (chance, count) = (self.chances[fault as usize], &self.happened[fault as usize]);
        let over = self.left.load(Ordering::Relaxed) == 0
            || (fault == Fault::Kill && count.load(Ordering::Relaxed) >= KILLS);
        if over || chance <= 0.0 || !self.rng().random_bool(chance) {
            return false;
        }
        self.left.fetch_sub(1, Ordering::Relaxed);
        count.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A number below this.
    pub fn below(&self, most: u64) -> u64 {
        if most <= 1 { 0 } else { self.rng().random_range(0..most) }
    }

    /// How far a clock jumps now, in ms, either way.
    pub fn jumps(&self) -> Option<i64> {
        if !self.happens(Fault::Jump) {
            return None;
        }
        let far = i64::try_from(self.below(FAR)).unwrap_or(0);
        Some(if self.below(2) == 0 { far } else { -far })
    }

    /// How often each kind has happened.
    pub fn happened(&self) -> [u32; KINDS] {
        std::array::from_fn(|kind| self.happened[kind].load(Ordering::Relaxed))
    }

    fn rng(&self) -> std::sync::MutexGuard<'_, StdRng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
