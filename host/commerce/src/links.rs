//! The links of a host that runs all deals of a home: no deal waits for another, and one that
//! sleeps costs nothing.
//!
//! A deal in which something goes on has a thread that links it ([`Host::link`]). Once it is quiet,
//! it goes to its *shop*: one thread for each merchant, which asks for news of all deals that sleep
//! there ([`crate::news`]). Whatever happens in a deal, here or there, gives it a thread again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_archive::DealRow;
use semper_base::{DealId, Digest};
use semper_items::Side;
use semper_keeper::{Bell, Keeper, Post, Turn};
use semper_net::Client;
use semper_runtime::Stop;
use tokio::sync::watch;

use crate::host::Host;
use crate::link::{HOLD_MS, LinkError, Linked};
use crate::news::{self, News};

/// Deals that have a thread at once; others wait in line.
const THREADS: usize = 64;
/// Pauses after a merchant that cannot be asked for news.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// How often the deals of a merchant who does not know of news are asked about.
const SLOWLY: Duration = Duration::from_secs(30);
/// A deal whose link has ended, and in which something is still to be delivered, is linked again
/// after the first of these, then more and more seldom.
const AGAIN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));
/// Nobody rings for so long: it is looked all the same.
const LONG: Duration = Duration::from_secs(3_600);

/// How a link has ended: the deal as it then was, or why it cannot be gone on with.
pub type Outcome = Result<DealRow, LinkError>;

/// All links of a host.
pub struct Links {
    host: Arc<Host>,
    keeper: Keeper,
    state: Mutex<State>,
    /// An outcome has come, or somebody has gone.
    changed: Condvar,
    /// Rings when a deal is to be linked again.
    bell: Bell,
}

#[derive(Default)]
struct State {
    /// Deals that have a thread; true when something has happened since it last looked.
    linked: HashMap<DealId, bool>,
    /// Deals that are to have one.
    line: VecDeque<DealId>,
    shops: HashMap<Place, Arc<Shop>>,
    /// How often a deal's link has ended with something still to be delivered.
    ends: HashMap<DealId, u32>,
    /// When those are linked again.
    again: Vec<(Instant, DealId)>,
    /// Those who wait for a deal's end, and the end.
    followed: HashMap<DealId, (usize, Option<Arc<Outcome>>)>,
}

/// A merchant's address, as it is reached by one configuration.
type Place = (String, Option<Digest>);

/// The sleeping deals of one merchant.
struct Shop {
    address: String,
    net: Client,
    deals: Mutex<BTreeMap<DealId, Sleeping>>,
    /// Changes when another deal is to be asked about.
    changed: watch::Sender<u64>,
    bell: Bell,
}

/// A deal at its shop.
#[derive(Clone, Copy)]
struct Sleeping {
    /// The number of the last message received.
    last: u64,
    /// Something is to be said as soon as the merchant can be reached.
    away: bool,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Links({:?})", self.host)
    }
}

impl Links {
    /// Links every deal of this host that is not over. The keeper has the threads.
    ///
    /// # Errors
    /// The archive cannot be read.
    pub fn start(host: &Arc<Host>, keeper: &Keeper) -> Result<Arc<Self>, Stop> {
        let links = Arc::new(Self {
            host: Arc::clone(host),
            keeper: keeper.clone(),
            state: Mutex::default(),
            changed: Condvar::new(),
            bell: Bell::new(),
        });
        let weak = Arc::downgrade(&links);
        host.tells_of(move |id| {
            if let Some(links) = weak.upgrade() {
                links.stirs(id);
            }
        });
        let weak = Arc::downgrade(&links);
        let turns = move |_: &Post| weak.upgrade().map_or(Turn::End, |it| Turn::Wait(it.again()));
        keeper.thread("again", &links.bell, Box::new(turns));
        for row in host.to_link()? {
            match host.is_quiet(&row)? {
                true => links.sleeps(&row, false)?,
                false => links.tend(row.id),
            }
        }
        Ok(links)
    }

    /// Gives a deal of ours as the buyer a thread, unless it has one.
    pub fn tend(self: &Arc<Self>, id: DealId) {
        let mut state = self.state();
        if let Some(stirred) = state.linked.get_mut(&id) {
            *stirred = true;
            return;
        }
        for shop in state.shops.values() {
            shop.deals().remove(&id);
        }
        if state.linked.len() >= THREADS {
            if !state.line.contains(&id) {
                state.line.push_back(id);
            }
            return;
        }
        state.linked.insert(id, false);
        drop(state);
        let links = Arc::clone(self);
        drop(self.keeper.job(&format!("link {}", id.short()), move |_| links.run(id)));
    }

    /// Waits until a deal is over, and nothing is left to be delivered in it for now; none if `gone`
    /// says that nobody waits any more, or the host ends. Whoever changes what `gone` says calls
    /// [`Links::look`].
    pub fn follow(self: &Arc<Self>, id: DealId, gone: &dyn Fn() -> bool) -> Option<Arc<Outcome>> {
        self.state().followed.entry(id).or_default().0 += 1;
        self.tend(id);
        let mut state = self.state();
        let outcome = loop {
            let outcome = state.followed.get(&id).and_then(|it| it.1.clone());
            if outcome.is_some() || gone() || self.keeper.ending().is_over() {
                break outcome;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        if let Some(followed) = state.followed.get_mut(&id) {
            followed.0 -= 1;
            if followed.0 == 0 {
                state.followed.remove(&id);
            }
        }
        outcome
    }

    /// Has everybody who follows a deal look whether somebody still waits.
    pub fn look(&self) {
        // Whoever is between a look and its wait has the lock.
        drop(self.state());
        self.changed.notify_all();
    }

    /// How many deals have a thread, and how many sleep at their shops.
    pub fn count(&self) -> (usize, usize) {
        let state = self.state();
        let asleep = state.shops.values().map(|shop| shop.deals().len()).sum();
        (state.linked.len() + state.line.len(), asleep)
    }

    /// Something has happened in a deal here: what it has to say is to be delivered.
    fn stirs(self: &Arc<Self>, id: DealId) {
        let state = self.state();
        let known = state.linked.contains_key(&id)
            || state.shops.values().any(|shop| shop.deals().contains_key(&id));
        drop(state);
        if known || self.is_to_be_linked(id) {
            self.tend(id);
        }
    }

    /// A deal that nobody links now, and that is to be linked.
    fn is_to_be_linked(&self, id: DealId) -> bool {
        let row = self.host.archive().deal(id);
        matches!(row, Ok(Some(row)) if row.side == Side::Buyer && !row.state.is_final())
    }

    /// A deal's thread: links it until it is quiet or over, or its merchant is away.
    fn run(self: &Arc<Self>, id: DealId) {
        loop {
            self.has_stirred(id);
            let linked = self.host.link_while(id, &self.keeper);
            if self.keeper.ending().is_over() {
                return;
            }
            let slept = match linked {
                // What has happened since it was quiet is looked at.
                Ok(Linked::Quiet(_)) if self.has_stirred(id) => continue,
                Ok(Linked::Quiet(row)) => self.sleeps(&row, false).map_err(LinkError::from),
                Ok(Linked::Away(row)) => self.sleeps(&row, true).map_err(LinkError::from),
                Ok(Linked::Over(row)) => {
                    self.ends(id, Ok(row));
                    break;
                }
                Err(error) => Err(error),
            };
            if let Err(error) = slept {
                self.ends(id, Err(error));
            }
            break;
        }
        let mut state = self.state();
        // What stirred in the very moment in which the thread ended is not lost.
        let stirred = state.linked.remove(&id).unwrap_or_default();
        let next = state.line.pop_front();
        drop(state);
        if stirred && self.is_to_be_linked(id) {
            self.tend(id);
        }
        if let Some(next) = next {
            self.tend(next);
        }
    }

    /// Whether something has happened in a deal since this was asked last.
    fn has_stirred(&self, id: DealId) -> bool {
        self.state().linked.get_mut(&id).is_some_and(std::mem::take)
    }

    /// A deal's link has come to an end: whoever follows it hears so, and what is still to be
    /// delivered is tried again later.
    fn ends(&self, id: DealId, outcome: Outcome) {
        let left = match &outcome {
            Ok(_) => {
                let exchanges = self.host.has_open_exchanges(id).unwrap_or(true);
                exchanges || self.host.owes(id).unwrap_or(1) > 0
            }
            Err(_) => true,
        };
        let mut state = self.state();
        if let Some(followed) = state.followed.get_mut(&id) {
            followed.1 = Some(Arc::new(outcome));
        }
        if left {
            let ends = state.ends.entry(id).or_default();
            let pause = AGAIN.0.saturating_mul(1 << (*ends).min(10)).min(AGAIN.1);
            *ends += 1;
            state.again.push((Instant::now() + pause, id));
        } else {
            state.ends.remove(&id);
        }
        drop(state);
        self.changed.notify_all();
        self.bell.ring();
    }

    /// Links those again whose time has come; how long there is none.
    fn again(self: &Arc<Self>) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.again).into_iter().partition(|(at, _)| *at <= now);
        let next = later.iter().map(|(at, _)| at.saturating_duration_since(now)).min();
        state.again = later;
        drop(state);
        due.into_iter().for_each(|(_, id)| self.tend(id));
        next.unwrap_or(LONG)
    }

    /// A deal goes to its shop, where it costs nothing; if its merchant is away, until he is back.
    fn sleeps(self: &Arc<Self>, row: &DealRow, away: bool) -> Result<(), Stop> {
        let last = self.host.channel(row.id)?.received.last;
        let place = (row.address.clone(), row.basis);
        let known = self.state().shops.get(&place).cloned();
        let shop = match known {
            Some(shop) => shop,
            None => self.opens(place, row)?,
        };
        shop.deals().insert(row.id, Sleeping { last, away });
        shop.stirs();
        Ok(())
    }

    /// A shop, with its thread.
    fn opens(self: &Arc<Self>, place: Place, row: &DealRow) -> Result<Arc<Shop>, Stop> {
        let net = self.host.way(row)?;
        let mut state = self.state();
        if let Some(shop) = state.shops.get(&place) {
            return Ok(Arc::clone(shop));
        }
        let shop = Arc::new(Shop {
            address: row.address.clone(),
            net,
            deals: Mutex::default(),
            changed: watch::Sender::new(0),
            bell: Bell::new(),
        });
        let (links, own) = (Arc::downgrade(self), Arc::clone(&shop));
        let (mut pause, mut from) = (PAUSES.0, 0);
        let turns = move |post: &Post| match links.upgrade() {
            Some(links) => links.asks(&own, post, &mut pause, &mut from),
            None => Turn::End,
        };
        let name = format!("shop {}", state.shops.len() + 1);
        state.shops.insert(place, Arc::clone(&shop));
        drop(state);
        self.keeper.thread(&name, &shop.bell, Box::new(turns));
        Ok(shop)
    }

    /// A shop asks once for news of its deals.
    fn asks(
        self: &Arc<Self>,
        shop: &Arc<Shop>,
        post: &Post,
        pause: &mut Duration,
        from: &mut usize,
    ) -> Turn {
        let mut changed = shop.changed.subscribe();
        let deals = shop.some(from);
        if deals.is_empty() {
            return Turn::Wait(LONG);
        }
        // Whoever only wants to know whether the merchant is back does not wait for news.
        let back: Vec<DealId> = deals.iter().filter(|it| it.1.away).map(|it| it.0).collect();
        let hold = if back.is_empty() { HOLD_MS } else { 0 };
        let deals = deals.into_iter().map(|(id, it)| (id, it.last)).collect();
        let ending = post.ending().clone();
        let stop = async move {
            tokio::select! {
                _ = changed.changed() => {}
                () = ending.over() => {}
            }
        };
        let (told, wait) = match news::ask(&shop.net, (&shop.address, hold), deals, stop) {
            Ok(News::Of(told)) => (told, None),
            Ok(News::Stopped) => (Vec::new(), None),
            Ok(News::Unknown) => (shop.deals().keys().copied().collect(), Some(SLOWLY)),
            Err(error) => {
                tracing::debug!(address = shop.address, %error, "no news");
                let wait = *pause;
                *pause = (wait * 2).min(PAUSES.1);
                return Turn::Wait(wait);
            }
        };
        *pause = PAUSES.0;
        for id in told.into_iter().chain(back) {
            // A merchant tells about no other deals than those that were asked about.
            if shop.deals().contains_key(&id) {
                self.tend(id);
            }
        }
        wait.map_or(Turn::Again, Turn::Wait)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shop {
    fn deals(&self) -> MutexGuard<'_, BTreeMap<DealId, Sleeping>> {
        self.deals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another deal is to be asked about.
    fn stirs(&self) {
        self.changed.send_modify(|it| *it += 1);
        self.bell.ring();
    }

    /// Its deals; where there are more than fit into one question, those whose turn it is.
    fn some(&self, from: &mut usize) -> Vec<(DealId, Sleeping)> {
        let deals = self.deals();
        if *from >= deals.len() {
            *from = 0;
        }
        let some: Vec<_> =
            deals.iter().skip(*from).take(news::MOST).map(|it| (*it.0, *it.1)).collect();
        *from += some.len();
        some
    }
}
