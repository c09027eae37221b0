//! Deals: what goes on, and what was signed in each.

use egui::{TextStyle, Ui};
use semper_archive::DealState;
use semper_items::Side;

use super::super::lists::{self, Row};
use super::book::of_entry;
use crate::model::Model;
use crate::records::Deal;
use crate::settings::Depth;
use crate::wording::About;
use crate::words::Words;
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
    let second = format!("{asks}{}", wording::told(words, &deal.note, About::default()));
    let says = format!("{}, {day}, {state}: {second}", deal.peer);
    Row { first, right: vec![state], second, says }
}

/// One deal: where it stands, and everything that was signed in it, in order.
fn story(ui: &mut Ui, model: &mut Model, open: semper_base::DealId) {
    let palette = look::palette(ui);
    if ui.button(format!("⬅ {}", model.words.say("story-back"))).clicked() {
        model.open = None;
        return;
    }
    model.shelf.want_deals(0, 0);
    let found: Option<Deal> = (0..model.shelf.deals.all.unwrap_or(0).min(2_000))
        .find_map(|at| model.shelf.deals.row(at).filter(|it| it.id == open))
        .cloned();
    let words = &model.words;
    if let Some(deal) = &found {
        text::one_line(ui, &deal.peer, TextStyle::Heading, true);
        super::row(ui, &words.say("story-state"), &state(words, deal.state), palette.quiet);
        text::label(ui, &wording::told(words, &deal.note, About::default()));
        super::row(ui, &words.say("story-opened"), &words.moment(deal.opened), palette.quiet);
        super::row(ui, &words.say("story-changed"), &words.moment(deal.changed), palette.quiet);
        if let Some(until) = deal.until {
            super::row(ui, &words.say("story-until"), &words.moment(until), palette.quiet);
        }
        if model.settings.depth == Depth::Expert {
            super::row(ui, &words.say("story-id"), &deal.id.to_string(), palette.quiet);
        }
    }
    let side = found.as_ref().map_or(Side::Buyer, |it| it.side);
    if let Some(found) = model.shelf.steps(open) {
        super::steps::draw(ui, words, side, found);
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
