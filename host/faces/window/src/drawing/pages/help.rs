//! Help: the words that a person meets here, each in a few sentences.

use egui::{CollapsingHeader, Ui};

use crate::model::Model;
use crate::text;

/// What is explained.
pub const TOPICS: [&str; 9] = [
    "help-window",
    "help-decision",
    "help-service",
    "help-signature",
    "help-certificate",
    "help-organisation",
    "help-receipt",
    "help-phrase",
    "help-keys",
];

/// Draws it.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    let words = model.words();
    for id in TOPICS {
        let heading = words.say(&format!("{id}-name"));
        CollapsingHeader::new(heading).id_salt(id).default_open(id == "help-window").show(
            ui,
            |ui| {
                text::label(ui, &words.say(id));
            },
        );
    }
}
