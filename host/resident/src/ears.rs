//! Who hears what happens in which deal.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use semper_base::{DealId, Digest};
use semper_host_protocol::Said;

/// Notes that nobody has heard and that are kept.
const UNHEARD: usize = 256;

/// Tells a client something. It is called by whoever does the work, and does not keep him waiting.
pub type Tell = Arc<dyn Fn(Said) + Send + Sync>;

/// All who listen.
#[derive(Default)]
pub(crate) struct Ears {
    all: Mutex<Vec<Weak<Ear>>>,
    /// What nobody has heard: an opening becomes a deal, and things happen in it before whoever has
    /// begun it knows by what name to listen.
    unheard: Mutex<VecDeque<(Digest, String)>>,
}

/// Somebody who listens, as long as this is kept.
pub(crate) struct Ear {
    tell: Tell,
    /// Deals and openings; all of them without a list.
    subjects: Mutex<Option<HashSet<Digest>>>,
}

impl Ears {
    /// Listens to no deal yet.
    pub fn listen(&self, tell: &Tell) -> Arc<Ear> {
        self.add(tell, Some(HashSet::new()))
    }

    /// Listens to every deal.
    pub fn listen_to_all(&self, tell: &Tell) -> Arc<Ear> {
        self.add(tell, None)
    }

    fn add(&self, tell: &Tell, subjects: Option<HashSet<Digest>>) -> Arc<Ear> {
        let ear = Arc::new(Ear { tell: Arc::clone(tell), subjects: Mutex::new(subjects) });
        let mut all = lock(&self.all);
        all.retain(|it| it.strong_count() > 0);
        all.push(Arc::downgrade(&ear));
        ear
    }

    /// Something happens in a deal, or in an opening.
    pub fn note(&self, deal: DealId, text: &str) {
        let subject = *deal.digest();
        // Whoever begins to listen does so before or after this, and misses nothing.
        let mut unheard = lock(&self.unheard);
        let all: Vec<Arc<Ear>> = lock(&self.all).iter().filter_map(Weak::upgrade).collect();
        let mut heard = false;
        for ear in all {
            let subjects = lock(&ear.subjects);
            let named = subjects.as_ref().is_some_and(|it| it.contains(&subject));
            if named || subjects.is_none() {
                (ear.tell)(Said::Note { about: Some(subject), text: text.to_owned() });
            }
            heard |= named;
        }
        if !heard {
            if unheard.len() >= UNHEARD {
                unheard.pop_front();
            }
            unheard.push_back((subject, text.to_owned()));
        }
    }

    /// Has somebody listen to this deal, or opening, as well; and hear what nobody has heard of it.
    pub fn hear(&self, ear: &Ear, subject: Digest) {
        let mut unheard = lock(&self.unheard);
        if let Some(subjects) = &mut *lock(&ear.subjects) {
            subjects.insert(subject);
        }
        let (said, others) =
            std::mem::take(&mut *unheard).into_iter().partition(|it| it.0 == subject);
        *unheard = others;
        let said: VecDeque<(Digest, String)> = said;
        for (about, text) in said {
            (ear.tell)(Said::Note { about: Some(about), text });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
