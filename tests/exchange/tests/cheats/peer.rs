//! A cheat: it speaks the wire, has the keys of one side of an exchange, and goes by the machine that
//! ships wherever it does not cheat, so that it gets as far as it can.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use semper_base::{SigningKey, Timestamp, cbor};
use semper_exchange::bank::{Claim, ClaimRequest};
use semper_exchange::crypto::Signed;
use semper_exchange::judge::Evidence;
use semper_exchange::message::Accept;
use semper_exchange::party::Kept;
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::{Abort, Decision, Request, Resolve, Verdict, Wish};
use semper_exchange::{Driven, Effect, End, Event, Message, Role, party};
use semper_exchange_tests::Services as _;
use semper_exchange_tests::goods::Goods;
use semper_exchange_tests::remote::Remote;
use semper_exchange_tests::town::{Setup, Town, name};

use crate::tricks::Trick;

const MOST: usize = 4 << 20;
const PATIENCE: Duration = Duration::from_millis(900);

pub(crate) struct Peer<'a> {
    setup: &'a Setup,
    role: Role,
    trick: Option<Trick>,
    machine: Driven<Standard>,
    remote: Remote,
    inbox: PathBuf,
    outbox: PathBuf,
    heard: Vec<Message<Standard>>,
    seen: HashSet<PathBuf>,
    stirred: Instant,
    repeated: Instant,
    done: bool,
    /// How long it waits before it asks the third party.
    pub(crate) patience: Duration,
    /// Everything that it has signed and sent.
    pub(crate) sent: Vec<Message<Standard>>,
    requests: Vec<Request<Standard>>,
}

impl<'a> Peer<'a> {
    /// This side of an exchange, with this trick; `None`: it doesn't cheat.
    pub(crate) fn new(town: &Town, setup: &'a Setup, role: Role, trick: Option<Trick>) -> Self {
        let agreed = setup.agreed.clone();
        let trader = match role {
            Role::Originator => &setup.originator,
            Role::Responder => &setup.responder,
        };
        let machine = Driven::new(agreed, role, trader.secrets.clone());
        Self {
            setup,
            role,
            trick,
            machine,
            remote: town.remote(name(role), 0),
            inbox: setup.box_of("to", role),
            outbox: setup.box_of("to", role.other()),
            heard: Vec::new(),
            seen: HashSet::new(),
            stirred: Instant::now(),
            repeated: Instant::now(),
            done: false,
            patience: PATIENCE,
            sent: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn keys(&self) -> &'a Keys<Goods> {
        match self.role {
            Role::Originator => &self.setup.originator.keys,
            Role::Responder => &self.setup.responder.keys,
        }
    }

    fn kept(&self) -> &Kept<Standard> {
        self.machine.kept()
    }

    fn end(&self) -> Option<End> {
        self.machine.end()
    }

    /// Begins.
    pub(crate) fn start(&mut self) {
        self.happens(Event::Start);
    }

    /// Goes on for a moment.
    pub(crate) fn go_on(&mut self) {
        for file in fs::read_dir(&self.inbox).unwrap().map(|it| it.unwrap().path()) {
            let is_message = file.extension().is_some_and(|it| it == "msg");
            if !is_message || !self.seen.insert(file.clone()) {
                continue;
            }
            let message: Message<Standard> = cbor::decode(&fs::read(&file).unwrap(), MOST).unwrap();
            self.heard.push(message.clone());
            self.happens(Event::Message(message));
        }
        if self.repeated.elapsed() > Duration::from_millis(200) {
            self.repeated = Instant::now();
            self.happens(Event::Resend);
        }
        if self.end().is_none() && self.stirred.elapsed() > self.patience {
            self.stirred = Instant::now();
            self.happens(Event::TimeUp);
        }
        std::thread::sleep(Duration::from_millis(20));
    }

    fn happens(&mut self, event: Event<Standard>) {
        let (now, keys) = (Timestamp::now(), self.keys());
        let (next, effects) = self.machine.clone().step(event, now, keys).unwrap();
        self.machine = next;
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect<Standard>) {
        match effect {
            Effect::Ended(_) => {}
            Effect::Sign => self.happens(Event::Sign),
            Effect::Persist => self.stirred = Instant::now(),
            Effect::Send(message) => self.send(message),
            Effect::Ask(request) => {
                if let Some(answer) = self.remote.ask(&request) {
                    self.happens(Event::Answer(answer));
                }
            }
            Effect::Hold(order) => {
                let account = match self.role {
                    Role::Originator => &self.setup.originator.account,
                    Role::Responder => &self.setup.responder.account,
                };
                match self.remote.hold(account, &order) {
                    Some(Ok(fact)) => self.happens(Event::Fact(fact)),
                    Some(Err(_)) => self.happens(Event::Refused),
                    None => {}
                }
            }
            Effect::Claim(claimed) => {
                if let Some(fact) = self.claim(claimed.payer, claimed.claim) {
                    self.happens(Event::Fact(fact));
                }
            }
        }
    }

    fn claim(
        &self,
        payer: Role,
        claim: Claim<Standard>,
    ) -> Option<semper_exchange_tests::services::SignedFact> {
        let agreed = &self.setup.agreed;
        self.remote.claim(&ClaimRequest {
            exchange: agreed.subject(),
            leaf: party::money_leaf(agreed, payer)?,
            third_party: agreed.third_party.sign,
            claim,
        })
    }

    fn send(&mut self, message: Message<Standard>) {
        let delivers = matches!(message, Message::Deliver(_) | Message::Settle(_));
        if self.trick == Some(Trick::AbortFirst) && !self.done {
            self.abort(self.role);
        }
        let spoilt = match self.trick {
            Some(trick) => trick.spoil(message, self.keys(), &self.heard),
            None => vec![message],
        };
        for message in spoilt {
            let bytes = cbor::encode(&message);
            let file = format!("{}-{}", message.kind(), semper_base::Digest::of(&bytes).hex());
            let new = self.outbox.join(format!("{file}.new"));
            fs::write(&new, &bytes).unwrap();
            fs::rename(&new, self.outbox.join(format!("{file}.msg"))).unwrap();
            if !self.sent.contains(&message) {
                self.sent.push(message);
            }
        }
        if self.done {
            return;
        }
        match self.trick {
            Some(Trick::AbortLast) if delivers => self.abort(self.role),
            Some(Trick::AbortTheirs) => self.abort(self.role.other()),
            Some(Trick::ResolveForged) => self.resolve_forged(),
            Some(Trick::OwnVerdict) => self.own_verdict(),
            _ => {}
        }
    }

    /// Asks for an abort, in this side's name; signed by the cheat.
    fn abort(&mut self, role: Role) {
        let Some(promise) = self.kept().promise.clone() else { return };
        self.done = true;
        let body = Abort { promise: promise.digest(), role };
        let wish = Wish::Abort(self.sign(body));
        self.ask(Request { wish, promise, accept: self.kept().accept.clone() });
    }

    fn resolve_forged(&mut self) {
        let Some(promise) = self.kept().promise.clone() else { return };
        self.done = true;
        let body = Accept { promise: promise.digest(), tokens: Vec::new() };
        let stranger = Keys::new(SigningKey::generate(), NoGoods);
        let subject = self.setup.agreed.subject();
        let accept: Signed<Standard, _> = Signed::new(&stranger, subject, body).unwrap();
        let accepted = Some(accept.digest());
        let body = Resolve { promise: promise.digest(), accept: accepted, role: self.role };
        let wish = Wish::Resolve(self.sign(body));
        self.ask(Request { wish, promise, accept: Some(accept) });
    }

    /// A completion by the cheat's own hand, at the bank, for either side's money.
    fn own_verdict(&mut self) {
        let Some(promise) = self.kept().promise.clone() else { return };
        self.done = true;
        let at = Timestamp::now();
        let accept = self.kept().accept.as_ref().map(Signed::detached);
        let promise = promise.detached();
        let decision = Decision::Complete { promise, accept, facts: Vec::new(), from: at };
        let verdict = self.sign(Verdict { decision, at });
        for payer in [Role::Originator, Role::Responder] {
            self.claim(payer, Claim::Verdict(Box::new(verdict.clone())));
        }
    }

    fn sign<B: semper_exchange::crypto::Body>(&self, body: B) -> Signed<Standard, B> {
        Signed::new(self.keys(), self.setup.agreed.subject(), body).unwrap()
    }

    fn ask(&mut self, request: Request<Standard>) {
        // Whatever comes back, it has tried; its machine hears of it when it asks.
        let _ = self.remote.ask(&request);
        self.requests.push(request);
    }

    /// What it has kept and done, laid beside what the other side has.
    pub(crate) fn beside(&self, evidence: Evidence<Standard>) -> Evidence<Standard> {
        let mut both = evidence.with(self.kept());
        for message in &self.sent {
            match message.clone() {
                Message::Promise(it) => both.promises.push(it),
                Message::Accept(it) => both.accepts.push(it),
                Message::Deliver(it) => both.delivers.push(it),
                Message::Settle(it) => both.settles.push(it),
            }
        }
        both.requests.extend(self.requests.iter().cloned());
        both
    }
}
