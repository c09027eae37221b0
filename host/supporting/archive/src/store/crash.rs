//! Fault injection: ends the process at a chosen commit, as a power cut would.
//!
//! `SEMPER_CRASH=before:7` aborts just before the seventh commit of the process,
//! `SEMPER_CRASH=after:7` just after it. Only in builds with debug assertions, that is in the
//! tests' builds; a release build does not look at the variable.

/// Which side of a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Before,
    After,
}

#[cfg(not(debug_assertions))]
pub(super) fn point(_place: Place) {}

#[cfg(debug_assertions)]
pub(super) fn point(place: Place) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(Place, u64)>> = OnceLock::new();
    static COMMITS: AtomicU64 = AtomicU64::new(0);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("SEMPER_CRASH").ok()?;
        let (place, number) = text.split_once(':')?;
        let place = if place == "before" { Place::Before } else { Place::After };
        Some((place, number.parse().ok()?))
    });
    if place == Place::Before {
        COMMITS.fetch_add(1, Ordering::SeqCst);
    }
    if *wanted == Some((place, COMMITS.load(Ordering::SeqCst))) {
        std::process::abort();
    }
}
