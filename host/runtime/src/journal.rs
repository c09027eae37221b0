//! The journal of a deal: every call of its component, before its effect; and replay.
//!
//! A record says what was called and, by salted digests, with what and with what result; the
//! records are chained by hash, and every message carries the head. The private parts (request,
//! result) stand beside the record and can be opened one by one. Classes of calls and what is
//! journaled when: `docs/execution.md`, “The journal”.

use std::collections::VecDeque;
use std::time::Duration;

use semper_archive::chain::{self, MAX_PART, salted};
pub use semper_archive::chain::{Class, Record, next_head, runs, verify_chain};
use semper_archive::{Archive, JournalRow, Write};
use semper_base::{DealId, Digest, Timestamp, cbor, keys};
use semper_trust::{Limit, Limits};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::flow::FlowState;
use crate::stop::{Doubt, Pause, Stop};

/// The function in a checkpoint's record.
const CHECKPOINT: &str = "deal/continuation.checkpoint";

/// Bytes a second that a paced journal writes.
const PACE: usize = 4 << 20;

/// How long a paced journal waits after these writes.
fn pause(writes: &[Write]) -> Duration {
    let size = |write: &Write| match write {
        Write::Journal(row) => row.request.len() + row.result.len(),
        Write::Message(row) => row.bytes.len() + row.wire.len(),
        _ => 0,
    };
    let bytes: usize = writes.iter().map(size).sum();
    Duration::from_millis(2 + (bytes * 1_000 / PACE) as u64)
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

/// What a run of a component begins with after a checkpoint: the service's own state, and
/// what the host has to know of the runs before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// The service's state.
    pub state: ByteBuf,
    /// The flow's.
    pub flow: FlowState,
    /// The number of the last message given to the component.
    pub received: u64,
    /// The number of the last message that it sent.
    pub sent: u64,
    /// Money that has left, in minor units of the grants' currency.
    pub spent: i64,
    /// The host's time at the checkpoint.
    pub at: Timestamp,
    /// The deal's statements that later ones may refer to, signed.
    pub statements: Vec<ByteBuf>,
    /// When its last messages were sent, for their limit.
    pub messages: Vec<Timestamp>,
    /// When its last checkpoints were, for theirs.
    pub checkpoints: Vec<Timestamp>,
}

/// A call as it was journaled, for whoever looks on while a journal is re-executed.
#[derive(Debug)]
pub struct Traced<'a> {
    /// Its public record.
    pub record: &'a Record,
    /// What was asked, canonical CBOR.
    pub request: &'a [u8],
    /// What was answered, canonical CBOR; empty in an intent.
    pub result: &'a [u8],
}

/// Hears of every call that is answered from the journal.
pub type Trace = Box<dyn FnMut(Traced<'_>) + Send>;

/// Where new records go.
enum Sink {
    /// Into an archive.
    Archive(Archive),
    /// Nowhere: the journal is only re-executed.
    Nowhere,
    /// To whoever takes them: on a stage.
    Kept(Vec<JournalRow>),
}

/// The journal of a deal that is being run.
pub struct Journal {
    /// Where new records go.
    sink: Sink,
    deal: DealId,
    replay: VecDeque<JournalRow>,
    resumed: Option<Box<Carried>>,
    seq: u64,
    head: Digest,
    /// The first record of this run.
    begins: u64,
    bytes: u64,
    limits: Limits,
    /// Reads that are committed with the next effect or wait.
    pending: Vec<Write>,
    /// How much more may be written in the fast lane: commits and bytes.
    budget: Option<(u32, u64)>,
    /// Whether commits are spaced out, so that a flood of them leaves the disk to others.
    paced: bool,
    /// The last effect's call.
    effect: Option<Call>,
    trace: Option<Trace>,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({}, {} records)", self.deal.short(), self.seq)
    }
}

impl Journal {
    /// Loads the present run of a deal's journal, which begins with record `begins`. Its
    /// records are checked one by one as the component comes to them.
    pub fn load(
        archive: &Archive,
        deal: DealId,
        begins: u64,
        limits: Limits,
    ) -> Result<Self, Stop> {
        let rows = archive.journal_from(deal, begins)?;
        Self::of_rows(Sink::Archive(archive.clone()), deal, rows, limits, None)
    }

    /// A run that is only re-executed: at the journal's end it stops with
    /// [`Pause::RecordEnds`]. `rows` begin with the run's checkpoint record, or are a deal's
    /// first; `trace` hears of every call.
    pub fn re_execute(
        deal: DealId,
        rows: Vec<JournalRow>,
        limits: Limits,
        trace: Trace,
    ) -> Result<Self, Stop> {
        Self::of_rows(Sink::Nowhere, deal, rows, limits, Some(trace))
    }

    /// A run on a stage: goes on where `rows` end, and keeps what is new in memory.
    pub fn on_stage(deal: DealId, rows: Vec<JournalRow>, limits: Limits) -> Result<Self, Stop> {
        Self::of_rows(Sink::Kept(Vec::new()), deal, rows, limits, None)
    }

    /// The new records of a run on a stage.
    pub fn take_kept(&mut self) -> Vec<JournalRow> {
        match &mut self.sink {
            Sink::Kept(rows) => std::mem::take(rows),
            _ => Vec::new(),
        }
    }

    fn of_rows(
        sink: Sink,
        deal: DealId,
        rows: Vec<JournalRow>,
        limits: Limits,
        trace: Option<Trace>,
    ) -> Result<Self, Stop> {
        let begins = rows.first().map_or(0, |row| row.seq);
        let mut this = Self {
            sink,
            deal,
            replay: rows.into(),
            resumed: None,
            seq: begins,
            head: Digest::ZERO,
            begins,
            bytes: 0,
            limits,
            pending: Vec::new(),
            budget: None,
            paced: false,
            effect: None,
            trace,
        };
        if begins > 0 {
            this.take_checkpoint()?;
        }
        Ok(this)
    }

    fn take_checkpoint(&mut self) -> Result<(), Stop> {
        let damaged = || Stop::from(Doubt::Journal(self.begins));
        let row = self.replay.pop_front().ok_or_else(damaged)?;
        let record: Record = cbor::decode(&row.record, MAX_PART).map_err(|_| damaged())?;
        let whole = record.class == Class::Checkpoint
            && record.seq == row.seq
            && record.request == salted(&record.salt, &row.request);
        if !whole {
            return Err(damaged());
        }
        let carried = cbor::decode(&row.request, MAX_PART).map_err(|_| damaged())?;
        self.head = next_head(&record.previous, &row.record);
        self.seq = row.seq + 1;
        self.resumed = Some(Box::new(carried));
        Ok(())
    }

    /// Stops with [`Pause::Slow`] before more than this is written: so many waits and effects,
    /// so many bytes.
    #[must_use]
    pub fn within(mut self, commits: u32, bytes: u64) -> Self {
        self.budget = Some((commits, bytes));
        self
    }

    /// Spaces its commits out: what goes on for long does not take the disk for itself.
    #[must_use]
    pub fn paced(mut self) -> Self {
        self.paced = true;
        self
    }

    /// Takes a new wait or effect out of the budget.
    fn spend(&mut self) -> Result<(), Stop> {
        match &mut self.budget {
            Some((0, _) | (_, 0)) => Err(Pause::Slow { heavy: false }.into()),
            Some((commits, _)) => {
                *commits -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What this run began with, after a checkpoint.
    pub fn resumed(&self) -> Option<&Carried> {
        self.resumed.as_deref()
    }

    /// Whether calls are being answered from the journal.
    pub fn is_replaying(&self) -> bool {
        !self.replay.is_empty()
    }

    /// Whether the next answer in the journal is that of this function.
    pub fn continues_with(&self, function: &str) -> bool {
        let next = self.replay.front().map(|row| chain::check(row, self.seq, &self.head));
        next.is_some_and(|record| record.is_ok_and(|it| it.function == function))
    }

    /// How many records there are up to now, over all runs.
    pub fn len(&self) -> u64 {
        self.seq
    }

    /// Whether there is none yet.
    pub fn is_empty(&self) -> bool {
        self.seq == 0
    }

    /// The head after the last record: what a message made now commits to.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// The call of the last effect.
    pub fn last_effect(&self) -> Option<Call> {
        self.effect
    }

    /// What the next calls asked when they were journaled, at most so many.
    pub fn upcoming(&self, most: usize) -> impl Iterator<Item = &[u8]> {
        self.replay.iter().take(most).map(|row| row.request.as_slice())
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
        self.spend()?;
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
            self.spend()?;
            let row = self.append(Class::Intent, function, request.clone(), Vec::new())?;
            self.flush(vec![row])?;
        }
        let call = Call { number, key: self.key(number), head: self.head };
        self.effect = Some(call);
        if let Some(result) = self.replayed(Class::Done, function, &request)? {
            return self.parse(&result);
        }
        let (result, mut writes) = work(call)?;
        writes.push(self.append(Class::Done, function, request, cbor::encode(&result))?);
        self.flush(writes)?;
        Ok(result)
    }

    /// Ends the run: the next begins with what is carried over, and an empty journal. Always
    /// an error: [`Pause::Checkpoint`] when it is done.
    pub fn checkpoint(&mut self, carried: &Carried) -> Stop {
        match self.seal(carried) {
            Ok(()) => Pause::Checkpoint.into(),
            Err(stop) => stop,
        }
    }

    fn seal(&mut self, carried: &Carried) -> Result<(), Stop> {
        let request = cbor::encode(carried);
        let seq = self.seq;
        if self.replayed(Class::Checkpoint, CHECKPOINT, &request)?.is_none() {
            let row = self.append(Class::Checkpoint, CHECKPOINT, request, Vec::new())?;
            self.flush(vec![row, Write::Begins(self.deal, seq)])?;
        }
        Ok(())
    }

    /// Commits reads that wait, and these writes with them.
    fn flush(&mut self, writes: Vec<Write>) -> Result<(), Stop> {
        let mut all = std::mem::take(&mut self.pending);
        all.extend(writes);
        let archive = match &mut self.sink {
            Sink::Archive(archive) => archive,
            Sink::Nowhere => return Err(Pause::RecordEnds.into()),
            Sink::Kept(rows) => {
                rows.extend(all.into_iter().filter_map(|it| match it {
                    Write::Journal(row) => Some(row),
                    _ => None,
                }));
                return Ok(());
            }
        };
        let pause = if self.paced && !all.is_empty() { pause(&all) } else { Duration::ZERO };
        archive.commit(all)?;
        std::thread::sleep(pause);
        Ok(())
    }

    /// Reads that no effect has committed yet: what was read before a deal fails belongs to
    /// its evidence.
    pub fn take_pending(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.pending)
    }

    fn key(&self, number: u64) -> Digest {
        let deal = self.deal.digest().as_bytes();
        Digest::of_parts(&[b"semper/call/v1", deal, &number.to_be_bytes()])
    }

    /// The journaled result of this call, if the journal reaches here; the record must be next
    /// in the chain, and the request the one that was journaled.
    fn replayed(
        &mut self,
        class: Class,
        function: &str,
        request: &[u8],
    ) -> Result<Option<Vec<u8>>, Stop> {
        let Some(row) = self.replay.pop_front() else {
            return match self.sink {
                Sink::Nowhere => Err(Pause::RecordEnds.into()),
                _ => Ok(None),
            };
        };
        let record = chain::check(&row, self.seq, &self.head)?;
        if record.class != class || record.function != function || row.request != request {
            return Err(Doubt::Diverged {
                call: row.seq,
                function: function.to_owned(),
                journal: record.request,
                component: salted(&record.salt, request),
            }
            .into());
        }
        self.count(&row)?;
        self.seq = row.seq + 1;
        self.head = next_head(&self.head, &row.record);
        if let Some(trace) = &mut self.trace {
            trace(Traced { record: &record, request: &row.request, result: &row.result });
        }
        Ok(Some(row.result))
    }

    fn append(
        &mut self,
        class: Class,
        function: &str,
        request: Vec<u8>,
        result: Vec<u8>,
    ) -> Result<Write, Stop> {
        if matches!(self.sink, Sink::Nowhere) {
            return Err(Pause::RecordEnds.into());
        }
        if request.len().max(result.len()) > MAX_PART {
            let most = MAX_PART as u64;
            return Err(Stop::limit(Limit::CallBytes, most));
        }
        let salt = Digest::from_bytes(keys::random());
        let empty = matches!(class, Class::Intent | Class::Checkpoint);
        let digest = if empty { Digest::ZERO } else { salted(&salt, &result) };
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
        let head = next_head(&self.head, &bytes);
        let row = JournalRow { deal: self.deal, seq: record.seq, record: bytes, request, result };
        self.count(&row)?;
        if let Some((_, bytes)) = &mut self.budget {
            *bytes = bytes.saturating_sub((row.request.len() + row.result.len()) as u64);
        }
        self.head = head;
        self.seq += 1;
        Ok(Write::Journal(row))
    }

    /// Holds a record against the limits of a run. A checkpoint is always let through: it is
    /// the way to a shorter journal.
    fn count(&mut self, row: &JournalRow) -> Result<(), Stop> {
        let over = |limit| Err(Stop::limit(limit, self.limits.get(limit)));
        if row.seq - self.begins >= self.limits.get(Limit::Records) {
            return over(Limit::Records);
        }
        let size = row.record.len() + row.request.len() + row.result.len();
        self.bytes = self.bytes.saturating_add(size as u64);
        if self.bytes > self.limits.get(Limit::JournalBytes) {
            return over(Limit::JournalBytes);
        }
        Ok(())
    }

    fn parse<R: Serialize + DeserializeOwned>(&self, bytes: &[u8]) -> Result<R, Stop> {
        cbor::decode(bytes, MAX_PART).map_err(|_| Doubt::Journal(self.seq).into())
    }
}
