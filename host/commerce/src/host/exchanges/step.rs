//! One step of an exchange: the machine's, then what it wants done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::Write;
use semper_base::{Clock, Timestamp, cbor, fault};
use semper_exchange::crypto::HolderError;
use semper_exchange::driven::{Errand, Patience, Task, Underway, Whom};
use semper_exchange::package::{self, Part};
use semper_exchange::party::{Effect, Event};
use semper_exchange::standard::Standard;
use semper_exchange::{End, Message, Role};
use semper_items::Side;
use semper_runtime::{Deal, Stop};
use semper_tinguin_protocol::screen;

use super::desk::{Came, Desk, Letter};
use super::later;
use crate::exchange::{DealHolder, Stored};
use crate::host::{Host, Own, evidence};
use crate::means::Means;

/// Shortest pause between two looks at an exchange.
pub(super) const SHORTEST: Duration = Duration::from_millis(250);
/// Longest one.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// How often a bank is asked, after the last date, where the money is that nobody can move any more.
pub(super) const LOOKS: u32 = 5;

/// An exchange in memory.
pub(super) struct Live {
    pub deal: Arc<Deal>,
    /// What the deal began with.
    pub means: Arc<Means>,
    pub stored: Stored,
    /// Where the other side is reached, if we connect.
    pub address: String,
    /// What is to be said, and whom others are being asked for.
    pub underway: Underway<Standard>,
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
    /// When the other side is spoken to again that did not answer, and the pause after that.
    again: Option<Instant>,
    hush: Duration,
    /// Whether payment system and third party have not answered when they were last asked.
    silent: (bool, bool),
    /// How often a bank has been asked since it is over.
    pub looks: u32,
    /// Whether something is being said to the other side now.
    pub conversing: bool,
    /// How often that has been tried one after the other.
    pub turns: usize,
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
            underway: Underway::default(),
            heard: None,
            patience,
            clock,
            since: now,
            changed: now,
            pause: SHORTEST,
            again: None,
            hush: SHORTEST,
            silent: (false, false),
            looks: 0,
            conversing: false,
            turns: 0,
        }
    }

    /// Whether there is nothing more to do, and nobody is being asked any more.
    pub(super) fn is_closed(&self) -> bool {
        let over = self.stored.machine.is_closed() && !self.stored.unsaid;
        over && !self.conversing && self.underway.is_idle()
    }

    /// Whether the other side is waited for, and no payment system and no third party.
    pub(super) fn listens(&self) -> bool {
        self.stored.machine.listens()
    }

    /// Whether it came to nothing: whoever still asks hears so.
    pub(super) fn is_undone(&self) -> bool {
        !matches!(self.stored.machine.end(), None | Some(End::Done | End::Completed))
    }

    /// Whether there is something to say to the other side, or to hear of it.
    pub(super) fn speaks(&self) -> bool {
        !self.underway.unsent().is_empty()
            || (self.listens() && self.left().is_some_and(|it| !it.is_zero()))
    }

    /// How long what is waited for now may take; `None` if nothing else would come of waiting
    /// longer.
    pub(super) fn has(&self) -> Option<Duration> {
        self.stored.machine.patience().map(|it| match it {
            Patience::Whole => self.patience,
            Patience::Half => self.patience / 2,
        })
    }

    /// How much of that is left.
    pub(super) fn left(&self) -> Option<Duration> {
        self.has().map(|has| {
            has.saturating_sub(self.clock.instant().saturating_duration_since(self.since))
        })
    }

    /// What is to happen now, besides doing again what is under way.
    fn due(&self, now: Timestamp) -> Option<Event<Standard>> {
        let late = self.left().is_some_and(|left| left.is_zero());
        // A bank that is asked where the money is in the end has the time to say it.
        let is_asked = self.stored.machine.end().is_some() && self.looks < LOOKS;
        let due = self.stored.machine.due(late, now);
        due.filter(|it| !(is_asked && *it == Event::LastDate))
    }

    /// When to look next.
    pub(super) fn next_look(&self) -> Instant {
        let pause = self.left().map_or(self.pause, |left| self.pause.min(left.max(SHORTEST)));
        let next = self.clock.instant() + pause;
        self.again.map_or(next, |again| again.min(next))
    }

    /// The other side does not answer: it is spoken to again soon, then more slowly.
    fn is_not_answered(&mut self) {
        self.conversing = false;
        self.again = Some(self.clock.instant() + self.hush);
        self.hush = (self.hush * 2).min(LONGEST);
    }

    /// The other side answers.
    pub(super) fn is_answered(&mut self) {
        self.conversing = false;
        (self.again, self.hush) = (None, SHORTEST);
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
            Letter::Back(errand, came) => {
                let next = live.underway.back(errand);
                self.says_who_is_silent(live, errand, came.is_none());
                if errand == Errand::Bank && live.stored.machine.end().is_some() {
                    live.looks += 1;
                }
                let happened = came.map_or(Ok(()), |Came { event, why }| {
                    if let Some(why) = why {
                        self.progress(live.deal.id, why.clone());
                        live.stored.why = Some(why);
                    }
                    self.happens(desk, live, event)
                });
                let next = next.map_or(Ok(()), |task| self.perform(desk, live, task));
                happened.and(next)
            }
            Letter::Said(said, answer) => self.heard(desk, live, &said, answer),
            Letter::Unsaid => {
                live.is_not_answered();
                Ok(())
            }
            Letter::Over => self.hears_that_it_is_over(desk, live),
        }
    }

    /// Tells the person once that somebody does not answer, and again when that was over meanwhile.
    fn says_who_is_silent(&self, live: &mut Live, errand: Errand, silent: bool) {
        let was = match errand {
            Errand::Bank => &mut live.silent.0,
            Errand::ThirdParty => &mut live.silent.1,
        };
        if silent && !std::mem::replace(was, true) {
            let whom = match errand {
                Errand::Bank => Whom::Bank,
                Errand::ThirdParty => Whom::ThirdParty,
            };
            let until = live.stored.machine.agreement().closed_at();
            let text = format!("{whom} does not answer; it is asked again, until {until} at most");
            self.progress(live.deal.id, text);
        }
        *was = silent;
    }

    /// What is due, and what was asked of others and not answered, which is asked again.
    fn look(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live) -> Result<(), Stop> {
        let begun = self.instant();
        live.again = None;
        // The person wants to leave the deal: so far as it can still be given up, it is.
        if live.stored.machine.end().is_none() && self.archive().cancel(live.deal.id)?.is_some() {
            self.happens(desk, live, Event::Cancel)?;
        }
        live.pause = (live.pause * 2).min(LONGEST);
        if self.now() >= live.stored.machine.agreement().closed_at() {
            self.is_said(live)?;
        }
        self.what_is_due(desk, live)?;
        if live.stands_since(begun) {
            self.happens(desk, live, Event::Resend)?;
        }
        if let Some(last) = live.stored.unsaid() {
            live.underway.take(Effect::Send(last));
        }
        live.turns = 0;
        if live.deal.side == Side::Buyer && live.speaks() {
            self.converse(desk, live);
        }
        Ok(())
    }

    /// What was said last has been taken, or nobody will take it any more.
    pub(super) fn is_said(&self, live: &mut Live) -> Result<(), Stop> {
        if live.stored.unsaid {
            if live.stored.machine.is_closed() {
                self.archive().commit(vec![Write::ExchangeClosed(live.stored.id())])?;
            }
            live.stored.unsaid = false;
        }
        Ok(())
    }

    fn what_is_due(self: &Arc<Self>, desk: &Arc<Desk>, live: &mut Live) -> Result<(), Stop> {
        let Some(event) = live.due(self.now()) else { return Ok(()) };
        let waited = matches!(event, Event::TimeUp | Event::Cancel);
        self.happens(desk, live, event)?;
        if waited {
            live.since = self.instant();
        }
        Ok(())
    }

    /// Something happens to an exchange, and what follows from it.
    pub(super) fn happens(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        event: Event<Standard>,
    ) -> Result<(), Stop> {
        let holder = DealHolder::new(self.tinguin(), live.deal.id, &live.stored.enclosed.1);
        let before = live.stored.machine.clone();
        let (machine, effects) = match before.step(event, self.now(), &holder) {
            Ok(stepped) => stepped,
            Err(HolderError::Denied { kind, why }) => {
                self.progress(
                    live.deal.id,
                    format!("your TINGUIN does not sign for the exchange ({kind}): {why}"),
                );
                return self.happens(desk, live, Event::Denied { kind });
            }
            Err(away) => return Err(later(&away)),
        };
        let mut next = Stored { machine, ..live.stored.clone() };
        next.opened.extend(holder.into_opened());
        let ended = effects.iter().any(|it| matches!(it, Effect::Ended(_)));
        // A merchant says it to whoever asks; a buyer has to say it by itself, also after a crash.
        let speaks = effects.iter().any(|it| matches!(it, Effect::Send(_)));
        next.unsaid |= ended && speaks && live.deal.side == Side::Buyer;
        // One that nobody has decided in time is over when its bank has said where its money is, too.
        let settled = next.is_settled() && !live.stored.is_settled();
        if effects.contains(&Effect::Persist) {
            self.store_exchange(&live.deal, &next, settled)?;
            live.progressed();
        }
        live.stored = next;
        if settled && !ended {
            self.wake(live.deal.id);
        }
        live.underway.keep_meant(&live.stored.machine);
        let mut done = Ok(());
        for effect in effects {
            if let Effect::Send(message) = &effect
                && !live.underway.unsent().contains(message)
            {
                self.progress(live.deal.id, says(message).to_owned());
            }
            if let Some(task) = live.underway.take(effect) {
                done = done.and(self.perform(desk, live, task));
            }
        }
        done
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

    /// Does what is to be done now; what others are asked comes back as a letter.
    fn perform(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        live: &mut Live,
        task: Task<Standard>,
    ) -> Result<(), Stop> {
        match task {
            Task::Stored => self.signal(live.deal.id).bump(),
            Task::Sign => return self.happens(desk, live, Event::Sign),
            Task::Say if live.deal.side == Side::Buyer => self.converse(desk, live),
            Task::Say => {}
            Task::ThirdParty(request) => self.ask_third_party(desk, live, *request),
            Task::Bank(what) => self.ask_bank(desk, live, what),
            Task::Ended(end) => {
                let why = live.stored.why.iter().map(|why| format!("; {why}")).collect::<String>();
                self.progress(live.deal.id, format!("the exchange is over: {end}{why}"));
                self.wake(live.deal.id);
            }
        }
        Ok(())
    }

    /// A letter has come from outside, while nobody waits for what becomes of it.
    pub(super) fn arrives(self: &Arc<Self>, desk: &Arc<Desk>, letter: Letter) {
        if let Err(error) = self.deliver(desk, [letter]) {
            tracing::debug!(exchange = %desk.id, %error, "an exchange waits");
        }
    }

    /// What a merchant's machine has to say to whoever asks, apart from `heard`.
    pub(super) fn sends(
        &self,
        live: &mut Live,
        heard: Option<semper_base::Digest>,
    ) -> Vec<Message<Standard>> {
        let mut messages = live.underway.unsent().to_vec();
        live.underway.said(&messages);
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
    let why = stored.why.iter().map(|why| format!("; {why}")).collect::<String>();
    format!("fair exchange of {gave} for {got}: {end}{why}")
}
