//! What is always in sight: whose window this is, and about whom it speaks.

use egui::{Align, Button, Layout, RichText, TextStyle, Ui, vec2};

use crate::model::{Model, Page};
use crate::words::value;
use crate::{look, text, wording};

/// How high it is, in points: four lines.
const HEIGHT: f32 = 70.0;
/// Room for the button that locks, in points.
const LOCK: f32 = 100.0;

/// Name, phrase, picture; the other side, the service, who certified it.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    let palette = look::palette(ui);
    let picture = model.words.say("head-picture");
    // As high with a deal as without: what stands below stays where it is.
    ui.set_min_height(HEIGHT);
    let lock = format!("🔒 {}", model.words.say("head-lock"));
    ui.horizontal_top(|ui| {
        model.who.picture.show(ui, 52.0, &picture);
        ui.vertical(|ui| {
            ui.set_width((ui.available_width() - LOCK).max(60.0));
            ui.spacing_mut().item_spacing.y = 1.0;
            text::one_line(ui, &model.who.name, TextStyle::Body, true);
            text::one_line(ui, &format!("“{}”", model.who.phrase), TextStyle::Body, false);
            let words = &model.words;
            let Some(asked) = &model.asked else {
                text::one_line(ui, &words.say("head-nobody"), TextStyle::Small, false);
                return;
            };
            let frame = &asked.frame;
            let (service, by) = wording::service(&frame.service);
            let peer = value(text::tame(&frame.peer).into_owned());
            let with = words.fill("head-with", &[("peer", peer)]);
            let with = if service.is_empty() { with } else { format!("{with} · {service}") };
            text::one_line(ui, &with, TextStyle::Body, false);
            if service.is_empty() {
                return;
            }
            let sure = wording::is_certified(by);
            let line =
                format!("{} {}", if sure { "✔" } else { "⚠" }, wording::certified(words, by));
            let colour = if sure { ui.visuals().text_color() } else { palette.caution };
            text::styled(ui, &line, TextStyle::Small, Some(colour));
        });
        let button = ui.button(lock).on_hover_text(model.words.say("head-lock-key"));
        model.locks |= button.clicked();
    });
}

/// Says once that there were wrong pass-phrases.
pub fn tried(ui: &mut Ui, model: &mut Model) {
    let Some((count, since)) = model.tried else { return };
    let colour = look::palette(ui).caution;
    let words = model.words();
    let said = format!("⚠ {}", wording::wrong(words, count, since));
    let (yours, seen) = (words.say("tried-yours"), words.say("tried-seen"));
    text::styled(ui, &said, TextStyle::Body, Some(colour));
    ui.horizontal_wrapped(|ui| {
        text::styled(ui, &yours, TextStyle::Small, None);
        if ui.button(seen).clicked() {
            model.tried = None;
        }
    });
}

/// The names of the pages, one below the other.
pub fn all_pages(ui: &mut Ui, model: &mut Model) {
    ui.add_space(8.0);
    egui::ScrollArea::vertical().show(ui, |ui| {
        for (page, id) in Page::ALL {
            let name = name(model, page, id);
            let here = model.page == page;
            // The page that is shown is marked by its shape, too.
            let mark = if here { "▶ " } else { "   " };
            let button = Button::selectable(here, format!("{mark}{name}"));
            let width = vec2(ui.available_width(), 28.0);
            let layout = Layout::top_down_justified(Align::LEFT);
            let response = ui.with_layout(layout, |ui| ui.add(button.min_size(width))).inner;
            response.widget_info(|| {
                egui::WidgetInfo::selected(egui::Role::Tab, true, here, name.as_str())
            });
            if response.clicked() {
                model.go(page);
            }
        }
    });
}

/// The names of the pages in a list that opens, where there is little room.
pub fn few_pages(ui: &mut Ui, model: &mut Model) {
    let shown = Page::ALL.iter().find(|it| it.0 == model.page);
    let shown = shown.map(|(page, id)| name(model, *page, id)).unwrap_or_default();
    let mut chosen = model.page;
    let list = egui::ComboBox::from_id_salt("pages").selected_text(&shown).show_ui(ui, |ui| {
        for (page, id) in Page::ALL {
            ui.selectable_value(&mut chosen, page, name(model, page, id));
        }
    });
    let label = model.words().say("pages");
    list.response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("{label}: {shown}"))
    });
    if chosen != model.page {
        model.go(chosen);
    }
}

fn name(model: &Model, page: Page, id: &str) -> String {
    let name = model.words().say(id);
    match page {
        Page::Now if model.asked.is_some() => format!("{name} •"),
        _ => name,
    }
}

/// Says on another page that something waits for an answer.
pub fn something_waits(ui: &mut Ui, model: &mut Model) {
    let words = model.words();
    let (what, back) = (words.say("waits-here"), words.say("waits-back"));
    egui::Frame::group(ui.style()).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(format!("• {what}")).strong());
            if ui.button(back).clicked() {
                model.go(Page::Now);
            }
        });
    });
    ui.add_space(6.0);
}
