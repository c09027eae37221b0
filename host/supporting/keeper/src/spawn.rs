//! Where loops run. The shipped program gives each a thread ([`crate::Keeper`]); a simulation calls
//! them in turn, under a clock of its own, so that the very code that ships is what it drives.

use std::time::Duration;

use crate::{Bell, Panicked, Post};

/// What a loop does after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is more to do: the next turn follows at once.
    Again,
    /// Nothing to do until the bell rings, but no longer than this.
    Wait(Duration),
    /// It is done for good.
    End,
}

/// A loop: called for each of its turns.
pub type Loop = Box<dyn FnMut(&Post) -> Turn + Send>;

/// Where loops run.
pub trait Spawn: Send + Sync + std::fmt::Debug {
    /// Runs a loop until it says that it is done, or its keeper ends. A panic costs one turn.
    fn keep(&self, name: &str, bell: &Bell, turns: Loop);

    /// Runs one piece of work beside everything else. A panic costs that piece.
    fn run(&self, name: &str, work: Box<dyn FnOnce(&Post) + Send>);

    /// Does a piece of work here and now; a panic in it is caught and counted.
    fn caught(&self, what: &str, work: &mut dyn FnMut()) -> Result<(), Panicked>;

    /// Has every loop end.
    fn end(&self);
}
