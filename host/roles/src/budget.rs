//! How much strangers may have stored: so many things and bytes in a minute, of one address and in
//! all. When all is spent there is as much again for those who have had little, so that a few
//! addresses that want everything shut out nobody else. What a minute has comes bit by bit, so that
//! a flood is work for a while and not for all of the machine at once. What is refused comes again,
//! or was never meant.

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

/// Spans of time in each of which there is only so much: a minute, and a part of it.
const SPANS: [(Duration, u32); 2] = [(Duration::from_secs(60), 1), (Duration::from_secs(10), 6)];
/// Things that an address may have in the shortest span, if a minute has as many.
const AT_ONCE: u32 = 24;
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
    /// In each of the spans.
    spent: Mutex<[Spent; SPANS.len()]>,
}

#[derive(Debug, Default)]
struct Spent {
    since: Option<Instant>,
    all: Sum,
    /// As many as things are stored in a minute, at most.
    addresses: HashMap<IpAddr, Sum>,
}

impl Spent {
    fn of(&self, address: IpAddr) -> Sum {
        self.addresses.get(&address).copied().unwrap_or_default()
    }
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
        let now = self.clock.instant();
        let own = peer.map(|Peer(address)| address);
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        for (spent, (span, _)) in all.iter_mut().zip(SPANS) {
            if spent.since.is_none_or(|it| now.saturating_duration_since(it) >= span) {
                *spent = Spent { since: Some(now), ..Spent::default() };
            }
        }
        // Whoever has had little in the whole minute.
        let little = own.is_some_and(|it| all[0].of(it).is_little());
        let room =
            |(spent, (_, part)): (&Spent, (Duration, u32))| self.has_room(spent, own, part, little);
        if !all.iter().zip(SPANS).all(room) {
            drop(all);
            self.refusals.count(Refused::Strangers);
            return false;
        }
        for spent in &mut *all {
            spent.all.add(bytes);
            if let Some(address) = own {
                spent.addresses.entry(address).or_default().add(bytes);
            }
        }
        true
    }

    /// Whether a span that is such a part of a minute has room for one more thing of this address.
    fn has_room(&self, spent: &Spent, own: Option<IpAddr>, part: u32, little: bool) -> bool {
        let share = |limit: u32| limit.div_ceil(part).max(AT_ONCE.min(limit));
        let most = share(self.limits.strangers_a_minute);
        let of_own = own.map(|it| spent.of(it)).unwrap_or_default();
        let left = spent.all.has_room(most, BYTES_A_MINUTE)
            || (little && spent.all.has_room(most.saturating_mul(2), 2 * BYTES_A_MINUTE));
        left && of_own.has_room(share(self.limits.strangers_per_address), BYTES_A_MINUTE / 2)
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
    fn what_a_minute_has_is_not_there_at_once() {
        let limits = Limits { strangers_per_address: 300, ..Limits::default() };
        let budget = Budget::new(&limits, &Refusals::default(), Arc::new(SystemClock));
        let eve = Some(Peer(std::net::Ipv4Addr::LOCALHOST.into()));

        assert_eq!((0..300).filter(|_| budget.spend(eve, 100)).count(), 50);
    }

    #[test]
    fn bytes_count_as_well() {
        let budget = Budget::new(&Limits::default(), &Refusals::default(), Arc::new(SystemClock));
        let eve = Some(Peer(std::net::Ipv4Addr::LOCALHOST.into()));

        let large = (0..50).filter(|_| budget.spend(eve, BYTES_A_MINUTE / 8)).count();
        assert_eq!(large, 4);
    }
}
