//! The desk of one exchange. Letters wait on it: a look that is due, messages of the other side,
//! answers of those who were asked. Whoever brings one works on the exchange, if nobody does, and
//! deals with all letters that come meanwhile; so the machine takes one step after the other, and
//! no lock is held while it does.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use semper_base::{DealId, ExchangeId};
use semper_exchange::driven::Errand;
use semper_exchange::party::Event;
use semper_exchange::standard::Standard;
use semper_runtime::Stop;

use super::lane::Said;
use super::step::Live;
use crate::host::Host;
use crate::host::schedule::lock;

/// Letters that wait at most: more come from nobody who means well.
const MOST: usize = 64;

/// Something that an exchange's worker is to deal with.
pub(super) enum Letter {
    /// It is time to look after it.
    Look,
    /// Something has happened.
    Event(Event<Standard>),
    /// An errand has come back, perhaps with an answer.
    Back(Errand, Option<Came>),
    /// What was said to the other side has arrived, and what it says, if anything.
    Said(Said, Option<Said>),
    /// The other side does not answer.
    Unsaid,
    /// The other side says that it has come to nothing.
    Over,
}

impl Letter {
    /// Whether somebody was sent for it.
    const fn is_answer(&self) -> bool {
        matches!(self, Self::Back(..) | Self::Said(..) | Self::Unsaid)
    }
}

/// What an errand has come back with.
pub(super) struct Came {
    /// What it is to the machine.
    pub event: Event<Standard>,
    /// Why it is so, in words for the person.
    pub why: Option<String>,
}

impl From<Event<Standard>> for Came {
    fn from(event: Event<Standard>) -> Self {
        Self { event, why: None }
    }
}

/// The desk of one exchange.
pub(super) struct Desk {
    pub id: ExchangeId,
    pub deal: DealId,
    mail: Mutex<Mail>,
}

struct Mail {
    /// The exchange; whoever works on it has taken it.
    live: Option<Box<Live>>,
    letters: VecDeque<Letter>,
}

impl Desk {
    pub(super) fn new(live: Live) -> Self {
        let (id, deal) = (live.stored.id(), live.deal.id);
        Self {
            id,
            deal,
            mail: Mutex::new(Mail { live: Some(Box::new(live)), letters: VecDeque::new() }),
        }
    }

    /// Puts letters there, and takes the exchange if nobody works on it.
    fn put(&self, letters: impl IntoIterator<Item = Letter>) -> Option<Box<Live>> {
        let mut mail = lock(&self.mail);
        for letter in letters {
            // What was asked is not asked again before it has come back, so that there are only
            // a few answers, and none may be lost; everything else may be said again.
            if mail.letters.len() < MOST || letter.is_answer() {
                mail.letters.push_back(letter);
            }
        }
        mail.live.take()
    }

    /// The next letter, or the exchange is put back.
    fn next(&self, live: &mut Option<Box<Live>>) -> Option<Letter> {
        let mut mail = lock(&self.mail);
        let letter = mail.letters.pop_front();
        if letter.is_none() {
            mail.live = live.take();
        }
        letter
    }
}

/// Forgets the desk of an exchange whose worker has panicked: it begins anew from the archive.
struct Guard<'a> {
    host: &'a Host,
    id: ExchangeId,
    done: bool,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.host.clear(self.id);
            self.host.exchanges.at(self.id, self.host.instant() + super::step::LONGEST);
        }
    }
}

impl Host {
    /// Brings letters to a desk, and deals with them and all others that wait, if nobody else does.
    ///
    /// # Errors
    /// The first failure: a store or the TINGUIN that does not answer. What the letter was about
    /// comes again.
    pub(super) fn deliver(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        letters: impl IntoIterator<Item = Letter>,
    ) -> Result<(), Stop> {
        let Some(live) = desk.put(letters) else { return Ok(()) };
        let mut guard = Guard { host: self, id: desk.id, done: false };
        let (mut taken, mut failed) = (Some(live), Ok(()));
        let (mut closed, mut again) = (false, None);
        while let Some(live) = taken.as_mut() {
            closed = live.is_closed();
            again = (!closed).then(|| live.next_look());
            let Some(letter) = desk.next(&mut taken) else { break };
            let Some(live) = taken.as_mut() else { break };
            let dealt = self.deal_with(desk, live, letter);
            failed = failed.and(dealt);
        }
        guard.done = true;
        if closed {
            self.clear(desk.id);
        }
        if let Some(at) = again {
            self.exchanges.at(desk.id, at);
        }
        // Whoever holds a question of the other side's looks whether there is an answer now.
        self.signal(desk.deal).bump();
        failed
    }

    /// Does something with an exchange, if nobody works on it now.
    pub(super) fn with_desk<T>(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        work: impl FnOnce(&mut Live) -> T,
    ) -> Option<T> {
        let live = desk.put([])?;
        let mut guard = Guard { host: self, id: desk.id, done: false };
        let mut taken = Some(live);
        let done = taken.as_mut().map(|live| work(live));
        // A letter that has come meanwhile is dealt with when the exchange is looked after.
        let mut mail = lock(&desk.mail);
        let waits = !mail.letters.is_empty();
        mail.live = taken;
        drop(mail);
        guard.done = true;
        if waits {
            self.tend(desk.id);
        }
        done
    }
}
