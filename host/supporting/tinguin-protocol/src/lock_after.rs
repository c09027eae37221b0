//! How long nobody may be there before a TINGUIN locks, as people write it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use semper_base::Mend;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How long nobody may be there before a TINGUIN locks: `90s`, `15m`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockAfter(Duration);

/// The text is no such time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Mend)]
#[error("“{0}” is no time after which to lock")]
#[mend(input, "write it like 90s, 15m or 2h; off for never")]
pub struct LockAfterError(String);

impl LockAfter {
    /// What a person's own TINGUIN has where nothing is said.
    pub const USUAL: Self = Self(Duration::from_secs(15 * 60));

    /// Whether nobody was there for as long as that.
    pub fn is_over(self, idle: Duration) -> bool {
        idle >= self.0
    }
}

impl fmt::Display for LockAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        match (secs % 3_600, secs % 60) {
            (0, _) => write!(f, "{}h", secs / 3_600),
            (_, 0) => write!(f, "{}m", secs / 60),
            _ => write!(f, "{secs}s"),
        }
    }
}

impl FromStr for LockAfter {
    type Err = LockAfterError;

    fn from_str(text: &str) -> Result<Self, LockAfterError> {
        let wrong = || LockAfterError(text.chars().take(40).collect());
        let unit = text.chars().last().ok_or_else(wrong)?;
        let each = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            _ => return Err(wrong()),
        };
        let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
        match u64::from(number) * each {
            0 => Err(wrong()),
            secs => Ok(Self(Duration::from_secs(secs))),
        }
    }
}

impl Serialize for LockAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LockAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The section `[tinguin]` of a party's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TinguinConfig {
    /// How long nobody may be there before it locks: `"15m"`, `"90s"`, `"2h"`, or `"off"`. It
    /// then locks when the machine has slept, too. Usually after a quarter of an hour; one
    /// that answers by rules, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_after: Option<LockWhen>,
}

/// When a TINGUIN locks by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWhen {
    /// Never.
    Off,
    /// After nobody was there for so long.
    After(LockAfter),
}

impl TinguinConfig {
    /// Whether nothing is set.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// When it locks by itself, if it is one that answers by rules, or a person's.
    pub fn locks(&self, by_rules: bool) -> Option<LockAfter> {
        match (self.lock_after, by_rules) {
            (Some(LockWhen::After(after)), _) => Some(after),
            (Some(LockWhen::Off), _) | (None, true) => None,
            (None, false) => Some(LockAfter::USUAL),
        }
    }
}

impl Serialize for LockWhen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::After(after) => after.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LockWhen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "off" => Ok(Self::Off),
            text => text.parse().map(Self::After).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_write_them() {
        for text in ["90s", "15m", "2h", "61m"] {
            assert_eq!(text.parse::<LockAfter>().unwrap().to_string(), text);
        }
        for wrong in ["", "15", "m", "0m", "-1m", "15 m", "15min", "99999999999m", "1ü", "off"] {
            assert!(wrong.parse::<LockAfter>().is_err(), "{wrong}");
        }
    }
}
