//! Counting those who were refused, and saying so at a bounded rate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often one kind of refusal is logged at most.
const QUIET: Duration = Duration::from_secs(10);

/// Why somebody was refused or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refused {
    /// All connections are taken by those who are served.
    Connections,
    /// The address has all its connections.
    Address,
    /// The address connects too often.
    Connects,
    /// Too many handshakes are under way.
    Handshakes,
    /// A connection that kept us waiting gave its place to another.
    SentAway,
    /// The handshake took too long.
    HandshakeTime,
    /// The handshake failed.
    Handshake,
    /// No request came in time.
    HeaderTime,
    /// A request's body took too long.
    BodyTime,
    /// A request's body was too large.
    BodySize,
    /// Too much of bodies is held.
    Bodies,
    /// Somebody did not read the answer.
    WriteTime,
    /// A whole request took too long.
    RequestTime,
    /// Too many large answers are under way.
    Downloads,
    /// Strangers have had enough stored in this minute.
    Strangers,
}

impl Refused {
    /// The reason's name in `/metrics` and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Address => "connections-per-address",
            Self::Connects => "connects-per-address",
            Self::Handshakes => "handshakes",
            Self::SentAway => "sent-away",
            Self::HandshakeTime => "handshake-time",
            Self::Handshake => "handshake",
            Self::HeaderTime => "header-time",
            Self::BodyTime => "body-time",
            Self::BodySize => "body-size",
            Self::Bodies => "bodies",
            Self::WriteTime => "write-time",
            Self::RequestTime => "request-time",
            Self::Downloads => "downloads",
            Self::Strangers => "strangers",
        }
    }
}

/// Counts refusals of a server. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Refusals(Arc<Mutex<HashMap<Refused, Count>>>);

#[derive(Debug, Default)]
struct Count {
    all: u64,
    logged: u64,
    said: Option<Instant>,
}

impl Refusals {
    /// Counts one; the log hears of it at most every ten seconds, with how many there were.
    pub fn count(&self, why: Refused) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(why).or_default();
        count.all += 1;
        if count.said.is_none_or(|it| it.elapsed() >= QUIET) {
            let times = count.all - count.logged;
            (count.said, count.logged) = (Some(Instant::now()), count.all);
            drop(counts);
            tracing::warn!(reason = why.name(), times, "refused or cut off");
        }
    }

    /// How many there were, by reason.
    pub fn all(&self) -> Vec<(Refused, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = counts.iter().map(|(why, count)| (*why, count.all)).collect();
        all.sort_unstable();
        all
    }
}
