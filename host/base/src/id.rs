//! Typed identifiers, each with one text form whose parser is the inverse of its display.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, ParseDigestError};

macro_rules! digest_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Digest);

        impl $name {
            /// Wraps the digest that this identifier is.
            pub const fn new(digest: Digest) -> Self {
                Self(digest)
            }

            /// The digest that the identifier is.
            pub const fn digest(&self) -> &Digest {
                &self.0
            }

            /// The first eight hex digits: for people, never for comparing.
            pub fn short(&self) -> String {
                self.0.short()
            }

            /// All 64 hex digits, for URLs and file names.
            pub fn hex(&self) -> String {
                self.0.hex()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, ":{}"), self.0.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, ":{}…"), self.0.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let hex = text.strip_prefix(concat!($prefix, ":")).ok_or(ParseDigestError)?;
                Ok(Self(Digest::from_hex(hex)?))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    Ok(Self(Digest::deserialize(deserializer)?))
                }
            }
        }
    };
}

digest_id! {
    /// A deal: the digest of the agreement that opened it, so two different agreements
    /// cannot share an id. Text form `deal:<64 hex digits>`.
    DealId, "deal"
}

digest_id! {
    /// A public key: the digest of its 32 bytes. Text form `key:<64 hex digits>`.
    KeyId, "key"
}

digest_id! {
    /// A fair exchange: the digest of what both sides agreed to exchange, with fresh nonces of
    /// both, so two exchanges never share an id. Text form `exchange:<64 hex digits>`.
    ExchangeId, "exchange"
}
