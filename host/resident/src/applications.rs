//! Business applications: which purchases they have begun, which questions wait for their answers,
//! what has happened there.
//!
//! | module | what it is for |
//! |---|---|
//! | `calls` | carrying out what an application asks |
//! | `pairing` | pairing, and taking it back |
//! | `views` | a purchase as an application sees it |
//!
//! What must last is in the archive: who is paired, which purchases each has begun, which answers
//! given beforehand have been used. What is kept here a restarted host finds again: its deals put
//! their open questions again.

mod calls;
mod pairing;
mod views;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_archive::{Archive, ArchiveError, ProposalRow, Write};
use semper_base::{DealId, Digest, cbor, text};
use semper_commerce::elsewhere::{Elsewhere, Who};
use semper_host_protocol::application::Proposed;
use semper_runtime::Deal;
use semper_tinguin_protocol::screen::Question;
use semper_tinguin_protocol::{Answer, Filled};

pub use pairing::Paired;

/// Things that have happened in a purchase and are kept.
const HAPPENED: usize = 50;
/// Purchases of which something is kept in memory.
const KEPT: usize = 1_000;
/// How long an application may not look at a purchase before the person is asked herself.
const PATIENCE: Duration = Duration::from_secs(600);
/// Characters from which on a detail of the person says something: two letters of a country do not.
const TELLING: usize = 4;
/// Bytes of answers beforehand, at most.
const MAX_ANSWERS_SIZE: usize = 64 * 1024;

/// Answers given beforehand, by topics.
pub(crate) type Answers = BTreeMap<String, Proposed>;

/// The business applications of a home.
pub(crate) struct Applications {
    archive: Archive,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Questions that wait for applications, by the nonces of their deals.
    open: HashMap<Digest, Open>,
    /// What has happened in purchases, by their nonces.
    happened: HashMap<Digest, VecDeque<String>>,
    /// The purchase that a deal, or an opening, belongs to; none for those of the person's own.
    subjects: HashMap<Digest, Option<Digest>>,
    /// When an application has looked at a purchase last.
    looked: HashMap<Digest, Instant>,
    /// Rises with every change.
    count: u64,
}

/// A question that waits for an application.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub key: Digest,
    pub deal: DealId,
    pub question: Question,
    /// It was left to the person.
    is_hers: bool,
}

impl std::fmt::Debug for Applications {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Applications")
    }
}

impl Applications {
    pub fn new(archive: &Archive) -> Self {
        Self { archive: archive.clone(), state: Mutex::default(), changed: Condvar::new() }
    }

    /// Something has happened in a deal, or in an opening.
    pub fn note(&self, subject: &Digest, said: &str) {
        let mut state = self.state();
        let nonce = match state.subjects.get(subject) {
            Some(known) => *known,
            None => {
                drop(state);
                let found = self.purchase_of(subject).unwrap_or_default();
                state = self.state();
                if state.subjects.len() >= 4 * KEPT {
                    state.subjects.clear();
                }
                state.subjects.insert(*subject, found);
                found
            }
        };
        let Some(nonce) = nonce else { return };
        if state.happened.len() >= KEPT && !state.happened.contains_key(&nonce) {
            state.happened.clear();
        }
        let happened = state.happened.entry(nonce).or_default();
        if happened.len() >= HAPPENED {
            happened.pop_front();
        }
        happened.push_back(text::readable(said));
        self.has_changed(state);
    }

    /// The purchase that a deal, or an opening, belongs to.
    fn purchase_of(&self, subject: &Digest) -> Result<Option<Digest>, ArchiveError> {
        if self.archive.proposal(*subject)?.is_some() {
            return Ok(Some(*subject));
        }
        let Some(opening) = self.archive.opening_of(DealId::new(*subject))? else {
            return Ok(None);
        };
        Ok(self.archive.proposal(opening.nonce)?.map(|row| row.nonce))
    }

    /// A purchase is begun, before anything happens in it.
    pub fn begins(&self, row: ProposalRow) -> Result<(), ArchiveError> {
        let nonce = row.nonce;
        self.archive.commit(vec![Write::Propose(Box::new(row))])?;
        self.state().subjects.insert(nonce, Some(nonce));
        self.looks(&nonce);
        Ok(())
    }

    /// A purchase has come to nothing before its deal was open.
    pub fn came_to_nothing(&self, nonce: Digest, why: String) {
        let stored = self.archive.proposal(nonce).and_then(|row| match row {
            Some(row) => self
                .archive
                .commit(vec![Write::Propose(Box::new(ProposalRow { outcome: why, ..row }))]),
            None => Ok(()),
        });
        if let Err(error) = stored {
            tracing::warn!(%error, "what came of a purchase cannot be stored");
        }
        self.has_changed(self.state());
    }

    /// The question of a purchase that the application may answer.
    pub fn question(&self, nonce: &Digest) -> Option<Open> {
        self.state().open.get(nonce).filter(|it| !it.is_hers).cloned()
    }

    /// A question has been answered by its application, or was left to the person.
    pub fn done_with(&self, nonce: &Digest, key: Digest, to_the_person: bool) {
        let mut state = self.state();
        if let Some(open) = state.open.get_mut(nonce).filter(|it| it.key == key) {
            open.is_hers = true;
            if !to_the_person {
                state.open.remove(nonce);
            }
        }
        self.has_changed(state);
    }

    /// The application looks at a purchase.
    pub fn looks(&self, nonce: &Digest) {
        let mut state = self.state();
        let State { open, looked, .. } = &mut *state;
        // Only where a question waits is it asked since when.
        if looked.len() >= KEPT {
            looked.retain(|nonce, _| open.contains_key(nonce));
        }
        looked.insert(*nonce, Instant::now());
    }

    /// Questions that no application has looked at for long are the person's from now on; their deals.
    pub fn forsaken(&self, patience: Duration) -> Vec<DealId> {
        let mut state = self.state();
        let State { open, looked, .. } = &mut *state;
        let mut deals = Vec::new();
        for (nonce, open) in open.iter_mut().filter(|(_, it)| !it.is_hers) {
            // A host that was restarted has not been looked at yet.
            let since = *looked.entry(*nonce).or_insert_with(Instant::now);
            if since.elapsed() >= patience {
                open.is_hers = true;
                deals.push(open.deal);
            }
        }
        drop(state);
        deals
    }

    /// Questions of an application that is not paired any more are the person's; their deals.
    pub fn leaves(&self, of: &[Digest]) -> Vec<DealId> {
        let mut state = self.state();
        let open = state.open.iter_mut().filter(|(nonce, it)| of.contains(nonce) && !it.is_hers);
        let deals = open.map(|(_, it)| {
            it.is_hers = true;
            it.deal
        });
        deals.collect()
    }

    /// The last things that have happened in a purchase.
    pub fn happened(&self, nonce: &Digest) -> Vec<String> {
        self.state().happened.get(nonce).map(|it| it.iter().cloned().collect()).unwrap_or_default()
    }

    /// How often something has changed.
    pub fn count(&self) -> u64 {
        self.state().count
    }

    /// Waits until something has changed since, or for so long.
    pub fn wait(&self, seen: u64, most: Duration) {
        let state = self.state();
        if state.count == seen {
            drop(self.changed.wait_timeout(state, most));
        }
    }

    /// Whoever waits looks again.
    pub fn look(&self) {
        self.has_changed(self.state());
    }

    fn has_changed(&self, mut state: MutexGuard<'_, State>) {
        state.count += 1;
        drop(state);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer that was given beforehand for a question's topic, unless another question has had it.
    fn beforehand(
        &self,
        row: &ProposalRow,
        key: Digest,
        question: &Question,
    ) -> Result<Option<Answer>, ArchiveError> {
        let answers: Answers = cbor::decode(&row.answers, MAX_ANSWERS_SIZE).unwrap_or_default();
        let topic = question.topic();
        let Some(answer) = answers.get(topic).and_then(|it| answer(it, question)) else {
            return Ok(None);
        };
        match self.archive.proposed(row.nonce, topic)? {
            Some(before) => return Ok((before == key).then_some(answer)),
            None => {
                let used = Write::Proposed(row.nonce, topic.to_owned(), key);
                self.archive.commit(vec![used])?;
            }
        }
        Ok(Some(answer))
    }

    fn decide(&self, deal: &Deal, key: Digest, question: &Question) -> Result<Who, ArchiveError> {
        let nonce = deal.agreement.hello.nonce;
        let Some(row) = self.archive.proposal(nonce)? else { return Ok(Who::Person(None)) };
        let paired = match row.application {
            Some(number) => self.archive.is_paired(number)?,
            None => false,
        };
        // Whoever wants to leave is not kept in by an application; nor does it see, or give away, what
        // is known of the person.
        let hers = row.application.is_some()
            && (!paired || self.is_leaving(deal.id)? || self.is_personal(question)?);
        if hers {
            return Ok(Who::Person(None));
        }
        let beforehand = self.beforehand(&row, key, question)?;
        let filled = beforehand.map(|answer| Filled { by: row.by.clone(), answer });
        Ok(match filled {
            Some(filled) if paired => Who::Answered(filled),
            filled if !paired => Who::Person(filled),
            _ if self.is_hers(&nonce, key) => Who::Person(None),
            _ => Who::Elsewhere,
        })
    }

    /// Whether the person wants to leave a deal, or has said so to its service.
    fn is_leaving(&self, deal: DealId) -> Result<bool, ArchiveError> {
        Ok(self.archive.cancel(deal)?.is_some() || self.archive.was_told(deal)?)
    }

    /// Whether something that the home knows of the person stands in a question: her name, her street.
    fn is_personal(&self, question: &Question) -> Result<bool, ArchiveError> {
        let known = self.archive.preferences()?;
        let mut known = known.iter().map(String::as_str).filter(|it| it.chars().count() >= TELLING);
        let stands = |in_it: &str| {
            let texts: Vec<&str> = match question {
                Question::Inform { says, .. } => vec![says],
                Question::Choose { says, options, .. } => {
                    options.iter().chain([says]).map(String::as_str).collect()
                }
                Question::Form { says, fields, .. } => {
                    fields.iter().map(|it| &it.1).chain([says]).map(String::as_str).collect()
                }
            };
            texts.iter().any(|it| it.contains(in_it))
        };
        Ok(known.any(stands))
    }

    /// Whether this question was left to the person.
    fn is_hers(&self, nonce: &Digest, key: Digest) -> bool {
        self.state().open.get(nonce).is_some_and(|it| it.key == key && it.is_hers)
    }
}

impl Elsewhere for Applications {
    fn who(&self, deal: &Deal, key: Digest, question: &Question) -> Who {
        self.decide(deal, key, question).unwrap_or_else(|error| {
            // The person can always answer.
            tracing::warn!(%error, "it cannot be looked up who answers a question");
            Who::Person(None)
        })
    }

    fn waits(&self, deal: &Deal, key: Digest, question: Question) {
        let nonce = deal.agreement.hello.nonce;
        let mut state = self.state();
        if state.open.get(&nonce).is_none_or(|it| it.key != key) {
            state.open.insert(nonce, Open { key, deal: deal.id, question, is_hers: false });
            self.has_changed(state);
        }
    }

    fn is_elsewhere(&self, key: Digest) -> bool {
        self.state().open.values().any(|it| it.key == key && !it.is_hers)
    }

    fn over(&self, key: Digest) {
        let mut state = self.state();
        let before = state.open.len();
        state.open.retain(|_, it| it.key != key);
        if state.open.len() < before {
            self.has_changed(state);
        }
    }

    fn begun_by(&self, nonce: Digest) -> Option<String> {
        self.archive.proposal(nonce).ok().flatten().map(|row| row.by)
    }
}

/// What an answer given beforehand comes to for a question; none if it does not fit.
fn answer(proposed: &Proposed, question: &Question) -> Option<Answer> {
    match (question, &proposed.choose, &proposed.fields) {
        (Question::Inform { .. }, None, None) => Some(Answer::Seen),
        (Question::Choose { options, .. }, Some(text), None) => {
            let position = options.iter().position(|it| it.contains(text.as_str()))?;
            u32::try_from(position).ok().map(Answer::Choice)
        }
        (Question::Form { fields, .. }, None, Some(filled)) => Some(fill_in(fields, filled)),
        _ => None,
    }
}

/// A form's answer: texts by the names of its fields, and what stands in the others.
fn fill_in(fields: &[(String, String)], filled: &BTreeMap<String, String>) -> Answer {
    let text = |(name, stands): &(String, String)| filled.get(name).unwrap_or(stands).clone();
    Answer::Fields(fields.iter().map(text).collect())
}
