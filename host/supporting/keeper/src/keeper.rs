//! The keeper of a process, and of its parts.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::spawn::{Loop, Spawn, Turn};
use crate::{Bell, Ending, Health, Post, State};

/// Pause after a panic, doubled with each that follows at once.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// Places of ended threads that are forgotten when there are more than so many places.
const PLACES: usize = 256;

/// Keeps threads and tasks: gives them names, ends them, catches their panics.
///
/// Clones are the same keeper. A [`Keeper::child`] ends with its parent, and may end before it.
#[derive(Clone, Debug)]
pub struct Keeper(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    ending: Ending,
    posts: Mutex<Vec<Post>>,
    children: Mutex<Vec<Weak<Inner>>>,
    /// Bells of loops, rung when the end comes.
    bells: Mutex<Vec<Bell>>,
    /// Panics in pieces of work that had no thread of their own, and of threads that are forgotten.
    panics: AtomicU64,
}

/// A piece of work has panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked {
    /// The panic's own words.
    pub words: String,
}

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it has panicked: {}", self.words)
    }
}

impl std::error::Error for Panicked {}

/// A piece of work in a thread of its own.
#[derive(Debug)]
pub struct Job<T>(Result<JoinHandle<Result<T, Panicked>>, Panicked>);

impl<T> Job<T> {
    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        self.0.as_ref().map_or(true, JoinHandle::is_finished)
    }

    /// Waits for its end; what has come of it.
    pub fn join(self) -> Result<T, Panicked> {
        self.0?.join().unwrap_or_else(|panic| Err(Panicked { words: words(&*panic) }))
    }
}

impl Keeper {
    /// A keeper for a process.
    pub fn new(name: &str) -> Self {
        Self::named(name.to_owned())
    }

    fn named(name: String) -> Self {
        Self(Arc::new(Inner {
            name,
            ending: Ending::new(),
            posts: Mutex::default(),
            children: Mutex::default(),
            bells: Mutex::default(),
            panics: AtomicU64::new(0),
        }))
    }

    /// Its name, after its parents'.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// A keeper for a part of what this one keeps; its threads are named `part/thread`.
    pub fn child(&self, name: &str) -> Self {
        let child = Self::named(self.path(name));
        let mut children = lock(&self.0.children);
        children.retain(|it| it.strong_count() > 0);
        children.push(Arc::downgrade(&child.0));
        drop(children);
        if self.ending().is_over() {
            child.end();
        }
        child
    }

    /// The end, for threads and tasks to listen to.
    pub fn ending(&self) -> &Ending {
        &self.0.ending
    }

    /// Runs a loop in a thread of its own, whose place is given back.
    pub fn thread(&self, name: &str, bell: &Bell, mut turns: Loop) -> Post {
        let post = self.post(name);
        lock(&self.0.bells).push(bell.clone());
        let (bell, own, inner) = (bell.clone(), post.clone(), Arc::downgrade(&self.0));
        let started = std::thread::Builder::new().name(post.name.to_string()).spawn(move || {
            run_loop(&own, &bell, &mut turns);
            own.ended();
            if let Some(inner) = inner.upgrade() {
                // One of several loops may still listen to the same bell: only this entry goes.
                forget(&mut lock(&inner.bells), &bell);
            }
        });
        if let Err(error) = started {
            post.ill(format!("its thread cannot be started: {error}"));
        }
        post
    }

    /// Runs a piece of work in a thread of its own. One that cannot be started counts as one that
    /// has panicked.
    pub fn job<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Post) -> T + Send + 'static,
    ) -> Job<T> {
        let post = self.post(name);
        let own = post.clone();
        let started = std::thread::Builder::new().name(post.name.to_string()).spawn(move || {
            let done = catch_unwind(AssertUnwindSafe(|| work(&own)));
            let done = done.map_err(|panic| panicked(&own, &*panic));
            own.ended();
            done
        });
        Job(started.map_err(|error| {
            post.ended();
            let words = format!("its thread cannot be started: {error}");
            tracing::error!(thread = &*post.name, words, "work was not done");
            Panicked { words }
        }))
    }

    /// Runs a task; it is dropped when the keeper ends. Must be called within tokio's runtime.
    pub fn task(&self, name: &str, work: impl Future<Output = ()> + Send + 'static) {
        let post = self.post(name);
        let task = tokio::spawn(async move {
            let ending = post.ending.clone();
            let work = tokio::spawn(work);
            let abort = work.abort_handle();
            tokio::select! {
                done = work => {
                    if let Err(error) = done && let Ok(panic) = error.try_into_panic() {
                        panicked(&post, &*panic);
                    }
                }
                () = ending.over() => abort.abort(),
            }
            post.ended();
        });
        drop(task);
    }

    /// Does a piece of work here and now; a panic in it is caught and counted.
    pub fn caught<T>(&self, what: &str, work: impl FnOnce() -> T) -> Result<T, Panicked> {
        catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
            self.0.panics.fetch_add(1, Ordering::Relaxed);
            let words = words(&*panic);
            tracing::error!(what, words, "a panic was caught");
            Panicked { words }
        })
    }

    /// A panic that somebody else has caught (a server's task) is counted here.
    pub fn count_panic(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Everybody who is kept here and by children, with how they are. Pieces of work that have
    /// ended are left out.
    pub fn health(&self) -> Vec<Health> {
        let mut all: Vec<Health> = lock(&self.0.posts)
            .iter()
            .map(Post::health)
            .filter(|it| it.state != State::Ended)
            .collect();
        for child in self.children() {
            all.extend(child.health());
        }
        all
    }

    /// Panics caught so far, here and by children.
    pub fn panics(&self) -> u64 {
        let here: u64 = lock(&self.0.posts).iter().map(|it| it.health().panics).sum();
        let children: u64 = self.children().iter().map(Self::panics).sum();
        here + children + self.0.panics.load(Ordering::Relaxed)
    }

    /// Has everybody end.
    pub fn end(&self) {
        self.0.ending.begin();
        for bell in lock(&self.0.bells).iter() {
            bell.ring_all();
        }
        for child in self.children() {
            child.end();
        }
    }

    /// Waits for all threads and tasks to end; the names of those that have not within this time.
    pub fn join(&self, within: Duration) -> Vec<String> {
        let until = Instant::now() + within;
        loop {
            let left = self.left();
            if left.is_empty() || Instant::now() >= until {
                return left;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn left(&self) -> Vec<String> {
        let posts = lock(&self.0.posts);
        let here = posts.iter().filter(|it| !it.has_ended()).map(|it| it.name.to_string());
        let mut left: Vec<String> = here.collect();
        drop(posts);
        left.extend(self.children().iter().flat_map(Self::left));
        left
    }

    fn children(&self) -> Vec<Self> {
        lock(&self.0.children).iter().filter_map(Weak::upgrade).map(Self).collect()
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.0.name)
    }

    fn post(&self, name: &str) -> Post {
        let post = Post::new(&self.path(name), self.0.ending.clone());
        let mut posts = lock(&self.0.posts);
        if posts.len() >= PLACES {
            let ended = posts.iter().filter(|it| it.has_ended());
            let panics: u64 = ended.map(|it| it.health().panics).sum();
            self.0.panics.fetch_add(panics, Ordering::Relaxed);
            posts.retain(|it| !it.has_ended());
        }
        posts.push(post.clone());
        post
    }
}

impl Spawn for Keeper {
    fn keep(&self, name: &str, bell: &Bell, turns: Loop) {
        self.thread(name, bell, turns);
    }

    fn run(&self, name: &str, work: Box<dyn FnOnce(&Post) + Send>) {
        drop(self.job(name, work));
    }

    fn caught(&self, what: &str, work: &mut dyn FnMut()) -> Result<(), Panicked> {
        Self::caught(self, what, work)
    }

    fn end(&self) {
        Self::end(self);
    }
}

fn run_loop(post: &Post, bell: &Bell, turns: &mut Loop) {
    let mut pause = FIRST_PAUSE;
    while !post.ending.is_over() {
        let heard = bell.rings();
        match catch_unwind(AssertUnwindSafe(|| turns(post))) {
            Ok(turn) => {
                post.whole();
                pause = FIRST_PAUSE;
                match turn {
                    Turn::Again => {}
                    Turn::End => return,
                    // The end rings the bell, too: but it may have come before `heard` was read.
                    Turn::Wait(_) if post.ending.is_over() => return,
                    Turn::Wait(time) => {
                        bell.wait(heard, time);
                    }
                }
            }
            Err(panic) => {
                panicked(post, &*panic);
                post.ending.pause(pause);
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

fn panicked(post: &Post, panic: &(dyn Any + Send)) -> Panicked {
    post.panicked();
    let words = words(panic);
    tracing::error!(thread = &*post.name, words, "a panic was caught");
    Panicked { words }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}

fn forget(bells: &mut Vec<Bell>, bell: &Bell) {
    if let Some(at) = bells.iter().position(|it| it.is_same(bell)) {
        bells.swap_remove(at);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
