//! How an activation ends: what is stored of it, and whom is told.

use std::sync::Arc;
use std::time::Duration;

use semper_archive::{DealRow, DealState, Write};
use semper_base::{DealId, Digest, Mend as _, Timestamp, cbor};
use semper_items::{Item, Side};
use semper_trust::flow::End;
use serde::{Deserialize, Serialize};

use super::{END, Host, evidence};
use crate::context::{Context, Deal};
use crate::flow::Monitor;
use crate::stop::{Stop, Waiting};

/// An entry of the archive about a deal that failed: this host's own word, unsigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// The deal.
    pub deal: DealId,
    /// When.
    pub at: Timestamp,
    /// The typed reason, such as `limit/memory`.
    pub code: String,
    /// In words.
    pub what: String,
    /// The state of the flow, if the component got as far.
    pub flow: String,
    /// Records of the journal.
    pub records: u64,
}

/// How a component that returned has ended its deal.
pub(crate) fn of_flow(
    monitor: &Monitor,
    said: Result<(), String>,
) -> Result<(DealState, String), Stop> {
    match (monitor.end(), said.err()) {
        (Some(End::Completed), _) => Ok((DealState::Completed, "as the terms intend".into())),
        (Some(End::Withdrawn), said) => {
            Ok((DealState::Withdrawn, said.unwrap_or_else(|| "one side has left".into())))
        }
        (None, Some(said)) => Err(Stop::GaveUp(said)),
        (None, None) => {
            let state = monitor.state();
            Err(Stop::Service(format!("it ended in the middle, in state “{state}”")))
        }
    }
}

impl Host {
    /// Stores how an activation has ended.
    pub(super) fn store(
        self: &Arc<Self>,
        row: &DealRow,
        ran: Option<(&Deal, Option<&mut Context>)>,
        outcome: Result<(DealState, String), Stop>,
    ) -> Result<(), Stop> {
        let id = row.id;
        match outcome {
            Ok((state, note)) => {
                self.put_back(row)?;
                self.end(row, state, note, Vec::new())
            }
            Err(Stop::Wait(waiting)) => self.sleep(row, waiting),
            Err(stop @ Stop::Later { after, .. }) => {
                self.wake_later(id, after);
                self.note(row, stop.to_string())
            }
            Err(Stop::Slow { heavy }) => {
                if heavy {
                    self.schedule.heavy(row.terms);
                }
                self.wake_slow(id);
                Ok(())
            }
            // The journal is evidence: nothing is decided on top of a doubtful one.
            Err(stop) if stop.is_doubt() => self.note(row, format!("stopped: {stop}")),
            Err(stop) => {
                self.put_back(row)?;
                let mut writes = Vec::new();
                let mut context = None;
                if let Some((deal, Some(ran))) = ran {
                    writes = ran.journal.take_pending();
                    writes.extend(self.farewell(deal, ran, &stop));
                    context = Some(&*ran);
                }
                writes.push(incident(id, context, &stop));
                let mend = stop.mend();
                self.end(row, DealState::Failed, stop.to_string(), writes)?;
                if !mend.is_empty() {
                    self.progress(id, format!("what you can do: {mend}"));
                }
                Ok(())
            }
        }
    }

    fn end(
        self: &Arc<Self>,
        row: &DealRow,
        state: DealState,
        note: String,
        mut writes: Vec<Write>,
    ) -> Result<(), Stop> {
        let (id, at) = (row.id, Timestamp::now());
        let said = !writes.is_empty();
        writes.push(Write::Deal { id, state, note: note.clone(), at });
        self.archive().commit(writes)?;
        self.progress(id, format!("the deal is {}: {note}", state.name()));
        self.signal(id).bump();
        if said && row.side == Side::Buyer.name() {
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
        let (state, at) = (DealState::Running, Timestamp::now());
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
        let Waiting { message, until, question, .. } = waiting;
        let (id, at) = (row.id, Timestamp::now());
        let write = Write::Sleep { id, note, at, message, until, question };
        Ok(self.archive().commit(vec![write])?)
    }

    /// A seller's deal that ends leaves no goods reserved, whatever its component did.
    fn put_back(&self, row: &DealRow) -> Result<(), Stop> {
        let Some(business) = self.business().filter(|_| row.side == Side::Seller.name()) else {
            return Ok(());
        };
        let id = row.id;
        let key = Digest::of_parts(&[b"semper/end/v1", id.digest().as_bytes()]);
        business
            .release(id, key)
            .map_err(|what| Stop::Later { what, after: Duration::from_secs(2) })
    }

    /// The message by which the other side learns that ours has failed; none if it is the one
    /// that ended, or if it cannot be signed now: then it learns when it asks.
    fn farewell(&self, deal: &Deal, context: &Context, stop: &Stop) -> Vec<Write> {
        if matches!(stop, Stop::PeerEnded(_)) {
            return Vec::new();
        }
        let words: String = stop.to_string().chars().take(400).collect();
        let item = Item::Information { kind: END.into(), body: words.into_bytes().into() };
        let made = Timestamp::now().max(context.clock);
        let farewell = self.send(deal, item, context.journal.head(), made);
        farewell.unwrap_or_else(|error| {
            tracing::debug!(deal = deal.id.short(), %error, "the peer is not told");
            Vec::new()
        })
    }
}

fn incident(deal: DealId, context: Option<&Context>, stop: &Stop) -> Write {
    let incident = Incident {
        deal,
        at: Timestamp::now(),
        code: stop.code(),
        what: stop.to_string(),
        flow: context.map(|it| it.monitor.state().to_owned()).unwrap_or_default(),
        records: context.map_or(0, |it| it.journal.len()),
    };
    let summary = format!("{}: {}", incident.code, incident.what);
    let bytes = cbor::encode(&incident);
    evidence(Some(deal), "incident", "", &summary, &bytes, incident.at)
}
