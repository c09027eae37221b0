//! One step of an exchange: the machine's, then what it wants done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::Write;
use semper_base::{Timestamp, cbor, fault};
use semper_exchange::bank::{ClaimRequest, Fact, Order};
use semper_exchange::crypto::Signed;
use semper_exchange::originator::State as Originating;
use semper_exchange::package::{self, Part};
use semper_exchange::party::{self, Claimed, Effect, Event};
use semper_exchange::responder::State as Responding;
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Answer, MAX_ANSWER, REQUESTS, Request};
use semper_exchange::{Message, Role};
use semper_items::statement::{Content, Statement};
use semper_net::Client;
use semper_payment::PaymentError;
use semper_tinguin::screen;

use semper_runtime::Stop;
use semper_runtime::context::Deal;

use super::later;
use crate::exchange::{DealHolder, Machine, Stored};
use crate::host::{Host, Own, evidence};
use crate::means::Means;

/// Shortest pause between two looks at an exchange.
pub(super) const SHORTEST: Duration = Duration::from_millis(250);
/// Longest one.
const LONGEST: Duration = Duration::from_secs(30);
/// Media type of canonical CBOR.
const CBOR: &str = "application/cbor";
/// Largest fact of a payment system, in bytes.
const MAX_FACT: usize = 128 * 1024;

/// An exchange in memory.
pub(super) struct Live {
    pub deal: Arc<Deal>,
    /// What the deal began with.
    means: Arc<Means>,
    pub stored: Stored,
    /// Where the other side is reached, if we connect.
    pub address: String,
    /// Messages that have not been taken by the other side.
    pub unsent: Vec<Message<Standard>>,
    /// The other side's last message: it need not say that again.
    pub heard: Option<semper_base::Digest>,
    /// How long the other side has before the third party is asked.
    patience: Duration,
    /// From when on the other side's time counts.
    since: Instant,
    /// When something last changed.
    changed: Instant,
    pause: Duration,
    fresh: bool,
    /// Whether somebody talks to the other side about it.
    pub conversing: bool,
}

impl Live {
    pub(super) fn new(own: Own, stored: Stored, address: String) -> Self {
        let patience = own.means.trust.exchange.patience;
        Self {
            deal: own.deal,
            means: own.means,
            stored,
            address,
            unsent: Vec::new(),
            heard: None,
            patience,
            since: Instant::now(),
            changed: Instant::now(),
            pause: SHORTEST,
            fresh: true,
            conversing: false,
        }
    }

    /// The way to others.
    pub(super) fn net(&self) -> &Client {
        &self.means.net
    }

    /// Whether there is nothing more to do.
    pub(super) fn is_closed(&self) -> bool {
        let machine = &self.stored.machine;
        machine.end().is_some() && machine.kept().owed.is_none() && self.unsent.is_empty()
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
        self.has().map(|has| has.saturating_sub(self.since.elapsed()))
    }

    /// What is to happen now, besides saying again what is under way.
    pub(super) fn due(&mut self) -> Option<Event<Standard>> {
        if std::mem::take(&mut self.fresh) {
            let begins = matches!(&self.stored.machine, Machine::Originator(it) if it.state == Originating::Idle);
            return begins.then_some(Event::Start);
        }
        if self.left().is_some_and(|left| left.is_zero()) {
            self.since = Instant::now();
            let idle = matches!(&self.stored.machine, Machine::Responder(it) if it.state == Responding::Idle);
            // Nothing has been promised yet.
            return Some(if idle { Event::Cancel } else { Event::TimeUp });
        }
        None
    }

    /// Until the next look.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.left().map_or(self.pause, |left| self.pause.min(left.max(SHORTEST)));
        self.pause = (self.pause * 2).min(LONGEST);
        pause
    }

    /// Whether nothing has changed since then.
    pub(super) fn stands_since(&self, then: Instant) -> bool {
        self.changed <= then
    }

    fn progressed(&mut self) {
        self.changed = Instant::now();
        (self.since, self.pause) = (Instant::now(), SHORTEST);
    }
}

impl Host {
    /// Something happens to an exchange, and what follows from it.
    pub(super) fn happens(
        self: &Arc<Self>,
        live: &mut Live,
        event: Event<Standard>,
    ) -> Result<(), Stop> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let holder = DealHolder::new(self.tinguin(), live.deal.id, &live.stored.enclosed.1);
            let before = live.stored.machine.clone();
            let (machine, effects) =
                before.step(event, Timestamp::now(), &holder).map_err(|away| later(&away))?;
            let mut next = Stored { machine, ..live.stored.clone() };
            next.opened.extend(holder.into_opened());
            let ended = effects.iter().any(|it| matches!(it, Effect::Ended(_)));
            if effects.contains(&Effect::Persist) {
                self.store_exchange(&live.deal, &next, ended)?;
                live.progressed();
            }
            live.stored = next;
            for effect in effects {
                events.extend(self.perform(live, effect));
            }
        }
        Ok(())
    }

    fn store_exchange(&self, deal: &Deal, next: &Stored, ended: bool) -> Result<(), Stop> {
        let at = Timestamp::now();
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

    /// Does what the machine wants done; what that leads to.
    fn perform(
        self: &Arc<Self>,
        live: &mut Live,
        effect: Effect<Standard>,
    ) -> Option<Event<Standard>> {
        match effect {
            Effect::Persist => {
                self.signal(live.deal.id).bump();
                None
            }
            Effect::Send(message) => {
                if !live.unsent.contains(&message) {
                    self.progress(live.deal.id, says(&message).to_owned());
                    live.unsent.push(message);
                }
                None
            }
            Effect::Ask(request) => {
                let text = "the third party is asked about the exchange".to_owned();
                self.progress(live.deal.id, text);
                self.ask_third_party(live, &request).map(Event::Answer)
            }
            Effect::Hold(order) => self.hold(live, &order),
            Effect::Claim(claimed) => self.claim(live, claimed).map(Event::Fact),
            Effect::Ended(end) => {
                self.progress(live.deal.id, format!("the exchange is over: {end}"));
                self.wake(live.deal.id);
                None
            }
        }
    }

    fn ask_third_party(
        &self,
        live: &Live,
        request: &Request<Standard>,
    ) -> Option<Answer<Standard>> {
        let named = &live.stored.machine.agreement().third_party;
        // Where it is now, if the present trust file knows; the agreement fixes who it is.
        let (now, then) = (&self.means().trust, &live.means.trust);
        let third = now.third_parties.iter().chain(&then.third_parties);
        let Some(third) = third.into_iter().find(|it| it.named == *named) else {
            let text = format!("{} is in no trust file of this home", named.origin);
            self.progress(live.deal.id, text);
            return None;
        };
        let url = format!("{}{REQUESTS}", third.address);
        match live.means.net.post(&url, CBOR, cbor::encode(request), MAX_ANSWER) {
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

    /// Has our payment system hold or pay what was agreed to.
    fn hold(&self, live: &Live, order: &Order<Standard>) -> Option<Event<Standard>> {
        let held = self.hold_or_stop(live, order);
        match held {
            Ok(fact) => Some(Event::Fact(fact)),
            Err(Some(words)) => {
                let text = format!("the money for the exchange was not locked: {words}");
                self.progress(live.deal.id, text);
                Some(Event::Refused)
            }
            Err(None) => None,
        }
    }

    /// The payment system's word; its refusal, or none when it does not answer now.
    fn hold_or_stop(
        &self,
        live: &Live,
        order: &Order<Standard>,
    ) -> Result<Signed<Standard, Fact<Standard>>, Option<String>> {
        let away = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "money cannot be locked now");
            None
        };
        let module = live.means.payments.module(&live.deal.agreement.payment);
        let module = module.map_err(|error| Some(error.to_string()))?;
        let content = order.statement(module.system().to_owned(), module.account().to_owned());
        let content = Content::HoldOrder(content);
        let statement = Statement { deal: live.deal.id, made: Timestamp::now(), content };
        let signed = self.tinguin().sign_hold(&statement).map_err(|error| away(&error))?;
        fault::point("exchange.hold");
        let fact = module.hold(&signed).map_err(|error| match error {
            PaymentError::Away(_) => away(&error),
            other => Some(other.to_string()),
        })?;
        fault::point("exchange.held");
        cbor::decode(&fact, MAX_FACT).map_err(|error| away(&error))
    }

    fn claim(
        &self,
        live: &Live,
        claimed: Claimed<Standard>,
    ) -> Option<Signed<Standard, Fact<Standard>>> {
        let agreement = live.stored.machine.agreement();
        let request = ClaimRequest {
            exchange: agreement.subject(),
            leaf: party::money_leaf(agreement, claimed.payer)?,
            third_party: agreement.third_party.sign,
            claim: claimed.claim,
        };
        let module = live.means.payments.module(&live.deal.agreement.payment).ok()?;
        let fact = module.claim(&cbor::encode(&request));
        let fact = fact.inspect_err(|error| tracing::warn!(%error, "money cannot be claimed now"));
        let fact = cbor::decode(&fact.ok()?, MAX_FACT);
        fact.inspect_err(|error| tracing::warn!(%error, "a payment system's word is no word")).ok()
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
            if let Ok((_, effects)) = machine.step(Event::Resend, Timestamp::now(), &holder) {
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
