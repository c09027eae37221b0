//! Which deals run: a bounded number of workers, each running one activation at a time.
//!
//! A deal that waits holds no worker (beyond its short grace); a message, a timer or a start
//! of the host wakes it. Waking a deal that is running makes it run once more afterwards, so
//! that nothing that happens between its last look and its end is missed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use semper_base::{DealId, Digest};
use tokio::sync::watch;

use super::{Host, waits};
use crate::runtime::Lane;

/// Threads of the slow lane: for components that compute for long or are to be compiled.
const SLOW: usize = 2;
/// Terms remembered as heavy at most.
const HEAVY: usize = 10_000;

/// Wakes whoever waits for something of a deal: activations (threads) and long polls (tasks).
#[derive(Debug)]
pub struct Signal {
    count: Mutex<u64>,
    changed: Condvar,
    watch: watch::Sender<u64>,
    /// Held while the channel's state is read, changed and stored.
    pub(super) door: Mutex<()>,
}

impl Signal {
    fn new() -> Self {
        let (watch, _) = watch::channel(0);
        Self { count: Mutex::new(0), changed: Condvar::new(), watch, door: Mutex::new(()) }
    }

    /// Something has happened.
    pub fn bump(&self) {
        *lock(&self.count) += 1;
        self.changed.notify_all();
        self.watch.send_modify(|count| *count += 1);
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

#[derive(Default)]
struct Queue {
    ready: VecDeque<DealId>,
    /// Deals whose components compute for long.
    slow: VecDeque<DealId>,
    /// Terms whose components were seen to: their deals go there at once.
    heavy: HashSet<Digest>,
    /// Deals that are ready or running; true when they are to run once more.
    busy: HashMap<DealId, Place>,
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
    work: Condvar,
    slow_work: Condvar,
    signals: Mutex<HashMap<DealId, Arc<Signal>>>,
    /// Questions of deals that have not gone to sleep yet.
    asking: Mutex<HashMap<Digest, DealId>>,
}

/// Starts the workers; they end when the host is dropped. A worker holds the host only while
/// it runs a deal, or waiting workers would keep it alive among themselves.
pub(super) fn start(host: &Arc<Host>, workers: usize) {
    for _ in 0..workers.max(1) {
        let (schedule, weak) = (Arc::clone(&host.schedule), Arc::downgrade(host));
        std::thread::spawn(move || work(&schedule, &weak, Lane::Fast));
    }
    for _ in 0..SLOW {
        let (schedule, weak) = (Arc::clone(&host.schedule), Arc::downgrade(host));
        std::thread::spawn(move || {
            // Low priority: whoever answers at once goes first. Not the lowest: what is put
            // off for long while it holds a lock puts off others. Where the system does not
            // allow it, it is a lane of few threads all the same.
            let me = Some(rustix::thread::gettid());
            let _ = rustix::process::setpriority_process(me, 12);
            semper_archive::store::in_background();
            work(&schedule, &weak, Lane::Slow);
        });
    }
    let weak = Arc::downgrade(host);
    std::thread::spawn(move || waits::clock(&weak));
    let weak = Arc::downgrade(host);
    std::thread::spawn(move || waits::decisions(&weak));
}

fn work(schedule: &Schedule, host: &Weak<Host>, lane: Lane) {
    while let Some(id) = schedule.next(lane) {
        let Some(host) = host.upgrade() else { return };
        host.activate(id, lane);
        schedule.done(id);
    }
}

impl Schedule {
    /// The next deal to run, waiting for one; `None` when the host has gone.
    fn next(&self, lane: Lane) -> Option<DealId> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            let now = Instant::now();
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
                return Some(id);
            }
            let next = queue.timers.first_key_value().map(|(key, ())| key.0);
            let time = next.map_or(Duration::from_secs(1), |at| at.saturating_duration_since(now));
            let work = match lane {
                Lane::Fast => &self.work,
                Lane::Slow => &self.slow_work,
            };
            let waited = work.wait_timeout(queue, time.min(Duration::from_secs(1)));
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
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
        self.work.notify_all();
        self.slow_work.notify_all();
    }

    fn done(&self, id: DealId) {
        let mut queue = lock(&self.queue);
        match queue.busy.remove(&id) {
            Some(Place::RunningAgain) => {
                enqueue(&mut queue, id);
                self.work.notify_one();
            }
            Some(Place::Slow) => {
                queue.busy.insert(id, Place::Ready);
                queue.slow.push_back(id);
                self.slow_work.notify_one();
            }
            _ => {}
        }
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
        self.schedule.work.notify_one();
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
        lock(&self.schedule.queue).timers.insert((Instant::now() + after, id), ());
    }

    /// The signal of a deal.
    pub fn signal(&self, id: DealId) -> Arc<Signal> {
        let mut signals = lock(&self.schedule.signals);
        // Nobody else holds the signals of deals that nothing is going on in.
        if signals.len() > 10_000 {
            signals.retain(|_, signal| Arc::strong_count(signal) > 1);
        }
        Arc::clone(signals.entry(id).or_insert_with(|| Arc::new(Signal::new())))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
