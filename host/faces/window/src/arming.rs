//! The pause before something that came up by itself can be answered.
//!
//! Whoever types while a decision comes up must not sign with the next key. So nothing can be
//! answered before the keyboard has been quiet for a moment, and what is typed meanwhile is thrown
//! away.

use std::time::Duration;

/// How long the keyboard must be quiet before a decision.
pub const DECISION: Duration = Duration::from_millis(800);
/// And before a question without consequence.
pub const QUESTION: Duration = Duration::from_millis(400);

/// The count-down of one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arming {
    delay: Duration,
    /// The last time at which something was typed, or the question came up.
    quiet_since: Option<Duration>,
    armed: bool,
}

impl Arming {
    /// A count-down that begins when it is first looked at.
    pub const fn new(delay: Duration) -> Self {
        Self { delay, quiet_since: None, armed: false }
    }

    /// The time that is left, now; nothing once it can be answered. `typed` begins it again.
    pub fn left(&mut self, now: Duration, typed: bool) -> Duration {
        if self.armed {
            return Duration::ZERO;
        }
        let since = match self.quiet_since {
            Some(since) if !typed => since,
            _ => *self.quiet_since.insert(now),
        };
        let left = self.delay.saturating_sub(now.saturating_sub(since));
        self.armed = left.is_zero();
        left
    }

    /// Begins again: it was out of sight.
    pub const fn again(&mut self) {
        self.quiet_since = None;
        self.armed = false;
    }

    /// Whether it can be answered.
    pub const fn is_armed(&self) -> bool {
        self.armed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_begins_the_count_down_again_and_what_is_armed_stays_so() {
        let at = Duration::from_millis;
        let mut arming = Arming::new(DECISION);

        assert_eq!(arming.left(at(5_000), false), at(800));
        assert_eq!(arming.left(at(5_700), false), at(100));
        assert_eq!(arming.left(at(5_750), true), at(800));
        assert_eq!(arming.left(at(6_550), false), at(0));

        assert_eq!(arming.left(at(6_551), true), at(0));
        arming.again();
        assert_eq!(arming.left(at(9_000), false), at(800));
    }
}
