//! What was told about the person, to whom; and a letter that asks it back.

use std::collections::BTreeMap;

use egui::{RichText, TextStyle, Ui};
use semper_tinguin_protocol::Told;

use crate::model::Model;
use crate::records::source::Wish;
use crate::words::{Words, value};
use crate::{look, text, wording};

/// Lines of one receiver, at most; the rest is counted.
const LINES: usize = 40;

/// Draws it, by receiver.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    model.shelf.want(Wish::Told);
    let words = &model.words;
    text::label(ui, &words.say("told-what"));
    ui.add_space(8.0);
    let Some(told) = &model.shelf.told else { return };
    if told.is_empty() {
        text::label(ui, &words.say("told-none"));
    }
    let mut by_receiver: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for it in told {
        by_receiver.entry(&it.to).or_default().push(it);
    }
    let mut writes = None;
    for (index, (to, all)) in by_receiver.into_iter().enumerate() {
        ui.push_id(("told", index), |ui| {
            egui::Frame::group(ui.style()).show(ui, |ui| {
                ui.set_min_width(ui.available_width());
                text::styled(ui, to, TextStyle::Heading, None);
                for it in all.iter().take(LINES) {
                    text::label(ui, &line(words, it));
                }
                if let Some(more) = all.len().checked_sub(LINES).filter(|it| *it > 0) {
                    let values = [("count", more.into())];
                    text::label(ui, &words.fill("told-more", &values));
                }
                if ui.button(words.fill("told-back", &[("to", value(to.to_owned()))])).clicked() {
                    writes = Some(to.to_owned());
                }
            });
        });
    }
    if let Some(file) = &model.shelf.letter {
        let written = words.fill("told-letter", &[("file", value(file.to_string()))]);
        text::styled(ui, &written, TextStyle::Body, None);
    }
    ui.add_space(8.0);
    ui.label(RichText::new(words.say("told-complain")).strong());
    text::label(ui, &words.say("told-complain-how"));
    if let Some(to) = writes {
        let german = model.settings.language == crate::words::Language::German;
        model.shelf.write_letter(&to, german);
    }
}

/// One detail: when, what, and how it travelled.
pub fn line(words: &Words, it: &Told) -> String {
    let how = if it.sealed { "told-sealed" } else { "told-tls" };
    let values = [
        ("day", value(words.moment(it.at))),
        ("what", value(wording::label(words, &it.what))),
        ("value", value(it.value.to_string())),
        ("how", value(words.say(how))),
    ];
    words.fill("told-line", &values)
}

/// What was told lately, on the page that says how things stand.
pub fn lately(ui: &mut Ui, words: &Words, told: &[Told]) {
    if told.is_empty() {
        return;
    }
    ui.add_space(8.0);
    ui.label(RichText::new(words.say("told-lately")).strong());
    let quiet = look::palette(ui).quiet;
    for it in told {
        let line = format!("{}: {}", it.to, line(words, it));
        text::styled(ui, &line, TextStyle::Body, Some(quiet));
    }
}
