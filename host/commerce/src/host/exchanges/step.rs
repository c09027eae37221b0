//! One step of an exchange: the machine's, then what it wants done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::Write;
use semper_base::{Clock, cbor, fault};
use semper_exchange::bank::{ClaimRequest, Fact, Order};
use semper_exchange::crypto::Signed;
use semper_exchange::originator::State as Originating;
use semper_exchange::package::{self, Part};
use semper_exchange::party::{self, Claimed, Effect, Event};
use semper_exchange::responder::State as Responding;
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Answer, MAX_ANSWER, REQUESTS, Request};
use semper_exchange::{Message, Role};
use semper_items::Side;
use semper_items::statement::{Content, Statement};
use semper_keeper::Panicked;
use semper_net::Client;
use semper_payment::{Module, PaymentError};
use semper_runtime::Deal;
use semper_runtime::Stop;
use semper_tinguin_protocol::screen;

use super::desk::{Desk, Letter};
use super::later;
use crate::errands::FEW;
use crate::exchange::{DealHolder, Machine, Stored};
use crate::host::{Host, Own, evidence};
use crate::means::Means;

/// Shortest pause between two looks at an exchange.
pub(super) const SHORTEST: Duration = Duration::from_millis(250);
/// Longest one.
pub(super) const LONGEST: Duration = Duration::from_secs(30);
/// How long a third party may take to answer.
const THIRD_PARTY: Duration = Duration::from_secs(30);
/// Media type of canonical CBOR.
const CBOR: &str = "application/cbor";
/// Largest fact of a payment system, in bytes.
const MAX_FACT: usize = 128 * 1024;

/// Whom an errand of an exchange goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// The payment system: one errand after the other, in the order in which they were wanted.
    Bank,
    /// The third party.
    ThirdParty,
}

/// What the payment system is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AtTheBank {
    Hold(Box<Order<Standard>>),
    Claim(Box<Claimed<Standard>>),
}

/// An exchange in memory.
pub(super) struct Live {
    pub deal: Arc<Deal>,
    /// What the deal began with.
    pub means: Arc<Means>,
    pub stored: Stored,
    /// Where the other side is reached, if we connect.
    pub address: String,
    /// Messages that have not been taken by the other side.
    pub unsent: Vec<Message<Standard>>,
    /// The other side's last message: it need not say that again.
    pub heard: Option<semper_base::Digest>,
    /// How long the other side has before the third party is asked.
    patience: Duration,
    /// What all times here are taken from.
    clock: Arc<dyn Clock>,
    /// From when on the other side's time counts.
    since: Instant,
    /// When something last changed.
    changed: Instant,
    pause: Duration,
    /// Whether something is being said to the other side now.
    pub conversing: bool,
    /// How often that has been tried one after the other.
    pub turns: usize,
    /// Whether the third party is being asked.
    asking: bool,
    /// What the payment system is to be asked; the first of it is under way.
    at_the_bank: VecDeque<AtTheBank>,
}

impl Live {
    pub(super) fn new(own: Own, stored: Stored, address: String, clock: Arc<dyn Clock>) -> Self {
        let now = clock.instant();
        let patience = own.means.trust.exchange.patience;
        Self {
            deal: own.deal,
            means: own.means,
            stored,
            address,
            unsent: Vec::new(),
            heard: None,
            patience,
            clock,
            since: now,
            changed: now,
            pause: SHORTEST,
            conversing: false,
            turns: 0,
            asking: false,
            at_the_bank: VecDeque::new(),
        }
    }

    /// Whether there is nothing more to do, and nobody is being asked any more.
    pub(super) fn is_closed(&self) -> bool {
        let machine = &self.stored.machine;
        let idle = !self.asking && !self.conversing && self.at_the_bank.is_empty();
        machine.end().is_some() && machine.kept().owed.is_none() && self.unsent.is_empty() && idle
    }

    /// Whether the other side is waited for, and no payment system and no third party.
    pub(super) fn listens(&self) -> bool {
        match &self.stored.machine {
            Machine::Originator(it) => {
                matches!(it.state, Originating::Offered | Originating::Delivered)
            }
            Machine::Responder(it) => matches!(it.state, Responding::Idle | Responding::Accepted),
        }
    }

    /// Whether there is something to say to the other side, or to hear of it.
    pub(super) fn speaks(&self) -> bool {
        !self.unsent.is_empty() || (self.listens() && self.left().is_some_and(|it| !it.is_zero()))
    }

    /// How long what is waited for now may take; `None` if nothing else would come of waiting
    /// longer.
    pub(super) fn has(&self) -> Option<Duration> {
        let agreement = self.stored.machine.agreement();
        match &self.stored.machine {
            Machine::Originator(it) => match it.state {
                Originating::Locking
                | Originating::Offered
                | Originating::Paying
                | Originating::Depositing
                | Originating::Delivered
                | Originating::Redeeming => Some(self.patience),
                _ => None,
            },
            Machine::Responder(it) => match it.state {
                Responding::Idle => Some(self.patience),
                // The originator's advantage lasts as long as this.
                Responding::Accepted => Some(self.patience / 2),
                Responding::Committing if agreement.protocol.pays(Role::Responder) => {
                    Some(self.patience)
                }
                Responding::Redeeming | Responding::Depositing => Some(self.patience),
                _ => None,
            },
        }
    }

    /// How much of that is left.
    pub(super) fn left(&self) -> Option<Duration> {
        self.has().map(|has| {
            has.saturating_sub(self.clock.instant().saturating_duration_since(self.since))
        })
    }

    /// What is to happen now, besides saying again what is under way; the second, if the first
    /// cannot be done. Nothing of it is consumed: what could not be stored is due again.
    fn due(&self) -> Vec<Event<Standard>> {
        let late = self.left().is_some_and(|left| left.is_zero());
        match &self.stored.machine {
            Machine::Originator(it) if it.state == Originating::Idle => vec![Event::Start],
            // Nothing has been promised yet.
            Machine::Responder(it) if it.state == Responding::Idle && late => vec![Event::Cancel],
            // A TINGUIN that has begun to give up delivers no more.
            _ => {
                let deliver = self.stored.to_deliver_for().into_iter();
                deliver.chain(late.then_some(Event::TimeUp)).collect()
            }
        }
    }

    /// When to look next.
    pub(super) fn next_look(&self) -> Instant {
        let pause = self.left().map_or(self.pause, |left| self.pause.min(left.max(SHORTEST)));
        self.clock.instant() + pause
    }

    /// Whether nothing has changed since then.
    pub(super) fn stands_since(&self, then: Instant) -> bool {
        self.changed <= then
    }

    fn progressed(&mut self) {
        self.changed = self.clock.instant();
        (self.since, self.pause) = (self.changed, SHORTEST);
    }
}

impl Host {
    /// Deals with one letter of an exchange.
    pub(super) fn deal_with(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        letter: Letter,
    ) -> Result<(), Stop> {
        match letter {
            Letter::Look => self.look(desk, live),
            Letter::Event(event) => self.happens(desk, live, event),
            Letter::Back(errand, event) => {
                match errand {
                    Errand::ThirdParty => live.asking = false,
                    Errand::Bank => {
                        live.at_the_bank.pop_front();
                        self.go_to_the_bank(desk, live);
                    }
                }
                event.map_or(Ok(()), |event| self.happens(desk, live, event))
            }
            Letter::Said(said, answer) => self.heard(desk, live, &said, answer),
            Letter::Unsaid => {
                live.conversing = false;
                Ok(())
            }
        }
    }

    /// What is due, and what was asked of others and not answered, which is asked again.
    fn look(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live) -> Result<(), Stop> {
        let begun = self.instant();
        live.pause = (live.pause * 2).min(LONGEST);
        self.what_is_due(desk, live)?;
        if live.stands_since(begun) {
            self.happens(desk, live, Event::Resend)?;
        }
        live.turns = 0;
        if live.deal.side == Side::Buyer && live.speaks() {
            self.converse(desk, live);
        }
        Ok(())
    }

    fn what_is_due(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live) -> Result<(), Stop> {
        let mut happened = Ok(());
        for event in live.due() {
            let waited = matches!(event, Event::TimeUp | Event::Cancel);
            happened = self.happens(desk, live, event);
            if happened.is_ok() {
                if waited {
                    live.since = self.instant();
                }
                break;
            }
        }
        happened
    }

    /// Something happens to an exchange, and what follows from it.
    pub(super) fn happens(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        event: Event<Standard>,
    ) -> Result<(), Stop> {
        self.note_acceptance(live, &event)?;
        let holder = DealHolder::new(self.tinguin(), live.deal.id, &live.stored.enclosed.1);
        let before = live.stored.machine.clone();
        let (machine, effects) =
            before.step(event, self.now(), &holder).map_err(|away| later(&away))?;
        let mut next = Stored { machine, ..live.stored.clone() };
        if next.to_deliver_for().is_none() {
            next.accepted = None;
        }
        next.opened.extend(holder.into_opened());
        let ended = effects.iter().any(|it| matches!(it, Effect::Ended(_)));
        if effects.contains(&Effect::Persist) {
            self.store_exchange(&live.deal, &next, ended)?;
            live.progressed();
        }
        live.stored = next;
        for effect in effects {
            self.perform(desk, live, effect);
        }
        Ok(())
    }

    /// X2 is stored before the TINGUIN is asked to sign the delivery: see [`Stored::accepted`].
    fn note_acceptance(&self, live: &mut Live, event: &Event<Standard>) -> Result<(), Stop> {
        let Event::Message(Message::Accept(accept)) = event else { return Ok(()) };
        let holder = DealHolder::new(self.tinguin(), live.deal.id, &live.stored.enclosed.1);
        if live.stored.accepts(accept, &holder).map_err(|away| later(&away))? {
            let next = Stored { accepted: Some(accept.clone()), ..live.stored.clone() };
            self.store_exchange(&live.deal, &next, false)?;
            live.stored = next;
        }
        Ok(())
    }

    fn store_exchange(&self, deal: &Deal, next: &Stored, ended: bool) -> Result<(), Stop> {
        let at = self.now();
        fault::point("exchange.before");
        let mut writes = vec![Write::Exchange(Box::new(next.row(deal.id, at)))];
        if ended {
            let summary = summary(deal, next);
            writes.push(evidence(Some(deal.id), "exchange", "", &summary, &next.evidence(), at));
        }
        self.archive().commit(writes)?;
        fault::point("exchange.after");
        Ok(())
    }

    /// Does what the machine wants done; what others are asked comes back as a letter.
    fn perform(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live, effect: Effect<Standard>) {
        match effect {
            Effect::Persist => self.signal(live.deal.id).bump(),
            Effect::Send(message) => {
                if !live.unsent.contains(&message) {
                    self.progress(live.deal.id, says(&message).to_owned());
                    live.unsent.push(message);
                }
                if live.deal.side == Side::Buyer {
                    self.converse(desk, live);
                }
            }
            Effect::Ask(request) => self.ask_third_party(desk, live, request),
            Effect::Hold(order) => self.ask_bank(desk, live, AtTheBank::Hold(Box::new(order))),
            Effect::Claim(claimed) => {
                self.ask_bank(desk, live, AtTheBank::Claim(Box::new(claimed)));
            }
            Effect::Ended(end) => {
                self.progress(live.deal.id, format!("the exchange is over: {end}"));
                self.wake(live.deal.id);
            }
        }
    }

    fn ask_third_party(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        request: Request<Standard>,
    ) {
        let named = live.stored.machine.agreement().third_party.clone();
        // Where it is now, if the present trust file knows; the agreement fixes who it is.
        let (now, then) = (&self.means().trust, &live.means.trust);
        let known = now.third_parties.iter().chain(&then.third_parties);
        let Some(third) = known.into_iter().find(|it| it.named == named) else {
            let text = format!("{} is in no trust file of this home", named.origin);
            return self.progress(live.deal.id, text);
        };
        if std::mem::replace(&mut live.asking, true) {
            return;
        }
        let text = "the third party is asked about the exchange".to_owned();
        self.progress(live.deal.id, text);
        let url = format!("{}{REQUESTS}", third.address);
        let net = live.means.net.within(THIRD_PARTY);
        let ask = move || asked(&net, &url, &request).map(Event::Answer);
        self.errands.run(&third.address, FEW, ask, self.back(desk, Errand::ThirdParty));
    }

    fn ask_bank(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live, what: AtTheBank) {
        if live.at_the_bank.contains(&what) {
            return;
        }
        live.at_the_bank.push_back(what);
        if live.at_the_bank.len() == 1 {
            self.go_to_the_bank(desk, live);
        }
    }

    /// Asks the payment system what is next to be asked of it.
    fn go_to_the_bank(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live) {
        let Some(what) = live.at_the_bank.front().cloned() else { return };
        let Ok(module) = live.means.payments.module(&live.deal.agreement.payment).cloned() else {
            let text = "the payment module of this deal is not set up any more".to_owned();
            live.at_the_bank.clear();
            return self.progress(live.deal.id, text);
        };
        let claim = match &what {
            AtTheBank::Claim(claimed) => claim_request(live, claimed),
            AtTheBank::Hold(_) => None,
        };
        let (host, asker, module) = (Arc::clone(self), Arc::clone(desk), Arc::clone(&module));
        let system = module.system().to_owned();
        let ask = move || match (&what, claim) {
            (AtTheBank::Hold(order), _) => host.hold(&asker, &*module, order),
            (AtTheBank::Claim(_), Some(claim)) => claimed(&*module, &claim),
            (AtTheBank::Claim(_), None) => None,
        };
        self.errands.run(&system, FEW, ask, self.back(desk, Errand::Bank));
    }

    /// Takes an errand back to its desk. One that has panicked has no answer: it is asked again.
    fn back(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        errand: Errand,
    ) -> impl FnOnce(Result<Option<Event<Standard>>, Panicked>) + Send + use<> {
        let (host, desk) = (Arc::clone(self), Arc::clone(desk));
        move |answer| host.arrives(&desk, Letter::Back(errand, answer.ok().flatten()))
    }

    /// A letter has come from outside, while nobody waits for what becomes of it.
    pub(super) fn arrives(self: &Arc<Self>, desk: &Arc<Desk>, letter: Letter) {
        if let Err(error) = self.deliver(desk, [letter]) {
            tracing::debug!(exchange = %desk.id, %error, "an exchange waits");
        }
    }

    /// Has our payment system hold or pay what was agreed to; nothing when it does not answer now.
    fn hold(
        &self,
        desk: &Desk,
        module: &dyn Module,
        order: &Order<Standard>,
    ) -> Option<Event<Standard>> {
        match self.hold_or_stop(desk, module, order) {
            Ok(fact) => Some(Event::Fact(fact)),
            Err(Some(words)) => {
                let text = format!("the money for the exchange was not locked: {words}");
                self.progress(desk.deal, text);
                Some(Event::Refused)
            }
            Err(None) => None,
        }
    }

    /// The payment system's word; its refusal, or none when it does not answer now.
    fn hold_or_stop(
        &self,
        desk: &Desk,
        module: &dyn Module,
        order: &Order<Standard>,
    ) -> Result<Signed<Standard, Fact<Standard>>, Option<String>> {
        let away = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "money cannot be locked now");
            None
        };
        let content = order.statement(module.system().to_owned(), module.account().to_owned());
        let content = Content::HoldOrder(content);
        let statement = Statement { deal: desk.deal, made: self.now(), content };
        let signed = self.tinguin().sign_hold(&statement).map_err(|error| away(&error))?;
        fault::point("exchange.hold");
        let fact = module.hold(&signed).map_err(|error| match error {
            PaymentError::Away(_) => away(&error),
            other => Some(other.to_string()),
        })?;
        fault::point("exchange.held");
        cbor::decode(&fact, MAX_FACT).map_err(|error| away(&error))
    }

    /// What a merchant's machine has to say to whoever asks, apart from `heard`.
    pub(super) fn sends(
        &self,
        live: &mut Live,
        heard: Option<semper_base::Digest>,
    ) -> Vec<Message<Standard>> {
        let mut messages = std::mem::take(&mut live.unsent);
        if messages.is_empty() {
            let holder = DealHolder::new(self.tinguin(), live.deal.id, &live.stored.enclosed.1);
            let machine = live.stored.machine.clone();
            if let Ok((_, effects)) = machine.step(Event::Resend, self.now(), &holder) {
                messages.extend(effects.into_iter().filter_map(|effect| match effect {
                    Effect::Send(message) => Some(message),
                    _ => None,
                }));
            }
        }
        messages.retain(|message| Some(name(message)) != heard);
        messages
    }
}

/// The third party's answer to a request, if it gives one.
fn asked(net: &Client, url: &str, request: &Request<Standard>) -> Option<Answer<Standard>> {
    if fault::fails("third.ask") {
        return None;
    }
    match net.post(url, CBOR, cbor::encode(request), MAX_ANSWER) {
        Ok(response) if response.status == 200 => {
            let answer = cbor::decode(&response.body, MAX_ANSWER);
            answer.inspect_err(|error| tracing::warn!(%error, url, "no answer")).ok()
        }
        Ok(response) => {
            tracing::warn!(status = response.status, url, "the third party does not answer");
            None
        }
        Err(error) => {
            tracing::warn!(%error, url, "the third party does not answer");
            None
        }
    }
}

fn claim_request(live: &Live, claimed: &Claimed<Standard>) -> Option<Vec<u8>> {
    let agreement = live.stored.machine.agreement();
    Some(cbor::encode(&ClaimRequest {
        exchange: agreement.subject(),
        leaf: party::money_leaf(agreement, claimed.payer)?,
        third_party: agreement.third_party.sign,
        claim: claimed.claim.clone(),
    }))
}

/// The payment system's word about a claim, if it gives one.
fn claimed(module: &dyn Module, claim: &[u8]) -> Option<Event<Standard>> {
    let fact = module.claim(claim);
    let fact = fact.inspect_err(|error| tracing::warn!(%error, "money cannot be claimed now"));
    let fact = cbor::decode(&fact.ok()?, MAX_FACT);
    let fact =
        fact.inspect_err(|error| tracing::warn!(%error, "a payment system's word is no word")).ok();
    fact.map(Event::Fact)
}

/// What a message is named by, between the two sides' drivers.
pub(super) fn name(message: &Message<Standard>) -> semper_base::Digest {
    semper_base::Digest::of(&cbor::encode(message))
}

const fn says(message: &Message<Standard>) -> &'static str {
    match message {
        Message::Promise(_) => "exchange: promised; the other side promises next",
        Message::Accept(_) => "exchange: both have promised; the other side delivers next",
        Message::Deliver(_) => "exchange: delivered; the other side delivers next",
        Message::Settle(_) => "exchange: received and delivered",
    }
}

/// One sentence about an exchange that has ended.
fn summary(deal: &Deal, stored: &Stored) -> String {
    let machine = &stored.machine;
    let (agreement, role) = (machine.agreement(), machine.role());
    let names = |of: Role, enclosed: &[package::Enclosed]| {
        let leaves = agreement.gives(of).iter().map(|it| (it.path.as_str(), &it.item));
        let parts: Vec<Part> =
            package::read(leaves, enclosed, deal.id, &agreement.party(of).sign).unwrap_or_default();
        let names: Vec<String> = parts.iter().map(screen::exchange::name).collect();
        names.join(" and ")
    };
    let (gave, got) = (names(role, &stored.enclosed.0), names(role.other(), &stored.enclosed.1));
    let end = machine.end().map(|end| end.to_string()).unwrap_or_default();
    format!("fair exchange of {gave} for {got}: {end}")
}
