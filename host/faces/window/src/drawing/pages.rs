//! The pages that are looked at without being asked anything.

mod book;
mod consents;
mod help;
mod past;
mod settings;
mod steps;
mod told;

use egui::{RichText, ScrollArea, TextStyle, Ui};
use semper_base::text::Text;

use super::decision::row;
use crate::model::{Model, Page};
use crate::records::source::Wish;
use crate::records::{Account, Believed, Matter};
use crate::settings::Depth;
use crate::wording::About;
use crate::words::{Words, value};
use crate::{look, text, wording};

/// Draws the page.
pub fn draw(ui: &mut Ui, model: &mut Model) {
    if model.page != Page::Deals || model.open.is_none() {
        let id = Page::ALL.iter().find(|it| it.0 == model.page).map_or("page-now", |it| it.1);
        ui.label(RichText::new(model.words().say(id)).heading().strong());
        ui.add_space(4.0);
    }
    if let Some(unread) = model.shelf.unread.clone() {
        let colour = look::palette(ui).caution;
        text::styled(ui, &format!("⚠ {}", unread.what), TextStyle::Body, Some(colour));
        text::styled(ui, &unread.mend, TextStyle::Small, None);
        if ui.button(model.words().say("records-again")).clicked() {
            model.shelf.refresh();
        }
    }
    match model.page {
        Page::Deals => past::deals(ui, model),
        Page::Archive => book::draw(ui, model),
        other => {
            ScrollArea::vertical()
                .id_salt(("page", model.words().say("pages")))
                .auto_shrink(false)
                .show(ui, |ui| match other {
                    Page::Now => now(ui, model),
                    Page::Waiting => waiting(ui, model),
                    Page::Accounts => accounts(ui, model),
                    Page::Believed => believed(ui, model),
                    Page::Consents => consents::draw(ui, model),
                    Page::Told => told::draw(ui, model),
                    Page::Settings => settings::draw(ui, model),
                    Page::Help => help::draw(ui, model),
                    Page::Deals | Page::Archive => {}
                });
        }
    }
}

/// How things stand while nothing is asked.
fn now(ui: &mut Ui, model: &mut Model) {
    let words = model.words();
    ui.label(words.say("now-nothing"));
    ui.add_space(8.0);
    if model.progress.is_empty() {
        ui.label(words.say("now-quiet"));
    }
    let quiet = look::palette(ui).quiet;
    for progress in &model.progress {
        egui::Frame::group(ui.style()).show(ui, |ui| {
            ui.set_min_width(ui.available_width());
            let with = words.fill("now-deal", &[("peer", value(progress.peer.to_string()))]);
            text::one_line(ui, &with, TextStyle::Body, true);
            let last = progress.steps.len().saturating_sub(1);
            for (index, step) in progress.steps.iter().enumerate() {
                let (mark, colour) =
                    if index == last { ("▶", None) } else { ("✔", Some(quiet)) };
                let about = About { peer: &progress.peer, amount: None };
                let step = wording::status(words, step, about);
                text::styled(ui, &format!("{mark} {step}"), TextStyle::Body, colour);
            }
        });
    }
    told::lately(ui, words, &model.lately);
}

/// What waits for an answer: what is asked now, and the deals behind it.
fn waiting(ui: &mut Ui, model: &mut Model) {
    model.shelf.want_deals(0, 0);
    let words = model.words();
    let mut back = false;
    if let Some(asked) = &model.asked {
        let first = words.fill("waiting-now", &[("peer", value(asked.frame.peer.to_string()))]);
        text::one_line(ui, &first, TextStyle::Body, true);
        let line = wording::status(words, &model.status, model.about());
        text::one_line(ui, &line, TextStyle::Small, false);
        back = ui.button(words.say("waits-back")).clicked();
        ui.separator();
    }
    let mut none = model.asked.is_none();
    for at in 0..model.shelf.deals.all.unwrap_or(0).min(crate::records::PAGE) {
        let Some(deal) = model.shelf.deals.row(at).filter(|it| it.asks) else { continue };
        none = false;
        text::one_line(ui, &deal.peer, TextStyle::Body, true);
        text::styled(ui, &deal.note, TextStyle::Small, None);
        ui.separator();
    }
    if none {
        ui.label(words.say("waiting-none"));
    }
    if back {
        model.go(Page::Now);
    }
}

fn accounts(ui: &mut Ui, model: &mut Model) {
    model.shelf.want(Wish::Accounts);
    let Some(accounts) = &model.shelf.accounts else { return };
    let words = model.words();
    if accounts.is_empty() {
        ui.label(words.say("accounts-none"));
    }
    let quiet = look::palette(ui).quiet;
    for Account { bank, address, number, modes } in accounts {
        text::styled(ui, bank, TextStyle::Heading, None);
        row(ui, &words.say("accounts-number"), number, quiet);
        row(ui, &words.say("accounts-address"), address, quiet);
        if !modes.is_empty() {
            row(ui, &words.say("accounts-modes"), &joined(modes), quiet);
        }
        ui.separator();
    }
    text::styled(ui, &words.say("accounts-balance"), TextStyle::Small, Some(quiet));
}

fn joined(texts: &[Text]) -> String {
    texts.iter().map(|it| &**it).collect::<Vec<_>>().join(", ")
}

fn believed(ui: &mut Ui, model: &mut Model) {
    model.shelf.want(Wish::Believed);
    let Some(believed) = &model.shelf.believed else { return };
    let words = model.words();
    for (matter, id) in [
        (Matter::Examines, "believed-examines"),
        (Matter::Authority, "believed-authority"),
        (Matter::ThirdParty, "believed-third-party"),
        (Matter::Log, "believed-log"),
    ] {
        let mut of = believed.iter().filter(|it| it.matter == matter).peekable();
        if of.peek().is_none() {
            continue;
        }
        ui.label(RichText::new(words.say(id)).strong());
        for it in of {
            one_believed(ui, words, model.settings.depth, it);
        }
        ui.separator();
    }
    if believed.is_empty() {
        ui.label(words.say("believed-none"));
    }
}

fn one_believed(ui: &mut Ui, words: &Words, depth: Depth, it: &Believed) {
    let quiet = look::palette(ui).quiet;
    text::label(ui, &format!("• {}", it.name));
    if !it.about.is_empty() {
        row(ui, &words.say("believed-about"), &joined(&it.about), quiet);
    }
    if let Some(until) = it.until {
        row(ui, &words.say("believed-until"), &words.day(until), quiet);
    }
    if depth == Depth::Expert {
        row(ui, &words.say("believed-key"), &it.key, quiet);
    }
}
