//! Asking for the pass-phrase. The window's own page: nothing else is shown before.

use std::time::Duration;

use egui::{Button, CentralPanel, Key, RichText, TextEdit, TextStyle, Ui, vec2};
use zeroize::Zeroizing;

use crate::model::Who;
use crate::settings::Settings;
use crate::words::{Words, value};
use crate::{look, text};

/// How asking stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The pass-phrase is typed.
    #[default]
    Typing,
    /// It is being tried.
    Trying,
    /// It was wrong: the next try may be made at this time of the window.
    Wrong(Duration),
}

/// The page.
#[derive(Debug)]
pub struct Unlock {
    /// Whose window it is.
    pub who: Who,
    /// How it stands.
    pub stage: Stage,
    settings: Settings,
    words: Words,
    typed: Zeroizing<String>,
}

impl Unlock {
    /// Asks this person.
    pub fn new(who: Who, settings: Settings) -> Self {
        let words = Words::of(settings.language);
        Self { who, stage: Stage::default(), settings, words, typed: Zeroizing::default() }
    }

    /// Draws the page; the pass-phrase, once it was typed. It is kept nowhere else then.
    pub fn draw(&mut self, ui: &mut Ui) -> Option<Zeroizing<String>> {
        look::set(ui.ctx(), self.settings);
        let now = ui.input(|input| Duration::try_from_secs_f64(input.time).unwrap_or_default());
        let wait = match self.stage {
            Stage::Wrong(until) => until.saturating_sub(now),
            Stage::Typing | Stage::Trying => Duration::ZERO,
        };
        if !wait.is_zero() || self.stage == Stage::Trying {
            ui.ctx().request_repaint_after(Duration::from_millis(100));
        }
        let free = wait.is_zero() && self.stage != Stage::Trying;
        let mut given = false;
        CentralPanel::default().show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                given = self.page(ui, wait, free);
            });
        });
        (given && free && !self.typed.is_empty()).then(|| std::mem::take(&mut self.typed))
    }

    fn page(&mut self, ui: &mut Ui, wait: Duration, free: bool) -> bool {
        let picture = self.words.say("head-picture");
        ui.add_space(24.0);
        let mut given = false;
        ui.vertical_centered(|ui| {
            ui.set_max_width(420.0);
            self.who.picture.show(ui, 96.0, &picture);
            text::one_line(ui, &self.who.name, TextStyle::Heading, true);
            text::one_line(ui, &format!("“{}”", self.who.phrase), TextStyle::Body, false);
            ui.add_space(16.0);
            let label = ui.label(RichText::new(self.words.say("unlock-ask")).strong());
            let field = TextEdit::singleline(&mut *self.typed)
                .password(true)
                .char_limit(1_000)
                .desired_width(360.0);
            let field = ui.add_enabled(free, field).labelled_by(label.id);
            given = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            if free && !given && ui.memory(|memory| memory.focused().is_none()) {
                field.request_focus();
            }
            let open = Button::new(self.words.say("unlock-open")).min_size(vec2(160.0, 34.0));
            given |= ui.add_enabled(free, open).clicked();
            ui.add_space(8.0);
            let said = match self.stage {
                Stage::Typing => self.words.say("unlock-why"),
                Stage::Trying => self.words.say("unlock-trying"),
                Stage::Wrong(_) if wait.is_zero() => self.words.say("unlock-wrong"),
                Stage::Wrong(_) => {
                    let seconds = wait.as_secs() + 1;
                    let written = value(seconds.to_string());
                    let values = [("seconds", seconds.into()), ("written", written)];
                    self.words.fill("unlock-wait", &values)
                }
            };
            text::label(ui, &said);
        });
        given
    }
}
