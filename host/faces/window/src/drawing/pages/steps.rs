//! How far a deal has come in the flow of its terms: what is done, and what is left.

use egui::{RichText, ScrollArea, TextStyle, Ui};
use semper_items::Side;
use semper_steps::{Step, Steps};

use crate::words::{Words, value};
use crate::{look, text, wording};

/// Points of the steps that are in sight at once: what was signed stands below them.
const HIGH: f32 = 190.0;

/// Draws them, for whoever is on this side.
pub fn draw(ui: &mut Ui, words: &Words, us: Side, steps: Option<&Steps>) {
    ui.separator();
    ui.label(RichText::new(words.say("steps")).strong());
    let Some(Steps { done, left }) = steps else {
        text::label(ui, &words.say("steps-unknown"));
        return;
    };
    let quiet = look::palette(ui).quiet;
    ScrollArea::vertical().id_salt("steps").max_height(HIGH).show(ui, |ui| {
        for step in done {
            line(ui, words, us, step, "✔", "steps-done", Some(quiet));
        }
        for (at, step) in left.iter().enumerate() {
            let (mark, id) = match (at, step.needed) {
                (0, true) => ("▶", "steps-next"),
                (0, false) => ("▶", "steps-next-perhaps"),
                (_, true) => ("○", "steps-left"),
                (_, false) => ("○", "steps-perhaps"),
            };
            line(ui, words, us, step, mark, id, None);
        }
        if left.is_empty() {
            text::styled(ui, &words.say("steps-none"), TextStyle::Small, Some(quiet));
        } else {
            text::styled(ui, &words.say("steps-how"), TextStyle::Small, Some(quiet));
        }
    });
}

/// One step: what it is, whose, and whether it is certain.
fn line(
    ui: &mut Ui,
    words: &Words,
    us: Side,
    step: &Step,
    mark: &str,
    id: &str,
    colour: Option<egui::Color32>,
) {
    let by = words.say(if step.by == us { "steps-you" } else { "steps-they" });
    let what = wording::item(words, &step.what);
    let said = words.fill(id, &[("what", value(what)), ("by", value(by))]);
    text::styled(ui, &format!("{mark} {said}"), TextStyle::Body, colour);
}
