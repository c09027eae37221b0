//! Deterministic CBOR (RFC 8949 §4.2.1): one encoding for one value.
//!
//! Everything that is signed, hashed or sent is encoded here. [`decode`] takes only what
//! [`encode`] would have written: it encodes what it read and compares. That one comparison
//! rejects unknown fields, unsorted or repeated keys, long integers, indefinite lengths and
//! trailing bytes together.

use ciborium::value::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Nesting that a decoder follows before it gives up.
const DEPTH: usize = 48;

/// Why bytes are not the canonical encoding of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    /// Longer than the place allows.
    #[error("{got} bytes where at most {most} are allowed")]
    TooLong {
        /// How many came.
        got: usize,
        /// How many may come.
        most: usize,
    },
    /// Not CBOR, or not of this shape; with the decoder's own words.
    #[error("not the expected structure: {0}")]
    Malformed(String),
    /// Decodes, but the canonical encoding is another.
    #[error("not canonical: unknown, unsorted, long-form or trailing bytes")]
    NotCanonical,
}

/// Encodes a value of ours.
///
/// # Panics
/// Never for the types of this project: they hold no floats and no maps with
/// non-serialisable keys, and memory is the only writer.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut tree = Value::serialized(value).expect("our own types serialise");
    sort(&mut tree);
    let mut bytes = Vec::new();
    ciborium::into_writer(&tree, &mut bytes).expect("writing to memory");
    bytes
}

/// Decodes the canonical encoding of a `T`, of at most `most` bytes.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], most: usize) -> Result<T, CborError> {
    if bytes.len() > most {
        return Err(CborError::TooLong { got: bytes.len(), most });
    }
    let value: T = ciborium::de::from_reader_with_recursion_limit(bytes, DEPTH)
        .map_err(|error| CborError::Malformed(error.to_string()))?;
    if encode(&value) == bytes { Ok(value) } else { Err(CborError::NotCanonical) }
}

/// Sorts every map by the bytewise order of its encoded keys (RFC 8949 §4.2.1).
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sort),
        Value::Tag(_, inner) => sort(inner),
        Value::Map(entries) => {
            for (key, value) in entries.iter_mut() {
                sort(key);
                sort(value);
            }
            entries.sort_by_cached_key(|(key, _)| {
                let mut bytes = Vec::new();
                ciborium::into_writer(key, &mut bytes).expect("writing to memory");
                bytes
            });
        }
        _ => {}
    }
}
