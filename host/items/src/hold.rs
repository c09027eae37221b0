//! Money under a condition: the life of one hold, as a pure machine.
//!
//! A hold takes money out of the payer's account without giving it to the payee yet. Somebody
//! with authority (which the caller has verified) then lets it go to either side, once:
//!
//! ```text
//!            Lock                 Release            Refund, expiry
//! (nothing) ─────▶ Held ─────────▶ Released      ╭──▶ Refunded
//!            Pay    ╰────────────────────────────╯
//!          ─────▶ Provisional ──── Finalize, lapse ──▶ Released
//!                   ╰───────────── Revoke ──────────▶ Refunded
//!            Transfer
//!          ─────▶ Released
//!            Fence
//!          ─────▶ Never                       (no later order under this name is taken)
//! ```
//!
//! A *lock* goes back to the payer when nobody says anything until it expires; a *provisional
//! payment* goes on to the payee. A third party that has asked about a provisional payment has
//! frozen it: from then on only its own verdict decides. Every step may be repeated; the
//! repetition moves nothing. See `docs/exchange.md`, “Money”.

use semper_base::{Amount, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Hold {
    /// Locked: the payer's until released, and again the payer's when it expires.
    Held(Terms),
    /// Paid, but can still be revoked; the payee's when it lapses.
    Provisional {
        /// The amount, and the date of its lapse.
        terms: Terms,
        /// A third party has asked: only its verdict decides now.
        frozen: bool,
    },
    /// The payee has the money.
    Released(Amount),
    /// The payer has the money again.
    Refunded(Amount),
    /// Fenced before it was made: it will never be made.
    Never,
}

/// How much, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The amount that is held.
    pub amount: Amount,
    /// When it falls to one side by itself, by the bank's clock.
    pub until: Timestamp,
}

/// An instruction of somebody with authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instruction {
    /// Make a lock with these terms.
    Lock(Terms),
    /// Make a provisional payment.
    Pay(Terms),
    /// Pay at once and for good.
    Transfer(Terms),
    /// Give it to the payee; a verdict only from some date on.
    Release {
        /// The first date at which this ground holds.
        from: Option<Timestamp>,
    },
    /// Give it back to the payer.
    Refund,
    /// Say whether it was made; if not, it never will be. Freezes a provisional payment.
    Fence,
    /// A third party takes a provisional payment back.
    Revoke,
    /// A provisional payment is final: its payer waives, or a third party says so.
    Finalize {
        /// A third party says so, whose word counts over a freeze.
        verdict: bool,
    },
    /// Look at the date.
    Look,
}

/// Money that must move, in the same commit that stores the new state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Movement {
    /// From the payer's account to what is held.
    IntoHold(Amount),
    /// From the payer's account to the payee's.
    Across(Amount),
    /// From what is held to the payee's account.
    ToPayee(Amount),
    /// From what is held back to the payer's account.
    ToPayer(Amount),
}

/// Why an instruction changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum HoldError {
    /// Nothing was held under this name.
    #[error("nothing is held under this name")]
    Absent,
    /// It was fenced: too late to make it.
    #[error("a third party was told that this is never paid")]
    Fenced,
    /// The payee has the money already.
    #[error("the money has gone to the payee")]
    Released,
    /// The payer has the money again.
    #[error("the money has gone back to the payer")]
    Refunded,
    /// The verdict takes effect later.
    #[error("this takes effect at {0}")]
    NotYet(Timestamp),
    /// A third party decides.
    #[error("a third party has been asked and decides")]
    Frozen,
    /// Another amount or date under the same name.
    #[error("something else is held under this name")]
    Other,
    /// The order came after its own date.
    #[error("the order was valid until {0}")]
    Late(Timestamp),
}

impl Hold {
    /// One step; `None` is a name under which nothing is held. Repeating a step that has been
    /// taken gives the same state and no movement.
    ///
    /// # Errors
    /// When the instruction cannot be followed any more, or not yet: nothing has changed.
    pub fn step(
        hold: Option<Self>,
        instruction: Instruction,
        now: Timestamp,
    ) -> Result<(Self, Option<Movement>), HoldError> {
        let (hold, lapsed) = match hold {
            Some(hold) => hold.lapse(now),
            None => return Self::begin(instruction, now),
        };
        // A date that has passed is taken note of even if the instruction itself is refused.
        match (hold.follow(instruction, now), lapsed) {
            (Ok((next, None)), lapsed) => Ok((next, lapsed)),
            (Ok((next, movement)), None) => Ok((next, movement)),
            (Err(_) | Ok(_), Some(lapsed)) => Ok((hold, Some(lapsed))),
            (Err(error), None) => Err(error),
        }
    }

    fn begin(
        instruction: Instruction,
        now: Timestamp,
    ) -> Result<(Self, Option<Movement>), HoldError> {
        match instruction {
            Instruction::Lock(terms) | Instruction::Pay(terms) | Instruction::Transfer(terms)
                if terms.until <= now =>
            {
                Err(HoldError::Late(terms.until))
            }
            Instruction::Transfer(terms) => {
                Ok((Self::Released(terms.amount), Some(Movement::Across(terms.amount))))
            }
            Instruction::Lock(terms) => {
                Ok((Self::Held(terms), Some(Movement::IntoHold(terms.amount))))
            }
            Instruction::Pay(terms) => {
                let made = Self::Provisional { terms, frozen: false };
                Ok((made, Some(Movement::IntoHold(terms.amount))))
            }
            Instruction::Fence => Ok((Self::Never, None)),
            _ => Err(HoldError::Absent),
        }
    }

    /// The hold after its date has passed, and the movement that follows.
    fn lapse(self, now: Timestamp) -> (Self, Option<Movement>) {
        match self {
            Self::Held(terms) if terms.until <= now => {
                (Self::Refunded(terms.amount), Some(Movement::ToPayer(terms.amount)))
            }
            Self::Provisional { terms, frozen: false } if terms.until <= now => {
                (Self::Released(terms.amount), Some(Movement::ToPayee(terms.amount)))
            }
            other => (other, None),
        }
    }

    fn follow(
        self,
        instruction: Instruction,
        now: Timestamp,
    ) -> Result<(Self, Option<Movement>), HoldError> {
        let pay = |terms: Terms| (Self::Released(terms.amount), Movement::ToPayee(terms.amount));
        let back = |terms: Terms| (Self::Refunded(terms.amount), Movement::ToPayer(terms.amount));
        let moved = |(next, movement)| Ok((next, Some(movement)));
        match (self, instruction) {
            (hold, Instruction::Look) => Ok((hold, None)),
            (Self::Held(held), Instruction::Lock(terms)) if held == terms => Ok((self, None)),
            (Self::Provisional { terms: held, .. }, Instruction::Pay(terms)) if held == terms => {
                Ok((self, None))
            }
            (
                Self::Never,
                Instruction::Lock(_) | Instruction::Pay(_) | Instruction::Transfer(_),
            ) => Err(HoldError::Fenced),
            (
                _,
                Instruction::Lock(terms) | Instruction::Pay(terms) | Instruction::Transfer(terms),
            ) => match self {
                Self::Released(amount) if amount == terms.amount => Ok((self, None)),
                Self::Refunded(_) => Err(HoldError::Refunded),
                _ => Err(HoldError::Other),
            },
            (Self::Provisional { terms, .. }, Instruction::Fence) => {
                Ok((Self::Provisional { terms, frozen: true }, None))
            }
            (_, Instruction::Fence) => Ok((self, None)),
            (Self::Never, _) => Err(HoldError::Absent),

            (Self::Held(_), Instruction::Release { from: Some(from) }) if from > now => {
                Err(HoldError::NotYet(from))
            }
            (Self::Held(terms), Instruction::Release { .. }) => moved(pay(terms)),
            (Self::Held(terms), Instruction::Refund | Instruction::Revoke) => moved(back(terms)),
            (Self::Held(_), Instruction::Finalize { .. }) => Err(HoldError::Other),

            (Self::Provisional { frozen: true, .. }, Instruction::Finalize { verdict: false }) => {
                Err(HoldError::Frozen)
            }
            (Self::Provisional { terms, .. }, Instruction::Finalize { .. }) => moved(pay(terms)),
            (Self::Provisional { terms, .. }, Instruction::Revoke) => moved(back(terms)),
            (Self::Provisional { .. }, _) => Err(HoldError::Other),

            (Self::Released(_), Instruction::Release { .. } | Instruction::Finalize { .. }) => {
                Ok((self, None))
            }
            (Self::Released(_), _) => Err(HoldError::Released),
            (Self::Refunded(_), Instruction::Refund | Instruction::Revoke) => Ok((self, None)),
            (Self::Refunded(_), _) => Err(HoldError::Refunded),
        }
    }
}
