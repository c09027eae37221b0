//! A locked TINGUIN has no keys, puts its questions off, and goes on where it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use common::{open_deal, question, registered};
use semper_archive::Home;
use semper_base::Digest;
use semper_keeper::Keeper;
use semper_tinguin::{Locking, Vault};
use semper_tinguin_protocol::{
    Answer, Attention, Cause, Client, ClientError, Face, Frame, PassPhrase, SOCKET, Screen,
};
use zeroize::Zeroizing;

const PATIENCE: Duration = Duration::from_secs(60);
const RIGHT: &str = "correct horse battery";

/// A person who reads, and types what the test says.
#[derive(Clone, Default)]
struct Person(Arc<Inner>);

#[derive(Default)]
struct Inner {
    seen: Mutex<Vec<Frame>>,
    types: Mutex<Vec<&'static str>>,
    answers: AtomicBool,
    asked: AtomicUsize,
    attention: OnceLock<Arc<dyn Attention>>,
}

impl Face for Person {
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer {
        if let Screen::Consent(_) = frame.screen {
            return Answer::Yes;
        }
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        while !self.0.answers.load(Ordering::SeqCst) {
            if withdrawn() {
                return Answer::Leave;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Answer::Choice(1)
    }

    fn show(&self, frame: &Frame) {
        self.0.seen.lock().unwrap().push(frame.clone());
    }

    fn attend(&self, to: Arc<dyn Attention>) {
        let _ = self.0.attention.set(to);
    }

    fn unlocks(&self) -> bool {
        true
    }

    fn unlock(&self, frame: &Frame, over: &dyn Fn() -> bool) -> Option<PassPhrase> {
        self.show(frame);
        while !over() {
            if let Some(typed) = self.0.types.lock().unwrap().pop() {
                return Some(Zeroizing::new(typed.to_owned()).into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Serves a TINGUIN that this person sits at.
fn serve(home: &Path, person: &Person, keeper: &Keeper) -> Client {
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).unwrap();
    let vault = Vault::of(Arc::new(Home::open(home).unwrap()));
    let service = registered(home, person.clone()).with_locking(Locking { vault, after: None });
    let (socket, keeper) = (home.join(SOCKET), keeper.clone());
    std::thread::spawn({
        let socket = socket.clone();
        move || service.serve(&socket, &keeper)
    });
    until("it answers", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    until("the face knows whom to tell", || person.0.attention.get().is_some());
    Client::new(home)
}

fn is_locked(client: &Client) -> bool {
    match client.deal_keys(Digest::of(b"nobody's")) {
        Ok(_) => false,
        Err(ClientError::NotDone(failure)) if failure.cause == Cause::Locked => true,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_question_on_the_screen_leaves_it_and_is_put_again_when_it_is_unlocked() {
    let (folder, keeper, person) =
        (tempfile::tempdir().unwrap(), Keeper::new("test"), Person::default());
    let client = serve(folder.path(), &person, &keeper);
    let deal = open_deal(&client);
    let ask =
        |id: &[u8]| client.pose(Digest::of(id), deal, question("size"), Duration::ZERO).unwrap();
    assert_eq!(ask(b"one"), None);
    until("it is on the screen", || person.0.asked.load(Ordering::SeqCst) == 1);

    person.0.attention.get().unwrap().lock();
    assert!(is_locked(&client));
    assert_eq!(client.who().unwrap().0, "Anna Berg", "what needs no key is told");
    assert_eq!(ask(b"two"), None, "it waits in line");
    // Answered now, it would have been answered by nobody.
    person.0.answers.store(true, Ordering::SeqCst);
    until("the locked screen says what waits", || {
        let seen = person.0.seen.lock().unwrap();
        seen.iter().any(|it| matches!(&it.screen, Screen::Locked(locked) if locked.waiting > 0))
    });
    assert_eq!((ask(b"one"), ask(b"two")), (None, None));

    person.0.types.lock().unwrap().extend([RIGHT, "not this one"]);
    until("both are answered", || ask(b"one").is_some() && ask(b"two").is_some());
    assert_eq!(ask(b"one"), Some(Answer::Choice(1)));
    let seen = person.0.seen.lock().unwrap();
    for frame in seen.iter().filter(|it| matches!(it.screen, Screen::Locked(_))) {
        assert_eq!((&*frame.user, &*frame.phrase, &*frame.peer), ("Anna Berg", "", ""));
    }
    let unlocked = seen.iter().find(|it| it.status.contains("unlocked")).unwrap();
    assert!(unlocked.status.contains("1 wrong pass-phrase since"), "{}", unlocked.status);
    assert_eq!(&*unlocked.phrase, "two owls", "and now it is hers");
    keeper.end();
}

#[test]
fn a_locked_one_is_unlocked_by_a_command_and_progress_shows_nothing_meanwhile() {
    let (folder, keeper, person) =
        (tempfile::tempdir().unwrap(), Keeper::new("test"), Person::default());
    let client = serve(folder.path(), &person, &keeper);
    let deal = open_deal(&client);
    client.lock().unwrap();
    client.progress(deal, "goods are on their way".into());
    let types = |text: &str| client.unlock(Zeroizing::new(text.to_owned()).into());
    assert!(types("not this one").unwrap_err().to_string().contains("is wrong"));
    types(RIGHT).unwrap();
    assert!(!is_locked(&client));
    types("whatever: it is open").unwrap();
    client.progress(deal, "goods have arrived".into());
    let seen = person.0.seen.lock().unwrap();
    assert!(seen.iter().all(|it| !it.status.contains("on their way")));
    assert!(seen.iter().any(|it| it.status.contains("have arrived")));
    keeper.end();
}
