//! What goes wrong, drawn from the seed.

use std::cell::{Cell, RefCell};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// The faults of one schedule.
#[derive(Debug)]
pub struct Faults {
    rng: RefCell<StdRng>,
    /// Chance that a datagram is lost.
    pub loss: f64,
    /// Chance that one is sent twice.
    pub repeat: f64,
    /// Chance of a kill at a boundary.
    pub kill: f64,
    /// Chance of a full disk at a commit.
    pub full: f64,
    /// Chance that a clock jumps when it is looked at.
    pub jump: f64,
    /// Longest delay of a datagram, ms.
    pub delay: u64,
    left: Cell<u32>,
    /// How often each has happened: kills, full disks, jumps.
    pub happened: [Cell<u32>; 3],
}

impl Faults {
    /// The faults of this seed: calm, stormy, or in between.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut some =
            |most: f64| if rng.random_bool(0.7) { rng.random_range(0.0..most) } else { 0.0 };
        let (loss, repeat, kill, full, jump) =
            (some(0.4), some(0.4), some(0.12), some(0.15), some(0.1));
        let delay = rng.random_range(1..400);
        Self {
            loss,
            repeat,
            kill,
            full,
            jump,
            delay,
            rng: RefCell::new(rng),
            // A storm ends: a deal is to be completed, not merely not to be broken.
            left: Cell::new(60),
            happened: [Cell::new(0), Cell::new(0), Cell::new(0)],
        }
    }

    /// Whether a fault of this chance happens now.
    pub fn happens(&self, chance: f64) -> bool {
        self.left.get() > 0 && chance > 0.0 && self.rng.borrow_mut().random_bool(chance)
    }

    /// A number below this.
    pub fn below(&self, most: u64) -> u64 {
        self.rng.borrow_mut().random_range(0..most.max(1))
    }

    /// A boundary between two durable steps: whether the party is killed here.
    pub fn killed(&self) -> bool {
        self.count(0, self.kill)
    }

    /// Whether the disk is full at this commit.
    pub fn full(&self) -> bool {
        self.count(1, self.full)
    }

    /// How far the clock jumps now, ms: minutes to hours, either way.
    pub fn jumps(&self) -> i64 {
        if !self.count(2, self.jump) {
            return 0;
        }
        let far = i64::try_from(self.below(4 * 3_600_000)).unwrap_or(0);
        if self.below(2) == 0 { far } else { -far }
    }

    fn count(&self, which: usize, chance: f64) -> bool {
        let happens = self.happens(chance);
        if happens {
            self.left.set(self.left.get() - 1);
            self.happened[which].set(self.happened[which].get() + 1);
        }
        happens
    }
}
