//! Every text stands in every language, and is used.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fluent_syntax::ast::{Entry, Expression, InlineExpression, PatternElement};
use semper_base::{Amount, Timestamp};
use semper_face_window::wording::{self, About};
use semper_face_window::words::{Language, Words};

/// The ids of a language's file, each with the names of its values.
fn texts(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let read = fluent_syntax::parser::parse(language.source().to_owned()).unwrap();
    let mut all = BTreeMap::new();
    for entry in read.body {
        let Entry::Message(message) = entry else { continue };
        let mut values = BTreeSet::new();
        for element in message.value.iter().flat_map(|it| &it.elements) {
            values_of(element, &mut values);
        }
        let twice = all.insert(message.id.name.clone(), values);
        assert!(twice.is_none(), "{} stands twice", message.id.name);
    }
    all
}

fn values_of(element: &PatternElement<String>, values: &mut BTreeSet<String>) {
    let PatternElement::Placeable { expression } = element else { return };
    match expression {
        Expression::Inline(InlineExpression::VariableReference { id }) => {
            values.insert(id.name.clone());
        }
        Expression::Select { variants, .. } => {
            for variant in variants {
                for element in &variant.value.elements {
                    values_of(element, values);
                }
            }
        }
        Expression::Inline(_) => {}
    }
}

#[test]
fn every_text_stands_in_every_language_with_the_same_values() {
    let english = texts(Language::English);
    let german = texts(Language::German);

    let ids = |it: &BTreeMap<String, _>| it.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(ids(&english), ids(&german));
    assert_eq!(english, german, "a text has other values in one of the languages");
}

#[test]
fn every_text_that_the_code_names_is_there_and_every_text_is_named() {
    let mut code = String::new();
    gather(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path(), &mut code);
    let english = texts(Language::English);

    // These are made of a word that comes from outside.
    let made = ["row-", "kind-", "part-", "way-", "decision-yes-", "help-"];
    for id in english.keys() {
        let named = code.contains(&format!("\"{id}\"")) || made.iter().any(|it| id.starts_with(it));
        assert!(named, "nobody says {id}");
    }
    for id in wording::known_ids() {
        assert!(english.contains_key(id), "{id} is missing");
    }
    for call in [".say(\"", ".fill(\"", ".find(\"", "say(\n"] {
        for part in code.split(call).skip(1) {
            let Some((id, _)) = part.split_once('"') else { continue };
            let plain = id.chars().all(|it| it.is_ascii_lowercase() || it == '-');
            assert!(!plain || id.is_empty() || english.contains_key(id), "{id} is missing");
        }
    }
}

fn gather(folder: &Path, code: &mut String) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, code);
        } else {
            code.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn amounts_and_dates_are_written_as_the_language_does() {
    let (english, german) = (Words::of(Language::English), Words::of(Language::German));
    let amount = |text: &str| text.parse::<Amount>().unwrap();
    let at: Timestamp = "2026-03-05T08:09:10Z".parse().unwrap();

    assert_eq!(english.amount(amount("1234567.89 EUR")), "1,234,567.89 EUR");
    assert_eq!(german.amount(amount("1234567.89 EUR")), "1.234.567,89 EUR");
    assert_eq!(german.amount(amount("-0.05 EUR")), "−0,05 EUR");
    assert_eq!(english.amount(amount("1200 JPY")), "1,200 JPY");
    assert_eq!(english.moment(at), "5 Mar 2026, 08:09 UTC");
    assert_eq!(german.moment(at), "05.03.2026, 08:09 UTC");
}

#[test]
fn known_sentences_are_told_and_others_are_never_guessed_at() {
    let german = Words::of(Language::German);
    let told = |text: &str, peer: &str| {
        wording::told(&german, text, About { peer, amount: "5.00 EUR".parse().ok() })
    };

    assert_eq!(told("Order from Otto", "Otto"), "Bestellung bei Otto");
    assert_eq!(told("Order from Anna", "Otto"), "Order from Anna");
    assert_eq!(told("Order from {amount}", "{amount}"), "Bestellung bei {amount}");
    assert_eq!(
        told("You buy for 5.00 EUR; the order binds you.", "Otto"),
        "Sie kaufen für 5,00 EUR; die Bestellung bindet Sie."
    );
    assert_eq!(
        told("You buy for 6.00 EUR; the order binds you.", "Otto"),
        "You buy for 6.00 EUR; the order binds you."
    );
    assert_eq!(told("Anything. Else. ", "Otto"), "Anything. Else. ");
}
