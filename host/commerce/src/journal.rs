//! The journal of a deal: every call of its component, before its effect; and replay.
//!
//! A record says what was called and, by salted digests, with what and with what result; the
//! records are chained by hash, and every message carries the head. The private parts (request,
//! result) stand beside the record and can be opened one by one. Classes of calls and what is
//! journaled when: `design/execution.md`.

use std::collections::VecDeque;

use semper_archive::{Archive, JournalRow, Write};
use semper_base::{DealId, Digest, cbor, keys};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::stop::Stop;

/// Largest request or result, in bytes.
const MAX_PART: usize = 2 * 1024 * 1024;

/// The public part of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// 0, 1, 2 …
    pub seq: u64,
    /// What kind of call, and which part of it.
    pub class: Class,
    /// The function, such as `transfer/information.send`.
    pub function: String,
    /// Makes the digests below unguessable.
    pub salt: Digest,
    /// The salted digest of the request.
    pub request: Digest,
    /// The salted digest of the result; zero in an intent.
    pub result: Digest,
    /// The head before this record.
    pub previous: Digest,
}

/// Kinds of records.
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
}

/// A call that has an effect, while it is being carried out.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The number of its intent.
    pub number: u64,
    /// Idempotency key: derived from the deal and the number.
    pub key: Digest,
    /// The journal's head after the intent: what a message made now commits to.
    pub head: Digest,
}

/// The journal of a deal that is being run.
#[derive(Debug)]
pub struct Journal {
    archive: Archive,
    deal: DealId,
    replay: VecDeque<JournalRow>,
    seq: u64,
    head: Digest,
    most: u64,
    /// Reads that are committed with the next effect or wait.
    pending: Vec<Write>,
}

impl Journal {
    /// Loads a deal's journal, checking its chain; `most` records may be in it.
    pub fn load(archive: &Archive, deal: DealId, most: u64) -> Result<Self, Stop> {
        let rows = archive.journal(deal)?;
        verify_chain(&rows)?;
        Ok(Self {
            archive: archive.clone(),
            deal,
            replay: rows.into(),
            seq: 0,
            head: Digest::ZERO,
            most,
            pending: Vec::new(),
        })
    }

    /// Whether calls are being answered from the journal.
    pub fn is_replaying(&self) -> bool {
        !self.replay.is_empty()
    }

    /// How many records there are up to now.
    pub fn len(&self) -> u64 {
        self.seq
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.seq == 0
    }

    /// A call that only looks: answered once, and from the journal afterwards.
    pub fn read<Q: Serialize, R: Serialize + DeserializeOwned>(
        &mut self,
        function: &str,
        request: &Q,
        work: impl FnOnce() -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        let request = cbor::encode(request);
        if let Some(result) = self.replayed(Class::Read, function, &request)? {
            return self.parse(&result);
        }
        let result = work()?;
        let row = self.append(Class::Read, function, request, cbor::encode(&result))?;
        self.pending.push(row);
        Ok(result)
    }

    /// A call that waits: journaled when it ends, in one commit with the writes that `work`
    /// gives back. `work` gets the call's key; whatever it lets others see must be the same
    /// when it is asked again with the same key.
    pub fn wait<Q: Serialize, R: Serialize + DeserializeOwned>(
        &mut self,
        function: &str,
        request: &Q,
        work: impl FnOnce(Digest) -> Result<(R, Vec<Write>), Stop>,
    ) -> Result<R, Stop> {
        let request = cbor::encode(request);
        if let Some(result) = self.replayed(Class::Wait, function, &request)? {
            return self.parse(&result);
        }
        self.flush(Vec::new())?;
        let (result, mut writes) = work(self.key(self.seq))?;
        writes.push(self.append(Class::Wait, function, request, cbor::encode(&result))?);
        self.flush(writes)?;
        Ok(result)
    }

    /// A call with an effect: the intent is journaled, the effect carried out under its key,
    /// and the result journaled in one commit with the writes that `work` gives back. An
    /// intent without a result is carried out again.
    pub fn effect<Q: Serialize, R: Serialize + DeserializeOwned>(
        &mut self,
        function: &str,
        request: &Q,
        work: impl FnOnce(Call) -> Result<(R, Vec<Write>), Stop>,
    ) -> Result<R, Stop> {
        let request = cbor::encode(request);
        let number = self.seq;
        if self.replayed(Class::Intent, function, &request)?.is_none() {
            let row = self.append(Class::Intent, function, request.clone(), Vec::new())?;
            self.flush(vec![row])?;
        }
        if let Some(result) = self.replayed(Class::Done, function, &request)? {
            return self.parse(&result);
        }
        let call = Call { number, key: self.key(number), head: self.head };
        let (result, mut writes) = work(call)?;
        writes.push(self.append(Class::Done, function, request, cbor::encode(&result))?);
        self.flush(writes)?;
        Ok(result)
    }

    /// Commits reads that wait, and these writes with them.
    fn flush(&mut self, writes: Vec<Write>) -> Result<(), Stop> {
        let mut all = std::mem::take(&mut self.pending);
        all.extend(writes);
        Ok(self.archive.commit(all)?)
    }

    fn key(&self, number: u64) -> Digest {
        let deal = self.deal.digest().as_bytes();
        Digest::of_parts(&[b"semper/call/v1", deal, &number.to_be_bytes()])
    }

    /// The journaled result of this call, if the journal reaches here; the request must be the
    /// one that was journaled.
    fn replayed(
        &mut self,
        class: Class,
        function: &str,
        request: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop> {
        let Some(row) = self.replay.pop_front() else { return Ok(None) };
        let record: Record =
            cbor::decode(&row.record, MAX_PART).map_err(|_| Stop::Damaged(row.seq))?;
        let asked = salted(&record.salt, request);
        if record.class != class || record.function != function || record.request != asked {
            return Err(Stop::Divergence {
                call: row.seq,
                function: function.to_owned(),
                journal: record.request,
                component: asked,
            });
        }
        self.seq = row.seq + 1;
        self.head = next_head(&self.head, &row.record);
        Ok(Some(row.result))
    }

    fn append(
        &mut self,
        class: Class,
        function: &str,
        request: Vec<u8>,
        result: Vec<u8>,
    ) -> Result<Write, Stop> {
        if self.seq >= self.most {
            return Err(Stop::Limit { what: "journal", limit: format!("{} records", self.most) });
        }
        let salt = Digest::from_bytes(keys::random());
        let digest = if class == Class::Intent { Digest::ZERO } else { salted(&salt, &result) };
        let record = Record {
            seq: self.seq,
            class,
            function: function.to_owned(),
            salt,
            request: salted(&salt, &request),
            result: digest,
            previous: self.head,
        };
        let bytes = cbor::encode(&record);
        self.head = next_head(&self.head, &bytes);
        self.seq += 1;
        let row = JournalRow { deal: self.deal, seq: record.seq, record: bytes, request, result };
        Ok(Write::Journal(row))
    }

    fn parse<R: Serialize + DeserializeOwned>(&self, bytes: &[u8]) -> Result<R, Stop> {
        cbor::decode(bytes, MAX_PART).map_err(|_| Stop::Damaged(self.seq))
    }
}

/// The head after a record: commits to every record before it.
pub fn next_head(head: &Digest, record: &[u8]) -> Digest {
    Digest::of_parts(&[b"semper/journal/v1", head.as_bytes(), record])
}

fn salted(salt: &Digest, bytes: &[u8]) -> Digest {
    Digest::of_parts(&[b"semper/journal-part/v1", salt.as_bytes(), bytes])
}

/// Checks a whole journal: numbers, chain, and that requests and results are those that the
/// records commit to. The heads after each record, so that messages can be held against them.
pub fn verify_chain(rows: &[JournalRow]) -> Result<Vec<Digest>, Stop> {
    let mut head = Digest::ZERO;
    let mut heads = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let damaged = || Stop::Damaged(index as u64);
        let record: Record = cbor::decode(&row.record, MAX_PART).map_err(|_| damaged())?;
        let result = match record.class {
            Class::Intent => Digest::ZERO,
            _ => salted(&record.salt, &row.result),
        };
        let whole = row.seq == index as u64
            && record.seq == row.seq
            && record.previous == head
            && record.request == salted(&record.salt, &row.request)
            && record.result == result;
        if !whole {
            return Err(damaged());
        }
        head = next_head(&head, &row.record);
        heads.push(head);
    }
    Ok(heads)
}
