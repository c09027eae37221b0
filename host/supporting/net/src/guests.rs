//! Who is connected: how many there may be, who has to make room, and who keeps us waiting.
//!
//! A connection's requests are each in one of three hands: the guest sends, we work, or the guest
//! reads. Only those for whom we work have a right to stay. When all places are taken, of the address
//! that has most of them the guest that has kept us waiting for longest gives its place to the next;
//! so whoever hoards connections shuts out nobody, not even others behind the same address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::limits::Limits;
use crate::refusals::{Refusals, Refused};

/// How much longer than a body may take its connection may stay: whoever is late is told so.
const SLACK: Duration = Duration::from_secs(5);
/// Addresses whose connecting is remembered; beyond them, those who have connected little are
/// forgotten.
const REMEMBERED: usize = 50_000;
/// One connection, as buckets count.
const ONE: u64 = 1_000;
/// Bytes of a body that do not count against what is held of all.
const FREE: usize = 16 * 1024;

/// Whose turn it is in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    /// The guest sends its request.
    Sends,
    /// We work.
    Ours,
    /// The guest reads the answer.
    Reads,
}

/// Why a guest has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It asks nothing any more.
    Idle,
    /// For this reason, which is counted.
    Cut(Refused),
}

/// All guests of a server. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Guests(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: Limits,
    refusals: Refusals,
    table: Mutex<Table>,
    /// Bytes of bodies that are held.
    bodies: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    guests: HashMap<u64, Arc<Guest>>,
    addresses: HashMap<IpAddr, usize>,
    shaking: usize,
    downloads: HashMap<IpAddr, usize>,
    connects: HashMap<IpAddr, Connects>,
}

/// How often an address has connected lately: a bucket that leaks.
#[derive(Clone, Copy, Debug)]
struct Connects {
    /// What is in it, in thousandths of a connection, as of then.
    level: u64,
    then: Instant,
}

impl Connects {
    fn level(&self, now: Instant, limits: &Limits) -> u64 {
        let passed = now.saturating_duration_since(self.then).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        // So many in a second are so many thousandths in a thousandth of it.
        self.level.saturating_sub(passed.saturating_mul(limits.connects_per_address.into()))
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Guest {
    id: u64,
    address: IpAddr,
    /// Rings when it has to make room.
    pub leave: Notify,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    requests: HashMap<u64, Turn>,
    /// Since when there has been no request.
    quiet: Instant,
    /// Whether there has been one.
    asked: bool,
    shaking: bool,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    hand: Hand,
    begun: Instant,
    since: Instant,
}

/// A guest's place; it is free when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    guests: Guests,
    pub guest: Arc<Guest>,
}

/// A request of a guest; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Asked {
    guests: Guests,
    guest: Arc<Guest>,
    id: u64,
    /// Bytes of its body that count.
    held: AtomicUsize,
}

/// The place of a large answer.
#[derive(Debug)]
pub(crate) struct Download {
    guests: Guests,
    address: IpAddr,
}

impl Guests {
    pub fn new(limits: &Limits, refusals: &Refusals) -> Self {
        let (limits, refusals) = (limits.clone(), refusals.clone());
        let (table, bodies) = (Mutex::default(), AtomicUsize::new(0));
        Self(Arc::new(Inner { limits, refusals, table, bodies }))
    }

    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub fn count(&self, why: Refused) {
        self.0.refusals.count(why);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table().guests.len()
    }

    /// Lets somebody in, if need be in the place of one that keeps us waiting.
    pub fn enter(&self, peer: IpAddr) -> Result<Seat, Refused> {
        let (address, now) = (network(peer), Instant::now());
        let mut table = self.table();
        if !table.connects(&self.0.limits, address, now) {
            drop(table);
            self.count(Refused::Connects);
            return Err(Refused::Connects);
        }
        while let Some(why) = table.is_full(&self.0.limits, address) {
            let Some(id) = table.longest_waiting(why, address, now) else {
                drop(table);
                self.count(why);
                return Err(why);
            };
            if let Some(guest) = table.remove(id) {
                guest.leave.notify_one();
                self.count(Refused::SentAway);
            }
        }
        table.next += 1;
        let state =
            State { next: 0, requests: HashMap::new(), quiet: now, asked: false, shaking: true };
        let (leave, state) = (Notify::new(), Mutex::new(state));
        let guest = Arc::new(Guest { id: table.next, address, leave, state });
        table.guests.insert(guest.id, Arc::clone(&guest));
        *table.addresses.entry(address).or_default() += 1;
        table.shaking += 1;
        drop(table);
        Ok(Seat { guests: self.clone(), guest })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whether an address may connect once more now.
    fn connects(&mut self, limits: &Limits, address: IpAddr, now: Instant) -> bool {
        if self.connects.len() >= REMEMBERED && !self.connects.contains_key(&address) {
            // Those who have little in their bucket are forgotten; if nobody has, everybody is.
            self.connects.retain(|_, it| it.level(now, limits) > ONE);
            if self.connects.len() >= REMEMBERED {
                self.connects.clear();
            }
        }
        let before = self.connects.get(&address).map_or(0, |it| it.level(now, limits));
        let at_once = u64::try_from(limits.connections_per_address).unwrap_or(u64::MAX);
        let most = at_once.max(limits.connects_per_address.into()).saturating_mul(ONE);
        let taken = before + ONE <= most;
        let level = if taken { before + ONE } else { before };
        self.connects.insert(address, Connects { level, then: now });
        taken
    }

    /// What is taken by so many that nobody more can have it.
    fn is_full(&self, limits: &Limits, address: IpAddr) -> Option<Refused> {
        if self.of(address) >= limits.connections_per_address {
            Some(Refused::Address)
        } else if self.guests.len() >= limits.connections {
            Some(Refused::Connections)
        } else if self.shaking >= limits.handshakes {
            Some(Refused::Handshakes)
        } else {
            None
        }
    }

    fn of(&self, address: IpAddr) -> usize {
        self.addresses.get(&address).copied().unwrap_or(0)
    }

    /// Who has to make room: of the addresses with most connections, who has kept us waiting for
    /// longest.
    fn longest_waiting(&self, why: Refused, address: IpAddr, now: Instant) -> Option<u64> {
        let candidates = self.guests.values().filter(|it| match why {
            Refused::Address => it.address == address,
            Refused::Handshakes => it.state().shaking,
            _ => true,
        });
        let waiting = candidates.filter_map(|guest| {
            let long = now.saturating_duration_since(guest.waits_since()?);
            Some((self.of(guest.address), long, guest.id))
        });
        waiting.max().map(|(.., id)| id)
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Guest>> {
        let guest = self.guests.remove(&id)?;
        take_one(&mut self.addresses, guest.address);
        if guest.state().shaking {
            self.shaking -= 1;
        }
        Some(guest)
    }
}

fn take_one(counts: &mut HashMap<IpAddr, usize>, address: IpAddr) {
    if let Some(count) = counts.get_mut(&address) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&address);
        }
    }
}

/// Whom an address stands for: of IPv6, one customer has a whole network of 64 bits.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => {
            let [a, b, c, d, ..] = it.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        it @ IpAddr::V4(_) => it,
    }
}

impl Seat {
    /// The handshake is over.
    pub fn shaken(&self) {
        let mut table = self.guests.table();
        let mut state = self.guest.state();
        state.shaking = false;
        state.quiet = Instant::now();
        drop(state);
        // Whoever had to leave is counted no more.
        if table.guests.contains_key(&self.guest.id) {
            table.shaking -= 1;
        }
    }

    /// A request begins.
    pub fn ask(&self) -> Asked {
        let mut state = self.guest.state();
        state.next += 1;
        state.asked = true;
        let (id, now) = (state.next, Instant::now());
        state.requests.insert(id, Turn { hand: Hand::Sends, begun: now, since: now });
        drop(state);
        let (guests, guest) = (self.guests.clone(), Arc::clone(&self.guest));
        Asked { guests, guest, id, held: AtomicUsize::new(0) }
    }

    /// Whether the guest has to leave now.
    pub fn overdue(&self, now: Instant) -> Option<Leave> {
        self.guest.overdue(now, self.guests.limits())
    }

    pub fn guests(&self) -> &Guests {
        &self.guests
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guests.table().remove(self.guest.id);
    }
}

impl Guest {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when it has kept us waiting; not at all while we work for it.
    fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        let mut since = state.quiet;
        for turn in state.requests.values() {
            if turn.hand == Hand::Ours {
                return None;
            }
            since = since.max(turn.since);
        }
        Some(since)
    }

    fn overdue(&self, now: Instant, limits: &Limits) -> Option<Leave> {
        let state = self.state();
        let long = |since: Instant| now.saturating_duration_since(since);
        if state.requests.is_empty() {
            return match state.asked {
                true => (long(state.quiet) > limits.idle()).then_some(Leave::Idle),
                false => {
                    let late = long(state.quiet) > limits.header();
                    late.then_some(Leave::Cut(Refused::HeaderTime))
                }
            };
        }
        let due = |turn: &Turn| match turn.hand {
            // Those whose body takes long are told so; this is for those who do not listen.
            Hand::Sends if long(turn.begun) > limits.body() + SLACK => Some(Refused::BodyTime),
            Hand::Reads if long(turn.since) > limits.write() => Some(Refused::WriteTime),
            _ if long(turn.begun) > limits.request() => Some(Refused::RequestTime),
            _ => None,
        };
        state.requests.values().find_map(due).map(Leave::Cut)
    }
}

impl Asked {
    /// From now on it is this one's turn.
    pub fn hand(&self, hand: Hand) {
        if let Some(turn) = self.guest.state().requests.get_mut(&self.id) {
            (turn.hand, turn.since) = (hand, Instant::now());
        }
    }

    /// More of its body is held; `false` if that is too much of all.
    pub fn hold(&self, before: usize, more: usize) -> bool {
        let counted = (before + more).saturating_sub(FREE) - before.saturating_sub(FREE);
        if counted == 0 {
            return true;
        }
        let bodies = &self.guests.0.bodies;
        let all = bodies.fetch_add(counted, Ordering::Relaxed) + counted;
        self.held.fetch_add(counted, Ordering::Relaxed);
        all <= self.guests.limits().bodies_bytes
    }

    pub fn guests(&self) -> &Guests {
        &self.guests
    }

    /// A place for a large answer, if there is one.
    pub fn download(&self) -> Option<Download> {
        let (address, limits) = (self.guest.address, self.guests.limits());
        let mut table = self.guests.table();
        let all: usize = table.downloads.values().sum();
        let own = table.downloads.entry(address).or_default();
        if all >= limits.downloads || *own >= limits.downloads_per_address {
            return None;
        }
        *own += 1;
        Some(Download { guests: self.guests.clone(), address })
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.guests.0.bodies.fetch_sub(*self.held.get_mut(), Ordering::Relaxed);
        let mut state = self.guest.state();
        state.requests.remove(&self.id);
        state.quiet = Instant::now();
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        take_one(&mut self.guests.table().downloads, self.address);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::{Guests, Hand, Leave, SLACK, Seat, network};
    use crate::limits::Limits;
    use crate::refusals::{Refusals, Refused};

    const ANNA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const EVE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn guests(limits: Limits) -> Guests {
        Guests::new(&limits, &Refusals::default())
    }

    #[test]
    fn whoever_hoards_connections_makes_room_for_others() {
        let limits = Limits { connections: 4, connections_per_address: 3, ..Limits::default() };
        let guests = guests(limits);
        let there = |seat: &Seat| guests.table().guests.contains_key(&seat.guest.id);
        let eves: Vec<_> = (0..3).map(|_| guests.enter(EVE).unwrap()).collect();
        let at_work = eves[0].ask();
        at_work.hand(Hand::Ours);
        let anna = guests.enter(ANNA).unwrap();

        // Eve has all that one address can have: her fourth takes the place of one of hers.
        let fourth = guests.enter(EVE).unwrap();
        assert!(there(&eves[0]) && !there(&eves[1]) && there(&eves[2]) && there(&fourth));
        // Everything is taken: Eve has most of it, and gives a place that waits.
        let second = guests.enter(ANNA).unwrap();
        assert!(there(&eves[0]) && !there(&eves[2]) && there(&anna) && there(&second));
        assert_eq!(guests.len(), 4);

        // Those for whom we work stay.
        let all: Vec<_> = [&fourth, &anna, &second].map(|it| it.ask()).into_iter().collect();
        all.iter().for_each(|it| it.hand(Hand::Ours));
        assert_eq!(guests.enter(ANNA).unwrap_err(), Refused::Connections);

        drop((anna, fourth, second, eves));
        assert_eq!((guests.len(), guests.table().shaking), (0, 0));
        assert!(guests.table().addresses.is_empty());
    }

    #[test]
    fn whoever_connects_again_and_again_has_to_wait_and_nobody_else_does() {
        let limits =
            Limits { connections_per_address: 10, connects_per_address: 5, ..Limits::default() };
        let guests = guests(limits.clone());
        let now = Instant::now();
        let connects = |address, after: Duration| {
            let mut table = guests.table();
            (0..20).filter(|_| table.connects(&limits, address, now + after)).count()
        };

        assert_eq!((connects(EVE, Duration::ZERO), connects(ANNA, Duration::ZERO)), (10, 10));
        assert_eq!(connects(EVE, Duration::from_secs(1)), 5);
        assert_eq!(connects(EVE, Duration::from_secs(60)), 10);
    }

    #[test]
    fn everything_that_a_guest_can_delay_has_its_time() {
        let limits = Limits::default();
        let guests = guests(limits.clone());
        let seat = guests.enter(EVE).unwrap();
        seat.shaken();
        let after = |time: Duration| seat.overdue(Instant::now() + time + SLACK * 2);

        assert_eq!(seat.overdue(Instant::now()), None);
        assert_eq!(after(limits.header()), Some(Leave::Cut(Refused::HeaderTime)));
        let asked = seat.ask();
        assert_eq!(after(limits.body()), Some(Leave::Cut(Refused::BodyTime)));
        asked.hand(Hand::Ours);
        assert_eq!(after(limits.body()), None);
        assert_eq!(after(limits.request()), Some(Leave::Cut(Refused::RequestTime)));
        asked.hand(Hand::Reads);
        assert_eq!(after(limits.write()), Some(Leave::Cut(Refused::WriteTime)));
        drop(asked);
        assert_eq!(after(limits.write()), None);
        assert_eq!(after(limits.idle()), Some(Leave::Idle));
    }

    #[test]
    fn bodies_and_downloads_are_counted_until_they_are_over() {
        let limits =
            Limits { bodies_bytes: 100_000, downloads_per_address: 1, ..Limits::default() };
        let guests = guests(limits);
        let seat = guests.enter(EVE).unwrap();
        let (one, other) = (seat.ask(), seat.ask());

        assert!(one.hold(0, 16 * 1024) && one.hold(16 * 1024, 100_000));
        assert!(other.hold(0, 10_000), "small ones always have room");
        assert!(!other.hold(10_000, 10_000));
        drop((one, other));
        let one = seat.ask();
        assert!(one.hold(0, 100_000));

        let download = one.download().unwrap();
        assert!(one.download().is_none());
        drop(download);
        assert!(one.download().is_some());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::7"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::7"), of("2001:db8:1:3::7"));
        assert_eq!(of("::ffff:10.0.0.1"), ANNA);
    }
}
