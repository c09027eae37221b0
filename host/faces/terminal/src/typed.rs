//! A pass-phrase as it is typed: nobody sees it, and nothing of it is left behind.

use ratatui::crossterm::event::KeyCode;
use semper_tinguin_protocol::PassPhrase;
use semper_tinguin_protocol::secret::LONGEST;
use zeroize::Zeroizing;

/// Most bytes of one letter.
const LETTER: usize = 4;

/// What has been typed so far. Its room never grows, since that would leave a copy where it was.
#[derive(Default)]
pub struct Typed(Zeroizing<String>);

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed(…)")
    }
}

impl Typed {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(Zeroizing::new(String::with_capacity(LONGEST * LETTER)))
    }

    /// How many letters.
    pub fn letters(&self) -> usize {
        self.0.chars().count()
    }

    /// What a key does; true when the whole has been typed.
    pub fn press(&mut self, key: KeyCode) -> bool {
        match key {
            KeyCode::Char(letter) if !letter.is_control() && self.letters() < LONGEST => {
                self.0.push(letter);
            }
            KeyCode::Backspace => {
                self.0.pop();
            }
            KeyCode::Esc => self.0.clear(),
            KeyCode::Enter => return !self.0.is_empty(),
            _ => {}
        }
        false
    }

    /// The pass-phrase.
    pub fn done(self) -> PassPhrase {
        self.0.into()
    }
}
