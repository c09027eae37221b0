//! How much strangers may have stored: so many things and bytes in a minute, of one address and in
//! all. When all is spent there is as much again for those who have had little, so that a few
//! addresses that want everything shut out nobody else. What is refused comes again, or was never
//! meant.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse as _, Response};
use semper_base::Clock;
use semper_net::{Limits, Peer, Refusals, Refused};

use crate::web;

const MINUTE: Duration = Duration::from_secs(60);
/// Bytes that strangers may have stored in a minute in all, beyond what things take that are all
/// of one size; of one address it is half of them.
pub(crate) const BYTES_A_MINUTE: usize = 2 * 1024 * 1024;
/// Things in a minute that are little for an address.
const LITTLE: u32 = 12;

/// What strangers may have stored by one role.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    refusals: Refusals,
    clock: Arc<dyn Clock>,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    since: Option<Instant>,
    all: Sum,
    /// As many as things are stored in a minute, at most.
    addresses: HashMap<IpAddr, Sum>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    things: u32,
    bytes: usize,
}

impl Sum {
    fn has_room(self, things: u32, bytes: usize) -> bool {
        self.things < things && self.bytes < bytes
    }

    /// Whether so little has been had that some is left for it when all is spent.
    const fn is_little(self) -> bool {
        self.things < LITTLE
    }

    fn add(&mut self, bytes: usize) {
        self.things += 1;
        self.bytes += bytes;
    }
}

impl Budget {
    pub fn new(limits: &Limits, refusals: &Refusals, clock: Arc<dyn Clock>) -> Self {
        let (limits, refusals) = (limits.clone(), refusals.clone());
        Self { limits, refusals, clock, spent: Mutex::default() }
    }

    /// Counts somebody who was refused for another reason than what was spent.
    pub fn count(&self, why: Refused) {
        self.refusals.count(why);
    }

    /// Whether one more thing of so many bytes may be stored for this stranger now; counts it.
    pub fn spend(&self, peer: Option<Peer>, bytes: usize) -> bool {
        let (now, limits) = (self.clock.instant(), &self.limits);
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.since.is_none_or(|it| now.saturating_duration_since(it) >= MINUTE) {
            *spent = Spent { since: Some(now), ..Spent::default() };
        }
        let own = peer.map(|Peer(address)| address);
        let of_own = own.and_then(|it| spent.addresses.get(&it)).copied().unwrap_or_default();
        let all = limits.strangers_a_minute;
        let left = spent.all.has_room(all, BYTES_A_MINUTE)
            || (own.is_some()
                && of_own.is_little()
                && spent.all.has_room(all.saturating_mul(2), 2 * BYTES_A_MINUTE));
        let good = left && of_own.has_room(limits.strangers_per_address, BYTES_A_MINUTE / 2);
        if !good {
            drop(spent);
            self.refusals.count(Refused::Strangers);
            return false;
        }
        spent.all.add(bytes);
        if let Some(address) = own {
            spent.addresses.entry(address).or_default().add(bytes);
        }
        true
    }
}

/// The answer to those for whom nothing more is stored now.
pub(crate) fn exhausted() -> Response {
    let mend = "try again in a minute";
    let refusal = web::refuse(StatusCode::SERVICE_UNAVAILABLE, "too much at once", mend);
    ([(RETRY_AFTER, "60")], refusal).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use semper_base::SystemClock;
    use semper_net::{Limits, Peer, Refusals, Refused};

    use super::{BYTES_A_MINUTE, Budget};

    #[test]
    fn one_address_cannot_use_up_what_all_may_have_stored() {
        let limits =
            Limits { strangers_a_minute: 10, strangers_per_address: 5, ..Limits::default() };
        let refusals = Refusals::default();
        let budget = Budget::new(&limits, &refusals, Arc::new(SystemClock));
        let [eve, anna, bob] =
            [1, 2, 3].map(|it| Some(Peer(std::net::Ipv4Addr::new(10, 0, 0, it).into())));

        let eves = (0..50).filter(|_| budget.spend(eve, 100)).count();
        let annas = (0..5).filter(|_| budget.spend(anna, 100)).count();
        assert_eq!((eves, annas), (5, 5));
        // All is spent; those who have had little get a little all the same.
        let bobs = (0..50).filter(|_| budget.spend(bob, 100)).count();
        assert_eq!(bobs, 5);
        assert!(!budget.spend(None, 100));
        assert_eq!(refusals.all(), [(Refused::Strangers, 91)]);
    }

    #[test]
    fn bytes_count_as_well() {
        let budget = Budget::new(&Limits::default(), &Refusals::default(), Arc::new(SystemClock));
        let eve = Some(Peer(std::net::Ipv4Addr::LOCALHOST.into()));

        let large = (0..50).filter(|_| budget.spend(eve, BYTES_A_MINUTE / 8)).count();
        assert_eq!(large, 4);
    }
}
