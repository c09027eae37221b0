//! Errands: whatever a host asks of others while nobody waits for it in a lock. Each destination
//! has a line of its own, and only so many errands to one are under way at once: a bank that
//! answers after a minute, or a third party that never does, keeps nobody else waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_base::Digest;
use semper_keeper::{Panicked, Post, Spawn};

/// Errands to one payment system or third party at once.
pub(crate) const FEW: usize = 8;
/// Errands to one other side at once: its answers may be held for long.
pub(crate) const MANY: usize = 128;
/// An errand that takes longer is one that health reports: requests have time-outs of their own.
const LATE: Duration = Duration::from_secs(180);

type Errand = Box<dyn FnOnce() + Send>;

/// The errands of a host.
#[derive(Clone)]
pub(crate) struct Errands {
    spawn: Arc<dyn Spawn>,
    lines: Arc<Mutex<HashMap<String, Line>>>,
}

#[derive(Default)]
struct Line {
    under_way: usize,
    waiting: VecDeque<Errand>,
}

impl Errands {
    pub(crate) fn new(spawn: Arc<dyn Spawn>) -> Self {
        Self { spawn, lines: Arc::default() }
    }

    /// Asks something of somebody when its turn comes: at most `most` at once of this destination.
    /// Whoever waits is `told` of the answer, or that asking has panicked.
    pub(crate) fn run<T>(
        &self,
        destination: &str,
        most: usize,
        ask: impl FnOnce() -> T + Send + 'static,
        told: impl FnOnce(Result<T, Panicked>) + Send + 'static,
    ) {
        let spawn = Arc::clone(&self.spawn);
        let errand = move || told(caught(&*spawn, ask));
        let mut lines = self.lines();
        let line = lines.entry(destination.to_owned()).or_default();
        line.waiting.push_back(Box::new(errand));
        if line.under_way >= most {
            return;
        }
        line.under_way += 1;
        drop(lines);
        let worker = Worker { errands: self.clone(), destination: Some(destination.to_owned()) };
        let name = format!("errands to {destination}");
        self.spawn.run(&name, Box::new(move |post| worker.work(post)));
    }

    /// Runs what waits in a line, until nothing does.
    fn work(&self, post: &Post, destination: &str) {
        while let Some(errand) = self.next(destination) {
            post.within(LATE, "an errand is under way", || {
                // A panic of whoever is told costs the errand, and not the line.
                let _ = caught(&*self.spawn, errand);
            });
        }
    }

    /// The next errand of a line; without one, whoever asks leaves it.
    fn next(&self, destination: &str) -> Option<Errand> {
        let mut lines = self.lines();
        let line = lines.get_mut(destination)?;
        if let Some(errand) = line.waiting.pop_front() {
            return Some(errand);
        }
        line.under_way -= 1;
        if line.under_way == 0 {
            lines.remove(destination);
        }
        None
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of a piece of work, or that it has panicked.
fn caught<T>(spawn: &dyn Spawn, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let (mut work, mut done) = (Some(work), None);
    spawn.caught("an errand", &mut || done = work.take().map(|work| work()))?;
    done.ok_or_else(|| Panicked { words: "it was not done".to_owned() })
}

/// A worker of a line.
struct Worker {
    errands: Errands,
    /// Until the line is empty.
    destination: Option<String>,
}

impl Worker {
    fn work(mut self, post: &Post) {
        if let Some(destination) = &self.destination {
            self.errands.work(post, destination);
        }
        self.destination = None;
    }
}

impl Drop for Worker {
    /// A worker that could not begin, or was ended in the middle, leaves its line. What waits in a
    /// line without workers is dropped: it holds the host, which would hold it for ever.
    fn drop(&mut self) {
        let Some(destination) = self.destination.take() else { return };
        let mut lines = self.errands.lines();
        let Some(line) = lines.get_mut(&destination) else { return };
        line.under_way -= 1;
        let left = if line.under_way == 0 { lines.remove(&destination) } else { None };
        // The host may go with the last errand, and must not find the lines locked.
        drop(lines);
        drop(left);
    }
}

/// Answers that activations wait for, by the key of what was asked. An activation that has waited
/// for its grace leaves; when the answer comes, its deal is woken and finds it here. Whoever still
/// waits is not woken for another time: it would ask again what it has just heard.
pub(crate) struct Awaited<T>(Mutex<HashMap<Digest, Asked<T>>>);

struct Asked<T> {
    answer: Option<T>,
    /// Whether whoever asked has left.
    left: bool,
}

impl<T> Default for Awaited<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + 'static> Awaited<T> {
    /// Whether it has to be asked: it is under way from now on, and somebody waits.
    pub(crate) fn begin(&self, key: Digest) -> bool {
        let mut answers = self.lock();
        let new = !answers.contains_key(&key);
        answers.entry(key).or_insert(Asked { answer: None, left: false }).left = false;
        new
    }

    /// The answer has come; whether whoever asked has left, and is to be woken.
    pub(crate) fn came(&self, key: Digest, answer: T) -> bool {
        let mut answers = self.lock();
        let left = answers.get(&key).is_none_or(|it| it.left);
        answers.insert(key, Asked { answer: Some(answer), left });
        left
    }

    /// Takes the answer, if it has come.
    pub(crate) fn take(&self, key: Digest) -> Option<T> {
        let mut answers = self.lock();
        let answer = answers.get_mut(&key)?.answer.take()?;
        answers.remove(&key);
        Some(answer)
    }

    /// Takes the answer, or leaves: it has not come, and its coming wakes the deal.
    pub(crate) fn leave(&self, key: Digest) -> Option<T> {
        let mut answers = self.lock();
        let asked = answers.get_mut(&key)?;
        asked.left = true;
        let answer = asked.answer.take()?;
        answers.remove(&key);
        Some(answer)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Asked<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use semper_keeper::Keeper;

    use super::{Errands, FEW};

    /// Longer than anything here takes; only a hang gets this far.
    const HANG: Duration = Duration::from_secs(20);

    #[test]
    fn sixty_four_errands_to_a_bank_that_is_silent_keep_nobody_else_waiting() {
        let keeper = Keeper::new("test");
        let errands = Errands::new(Arc::new(keeper.clone()));
        let (silence, bank) = (mpsc::channel::<()>(), Arc::new(AtomicUsize::new(0)));
        let answers = Arc::new(std::sync::Mutex::new(silence.1));
        for _ in 0..64 {
            let (bank, answers) = (Arc::clone(&bank), Arc::clone(&answers));
            let ask = move || {
                bank.fetch_add(1, Ordering::SeqCst);
                let _ = answers.lock().unwrap().recv_timeout(HANG);
            };
            errands.run("a silent bank", FEW, ask, drop);
        }

        let (say, heard) = mpsc::channel();
        errands.run("another bank", FEW, move || say.send(()).unwrap(), drop);

        heard.recv_timeout(HANG).unwrap();
        assert!(bank.load(Ordering::SeqCst) <= FEW, "more at once than the line allows");
        // When it speaks again, all of them come to their end.
        drop(silence.0);
        keeper.end();
        assert!(keeper.join(HANG).is_empty());
        assert_eq!(bank.load(Ordering::SeqCst), 64);
    }

    #[test]
    fn whoever_waits_hears_the_answer_or_that_asking_has_panicked() {
        let keeper = Keeper::new("test");
        let errands = Errands::new(Arc::new(keeper.clone()));
        let (say, heard) = mpsc::channel();
        let told = |say: mpsc::Sender<_>| move |answer| say.send(answer).unwrap();

        let nonsense = || -> u32 { panic!("the answer is nonsense") };
        errands.run("a bank", FEW, nonsense, told(say.clone()));
        let failed = heard.recv_timeout(HANG).unwrap().unwrap_err();

        assert!(failed.words.contains("nonsense"), "{failed}");
        assert_eq!(keeper.panics(), 1);
        errands.run("a bank", FEW, || 3, told(say));
        assert_eq!(heard.recv_timeout(HANG).unwrap(), Ok(3));
    }

    #[test]
    fn an_errand_that_panics_leaves_its_line_to_the_next() {
        let keeper = Keeper::new("test");
        let errands = Errands::new(Arc::new(keeper.clone()));
        errands.run("a bank", 1, || (), |_| panic!("the answer is nonsense"));
        let (say, heard) = mpsc::channel();

        errands.run("a bank", 1, move || say.send(()).unwrap(), drop);

        heard.recv_timeout(HANG).unwrap();
        assert_eq!(keeper.panics(), 1);
    }
}
