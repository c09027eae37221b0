//! Fair exchange: a whole purchase beside its bare signatures and seals; verdicts beside the
//! store's own commits.

use std::cell::Cell;
use std::error::Error;
use std::hint::black_box;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use semper_base::{Digest, SigningKey, Timestamp, cbor, keys};
use semper_exchange::bank::{ClaimRequest, Order};
use semper_exchange::crypto::Signed;
use semper_exchange::standard::{Share, Standard};
use semper_exchange::verdict::{Answer, Request, Resolve, Wish};
use semper_exchange::{Crypto as _, Event, Half, Mode, Originator, Responder, Role};
use semper_exchange_tests::goods::Prepared;
use semper_exchange_tests::services::SignedFact;
use semper_exchange_tests::{Kind, Local, Run, Services, Trader, agree};
use semper_keeper::Keeper;
use semper_roles::third_party::cases::{Cases, Change, FileCases};
use semper_roles::third_party::postgres::PostgresCases;
use semper_roles::third_party::{ThirdParty, ThirdPartyConfig};
use semper_testkit::postgres::Postgres;

pub fn run() -> Result<(), Box<dyn Error>> {
    purchase();
    verdicts()
}

/// What both sides of a purchase do with keys: five signatures (four messages and the release),
/// what they verify (each the other's two messages, the lock's receipt, the bank's last word, the
/// release), the sealing of two shares, the peer's opened when it is promised and when it is used.
const SIGNATURES: u32 = 5;
const VERIFICATIONS: u32 = 8;
const SEALS: u32 = 2;
const OPENINGS: u32 = 2;

fn traders(local: &Local) -> (Trader, Trader) {
    let none = |_: &Prepared| unreachable!("nothing is certified");
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let bank = local.bank.public();
    let document = Kind::Information(b"a page of a book; ".repeat(200));
    let money = Kind::Money(100, vec![Mode::Hold]);
    let originator = Trader::new(&otto, &anna, bank, &[document], &none);
    let responder = Trader::new(&anna, &otto, bank, &[money], &none);
    (originator, responder)
}

/// A purchase of information for locked money, the bank's part left out; beside its operations
/// alone, in turns.
fn purchase() {
    let local = Local::new();
    let (originator, responder) = traders(&local);
    let named = local.named();
    let key = SigningKey::generate();
    let signature = key.sign(&[7; 100]);
    let sealing = semper_base::SealSecret::from_seed(&keys::random());
    let share = Share::random();
    let mut sealed =
        Standard::seal(&sealing.public(), Half::Peers, &Digest::ZERO, &share, &Digest::ZERO);
    let bare = |sealed: &mut semper_exchange::standard::Sealed| {
        for _ in 0..SIGNATURES {
            black_box(key.sign(&[7; 100]));
        }
        for _ in 0..VERIFICATIONS {
            black_box(key.public().verify(&[7; 100], &signature).is_ok());
        }
        for _ in 0..SEALS {
            let to = sealing.public();
            *sealed = Standard::seal(&to, Half::Peers, &Digest::ZERO, &share, &Digest::ZERO);
        }
        for _ in 0..OPENINGS {
            let info = semper_exchange::standard::purpose(Half::Peers);
            let opened = sealing.open(info, Digest::ZERO.as_bytes(), sealed.as_bytes());
            black_box(opened.is_ok());
        }
    };
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    let (mut messages, mut bytes) = (0, 0);
    let rounds = 60;
    for _ in 0..rounds {
        let Ok(agreed) = agree(&originator, &responder, &named, |_| {}) else { return };
        let timed = Timed { inner: &local, spent: Cell::default() };
        let mut run = Run::new(&timed, &agreed, &originator, &responder);
        let begun = Instant::now();
        run.happens(Role::Originator, Event::Start);
        run.deliver();
        ours += begun.elapsed().saturating_sub(timed.spent.get());
        assert!(!run.asked, "the third party is not needed");
        (messages, bytes) = (run.messages, run.bytes);
        let begun = Instant::now();
        bare(&mut sealed);
        theirs += begun.elapsed();
    }
    super::row("purchase under GG: CPU of both sides", ours / rounds, theirs / rounds);
    super::note("messages of it, third party asked", &format!("{messages}, never"));
    super::note("bytes of it, without the goods", &bytes.to_string());
}

/// Bank and third party, and the time that they take: it is not the sides'.
struct Timed<'a> {
    inner: &'a Local,
    spent: Cell<Duration>,
}

impl Timed<'_> {
    fn took<T>(&self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        self.spent.set(self.spent.get() + begun.elapsed());
        done
    }
}

impl Services for Timed<'_> {
    fn hold(&self, account: &str, order: &Order<Standard>) -> Option<Result<SignedFact, String>> {
        self.took(|| self.inner.hold(account, order))
    }

    fn claim(&self, request: &ClaimRequest<Standard>) -> Option<SignedFact> {
        self.took(|| self.inner.claim(request))
    }

    fn ask(&self, request: &Request<Standard>) -> Option<Answer<Standard>> {
        self.took(|| self.inner.ask(request))
    }
}

/// Requests to resolve exchanges of receipts, ready made.
fn requests(named: &semper_exchange::ThirdParty<Standard>, count: usize) -> Vec<Request<Standard>> {
    let local = Local::new();
    let none = |_: &Prepared| unreachable!("nothing is certified");
    let bank = local.bank.public();
    let trader = |own: &str, peer: &str| Trader::new(own, peer, bank, &[Kind::Statement], &none);
    let now = Timestamp::now();
    // Many people: one alone may not begin so many cases in a minute.
    let many: Vec<(Trader, Trader)> =
        (0..=count / 300).map(|_| (trader("o", "r"), trader("r", "o"))).collect();
    let one = |index: usize| -> Option<Request<Standard>> {
        let (originator, responder) = many.get(index / 300)?;
        let agreed = agree(originator, responder, named, |_| {}).ok()?;
        let first = Originator::new(agreed.clone(), vec![]);
        let (first, _) = first.step(Event::Start, now, &originator.keys).ok()?;
        let promise = first.kept.promise?;
        let second = Responder::new(agreed.clone(), vec![]);
        let event = Event::Message(semper_exchange::Message::Promise(promise.clone()));
        let (second, _) = second.step(event, now, &responder.keys).ok()?;
        let accept = second.kept.accept?;
        let body = Resolve {
            promise: promise.digest(),
            accept: Some(accept.digest()),
            role: Role::Responder,
        };
        let wish = Wish::Resolve(Signed::new(&responder.keys, agreed.subject(), body).ok()?);
        Some(Request { wish, promise, accept: Some(accept) })
    };
    (0..count).filter_map(one).collect()
}

/// Does all of it in so many threads; how many a second.
fn rate(threads: usize, count: usize, work: impl Fn(usize) + Sync) -> f64 {
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    work(index);
                }
            });
        }
    });
    count as f64 / begun.elapsed().as_secs_f64()
}

const THREADS: usize = 32;
const VERDICTS: usize = 3_000;

/// The same bytes, stored with nothing else done: one commit each, and as many at once.
fn bare(cases: &dyn Cases, size: usize) -> (f64, f64) {
    let change = |index: usize, round: &str| Change {
        exchange: Digest::of(format!("{round}{index}").as_bytes()),
        before: None,
        bytes: vec![7; size],
        entry: Some(vec![7; 96]),
        lodge: false,
    };
    let store = |round: &'static str| {
        move |index: usize| {
            black_box(cases.store(change(index, round)).is_ok());
        }
    };
    (rate(1, 500, store("alone")), rate(THREADS, VERDICTS, store("together")))
}

fn compare(name: &str, ours: f64, (alone, together): (f64, f64)) {
    let (a, b) = (ours / alone, ours / together);
    println!("| {name} | {ours:.0}/s | {alone:.0}/s, one commit each | {a:.2} |");
    println!(
        "| the same, beside the store's grouped commits | {ours:.0}/s | {together:.0}/s | {b:.2} |"
    );
}

/// A home with the same keys beside it: cases and public log belong together, so each store has one.
fn twin(home: &Path, name: &str) -> std::io::Result<PathBuf> {
    let twin = home.with_file_name(name);
    for folder in ["", "verdicts"] {
        let (from, to) = (home.join(folder), twin.join(folder));
        // A home is for its owner alone.
        std::fs::DirBuilder::new().mode(0o700).create(&to)?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
    }
    Ok(twin)
}

fn verdicts() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let home = folder.path().join("third");
    let named = ThirdParty::create(&home, "third.example")?;
    let asked = requests(&named, VERDICTS);
    let size = asked.first().map_or(0, |it| cbor::encode(it).len());
    super::note("bytes of a request to the third party", &size.to_string());
    let config = |home: &Path, store: Option<String>, publish| ThirdPartyConfig {
        home: home.to_owned(),
        bank: Vec::new(),
        witness: Vec::new(),
        quorum: 0,
        store,
        store_root: None,
        room: 16,
        publish,
    };
    let answer = |third: &Arc<ThirdParty>, index: usize| {
        let request = asked.get(index);
        let answer = request.map(|it| third.answer(it, Timestamp::now()));
        assert!(matches!(answer, Some(Ok(Answer::Decided(_)))));
    };
    // What deciding costs without any store: signatures and encodings alone.
    let local = Local::new();
    let alone = requests(&local.named(), 500);
    let cpu = rate(1, alone.len(), |index| {
        black_box(alone.get(index).and_then(|it| local.ask(it)).is_some());
    });
    super::note("verdicts without a store, one after the other", &format!("{cpu:.0}/s"));

    let keeper = Keeper::new("bench");
    let bare_sqlite = bare(&FileCases::open(&folder.path().join("bare.sqlite"), &keeper)?, size);
    let third = ThirdParty::open(&config(&twin(&home, "sqlite")?, None, true), &keeper)?;
    let ours = rate(THREADS, VERDICTS, |index| answer(&third, index));
    compare("verdicts on SQLite, 32 at once", ours, bare_sqlite);
    drop(third);

    let postgres = Postgres::start()?;
    let bare_postgres = bare(&PostgresCases::open(&postgres.database("bare")?, None, false)?, size);
    for processes in [1, 2, 4] {
        // Each with connections of its own, as processes have; in one process, since the
        // machine's two cores are what there is.
        let url = postgres.database(&format!("verdicts{processes}"))?;
        let home = twin(&home, &format!("postgresql{processes}"))?;
        let all: Vec<Arc<ThirdParty>> = (0..processes)
            .map(|index| ThirdParty::open(&config(&home, Some(url.clone()), index == 0), &keeper))
            .collect::<Result<_, _>>()?;
        let ours = rate(THREADS, VERDICTS, |index| answer(&all[index % processes], index));
        compare(&format!("verdicts on PostgreSQL, {processes} third parties"), ours, bare_postgres);
    }
    Ok(())
}
