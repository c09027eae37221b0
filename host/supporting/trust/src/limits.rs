//! Limits of a deal's component: what there are, what they are by default, how far a buyer's
//! policy lets a certified service raise them, and that each can be lowered.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One limit of the sandbox.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Instructions per activation, in wasmtime's fuel.
    Fuel,
    /// Milliseconds between two calls of the host.
    Time,
    /// Bytes of linear memory.
    Memory,
    /// Elements of all tables.
    Tables,
    /// Core instances, tables and memories that its modules make.
    Instances,
    /// Bytes of a call's arguments and results that cross the sandbox's border.
    CallBytes,
    /// Handles held at once.
    Handles,
    /// Bytes of log in one run.
    LogBytes,
    /// Messages sent in one minute.
    Messages,
    /// Checkpoints in one hour.
    Checkpoints,
    /// Records of one run's journal.
    Records,
    /// Bytes of one run's journal.
    JournalBytes,
    /// Bytes of the component.
    ComponentBytes,
    /// Functions of the component, in all its modules.
    Functions,
    /// Milliseconds of processor time to compile it.
    CompileTime,
}

/// Name, words for people, default, ceiling.
const LIMITS: [(Limit, &str, u64, u64); 15] = [
    (Limit::Fuel, "instructions per activation", 2_000_000_000, 400_000_000_000),
    (Limit::Time, "ms between two calls of the host", 2_000, 30_000),
    (Limit::Memory, "bytes of memory", 16 << 20, 256 << 20),
    (Limit::Tables, "table elements", 20_000, 200_000),
    (Limit::Instances, "core instances", 32, 128),
    (Limit::CallBytes, "bytes in one call", 1 << 20, 16 << 20),
    (Limit::Handles, "handles", 10_000, 10_000),
    (Limit::LogBytes, "bytes of log", 256 << 10, 4 << 20),
    (Limit::Messages, "messages a minute", 600, 600),
    (Limit::Checkpoints, "checkpoints an hour", 30, 120),
    (Limit::Records, "journal records", 10_000, 1_000_000),
    (Limit::JournalBytes, "bytes of journal", 16 << 20, 256 << 20),
    (Limit::ComponentBytes, "bytes of component", 4 << 20, 64 << 20),
    (Limit::Functions, "functions", 20_000, 200_000),
    (Limit::CompileTime, "ms of compiling", 20_000, 300_000),
];

impl Limit {
    /// All limits there are, in the order of their table.
    pub fn all() -> impl Iterator<Item = Self> {
        LIMITS.iter().map(|row| row.0)
    }

    /// The thing that it counts, in words.
    pub fn words(self) -> &'static str {
        LIMITS[self as usize].1
    }

    /// Its name in files, such as `call-bytes`.
    pub fn name(self) -> String {
        let quoted = serde_json::to_string(&self).unwrap_or_default();
        quoted.trim_matches('"').to_owned()
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// A value for every limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits([u64; LIMITS.len()]);

/// Values for some limits, as services, certificates and trust files name them.
pub type SomeLimits = BTreeMap<Limit, u64>;

impl Default for Limits {
    fn default() -> Self {
        Self(LIMITS.map(|row| row.2))
    }
}

impl Limits {
    /// How far a certified service may raise each, if the trust file says nothing.
    pub fn ceiling() -> Self {
        Self(LIMITS.map(|row| row.3))
    }

    /// The value of a limit.
    pub fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize]
    }

    /// The value of a limit, for sizes in memory.
    pub fn size(&self, limit: Limit) -> usize {
        usize::try_from(self.get(limit)).unwrap_or(usize::MAX)
    }

    /// These limits, with one of them changed.
    #[must_use]
    pub fn with(mut self, limit: Limit, value: u64) -> Self {
        self.0[limit as usize] = value;
        self
    }

    /// These limits, with those named changed.
    #[must_use]
    pub fn with_all(self, some: &SomeLimits) -> Self {
        some.iter().fold(self, |all, (limit, value)| all.with(*limit, *value))
    }

    /// The lower value of each.
    #[must_use]
    pub fn lower(self, other: Self) -> Self {
        let mut all = self;
        for (value, other) in all.0.iter_mut().zip(other.0) {
            *value = (*value).min(other);
        }
        all
    }
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Limit::all().map(|limit| (limit, self.get(limit))))
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::default().with_all(&SomeLimits::deserialize(deserializer)?))
    }
}
