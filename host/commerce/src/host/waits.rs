//! Waiting: for messages, dates, answers, or the person's leaving. A wait keeps its activation
//! for a short grace; then the deal leaves memory, and what it waits for is stored with it.
//!
//! Two threads of a host wake deals: one looks at dates and cancellations, one listens to the
//! TINGUIN. Neither costs a deal anything.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use semper_archive::{ArchiveError, MessageRow};
use semper_base::{DealId, Digest, Timestamp};
use semper_keeper::{Panicked, Post, Turn};
use semper_payment::PaymentError;
use semper_runtime::Deal;
use semper_runtime::stop::{Cause, Stop, Verdict, Waiting};
use semper_runtime::world::{Came, Wanted, farewell};
use semper_tinguin_protocol::screen::Question;
use semper_tinguin_protocol::{Answer, ClientError};

use super::Host;
use crate::elsewhere::Who;
use crate::errands::{Awaited, FEW};

/// How often dates and cancellations are looked for. Clocks may jump, so it is not only the
/// nearest date that counts.
const LOOK: Duration = Duration::from_millis(250);
/// Shortest pause between two looks.
const SHORTEST: Duration = Duration::from_millis(5);
/// How long a watch is held before the TINGUIN counts as silent: it gives it back sooner.
const SILENT: Duration = Duration::from_secs(30);
/// Deals that one look wakes at most.
const BATCH: usize = 1_000;

/// Why there is no decision.
#[derive(Debug)]
pub(crate) enum Undecided {
    /// The TINGUIN does not answer, or the person says no.
    Client(ClientError),
    /// The deal cannot wait for it now.
    Stop(Stop),
}

impl Host {
    /// Waits for the first of these; `cancel` is whether the person wants to leave, if that is
    /// known already. A wait when nothing has come within the grace.
    pub(crate) fn first_of(
        &self,
        deal: &Deal,
        next: u64,
        wanted: &Wanted,
        cancel: Option<Option<String>>,
    ) -> Result<Came, Stop> {
        let came = self.first_of_or_stop(deal, next, wanted, cancel);
        // What is only put off is still asked.
        let open = matches!(&came, Ok(Came::Answer(_)) | Err(Stop::Pause(_) | Stop::Doubt(_)));
        if let (Some(key), false) = (wanted.key.filter(|_| wanted.question.is_some()), open) {
            self.takes_back(key);
        }
        came
    }

    fn first_of_or_stop(
        &self,
        deal: &Deal,
        next: u64,
        wanted: &Wanted,
        mut cancel: Option<Option<String>>,
    ) -> Result<Came, Stop> {
        let signal = self.signal(deal.id);
        let patience = self.instant() + self.parts.grace;
        let mut known = false;
        loop {
            let seen = signal.count();
            if let Some(row) = self.archive().message(deal.id, false, next)? {
                if wanted.message {
                    return Ok(Came::Message(row.digest));
                }
                self.not_ended(&row)?;
            }
            let leaving = match cancel.take() {
                Some(known) => known,
                None => self.archive().cancel(deal.id)?,
            };
            if let Some(reason) = leaving {
                return Ok(Came::Cancelled(reason));
            }
            let now = self.now();
            if wanted.until.is_some_and(|until| until <= now) {
                return Ok(Came::Time(now));
            }
            not_expired(deal, now)?;
            if let (Some(question), Some(key)) = (&wanted.question, wanted.key) {
                if let Some(answer) = self.put(deal, key, question, Duration::ZERO)? {
                    return Ok(Came::Answer(answer));
                }
                if !known {
                    // An answer between that look and this line would not have been heard of.
                    self.schedule.asks(key, deal.id);
                    known = true;
                    continue;
                }
            }
            let mut left = patience.saturating_duration_since(self.instant());
            if let Some(until) = wanted.until {
                left = left.min(until.since(now));
            }
            let patient = !patience.saturating_duration_since(self.instant()).is_zero();
            if !patient || (!signal.wait(seen, left) && self.instant() >= patience) {
                return Err(Stop::wait(waiting(deal, next, wanted)));
            }
        }
    }

    /// Puts a question to whoever answers it, and waits no longer than so.
    pub(crate) fn put(
        &self,
        deal: &Deal,
        key: Digest,
        question: &Question,
        wait: Duration,
    ) -> Result<Option<Answer>, ClientError> {
        let elsewhere = self.parts.elsewhere.as_ref();
        let who = elsewhere.map_or(Who::Person(None), |it| it.who(deal, key, question));
        let (tinguin, question) = (self.tinguin(), question.clone());
        match who {
            Who::Person(filled) => tinguin.pose_filled(key, deal.id, (question, filled), wait),
            Who::Answered(filled) => tinguin.fill(key, deal.id, question, filled).map(Some),
            Who::Elsewhere => {
                let answer = tinguin.look(key, question.clone())?;
                match (&answer, elsewhere) {
                    (Some(_), Some(it)) => it.over(key),
                    (None, Some(it)) => it.waits(deal, key, question),
                    (_, None) => {}
                }
                Ok(answer)
            }
        }
    }

    /// A question is not waited for any more.
    fn takes_back(&self, key: Digest) {
        if let Some(elsewhere) = &self.parts.elsewhere {
            elsewhere.over(key);
        }
        self.tinguin().withdraw(key);
    }

    /// Waits for the person's decision; `Err` inside is the reason for which she leaves the
    /// deal. `pose` asks, and waits no longer than it is told.
    pub(crate) fn decision<T>(
        &self,
        deal: &Deal,
        next: u64,
        key: Digest,
        cancel: Option<Option<String>>,
        mut pose: impl FnMut(Duration) -> Result<Option<T>, ClientError>,
    ) -> Result<Result<T, String>, Undecided> {
        let stop = |error| Undecided::Stop(Stop::from(error));
        let row = self.archive().message(deal.id, false, next).map_err(stop)?;
        let gone = row.map_or(Ok(()), |row| self.not_ended(&row));
        let lasting = gone.and_then(|()| not_expired(deal, self.now()));
        if let Err(over) = lasting {
            self.takes_back(key);
            return Err(Undecided::Stop(over));
        }
        let leaving = match cancel {
            Some(known) => known,
            None => self.archive().cancel(deal.id).map_err(stop)?,
        };
        // A service that knows of the wish tidies up; its questions stand, or a second wish would
        // spoil what the first has begun. It hears of the second at its next wait.
        if let Some(reason) = leaving
            && !self.archive().was_told(deal.id).map_err(stop)?
        {
            self.takes_back(key);
            return Ok(Err(reason));
        }
        if let Some(answer) = pose(self.parts.grace).map_err(Undecided::Client)? {
            return Ok(Ok(answer));
        }
        // An answer between that look and this line would not have been heard of.
        self.schedule.asks(key, deal.id);
        if let Some(answer) = pose(Duration::ZERO).map_err(Undecided::Client)? {
            return Ok(Ok(answer));
        }
        let elsewhere = self.parts.elsewhere.as_ref().is_some_and(|it| it.is_elsewhere(key));
        let what = match elsewhere {
            true => "an answer of the application that has begun it".to_owned(),
            false => "your decision, in the TINGUIN".to_owned(),
        };
        let until = Some(deal.agreement.expires);
        let (message, question) = (Some(next), Some(key));
        let waiting = Waiting { what, message, until, question, ..Waiting::default() };
        Err(Undecided::Stop(Stop::wait(waiting)))
    }

    /// Has a payment system asked as an errand, and waits for the answer within the grace; nothing
    /// when it has not come: the deal is woken when it does. `key` names what is asked, `line` whom.
    pub(crate) fn await_bank<T: Send + 'static>(
        self: &Arc<Self>,
        answers: fn(&Self) -> &Awaited<Result<T, PaymentError>>,
        deal: DealId,
        (key, line): (Digest, &str),
        ask: impl FnOnce() -> Result<T, PaymentError> + Send + 'static,
    ) -> Option<Result<T, PaymentError>> {
        let signal = self.signal(deal);
        if answers(self).begin(key) {
            let told = Told { host: Arc::clone(self), answers, deal, key, told: false };
            self.errands.run(line, FEW, ask, move |answer| {
                let broken = |panicked: Panicked| Err(PaymentError::Broken(panicked.to_string()));
                told.tell(answer.unwrap_or_else(broken));
            });
        }
        let patience = self.instant() + self.parts.grace;
        loop {
            let seen = signal.count();
            if let Some(answer) = answers(self).take(key) {
                return Some(answer);
            }
            let left = patience.saturating_duration_since(self.instant());
            if left.is_zero() || !signal.wait(seen, left) {
                return answers(self).leave(key);
            }
        }
    }

    /// The other side may have ended the deal while we wait for something else.
    fn not_ended(&self, row: &MessageRow) -> Result<(), Stop> {
        match farewell(&row.bytes) {
            Some(said) => Err(Verdict::new(Cause::PeerEnded(said)).into()),
            None => Ok(()),
        }
    }
}

/// Whoever waits for a payment system hears something, also when nobody could be sent to ask.
struct Told<T: Send + 'static> {
    host: Arc<Host>,
    answers: fn(&Host) -> &Awaited<Result<T, PaymentError>>,
    deal: DealId,
    key: Digest,
    told: bool,
}

impl<T: Send + 'static> Told<T> {
    fn tell(mut self, answer: Result<T, PaymentError>) {
        self.told = true;
        self.say(answer);
    }

    fn say(&self, answer: Result<T, PaymentError>) {
        match (self.answers)(&self.host).came(self.key, answer) {
            true => self.host.wake(self.deal),
            false => self.host.signal(self.deal).bump(),
        }
    }
}

impl<T: Send + 'static> Drop for Told<T> {
    fn drop(&mut self) {
        if !self.told {
            self.say(Err(PaymentError::Away("nobody could be sent there".into())));
        }
    }
}

fn not_expired(deal: &Deal, now: Timestamp) -> Result<(), Stop> {
    let end = deal.agreement.expires;
    if now >= end { Err(Verdict::new(Cause::Expired(end)).into()) } else { Ok(()) }
}

fn waiting(deal: &Deal, next: u64, wanted: &Wanted) -> Waiting {
    let mut words = Vec::new();
    if wanted.message {
        words.push(format!("message {next} of the other side"));
    }
    if let Some(until) = wanted.until {
        words.push(until.to_string());
    }
    if let Some(question) = &wanted.question {
        words.push(format!("your answer to “{}”", question.topic()));
    }
    let end = deal.agreement.expires;
    Waiting {
        what: words.join(", or "),
        // Another message than one that is wanted may be the other side's end.
        message: Some(next),
        wants_message: wanted.message,
        until: Some(wanted.until.map_or(end, |until| until.min(end))),
        question: wanted.key.filter(|_| wanted.question.is_some()),
        exchange: None,
    }
}

/// Wakes deals whose date has come, and those that the person wants to leave.
#[derive(Default)]
pub(super) struct Clock {
    /// Deals that have been woken because the person wants to leave them.
    told: HashSet<DealId>,
    /// The archive's state at the last look, and the next date in it.
    seen: Option<(u64, Option<Timestamp>)>,
}

impl Clock {
    /// Looks at what is due. As long as nothing is stored and no date comes, that costs one question
    /// to the store about itself.
    pub(super) fn look(&mut self, host: &Host) -> Turn {
        // Before the look: what is stored meanwhile is looked at the next time.
        let (now, state) = (host.now(), host.archive().state().ok());
        let known = self.seen.filter(|seen| Some(seen.0) == state).map(|seen| seen.1);
        let next = match known {
            Some(next) if next.is_none_or(|next| next > now) => next,
            _ => match self.look_through(host) {
                Ok(next) => {
                    self.seen = state.map(|state| (state, next));
                    next
                }
                Err(error) => {
                    tracing::warn!(%error, "dates cannot be looked up");
                    self.seen = None;
                    None
                }
            },
        };
        let pause = next.map_or(LOOK, |next| next.since(host.now()).min(LOOK));
        Turn::Wait(pause.max(SHORTEST))
    }

    /// Wakes what is due, and what the person wants to leave; the next date.
    fn look_through(&mut self, host: &Host) -> Result<Option<Timestamp>, ArchiveError> {
        let due = host.archive().due(host.now(), BATCH)?;
        let cancelled = host.archive().cancelled()?;
        due.into_iter().for_each(|id| host.wake_if_idle(id));
        self.told.retain(|id| cancelled.contains(id));
        for id in cancelled {
            if self.told.insert(id) {
                host.wake(id);
                host.tend_exchanges_of(id);
            }
        }
        host.archive().next_date()
    }
}

/// Wakes deals whose questions have been answered.
pub(super) struct Decisions {
    epoch: Digest,
    after: u64,
    /// Whether the TINGUIN was away at the last look.
    away: bool,
}

impl Default for Decisions {
    fn default() -> Self {
        Self { epoch: Digest::ZERO, after: 0, away: false }
    }
}

impl Decisions {
    pub(super) fn hear(&mut self, host: &Weak<Host>, post: &Post) -> Turn {
        let Some(alive) = host.upgrade() else { return Turn::End };
        let (tinguin, clock) = (alive.tinguin().clone(), Arc::clone(alive.clock()));
        drop(alive);
        let until = clock.instant() + SILENT;
        // Held by the TINGUIN until there is news; the host may go meanwhile.
        let stands = || host.strong_count() > 0 && !post.ending().is_over();
        let news = tinguin.watch(self.epoch, self.after, &|| stands() && clock.instant() < until);
        // What became of the watch says nothing about the TINGUIN when it is we who end.
        let Some(host) = host.upgrade().filter(|_| stands()) else { return Turn::End };
        match news {
            Ok(Some(news)) => {
                self.is_there(post);
                (self.epoch, self.after) = (news.epoch, news.last);
                host.answered(news.answered.as_deref());
                Turn::Again
            }
            Ok(None) => {
                if clock.instant() >= until {
                    self.is_away(post, "it is silent");
                }
                Turn::Again
            }
            Err(error) => {
                self.is_away(post, &error.to_string());
                Turn::Wait(Duration::from_secs(1))
            }
        }
    }

    fn is_there(&mut self, post: &Post) {
        if std::mem::take(&mut self.away) {
            tracing::info!("the TINGUIN answers again");
        }
        post.well();
    }

    /// Nothing can be signed: whoever watches over this host is told, the log once.
    fn is_away(&mut self, post: &Post, why: &str) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(why, "the TINGUIN does not answer; nothing is signed until it does");
        }
        post.ill("the TINGUIN does not answer: nothing can be signed");
    }
}

impl Host {
    /// Questions have been answered; all of them, for all we know, without a list.
    fn answered(self: &Arc<Self>, answered: Option<&[Digest]>) {
        let mut woken = self.schedule.asking(answered);
        let asleep = match answered {
            Some(keys) => keys
                .iter()
                .map(|key| self.archive().asking(Some(*key)))
                .collect::<Result<Vec<_>, _>>()
                .map(|all| all.concat()),
            None => self.archive().asking(None),
        };
        match asleep {
            Ok(asleep) => woken.extend(asleep),
            Err(error) => tracing::warn!(%error, "deals with questions cannot be looked up"),
        }
        for id in woken {
            self.wake(id);
        }
    }
}
