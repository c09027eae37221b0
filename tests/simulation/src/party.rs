//! A party of the simulation: what it keeps, what it holds in memory, its wires.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use semper_archive::{Archive, DealRow, MessageRow, Write};
use semper_base::{DealId, Digest, SigningKey, Timestamp, cbor};
use semper_items::{Container, Header, Item, Message, Side, SignedMessage, Statement};
use semper_ledger::{AccountId, Ledger};
use semper_runtime::Stop;
use semper_runtime::flow::{Monitor, Moving};
use semper_runtime::journal::Journal;
use semper_runtime::stop::{Doubt, Waiting};
use semper_transfer::Channel;
use semper_transfer::channel::{Chain, Effect, Event};
use semper_trust::{Flow, Limits};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::faults::Faults;

/// What both sides know of the deal.
#[derive(Clone)]
pub struct Deal {
    /// Its identifier.
    pub id: DealId,
    /// The keys by which messages are signed.
    pub keys: [Rc<SigningKey>; 2],
    /// The flow.
    pub flow: Flow,
    /// The accounts of buyer and seller.
    pub accounts: [AccountId; 2],
}

impl Deal {
    /// A side's key.
    pub fn key(&self, side: Side) -> &SigningKey {
        match side {
            Side::Buyer => &self.keys[0],
            Side::Seller => &self.keys[1],
        }
    }
}

/// What outlives a kill beside the archives: bank, stock, and what the persons were asked.
pub struct Durable {
    /// The bank's ledger.
    pub ledger: Ledger,
    /// Goods reserved and parcels sent, by the key of the call.
    pub shop: RefCell<BTreeMap<Digest, String>>,
    /// The questions that were put, by their keys: a TINGUIN knows an answered one again.
    pub asked: RefCell<BTreeSet<(Side, Digest)>>,
}

/// On the wire.
#[derive(Serialize, Deserialize)]
enum Datagram {
    Message(ByteBuf),
    Acknowledge(u64),
}

/// A party while it is alive.
pub struct Party {
    /// Which side it is.
    pub side: Side,
    /// The deal.
    pub deal: Deal,
    /// What goes wrong.
    pub faults: Rc<Faults>,
    /// What outlives it.
    pub durable: Rc<Durable>,
    archive: Archive,
    clock: Rc<RefCell<i64>>,
}

/// A run of its component.
pub struct Run<'a> {
    party: &'a Party,
    journal: Journal,
    monitor: Monitor,
    received: u64,
    last: Timestamp,
}

/// The simulated start of time.
const START: u64 = 1_790_000_000_000;

impl Party {
    /// Opens what it has kept, or begins.
    pub fn open(
        folder: &Path,
        side: Side,
        deal: &Deal,
        faults: &Rc<Faults>,
        durable: &Rc<Durable>,
        clock: &Rc<RefCell<i64>>,
    ) -> Self {
        let archive = Archive::open_file(&file(folder, side)).unwrap();
        let now = Timestamp::from_millis(START).unwrap();
        let row = DealRow::opened(
            deal.id,
            side,
            (side.other().name(), ""),
            Digest::ZERO,
            Vec::new(),
            now,
        );
        archive.commit(vec![Write::NewDeal(Box::new(row))]).unwrap();
        let (deal, faults) = (deal.clone(), Rc::clone(faults));
        let (durable, clock) = (Rc::clone(durable), Rc::clone(clock));
        Self { side, deal, faults, durable, archive, clock }
    }

    /// The party's clock: simulated time, and every jump so far.
    pub fn now(&self) -> Timestamp {
        let mut offset = self.clock.borrow_mut();
        *offset += self.faults.jumps();
        let passed = u64::try_from(turmoil::sim_elapsed().unwrap_or_default().as_millis()).unwrap();
        Timestamp::from_millis(START.saturating_add(passed).saturating_add_signed(*offset)).unwrap()
    }

    /// A boundary: killed here, everything in memory is lost.
    pub fn boundary(&self) -> Result<(), Stop> {
        if self.faults.killed() { Err(killed()) } else { Ok(()) }
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), Stop> {
        self.boundary()?;
        if self.faults.full() {
            return Err(semper_archive::ArchiveError::Full(PathBuf::from("simulated")).into());
        }
        self.archive.commit(writes)?;
        self.boundary()
    }

    /// Runs the component from its start: answered from the journal as far as that reaches.
    pub fn activate(&self, script: fn(&mut Run<'_>) -> Result<(), Stop>) -> Result<(), Stop> {
        let journal = Journal::load(&self.archive, self.deal.id, 0, Limits::default())?;
        let monitor = Monitor::new(self.deal.flow.clone());
        let last = Timestamp::from_millis(0).unwrap();
        script(&mut Run { party: self, journal, monitor, received: 0, last })
    }

    fn channel(&self) -> Result<Channel, Stop> {
        let chain = |end: Option<(u64, Digest)>| {
            end.map_or(Chain::START, |(last, head)| Chain { last, head })
        };
        let acknowledged = match self.archive.channel(self.deal.id)? {
            Some(bytes) => cbor::decode(&bytes, 64).unwrap(),
            None => 0,
        };
        Ok(Channel {
            sent: chain(self.archive.last_message(self.deal.id, true)?),
            acknowledged,
            received: chain(self.archive.last_message(self.deal.id, false)?),
            forked: false,
        })
    }

    /// Everything that the peer has not acknowledged, as datagrams.
    pub fn outbox(&self) -> Vec<Vec<u8>> {
        let acknowledged = self.channel().map_or(0, |it| it.acknowledged);
        let rows = self.archive.messages(self.deal.id, true, acknowledged).unwrap_or_default();
        rows.into_iter().map(|row| cbor::encode(&Datagram::Message(row.bytes.into()))).collect()
    }

    /// Takes a datagram; the answer to it.
    pub fn take(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        match cbor::decode::<Datagram>(bytes, 1 << 20).unwrap() {
            Datagram::Acknowledge(seq) => {
                let (next, effects) =
                    self.channel()?.step::<SignedMessage>(Event::Acknowledge(seq));
                if effects.contains(&Effect::PersistState) {
                    let state = cbor::encode(&next.acknowledged);
                    self.commit(vec![Write::Channel(self.deal.id, state)])?;
                }
                Ok(None)
            }
            Datagram::Message(bytes) => self.receive(&bytes),
        }
    }

    fn receive(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        let (id, peer) = (self.deal.id, self.side.other());
        let message =
            SignedMessage::verify(bytes, id, peer, &self.deal.key(peer).public()).unwrap();
        let seq = message.message.header.seq;
        let before = self.archive.message(id, false, seq)?.map(|row| row.digest);
        let (_, effects) = self.channel()?.step(Event::Receive(message, before));
        let mut answer = None;
        for effect in effects {
            match effect {
                Effect::PersistReceived(message) => {
                    let row = row(id, false, message, seq);
                    self.commit(vec![Write::Message(row)])?;
                }
                Effect::Acknowledge(seq) => {
                    answer = Some(cbor::encode(&Datagram::Acknowledge(seq)));
                }
                Effect::PersistFork(_) => panic!("an honest peer has forked at {seq}"),
                // A gap: what is missing comes again.
                _ => {}
            }
        }
        Ok(answer)
    }

    /// Whether nothing is owed: every message of ours is acknowledged.
    pub fn is_quiet(&self) -> bool {
        self.channel().is_ok_and(|it| it.acknowledged == it.sent.last)
    }

    /// What it has kept, for looking at afterwards.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }
}

/// The archive's file of a side.
pub fn file(folder: &Path, side: Side) -> PathBuf {
    folder.join(format!("{}.sqlite", side.name()))
}

/// A kill, as activations see it.
fn killed() -> Stop {
    Stop::broken("killed")
}

/// Whether a stop is a kill.
pub fn is_kill(stop: &Stop) -> bool {
    matches!(stop, Stop::Doubt(Doubt::Broken(why)) if why == "killed")
}

fn row(deal: DealId, sent: bool, message: SignedMessage, seq: u64) -> MessageRow {
    let (digest, bytes) = (message.digest, message.bytes);
    MessageRow { deal, sent, seq, digest, bytes, wire: Vec::new() }
}

/// A received message, as the journal names it.
#[derive(Serialize, Deserialize)]
struct Taken {
    seq: u64,
    digest: Digest,
    at: Timestamp,
}

impl Run<'_> {
    /// The host's time, journaled; never back.
    pub fn now(&mut self) -> Result<Timestamp, Stop> {
        let (party, last) = (self.party, self.last);
        self.last = self.journal.read("now", &(), || Ok(party.now().max(last)))?;
        Ok(self.last)
    }

    /// Sends an item; the flow must enable it.
    pub fn send(&mut self, item: Item, moving: Moving<'_>) -> Result<(), Stop> {
        let at = self.now()?;
        let party = self.party;
        self.monitor.check(party.side, moving, true, at).map_err(Stop::outside_flow)?;
        self.journal.effect("send", &item, |call| {
            party.boundary()?;
            let channel = party.channel()?;
            let header = Header {
                deal: party.deal.id,
                from: party.side,
                seq: channel.next(),
                previous: channel.sent.head,
                journal: call.head,
                made: at,
            };
            let message = Message { header, container: Container::of(item.clone()) };
            let key = party.deal.key(party.side);
            let bytes = message.sign(key);
            let signed =
                SignedMessage::verify(&bytes, party.deal.id, party.side, &key.public()).unwrap();
            let (_, effects) = channel.step(Event::Submit(signed));
            let mut writes = Vec::new();
            for effect in effects {
                match effect {
                    Effect::PersistSent(message) => {
                        let seq = message.message.header.seq;
                        writes.push(Write::Message(row(party.deal.id, true, message, seq)));
                    }
                    Effect::Refuse(refusal) => panic!("{refusal}"),
                    _ => {}
                }
            }
            party.boundary()?;
            if party.faults.full() {
                let full = semper_archive::ArchiveError::Full(PathBuf::from("simulated"));
                return Err(full.into());
            }
            Ok(((), writes))
        })?;
        party.boundary()?;
        self.monitor.advance(party.side, moving, true, at).map_err(Stop::outside_flow)
    }

    /// Sends information.
    pub fn say(&mut self, kind: &str) -> Result<(), Stop> {
        let item = Item::Information { kind: kind.into(), body: vec![1, 2, 3].into() };
        self.send(item, Moving::Information(kind))
    }

    /// Has the person sign a statement, and sends it; its digest.
    pub fn state(&mut self, statement: Statement) -> Result<Digest, Stop> {
        self.ask("sign", &statement)?;
        let bytes = cbor::encode(&statement);
        let digest = Digest::of(&bytes);
        let item = Item::Statement(bytes.into());
        self.send(item, Moving::Statement(&statement, digest))?;
        Ok(digest)
    }

    /// Puts a question; once.
    pub fn ask<Q: Serialize>(&mut self, function: &str, question: &Q) -> Result<(), Stop> {
        let party = self.party;
        self.journal.effect(function, question, |call| {
            party.boundary()?;
            party.durable.asked.borrow_mut().insert((party.side, call.key));
            party.boundary()?;
            Ok(((), Vec::new()))
        })
    }

    /// Something that the merchant's application or the bank does once under the call's key.
    pub fn once<R>(
        &mut self,
        function: &str,
        work: impl FnOnce(&Party, Digest) -> R,
    ) -> Result<R, Stop>
    where
        R: Serialize + serde::de::DeserializeOwned,
    {
        let party = self.party;
        self.journal.effect(function, &(), |call| {
            party.boundary()?;
            let done = work(party, call.key);
            party.boundary()?;
            Ok((done, Vec::new()))
        })
    }

    /// Waits for the next message.
    pub fn receive(&mut self) -> Result<Item, Stop> {
        let (party, next, last) = (self.party, self.received + 1, self.last);
        let taken: Taken = self.journal.wait("receive", &(), |_| {
            match party.archive.message(party.deal.id, false, next)? {
                Some(row) => {
                    party.boundary()?;
                    let at = party.now().max(last);
                    Ok((Taken { seq: next, digest: row.digest, at }, Vec::new()))
                }
                None => Err(Stop::wait(Waiting::default())),
            }
        })?;
        self.received = taken.seq;
        self.last = self.last.max(taken.at);
        let row = party.archive.message(party.deal.id, false, next)?.unwrap();
        assert_eq!(row.digest, taken.digest, "another message under the same number");
        let message = Message::unverified(&row.bytes).unwrap();
        let item = message.container.item().unwrap().clone();
        self.advance(&item, taken.at)?;
        Ok(item)
    }

    fn advance(&mut self, item: &Item, at: Timestamp) -> Result<(), Stop> {
        let peer = self.party.side.other();
        let statement;
        let moving = match item {
            Item::Information { kind, .. } => Moving::Information(kind),
            Item::Statement(bytes) => {
                statement = Statement::decode(bytes).unwrap();
                Moving::Statement(&statement, Digest::of(bytes))
            }
            Item::Money(bytes) => {
                let (amount, purpose) = cbor::decode(bytes, 4096).unwrap();
                Moving::Money(amount, purpose)
            }
            Item::Exchange(_) => panic!("nothing is exchanged here"),
        };
        self.monitor.advance(peer, moving, true, at).map_err(Stop::peer_outside_flow)
    }

    /// The deal.
    pub fn deal(&self) -> &Deal {
        &self.party.deal
    }
}

/// How long a party waits before it sends again what is not acknowledged.
pub const AGAIN: Duration = Duration::from_millis(250);
