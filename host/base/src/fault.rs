//! Fault injection: ends the process at a chosen point, as a power cut would; has a border fail, as
//! a disk or a bank does; shifts the clock; bounds the disk.
//!
//! | variable | what it does |
//! |---|---|
//! | `SEMPER_CRASH=7` | SIGKILL at the seventh point that the process comes to |
//! | `SEMPER_CRASH=link.sent:2` | SIGKILL at the second point of this name |
//! | `SEMPER_FAIL=archive.write:7` | the seventh write to the archive fails; see [`fails`] |
//! | `SEMPER_FAIL=bank.ask:2-4` | the bank does not answer the second to fourth time |
//! | `SEMPER_FAIL=archive.read:3/50` | the third look into the archive fails, and every fiftieth after it |
//! | `SEMPER_FAIL=bank.ask:1,tinguin.ask:9` | several of these |
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

/// Whether this border is to fail now, with the error that it has for such a case.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn fails(_border: &'static str) -> bool {
    false
}

/// Whether this border is to fail now, with the error that it has for such a case. Borders are
/// counted each by itself, in one process.
///
/// | border | in the process of | what fails |
/// |---|---|---|
/// | `archive.read`, `archive.write` | a host | its store |
/// | `archive.full` | a host | a write, for want of room |
/// | `tinguin.ask` | a host | its TINGUIN does not answer |
/// | `tinguin.read`, `tinguin.write` | a TINGUIN | its store |
/// | `tinguin.sleep` | a TINGUIN | nothing: the machine seems to have slept |
/// | `backup.write`, `restore.write` | `semper backup`, `restore` | a write, for want of room |
/// | `bank.ask` | a host | its bank does not answer |
/// | `ledger.open` | a bank | its books |
/// | `third.ask` | a host | the third party does not answer |
/// | `cases.read`, `cases.write` | a third party | its store |
/// | `log.write` | a log | one of its files |
/// | `compiler.start`, `compiler.end` | a host | the compiler is not started, or ended from outside |
/// | `catalogue.read`, `catalogue.write` | a merchant | the shop's application |
#[cfg(debug_assertions)]
pub fn fails(border: &'static str) -> bool {
    use std::collections::HashMap;
    use std::sync::{Mutex, OnceLock, PoisonError};

    static WANTED: OnceLock<Vec<Failing>> = OnceLock::new();
    static MET: Mutex<Option<HashMap<&'static str, u64>>> = Mutex::new(None);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("SEMPER_FAIL").unwrap_or_default();
        text.split(',').filter_map(Failing::parse).collect()
    });
    if wanted.is_empty() {
        return false;
    }
    let mut met = MET.lock().unwrap_or_else(PoisonError::into_inner);
    let count = met.get_or_insert_default().entry(border).or_default();
    *count += 1;
    let due = wanted.iter().any(|it| it.border == border && it.is_due(*count));
    if due {
        // Tests look whether what they wanted has happened.
        eprintln!("SEMPER_FAIL: {border} fails, time {count}");
    }
    due
}

/// Which occurrences of a border fail.
#[cfg(debug_assertions)]
#[derive(Debug, PartialEq, Eq)]
struct Failing {
    border: String,
    first: u64,
    last: u64,
    every: u64,
}

#[cfg(debug_assertions)]
impl Failing {
    /// Reads `border:7`, `border:7-9` or `border:7/50`.
    fn parse(text: &str) -> Option<Self> {
        let (border, which) = text.split_once(':')?;
        let number = |text: &str| text.parse::<u64>().ok().filter(|it| *it > 0);
        let (first, last, every) = match (which.split_once('-'), which.split_once('/')) {
            (Some((first, last)), _) => (number(first)?, number(last)?, 1),
            (_, Some((first, every))) => (number(first)?, u64::MAX, number(every)?),
            _ => (number(which)?, number(which)?, 1),
        };
        Some(Self { border: border.to_owned(), first, last, every })
    }

    fn is_due(&self, count: u64) -> bool {
        (self.first..=self.last).contains(&count) && (count - self.first).is_multiple_of(self.every)
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

#[cfg(test)]
mod tests {
    use super::Failing;

    fn due(text: &str) -> Vec<u64> {
        let failing = Failing::parse(text).unwrap();
        assert_eq!(failing.border, "archive.write");
        (1..=12).filter(|count| failing.is_due(*count)).collect()
    }

    #[test]
    fn one_occurrence_some_or_every_few_of_them_fail() {
        assert_eq!(due("archive.write:7"), [7]);
        assert_eq!(due("archive.write:7-9"), [7, 8, 9]);
        assert_eq!(due("archive.write:3/4"), [3, 7, 11]);
    }

    #[test]
    fn what_is_no_number_of_an_occurrence_is_not_taken_for_one() {
        for text in ["", "archive.write", "archive.write:", "archive.write:0", "archive.write:x/2"]
        {
            assert_eq!(Failing::parse(text), None, "{text}");
        }
    }
}
