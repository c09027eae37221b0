//! Every page, decision and question in both languages, as somebody hears it who does not see it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{
    agreement, choose, deal_id, exchange, form, frame, heard, inform, link, model, order, pairing,
    wait, window,
};
use egui_kittest::kittest::Queryable as _;
use semper_face_window::Page;
use semper_face_window::settings::{Depth, SIZES, Settings, Shade};
use semper_face_window::words::Language;
use semper_tinguin_protocol::screen::Screen;

fn in_each_language(settings: Settings, name: &str, screen: impl Fn(Settings) -> String) {
    for (language, _) in Language::ALL {
        let tag = if language == Language::German { "de" } else { "en" };
        let settings = Settings { language, ..settings };
        insta::assert_snapshot!(format!("{name}_{tag}"), screen(settings));
    }
}

/// What stands below the head and beside the pages' names.
fn content(heard: &str) -> String {
    let tabs = |line: &&str| !line.trim_start().starts_with("Tab ");
    heard.lines().filter(tabs).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_page_says_what_it_shows() {
    for (page, id) in Page::ALL {
        let name = id.trim_start_matches("page-");
        in_each_language(Settings::default(), name, |settings| {
            let mut model = model(7, settings);
            model.page = page;
            model.shows(&frame(Screen::Idle));
            let mut harness = window(model);
            wait(&mut harness, 200);
            content(&heard(&harness))
        });
    }
}

#[test]
fn every_decision_says_what_it_shows() {
    let all = [
        ("agreement", agreement()),
        ("order", order()),
        ("exchange", exchange()),
        ("link", link()),
        ("pairing", pairing()),
    ];
    for (name, consent) in all {
        in_each_language(Settings::default(), name, |settings| {
            let mut model = model(0, settings);
            model.asks(1, frame(Screen::Consent(consent.clone())));
            let mut harness = window(model);
            wait(&mut harness, 900);
            content(&heard(&harness))
        });
    }
}

#[test]
fn every_question_says_what_it_shows() {
    for (name, question) in [("inform", inform()), ("choose", choose()), ("form", form())] {
        in_each_language(Settings::default(), name, |settings| {
            let mut model = model(0, settings);
            model.asks(1, frame(Screen::Question(question.clone())));
            let mut harness = window(model);
            wait(&mut harness, 900);
            content(&heard(&harness))
        });
    }
}

#[test]
fn the_experts_pages_have_keys_and_digests() {
    let settings = Settings { depth: Depth::Expert, ..Settings::default() };
    for page in [Page::Archive, Page::Believed] {
        let mut model = model(7, settings);
        model.page = page;
        let harness = window(model);
        let heard = heard(&harness);
        assert!(heard.contains("sha256:") || heard.contains(" · "), "{heard}");
    }
}

#[test]
fn who_it_is_stands_on_every_page_in_every_size_and_shade() {
    for (page, _) in Page::ALL {
        for size in SIZES {
            for shade in [Shade::Light, Shade::Dark] {
                let mut model = model(7, Settings { size, shade, ..Settings::default() });
                model.page = page;
                let harness = window(model);
                for name in ["Anna Berg", "“two owls in a pear tree”"] {
                    let rect = harness.get_by_label(name).rect();
                    assert!(rect.width() > 20.0 && rect.max.y < 120.0, "{page:?} {size}: {rect:?}");
                }
                harness.get_by_label_contains("Your picture");
            }
        }
    }
}

#[test]
fn settings_are_taken_at_once_and_kept() {
    let mut model = model(0, Settings::default());
    model.page = Page::Settings;
    let mut harness = window(model);

    harness.get_by_label("Deutsch").click();
    harness.run_steps(3);
    harness.get_by_label("Dunkel").click();
    harness.run_steps(3);
    harness.get_by_label("200 %").click();
    harness.run_steps(3);

    harness.get_by_label("Sprache");
    let (settings, changed) = (harness.state().settings, harness.state().changed);
    assert!(changed);
    assert_eq!(Settings::parse(&settings.text()), settings);
    assert_eq!((settings.shade, settings.size), (Shade::Dark, 200));
}

#[test]
fn a_hundred_thousand_entries_are_scrolled_and_searched() {
    let mut model = model(100_000, Settings::default());
    model.page = Page::Archive;
    let mut harness = window(model);
    harness.get_by_label("100,000 entries");
    harness.get_by_label_contains("number 99999:");

    harness.key_press(egui::Key::End);
    harness.run_steps(4);
    harness.get_by_label_contains("number 0:");

    harness.get_by_role_and_label(egui::accesskit::Role::TextInput, "Find").focus();
    harness.step();
    harness.event(egui::Event::Text("number 4711:".into()));
    harness.run_steps(4);
    harness.get_by_label("one entry");
}

#[test]
fn the_archive_is_narrowed_down_and_its_money_summed_up_by_month() {
    let mut model = model(2_000, Settings::default());
    model.page = Page::Archive;
    let mut harness = window(model);
    harness.get_by_label("In, Out");
    harness.get_by_label("What has moved, by month").click();
    harness.run_steps(4);
    harness.get_by_label("1,234.56 EUR");

    harness.get_by_label("Month: any").click();
    harness.run_steps(4);
    harness.get_by_role_and_label(egui::accesskit::Role::Button, "Sep 2026").click();
    harness.run_steps(4);
    assert_eq!(harness.state().find.month.as_deref(), Some("2026-09"));
    harness.get_by_label("400 entries");

    harness.get_by_label("With: anybody").click();
    harness.run_steps(4);
    harness.get_by_role_and_label(egui::accesskit::Role::Button, "Bücher Müller").click();
    harness.run_steps(4);
    harness.get_by_label("Nothing is like that.");
}

#[test]
fn a_deal_is_opened_from_the_archive_and_left_again() {
    let mut model = model(7, Settings::default());
    model.page = Page::Deals;
    let mut harness = window(model);

    harness.get_by_label_contains("Bücher Müller").click();
    harness.run_steps(4);
    harness.get_by_label("What was signed, in order");
    harness.get_by_label_contains("All deals").click();
    harness.run_steps(3);

    harness.get_by_label_contains("waits for you");
}

#[test]
fn what_somebody_was_told_is_asked_back_by_a_letter() {
    let mut model = model(7, Settings::default());
    model.page = Page::Told;
    let mut harness = window(model);

    harness.get_by_label_contains("deliver to: Anna Berg, Lindenweg 4");
    harness.get_by_label("Write to Otto Versand and ask it back").click();
    harness.run_steps(4);

    harness.get_by_label_contains("The letter is written: /home/anna/letter-Otto Versand-en.txt");
}

#[test]
fn what_an_application_may_do_is_taken_back_after_a_second_thought() {
    let mut model = model(7, Settings::default());
    model.page = Page::Consents;
    let mut harness = window(model);
    harness.get_by_label("2 purchases, the last on 26 Sep 2026, 14:13 UTC");

    harness.get_by_label("Take this back from “Shopping list” …").click();
    harness.run_steps(3);
    harness.get_by_label("No, leave it").click();
    harness.run_steps(3);
    harness.get_by_label("Take this back from “Shopping list” …").click();
    harness.run_steps(3);
    harness.get_by_label_contains("may do nothing any more then");
    harness.get_by_label("Yes, take it back from “Shopping list”").click();
    harness.run_steps(4);

    harness.get_by_label("No program may shop for you.");
}

#[test]
fn a_deal_says_which_steps_are_done_which_are_certain_and_which_are_only_possible() {
    for at in [0, 1] {
        in_each_language(Settings::default(), &format!("deal-{at}"), |settings| {
            let mut model = model(7, settings);
            model.page = Page::Deals;
            model.open = Some(deal_id(at));
            content(&heard(&window(model)))
        });
    }
}
