//! Driving the deals' exchanges to their ends, whatever becomes of the components that began them.
//!
//! Every step is stored before anything leaves the host; what is stored is enough to go on after
//! a crash. The buyer always connects out: it posts its messages to the merchant, and what the
//! merchant has to say comes back as the answer. Payment systems and the third party are asked
//! again until they answer. The machines themselves are [`semper_exchange`]'s.
//!
//! | file | what it is for |
//! |---|---|
//! | `desk` | one exchange: letters wait on its desk until somebody works on it |
//! | `asking` | what it asks of the third party and the payment system |
//! | `step` | one step of the machine, and what it wants done |
//! | `lane` | what the two sides say to each other |
//! | `standing` | who keeps an exchange waiting, for whoever looks |
//!
//! Nobody holds a lock while others are asked: whoever works on an exchange has taken it off its
//! desk, what it asks of others are errands, and their answers are letters.

mod asking;
mod desk;
mod lane;
mod standing;
mod step;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use semper_archive::Write;
use semper_base::{DealId, ExchangeId, Timestamp, cbor};
use semper_exchange::Role;
use semper_exchange::package::{self, Part};
use semper_keeper::{Bell, Post, Turn};
use semper_runtime::Deal;
use semper_runtime::exchange::{Begun, Got, Outcome, Package};
use semper_runtime::stop::{Needed, Stop, Waiting};
use semper_tinguin_protocol::protocol::ExchangeQuestion;
use semper_tinguin_protocol::screen;
use serde_bytes::ByteBuf;

use super::schedule::lock;
use super::{Host, evidence};
use crate::exchange::{DealHolder, Stored, outcome};

use desk::{Desk, Letter};
pub use lane::{EXCHANGE, Said};
pub use semper_exchange::driven::Whom;
pub use standing::Standing;
use step::Live;

/// Exchanges that are worked on at once.
const WORKERS: usize = 8;
/// Exchanges kept in memory between their steps.
const LIVE: usize = 10_000;

/// Which exchanges are to be looked after when, and those in memory.
#[derive(Default)]
pub(super) struct Exchanges {
    queue: Mutex<Queue>,
    work: Bell,
    desks: Mutex<HashMap<ExchangeId, Arc<Desk>>>,
}

#[derive(Default)]
struct Queue {
    due: BTreeMap<(Instant, ExchangeId), ()>,
    when: HashMap<ExchangeId, Instant>,
    closed: bool,
}

impl Exchanges {
    /// Has an exchange looked after then, or earlier if that was wanted before.
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
        drop(queue);
        self.work.ring();
    }

    /// The next exchange that is due, or what to do until there is one.
    fn next(&self, now: Instant) -> Result<ExchangeId, Turn> {
        let mut queue = lock(&self.queue);
        if queue.closed {
            return Err(Turn::End);
        }
        let first = queue.due.first_key_value().map(|(key, ())| *key);
        if let Some((at, id)) = first.filter(|(at, _)| *at <= now) {
            queue.due.remove(&(at, id));
            queue.when.remove(&id);
            return Ok(id);
        }
        let second = Duration::from_secs(1);
        let time = first.map_or(second, |(at, _)| at.saturating_duration_since(now).min(second));
        Err(Turn::Wait(time))
    }

    pub(super) fn close(&self) {
        lock(&self.queue).closed = true;
        self.work.ring_all();
    }
}

/// Starts the workers, and goes on with what a crash has left.
pub(super) fn start(host: &Arc<Host>) -> Result<(), Stop> {
    for id in host.archive().open_exchanges()? {
        host.exchanges.at(id, host.instant());
    }
    for number in 1..=WORKERS {
        let (exchanges, weak) = (Arc::clone(&host.exchanges), Arc::downgrade(host));
        let clock = Arc::clone(host.clock());
        let turns = move |_: &Post| {
            let id = match exchanges.next(clock.instant()) {
                Ok(id) => id,
                Err(turn) => return turn,
            };
            let Some(host) = weak.upgrade() else { return Turn::End };
            host.look_after(id);
            Turn::Again
        };
        let name = format!("exchange worker {number}");
        host.spawn().keep(&name, &host.exchanges.work, Box::new(turns));
    }
    Ok(())
}

impl Host {
    /// An exchange has begun, or something has happened to it.
    pub(crate) fn tend(&self, id: ExchangeId) {
        self.exchanges.at(id, self.instant());
    }

    /// Something has happened to a deal that its exchanges are to be looked after for.
    pub(crate) fn tend_exchanges_of(&self, deal: DealId) {
        match self.archive().exchanges_of(deal) {
            Ok(rows) => rows.iter().filter(|row| row.open).for_each(|row| self.tend(row.id)),
            Err(error) => tracing::warn!(%error, "exchanges cannot be looked up"),
        }
    }

    /// Whether a deal has exchanges for which something is still to be done.
    pub fn has_open_exchanges(&self, deal: DealId) -> Result<bool, Stop> {
        Ok(self.archive().exchanges_of(deal)?.iter().any(|row| row.open))
    }

    /// Whether nothing is left to do for a deal's exchanges but to have the other side take what was
    /// said last.
    pub(crate) fn only_says(&self, deal: DealId) -> Result<bool, Stop> {
        let open = self.archive().exchanges_of(deal)?.into_iter().filter(|row| row.open);
        let unsaid: Vec<bool> =
            open.map(|row| Ok(Stored::read(&row)?.unsaid)).collect::<Result<_, Stop>>()?;
        Ok(unsaid.into_iter().all(|it| it))
    }

    /// One look after an exchange.
    fn look_after(self: &Arc<Self>, id: ExchangeId) {
        match self.desk(id) {
            Ok(Some(desk)) => {
                if let Err(error) = self.deliver(&desk, [Letter::Look]) {
                    tracing::debug!(exchange = %id, %error, "an exchange waits");
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(exchange = %id, %error, "an exchange cannot be read");
                let again = match &error {
                    Stop::Doubt(doubt) => doubt.pauses(),
                    _ => Some(Needed::Terms.pauses()),
                };
                if let Some((first, _)) = again {
                    self.exchanges.at(id, self.instant() + first);
                }
            }
        }
    }

    /// The desk of an exchange; `None` if nothing is known of it.
    fn desk(&self, id: ExchangeId) -> Result<Option<Arc<Desk>>, Stop> {
        if let Some(desk) = lock(&self.exchanges.desks).get(&id) {
            return Ok(Some(Arc::clone(desk)));
        }
        let Some(row) = self.archive().exchange(id)? else { return Ok(None) };
        let Some(deal) = self.archive().deal(row.deal)? else { return Ok(None) };
        let address = deal.address.clone();
        let own = self.own(&deal)?;
        let clock = Arc::clone(self.clock());
        let desk = Desk::new(Live::new(own, Stored::read(&row)?, address, clock));
        let mut all = lock(&self.exchanges.desks);
        if all.len() >= LIVE {
            all.retain(|_, desk| Arc::strong_count(desk) > 1);
        }
        Ok(Some(Arc::clone(all.entry(id).or_insert_with(|| Arc::new(desk)))))
    }

    /// An exchange needs no desk any more, or its desk is not to be trusted: the archive knows
    /// where it stands.
    fn clear(&self, id: ExchangeId) {
        lock(&self.exchanges.desks).remove(&id);
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
        Ok(Write::Exchange(Box::new(stored.row(deal.id, self.now()))))
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
        let patience = self.instant() + self.parts.grace;
        loop {
            let seen = signal.count();
            let row = self.archive().exchange(id)?;
            let row = row.ok_or_else(|| Stop::broken(format!("{id} is not in the archive")))?;
            let stored = Stored::read(&row)?;
            if let Some(end) = stored.machine.end().filter(|_| stored.is_settled()) {
                let outcome = outcome(&stored, theirs, end, self.now());
                let writes = received(deal, &outcome, self.now());
                return Ok((outcome, writes));
            }
            let left = patience.saturating_duration_since(self.instant());
            if left.is_zero() || !signal.wait(seen, left) {
                let what = "the exchange, which goes on by itself".to_owned();
                return Err(Stop::wait(Waiting { what, exchange: Some(id), ..Waiting::default() }));
            }
        }
    }
}

/// Statements and information that have come, as evidence.
fn received(deal: &Deal, outcome: &Outcome, at: Timestamp) -> Vec<Write> {
    let Outcome::Got(got) = outcome else { return Vec::new() };
    let name = deal.agreement.name(deal.side.other());
    let of = |got: &Got| {
        let stated = match got {
            Got::Statement(stated) => stated,
            Got::Information(kind, body) => {
                let summary = format!("“{kind}”, {} bytes, by fair exchange", body.len());
                return Some(evidence(Some(deal.id), "information", name, &summary, body, at));
            }
            Got::Signed(_) | Got::Money { .. } => return None,
        };
        let (statement, _) = stated.verify().ok()?;
        let summary = format!("{}, by fair exchange", screen::summary(&statement));
        let kind = statement.content.kind().name();
        let bytes = cbor::encode(stated.as_ref());
        Some(evidence(Some(deal.id), kind, name, &summary, &bytes, at))
    };
    got.iter().filter_map(of).collect()
}

pub(super) fn later(error: &dyn std::fmt::Display) -> Stop {
    Stop::away(Needed::Tinguin, error)
}
