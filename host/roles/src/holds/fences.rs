//! Whose fences a bank stores. A fence makes a row where nothing was ordered, so not everybody may
//! make them without end: third parties that an order here has named may; of others so many in a
//! minute are taken. Whoever is refused asks again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use semper_base::{PublicKey, cbor};
use semper_exchange::bank::Order;
use semper_exchange::standard::Standard;
use semper_ledger::{Ledger, LedgerError};
use semper_net::{Limits, Peer};

use super::MAX_ORDER;
use crate::budget::Budget;
use crate::surroundings::Surroundings;

/// Fences of unknown third parties in a minute, and of them from one address.
const A_MINUTE: u32 = 120;
const PER_ADDRESS: u32 = 60;
/// Rows of fences beyond which none of an unknown third party is stored: some 250 MB.
const MOST: u64 = 1_000_000;
/// Third parties that are remembered.
const KNOWN: usize = 10_000;

/// Decides about fences.
#[derive(Debug)]
pub(crate) struct Fences {
    known: Mutex<HashSet<PublicKey>>,
    budget: Budget,
    stored: AtomicU64,
}

impl Fences {
    /// Knows the third parties that the orders in these books name.
    ///
    /// # Errors
    /// When the books cannot be read.
    pub fn open(ledger: &Ledger, around: &Surroundings) -> Result<Self, LedgerError> {
        let mut known = HashSet::new();
        ledger.orders(|order| {
            // An order that cannot be read is the audit's matter.
            if let Ok(order) = cbor::decode::<Order<Standard>>(order, MAX_ORDER)
                && known.len() < KNOWN
            {
                known.insert(order.third_party);
            }
        })?;
        let limits = Limits {
            strangers_a_minute: around.limits.strangers_a_minute.min(A_MINUTE),
            strangers_per_address: around.limits.strangers_per_address.min(PER_ADDRESS),
            ..around.limits.clone()
        };
        let budget = Budget::new(&limits, &around.refusals, around.clock());
        let stored = AtomicU64::new(ledger.fences()?);
        Ok(Self { known: Mutex::new(known), budget, stored })
    }

    /// A customer has named this third party in an order.
    pub fn know(&self, third_party: PublicKey) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN {
            known.insert(third_party);
        }
    }

    /// Whether a fence of this third party under a new name is stored.
    pub fn take(&self, third_party: &PublicKey, peer: Option<Peer>) -> bool {
        let is_known =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(third_party);
        let full = || self.stored.load(Ordering::Relaxed) >= MOST;
        let is_taken = is_known || (!full() && self.budget.spend(peer, 0));
        if is_taken {
            self.stored.fetch_add(1, Ordering::Relaxed);
        }
        is_taken
    }
}
