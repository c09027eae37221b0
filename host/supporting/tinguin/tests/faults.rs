//! Panics, ends, damaged stores and requests that cannot be read: each costs what it touches and
//! nothing else, and whoever asked learns whose trouble it is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Served, open_deal, question, registered, serve};
use semper_base::{DealId, Digest};
use semper_keeper::spawn::Loop;
use semper_keeper::{Bell, Keeper, Panicked, Post, Spawn, Turn};
use semper_tinguin::InProcess;
use semper_tinguin::memory::{self, Memory, MemoryError};
use semper_tinguin_protocol::{
    Answer, Cause, Client, ClientError, Face, Frame, Reply, Request, SOCKET, Screen, protocol,
};

/// Longer than anything here takes, and shorter than a watch is held: only a hang gets this far.
const HANG: Duration = Duration::from_secs(15);

/// A face that panics over the first so many questions of one topic, and answers all others.
#[derive(Clone)]
struct Clumsy {
    topic: &'static str,
    panics: Arc<Mutex<u32>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Clumsy {
    fn over(topic: &'static str, panics: u32) -> Self {
        Self { topic, panics: Arc::new(Mutex::new(panics)), seen: Arc::default() }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

impl Face for Clumsy {
    fn ask(&self, frame: &Frame, _withdrawn: &dyn Fn() -> bool) -> Answer {
        let (topic, answer) = match &frame.screen {
            Screen::Question(question) => (question.topic(), Answer::Choice(1)),
            Screen::Consent(consent) => (consent.topic.as_str(), Answer::Yes),
            Screen::Idle | Screen::Locked(_) => ("", Answer::Seen),
        };
        self.seen.lock().unwrap().push(topic.to_owned());
        let mut panics = self.panics.lock().unwrap();
        let clumsy = topic == self.topic && *panics > 0;
        if clumsy {
            *panics -= 1;
        }
        drop(panics);
        assert!(!clumsy, "the face drops the question “{topic}”");
        answer
    }

    fn show(&self, _frame: &Frame) {}
}

/// A person who looks at a question and never answers.
#[derive(Clone, Default)]
struct Undecided(Arc<Mutex<u32>>);

impl Face for Undecided {
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer {
        if matches!(frame.screen, Screen::Consent(_)) {
            return Answer::Yes;
        }
        *self.0.lock().unwrap() += 1;
        while !withdrawn() {
            std::thread::sleep(Duration::from_millis(2));
        }
        Answer::Leave
    }

    fn show(&self, _frame: &Frame) {}
}

fn until<T>(what: impl Fn() -> Option<T>) -> T {
    let patience = Instant::now() + HANG;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < patience, "it never comes");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn answer(client: &Client, deal: DealId, topic: &str) -> Result<Option<Answer>, ClientError> {
    client.pose(Digest::of(topic.as_bytes()), deal, question(topic), Duration::from_millis(50))
}

fn cause(error: &ClientError) -> Cause {
    match error {
        ClientError::NotDone(failure) => failure.cause,
        other => panic!("{other}"),
    }
}

#[test]
fn a_question_over_which_the_asker_panics_is_put_again_and_the_others_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (face, keeper) = (Clumsy::over("first", 1), Keeper::new("test"));
    let Served { client, deal, .. } = serve(folder.path(), face.clone(), &keeper);

    let first = until(|| answer(&client, deal, "first").unwrap());
    let second = until(|| answer(&client, deal, "second").unwrap());

    assert_eq!((first, second), (Answer::Choice(1), Answer::Choice(1)));
    assert_eq!(face.seen(), ["agreement", "first", "first", "second"]);
    assert_eq!(keeper.panics(), 1);
    assert!(keeper.health().iter().all(|it| it.state.is_well()), "{:?}", keeper.health());
}

#[test]
fn a_question_that_always_makes_the_asker_panic_fails_as_the_tinguins_own_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let (face, keeper) = (Clumsy::over("first", u32::MAX), Keeper::new("test"));
    let Served { client, deal, .. } = serve(folder.path(), face, &keeper);

    let failed = until(|| answer(&client, deal, "first").err());
    let second = until(|| answer(&client, deal, "second").unwrap());

    assert_eq!(cause(&failed), Cause::Trouble, "{failed}");
    assert!(failed.to_string().contains("panicked 3 times"), "{failed}");
    assert_eq!(second, Answer::Choice(1));
}

#[test]
fn a_panic_in_a_conversation_costs_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::new("test");
    let Served { client, deal, .. } = serve(folder.path(), Clumsy::over("direct", 1), &keeper);
    let (id, question) = (Digest::of(b"direct"), question("direct"));
    let ask = Request::Ask { id, deal, question, filled: None };
    let mut stream = UnixStream::connect(folder.path().join(SOCKET)).unwrap();
    let mut say = |request: &Request| -> Reply {
        protocol::write(&mut stream, request).unwrap();
        protocol::read(&mut stream).unwrap().unwrap()
    };

    let Reply::NotDone(failure) = say(&ask) else { panic!("it has not panicked") };
    let again = say(&ask);

    assert_eq!(failure.cause, Cause::Busy, "{failure}");
    assert_eq!(again, Reply::Answered(Answer::Choice(1)), "in the same conversation");
    assert!(client.who().is_ok(), "others have noticed nothing");
    assert_eq!(keeper.panics(), 1);
}

#[test]
fn an_end_answers_watches_and_questions_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (face, keeper) = (Undecided::default(), Keeper::new("test"));
    let Served { client, deal, thread } = serve(folder.path(), face.clone(), &keeper);
    let news = client.watch(Digest::ZERO, 0, &|| true).unwrap().unwrap();
    let watching = std::thread::spawn({
        let client = client.clone();
        move || client.watch(news.epoch, news.last, &|| true)
    });
    assert_eq!(answer(&client, deal, "open").unwrap(), None);
    until(|| (*face.0.lock().unwrap() == 1).then_some(()));

    let begun = Instant::now();
    keeper.end();
    let told = watching.join().unwrap().unwrap().unwrap();
    thread.join().unwrap().unwrap();

    assert!(begun.elapsed() < HANG, "a watch is held for longer");
    assert_eq!(told.answered, Some(Vec::new()), "it was answered, not cut off");
    assert_eq!(keeper.join(HANG), Vec::<String>::new());
    assert!(!folder.path().join(SOCKET).exists());
    let away = client.who().unwrap_err();
    assert!(matches!(away, ClientError::Away { .. }), "{away}");

    // The question was not answered, so it is put again after a restart.
    let memory = Memory::open(&folder.path().join(memory::FILE)).unwrap();
    assert_eq!(memory.answer(&Digest::of(b"open")).unwrap(), None);
}

#[test]
fn what_cannot_be_read_is_told_so_and_the_conversation_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let served = serve(folder.path(), Clumsy::over("", 0), &Keeper::new("test"));
    let mut stream = UnixStream::connect(folder.path().join(SOCKET)).unwrap();

    stream.write_all(&[0, 0, 0, 3, 0xa1, 0x01, 0x02]).unwrap();
    let reply = protocol::read(&mut stream).unwrap().unwrap();
    let Reply::NotDone(failure) = reply else { panic!("{reply:?}") };
    assert_eq!(failure.cause, Cause::Malformed);
    protocol::write(&mut stream, &Request::Who).unwrap();
    assert!(matches!(protocol::read(&mut stream), Ok(Some(Reply::Who { .. }))));

    // Too large to be sent is no TINGUIN that is away.
    let much = vec![0; protocol::MAX_FRAME];
    let error = served.client.open(served.deal, &much).unwrap_err();
    assert_eq!(cause(&error), Cause::Malformed, "{error}");
    // And what was sealed to somebody else is nobody's malformed request.
    let error = served.client.open(served.deal, &[0; 64]).unwrap_err();
    assert_eq!(cause(&error), Cause::Sealed, "{error}");
}

#[test]
fn a_damaged_store_is_the_tinguins_trouble_and_a_newer_one_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(memory::FILE);
    let served = serve(folder.path(), Clumsy::over("", 0), &Keeper::new("test"));
    let other = rusqlite::Connection::open(&path).unwrap();

    other.execute_batch("DROP TABLE answers").unwrap();
    let error = until(|| answer(&served.client, served.deal, "lost").err());
    assert_eq!(cause(&error), Cause::Trouble, "{error}");

    other.execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(Memory::open(&path), Err(MemoryError::Newer(9))));
}

/// Takes turns instead of starting threads, as a simulation does.
#[derive(Debug, Default)]
struct Turns(Mutex<Vec<Waiting>>);

struct Waiting(Loop);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiting")
    }
}

impl Turns {
    fn take(&self, post: &Post) {
        for Waiting(turn) in self.0.lock().unwrap().iter_mut() {
            while turn(post) == Turn::Again {}
        }
    }
}

impl Spawn for Turns {
    fn keep(&self, _name: &str, _bell: &Bell, turns: Loop) {
        self.0.lock().unwrap().push(Waiting(turns));
    }

    fn run(&self, _name: &str, _work: Box<dyn FnOnce(&Post) + Send>) {
        panic!("nothing here runs beside the turns");
    }

    fn caught(&self, _what: &str, work: &mut dyn FnMut()) -> Result<(), Panicked> {
        work();
        Ok(())
    }

    fn end(&self) {
        self.0.lock().unwrap().clear();
    }
}

#[test]
fn a_tinguin_in_the_hosts_process_answers_when_its_asker_has_had_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let face = Clumsy::over("", 0);
    let service = Arc::new(registered(folder.path(), face.clone()));
    let (turns, keeper) = (Turns::default(), Keeper::new("test"));
    let post = keeper.thread("nobody", &Bell::new(), Box::new(|_| Turn::End));
    service.keep_asking(&turns);
    let client = Client::through(InProcess::new(service, Arc::new(keeper)));
    let deal = open_deal(&client);
    let news = client.watch(Digest::ZERO, 0, &|| true).unwrap().unwrap();

    assert_eq!(answer(&client, deal, "topic").unwrap(), None);
    assert_eq!(face.seen(), ["agreement"], "nobody was asked behind the test's back");
    assert_eq!(
        client.watch(news.epoch, news.last, &|| true).unwrap().unwrap().answered,
        Some(Vec::new())
    );
    turns.take(&post);

    let told = client.watch(news.epoch, news.last, &|| true).unwrap().unwrap().answered;
    assert_eq!(told, Some(vec![Digest::of(b"topic")]));
    assert_eq!(answer(&client, deal, "topic").unwrap(), Some(Answer::Choice(1)));
}
