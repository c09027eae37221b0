//! The journal's format: records chained by hash, with their private parts behind salted
//! digests. Reading and checking alone; who writes them is a deal's host.

use semper_base::{Digest, cbor};
use serde::{Deserialize, Serialize};

use crate::rows::JournalRow;

/// The wait for an exchange's end.
pub const END_OF_EXCHANGE: &str = "exchange/end";
/// Largest request or result, in bytes.
pub const MAX_PART: usize = 2 * 1024 * 1024;

/// A record that is not what it should be: by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal is damaged at record {0}")]
pub struct Damaged(pub u64);

/// The public part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    // In canonical order (shorter names first), so that encoding needs no sorting.
    /// 0, 1, 2 …
    pub seq: u64,
    /// Makes the digests below unguessable.
    pub salt: Digest,
    /// The kind of the call, and the part of it.
    pub class: Class,
    /// The salted digest of the result; zero in an intent.
    pub result: Digest,
    /// The salted digest of the request.
    pub request: Digest,
    /// The function, such as `transfer/information.send`.
    pub function: String,
    /// The head before this record.
    pub previous: Digest,
}

/// The kinds of records in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A read, with its result.
    Read,
    /// A wait that has ended, with its result.
    Wait,
    /// An effect that is about to be carried out.
    Intent,
    /// An effect that has been carried out, with its result.
    Done,
    /// The end of a run, with what the next begins with.
    Checkpoint,
}

/// The head after a record: commits to every record before it.
pub fn next_head(head: &Digest, record: &[u8]) -> Digest {
    Digest::of_parts(&[b"semper/journal/v1", head.as_bytes(), record])
}

/// The digest of a private part.
pub fn salted(salt: &Digest, bytes: &[u8]) -> Digest {
    Digest::of_parts(&[b"semper/journal-part/v1", salt.as_bytes(), bytes])
}

/// A record that must be number `seq` after this head, and whole: its chain, and that request
/// and result are those that it commits to.
pub fn check(row: &JournalRow, seq: u64, head: &Digest) -> Result<Record, Damaged> {
    let damaged = || Damaged(seq);
    let record: Record = cbor::decode(&row.record, MAX_PART).map_err(|_| damaged())?;
    let result = match record.class {
        Class::Intent | Class::Checkpoint => Digest::ZERO,
        _ => salted(&record.salt, &row.result),
    };
    let whole = row.seq == seq
        && record.seq == seq
        && record.previous == *head
        && record.request == salted(&record.salt, &row.request)
        && record.result == result;
    if whole { Ok(record) } else { Err(damaged()) }
}

/// Checks a whole journal: numbers, chain, and that requests and results are those that the
/// records commit to. The heads after each record, so that messages can be held against them.
pub fn verify_chain(rows: &[JournalRow]) -> Result<Vec<Digest>, Damaged> {
    let mut head = Digest::ZERO;
    let mut heads = Vec::with_capacity(rows.len());
    for (seq, row) in rows.iter().enumerate() {
        check(row, seq as u64, &head)?;
        head = next_head(&head, &row.record);
        heads.push(head);
    }
    Ok(heads)
}

/// A journal's runs: each begins with the record of a checkpoint, but for the first. A
/// checkpoint's record stands at the end of the run that it ends, and again at the start of
/// the next.
pub fn runs(rows: &[JournalRow]) -> Vec<Vec<JournalRow>> {
    let mut all = vec![Vec::new()];
    for row in rows {
        let class = cbor::decode::<Record>(&row.record, MAX_PART).map(|record| record.class);
        if let Some(run) = all.last_mut() {
            run.push(row.clone());
        }
        if class == Ok(Class::Checkpoint) {
            all.push(vec![row.clone()]);
        }
    }
    all
}
