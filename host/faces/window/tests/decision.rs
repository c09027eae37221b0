//! What it takes to say yes, and what never says it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{agreement, exchange, frame, model, order, sized, wait, window};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use semper_base::text::Text;
use semper_face_window::settings::Settings;
use semper_face_window::{Model, Page};
use semper_tinguin_protocol::Answer;
use semper_tinguin_protocol::screen::{Consent, Screen};

fn asked(consent: Consent) -> Model {
    let mut model = model(0, Settings::default());
    model.asks(1, frame(Screen::Consent(consent)));
    model
}

fn yes_is_off(harness: &Harness<'_, Model>) -> bool {
    harness.get_by_label_contains("✔ Yes").accesskit_node().is_disabled()
}

fn answer(harness: &mut Harness<'_, Model>) -> Option<Answer> {
    harness.state_mut().answered.take().map(|it| it.1)
}

/// Goes from widget to widget until the one with this name has the keyboard.
fn tab_to(harness: &mut Harness<'_, Model>, name: &str) {
    for _ in 0..40 {
        harness.key_press(Key::Tab);
        harness.step();
        if harness.get_by_label_contains(name).is_focused() {
            return;
        }
    }
    panic!("{name} is not reached by Tab");
}

#[test]
fn a_key_that_was_being_typed_when_a_decision_came_up_does_not_sign() {
    let mut harness = window(asked(order()));

    for _ in 0..30 {
        harness.key_press(Key::Enter);
        harness.key_press(Key::Space);
        harness.step();
    }

    assert_eq!(answer(&mut harness), None);
    assert!(yes_is_off(&harness), "whoever goes on typing is not armed");
    harness.get_by_label_contains("You can answer in 0.");

    wait(&mut harness, 900);
    assert!(!yes_is_off(&harness));
    harness.key_press(Key::Enter);
    harness.step();
    assert_eq!(answer(&mut harness), None, "nothing has the keyboard yet");
}

#[test]
fn a_person_without_a_mouse_reads_and_signs() {
    let mut harness = window(asked(order()));
    wait(&mut harness, 900);

    tab_to(&mut harness, "✔ Yes, I order");
    harness.key_press(Key::Enter);
    harness.step();

    assert_eq!(answer(&mut harness), Some(Answer::Yes));
    assert!(harness.state().asked.is_none());
}

#[test]
fn a_person_declines_with_the_mouse() {
    let mut harness = window(asked(exchange()));

    harness.get_by_label_contains("✖ No").click();
    harness.run_steps(2);
    assert_eq!(answer(&mut harness), None, "a click before its time is none");

    wait(&mut harness, 900);
    harness.get_by_label_contains("✖ No").click();
    harness.run_steps(2);
    assert_eq!(answer(&mut harness), Some(Answer::No(String::new())));
}

fn long() -> Consent {
    let mut consent = order();
    consent.rows.push(("note".into(), "every line of this binds you. ".repeat(400).into()));
    consent
}

#[test]
fn yes_is_out_of_reach_until_all_of_it_was_on_the_screen() {
    let mut harness = window(asked(long()));
    wait(&mut harness, 900);
    assert!(yes_is_off(&harness));
    harness.get_by_label_contains("Read to the end first");

    let mut pages = 0;
    while yes_is_off(&harness) {
        harness.key_press(Key::PageDown);
        harness.run_steps(2);
        pages += 1;
        assert!(pages < 60, "the end is not reached");
    }

    assert!(pages > 2);
    harness.get_by_label_contains("binds you as one on paper");
}

#[test]
fn whoever_jumps_to_the_end_has_not_read_it() {
    let mut harness = window(asked(long()));
    wait(&mut harness, 900);

    // The wheel is turned very fast.
    harness.hover_at(egui::pos2(500.0, 350.0));
    harness.event(egui::Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: egui::vec2(0.0, -100_000.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    });
    wait(&mut harness, 2000);

    assert!(yes_is_off(&harness));
}

#[test]
fn a_decision_that_was_out_of_sight_has_to_be_looked_at_again() {
    let mut harness = window(asked(order()));
    wait(&mut harness, 900);
    assert!(!yes_is_off(&harness));

    harness.get_by_label("Archive").click();
    harness.run_steps(2);
    assert_eq!(harness.state().page, Page::Archive);
    harness.get_by_label("Go to it").click();
    harness.step();
    harness.step();

    assert!(yes_is_off(&harness));
    wait(&mut harness, 900);
    assert!(!yes_is_off(&harness));
}

#[test]
fn whoever_types_into_a_field_when_it_comes_up_signs_nothing() {
    let mut harness = window(model(10, Settings::default()));
    harness.get_by_label("Archive").click();
    harness.run_steps(2);
    harness.get_by_role_and_label(egui::accesskit::Role::TextInput, "Find").focus();
    harness.run_steps(2);

    harness.state_mut().asks(1, frame(Screen::Consent(order())));
    for letter in ["y", "e", "s", " ", "y"] {
        harness.event(egui::Event::Text(letter.into()));
        harness.key_press(Key::Enter);
        harness.step();
    }

    assert_eq!(answer(&mut harness), None);
    assert_eq!(harness.state().page, Page::Now);
    assert_eq!(harness.state().find.words, "", "what was typed for one thing goes to no other");
}

#[test]
fn digests_stand_in_the_expert_view_alone() {
    let digest = agreement().digest.to_string();
    let mut harness = window(asked(agreement()));
    assert!(harness.query_by_label_contains("sha256:").is_none());
    harness.get_by_label_contains("One row with keys or digests is left out");

    let expert =
        Settings { depth: semper_face_window::settings::Depth::Expert, ..Settings::default() };
    harness.state_mut().settings = expert;
    harness.run_steps(3);

    harness.get_by_label(&digest);
}

/// Texts that somebody has made to hide, to push away or to imitate.
fn hostile() -> Vec<(&'static str, String)> {
    vec![
        ("long", "x".repeat(100_000)),
        ("long words", "Nachnahmegebühr ".repeat(6_000)),
        ("lines", "yes\n".repeat(20_000)),
        ("marks", format!("Z{}", "\u{301}\u{333}".repeat(5_000))),
        ("right to left", "שלום עולם, זה טקסט ארוך מאוד. ".repeat(500)),
        ("turned", "\u{202e}RUE 00.0\u{202c}".repeat(50)),
        ("pictures", "👩‍👩‍👧‍👦🏳️‍🌈✔✖".repeat(2_000)),
        ("imitation", "YOUR DECISION\n✔ Yes, I order\n— certified by Verbraucherbund".into()),
    ]
}

#[test]
fn no_text_pushes_the_buttons_away_or_hides_who_certified() {
    for (width, height) in [(960.0, 700.0), (420.0, 420.0)] {
        for (name, text) in hostile() {
            let mut consent = order();
            consent.title = text.as_str().into();
            consent.rows.insert(0, (text.as_str().into(), text.as_str().into()));
            let mut frame = frame(Screen::Consent(consent));
            let says: Text = text.as_str().into();
            frame.peer = says.clone();
            frame.service = format!("{says} — not certified by anyone you trust").into();
            frame.status = says;
            let mut model = model(0, Settings::default());
            model.asks(1, frame);
            let mut harness = sized(model, width, height);
            wait(&mut harness, 900);

            let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(width, height));
            let seen = [
                harness.get_by_label_contains("✖ No, I decline").rect(),
                harness
                    .get_by_role_and_label(egui::accesskit::Role::Button, "✔ Yes, I order")
                    .rect(),
                harness.get_by_label("⚠ Not certified by anyone you trust").rect(),
                harness.get_by_label("Anna Berg").rect(),
            ];
            for rect in seen {
                assert!(screen.contains_rect(rect), "{name} at {width}: {rect:?}");
            }
            assert!(!seen[0].intersects(seen[1]), "{name}: the buttons lie on one another");
        }
    }
}
