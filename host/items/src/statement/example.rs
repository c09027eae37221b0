//! Values that the kinds' examples share.

use semper_base::{Amount, Currency, Digest, Timestamp};

/// So many euro cents.
pub(super) fn eur(minor: i64) -> Amount {
    Amount::new(minor, Currency::EUR)
}

/// A day in January 2027; the number is in bounds.
pub(super) fn date() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000).unwrap_or_else(|_| Timestamp::now())
}

/// A digest of something.
pub(super) fn digest() -> Digest {
    Digest::of(b"something")
}
