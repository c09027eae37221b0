//! The promises of a payment to the exchange layer (`docs/exchange.md`, “Three
//! properties”).
//!
//! A module claims only what its payment system enforces: a false claim makes exchanges unfair.

use serde::{Deserialize, Serialize};

/// How a module pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Locked under a condition: released by its payer or a third party's verdict, given back
    /// by its payee, another verdict, or when it expires.
    Hold,
    /// Locked likewise, and released to whoever shows the key that hashes to a value.
    HashLock,
    /// Paid at once, but a third party may take it back for a while, and can have it fenced.
    Reversible,
    /// Paid at once and for good; a third party can have it fenced before.
    Fenced,
    /// Paid at once; nothing is promised.
    Plain,
}

/// Whether a third party can make the item happen.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Generates {
    /// It cannot make it happen.
    #[default]
    No,
    /// It can, if what was deposited is good; the peer cannot tell beforehand.
    Unverifiably,
    /// It can, and the peer can tell when the item is promised.
    Verifiably,
}

/// Whether "not done" can be made final.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Excludes {
    /// It cannot be made final: it may still happen later.
    #[default]
    No,
    /// By waiting for a date of the payment system's clock.
    ByExpiry,
    /// By asking the payment system.
    ByFence,
}

/// The properties of an item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Properties {
    /// G: a third party can make it happen.
    pub generates: Generates,
    /// E: "not done" can be made final.
    pub excludes: Excludes,
    /// Rv: a third party can undo it.
    pub revocable: bool,
}

impl Properties {
    /// The properties of a package of both: the least of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            generates: self.generates.min(other.generates),
            excludes: self.excludes.min(other.excludes),
            revocable: self.revocable && other.revocable,
        }
    }
}

impl Mode {
    /// The properties of a payment of this mode.
    pub const fn properties(self) -> Properties {
        match self {
            Self::Hold | Self::HashLock => Properties {
                generates: Generates::Verifiably,
                excludes: Excludes::ByFence,
                revocable: true,
            },
            Self::Reversible => Properties {
                generates: Generates::No,
                excludes: Excludes::ByFence,
                revocable: true,
            },
            Self::Fenced => Properties {
                generates: Generates::No,
                excludes: Excludes::ByFence,
                revocable: false,
            },
            Self::Plain => {
                Properties { generates: Generates::No, excludes: Excludes::No, revocable: false }
            }
        }
    }
}
