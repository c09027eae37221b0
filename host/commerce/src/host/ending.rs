//! How an activation ends: what is stored of it, whom is told, and when it is tried again. All of
//! that follows from the kind of its end.

use std::sync::Arc;
use std::time::Duration;

use semper_archive::{DealRow, DealState, MessageRow, Write};
use semper_base::{DealId, Digest, Mend as _, Timestamp, cbor};
use semper_items::{Item, Message, Side};
use semper_keeper::Panicked;
use semper_runtime::Deal;
use semper_runtime::END;
use semper_runtime::context::Context;
use semper_runtime::journal::Journal;
use semper_runtime::stop::{Cause, Doubt, Incident, Needed, Pause, Stop, Verdict, Waiting};
use semper_runtime::world::farewell;

use super::{Host, evidence};

/// The kind of evidence that says how a deal has failed.
const INCIDENT: &str = "incident";
/// Largest such entry, in bytes.
const MAX_INCIDENT: usize = 64 * 1024;

/// A deal that was activated, and its context if it got as far as having one.
type Ran<'a> = Option<(&'a Deal, Option<&'a mut Context>)>;

impl Host {
    /// Stores how an activation has ended.
    pub(super) fn store(
        self: &Arc<Self>,
        row: &DealRow,
        ran: Ran<'_>,
        outcome: Result<(DealState, String), Stop>,
    ) -> Result<(), Stop> {
        match outcome {
            Ok((state, note)) => {
                self.put_back(row)?;
                self.schedule.steady(row.id);
                self.end(row, state, (note, String::new()), Vec::new())
            }
            Err(Stop::Pause(pause)) => {
                if let (Pause::Again { .. }, Some((_, Some(ran)))) = (&pause, ran) {
                    // What was asked and answered is not asked again: a component that needs two
                    // answers would never have both.
                    self.archive().commit(ran.journal.take_pending())?;
                }
                self.pause(row, pause)
            }
            Err(Stop::Doubt(doubt)) => self.doubt(row, &doubt),
            Err(Stop::Verdict(verdict)) => self.fail(row, ran, &verdict),
        }
    }

    fn pause(&self, row: &DealRow, pause: Pause) -> Result<(), Stop> {
        match pause {
            Pause::Again { needed, .. } => {
                self.retry(row.id, needed.pauses());
                return self.note(row, pause.to_string());
            }
            Pause::Slow { heavy } => {
                if heavy {
                    self.schedule.heavy(row.terms);
                }
                self.wake_slow(row.id);
            }
            Pause::Wait(waiting) => {
                self.schedule.steady(row.id);
                return self.sleep(row, *waiting);
            }
            // A next run follows a checkpoint at once, and a running host's journal has no end.
            Pause::Checkpoint | Pause::RecordEnds => self.wake_slow(row.id),
        }
        Ok(())
    }

    /// We failed: the deal stays where it is, and nobody is told that somebody is at fault. The
    /// journal is evidence, and nothing is decided on top of a doubtful one.
    pub(super) fn doubt(&self, row: &DealRow, doubt: &Doubt) -> Result<(), Stop> {
        let note = match doubt.pauses() {
            Some(pauses) => {
                self.retry(row.id, pauses);
                format!("{doubt}; it is tried again")
            }
            None => format!("stopped: {doubt}"),
        };
        tracing::warn!(deal = row.id.short(), %doubt, "a deal stands still");
        if note != row.note {
            self.progress(row.id, format!("{doubt}. What you can do: {}", doubt.mend()));
        }
        self.note(row, note)
    }

    /// An activation has panicked: a fault of ours, which blames nobody.
    pub(super) fn crashed(&self, id: DealId, panicked: &Panicked) {
        let doubt = Doubt::Broken(panicked.to_string());
        let noted = self.archive().deal(id).map_err(Stop::from);
        let noted = noted.and_then(|row| row.map_or(Ok(()), |row| self.doubt(&row, &doubt)));
        if let Err(error) = noted {
            tracing::error!(deal = id.short(), %error, "a panic cannot be noted");
        }
    }

    /// Tries a deal again, after a pause that doubles with each time.
    pub(super) fn retry(&self, id: DealId, (first, last): (Duration, Duration)) {
        let tries = self.schedule.tried(id);
        self.wake_later(id, first.saturating_mul(1 << tries.min(20)).min(last));
    }

    fn fail(self: &Arc<Self>, row: &DealRow, ran: Ran<'_>, verdict: &Verdict) -> Result<(), Stop> {
        let (id, at) = (row.id, self.now());
        let (mut writes, mut flow, mut records) = (Vec::new(), String::new(), 0);
        self.put_back(row)?;
        if let Some((deal, Some(ran))) = ran {
            writes = ran.journal.take_pending();
            writes.extend(self.farewell(deal, ran, verdict));
            (flow, records) = (ran.monitor.state().to_owned(), ran.journal.len());
        }
        let incident = Incident::of(verdict, id, at, &flow, records);
        let (paid, mut mend) = (self.what_was_paid(row)?, verdict.mend_for(row.side));
        let (deal, code, what) = (id.short(), &incident.code, &incident.what);
        let mut note = verdict.to_string();
        match &paid {
            // Whoever has money without what it is for, or the other way round, has to act.
            Some(paid) => {
                tracing::warn!(deal, code, what, paid, "a deal fails after money has moved");
                note = format!("{note}; {paid}");
                mend = format!(
                    "settle it with {}: the receipt and all that was signed are in the archive \
                     (semper archive show {deal}); {mend}",
                    row.peer
                );
            }
            None => tracing::info!(deal, code, what, "a deal fails"),
        }
        let summary = format!("{}: {}", incident.code, incident.what);
        writes.push(evidence(Some(id), INCIDENT, "", &summary, &cbor::encode(&incident), at));
        self.schedule.steady(id);
        self.end(row, DealState::Failed, (note, mend), writes)
    }

    fn end(
        self: &Arc<Self>,
        row: &DealRow,
        state: DealState,
        (note, mend): (String, String),
        mut writes: Vec<Write>,
    ) -> Result<(), Stop> {
        let (id, at) = (row.id, self.now());
        let said = !writes.is_empty();
        writes.push(Write::Deal { id, state, note: note.clone(), at });
        self.archive().commit(writes)?;
        tracing::info!(deal = id.short(), state = state.name(), "deal ended");
        // In one line: whoever sees only the last one must know why as well as what to do.
        let advice = if mend.is_empty() { mend } else { format!("; what you can do: {mend}") };
        self.progress(id, format!("the deal is {}: {note}{advice}", state.name()));
        self.signal(id).bump();
        if said && row.side == Side::Buyer {
            // What does not get through now is sent by the deal's link.
            if let Err(error) = self.flush(id) {
                tracing::debug!(deal = id.short(), %error, "not sent at once");
            }
        }
        Ok(())
    }

    fn note(&self, row: &DealRow, note: String) -> Result<(), Stop> {
        if note == row.note {
            return Ok(());
        }
        let (state, at) = (DealState::Running, self.now());
        Ok(self.archive().commit(vec![Write::Deal { id: row.id, state, note, at }])?)
    }

    fn sleep(&self, row: &DealRow, waiting: Waiting) -> Result<(), Stop> {
        let note = format!("waits for {}", waiting.what);
        let same = row.waits.asleep
            && row.note == note
            && row.waits.until == waiting.until
            && row.waits.question == waiting.question;
        if same {
            return Ok(());
        }
        let Waiting { message, wants_message, until, question, exchange, what: _ } = waiting;
        let (id, at) = (row.id, self.now());
        let write =
            Write::Sleep { id, note, at, message, wants_message, until, question, exchange };
        Ok(self.archive().commit(vec![write])?)
    }

    /// A seller's deal that ends leaves no goods reserved, whatever its component did.
    fn put_back(&self, row: &DealRow) -> Result<(), Stop> {
        let Some(business) = self.business().filter(|_| row.side == Side::Seller) else {
            return Ok(());
        };
        let id = row.id;
        let key = Digest::of_parts(&[b"semper/end/v1", id.digest().as_bytes()]);
        business.release(id, key).map_err(|what| Stop::away(Needed::Application, what))
    }

    /// The message by which the other side learns that ours has failed; none if it is the one
    /// that ended, or if it cannot be signed now: [`Host::say_end`] does that later.
    fn farewell(&self, deal: &Deal, context: &Context, verdict: &Verdict) -> Vec<Write> {
        if matches!(verdict.cause, Cause::PeerEnded(_)) {
            return Vec::new();
        }
        let made = self.now().max(context.clock);
        let farewell = self.send(deal, end(&verdict.to_string()), context.journal.head(), made);
        farewell.unwrap_or_else(|error| {
            tracing::debug!(deal = deal.id.short(), %error, "the peer is told later");
            Vec::new()
        })
    }

    /// Signs the end of a failed deal, if the other side has not been told: a deal may fail while
    /// its TINGUIN is away. Whether there is such a message now. It is made of what is stored, so
    /// it is the same bytes whenever it is signed.
    ///
    /// # Errors
    /// A pause while the TINGUIN is away; anything else says that it can never be signed.
    pub fn say_end(&self, row: &DealRow) -> Result<bool, Stop> {
        let Some((words, at)) = self.unsaid_end(row)? else { return Ok(false) };
        let deal = self.deal(row)?;
        let (archive, limits) = (self.archive(), deal.grants().limits);
        let journal = Journal::load(archive, row.id, row.waits.begins, limits)?;
        let before = self.last_said(row.id)?.and_then(|it| Message::unverified(&it.bytes));
        let made = before.map_or(at, |it| it.header.made.max(at));
        archive.commit(self.send(&deal, end(&words), journal.head(), made)?)?;
        self.signal(row.id).bump();
        Ok(true)
    }

    /// The end of a deal of which the other side has not been told: in words, and when it was.
    pub(crate) fn unsaid_end(&self, row: &DealRow) -> Result<Option<(String, Timestamp)>, Stop> {
        let said = |it: &MessageRow| farewell(&it.bytes).is_some();
        if row.state != DealState::Failed || self.last_said(row.id)?.as_ref().is_some_and(said) {
            return Ok(None);
        }
        let all = self.archive().evidence(Some(row.id))?;
        let incident = all.iter().rev().find(|it| it.kind == INCIDENT);
        let incident: Option<Incident> =
            incident.and_then(|it| cbor::decode(&it.bytes, MAX_INCIDENT).ok());
        Ok(match incident {
            Some(it) if it.is_the_peers_end() => None,
            Some(it) => Some((it.what, it.at)),
            // Failed before incidents were kept: its note says why.
            None => Some((row.note.clone(), row.changed)),
        })
    }

    fn last_said(&self, id: DealId) -> Result<Option<MessageRow>, Stop> {
        let Some((seq, _)) = self.archive().last_message(id, true)? else { return Ok(None) };
        Ok(self.archive().message(id, true, seq)?)
    }
}

/// What the other side is told at the end.
fn end(words: &str) -> Item {
    let words: String = words.chars().take(400).collect();
    Item::Information { kind: END.into(), body: words.into_bytes().into() }
}
