//! What a running component's calls act on: its deal, its journal, its handles.

use std::collections::VecDeque;
use std::sync::Arc;

use semper_archive::{DealState, Write};
use semper_base::{Digest, Timestamp};
use semper_items::statement::Content;
use semper_items::{Item, Side, SignedStatement, Statement};
use semper_trust::Limit;
use semper_trust::flow::End;
use serde_bytes::ByteBuf;
use wasmtime::component::{Resource, ResourceTable};

use crate::exchange::Declared;
use crate::flow::{Monitor, Moving};
use crate::handles::{Deal, Late, Received, Taken, Wasi};
use crate::journal::{Carried, Journal};
use crate::limiter::Limiter;
use crate::stop::{Cause, Fault, Proof, Stop, Verdict};
use crate::verified::{own_or_peers, take, unpack};
use crate::world::{Came, Wanted, World};

/// Milliseconds over which messages are counted.
const MINUTE: u64 = 60_000;
/// Milliseconds over which checkpoints are counted.
const HOUR: u64 = 3_600_000;
/// Characters of what a component has logged last that are told when it crashes.
const LAST_WORDS: usize = 300;
/// Largest state of a checkpoint, in bytes.
pub const MAX_STATE: usize = 64 * 1024;

/// The state of one activation.
pub struct Context {
    /// What its calls reach.
    pub world: Arc<dyn World>,
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
    /// Messages that came where something else was due, for the next wait.
    pub(crate) held_back: VecDeque<Received>,
    /// Words about negotiations that are over.
    pub(crate) late: Late,
    /// Handles that the component holds.
    table: ResourceTable,
    held: u64,
    logged: u64,
    /// What it has logged last, for the case that it crashes.
    last_words: String,
    /// When its last messages were sent, and its last checkpoints made.
    recent: [VecDeque<Timestamp>; 2],
}

impl Context {
    /// The context of a new activation: everything is rebuilt by replay, from the last
    /// checkpoint on.
    pub fn new(world: Arc<dyn World>, deal: Arc<Deal>, journal: Journal) -> Result<Self, Stop> {
        let flow = Arc::clone(deal.terms.flow());
        let mut statements = Vec::new();
        let mut recent = [VecDeque::new(), VecDeque::new()];
        let (monitor, received, sent, spent, clock) = match journal.resumed() {
            None => (Monitor::new(flow), 0, 0, 0, deal.opened),
            Some(carried) => {
                for bytes in &carried.statements {
                    statements.push(own_or_peers(&*world, &deal, bytes, carried.at)?);
                }
                recent = [carried.messages.clone().into(), carried.checkpoints.clone().into()];
                let monitor = Monitor::resume(flow, &carried.flow);
                (monitor, carried.received, carried.sent, carried.spent, carried.at)
            }
        };
        Ok(Self {
            limiter: Limiter::new(deal.grants().limits),
            wasi: Wasi::default(),
            world,
            deal,
            journal,
            monitor,
            statements,
            received,
            sent,
            spent,
            calls: 0,
            clock,
            held_back: VecDeque::new(),
            late: Late::default(),
            table: ResourceTable::new(),
            held: 0,
            logged: 0,
            last_words: String::new(),
            recent,
        })
    }

    /// The value of a limit, and the stop for going over it.
    pub(crate) fn within(&self, limit: Limit, value: u64) -> Result<(), Stop> {
        let most = self.deal.grants().limits.get(limit);
        if value > most { Err(Stop::limit(limit, most)) } else { Ok(()) }
    }

    /// A handle for the component.
    pub(crate) fn hold<T: Send + 'static>(&mut self, thing: T) -> Result<Resource<T>, Stop> {
        self.held += 1;
        self.within(Limit::Handles, self.held)?;
        self.table.push(thing).map_err(Stop::broken)
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

    /// Keeps the end of what the component says in its log and its output.
    pub(crate) fn heard(&mut self, text: &str) {
        let clean = |c: char| if c.is_control() { ' ' } else { c };
        self.last_words.extend(text.chars().map(clean));
        self.last_words.push(' ');
        let length = self.last_words.chars().count();
        if length > LAST_WORDS {
            self.last_words = self.last_words.chars().skip(length - LAST_WORDS).collect();
        }
    }

    /// The host's time, journaled; never before a time that the journal knows.
    pub fn now(&mut self) -> Result<Timestamp, Stop> {
        let (clock, world) = (self.clock, &self.world);
        self.clock = self.journal.read("now", &(), || Ok(world.now().max(clock)))?;
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
        self.monitor.check(side, moving, consented, at).map_err(Stop::outside_flow)?;
        self.post(function, item, at, || Ok(Vec::new()))?;
        self.monitor.advance(side, moving, consented, at).map_err(Stop::outside_flow)
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
        let world = Arc::clone(&self.world);
        // An intent may be in the journal, and its message not: that is made and sent now.
        let mut fresh = false;
        self.journal.effect(function, &item, |call| {
            fresh = true;
            let mut writes = world.post(&item, call, at)?;
            writes.extend(with()?);
            Ok(((), writes))
        })?;
        self.sent += 1;
        match self.journal.last_effect() {
            Some(call) => self.world.posted(self.sent, &item, call, at, fresh),
            None => Ok(()),
        }
    }

    /// Whether the flow enables this now: asked before the person and before anything leaves.
    /// A call that the journal answers has been asked before, by the rules of its time.
    pub(crate) fn enabled(&self, by: Side, moving: Moving<'_>, at: Timestamp) -> Result<(), Stop> {
        if self.journal.is_replaying() {
            return Ok(());
        }
        self.monitor.check(by, moving, true, at).map(drop).map_err(Stop::outside_flow)
    }

    /// Whether one more message may be sent now; nothing is counted.
    pub(crate) fn may_post(&self, at: Timestamp) -> Result<(), Stop> {
        let fresh = |sent: &&Timestamp| sent.millis() + MINUTE >= at.millis();
        let count = self.recent[0].iter().filter(fresh).count() as u64;
        self.within(Limit::Messages, count + 1)
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
        loop {
            let received = match self.held_back.pop_front() {
                Some(received) => received,
                None => self.next_message()?,
            };
            if !self.passes_over(&received)? {
                return Ok(received);
            }
        }
    }

    /// Whether nothing follows from this, because it comes late ([`Received::comes_late`]).
    pub(crate) fn passes_over(&mut self, received: &Received) -> Result<bool, Stop> {
        let late = received.comes_late();
        if late {
            self.late.another()?;
        }
        Ok(late)
    }

    fn next_message(&mut self) -> Result<Received, Stop> {
        let next = self.received + 1;
        let (world, deal, clock) = (Arc::clone(&self.world), Arc::clone(&self.deal), self.clock);
        let taken: Taken = self.journal.wait("transfer/inbox.receive", &(), |_| {
            let wanted = Wanted { message: true, ..Wanted::default() };
            match world.first_of(next, &wanted)? {
                (Came::Message(digest), _) => {
                    take(&*world, &deal, next, digest, world.now().max(clock))
                }
                // There is no way to tell a component in this wait.
                (Came::Cancelled(reason), _) => Err(Verdict::new(Cause::Cancelled(reason)).into()),
                (Came::Time(at), _) => Err(Verdict::new(Cause::Expired(at)).into()),
                (Came::Answer(_), _) => Err(Stop::broken("an answer to no question")),
            }
        })?;
        self.take(taken)
    }

    /// Takes the message that the journal names out of its container, and moves the flow on.
    pub(crate) fn take(&mut self, taken: Taken) -> Result<Received, Stop> {
        self.received = taken.seq;
        self.clock = self.clock.max(taken.at);
        let message = self.world.message(taken.seq, taken.digest)?;
        let received = unpack(&*self.world, &self.deal, &message, &taken)?;
        let peer = self.deal.side.other();
        let moving = match &received {
            Received::Information(kind, _) => Moving::Information(kind),
            Received::Statement(signed) => Moving::Statement(signed.statement(), signed.digest()),
            Received::Money(payment) => Moving::Money(payment.amount, payment.purpose),
            // Nothing has moved yet; whoever takes it looks whether it may.
            Received::Talk(_) => return Ok(received),
        };
        self.monitor.advance(peer, moving, true, taken.at).map_err(Stop::peer_outside_flow)?;
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
        let payload = statement.encode().map_err(Stop::service)?;
        let moving = Moving::Statement(&statement, Digest::of(&payload));
        self.monitor.check(self.deal.side, moving, true, made).map_err(Stop::outside_flow)?;
        let signed = self.ask_to_sign("tinguin/consent.sign", &statement)?;
        let chain = |bytes: &[u8]| -> Result<SignedStatement, Stop> {
            let role = self.deal.side.role();
            SignedStatement::verify(bytes, self.world.verifier(), role, made)
                .map_err(|error| Stop::broken(format!("our own signature: {error}")))
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
        let (world, refers) = (Arc::clone(&self.world), self.referred());
        let next = self.received + 1;
        // An effect, though nothing has happened before the yes: the question is put once.
        let signed: Result<ByteBuf, String> = self.journal.effect(function, statement, |call| {
            let (signed, writes) = world.sign(next, call.key, statement, &refers)?;
            Ok((signed.map(ByteBuf::from), writes))
        })?;
        Ok(signed.map(ByteBuf::into_vec))
    }

    /// Ends this run with a checkpoint; always an error.
    pub fn checkpoint(&mut self, state: Vec<u8>) -> Result<(), Stop> {
        if state.len() > MAX_STATE {
            return Err(Stop::service(format!("a state of more than {MAX_STATE} bytes")));
        }
        if !self.held_back.is_empty() {
            return Err(Stop::service("it begins anew with a message that it has not taken"));
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

    /// How a component that returned has ended its deal.
    ///
    /// # Errors
    /// It has given up, or ended where the flow has no end.
    pub fn ended(&self, said: Result<(), String>) -> Result<(DealState, String), Stop> {
        match (self.monitor.end(), said.err()) {
            (Some(End::Completed), _) => Ok((DealState::Completed, "as the terms intend".into())),
            (Some(End::Withdrawn), said) => {
                let left = self.withdrawal().or(said);
                Ok((DealState::Withdrawn, left.unwrap_or_else(|| "one side has left".into())))
            }
            (None, Some(said)) => Err(Verdict::new(Cause::GaveUp(said)).into()),
            (None, None) => {
                let state = self.monitor.state();
                Err(Stop::service(format!("it ended in the middle, in state “{state}”")))
            }
        }
    }

    /// Who has left, and the reason that was given.
    fn withdrawal(&self) -> Option<String> {
        self.statements.iter().rev().find_map(|it| match &it.statement().content {
            Content::Withdrawal(withdrawal) if withdrawal.reason.is_empty() => {
                Some(format!("{} has left", it.signer()))
            }
            Content::Withdrawal(withdrawal) => {
                Some(format!("{} has left: {}", it.signer(), withdrawal.reason))
            }
            _ => None,
        })
    }

    /// Names what shows a verdict: the message that was taken last, or the call that was made
    /// last. Without any, nothing is shown, and so nobody is at fault.
    #[must_use]
    pub fn shown(&self, stop: Stop) -> Stop {
        let Stop::Verdict(mut verdict) = stop else { return stop };
        if let Cause::Trap(why) = &mut verdict.cause {
            let words = self.last_words.trim();
            if !words.is_empty() {
                why.push_str(&format!("; the service's last words: “{words}”"));
            }
        }
        if verdict.proof.is_some() {
            return Stop::Verdict(verdict);
        }
        match verdict.at_fault() {
            Fault::Service => verdict.shown_by(Proof::Call(self.journal.len())).into(),
            Fault::Peer if self.received > 0 => {
                verdict.shown_by(Proof::Message(self.received)).into()
            }
            Fault::Peer => {
                Stop::broken(format!("{verdict}, but nothing of the other side shows it"))
            }
            Fault::ThirdParty | Fault::Nobody => Stop::Verdict(verdict),
        }
    }
}
