//! A decision: what is to be signed, and yes or no.
//!
//! Yes is out of reach until the keyboard has been quiet for a moment and every part of the decision
//! has been on the screen. The buttons stand below the text, and no text pushes them away.

use std::time::Duration;

use egui::{
    Button, Frame, Key, Panel, Rect, RichText, ScrollArea, TextStyle, Ui, UiBuilder, pos2, vec2,
};
use semper_tinguin_protocol::screen::{Answer, Consent};

use crate::model::{Asked, Model};
use crate::settings::Depth;
use crate::wording::About;
use crate::words::value;
use crate::{look, text, wording};

/// Below this width, in points, a row's label stands above what it says.
const NARROW: f32 = 440.0;
/// Points that a step of the arrow keys scrolls.
const STEP: f32 = 40.0;
/// What may be missing at the end of a text that counts as seen: rounding.
const SLACK: f32 = 2.0;

/// Draws it; the answer, once there is one.
pub fn draw(
    ui: &mut Ui,
    model: &Model,
    asked: &mut Asked,
    consent: &Consent,
    left: Duration,
) -> Option<Answer> {
    look::decision(ui, |ui| {
        let words = model.words();
        Panel::top("decision-head").frame(Frame::new()).show_separator_line(false).show(ui, |ui| {
            look::band(ui, &words.say("decision-heading"));
        });
        // What is decided stands before yes and no, also for whoever hears it read out.
        above_its_foot(
            ui,
            asked,
            |ui, asked| content(ui, model, asked, consent),
            |ui, asked| foot(ui, model, asked, consent, left),
        )
    })
}

/// What is asked, and below it its buttons, which no text pushes away. They get the room that they took
/// in the frame before.
pub fn above_its_foot(
    ui: &mut Ui,
    asked: &mut Asked,
    content: impl FnOnce(&mut Ui, &mut Asked),
    foot: impl FnOnce(&mut Ui, &Asked) -> Option<Answer>,
) -> Option<Answer> {
    let whole = ui.available_rect_before_wrap();
    let split = (whole.bottom() - asked.foot).max(whole.top());
    let above = Rect::from_min_max(whole.min, pos2(whole.right(), split));
    ui.scope_builder(UiBuilder::new().max_rect(above), |ui| {
        ui.shrink_clip_rect(above);
        content(ui, asked);
    });
    let below = Rect::from_min_max(pos2(whole.left(), split), whole.max);
    let shown = ui.scope_builder(UiBuilder::new().max_rect(below), |ui| {
        ui.separator();
        foot(ui, asked)
    });
    let took = shown.response.rect.height();
    if (took - asked.foot).abs() > SLACK {
        asked.foot = took;
        ui.ctx().request_repaint();
    }
    shown.inner
}

/// What it says. Notes how far it has been on the screen.
fn content(ui: &mut Ui, model: &Model, asked: &mut Asked, consent: &Consent) {
    let mut area = ScrollArea::vertical().id_salt(("decision", asked.number)).auto_shrink(false);
    if let Some(to) = scrolled(ui, asked) {
        area = area.vertical_scroll_offset(to);
    }
    let shown = area.show(ui, |ui| rows(ui, model, asked, consent));
    let (top, height) = (shown.state.clamped_offset().y, shown.inner_rect.height());
    let whole = shown.content_size.y;
    asked.at = (top, height, (whole - height).max(0.0));
    // Only what follows on what was seen counts: whoever jumps to the end has not read it.
    let seen = asked.seen * whole;
    if top <= seen + SLACK {
        asked.seen = (seen.max(top + height) / whole.max(1.0)).min(1.0);
    }
    asked.read |= asked.seen * whole + SLACK >= whole;
}

/// Where the keys scroll to.
fn scrolled(ui: &Ui, asked: &Asked) -> Option<f32> {
    let (top, height, last) = asked.at;
    let free = ui.memory(|memory| memory.focused().is_none());
    let step = ui.input(|input| {
        let arrows = if free { STEP } else { 0.0 };
        let mut step = 0.0;
        for (key, by) in [
            (Key::PageDown, height * 0.9),
            (Key::PageUp, -height * 0.9),
            (Key::ArrowDown, arrows),
            (Key::ArrowUp, -arrows),
        ] {
            if input.key_pressed(key) {
                step += by;
            }
        }
        step
    });
    (step != 0.0).then(|| (top + step).clamp(0.0, last))
}

fn rows(ui: &mut Ui, model: &Model, asked: &Asked, consent: &Consent) {
    let (words, palette) = (model.words(), look::palette(ui));
    let about = About { peer: &asked.frame.peer, amount: consent.amount };
    let tell = |text: &str| wording::told(words, text, about);
    ui.add_space(4.0);
    text::styled(ui, &tell(&consent.title), TextStyle::Heading, None);
    for amount in consent.amount.iter().chain(&consent.also) {
        let at_stake = words.fill("decision-amount", &[("amount", value(words.amount(*amount)))]);
        text::styled(ui, &at_stake, TextStyle::Heading, None);
    }
    ui.add_space(4.0);
    let mut hidden = 0;
    for (index, (label, says)) in consent.rows.iter().enumerate() {
        if model.settings.depth == Depth::Plain && wording::is_for_experts(says) {
            hidden += 1;
            continue;
        }
        let caution = &**label == "CAUTION";
        let says = wording::row(words, label, says, about);
        let name = wording::label(words, label);
        let name = if caution { format!("⚠ {name}") } else { name };
        let colour = if caution { palette.caution } else { palette.quiet };
        ui.push_id(("row", index), |ui| row(ui, &name, &says, colour));
    }
    ui.add_space(6.0);
    ui.separator();
    text::styled(ui, &words.say("decision-means"), TextStyle::Small, Some(palette.quiet));
    text::styled(ui, &tell(&consent.means), TextStyle::Body, None);
    match model.settings.depth {
        Depth::Expert => {
            let digest = consent.digest.to_string();
            row(ui, &words.say("decision-digest"), &digest, palette.quiet);
            row(ui, &words.say("decision-topic"), &consent.topic, palette.quiet);
        }
        Depth::Plain if hidden > 0 => {
            let more = words.fill("decision-hidden", &[("count", hidden.into())]);
            text::styled(ui, &more, TextStyle::Small, Some(palette.quiet));
        }
        Depth::Plain => {}
    }
    ui.add_space(8.0);
}

/// A label and what it says, side by side where there is room.
pub fn row(ui: &mut Ui, name: &str, says: &str, colour: egui::Color32) {
    let width = ui.available_width();
    if width < NARROW {
        text::styled(ui, name, TextStyle::Small, Some(colour));
        text::label(ui, says);
        return;
    }
    ui.horizontal_top(|ui| {
        let label = (width * 0.28).min(190.0);
        ui.allocate_ui(vec2(label, 0.0), |ui| {
            ui.set_width(label);
            text::styled(ui, name, TextStyle::Body, Some(colour));
        });
        ui.vertical(|ui| {
            ui.set_width((width - label - 12.0).max(60.0));
            text::label(ui, says);
        });
    });
}

/// No, yes, and why yes cannot be said yet.
fn foot(
    ui: &mut Ui,
    model: &Model,
    asked: &Asked,
    consent: &Consent,
    left: Duration,
) -> Option<Answer> {
    let words = model.words();
    let armed = left.is_zero() && asked.arming.is_armed();
    let why = if !armed {
        let tenths = left.as_millis().div_ceil(100);
        let seconds = words.decimal(u64::try_from(tenths).unwrap_or(0));
        words.fill("decision-wait", &[("seconds", value(seconds))])
    } else if asked.read && !consent.signs() {
        words.say("decision-signs-nothing")
    } else if asked.read {
        words.say("decision-binds")
    } else {
        words.say("decision-read")
    };
    text::styled(ui, &why, TextStyle::Small, None);
    let mut answer = None;
    ui.horizontal_wrapped(|ui| {
        let no = RichText::new(format!("✖ {}", words.say("decision-no")));
        if ui.add_enabled(armed, Button::new(no).min_size(vec2(120.0, 34.0))).clicked() {
            answer = Some(Answer::No(String::new()));
        }
        ui.add_space(24.0);
        let id = format!("decision-yes-{}", consent.topic);
        let yes = words.find(&id, &[]).unwrap_or_else(|| words.say("decision-yes"));
        let yes = RichText::new(format!("✔ {yes}")).strong();
        let button = Button::new(yes).min_size(vec2(160.0, 34.0));
        if ui.add_enabled(armed && asked.read, button).clicked() {
            answer = Some(Answer::Yes);
        }
    });
    answer
}
