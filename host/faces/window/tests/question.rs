//! A service's questions: nothing in them binds, and nobody takes them for the TINGUIN's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{choose, form, frame, inform, model, wait, window};
use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use semper_base::text::Text;
use semper_face_window::Model;
use semper_face_window::settings::Settings;
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::{Question, Screen};

fn asked(question: Question<Text>) -> Harness<'static, Model> {
    let mut model = model(0, Settings::default());
    model.asks(7, frame(Screen::Question(question)));
    let mut harness = window(model);
    wait(&mut harness, 500);
    harness
}

fn answer(harness: &mut Harness<'_, Model>) -> Option<Answer> {
    harness.state_mut().answered.take().map(|it| it.1)
}

#[test]
fn a_person_fills_in_a_form_without_a_mouse() {
    let mut harness = asked(form());
    assert!(
        harness.get_by_label("name").accesskit_node().is_focused() || {
            let field = harness.get_by_role_and_label(egui::accesskit::Role::TextInput, "name");
            field.is_focused()
        }
    );

    harness.key_press(Key::Enter);
    harness.run_steps(2);
    harness.event(egui::Event::Text("Lindenweg 4".into()));
    harness.step();
    harness.key_press(Key::Enter);
    harness.run_steps(2);

    let given = vec!["Anna Berg".to_owned(), "Lindenweg 4".to_owned()];
    assert_eq!(answer(&mut harness), Some(Answer::Fields(given)));
}

#[test]
fn a_person_chooses_by_pointing_at_the_words() {
    let mut harness = asked(choose());
    let take = harness.get_by_label("Take this one");
    assert!(take.accesskit_node().is_disabled(), "nothing is chosen in her place");

    let radio = egui::accesskit::Role::RadioButton;
    harness.get_by_role_and_label(radio, "silk scarf, 89.00 EUR").click();
    harness.run_steps(2);
    harness.get_by_label("Take this one").click();
    harness.run_steps(2);

    assert_eq!(answer(&mut harness), Some(Answer::Choice(1)));
}

#[test]
fn an_information_is_seen_with_one_key_and_never_by_the_one_before() {
    let mut model = model(0, Settings::default());
    model.asks(7, frame(Screen::Question(inform())));
    let mut harness = window(model);

    harness.key_press(Key::Enter);
    harness.step();
    assert_eq!(answer(&mut harness), None);

    wait(&mut harness, 600);
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    assert_eq!(answer(&mut harness), Some(Answer::Seen));
}

#[test]
fn a_service_that_imitates_a_decision_stands_in_its_own_box() {
    let says = "YOUR DECISION\nMoney at stake: 0.00 EUR\n✔ Yes, I sign this";
    let harness = asked(Question::Inform { topic: "trick".into(), says: says.into() });

    harness.get_by_label("THE SERVICE SAYS — checked by nobody");
    harness.get_by_label_contains("An answer here signs nothing and pays nothing.");
    assert!(
        harness
            .query_by_role_and_label(egui::accesskit::Role::Button, "✔ Yes, I sign this")
            .is_none()
    );
}

#[test]
fn a_question_that_is_withdrawn_leaves_the_screen() {
    let (face, desk) = semper_face_window::pair();
    let asker = std::thread::spawn(move || {
        use semper_tinguin_protocol::Face as _;
        let begun = std::time::Instant::now();
        face.ask(&frame(Screen::Question(inform())), &|| begun.elapsed().as_millis() > 300)
    });
    let mut model = model(0, Settings::default());
    while desk.number().is_none() {
        std::thread::yield_now();
    }
    model.meet(&desk);
    assert!(model.asked.is_some());

    assert_eq!(asker.join().unwrap(), Answer::Leave);
    model.meet(&desk);

    assert!(model.asked.is_none());
    assert_eq!(&*model.status, "The question is not asked any more.");
}
