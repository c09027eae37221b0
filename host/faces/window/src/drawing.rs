//! From the model to widgets: a pure function, so that everything can be looked at without a display.
//!
//! | module | what it is for |
//! |---|---|
//! | `head` | who this is, and the fixed line about the service |
//! | `decision` | a decision, which looks like nothing else |
//! | `question` | a service's question, in a box that says so |
//! | `pages` | everything that is looked at without being asked |
//! | `lists` | long lists: only the rows in sight are drawn |

mod decision;
mod head;
mod lists;
mod pages;
mod question;

use std::time::Duration;

use egui::{CentralPanel, Event, Key, Modifiers, Panel, TextStyle, Ui};
use semper_tinguin_protocol::screen::Screen;

use crate::model::{Asked, Model, Page};
use crate::{look, text, wording};

/// Narrower than this, in points, the pages' names stand in a list that opens.
const NARROW: f32 = 620.0;

/// Draws the whole window, and does what the person does in it.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    look::set(ui.ctx(), model.settings);
    attend(ui, model);
    model.shelf.hear();
    if let Some(page) = &mut model.locked {
        // It may be drawn again before it is taken.
        if let Some(pass_phrase) = page.draw(ui, &model.words) {
            model.given = Some(pass_phrase);
        }
        return;
    }
    look::name(ui.ctx(), model.title());
    let armed = arm(ui, model);
    let palette = look::palette(ui);
    Panel::top("head")
        .frame(look::own(&palette))
        .resizable(false)
        .show(ui, |ui| head::draw(ui, model));
    if model.tried.is_some() {
        Panel::top("tried").resizable(false).show(ui, |ui| head::tried(ui, model));
    }
    Panel::bottom("status").frame(look::own(&palette)).resizable(false).show(ui, |ui| {
        let line = if model.status.is_empty() {
            model.words().say("status-idle")
        } else {
            wording::status(model.words(), &model.status, model.about())
        };
        text::one_line(ui, &line, TextStyle::Small, false);
    });
    if ui.available_width() < NARROW {
        Panel::top("pages").resizable(false).show(ui, |ui| head::few_pages(ui, model));
    } else {
        Panel::left("pages").resizable(false).exact_size(188.0).show(ui, |ui| {
            head::all_pages(ui, model);
        });
    }
    CentralPanel::default().show(ui, |ui| middle(ui, model, armed));
}

/// Notes that somebody is there, and takes the keys that lock.
fn attend(ui: &Ui, model: &mut Model) {
    model.touched |= ui.input(|input| input.events.iter().any(is_somebody));
    let lock = ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::L));
    model.locks |= lock && model.locked.is_none();
}

/// Whether somebody sits there who does this.
const fn is_somebody(event: &Event) -> bool {
    is_typed(event)
        || matches!(
            event,
            Event::PointerMoved(_)
                | Event::PointerButton { .. }
                | Event::MouseWheel { .. }
                | Event::Touch { .. }
        )
}

/// Counts down before what is asked can be answered, and throws away what is typed meanwhile.
fn arm(ui: &Ui, model: &mut Model) -> Duration {
    let Some(asked) = model.asked.as_mut().filter(|_| model.page == Page::Now) else {
        return Duration::ZERO;
    };
    let now = ui.input(|input| Duration::try_from_secs_f64(input.time).unwrap_or_default());
    if asked.fresh {
        // Nothing that comes up has the keyboard.
        ui.memory_mut(|memory| {
            if let Some(focused) = memory.focused() {
                memory.surrender_focus(focused);
            }
        });
    }
    let typed = ui.input(|input| input.events.iter().any(is_typed));
    let before = asked.arming.is_armed();
    let left = asked.arming.left(now, typed);
    if asked.arming.is_armed() != before {
        // What gets the keyboard now is seen in the next frame.
        ui.ctx().request_repaint();
    }
    if !asked.arming.is_armed() {
        ui.ctx().input_mut(|input| input.events.retain(|event| !is_typed(event)));
        ui.ctx().request_repaint_after(Duration::from_millis(50));
    }
    left
}

const fn is_typed(event: &Event) -> bool {
    matches!(
        event,
        Event::Key { pressed: true, .. } | Event::Text(_) | Event::Paste(_) | Event::Ime(_)
    )
}

fn middle(ui: &mut Ui, model: &mut Model, left: Duration) {
    if model.page == Page::Now
        && let Some(mut asked) = model.asked.take()
    {
        let answer = ask(ui, model, &mut asked, left);
        asked.fresh = false;
        model.asked = Some(asked);
        if let Some(answer) = answer {
            model.answer(answer);
        }
        return;
    }
    if model.asked.is_some() {
        head::something_waits(ui, model);
    }
    pages::draw(ui, model);
}

fn ask(
    ui: &mut Ui,
    model: &Model,
    asked: &mut Asked,
    left: Duration,
) -> Option<semper_tinguin_protocol::Answer> {
    match asked.frame.screen.clone() {
        Screen::Consent(consent) => decision::draw(ui, model, asked, &consent, left),
        Screen::Question(question) => question::draw(ui, model, asked, &question, left),
        // Nothing is asked by it; whoever asked so hears that it was seen.
        Screen::Idle | Screen::Locked(_) => Some(semper_tinguin_protocol::Answer::Seen),
    }
}
