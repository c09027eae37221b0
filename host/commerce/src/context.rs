//! What a running component's calls act on: its deal, its journal, its handles.

use std::collections::VecDeque;
use std::sync::Arc;

use semper_archive::Write;
use semper_base::{Amount, DealId, Digest, Timestamp};
use semper_exchange::package::Talk;
use semper_items::statement::{Content, PaymentOrder};
use semper_items::{Agreement, Item, Side, SignedStatement, Statement};
use semper_tinguin::ClientError;
use semper_trust::policy::Grants;
use semper_trust::{Limit, VerifiedTerms};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use wasmtime::component::{Resource, ResourceTable};

use crate::calls::wasi::Wasi;
use crate::exchange::Declared;
use crate::flow::{Monitor, Moving};
use crate::host::{Came, Wanted};
use crate::journal::{Carried, Journal};
use crate::limiter::Limiter;
use crate::outside::Outside;
use crate::stage::First;
use crate::stop::Stop;
use crate::verified::own_or_peers;

/// Milliseconds over which messages are counted.
const MINUTE: u64 = 60_000;
/// Milliseconds over which checkpoints are counted.
const HOUR: u64 = 3_600_000;
/// Largest state of a checkpoint, in bytes.
pub const MAX_STATE: usize = 64 * 1024;

/// A statement that a component holds.
#[derive(Debug, Clone)]
pub struct StatementHandle(pub Declared);

/// A payment that a component holds.
#[derive(Debug, Clone)]
pub struct PaymentHandle {
    /// How much.
    pub amount: Amount,
    /// The confirmation's digest.
    pub digest: Digest,
    /// What for.
    pub purpose: Digest,
    /// Who confirmed it.
    pub signer: String,
    /// The confirmation itself.
    pub item: Vec<u8>,
}

/// A signed statement that has not been sent.
#[derive(Debug)]
pub struct ConsentHandle(pub SignedStatement);

/// A signed payment order that has not been carried out.
#[derive(Debug)]
pub struct PaymentConsentHandle {
    /// The signed order.
    pub signed: Vec<u8>,
    /// What it says.
    pub order: PaymentOrder,
}

/// What never changes about a deal while it runs.
#[derive(Debug)]
pub struct Deal {
    /// Its identifier.
    pub id: DealId,
    /// Which side we are.
    pub side: Side,
    /// What both signed.
    pub agreement: Agreement,
    /// The terms.
    pub terms: Arc<VerifiedTerms>,
    /// When it was opened here.
    pub opened: Timestamp,
}

impl Deal {
    /// What its component may do.
    pub fn grants(&self) -> &Grants {
        self.terms.grants()
    }
}

/// The state of one activation.
pub struct Context {
    /// What its calls reach.
    pub outside: Outside,
    /// The deal.
    pub deal: Arc<Deal>,
    /// Its journal.
    pub journal: Journal,
    /// Its flow.
    pub monitor: Monitor,
    /// Statements of this deal, for showing what a new one refers to.
    pub statements: Vec<Declared>,
    /// The number of the last message given to the component.
    pub received: u64,
    /// The number of the last message that it sent.
    pub sent: u64,
    /// Money that has left, of the grants' currency, in minor units.
    pub spent: i64,
    /// Limits of the store.
    pub limiter: Limiter,
    /// What a guest with a language runtime wants of WASI.
    pub wasi: Wasi,
    /// Calls of the host up to now: a component that makes none runs on its own.
    pub calls: u64,
    /// The last time that the journal knows: time does not go back within a deal.
    pub clock: Timestamp,
    /// Whether the person wants to leave, as the archive said when the activation began; for
    /// the first wait, later ones ask again.
    pub(crate) cancel: Option<Option<String>>,
    /// Messages that came where something else was due, for the next wait.
    pub(crate) held_back: VecDeque<Received>,
    /// Handles that the component holds.
    table: ResourceTable,
    held: u64,
    logged: u64,
    /// When its last messages were sent, and its last checkpoints made.
    recent: [VecDeque<Timestamp>; 2],
}

/// What is journaled of a received message: which, and when it was taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Taken {
    pub seq: u64,
    pub digest: Digest,
    pub at: Timestamp,
}

/// A received item, checked against signatures, deal and flow.
#[derive(Debug, Clone)]
pub enum Received {
    /// Information: kind and bytes.
    Information(String, Vec<u8>),
    /// A statement.
    Statement(Box<SignedStatement>),
    /// Money.
    Money(PaymentHandle),
    /// What is said before an exchange.
    Talk(Box<Talk>),
}

impl Context {
    /// The context of a new activation: everything is rebuilt by replay, from the last
    /// checkpoint on.
    pub fn new(outside: Outside, deal: Arc<Deal>, journal: Journal) -> Result<Self, Stop> {
        let flow = Arc::clone(deal.terms.flow());
        let mut statements = Vec::new();
        let mut recent = [VecDeque::new(), VecDeque::new()];
        let (monitor, received, sent, spent, clock) = match journal.resumed() {
            None => (Monitor::new(flow), 0, 0, 0, deal.opened),
            Some(carried) => {
                for bytes in &carried.statements {
                    statements.push(own_or_peers(&outside, &deal, bytes, carried.at)?);
                }
                recent = [carried.messages.clone().into(), carried.checkpoints.clone().into()];
                let monitor = Monitor::resume(flow, &carried.flow);
                (monitor, carried.received, carried.sent, carried.spent, carried.at)
            }
        };
        Ok(Self {
            limiter: Limiter::new(deal.grants().limits),
            wasi: Wasi::default(),
            outside,
            deal,
            journal,
            monitor,
            statements,
            received,
            sent,
            spent,
            calls: 0,
            clock,
            cancel: None,
            held_back: VecDeque::new(),
            table: ResourceTable::new(),
            held: 0,
            logged: 0,
            recent,
        })
    }

    /// The value of a limit, and the stop for going over it.
    pub(crate) fn within(&self, limit: Limit, value: u64) -> Result<(), Stop> {
        let most = self.deal.grants().limits.get(limit);
        if value > most { Err(Stop::Limit { limit, most }) } else { Ok(()) }
    }

    /// A handle for the component.
    pub(crate) fn hold<T: Send + 'static>(&mut self, thing: T) -> Result<Resource<T>, Stop> {
        self.held += 1;
        self.within(Limit::Handles, self.held)?;
        self.table.push(thing).map_err(|error| Stop::Service(error.to_string()))
    }

    /// What a handle stands for; one that is none is a trap.
    pub(crate) fn held<T: Send + 'static>(&self, handle: &Resource<T>) -> wasmtime::Result<&T> {
        Ok(self.table.get(handle)?)
    }

    /// Takes a handle back.
    pub(crate) fn release<T: Send + 'static>(
        &mut self,
        handle: Resource<T>,
    ) -> wasmtime::Result<T> {
        let thing = self.table.delete(handle)?;
        self.held = self.held.saturating_sub(1);
        Ok(thing)
    }

    /// Counts what the component logs, in all of a run.
    pub(crate) fn log(&mut self, bytes: usize) -> Result<(), Stop> {
        self.logged = self.logged.saturating_add(bytes as u64);
        self.within(Limit::LogBytes, self.logged)
    }

    /// The host's time, journaled; never before a time that the journal knows.
    pub fn now(&mut self) -> Result<Timestamp, Stop> {
        let (clock, outside) = (self.clock, &self.outside);
        self.clock = self.journal.read("now", &(), || Ok(outside.clock().max(clock)))?;
        Ok(self.clock)
    }

    /// Sends an item in a message of its own and moves the flow on.
    pub fn send(
        &mut self,
        function: &str,
        item: Item,
        moving: Moving<'_>,
        consented: bool,
    ) -> Result<(), Stop> {
        let at = self.now()?;
        let side = self.deal.side;
        self.monitor.check(side, moving, consented, at)?;
        self.post(function, item, at, || Ok(Vec::new()))?;
        self.monitor.advance(side, moving, consented, at)?;
        Ok(())
    }

    /// Sends an item in a message of its own; `with` is stored with it.
    pub(crate) fn post(
        &mut self,
        function: &str,
        item: Item,
        at: Timestamp,
        with: impl FnOnce() -> Result<Vec<Write>, Stop>,
    ) -> Result<(), Stop> {
        self.count_recent(0, MINUTE, Limit::Messages, at)?;
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        // An intent may be in the journal, and its message not: that is made and sent now.
        let mut fresh = false;
        self.journal.effect(function, &item, |call| {
            fresh = true;
            if let Outside::Stage(stage) = &outside {
                stage.send(&deal, item.clone(), call.head, at);
                return Ok(((), Vec::new()));
            }
            let mut writes = outside.host()?.send(&deal, item.clone(), call.head, at)?;
            writes.extend(with()?);
            Ok(((), writes))
        })?;
        self.sent += 1;
        if let (Outside::Recorded(record), Some(call)) = (&self.outside, self.journal.last_effect())
        {
            record.check_sent(&deal, self.sent, item, call.head, at)?;
        }
        if let (true, Outside::Host(host)) = (fresh, &self.outside) {
            host.sent(&deal);
        }
        Ok(())
    }

    /// Counts an event, and holds those of the last while against a limit.
    fn count_recent(
        &mut self,
        which: usize,
        while_ms: u64,
        limit: Limit,
        at: Timestamp,
    ) -> Result<(), Stop> {
        let recent = &mut self.recent[which];
        recent.push_back(at);
        while recent.front().is_some_and(|old| old.millis() + while_ms < at.millis()) {
            recent.pop_front();
        }
        let count = recent.len() as u64;
        self.within(limit, count)
    }

    /// Sends a signed statement and keeps it for later reference.
    pub fn send_statement(&mut self, signed: SignedStatement) -> Result<(), Stop> {
        let item = Item::Statement(signed.bytes().to_vec().into());
        let moving = Moving::Statement(signed.statement(), signed.digest());
        self.send("transfer/statements.send", item, moving, true)?;
        self.statements.push(signed.into());
        Ok(())
    }

    /// Waits for the next message and takes it out of its container.
    pub fn receive(&mut self) -> Result<Received, Stop> {
        if let Some(received) = self.held_back.pop_front() {
            return Ok(received);
        }
        let next = self.received + 1;
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let (clock, cancel) = (self.clock, &mut self.cancel);
        let taken: Taken = self.journal.wait("transfer/inbox.receive", &(), |_| {
            let wanted = Wanted { message: true, ..Wanted::default() };
            if let Outside::Stage(stage) = &outside {
                return match stage.first_of(next, &wanted)? {
                    First::Message(digest) => {
                        let at = outside.clock().max(clock);
                        Ok((Taken { seq: next, digest, at }, Vec::new()))
                    }
                    First::Cancelled(reason) => Err(Stop::Cancelled(reason)),
                    First::Time(at) => Err(Stop::Expired(at)),
                    First::Answer(_) => Err(Stop::Service("an answer to no question".into())),
                };
            }
            let host = outside.host()?;
            match host.first_of(&deal, next, wanted, cancel.take())? {
                Came::Message(row) => {
                    let at = Timestamp::now().max(clock);
                    let evidence = outside.evidence(&deal, next, row.digest, at);
                    Ok((Taken { seq: next, digest: row.digest, at }, evidence))
                }
                // There is no way to tell a component in this wait.
                Came::Cancelled(reason) => Err(Stop::Cancelled(reason)),
                Came::Time(at) => Err(Stop::Expired(at)),
                Came::Answer(_) => Err(Stop::Service("an answer to no question".into())),
            }
        })?;
        self.take(taken)
    }

    /// Takes the message that the journal names out of its container, and moves the flow on.
    pub(crate) fn take(&mut self, taken: Taken) -> Result<Received, Stop> {
        self.received = taken.seq;
        self.clock = self.clock.max(taken.at);
        let message = self.outside.message(&self.deal, taken.seq, taken.digest)?;
        let received = self.outside.unpack(&self.deal, &message, taken.at)?;
        let peer = self.deal.side.other();
        let moving = match &received {
            Received::Information(kind, _) => Moving::Information(kind),
            Received::Statement(signed) => Moving::Statement(signed.statement(), signed.digest()),
            Received::Money(payment) => Moving::Money(payment.amount, payment.purpose),
            // Nothing has moved yet; whoever takes it looks whether it may.
            Received::Talk(_) => return Ok(received),
        };
        self.monitor.advance(peer, moving, true, taken.at)?;
        if let Received::Statement(signed) = &received {
            self.statements.push(SignedStatement::clone(signed).into());
        }
        Ok(received)
    }

    /// Has our side sign a statement; the flow must enable it now. `Err` inside is the
    /// person's refusal.
    pub fn sign(&mut self, content: Content) -> Result<Result<SignedStatement, String>, Stop> {
        let made = self.now()?;
        let statement = Statement { deal: self.deal.id, made, content };
        let payload = statement.encode().map_err(|error| Stop::Service(error.to_string()))?;
        let moving = Moving::Statement(&statement, Digest::of(&payload));
        self.monitor.check(self.deal.side, moving, true, made)?;
        let signed = self.ask_to_sign("tinguin/consent.sign", &statement)?;
        let chain = |bytes: &[u8]| -> Result<SignedStatement, Stop> {
            let role = self.deal.side.role();
            SignedStatement::verify(bytes, self.outside.roots(), role, made)
                .map_err(|error| Stop::Service(format!("our own signature: {error}")))
        };
        match signed {
            Ok(bytes) => Ok(Ok(chain(&bytes)?)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The deal's statements, as they are shown beside what is to be decided.
    pub(crate) fn referred(&self) -> Vec<Vec<u8>> {
        self.statements.iter().map(|it| semper_base::cbor::encode(it.statement())).collect()
    }

    /// Puts a statement to the person, with those that it refers to.
    pub fn ask_to_sign(
        &mut self,
        function: &str,
        statement: &Statement,
    ) -> Result<Result<Vec<u8>, String>, Stop> {
        let (outside, deal) = (self.outside.clone(), Arc::clone(&self.deal));
        let refers = self.referred();
        let (next, cancel) = (self.received + 1, &mut self.cancel);
        // An effect, though nothing has happened before the yes: the question is put once.
        let signed: Result<ByteBuf, String> = self.journal.effect(function, statement, |call| {
            if let Outside::Stage(stage) = &outside {
                return Ok((stage.consent(statement)?.map(ByteBuf::from), Vec::new()));
            }
            let host = outside.host()?;
            let came = host.decision(&deal, next, call.key, cancel.take(), |wait| {
                host.tinguin().pose_statement(call.key, statement, refers.clone(), wait)
            });
            let (signed, mut writes) = decided(&deal, came)?;
            if let Ok(bytes) = &signed {
                writes.extend(host.evidence_of(statement, bytes));
            }
            Ok((signed.map(ByteBuf::from), writes))
        })?;
        Ok(signed.map(ByteBuf::into_vec))
    }

    /// Ends this run with a checkpoint; always an error.
    pub fn checkpoint(&mut self, state: Vec<u8>) -> Result<(), Stop> {
        if state.len() > MAX_STATE {
            return Err(Stop::Service(format!("a state of more than {MAX_STATE} bytes")));
        }
        if !self.held_back.is_empty() {
            return Err(Stop::Service(
                "it begins anew with a message that it has not taken".into(),
            ));
        }
        let at = self.now()?;
        self.count_recent(1, HOUR, Limit::Checkpoints, at)?;
        // The newest of each kind is all that later statements can refer to.
        let current = |it: &&Declared| {
            self.monitor.stated(it.statement().content.kind()) == Some(it.digest())
        };
        let statements = self.statements.iter().filter(current);
        let carried = Carried {
            state: state.into(),
            flow: self.monitor.carry(),
            received: self.received,
            sent: self.sent,
            spent: self.spent,
            at,
            statements: statements.map(|it| ByteBuf::from(it.bytes())).collect(),
            messages: self.recent[0].iter().copied().collect(),
            checkpoints: self.recent[1].iter().copied().collect(),
        };
        Err(self.journal.checkpoint(&carried))
    }
}

/// What came of asking the person to consent; `Err` inside is why she does not. Somebody who
/// leaves the deal does not, and has told it.
pub(crate) fn decided<T>(
    deal: &Deal,
    came: Result<Result<T, String>, Undecided>,
) -> Result<(Result<T, String>, Vec<Write>), Stop> {
    match came {
        Ok(Ok(decision)) => Ok((Ok(decision), Vec::new())),
        Ok(Err(reason)) => {
            let refusal = format!("the person has left the deal: {reason}");
            Ok((Err(refusal), vec![Write::Told(deal.id)]))
        }
        Err(Undecided::Client(ClientError::Declined(why))) => Ok((Err(why), Vec::new())),
        Err(Undecided::Client(other)) => Err(other.into()),
        Err(Undecided::Stop(stop)) => Err(stop),
    }
}

/// Why there is no decision.
#[derive(Debug)]
pub(crate) enum Undecided {
    Client(ClientError),
    Stop(Stop),
}
