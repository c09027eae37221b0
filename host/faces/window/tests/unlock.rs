//! The pass-phrase: typed, tried, and slowed down when it is wrong.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use egui::Key;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use semper_face_window::model::Who;
use semper_face_window::picture::Picture;
use semper_face_window::settings::Settings;
use semper_face_window::unlock::{Stage, Unlock};

/// The page, and what was given to it.
fn page() -> Harness<'static, (Unlock, Option<String>)> {
    let (name, phrase) = ("Anna Berg", "two owls in a pear tree");
    let who = Who { name: name.into(), phrase: phrase.into(), picture: Picture::of(name, phrase) };
    let page = Unlock::new(who, Settings::default());
    let mut harness = Harness::builder().with_step_dt(0.05).build_ui_state(
        |ui, (page, given): &mut (Unlock, Option<String>)| {
            if let Some(pass_phrase) = page.draw(ui) {
                *given = Some(pass_phrase.to_string());
            }
        },
        (page, None),
    );
    harness.run_steps(3);
    harness
}

fn typed(harness: &mut Harness<'_, (Unlock, Option<String>)>, text: &str) -> Option<String> {
    harness.event(egui::Event::Text(text.into()));
    harness.step();
    harness.key_press(Key::Enter);
    harness.run_steps(2);
    harness.state_mut().1.take()
}

#[test]
fn the_field_has_the_keyboard_and_enter_gives_what_was_typed() {
    let mut harness = page();

    assert_eq!(typed(&mut harness, "correct horse"), Some("correct horse".to_owned()));
}

#[test]
fn whoever_was_wrong_waits_and_is_told_how_long() {
    let mut harness = page();
    let now = Duration::from_secs_f64(harness.ctx.input(|input| input.time));
    harness.state_mut().0.stage = Stage::Wrong(now + Duration::from_secs(2));
    harness.run_steps(2);

    harness.get_by_label_contains("Try again in 2 seconds.");
    assert!(harness.get_by_label("Open").accesskit_node().is_disabled());
    assert_eq!(typed(&mut harness, "too early"), None);

    harness.run_steps(50);
    harness.get_by_label("That was not the pass-phrase. Try again.");
    assert_eq!(typed(&mut harness, "in time"), Some("in time".to_owned()));
}
