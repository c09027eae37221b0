//! Questions that are posed over the socket: nobody waits with them, each is put once, an
//! answer is heard of, a question can be taken back.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use common::{question, serve};
use semper_base::{DealId, Digest};
use semper_keeper::Keeper;
use semper_tinguin_protocol::screen::Question;
use semper_tinguin_protocol::{Answer, Client, Face, Frame, Screen};

/// A person who answers a service's question when the test says so.
#[derive(Clone, Default)]
struct Person(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    seen: Vec<String>,
    allowed: usize,
}

impl Person {
    fn allow(&self) {
        self.0.0.lock().unwrap().allowed += 1;
        self.0.1.notify_all();
    }

    fn seen(&self) -> Vec<String> {
        self.0.0.lock().unwrap().seen.clone()
    }
}

impl Face for Person {
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer {
        let Screen::Question(question) = &frame.screen else { return Answer::Yes };
        let mut state = self.0.0.lock().unwrap();
        state.seen.push(question.topic().to_owned());
        while state.allowed == 0 {
            if withdrawn() {
                return Answer::Leave;
            }
            state = self.0.1.wait_timeout(state, Duration::from_millis(5)).unwrap().0;
        }
        state.allowed -= 1;
        Answer::Choice(1)
    }

    fn show(&self, _frame: &Frame) {}
}

/// A TINGUIN in a thread, with one deal that it knows.
fn tinguin(home: &Path, person: &Person) -> (Client, DealId) {
    let served = serve(home, person.clone(), &Keeper::new("test"));
    (served.client, served.deal)
}

fn until(what: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_posed_question_is_put_once_and_its_answer_is_heard_of() {
    let folder = tempfile::tempdir().unwrap();
    let person = Person::default();
    let (client, deal) = tinguin(folder.path(), &person);
    let id = Digest::of(b"first");
    let pose =
        |wait| client.pose(id, deal, question("first"), Duration::from_millis(wait)).unwrap();

    let news = client.watch(Digest::ZERO, 0, &|| true).unwrap().unwrap();
    assert_eq!(news.answered, None, "of a run that we do not know we know nothing");
    assert_eq!(pose(20), None);
    assert_eq!(pose(0), None, "posed again, it waits in line once");
    person.allow();
    let next = client.watch(news.epoch, news.last, &|| true).unwrap().unwrap();
    assert_eq!(next.answered, Some(vec![id]));
    assert_eq!(pose(0), Some(Answer::Choice(1)));
    assert_eq!(person.seen(), ["first"]);

    // Whoever has heard of nothing since asks from where he was.
    assert_eq!(
        client.watch(news.epoch, news.last, &|| true).unwrap().unwrap().answered,
        Some(vec![id])
    );
}

#[test]
fn a_question_that_is_taken_back_is_no_answer_and_gives_way_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let person = Person::default();
    let (client, deal) = tinguin(folder.path(), &person);
    let ids = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")];
    for (id, topic) in ids.into_iter().zip(["a", "b", "c"]) {
        assert_eq!(client.pose(id, deal, question(topic), Duration::ZERO).unwrap(), None);
    }
    until(|| person.seen() == ["a"]);
    // One that is shown leaves the screen, one that waits in line is never shown.
    client.withdraw(ids[1]);
    client.withdraw(ids[0]);
    until(|| person.seen() == ["a", "c"]);
    person.allow();
    let answer = client.pose(ids[2], deal, question("c"), Duration::from_secs(5)).unwrap();
    assert_eq!(answer, Some(Answer::Choice(1)));

    // What was taken back can be posed anew, and is then asked.
    person.allow();
    let answer = client.pose(ids[0], deal, question("a"), Duration::from_secs(5)).unwrap();
    assert_eq!(answer, Some(Answer::Choice(1)));
    assert_eq!(person.seen(), ["a", "c", "a"]);
}

#[test]
fn only_questions_can_be_posed_and_other_words_under_one_id_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let person = Person::default();
    let (client, deal) = tinguin(folder.path(), &person);
    person.allow();
    let id = Digest::of(b"id");
    let wait = Duration::from_secs(5);
    assert!(client.pose(id, deal, question("x"), wait).unwrap().is_some());
    let error = client.pose(id, deal, question("y"), wait).unwrap_err();
    assert!(error.to_string().contains("in other words"), "{error}");
    // A deal that this TINGUIN has not opened: refused, and not put in line for ever.
    let other = DealId::new(Digest::of(b"other"));
    let error = client.pose(Digest::of(b"z"), other, question("z"), wait).unwrap_err();
    assert!(error.to_string().contains("you have not opened"), "{error}");
}

#[test]
fn a_service_s_words_cannot_move_hide_or_turn_round_what_stands_beside_them() {
    /// Keeps what it is shown.
    #[derive(Clone, Default)]
    struct Window(Arc<Mutex<Vec<Frame>>>);
    impl Face for Window {
        fn ask(&self, frame: &Frame, _withdrawn: &dyn Fn() -> bool) -> Answer {
            if let Screen::Consent(_) = frame.screen {
                return Answer::Yes;
            }
            self.0.lock().unwrap().push(frame.clone());
            Answer::Choice(0)
        }

        fn show(&self, frame: &Frame) {
            self.0.lock().unwrap().push(frame.clone());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let window = Window::default();
    let served = serve(folder.path(), window.clone(), &Keeper::new("test"));
    let question = Question::Choose {
        topic: "pay\u{1b}[2J".into(),
        says: "Two\nlines, \u{202e}0001 EUR".into(),
        options: vec!["yes\u{7}".into()],
    };
    let wait = Duration::from_secs(10);
    served.client.pose(Digest::of(b"odd"), served.deal, question, wait).unwrap();
    served.client.progress(served.deal, "half\rdone".into());
    let frames = window.0.lock().unwrap().clone();
    // Its certificate is a test's, and ends tomorrow.
    let ends = " · your certificate ends on ";
    let before = |text: &str| text.split_once(ends).unwrap().0.to_owned();
    // The first is the TINGUIN's own word before there is a deal.
    let status: Vec<String> = frames[1..].iter().map(|frame| before(&frame.status)).collect();
    let told = "told Otto Versand: name (over TLS)";
    assert_eq!(status, [told, "the service asks: pay�[2J", "half�done"]);
    let Screen::Question(Question::Choose { says, options, .. }) = &frames[2].screen else {
        panic!("{frames:?}")
    };
    assert_eq!((&**says, &*options[0]), ("Two\nlines, �0001 EUR", "yes�"));
}
