//! Settings: language, light or dark, size of the text, how much is shown.

use egui::{RichText, Ui};

use crate::model::Model;
use crate::settings::{Depth, SIZES, Shade};
use crate::words::Language;

/// Draws them, and sets what is chosen.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    let mut settings = model.settings;
    let words = model.words();
    let heading = |ui: &mut Ui, id: &str| {
        ui.add_space(8.0);
        ui.label(RichText::new(words.say(id)).strong());
    };
    heading(ui, "settings-language");
    ui.horizontal_wrapped(|ui| {
        for (language, name) in Language::ALL {
            ui.radio_value(&mut settings.language, language, name);
        }
    });
    heading(ui, "settings-shade");
    ui.horizontal_wrapped(|ui| {
        for (shade, id) in [
            (Shade::System, "settings-system"),
            (Shade::Light, "settings-light"),
            (Shade::Dark, "settings-dark"),
        ] {
            ui.radio_value(&mut settings.shade, shade, words.say(id));
        }
    });
    heading(ui, "settings-size");
    ui.horizontal_wrapped(|ui| {
        for size in SIZES {
            ui.radio_value(&mut settings.size, size, format!("{size} %"));
        }
    });
    heading(ui, "settings-depth");
    ui.radio_value(&mut settings.depth, Depth::Plain, words.say("settings-plain"));
    ui.radio_value(&mut settings.depth, Depth::Expert, words.say("settings-expert"));
    ui.add_space(12.0);
    ui.label(words.say("settings-picture"));
    if settings != model.settings {
        model.set(settings);
    }
}
