//! Everything that a TINGUIN can say of its own accord is said in German: every screen that its
//! constructors make is drawn, and no English word of it is left.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "german/screens.rs"]
mod screens;

use std::collections::BTreeSet;

use common::{heard, model, window};
use semper_base::text::Text;
use semper_face_window::settings::Settings;
use semper_face_window::words::Language;
use semper_tinguin_protocol::Frame;
use semper_tinguin_protocol::screen::{Consent, Screen};

/// What others have said: shown as it came. Other names here are written in Greek letters.
const OUTSIDE: &[&str] = &[
    "woollen",
    "scarf",
    "Test",
    "Bank",
    "Lindenweg",
    "Anna",
    "Berg",
    "Hamburg",
    "dear",
    "acct",
    "https",
    "list",
    "shop",
    "example",
    "third",
];

/// The words of a text that are long enough to be one language's alone.
fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|it: char| !it.is_alphabetic());
    let hex = |it: &str| it.chars().all(|it| it.is_ascii_hexdigit());
    let own = |it: &&str| it.len() > 3 && it.is_ascii() && !hex(it) && !OUTSIDE.contains(it);
    words.filter(own).map(str::to_lowercase).collect()
}

/// Words that stand in the German window by right.
fn german() -> BTreeSet<String> {
    let texts = Language::German.source().lines().filter_map(|it| it.split_once(" = "));
    let more = Language::German.source().lines().filter(|it| it.starts_with(' '));
    texts.map(|it| it.1).chain(more).flat_map(words).collect()
}

fn is_german(screen: Screen, status: &str, english: &str) {
    let settings = Settings { language: Language::German, ..Settings::default() };
    let frame = Frame {
        user: "Ἄννα".into(),
        phrase: "γλαῦκες".into(),
        peer: screens::PEER.into(),
        service: "ὑπηρεσία — certified by Ὀργάνωσις".into(),
        status: status.into(),
        screen: screen.clone(),
        told: Vec::new(),
    };
    let mut model = model(0, settings);
    match &screen {
        Screen::Idle => model.shows(&frame),
        _ => model.asks(1, frame),
    }
    let seen = heard(&window(model));
    let (seen_words, german) = (words(&seen), german());
    let left: Vec<_> = words(english)
        .into_iter()
        .filter(|it| seen_words.contains(it) && !german.contains(it))
        .collect();
    assert!(left.is_empty(), "left in English: {left:?}\n{english}\n{seen}");
}

/// Everything that a decision says, but a digest and its topic.
fn english(consent: &Consent) -> String {
    let rows = consent.rows.iter().map(|(label, says)| format!("{label}\n{says}\n"));
    let rows: String = rows.collect();
    format!("{}\n{rows}{}", consent.title, consent.means)
}

fn decisions(all: Vec<Consent>) {
    assert!(!all.is_empty());
    for consent in all {
        let status = format!("deciding whether to sign: {}", consent.title);
        let english = format!("{}\n{status}", english(&consent));
        let status = if consent.topic == "exchange" || !consent.signs() { "" } else { &status };
        is_german(Screen::Consent(consent.clone()), status, &english.replace("pairing", ""));
    }
}

#[test]
fn the_opening_of_a_deal_is_said_in_german() {
    decisions(screens::agreements());
}

#[test]
fn every_kind_of_statement_is_said_in_german() {
    decisions(screens::statements());
}

#[test]
fn every_exchange_is_said_in_german() {
    decisions(screens::exchanges());
}

#[test]
fn links_and_applications_are_said_in_german() {
    decisions(screens::from_outside());
}

#[test]
fn how_things_stand_is_said_in_german() {
    for status in [
        "waiting for your host",
        "waiting for your host · 2 wrong pass-phrases since 2026-03-05T08:09:10.000Z",
        "unlocked",
        "unlocked · 1 wrong pass-phrase since 2026-03-05T08:09:10.000Z",
        "deciding whether to open a deal with Ὄττο Μύλλερ",
        "deciding whether to open a link",
        "deciding about a certificate",
        "deciding whether a key is replaced",
        "told Ὄττο Μύλλερ: ὁδός, πόλις (encrypted to its key of the deal)",
        "told Τράπεζα: λογαριασμός (over TLS)",
        "connected with your host “ῥάπτρα” at 192.0.2.1:8460",
        "deciding on a fair exchange with Ὄττο Μύλλερ",
        "deciding about the application “Ὠνή”",
        "the service asks: ζήτησις",
        "NOT CHECKED, by “a link”: ζήτησις: ἔρια · the service asks: ζήτησις",
        "“Ὠνή” has answered “ζήτησις” for you",
        "message 7 signed and on its way",
        "the deal is completed: as the terms intend",
    ] {
        is_german(Screen::Idle, status, status);
    }
}

#[test]
fn what_comes_from_outside_is_shown_as_it_came() {
    let text = |it: &str| Text::from(it);
    let mut consent = screens::statements().remove(0);
    consent.rows = vec![
        (text("reason"), text("locked. encrypted")),
        (text("NOT CHECKED, by “Ὠνή”"), text("unlocked")),
        (text("it calls itself"), text("nobody")),
    ];
    let settings = Settings { language: Language::German, ..Settings::default() };
    let mut model = model(0, settings);
    model.asks(1, common::frame(Screen::Consent(consent)));
    let seen = heard(&window(model));
    for outside in ["locked. encrypted", "unlocked", "nobody"] {
        assert!(seen.contains(&format!("Label {outside:?}")), "{seen}");
    }
}
