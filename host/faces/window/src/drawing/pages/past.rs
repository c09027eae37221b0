//! Deals and the archive: what goes on, and what was signed.

use egui::{TextEdit, TextStyle, Ui};
use semper_archive::DealState;

use super::super::lists::{self, Row};
use crate::model::{Model, Page};
use crate::records::{Deal, Entry};
use crate::settings::Depth;
use crate::words::{Words, value};
use crate::{look, text, wording};

/// Deals as a list, or the story of the one that is open.
pub fn deals(ui: &mut Ui, model: &mut Model) {
    if let Some(open) = model.open {
        return story(ui, model, open);
    }
    model.shelf.want_deals(0, 0);
    let Some(all) = model.shelf.deals.all else { return };
    if all == 0 {
        ui.label(model.words().say("deals-none"));
        return;
    }
    let (words, shelf) = (&model.words, &mut model.shelf);
    let chosen = lists::list(ui, "deals", all, |range| {
        shelf.want_deals(range.start, range.end.saturating_sub(1));
        range.map(|at| shelf.deals.row(at).map(|deal| of_deal(words, deal))).collect()
    });
    if let Some(deal) = chosen.and_then(|at| model.shelf.deals.row(at)) {
        model.open = Some(deal.id);
    }
}

fn state(words: &Words, state: DealState) -> String {
    let id = match state {
        DealState::Running => "state-running",
        DealState::Completed => "state-completed",
        DealState::Withdrawn => "state-withdrawn",
        DealState::Failed => "state-failed",
        DealState::Disputed => "state-disputed",
    };
    let mark = match state {
        DealState::Running => "▶",
        DealState::Completed => "✔",
        DealState::Withdrawn => "↩",
        DealState::Failed | DealState::Disputed => "⚠",
    };
    format!("{mark} {}", words.say(id))
}

fn of_deal(words: &Words, deal: &Deal) -> Row {
    let (day, state) = (words.day(deal.opened), state(words, deal.state));
    let first = format!("{day}  ·  {}", deal.peer);
    let asks =
        if deal.asks { format!("• {} · ", words.say("deals-asks")) } else { String::new() };
    let second = format!("{asks}{}", deal.note);
    let says = format!("{}, {day}, {state}: {second}", deal.peer);
    Row { first, right: state, second, says }
}

/// One deal: where it stands, and everything that was signed in it, in order.
fn story(ui: &mut Ui, model: &mut Model, open: semper_base::DealId) {
    let palette = look::palette(ui);
    if ui.button(format!("⬅ {}", model.words.say("story-back"))).clicked() {
        model.open = None;
        return;
    }
    let found = (0..model.shelf.deals.all.unwrap_or(0).min(2_000))
        .find_map(|at| model.shelf.deals.row(at).filter(|it| it.id == open));
    let words = &model.words;
    if let Some(deal) = found {
        text::one_line(ui, &deal.peer, TextStyle::Heading, true);
        super::row(ui, &words.say("story-state"), &state(words, deal.state), palette.quiet);
        text::label(ui, &deal.note);
        super::row(ui, &words.say("story-opened"), &words.moment(deal.opened), palette.quiet);
        super::row(ui, &words.say("story-changed"), &words.moment(deal.changed), palette.quiet);
        if let Some(until) = deal.until {
            super::row(ui, &words.say("story-until"), &words.moment(until), palette.quiet);
        }
        if model.settings.depth == Depth::Expert {
            super::row(ui, &words.say("story-id"), &deal.id.to_string(), palette.quiet);
        }
    }
    ui.separator();
    ui.label(egui::RichText::new(words.say("story-signed")).strong());
    let depth = model.settings.depth;
    let Some(entries) = model.shelf.story(open) else { return };
    let all = entries.len();
    lists::list(ui, "story", all, |range| {
        range.map(|at| entries.get(at).map(|it| of_entry(words, depth, it))).collect()
    });
}

/// Everything that was signed, newest first, with a field to look for something.
pub fn archive(ui: &mut Ui, model: &mut Model) {
    let words = &model.words;
    ui.horizontal(|ui| {
        let label = ui.label(words.say("archive-find"));
        let room = (ui.available_width() - 170.0).max(120.0);
        let field = TextEdit::singleline(&mut model.find).char_limit(200).desired_width(room);
        ui.add(field).labelled_by(label.id);
        if let Some(all) = model.shelf.entries.all {
            let count = value(words.number(all));
            let values = [("count", all.into()), ("written", count)];
            ui.label(words.fill("archive-count", &values));
        }
    });
    let find = model.find.trim().to_owned();
    model.shelf.find(&find);
    let Some(all) = model.shelf.entries.all else {
        ui.label(model.words.say("archive-reading"));
        return;
    };
    if all == 0 {
        let id = if find.is_empty() { "archive-none" } else { "archive-not-found" };
        ui.label(model.words.say(id));
        return;
    }
    let (words, shelf, depth) = (&model.words, &mut model.shelf, model.settings.depth);
    let chosen = lists::list(ui, "archive", all, |range| {
        shelf.want_entries(range.start, range.end.saturating_sub(1));
        range.map(|at| shelf.entries.row(at).map(|it| of_entry(words, depth, it))).collect()
    });
    if let Some(deal) = chosen.and_then(|at| model.shelf.entries.row(at)).and_then(|it| it.deal) {
        model.open = Some(deal);
        model.go(Page::Deals);
    }
}

fn of_entry(words: &Words, depth: Depth, it: &Entry) -> Row {
    let (day, kind) = (words.day(it.stored), wording::kind(words, &it.kind));
    let by = if it.signer.is_empty() {
        String::new()
    } else {
        format!(" {}", words.fill("archive-by", &[("signer", value(it.signer.to_string()))]))
    };
    let right = it.amount.map(|it| words.amount(it)).unwrap_or_default();
    let digest = match depth {
        Depth::Expert => format!("{} · {} · ", it.number, it.digest.short()),
        Depth::Plain => String::new(),
    };
    let first = format!("{day}  ·  {kind}{by}");
    let second = format!("{digest}{}", it.summary);
    let money = if right.is_empty() { String::new() } else { format!(", {right}") };
    let says = format!("{day}, {kind}{by}{money}: {second}");
    Row { first, right, second, says }
}
