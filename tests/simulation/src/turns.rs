//! Threads that take turns. Shipped code blocks: it sleeps, waits for an answer, runs loops. Here
//! each piece of it has a thread of its own, but only one of them runs at any moment, in virtual
//! time; the seed decides which is next. So the same seed gives the same run, and whatever blocks
//! costs no time.
//!
//! A *machine* is what is killed together: one process on one computer. Its threads unwind when it
//! is killed, wherever they are, and everything that they had in memory is gone.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_base::{Clock, Timestamp, fault};
use semper_keeper::spawn::Loop;
use semper_keeper::{Bell, Panicked, Post, Spawn, Turn};

use crate::computer::Computer;
use crate::faults::Faults;

/// Turns without any time in between that are more than anything needs.
const BUSY: u32 = 20_000;

/// How long a loop rests after a panic.
const PAUSE: Duration = Duration::from_millis(100);

/// What unwinds a thread whose machine is killed.
pub struct Killed;

/// What a thread waits for beside a time.
type Ready = Box<dyn Fn() -> bool + Send>;
type Work = Box<dyn FnOnce() + Send>;

/// All threads of a run.
#[derive(Clone)]
pub struct Turns(Arc<Inner>);

struct Inner {
    /// Virtual milliseconds since the run began.
    now: AtomicU64,
    began: Instant,
    faults: Arc<Faults>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loops: Vec<Kept>,
    jobs: VecDeque<(Arc<Machine>, Work)>,
    waiting: Vec<Waiting>,
    /// Threads without work: those of the fore, and those of low priority.
    idle: [Vec<Strand>; 2],
    /// The words of panics that nobody was to see.
    panics: Vec<String>,
}

/// A loop between its turns.
struct Kept {
    machine: Arc<Machine>,
    bell: Bell,
    /// How many rings its bell's loops have heard: each ring wakes one of them.
    heard: Arc<AtomicU64>,
    until: u64,
    background: bool,
    turns: Loop,
    post: Post,
    name: String,
}

/// A thread that waits.
struct Waiting {
    machine: Arc<Machine>,
    strand: Strand,
    until: u64,
    ready: Option<Ready>,
    background: bool,
}

/// The scheduler's end of a thread.
struct Strand {
    go: Sender<Go>,
    back: Receiver<Back>,
}

enum Go {
    Begin(Arc<Machine>, Work),
    On,
    Die,
}

enum Back {
    Done,
    Waits(u64, Option<Ready>),
}

/// A thread's own end.
struct Own {
    back: Sender<Back>,
    go: Receiver<Go>,
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// One process on a computer, from its start to its end.
pub struct Machine {
    turns: Turns,
    computer: Arc<Computer>,
    name: String,
    dead: AtomicBool,
    /// Its loops are to end.
    ended: AtomicBool,
    /// Whether its archive may be full.
    has_disk: bool,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Machine({})", self.name)
    }
}

impl Turns {
    /// Nothing runs yet.
    pub fn new(faults: &Arc<Faults>) -> Self {
        Self(Arc::new(Inner {
            now: AtomicU64::new(0),
            began: Instant::now(),
            faults: Arc::clone(faults),
            state: Mutex::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Virtual milliseconds since the run began.
    pub fn now(&self) -> u64 {
        self.0.now.load(Ordering::Relaxed)
    }

    /// So much time has passed in all; whatever can run now, runs until it waits.
    pub fn advance(&self, now: Duration) {
        self.0.now.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        for _ in 0..BUSY {
            if !self.step() {
                return;
            }
        }
        let mut state = self.state();
        let loops = state.loops.iter().filter(|it| it.until <= self.now());
        let names: Vec<String> = loops.map(|it| it.name.clone()).collect();
        state.panics.push(format!("it never rests; busy are {}", names.join(", ")));
    }

    /// The words of panics so far that no test has planned.
    pub fn panics(&self) -> Vec<String> {
        let planned = |it: &&String| it.ends_with(": planned");
        self.state().panics.iter().filter(|it| !planned(it)).cloned().collect()
    }

    /// Lets one thread run until it waits; whether there was one.
    fn step(&self) -> bool {
        let now = self.now();
        let mut state = self.state();
        let waits = |it: &Waiting| it.until <= now || it.ready.as_ref().is_some_and(|it| it());
        let strands: Vec<usize> =
            (0..state.waiting.len()).filter(|at| waits(&state.waiting[*at])).collect();
        let due = |it: &Kept| it.until <= now || it.bell.rings() > it.heard.load(Ordering::Relaxed);
        let loops: Vec<usize> =
            (0..state.loops.len()).filter(|at| due(&state.loops[*at])).collect();
        let all = state.jobs.len() + strands.len() + loops.len();
        if all == 0 {
            return false;
        }
        let mut chosen = usize::try_from(self.0.faults.below(all as u64)).unwrap_or(0);
        if chosen < state.jobs.len() {
            let Some((machine, work)) = state.jobs.remove(chosen) else { return true };
            let strand = state.idle[0].pop().unwrap_or_else(strand);
            drop(state);
            let go = Go::Begin(Arc::clone(&machine), work);
            self.run(machine, strand, go, false);
            return true;
        }
        chosen -= state.jobs.len();
        if let Some(at) = strands.get(chosen) {
            let Waiting { machine, strand, background, .. } = state.waiting.remove(*at);
            drop(state);
            self.run(machine, strand, Go::On, background);
            return true;
        }
        let kept = state.loops.remove(loops[chosen - strands.len()]);
        let lane = usize::from(kept.background);
        let strand = state.idle[lane].pop().unwrap_or_else(strand);
        drop(state);
        if kept.until > now {
            kept.heard.fetch_add(1, Ordering::Relaxed);
        }
        self.turn(strand, kept);
        true
    }

    /// A loop takes a turn.
    fn turn(&self, strand: Strand, kept: Kept) {
        let (machine, background) = (Arc::clone(&kept.machine), kept.background);
        let (turns, shared) = (self.clone(), Mutex::new(Some(kept)));
        let work: Work = Box::new(move || {
            let kept = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(mut kept) = kept else { return };
            let (threads, name) = (Threads(Arc::clone(&kept.machine)), kept.name.clone());
            let mut turn = Turn::Wait(PAUSE);
            // As with a keeper, a panic costs one turn.
            let _ = threads.caught(&name, &mut || turn = (kept.turns)(&kept.post));
            turns.again(kept, turn);
        });
        let go = Go::Begin(Arc::clone(&machine), work);
        self.run(machine, strand, go, background);
    }

    /// A loop has taken its turn.
    fn again(&self, mut kept: Kept, turn: Turn) {
        kept.until = match turn {
            Turn::Again => 0,
            Turn::Wait(time) => self
                .now()
                .saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)),
            Turn::End => return,
        };
        let machine = &kept.machine;
        if !machine.dead.load(Ordering::Relaxed) && !machine.ended.load(Ordering::Relaxed) {
            self.state().loops.push(kept);
        }
    }

    /// Hands over to a thread, and waits until it waits or is done.
    fn run(&self, machine: Arc<Machine>, strand: Strand, go: Go, background: bool) {
        // A thread that has ended for good has panicked outside of its work, which none does.
        let _ = strand.go.send(go);
        match strand.back.recv() {
            Ok(Back::Waits(until, ready)) => {
                let machine = Arc::clone(&machine);
                self.state().waiting.push(Waiting { machine, strand, until, ready, background });
            }
            Ok(Back::Done) => self.state().idle[usize::from(background)].push(strand),
            Err(_) => self.state().panics.push("a thread is gone".into()),
        }
        if machine.dead.load(Ordering::Relaxed) {
            self.bury(&machine);
        }
    }

    /// Ends a machine as a power cut does: its threads unwind, its loops and jobs are dropped.
    pub fn kill(&self, machine: &Arc<Machine>) {
        machine.dead.store(true, Ordering::Relaxed);
        self.bury(machine);
    }

    fn bury(&self, machine: &Arc<Machine>) {
        loop {
            let mut state = self.state();
            let of = |it: &Arc<Machine>| Arc::ptr_eq(it, machine);
            if let Some(at) = state.waiting.iter().position(|it| of(&it.machine)) {
                let Waiting { strand, background, .. } = state.waiting.remove(at);
                drop(state);
                let _ = strand.go.send(Go::Die);
                let _ = strand.back.recv();
                self.state().idle[usize::from(background)].push(strand);
                continue;
            }
            let mut dropped: Vec<Box<dyn Any>> = Vec::new();
            if let Some(at) = state.loops.iter().position(|it| of(&it.machine)) {
                dropped.push(Box::new(state.loops.remove(at).turns));
            } else if let Some(at) = state.jobs.iter().position(|it| of(&it.0)) {
                dropped.extend(state.jobs.remove(at).map(|it| Box::new(it.1) as Box<dyn Any>));
            }
            drop(state);
            // What they held may look at the state when it goes.
            if dropped.is_empty() {
                return;
            }
        }
    }

    fn end(&self, machine: &Machine) {
        machine.ended.store(true, Ordering::Relaxed);
        loop {
            let mut state = self.state();
            let own = |it: &Kept| std::ptr::eq(&*it.machine, machine);
            let Some(at) = state.loops.iter().position(own) else { return };
            let kept = state.loops.remove(at);
            drop(state);
            drop(kept);
        }
    }
}

/// A thread that waits for work.
fn strand() -> Strand {
    let ((go, gone), (say, back)) = (channel::<Go>(), channel::<Back>());
    let work = move || {
        let mut gone = gone;
        while let Ok(order) = gone.recv() {
            let Go::Begin(machine, work) = order else { continue };
            fault::inject(Some(Arc::new(Injected(Arc::clone(&machine)))));
            let own = Own { back: say.clone(), go: gone };
            OWN.set(Some(own));
            let done = catch_unwind(AssertUnwindSafe(work));
            let Some(own) = OWN.take() else { return };
            gone = own.go;
            fault::inject(None);
            if let Err(panic) = done
                && !panic.is::<Killed>()
            {
                machine.turns.state().panics.push(format!("{}: {}", machine.name, words(&*panic)));
            }
            drop(machine);
            let _ = say.send(Back::Done);
        }
    };
    // It ends with the scheduler's end of it.
    drop(std::thread::spawn(work));
    Strand { go, back }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// The faults of a machine's threads.
struct Injected(Arc<Machine>);

impl fault::Faults for Injected {
    fn point(&self, name: &'static str) {
        self.0.computer.at_point(&self.0, name);
    }

    fn full(&self) -> bool {
        self.0.has_disk && self.0.computer.is_full()
    }
}

impl Machine {
    /// A process on a computer begins.
    pub fn new(turns: &Turns, computer: &Arc<Computer>, name: &str, has_disk: bool) -> Arc<Self> {
        Arc::new(Self {
            turns: turns.clone(),
            computer: Arc::clone(computer),
            name: name.to_owned(),
            dead: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            has_disk,
        })
    }

    /// The computer that it runs on.
    pub fn computer(&self) -> &Arc<Computer> {
        &self.computer
    }

    /// The threads of the run.
    pub fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Whether it has been killed.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Ends it from inside, as a power cut does.
    pub fn die(&self) -> ! {
        self.dead.store(true, Ordering::Relaxed);
        resume_unwind(Box::new(Killed))
    }

    /// Runs a piece of work on it.
    pub fn job(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) {
        if !self.is_dead() {
            self.turns.state().jobs.push_back((Arc::clone(self), Box::new(work)));
        }
    }

    /// Waits for so long, or until something is so.
    pub fn wait(&self, time: Duration, ready: Option<Ready>) {
        if std::thread::panicking() {
            return;
        }
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let until = self.turns.now().saturating_add(millis.max(1));
        let Some(own) = OWN.take() else { panic!("{} waits outside of its threads", self.name) };
        let _ = own.back.send(Back::Waits(until, ready));
        let order = own.go.recv();
        OWN.set(Some(own));
        if matches!(order, Ok(Go::Die) | Err(_)) {
            resume_unwind(Box::new(Killed));
        }
    }
}

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        self.computer.date(self.turns.now())
    }

    fn instant(&self) -> Instant {
        self.turns.0.began + Duration::from_millis(self.turns.now())
    }

    fn sleep(&self, time: Duration) {
        self.wait(time, None);
    }
}

/// A machine as shipped code takes it: where loops run.
#[derive(Clone, Debug)]
pub struct Threads(pub Arc<Machine>);

impl Spawn for Threads {
    fn keep(&self, name: &str, bell: &Bell, turns: Loop) {
        let machine = Arc::clone(&self.0);
        if machine.is_dead() {
            return;
        }
        // They write for whoever waits for them in the same moment, as an archive's writer does.
        if matches!(name, "cases" | "writer") {
            let keeper = semper_keeper::Keeper::new("writers");
            keeper.thread(name, bell, turns);
            return;
        }
        let background = name.starts_with("slow");
        let (bell, post) = (bell.clone(), Post::alone(name));
        let name = format!("{}: {name}", machine.name);
        let mut state = self.0.turns.state();
        let same = state.loops.iter().find(|it| it.bell.is_same(&bell));
        let heard = same.map_or_else(Arc::default, |it| Arc::clone(&it.heard));
        let kept = Kept { machine, bell, heard, until: 0, background, turns, post, name };
        state.loops.push(kept);
    }

    fn run(&self, name: &str, work: Box<dyn FnOnce(&Post) + Send>) {
        let post = Post::alone(name);
        self.0.job(move || work(&post));
    }

    fn caught(&self, what: &str, work: &mut dyn FnMut()) -> Result<(), Panicked> {
        let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { return Ok(()) };
        // Only a panic is caught; a kill ends everything.
        if panic.is::<&str>() || panic.is::<String>() {
            let words = words(&*panic);
            self.0.turns.state().panics.push(format!("{}: {what}: {words}", self.0.name));
            return Err(Panicked { words });
        }
        resume_unwind(panic)
    }

    fn end(&self) {
        self.0.turns.end(&self.0);
    }
}
