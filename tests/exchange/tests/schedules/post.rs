//! Carries messages between two traders' folders, and loses, delays, halves and bends some of them.
//! That a message comes again and again, the traders' own folders see to.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use semper_exchange::Role;
use semper_exchange_tests::dice::Dice;
use semper_exchange_tests::town::Setup;

/// What happens to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives so many milliseconds later.
    Late(u64),
    /// Half of it does.
    Half,
    /// One bit of it is another.
    Bent(usize),
}

/// What happens to which messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Whose messages.
    pub(crate) from: Role,
    /// The first of them, from 1: each time that it is sent counts.
    pub(crate) first: u64,
    /// To how many it happens.
    pub(crate) count: u64,
    /// What happens.
    pub(crate) fate: Fate,
}

impl Rule {
    /// A rule that follows from dice.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let fate = match dice.below(6) {
            0..3 => Fate::Lost,
            3 => Fate::Late(200 + dice.below(2_500)),
            4 => Fate::Half,
            _ => Fate::Bent(usize::try_from(dice.below(100_000)).unwrap()),
        };
        let from = *dice.of(&[Role::Originator, Role::Responder]);
        Self { from, first: 1 + dice.below(4), count: *dice.of(&[1, 2, 4, 1_000]), fate }
    }
}

/// Carries until it is dropped.
pub(crate) struct Post {
    well: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Post {
    pub(crate) fn new(setup: &Setup, rules: Vec<Rule>) -> Self {
        let (well, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let roles = [Role::Originator, Role::Responder];
        let ways = roles.map(|it| (it, setup.box_of("from", it), setup.box_of("to", it.other())));
        let mut carrier = Carrier {
            rules,
            well: Arc::clone(&well),
            seen: Arc::clone(&seen),
            begun: Instant::now(),
            sent: HashMap::new(),
            known: HashMap::new(),
            late: Vec::new(),
        };
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                for (from, outbox, inbox) in &ways {
                    carrier.carry(*from, outbox, inbox);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { well, over, seen, thread: Some(thread) }
    }

    /// From now on everything arrives.
    pub(crate) fn heal(&self) {
        self.well.store(true, Ordering::SeqCst);
    }

    /// What was sent, and what came of it.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

struct Carrier {
    rules: Vec<Rule>,
    well: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<String>>>,
    begun: Instant,
    sent: HashMap<bool, u64>,
    known: HashMap<PathBuf, SystemTime>,
    late: Vec<(Instant, PathBuf, Vec<u8>)>,
}

impl Carrier {
    fn carry(&mut self, from: Role, outbox: &PathBuf, inbox: &std::path::Path) {
        let well = self.well.load(Ordering::SeqCst);
        let due = |it: &(Instant, PathBuf, Vec<u8>)| well || it.0 <= Instant::now();
        for (_, file, bytes) in self.late.extract_if(.., |it| due(it)) {
            place(&file, &bytes);
        }
        for file in fs::read_dir(outbox).unwrap().map(|it| it.unwrap().path()) {
            let Ok(made) = fs::metadata(&file).and_then(|it| it.modified()) else { continue };
            let is_message = file.extension().is_some_and(|it| it == "msg");
            if !is_message || self.known.get(&file) == Some(&made) {
                continue;
            }
            let Ok(bytes) = fs::read(&file) else { continue };
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            self.known.insert(file, made);
            let count = self.sent.entry(from == Role::Originator).or_default();
            *count += 1;
            let count = *count;
            let is_due =
                |it: &&Rule| it.from == from && (it.first..it.first + it.count).contains(&count);
            let fate = self.rules.iter().find(is_due).map(|it| it.fate).filter(|_| !well);
            let since = self.begun.elapsed().as_secs_f32();
            let kind = name.split('-').next().unwrap_or_default();
            self.seen.lock().unwrap().push(format!("{since:6.2} {from:?} {kind} {count} {fate:?}"));
            match fate {
                None => place(&inbox.join(&name), &bytes),
                Some(Fate::Lost) => {}
                Some(Fate::Late(ms)) => {
                    let when = Instant::now() + Duration::from_millis(ms);
                    self.late.push((when, inbox.join(&name), bytes));
                }
                Some(Fate::Half) => {
                    place(&inbox.join(format!("half-{name}")), &bytes[..bytes.len() / 2]);
                }
                Some(Fate::Bent(at)) => {
                    let mut bent = bytes;
                    let length = bent.len();
                    bent[at / 8 % length] ^= 1 << (at % 8);
                    place(&inbox.join(format!("bent-{name}")), &bent);
                }
            }
        }
    }
}

/// Puts a message into a box, whole or not at all.
fn place(file: &std::path::Path, bytes: &[u8]) {
    let new = file.with_extension("part");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, file).unwrap();
}
