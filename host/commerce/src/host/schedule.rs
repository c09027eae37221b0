//! Which deals run: a bounded number of workers, each running one activation at a time.
//!
//! A deal that waits holds no worker (beyond its short grace); a message, a timer or a start
//! of the host wakes it. Waking a deal that is running makes it run once more afterwards, so
//! that nothing that happens between its last look and its end is missed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use semper_base::{DealId, Digest};
use semper_keeper::spawn::Loop;
use semper_keeper::{Bell, Post, Turn};
use tokio::sync::{Notify, watch};

use semper_runtime::Lane;

use super::{Host, waits};

/// Threads of the slow lane: for components that compute for long or are to be compiled.
const SLOW: usize = 2;
/// A worker looks for work that nobody has rung for.
const LONG: Duration = Duration::from_secs(60);
/// Terms remembered as heavy at most.
const HEAVY: usize = 10_000;

/// Wakes whoever waits for something of a deal: activations (threads) and long polls (tasks).
#[derive(Debug)]
pub struct Signal {
    deal: DealId,
    count: Mutex<u64>,
    changed: Condvar,
    watch: watch::Sender<u64>,
    /// Those who wait for many deals at once.
    groups: Mutex<Vec<Weak<Group>>>,
    /// Held while the channel's state is read, changed and stored.
    pub(super) door: Mutex<()>,
}

impl Signal {
    fn new(deal: DealId) -> Self {
        let ((watch, _), count, changed) = (watch::channel(0), Mutex::new(0), Condvar::new());
        Self { deal, count, changed, watch, groups: Mutex::default(), door: Mutex::new(()) }
    }

    /// Something has happened.
    pub fn bump(&self) {
        *lock(&self.count) += 1;
        self.changed.notify_all();
        self.watch.send_modify(|count| *count += 1);
        lock(&self.groups).retain(|group| group.upgrade().map(|it| it.tell(self.deal)).is_some());
    }

    /// Has a group hear of every bump, for as long as somebody keeps it.
    pub fn join(&self, group: &Arc<Group>) {
        let mut groups = lock(&self.groups);
        groups.retain(|it| it.strong_count() > 0);
        groups.push(Arc::downgrade(group));
    }

    /// For tasks: a receiver that changes with every bump.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.watch.subscribe()
    }

    pub(super) fn count(&self) -> u64 {
        *lock(&self.count)
    }

    /// Waits until the count is another than `seen`, or the time is over.
    pub(super) fn wait(&self, seen: u64, time: Duration) -> bool {
        let count = lock(&self.count);
        let (count, _) = self
            .changed
            .wait_timeout_while(count, time, |count| *count == seen)
            .unwrap_or_else(PoisonError::into_inner);
        *count != seen
    }
}

/// Waits for many deals at once: whoever asks for news of all of them.
#[derive(Debug, Default)]
pub struct Group {
    told: Mutex<HashSet<DealId>>,
    heard: Notify,
}

impl Group {
    fn tell(&self, deal: DealId) {
        lock(&self.told).insert(deal);
        self.heard.notify_one();
    }

    /// The deals in which something has happened since the last call; waits until there is one.
    pub async fn heard(&self) -> HashSet<DealId> {
        loop {
            let told = std::mem::take(&mut *lock(&self.told));
            if !told.is_empty() {
                return told;
            }
            self.heard.notified().await;
        }
    }
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<DealId>,
    /// Deals whose components compute for long.
    slow: VecDeque<DealId>,
    /// Terms whose components were seen to: their deals go there at once.
    heavy: HashSet<Digest>,
    /// Deals that are ready or running; true when they are to run once more.
    busy: HashMap<DealId, Place>,
    /// How often deals that we could not run have been tried.
    tries: HashMap<DealId, u32>,
    /// Deals to wake at a time.
    timers: BTreeMap<(Instant, DealId), ()>,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Ready,
    Running,
    RunningAgain,
    /// Running, and to be run in the slow lane next.
    Slow,
}

/// The schedule of a host.
#[derive(Default)]
pub(super) struct Schedule {
    queue: Mutex<Queue>,
    work: Bell,
    slow_work: Bell,
    signals: Mutex<HashMap<DealId, Arc<Signal>>>,
    /// Questions of deals that have not gone to sleep yet.
    asking: Mutex<HashMap<Digest, DealId>>,
}

/// Starts the workers; they end when the host is dropped. A worker holds the host only while
/// it runs a deal, or waiting workers would keep it alive among themselves.
pub(super) fn start(host: &Arc<Host>, workers: usize) {
    let spawn = host.spawn();
    for number in 1..=workers.max(1) {
        let turns = worker(host, Lane::Fast);
        spawn.keep(&format!("worker {number}"), &host.schedule.work, turns);
    }
    for number in 1..=SLOW {
        let (mut turns, mut in_background) = (worker(host, Lane::Slow), false);
        let turns = move |post: &Post| {
            if !std::mem::replace(&mut in_background, true) {
                // Low priority: whoever answers at once goes first. Not the lowest: what is put
                // off for long while it holds a lock puts off others. Where the system does not
                // allow it, it is a lane of few threads all the same.
                let me = Some(rustix::thread::gettid());
                let _ = rustix::process::setpriority_process(me, 12);
                semper_archive::store::in_background();
            }
            turns(post)
        };
        let name = format!("slow worker {number}");
        spawn.keep(&name, &host.schedule.slow_work, Box::new(turns));
    }
    let weak = Arc::downgrade(host);
    let mut clock = waits::Clock::default();
    let turns = move |_: &Post| weak.upgrade().map_or(Turn::End, |host| clock.look(&host));
    spawn.keep("dates", &Bell::new(), Box::new(turns));
    let weak = Arc::downgrade(host);
    let mut news = waits::Decisions::default();
    spawn.keep("decisions", &Bell::new(), Box::new(move |post| news.hear(&weak, post)));
}

/// A worker of a lane: runs one deal in a turn. A panic costs that activation, and the deal stands
/// still with a note of it.
fn worker(host: &Arc<Host>, lane: Lane) -> Loop {
    let (schedule, weak) = (Arc::clone(&host.schedule), Arc::downgrade(host));
    let clock = Arc::clone(host.clock());
    Box::new(move |_: &Post| {
        let id = match schedule.next(lane, clock.instant()) {
            Ok(id) => id,
            Err(turn) => return turn,
        };
        let Some(host) = weak.upgrade() else { return Turn::End };
        let ran = host.spawn().caught("an activation", &mut || host.activate(id, lane));
        if let Err(panicked) = ran {
            host.crashed(id, &panicked);
        }
        schedule.done(id);
        Turn::Again
    })
}

impl Schedule {
    /// The next deal to run, or what to do until there is one.
    fn next(&self, lane: Lane, now: Instant) -> Result<DealId, Turn> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(Turn::End);
        }
        while let Some((&(at, id), ())) = queue.timers.first_key_value() {
            if at > now {
                break;
            }
            queue.timers.remove(&(at, id));
            enqueue(&mut queue, id);
        }
        let line = match lane {
            Lane::Fast => &mut queue.ready,
            Lane::Slow => &mut queue.slow,
        };
        if let Some(id) = line.pop_front() {
            queue.busy.insert(id, Place::Running);
            return Ok(id);
        }
        let next = queue.timers.first_key_value().map(|(key, ())| key.0);
        let time = next.map_or(LONG, |at| at.saturating_duration_since(now).min(LONG));
        Err(Turn::Wait(time))
    }

    /// A deal that is being run asks this.
    pub(super) fn asks(&self, key: Digest, id: DealId) {
        lock(&self.asking).insert(key, id);
    }

    /// What a deal asks is stored with it now, or it asks nothing any more.
    pub(super) fn asked(&self, id: DealId) {
        let mut asking = lock(&self.asking);
        if !asking.is_empty() {
            asking.retain(|_, deal| *deal != id);
        }
    }

    /// Deals that are being run and ask one of these; all that ask, without a list.
    pub(super) fn asking(&self, keys: Option<&[Digest]>) -> Vec<DealId> {
        let asking = lock(&self.asking);
        match keys {
            Some(keys) => keys.iter().filter_map(|key| asking.get(key).copied()).collect(),
            None => asking.values().copied().collect(),
        }
    }

    /// The host has gone: workers end.
    pub(super) fn close(&self) {
        lock(&self.queue).closed = true;
        self.work.ring_all();
        self.slow_work.ring_all();
    }

    fn done(&self, id: DealId) {
        let mut queue = lock(&self.queue);
        match queue.busy.remove(&id) {
            Some(Place::RunningAgain) => {
                enqueue(&mut queue, id);
                self.work.ring();
            }
            Some(Place::Slow) => {
                queue.busy.insert(id, Place::Ready);
                queue.slow.push_back(id);
                self.slow_work.ring();
            }
            _ => {}
        }
    }

    /// A deal is about to be tried again: how often it has been before.
    pub(super) fn tried(&self, id: DealId) -> u32 {
        let mut queue = lock(&self.queue);
        let tries = queue.tries.entry(id).or_default();
        *tries += 1;
        *tries - 1
    }

    /// A deal could be run.
    pub(super) fn steady(&self, id: DealId) {
        lock(&self.queue).tries.remove(&id);
    }

    /// Components of these terms were seen to compute for long.
    pub(super) fn heavy(&self, terms: Digest) {
        let mut queue = lock(&self.queue);
        if queue.heavy.len() < HEAVY {
            queue.heavy.insert(terms);
        }
    }

    /// Whether components of these terms were seen to compute for long.
    pub(super) fn is_heavy(&self, terms: &Digest) -> bool {
        lock(&self.queue).heavy.contains(terms)
    }
}

fn enqueue(queue: &mut Queue, id: DealId) {
    match queue.busy.get(&id) {
        None => {
            queue.busy.insert(id, Place::Ready);
            queue.ready.push_back(id);
        }
        Some(Place::Running) => {
            queue.busy.insert(id, Place::RunningAgain);
        }
        Some(Place::Ready | Place::RunningAgain | Place::Slow) => {}
    }
}

impl Host {
    /// Has a deal run.
    pub fn wake(&self, id: DealId) {
        self.signal(id).bump();
        enqueue(&mut lock(&self.schedule.queue), id);
        self.schedule.work.ring();
    }

    /// Has a deal run that is neither running nor about to.
    pub(super) fn wake_if_idle(&self, id: DealId) {
        if !lock(&self.schedule.queue).busy.contains_key(&id) {
            self.wake(id);
        }
    }

    /// Has a deal that is running run again in the slow lane.
    pub(super) fn wake_slow(&self, id: DealId) {
        lock(&self.schedule.queue).busy.insert(id, Place::Slow);
    }

    /// Has a deal run after a while.
    pub(super) fn wake_later(&self, id: DealId, after: Duration) {
        let mut queue = lock(&self.schedule.queue);
        let at = (self.instant() + after, id);
        queue.timers.insert(at, ());
        let first = queue.timers.first_key_value().is_some_and(|(first, ())| *first == at);
        drop(queue);
        // Workers wait for the first of them.
        if first {
            self.schedule.work.ring_all();
            self.schedule.slow_work.ring_all();
        }
    }

    /// The signal of a deal.
    pub fn signal(&self, id: DealId) -> Arc<Signal> {
        let mut signals = lock(&self.schedule.signals);
        // Nobody else holds the signals of deals that nothing is going on in.
        if signals.len() > 10_000 {
            signals.retain(|_, signal| Arc::strong_count(signal) > 1);
        }
        Arc::clone(signals.entry(id).or_insert_with(|| Arc::new(Signal::new(id))))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
