//! The locked page: before the TINGUIN runs, and whenever it is locked.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use common::{at, form, frame, heard, model, order, window};
use egui::{Event, Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use semper_face_window::settings::Settings;
use semper_face_window::words::Language;
use semper_face_window::{Desk, Model, Page, WindowFace, pair};
use semper_tinguin_protocol::screen::{Locked, Screen};
use semper_tinguin_protocol::{Answer, Attention, Face as _, Frame, PassPhrase};

const PHRASE: &str = "two owls in a pear tree";

/// A TINGUIN that is locked when its face says so.
#[derive(Debug, Default)]
struct Tinguin {
    locked: AtomicBool,
    touched: AtomicUsize,
}

impl Attention for Tinguin {
    fn touched(&self) {
        self.touched.fetch_add(1, Ordering::SeqCst);
    }

    fn lock(&self) {
        self.locked.store(true, Ordering::SeqCst);
    }
}

/// A window, and the TINGUIN behind it.
struct Story {
    harness: Harness<'static, Model>,
    desk: Desk,
    face: Arc<WindowFace>,
    tinguin: Arc<Tinguin>,
}

impl Story {
    fn new(model: Model) -> Self {
        let (face, desk) = pair();
        let tinguin = Arc::new(Tinguin::default());
        face.attend(Arc::clone(&tinguin) as _);
        Self { harness: window(model), desk, face: Arc::new(face), tinguin }
    }

    fn step(&mut self) {
        self.harness.state_mut().meet(&self.desk);
        self.harness.step();
        self.harness.state_mut().meet(&self.desk);
    }

    fn steps(&mut self, number: usize) {
        for _ in 0..number {
            self.step();
        }
    }

    /// Goes on until this has happened.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            self.step();
            if done(self) {
                return self.steps(3);
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("not in time:\n{}", heard(&self.harness));
    }

    fn type_in(&mut self, text: &str) {
        self.harness.event(Event::Text(text.into()));
        self.step();
        self.harness.key_press(Key::Enter);
        self.steps(2);
    }

    fn ask(&self, screen: Screen) -> JoinHandle<Answer> {
        let (face, tinguin) = (Arc::clone(&self.face), Arc::clone(&self.tinguin));
        thread::spawn(move || {
            // As the service does: what was locked away is put again.
            loop {
                let withdrawn = || tinguin.locked.load(Ordering::SeqCst);
                let answer = face.ask(&frame(screen.clone()), &withdrawn);
                if !withdrawn() {
                    return answer;
                }
                while withdrawn() {
                    thread::sleep(Duration::from_millis(2));
                }
            }
        })
    }

    /// Has the person unlock, as the service does.
    fn unlock(&self, locked: Locked) -> JoinHandle<Option<PassPhrase>> {
        let (face, tinguin) = (Arc::clone(&self.face), Arc::clone(&self.tinguin));
        thread::spawn(move || {
            let over = || !tinguin.locked.load(Ordering::SeqCst);
            face.unlock(&locked_frame(locked), &over)
        })
    }

    fn open(&self) {
        self.tinguin.locked.store(false, Ordering::SeqCst);
        let idle = frame(Screen::Idle);
        self.face.show(&Frame { peer: "".into(), status: "unlocked".into(), ..idle });
    }
}

fn locked() -> Locked {
    Locked { token: "".into(), wrong: 0, since: None, wait: 0, waiting: 1, said: "".into() }
}

fn locked_frame(locked: Locked) -> Frame {
    let frame = frame(Screen::Locked(locked));
    let status = "locked".into();
    Frame { phrase: "".into(), peer: "".into(), service: "".into(), status, ..frame }
}

fn is_locked(story: &Story) -> bool {
    story.harness.state().locked.as_ref().is_some_and(|it| it.wanted)
}

#[test]
fn a_locked_window_shows_no_phrase_no_picture_and_nothing_of_deals() {
    for (language, _) in Language::ALL {
        let mut model = model(7, Settings { language, ..Settings::default() });
        model.shows(&frame(Screen::Idle));
        let mut story = Story::new(model);
        assert!(heard(&story.harness).contains(PHRASE));
        story.tinguin.lock();
        let (wrong, since) = (2, Some(at(0)));
        let locked = Locked { wrong, since, waiting: 2, ..locked() };
        let unlocking = story.unlock(locked);
        story.until(is_locked);

        let seen = heard(&story.harness);
        for secret in [PHRASE, "Otto", "Image", "mail-order", "Verbraucherbund"] {
            assert!(!seen.contains(secret), "{secret}: {seen}");
        }
        assert!(seen.contains("Anna Berg"));
        assert!(!story.harness.state().title().contains("Otto"));
        let tag = if language == Language::German { "de" } else { "en" };
        insta::assert_snapshot!(format!("locked_{tag}"), seen);

        story.open();
        assert_eq!(unlocking.join().unwrap(), None);
        story.until(|it| it.harness.state().locked.is_none());
        assert!(heard(&story.harness).contains(PHRASE), "it comes back with the keys");
    }
}

#[test]
fn what_was_asked_leaves_the_screen_and_comes_back_with_the_keys() {
    let mut story = Story::new(model(7, Settings::default()));
    let asking = story.ask(Screen::Consent(order()));
    story.until(|it| it.harness.state().asked.is_some());
    let before = story.harness.state().asked.as_ref().unwrap().frame.clone();

    // Also amid a decision.
    story.harness.key_press_modifiers(Modifiers::COMMAND, Key::L);
    story.until(|it| it.tinguin.locked.load(Ordering::SeqCst));
    let unlocking = story.unlock(locked());
    story.until(is_locked);
    assert!(story.harness.state().asked.is_none());
    story.harness.get_by_label("One question waits for you.");

    story.type_in("correct horse battery");
    assert_eq!(unlocking.join().unwrap().unwrap().as_str(), "correct horse battery");
    story.open();
    story.until(|it| it.harness.state().asked.is_some());

    let asked = story.harness.state().asked.as_ref().unwrap();
    assert_eq!(asked.frame, before);
    assert!(!asked.arming.is_armed(), "it waits again before it can be answered");
    assert_eq!(story.harness.state().page, Page::Now);
    story.tinguin.lock();
    story.face.show(&locked_frame(locked()));
    story.until(|it| it.harness.state().asked.is_none());
    drop(asking);
}

#[test]
fn what_is_typed_into_the_locked_page_reaches_no_question() {
    let mut story = Story::new(model(7, Settings::default()));
    let asking = story.ask(Screen::Question(form()));
    story.until(|it| it.harness.state().asked.as_ref().is_some_and(|it| it.arming.is_armed()));
    story.harness.get_by_label_contains("Lock").click();
    story.until(|it| it.tinguin.locked.load(Ordering::SeqCst));
    let unlocking = story.unlock(locked());
    story.until(is_locked);

    story.type_in("correct horse battery");
    unlocking.join().unwrap().unwrap();
    // More keys while it is being tried.
    story.type_in("and more");
    assert!(!asking.is_finished(), "Enter sends no form off");
    story.open();
    story.until(|it| it.harness.state().asked.is_some());
    story.type_in("and more");

    let asked = story.harness.state().asked.as_ref().unwrap();
    assert_eq!(asked.fields, ["Anna Berg", ""]);
    assert!(story.harness.state().answered.is_none() && !asking.is_finished());
}

#[test]
fn a_wrong_pass_phrase_is_told_and_the_next_one_waits() {
    let mut story = Story::new(model(0, Settings::default()));
    story.tinguin.lock();
    let unlocking = story.unlock(locked());
    story.until(is_locked);
    story.type_in("wrong horse battery");
    unlocking.join().unwrap().unwrap();
    story.until(|it| it.harness.state().locked.as_ref().is_some_and(|it| it.trying));
    story.harness.get_by_label("Opening …");

    let said = "That was not the pass-phrase.".into();
    let wrong = Locked { wrong: 4, since: Some(at(0)), wait: 2, waiting: 0, said, ..locked() };
    story.face.show(&locked_frame(wrong.clone()));
    story.steps(2);
    story.harness.get_by_label_contains("4 wrong pass-phrases since 21 Sep 2026");
    story.harness.get_by_label_contains("can be tried in 2 seconds");
    assert!(story.harness.get_by_label("Open").accesskit_node().is_disabled());
    story.type_in("too early");

    let unlocking = story.unlock(Locked { wait: 0, ..wrong });
    story.until(is_locked);
    story.harness.get_by_label("That was not the pass-phrase. Try again.");
    story.type_in("in time");
    assert_eq!(unlocking.join().unwrap().unwrap().as_str(), "in time", "nothing of what was early");

    story.tinguin.locked.store(false, Ordering::SeqCst);
    let idle = frame(Screen::Idle);
    let status = format!("unlocked · 4 wrong pass-phrases since {}", at(0));
    story.face.show(&Frame { peer: "".into(), status: status.into(), ..idle });
    story.until(|it| it.harness.state().locked.is_none());
    story.harness.get_by_label_contains("somebody has been at your computer");
    story.harness.get_by_label("Seen").click();
    story.steps(3);
    assert!(story.harness.state().tried.is_none());
}

#[test]
fn keys_and_pointers_say_that_somebody_is_there_and_time_does_not() {
    let mut story = Story::new(model(0, Settings::default()));
    story.steps(20);
    let touched = |story: &Story| story.tinguin.touched.load(Ordering::SeqCst);
    let before = touched(&story);
    story.steps(20);
    assert_eq!(touched(&story), before);

    story.harness.event(Event::PointerMoved(egui::pos2(300.0, 300.0)));
    story.steps(2);
    let moved = touched(&story);
    assert!(moved > before);
    story.harness.key_press(Key::ArrowDown);
    story.steps(2);
    assert!(touched(&story) > moved);
}

#[test]
fn what_was_on_its_way_when_it_was_locked_opens_nothing() {
    let mut story = Story::new(model(0, Settings::default()));
    story.tinguin.lock();
    let unlocking = story.unlock(locked());
    story.until(is_locked);
    story.face.show(&frame(Screen::Idle));
    story.steps(3);
    assert!(is_locked(&story));
    story.open();
    unlocking.join().unwrap();
}
