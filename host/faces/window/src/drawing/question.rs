//! A service's question: its words in a box that says so, and what the person answers below.

use std::time::Duration;

use egui::accesskit::Live;
use egui::{Button, Key, RichText, ScrollArea, TextEdit, TextStyle, Ui, vec2};
use semper_base::text::Text;
use semper_tinguin_protocol::screen::{Answer, Question};

use super::decision::above_its_foot;
use crate::model::{Asked, Model};
use crate::{look, text};

/// Characters that a person can fill into a field.
const LONGEST: usize = 2_000;

/// Draws it; the answer, once there is one.
pub fn draw(
    ui: &mut Ui,
    model: &Model,
    asked: &mut Asked,
    question: &Question<Text>,
    left: Duration,
) -> Option<Answer> {
    let words = model.words();
    let armed = left.is_zero() && asked.arming.is_armed();
    let (mut sent, mut taken) = (false, false);
    // What is asked stands before its buttons, also for whoever hears it read out.
    let mut answer = above_its_foot(
        ui,
        asked,
        |ui, asked| {
            ScrollArea::vertical().id_salt(("question", asked.number)).auto_shrink(false).show(
                ui,
                |ui| {
                    keys(ui);
                    look::service(ui, |ui| {
                        ui.set_min_width(ui.available_width());
                        let colour = look::palette(ui).service;
                        let from = words.say("question-heading");
                        let from = text::styled(ui, &from, TextStyle::Small, Some(colour));
                        look::speak(ui.ctx(), &from, Live::Polite);
                        text::label(ui, question.says());
                        match question {
                            Question::Inform { .. } => {}
                            Question::Choose { options, .. } => {
                                taken = choose(ui, asked, options, armed)
                            }
                            Question::Form { fields, .. } => sent = fill(ui, asked, fields, armed),
                        }
                    });
                    ui.add_space(4.0);
                    let colour = look::palette(ui).quiet;
                    text::styled(ui, &words.say("question-note"), TextStyle::Small, Some(colour));
                },
            );
        },
        |ui, asked| foot(ui, model, asked, question, armed),
    );
    if taken && let Some(choice) = asked.choice.and_then(|it| u32::try_from(it).ok()) {
        answer = Some(Answer::Choice(choice));
    }
    if sent && armed {
        answer = Some(Answer::Fields(asked.fields.clone()));
    }
    answer
}

/// Scrolls by the page keys.
fn keys(ui: &mut Ui) {
    let height = ui.clip_rect().height() * 0.9;
    let (down, up) =
        ui.input(|input| (input.key_pressed(Key::PageDown), input.key_pressed(Key::PageUp)));
    if down != up {
        ui.scroll_with_delta(vec2(0.0, if down { -height } else { height }));
    }
}

/// The options; whether the one that is chosen is taken, by Enter.
fn choose(ui: &mut Ui, asked: &mut Asked, options: &[Text], armed: bool) -> bool {
    ui.add_space(6.0);
    let enter = armed && ui.input(|input| input.key_pressed(Key::Enter));
    let begin = armed && ui.memory(|memory| memory.focused().is_none());
    let before = asked.choice;
    let mut taken = false;
    for (index, option) in options.iter().enumerate() {
        ui.push_id(("option", index), |ui| {
            ui.horizontal_top(|ui| {
                let chosen = before == Some(index);
                let button = ui.add_enabled(armed, egui::RadioButton::new(chosen, ""));
                button.widget_info(|| {
                    egui::WidgetInfo::selected(egui::Role::RadioButton, armed, chosen, &**option)
                });
                if begin && index == 0 {
                    button.request_focus();
                }
                if button.gained_focus() {
                    button.scroll_to_me(None);
                }
                taken |= chosen && enter && button.has_focus();
                let width = ui.available_width();
                let words = ui.vertical(|ui| {
                    ui.set_max_width(width);
                    // In the middle of the button beside it.
                    ui.add_space(4.0);
                    text::label(ui, option)
                });
                let words = words.inner.interact(egui::Sense::click());
                if button.clicked() || (armed && words.clicked()) {
                    asked.choice = Some(index);
                }
            });
        });
    }
    taken
}

/// The fields; whether the last one was left by Enter.
fn fill(ui: &mut Ui, asked: &mut Asked, fields: &[(Text, Text)], armed: bool) -> bool {
    let mut sent = false;
    let enter = armed && ui.input(|input| input.key_pressed(Key::Enter));
    // One field is filled in by whoever types; of several, the first.
    let begin = armed && ui.memory(|memory| memory.focused().is_none());
    let last = fields.len().saturating_sub(1);
    let mut next = None;
    for (index, (name, _)) in fields.iter().enumerate() {
        ui.push_id(("field", index), |ui| {
            ui.add_space(4.0);
            let label = text::label(ui, name);
            let Some(value) = asked.fields.get_mut(index) else { return };
            let field =
                TextEdit::singleline(value).char_limit(LONGEST).desired_width(f32::INFINITY);
            let field = ui.add_enabled(armed, field).labelled_by(label.id);
            if (begin && index == 0) || next == Some(index) {
                field.request_focus();
            }
            if field.lost_focus() && enter {
                next = Some(index + 1);
                sent |= index == last;
            }
        });
    }
    sent
}

fn foot(
    ui: &mut Ui,
    model: &Model,
    asked: &Asked,
    question: &Question<Text>,
    armed: bool,
) -> Option<Answer> {
    let words = model.words();
    let mut answer = None;
    let (id, ready, given) = match question {
        Question::Inform { .. } => ("question-seen", true, Answer::Seen),
        Question::Choose { .. } => {
            let choice = asked.choice.and_then(|it| u32::try_from(it).ok());
            ("question-take", choice.is_some(), Answer::Choice(choice.unwrap_or_default()))
        }
        Question::Form { .. } => ("question-send", true, Answer::Fields(asked.fields.clone())),
    };
    ui.horizontal_wrapped(|ui| {
        let go = Button::new(RichText::new(words.say(id)).strong()).min_size(vec2(140.0, 32.0));
        let go = ui.add_enabled(armed && ready, go);
        let free = ui.memory(|memory| memory.focused().is_none());
        if matches!(question, Question::Inform { .. }) && armed && free {
            go.request_focus();
        }
        if go.clicked() {
            answer = Some(given);
        }
        if !matches!(question, Question::Inform { .. }) {
            ui.add_space(16.0);
            if ui.add_enabled(armed, Button::new(words.say("question-leave"))).clicked() {
                answer = Some(Answer::Leave);
            }
        }
    });
    answer
}
