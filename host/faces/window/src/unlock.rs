//! The locked page: it asks for the pass-phrase, and nothing else is shown with it.
//!
//! It stands there before the TINGUIN runs and whenever it is locked. Whoever passes by sees it: so it
//! has the user's name, and neither her phrase nor her picture, nor anything of deals.

use std::time::Duration;

use egui::text_edit::TextEditState;
use egui::{Button, CentralPanel, Id, Key, RichText, TextEdit, TextStyle, Ui, vec2};
use semper_base::text::Text;
use semper_tinguin_protocol::PassPhrase;
use semper_tinguin_protocol::screen::Locked;
use semper_tinguin_protocol::secret::LONGEST;
use zeroize::Zeroizing;

use crate::wording::About;
use crate::words::{Words, value};
use crate::{look, text, wording};

/// How often a count-down is drawn.
const TICK: Duration = Duration::from_millis(200);

/// The page.
#[derive(Debug)]
pub struct Unlock {
    /// Whose window it is.
    name: Text,
    locked: Locked,
    /// Whether a pass-phrase is taken now.
    pub wanted: bool,
    /// Whether one is being tried.
    pub trying: bool,
    /// When the next one can be tried, by the window's time; known when it is drawn.
    until: Option<Duration>,
    typed: Zeroizing<String>,
}

impl Unlock {
    /// Asks this person.
    pub fn new(name: Text, locked: Locked) -> Self {
        let (wanted, trying, until, typed) = (true, false, None, Zeroizing::default());
        Self { name, locked, wanted, trying, until, typed }
    }

    /// Says this from now on.
    pub fn say(&mut self, locked: Locked) {
        if locked.wait != self.locked.wait {
            self.until = None;
        }
        self.locked = locked;
    }

    /// Draws the page; the pass-phrase, once it was typed. It is kept nowhere else then.
    pub fn draw(&mut self, ui: &mut Ui, words: &Words) -> Option<PassPhrase> {
        look::name(ui.ctx(), format!("{} — semper TINGUIN", self.name));
        let now = ui.input(|input| Duration::try_from_secs_f64(input.time).unwrap_or_default());
        let until = *self.until.get_or_insert(now + Duration::from_secs(self.locked.wait));
        let wait = until.saturating_sub(now);
        if !wait.is_zero() || self.trying {
            ui.ctx().request_repaint_after(TICK);
        }
        let free = wait.is_zero() && self.wanted && !self.trying;
        let mut given = false;
        CentralPanel::default().show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                ui.vertical_centered(|ui| {
                    ui.set_max_width(460.0);
                    self.head(ui, words);
                    given = self.field(ui, words, free);
                    self.says(ui, words, wait);
                });
            });
        });
        if !given || !free || self.typed.is_empty() {
            return None;
        }
        // What the field remembers for taking it back goes as well.
        TextEditState::default().store(ui.ctx(), field_id());
        Some(PassPhrase::from(std::mem::take(&mut self.typed)))
    }

    fn head(&self, ui: &mut Ui, words: &Words) {
        ui.add_space(24.0);
        let heading = words.say("unlock-locked");
        text::styled(ui, &format!("🔒 {heading}"), TextStyle::Heading, None);
        text::one_line(ui, &self.name, TextStyle::Heading, true);
        ui.add_space(8.0);
        let quiet = look::palette(ui).quiet;
        text::styled(ui, &words.say("unlock-phrase"), TextStyle::Small, Some(quiet));
        ui.add_space(16.0);
    }

    /// The field; whether it was left by Enter, or the button was pressed.
    fn field(&mut self, ui: &mut Ui, words: &Words, free: bool) -> bool {
        let ask = match self.locked.token.is_empty() {
            true => words.say("unlock-ask"),
            false => {
                let token = value(self.locked.token.to_string());
                words.fill("unlock-ask-pin", &[("token", token)])
            }
        };
        let label = ui.label(RichText::new(ask).strong());
        let field = TextEdit::singleline(&mut *self.typed)
            .id(field_id())
            .password(true)
            .char_limit(LONGEST)
            .desired_width(360.0);
        let field = ui.add_enabled(free, field).labelled_by(label.id);
        let mut given = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if free && !given && ui.memory(|memory| memory.focused().is_none()) {
            field.request_focus();
        }
        let open = Button::new(words.say("unlock-open")).min_size(vec2(160.0, 34.0));
        given |= ui.add_enabled(free, open).clicked();
        ui.add_space(8.0);
        given
    }

    /// What became of the last try, when the next can be made, what waits.
    fn says(&self, ui: &mut Ui, words: &Words, wait: Duration) {
        let caution = look::palette(ui).caution;
        let Locked { wrong, since, waiting, said, .. } = &self.locked;
        if self.trying {
            text::label(ui, &words.say("unlock-trying"));
        } else if !wait.is_zero() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let written = value(seconds.to_string());
            let values = [("seconds", seconds.into()), ("written", written)];
            text::styled(ui, &words.fill("unlock-wait", &values), TextStyle::Body, Some(caution));
        } else if !said.is_empty() {
            let said = wording::told(words, said, About::default());
            text::styled(ui, &said, TextStyle::Body, Some(caution));
        }
        if let Some(since) = since.filter(|_| *wrong > 0) {
            let wrong = wording::wrong(words, *wrong, since);
            text::styled(ui, &format!("⚠ {wrong}"), TextStyle::Body, Some(caution));
        }
        let why = if self.locked.token.is_empty() { "unlock-why" } else { "unlock-why-pin" };
        text::label(ui, &words.say(why));
        if *waiting > 0 {
            let written = value(words.number(*waiting));
            let values = [("count", (*waiting).into()), ("written", written)];
            text::label(ui, &words.fill("unlock-waiting", &values));
        }
    }
}

fn field_id() -> Id {
    Id::unique("pass-phrase")
}
