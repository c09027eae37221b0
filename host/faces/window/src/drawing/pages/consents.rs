//! Standing consents: who may do something without asking each time, and how that is taken back.

use egui::{RichText, TextStyle, Ui};

use super::super::decision::row;
use crate::model::Model;
use crate::records::StandingConsent;
use crate::records::source::Wish;
use crate::wording::About;
use crate::words::{Words, value};
use crate::{look, text, wording};

/// Draws them.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    model.shelf.want(Wish::Consents);
    let words = &model.words;
    text::label(ui, &words.say("consents-asked"));
    ui.add_space(8.0);
    ui.label(RichText::new(words.say("consents-applications")).strong());
    let Some(consents) = &model.shelf.consents else { return };
    if consents.is_empty() {
        text::label(ui, &words.say("consents-none"));
    }
    let mut said = None;
    for (index, consent) in consents.iter().enumerate() {
        let sure = model.takes_back.as_deref() == Some(&*consent.who);
        ui.push_id(("consent", index), |ui| {
            egui::Frame::group(ui.style()).show(ui, |ui| {
                ui.set_min_width(ui.available_width());
                one(ui, words, consent);
                said = take_back(ui, words, &consent.who, sure).or(said.take());
            });
        });
    }
    ui.add_space(8.0);
    for (heading, id) in
        [("consents-rules", "consents-rules-how"), ("consents-once", "consents-once-how")]
    {
        ui.label(RichText::new(words.say(heading)).strong());
        text::label(ui, &words.say(id));
        ui.add_space(4.0);
    }
    match said {
        Some(Said::Asks(who)) => model.takes_back = Some(who),
        Some(Said::Keeps) => model.takes_back = None,
        Some(Said::Takes(who)) => {
            model.takes_back = None;
            model.shelf.take_back(&who);
        }
        None => {}
    }
}

/// What the person does about one of them.
enum Said {
    /// She wants to take it back.
    Asks(String),
    /// She leaves it.
    Keeps,
    /// She takes it back.
    Takes(String),
}

/// Who it is, what it may do, since when, and what it has done by that.
fn one(ui: &mut Ui, words: &Words, consent: &StandingConsent) {
    let StandingConsent { who, page, may, since, purchases, last } = consent;
    let quiet = look::palette(ui).quiet;
    text::styled(ui, &format!("“{who}”"), TextStyle::Heading, None);
    if let Some(page) = page {
        row(ui, &words.say("row-its-web-page"), page, quiet);
    }
    for may in may {
        let may = wording::told(words, may, About::default());
        row(ui, &words.say("row-it-may"), &may, quiet);
    }
    row(ui, &words.say("consents-since"), &words.moment(*since), quiet);
    let begun = match last {
        None => words.say("consents-unused"),
        Some(last) => {
            let values = [("count", (*purchases).into()), ("last", value(words.moment(*last)))];
            words.fill("consents-used", &values)
        }
    };
    row(ui, &words.say("consents-use"), &begun, quiet);
}

/// Taking it back is asked once more: it cannot be given again but by pairing anew.
fn take_back(ui: &mut Ui, words: &Words, who: &str, sure: bool) -> Option<Said> {
    let mut said = None;
    let named = |id: &str| words.fill(id, &[("who", value(who.to_owned()))]);
    if sure {
        text::label(ui, &named("consents-then"));
    }
    ui.horizontal_wrapped(|ui| {
        if !sure {
            if ui.button(named("consents-take-back")).clicked() {
                said = Some(Said::Asks(who.to_owned()));
            }
            return;
        }
        if ui.button(words.say("consents-keep")).clicked() {
            said = Some(Said::Keeps);
        }
        if ui.button(named("consents-take-back-now")).clicked() {
            said = Some(Said::Takes(who.to_owned()));
        }
    });
    said
}
