//! Wrong pass-phrases are counted in the home, and each makes the next one wait.
//!
//! A try is counted, and the count is on the disk, before anybody learns whether it was right. So
//! nothing is won by killing the program over it, by starting it again, or by asking from two
//! places at once. A right pass-phrase takes the count away; a try that a crash has cut off stays
//! counted.
//!
//! The waiting goes by the time since the machine was started, which nobody can set; after another
//! start it counts from there. So setting the clock, forward or back, shortens nothing.
//!
//! What this cannot prevent: whoever may write to the home can remove the count, and whoever may
//! read it can copy the key store and try elsewhere, where nobody counts. There the length of the
//! pass-phrase and the cost of Argon2id are what protects.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use semper_archive::{Home, HomeError};
use semper_base::Timestamp;
use serde::{Deserialize, Serialize};

/// The count's file in a home.
pub const FILE: &str = "tries.json";
/// Held by whoever tries: there is one try at a time.
const LOCK: &str = "tries.lock";

/// Wrong pass-phrases that nobody waits after: everybody mistypes.
const FREE: u32 = 3;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// What a count that cannot be read counts as.
const UNREADABLE: u32 = 20;

/// Wrong pass-phrases since the last right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// How many.
    pub count: u32,
    /// When the first was typed, by the clock of then.
    pub since: Timestamp,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = semper_base::text::counted(
            usize::try_from(self.count).unwrap_or(usize::MAX),
            "wrong pass-phrase",
            "wrong pass-phrases",
        );
        write!(f, "{words} since {}", self.since)
    }
}

/// The count as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    wrong: u32,
    since: Timestamp,
    /// The run of the machine in which the last was typed.
    boot: String,
    /// Milliseconds from that run's beginning.
    at: u64,
}

/// The right to try: nobody else does meanwhile.
#[derive(Debug)]
pub(crate) struct Try<'a> {
    home: &'a Home,
    before: Option<Stored>,
    _alone: File,
}

/// How many wrong pass-phrases there were.
pub(crate) fn wrong(home: &Home) -> Result<Option<Wrong>, HomeError> {
    Ok(stored(home)?.map(|it| Wrong { count: it.wrong, since: it.since }))
}

/// How long nobody may try.
pub(crate) fn wait(home: &Home) -> Result<Duration, HomeError> {
    Ok(stored(home)?.map_or(Duration::ZERO, |it| it.left(&boot(), up())))
}

impl<'a> Try<'a> {
    /// Counts a try before it is made.
    ///
    /// # Errors
    /// It is too early, or it cannot be counted: then there is none.
    pub fn begin(home: &'a Home) -> Result<Result<Self, Duration>, HomeError> {
        let alone = alone(home)?;
        let before = stored(home)?;
        let (boot, at) = (boot(), up());
        let left = before.as_ref().map_or(Duration::ZERO, |it| it.left(&boot, at));
        if !left.is_zero() {
            return Ok(Err(left));
        }
        let (wrong, since) =
            before.as_ref().map_or((0, Timestamp::now()), |it| (it.wrong, it.since));
        let at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        write(home, &Stored { version: 1, wrong: wrong.saturating_add(1), since, boot, at })?;
        Ok(Ok(Self { home, before, _alone: alone }))
    }

    /// It was the right one: what there was before, and the count is taken away.
    pub fn right(self) -> Result<Option<Wrong>, HomeError> {
        self.home.remove(FILE)?;
        Ok(self.before.map(|it| Wrong { count: it.wrong, since: it.since }))
    }

    /// It was none: something else was wrong.
    pub fn none(self) -> Result<(), HomeError> {
        match &self.before {
            Some(before) => write(self.home, before),
            None => self.home.remove(FILE),
        }
    }
}

impl Stored {
    /// How long nobody may try, at this time of this run of the machine.
    fn left(&self, boot: &str, up: Duration) -> Duration {
        // Of another run's try it is not known how long ago it was; it is as long as this run.
        let since = match self.boot == boot {
            true => up.saturating_sub(Duration::from_millis(self.at)),
            false => up,
        };
        pause(self.wrong).saturating_sub(since)
    }
}

/// How long the next try waits after so many wrong ones.
fn pause(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        // 2 s, 4 s, 8 s …
        Some(more) => {
            Duration::from_secs(2_u64.saturating_pow(more.saturating_add(1))).min(LONGEST)
        }
    }
}

fn stored(home: &Home) -> Result<Option<Stored>, HomeError> {
    if !home.has(FILE) {
        return Ok(None);
    }
    let text = home.read(FILE)?;
    Ok(Some(serde_json::from_str(&text).unwrap_or_else(|_| Stored {
        version: 1,
        // Somebody has been at it.
        wrong: UNREADABLE,
        since: Timestamp::now(),
        boot: String::new(),
        at: 0,
    })))
}

fn write(home: &Home, stored: &Stored) -> Result<(), HomeError> {
    let text = serde_json::to_string(stored).unwrap_or_default();
    home.write(FILE, text.as_bytes())
}

fn alone(home: &Home) -> Result<File, HomeError> {
    let path = home.path().join(LOCK);
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let opened = options.open(&path).and_then(|file| file.lock().map(|()| file));
    opened.map_err(|source| HomeError::Io { path, source })
}

/// The run of the machine; every run is one where the system does not say.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// How long the machine has run, asleep or awake.
fn up() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let (secs, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(secs.unwrap_or(0), nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(wrong: u32) -> Stored {
        let since = Timestamp::from_millis(0).unwrap();
        Stored { version: 1, wrong, since, boot: "this".into(), at: 100_000 }
    }

    fn left(wrong: u32, boot: &str, up: u64) -> u64 {
        stored(wrong).left(boot, Duration::from_secs(up)).as_secs()
    }

    #[test]
    fn three_are_free_and_then_each_doubles_the_wait_up_to_a_quarter_of_an_hour() {
        let waits: Vec<u64> = [0, 1, 2, 3, 4, 5, 11, 12, 90, u32::MAX]
            .into_iter()
            .map(|wrong| left(wrong, "this", 100))
            .collect();

        assert_eq!(waits, [0, 0, 0, 2, 4, 8, 512, 900, 900, 900]);
    }

    #[test]
    fn the_wait_passes_while_the_machine_runs_and_no_restart_shortens_it() {
        assert_eq!(left(5, "this", 103), 5);
        assert_eq!(left(5, "this", 108), 0);
        // A clock that cannot go back is taken as if it had not gone on.
        assert_eq!(left(5, "this", 7), 8);
        // In the next run it counts from its beginning.
        assert_eq!(left(5, "next", 3), 5);
        assert_eq!(left(5, "next", 8), 0);
    }
}
