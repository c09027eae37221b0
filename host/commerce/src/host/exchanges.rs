//! Driving the deals' exchanges to their ends, whatever becomes of the components that began them.
//!
//! Every step is stored before anything leaves the host; what is stored is enough to go on after
//! a crash. The buyer always connects out: it posts its messages to the merchant, and what the
//! merchant has to say comes back as the answer. Payment systems and the third party are asked
//! again until they answer. The machines themselves are [`semper_exchange`]'s.

mod lane;
mod step;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use semper_archive::Write;
use semper_base::{DealId, ExchangeId, Timestamp, cbor};
use semper_exchange::Role;
use semper_exchange::package::{self, Part};
use semper_exchange::party::Event;
use semper_items::Side;
use semper_tinguin::protocol::ExchangeQuestion;
use semper_tinguin::screen;
use serde_bytes::ByteBuf;

use super::schedule::lock;
use super::{Host, evidence};
use semper_runtime::context::Deal;
use semper_runtime::exchange::{Begun, Got, Outcome, Package};
use semper_runtime::stop::{Needed, Stop, Waiting};

use crate::exchange::{DealHolder, Stored, outcome};

pub use lane::{EXCHANGE, Said};
use step::{Live, SHORTEST};

/// Exchanges that are tended at once: a payment system or a third party that hangs keeps one each.
const WORKERS: usize = 8;
/// Conversations with other sides at once; each has a thread of its own, so that whoever answers
/// slowly keeps nobody else waiting.
const CONVERSATIONS: usize = 256;
/// Exchanges kept in memory between their steps.
const LIVE: usize = 10_000;

/// Which exchanges are to be tended when, and those in memory.
#[derive(Default)]
pub(super) struct Exchanges {
    queue: Mutex<Queue>,
    work: Condvar,
    live: Mutex<HashMap<ExchangeId, Arc<Mutex<Live>>>>,
    conversations: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    due: BTreeMap<(Instant, ExchangeId), ()>,
    when: HashMap<ExchangeId, Instant>,
    closed: bool,
}

impl Exchanges {
    /// Has an exchange tended then, or earlier if that was wanted before.
    fn at(&self, id: ExchangeId, at: Instant) {
        let mut queue = lock(&self.queue);
        if let Some(before) = queue.when.get(&id).copied() {
            if before <= at {
                return;
            }
            queue.due.remove(&(before, id));
        }
        queue.when.insert(id, at);
        queue.due.insert((at, id), ());
        self.work.notify_one();
    }

    /// The next exchange that is due, waiting for one; `None` when the host has gone.
    fn next(&self) -> Option<ExchangeId> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            let now = Instant::now();
            let first = queue.due.first_key_value().map(|(key, ())| *key);
            if let Some((at, id)) = first.filter(|(at, _)| *at <= now) {
                queue.due.remove(&(at, id));
                queue.when.remove(&id);
                return Some(id);
            }
            let second = Duration::from_secs(1);
            let time =
                first.map_or(second, |(at, _)| at.saturating_duration_since(now).min(second));
            queue = self.work.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn close(&self) {
        lock(&self.queue).closed = true;
        self.work.notify_all();
    }
}

/// Starts the threads, and goes on with what a crash has left.
pub(super) fn start(host: &Arc<Host>) -> Result<(), Stop> {
    for id in host.archive().open_exchanges()? {
        host.exchanges.at(id, Instant::now());
    }
    for _ in 0..WORKERS {
        let (exchanges, weak): (_, Weak<Host>) =
            (Arc::clone(&host.exchanges), Arc::downgrade(host));
        std::thread::spawn(move || {
            while let Some(id) = exchanges.next() {
                let Some(host) = weak.upgrade() else { return };
                if let Some(pause) = host.tend_now(id) {
                    exchanges.at(id, Instant::now() + pause);
                }
            }
        });
    }
    Ok(())
}

impl Host {
    /// An exchange has begun, or something has happened to it.
    pub(crate) fn tend(&self, id: ExchangeId) {
        self.exchanges.at(id, Instant::now());
    }

    /// Whether a deal has exchanges for which something is still to be done.
    pub fn has_open_exchanges(&self, deal: DealId) -> Result<bool, Stop> {
        Ok(self.archive().exchanges_of(deal)?.iter().any(|row| row.open))
    }

    /// One look after an exchange; when to look again, if there is more to do.
    fn tend_now(self: &Arc<Self>, id: ExchangeId) -> Option<Duration> {
        let live = match self.live(id) {
            Ok(Some(live)) => live,
            Ok(None) => return None,
            Err(error) => {
                tracing::warn!(exchange = %id, %error, "an exchange cannot be read");
                return Some(Duration::from_secs(2));
            }
        };
        let shared = Arc::clone(&live);
        let mut live = lock(&live);
        let begun = Instant::now();
        let due = live.due();
        let happened = due.map_or(Ok(()), |event| self.happens(&mut live, event));
        // What was asked of others and not answered is asked again.
        let happened = happened.and_then(|()| match live.stands_since(begun) {
            true => self.happens(&mut live, Event::Resend),
            false => Ok(()),
        });
        if let Err(error) = happened {
            tracing::debug!(exchange = %id, %error, "an exchange waits");
        }
        if live.deal.side == Side::Buyer && live.speaks() && !live.conversing {
            live.conversing = self.start_to_converse(id, shared);
        }
        if live.is_closed() {
            lock(&self.exchanges.live).remove(&id);
            return None;
        }
        Some(live.pause())
    }

    /// Has a thread of its own talk to the merchant; false if there are too many.
    fn start_to_converse(self: &Arc<Self>, id: ExchangeId, live: Arc<Mutex<Live>>) -> bool {
        let count = &self.exchanges.conversations;
        if count.fetch_add(1, Ordering::SeqCst) >= CONVERSATIONS {
            count.fetch_sub(1, Ordering::SeqCst);
            return false;
        }
        let host = Arc::clone(self);
        std::thread::spawn(move || {
            let conversed = host.converse(&live);
            lock(&live).conversing = false;
            host.exchanges.conversations.fetch_sub(1, Ordering::SeqCst);
            match conversed {
                Ok(()) => host.exchanges.at(id, Instant::now() + SHORTEST),
                // It is tried again when the exchange is looked after next.
                Err(error) => tracing::debug!(exchange = %id, %error, "no conversation"),
            }
        });
        true
    }

    /// An exchange with its machine; `None` if nothing is known of it, or to be done for it.
    fn live(&self, id: ExchangeId) -> Result<Option<Arc<Mutex<Live>>>, Stop> {
        if let Some(live) = lock(&self.exchanges.live).get(&id) {
            return Ok(Some(Arc::clone(live)));
        }
        let Some(row) = self.archive().exchange(id)? else { return Ok(None) };
        let Some(deal) = self.archive().deal(row.deal)? else { return Ok(None) };
        let address = deal.address.clone();
        let own = self.own(&deal)?;
        let live = Live::new(own, Stored::read(&row)?, address);
        let mut all = lock(&self.exchanges.live);
        if all.len() >= LIVE {
            all.retain(|_, live| Arc::strong_count(live) > 1);
        }
        Ok(Some(Arc::clone(all.entry(id).or_insert_with(|| Arc::new(Mutex::new(live))))))
    }

    /// What a person is asked before an exchange begins.
    pub(crate) fn exchange_question(
        &self,
        deal: &Deal,
        begun: &Begun<'_>,
        refers: &[Vec<u8>],
        account: Option<(String, String)>,
    ) -> ExchangeQuestion {
        // What is encrypted is nothing to decide about.
        let behind = |side: &Package| {
            side.enclosed.iter().cloned().map(package::Enclosed::without_content).collect()
        };
        let (ours, theirs): (Vec<_>, Vec<_>) = (behind(begun.ours), behind(begun.theirs));
        let enclosed = match begun.role(deal.agreement.keys(deal.side)) {
            Role::Originator => (ours, theirs),
            Role::Responder => (theirs, ours),
        };
        ExchangeQuestion {
            agreement: ByteBuf::from(cbor::encode(begun.agreement)),
            enclosed,
            refers: refers.iter().cloned().map(ByteBuf::from).collect(),
            account,
        }
    }

    /// The row of an exchange that begins.
    pub(crate) fn begun(&self, deal: &Deal, begun: &Begun<'_>) -> Result<Write, Stop> {
        let theirs = &begun.theirs.enclosed;
        let holder = DealHolder::new(self.tinguin(), deal.id, theirs);
        let role = begun.role(deal.agreement.keys(deal.side));
        let enclosed = (begun.ours.enclosed.clone(), theirs.clone());
        let agreement = begun.agreement.clone();
        let stored = Stored::new(agreement, role, enclosed, &holder);
        let stored = stored.map_err(|away| later(&away))?;
        Ok(Write::Exchange(Box::new(stored.row(deal.id, Timestamp::now()))))
    }

    /// What an exchange has come to, with the evidence of what it gave; a wait if it has
    /// not ended within the grace.
    pub(crate) fn exchange_end(
        &self,
        deal: &Deal,
        id: ExchangeId,
        theirs: &[Part],
    ) -> Result<(Outcome, Vec<Write>), Stop> {
        let signal = self.signal(deal.id);
        let patience = Instant::now() + self.parts.grace;
        loop {
            let seen = signal.count();
            let row = self.archive().exchange(id)?;
            let row = row.ok_or_else(|| Stop::broken(format!("{id} is not in the archive")))?;
            let stored = Stored::read(&row)?;
            if let Some(end) = stored.machine.end() {
                let outcome = outcome(&stored, theirs, end);
                let writes = received(deal, &outcome);
                return Ok((outcome, writes));
            }
            let left = patience.saturating_duration_since(Instant::now());
            if left.is_zero() || !signal.wait(seen, left) {
                let what = "the exchange, which goes on by itself".to_owned();
                return Err(Stop::wait(Waiting { what, ..Waiting::default() }));
            }
        }
    }
}

/// Statements and information that have come, as evidence.
fn received(deal: &Deal, outcome: &Outcome) -> Vec<Write> {
    let Outcome::Got(got) = outcome else { return Vec::new() };
    let name = deal.agreement.name(deal.side.other());
    let of = |got: &Got| {
        let stated = match got {
            Got::Statement(stated) => stated,
            Got::Information(kind, body) => {
                let summary = format!("“{kind}”, {} bytes, by fair exchange", body.len());
                let (id, at) = (Some(deal.id), Timestamp::now());
                return Some(evidence(id, "information", name, &summary, body, at));
            }
            Got::Signed(_) | Got::Money { .. } => return None,
        };
        let (statement, _) = stated.verify().ok()?;
        let summary = format!("{}, by fair exchange", screen::summary(&statement));
        let kind = statement.content.kind().name();
        let bytes = cbor::encode(stated.as_ref());
        Some(evidence(Some(deal.id), kind, name, &summary, &bytes, Timestamp::now()))
    };
    got.iter().filter_map(of).collect()
}

pub(super) fn later(error: &dyn std::fmt::Display) -> Stop {
    Stop::away(Needed::Tinguin, error)
}
