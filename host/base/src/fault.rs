//! Fault injection: ends the process at a chosen point, as a power cut would; shifts its clock;
//! bounds its disk.
//!
//! | variable | what it does |
//! |---|---|
//! | `SEMPER_CRASH=7` | SIGKILL at the seventh point that the process comes to |
//! | `SEMPER_CRASH=link.sent:2` | SIGKILL at the second point of this name |
//! | `SEMPER_CLOCK=-3600000` | the clock says an hour less (milliseconds) |
//! | `SEMPER_DISK=100` | the archive is full at 100 pages of 4096 bytes |
//!
//! A simulation has no process of its own to end: [`inject`] puts faults into one thread.
//!
//! Only in builds with debug assertions, that is in the tests' builds; a release build does not
//! look at the variables.

/// Faults of one thread, for simulations.
pub trait Faults {
    /// The thread has come to a point of this name. It may unwind here, as a killed party does.
    fn point(&self, name: &'static str);

    /// Whether the disk is full for what is about to be written.
    fn full(&self) -> bool;
}

#[cfg(debug_assertions)]
thread_local! {
    static HERE: std::cell::RefCell<Option<std::sync::Arc<dyn Faults>>> =
        const { std::cell::RefCell::new(None) };
}

/// From now on these faults happen in this thread; `None`: no more.
#[cfg(debug_assertions)]
pub fn inject(faults: Option<std::sync::Arc<dyn Faults>>) {
    HERE.set(faults);
}

/// A release build has no faults.
#[cfg(not(debug_assertions))]
pub fn inject(_faults: Option<std::sync::Arc<dyn Faults>>) {}

/// What happens in this thread, if anything is to.
#[cfg(debug_assertions)]
fn injected() -> Option<std::sync::Arc<dyn Faults>> {
    // Whoever unwinds already does not do so twice.
    if std::thread::panicking() { None } else { HERE.with_borrow(Clone::clone) }
}

/// A point for this thread's faults alone: beside work that another thread does for it.
#[cfg(not(debug_assertions))]
#[inline]
pub fn border(_name: &'static str) {}

/// A point for this thread's faults alone: beside work that another thread does for it.
#[cfg(debug_assertions)]
pub fn border(name: &'static str) {
    if let Some(faults) = injected() {
        faults.point(name);
    }
}

/// Whether this thread's disk is full.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn full() -> bool {
    false
}

/// Whether this thread's disk is full.
#[cfg(debug_assertions)]
pub fn full() -> bool {
    injected().is_some_and(|faults| faults.full())
}

/// A point at which a crash is interesting, by a name such as `archive.before`.
#[cfg(not(debug_assertions))]
#[inline]
pub fn point(_name: &'static str) {}

/// A point at which a crash is interesting, by a name such as `archive.before`.
#[cfg(debug_assertions)]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static POINTS: AtomicU64 = AtomicU64::new(0);

    border(name);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("SEMPER_CRASH").ok()?;
        let (name, number) = text.rsplit_once(':').unwrap_or(("", &text));
        Some((name.to_owned(), number.parse().ok()?))
    });
    let Some((only, number)) = wanted else { return };
    if !only.is_empty() && only != name {
        return;
    }
    if POINTS.fetch_add(1, Ordering::SeqCst) + 1 == *number {
        let me = rustix::process::getpid();
        // Nothing runs after it: no destructor, no handler, no flush.
        let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Milliseconds that this process's clock is ahead.
pub(crate) fn clock() -> i64 {
    number("SEMPER_CLOCK").unwrap_or(0)
}

/// Pages that the archive may have.
pub fn disk() -> Option<u32> {
    number("SEMPER_DISK").and_then(|pages| u32::try_from(pages).ok())
}

#[cfg(not(debug_assertions))]
fn number(_name: &str) -> Option<i64> {
    None
}

#[cfg(debug_assertions)]
fn number(name: &str) -> Option<i64> {
    std::env::var(name).ok()?.parse().ok()
}
