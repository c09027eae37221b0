//! Deterministic CBOR (RFC 8949 §4.2.1): one encoding for one value.
//!
//! Everything that is signed, hashed or sent is encoded here. [`decode`] takes only what
//! [`encode`] would have written: it encodes what it read and compares. That one comparison
//! rejects unknown fields, unsorted or repeated keys, long integers, indefinite lengths and
//! trailing bytes together.

use ciborium::de::Error;
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
        /// The number of bytes that came.
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
    let mut straight = Vec::new();
    ciborium::into_writer(value, &mut straight).expect("our own types serialise");
    // Types whose fields stand in canonical order need no sorting; looking is cheaper.
    if walk(&straight, 0, 0) == Some(straight.len()) {
        return straight;
    }
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
        .map_err(|error| CborError::Malformed(plain(&error)))?;
    if encode(&value) == bytes { Ok(value) } else { Err(CborError::NotCanonical) }
}

/// What is wrong, in words for people: the library's are those of its own types.
fn plain(error: &Error<std::io::Error>) -> String {
    match error {
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "it ends too early".into()
        }
        Error::Io(error) => error.to_string(),
        Error::Syntax(at) => format!("byte {at} begins nothing that is CBOR"),
        // “invalid type: integer `123`, expected struct Evidence”: the name of a type says nothing.
        Error::Semantic(_, words) => match words.split_once(", expected ") {
            Some((what, of)) if NAMES.iter().any(|it| of.starts_with(it)) => what.to_owned(),
            _ => words.clone(),
        },
        Error::RecursionLimitExceeded => "it is nested too deeply".into(),
    }
}

/// How the library begins to name a type.
const NAMES: [&str; 5] = ["struct ", "tuple struct ", "unit struct ", "newtype struct ", "enum "];

/// The end of the item that begins at `at`, if every length in it is definite and every map
/// is in canonical order; `None` otherwise.
fn walk(bytes: &[u8], at: usize, depth: usize) -> Option<usize> {
    let (major, argument, mut at) = head(bytes, at)?;
    if depth > DEPTH {
        return None;
    }
    match major {
        2 | 3 => at.checked_add(argument).filter(|end| *end <= bytes.len()),
        4 => {
            for _ in 0..argument {
                at = walk(bytes, at, depth + 1)?;
            }
            Some(at)
        }
        5 => {
            let mut previous: &[u8] = &[];
            for _ in 0..argument {
                let end = walk(bytes, at, depth + 1)?;
                let key = bytes.get(at..end)?;
                if key <= previous {
                    return None;
                }
                previous = key;
                at = walk(bytes, end, depth + 1)?;
            }
            Some(at)
        }
        6 => walk(bytes, at, depth + 1),
        _ => Some(at),
    }
}

/// Major type and argument of the head at `at`, and where it ends.
fn head(bytes: &[u8], at: usize) -> Option<(u8, usize, usize)> {
    let first = *bytes.get(at)?;
    let (major, info) = (first >> 5, first & 0x1f);
    let wide = match info {
        0..=23 => return Some((major, usize::from(info), at + 1)),
        24..=27 => 1_usize << (info - 24),
        _ => return None,
    };
    let argument = bytes.get(at + 1..at + 1 + wide)?;
    let value = argument.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    Some((major, usize::try_from(value).ok()?, at + 1 + wide))
}

/// Any CBOR as people read it (the diagnostic notation of RFC 8949 §8), byte strings and texts
/// cut to `most` characters.
pub fn diagnostic(bytes: &[u8], most: usize) -> String {
    let value: Result<Value, _> = ciborium::de::from_reader_with_recursion_limit(bytes, DEPTH);
    let mut out = String::new();
    match value {
        Ok(value) => describe(&value, most, &mut out),
        Err(error) => out = format!("not CBOR: {}", plain(&error)),
    }
    out
}

fn describe(value: &Value, most: usize, out: &mut String) {
    use std::fmt::Write as _;
    let list = |items: &[Value], out: &mut String| {
        for (index, item) in items.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { ", " });
            describe(item, most, out);
        }
    };
    match value {
        Value::Integer(number) => {
            let _ = write!(out, "{}", i128::from(*number));
        }
        Value::Text(text) => {
            let short: String = text.chars().take(most).collect();
            let more = if short.len() < text.len() { "…" } else { "" };
            let _ = write!(out, "{short:?}{more}");
        }
        Value::Bytes(bytes) => {
            let hex: String =
                bytes.iter().take(most.div_ceil(2)).map(|byte| format!("{byte:02x}")).collect();
            let more = if bytes.len() > most.div_ceil(2) { "…" } else { "" };
            let _ = write!(out, "h'{hex}'{more}");
        }
        Value::Array(items) => {
            out.push('[');
            list(items, out);
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                match key {
                    Value::Text(name) => out.push_str(name),
                    other => describe(other, most, out),
                }
                out.push_str(": ");
                describe(value, most, out);
            }
            out.push('}');
        }
        Value::Bool(yes) => {
            let _ = write!(out, "{yes}");
        }
        Value::Null => out.push_str("null"),
        Value::Tag(tag, inner) => {
            let _ = write!(out, "{tag}(");
            describe(inner, most, out);
            out.push(')');
        }
        _ => out.push('?'),
    }
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
