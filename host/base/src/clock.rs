//! Times: milliseconds since 1970 inside, RFC 3339 UTC at borders.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970-01-01T00:00:00Z, between the years 1970 and 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// What drivers take time from, and wait by: the machine's own clock, or a simulation's.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The date and time. It may jump in either direction, as clocks do that are set.
    fn now(&self) -> Timestamp;

    /// A point in time that never goes back: for pauses and patience.
    fn instant(&self) -> Instant;

    /// Returns when so much time has passed.
    fn sleep(&self, time: Duration);
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The latest time: 9999-12-31T23:59:59.999Z.
const LAST: u64 = 253_402_300_799_999;

/// The text or number is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: expected RFC 3339 in UTC like 2026-11-21T08:00:00Z, years 1970 to 9999")]
pub struct ParseTimeError;

impl Timestamp {
    /// The time by this machine's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(LAST);
        Self(millis.saturating_add_signed(crate::fault::clock()).min(LAST))
    }

    /// From milliseconds since 1970.
    pub fn from_millis(millis: u64) -> Result<Self, ParseTimeError> {
        if millis > LAST { Err(ParseTimeError) } else { Ok(Self(millis)) }
    }

    /// From seconds since 1970 (as X.509 has them).
    pub fn from_secs(secs: u64) -> Result<Self, ParseTimeError> {
        Self::from_millis(secs.checked_mul(1000).ok_or(ParseTimeError)?)
    }

    /// Milliseconds since 1970, UTC.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This time and a while later; saturates at the end of the year 9999.
    pub fn after(self, while_: Duration) -> Self {
        let more = u64::try_from(while_.as_millis()).unwrap_or(LAST);
        Self(self.0.saturating_add(more).min(LAST))
    }

    /// This much earlier; never before the beginning of time.
    #[must_use]
    pub fn before(self, while_: Duration) -> Self {
        let less = u64::try_from(while_.as_millis()).unwrap_or(LAST);
        Self(self.0.saturating_sub(less))
    }

    /// How long it is until this time; nothing if it has passed.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// As the standard library has it.
    pub fn system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }

    /// The date alone: `2026-11-21`.
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let text = OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .ok()
            .and_then(|time| time.format(&Rfc3339).ok())
            .ok_or(fmt::Error)?;
        f.write_str(&text)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| ParseTimeError)?;
        if !time.offset().is_utc() {
            return Err(ParseTimeError);
        }
        let millis = time.unix_timestamp_nanos() / 1_000_000;
        Self::from_millis(u64::try_from(millis).map_err(|_| ParseTimeError)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            Self::from_millis(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
        }
    }
}
