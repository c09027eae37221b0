//! The archive as a bank statement: what was signed, and what came in and went out by it.

use egui::{Align, CollapsingHeader, ComboBox, Grid, Layout, RichText, ScrollArea, TextEdit, Ui};
use semper_archive::Direction;

use super::super::lists::{self, Row};
use crate::model::{Model, Page};
use crate::records::{Choices, Entry, Find, Total};
use crate::settings::Depth;
use crate::wording::About;
use crate::words::{Words, value};
use crate::{look, text, wording};

/// Points of the totals that are in sight at once.
const TOTALS: f32 = 120.0;
/// Characters of a name in a list that opens.
const NAME: usize = 60;

/// Everything that was signed, newest first, with what it is narrowed down by.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    search(ui, model);
    let find = Find { words: model.find.words.trim().to_owned(), ..model.find.clone() };
    model.shelf.find(&find);
    let Some(all) = model.shelf.entries.all else {
        ui.label(model.words.say("archive-reading"));
        return;
    };
    if all == 0 {
        let id = if find.is_all() { "archive-none" } else { "archive-not-found" };
        ui.label(model.words.say(id));
        return;
    }
    if let Some(totals) = model.shelf.totals.as_ref().filter(|it| !it.is_empty()) {
        let heading = model.words.say("archive-totals");
        CollapsingHeader::new(heading).id_salt("totals").show(ui, |ui| {
            sums(ui, &model.words, totals);
        });
    }
    let (words, shelf, depth) = (&model.words, &mut model.shelf, model.settings.depth);
    lists::heading(ui, &[words.say("archive-in"), words.say("archive-out")]);
    let chosen = lists::list(ui, "archive", all, |range| {
        shelf.want_entries(range.start, range.end.saturating_sub(1));
        range.map(|at| shelf.entries.row(at).map(|it| of_entry(words, depth, it))).collect()
    });
    if let Some(deal) = chosen.and_then(|at| model.shelf.entries.row(at)).and_then(|it| it.deal) {
        model.open = Some(deal);
        model.go(Page::Deals);
    }
}

/// Words, the other side, the month; and how many entries there are.
fn search(ui: &mut Ui, model: &mut Model) {
    let words = &model.words;
    ui.horizontal(|ui| {
        let label = ui.label(words.say("archive-find"));
        let room = (ui.available_width() - 170.0).max(120.0);
        let field = TextEdit::singleline(&mut model.find.words).char_limit(200).desired_width(room);
        ui.add(field).labelled_by(label.id);
        if let Some(all) = model.shelf.entries.all {
            let count = value(words.number(all));
            let values = [("count", all.into()), ("written", count)];
            ui.label(words.fill("archive-count", &values));
        }
    });
    let Some(Choices { with, months }) = &model.shelf.choices else { return };
    ui.horizontal_wrapped(|ui| {
        let name = |it: &str| text::flat(it, NAME);
        let (label, all) = (words.say("archive-with"), words.say("archive-anybody"));
        choose(ui, &label, &all, with, &mut model.find.with, name);
        let (label, all) = (words.say("archive-month"), words.say("archive-any-month"));
        choose(ui, &label, &all, months, &mut model.find.month, |it| words.month(it));
    });
}

/// One of several, or all.
fn choose(
    ui: &mut Ui,
    label: &str,
    all: &str,
    of: &[String],
    chosen: &mut Option<String>,
    name: impl Fn(&str) -> String,
) {
    let shown = chosen.as_deref().map_or_else(|| all.to_owned(), &name);
    ui.label(label);
    let list = ComboBox::from_id_salt(label).width(150.0).selected_text(&shown);
    let list = list.show_ui(ui, |ui| {
        ui.selectable_value(chosen, None, all);
        for one in of {
            ui.selectable_value(chosen, Some(one.clone()), name(one));
        }
    });
    list.response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("{label}: {shown}"))
    });
}

/// What came in and went out, month by month.
fn sums(ui: &mut Ui, words: &Words, totals: &[Total]) {
    let quiet = look::palette(ui).quiet;
    ScrollArea::vertical().id_salt("totals").max_height(TOTALS).show(ui, |ui| {
        Grid::new("totals").num_columns(4).striped(true).spacing([24.0, 4.0]).show(ui, |ui| {
            for id in ["archive-month", "archive-in", "archive-out", "archive-by-system"] {
                ui.label(RichText::new(words.say(id)).strong());
            }
            ui.end_row();
            for Total { month, system, paid_in, paid_out } in totals {
                ui.label(words.month(month));
                for sum in [paid_in, paid_out] {
                    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                        let none = sum.minor == 0;
                        let sum = if none { String::new() } else { words.sum(*sum) };
                        ui.label(sum);
                    });
                }
                ui.label(RichText::new(text::flat(system, NAME)).color(quiet));
                ui.end_row();
            }
        });
    });
}

/// An entry as a row of a list.
pub fn of_entry(words: &Words, depth: Depth, it: &Entry) -> Row {
    let (day, kind) = (words.day(it.stored), wording::kind(words, &it.kind));
    let by = if it.signer.is_empty() {
        String::new()
    } else {
        format!(" {}", words.fill("archive-by", &[("signer", value(it.signer.to_string()))]))
    };
    // What has moved stands in its column.
    let about = it.about.filter(|_| it.moved.is_empty());
    let about = about.map(|it| format!("  ·  {}", words.amount(it))).unwrap_or_default();
    let digest = match (depth, &it.digest) {
        (Depth::Plain, _) => String::new(),
        (Depth::Expert, Some(digest)) => format!("{} · {} · ", it.number, digest.short()),
        (Depth::Expert, None) => format!("{} · ", it.number),
    };
    let with = if it.with.is_empty() || it.with == it.signer {
        String::new()
    } else {
        format!("{}: ", it.with)
    };
    let first = format!("{day}  ·  {kind}{by}{about}");
    let summary = wording::told(words, &it.summary, About::default());
    let second = format!("{digest}{with}{summary}");
    let way = |way: Direction, mark: &str| {
        let amounts = it.moved.iter().filter(|it| it.0 == way);
        let amounts = amounts.map(|it| format!("{mark} {}", words.amount(it.1)));
        amounts.collect::<Vec<_>>().join(", ")
    };
    let (paid_in, paid_out) = (way(Direction::In, "+"), way(Direction::Out, "−"));
    let mut says = format!("{day}, {kind}{by}{about}");
    for (id, sum) in [("archive-in", &paid_in), ("archive-out", &paid_out)] {
        if !sum.is_empty() {
            says.push_str(&format!(", {} {sum}", words.say(id)));
        }
    }
    says.push_str(&format!(": {second}"));
    Row { first, right: vec![paid_in, paid_out], second, says }
}
