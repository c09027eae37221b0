//! What a person types: what each key does to the question on the screen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use semper_tinguin_protocol::screen::{Answer, Question, Screen};

/// What the person has typed and chosen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The text being typed.
    pub text: String,
    /// The option or field that is current.
    pub current: usize,
    /// A form's fields.
    pub fields: Vec<String>,
    /// Lines scrolled down.
    pub scroll: usize,
    /// Whether the end has been on the screen.
    pub read: bool,
    /// Whether the window is to follow the current option or field.
    pub follow: bool,
    /// Whether the current option or field is not on the screen now.
    pub hidden: bool,
    /// How many letters of a pass-phrase have been typed: which ones is nobody's business.
    pub letters: usize,
    /// What was typed last for an answer, and is none.
    pub wrong: String,
}

impl Input {
    /// What stands there before anything was typed.
    pub(crate) fn for_screen(screen: &Screen) -> Self {
        match screen {
            Screen::Question(Question::Form { fields, .. }) => {
                let fields: Vec<String> = fields.iter().map(|(_, now)| now.to_string()).collect();
                let text = fields.first().cloned().unwrap_or_default();
                Self { text, fields, ..Self::default() }
            }
            _ => Self::default(),
        }
    }
}

/// The key that was meant. Some terminals send Ctrl-H for Backspace; other combinations with Ctrl or
/// Alt type no letters.
pub fn meant(key: &KeyEvent) -> KeyCode {
    let combined = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char('h') if key.modifiers == KeyModifiers::CONTROL => KeyCode::Backspace,
        KeyCode::Char(_) if combined => KeyCode::Null,
        code => code,
    }
}

/// What a key does: `Some` answer ends the question.
pub fn press(screen: &Screen, input: &mut Input, key: KeyCode) -> Option<Answer> {
    match (screen, key) {
        (_, KeyCode::PageDown) | (Screen::Consent(_), KeyCode::Down) => {
            input.scroll = input.scroll.saturating_add(if key == KeyCode::Down { 1 } else { 8 });
            input.follow = false;
            None
        }
        (_, KeyCode::PageUp) | (Screen::Consent(_), KeyCode::Up) => {
            input.scroll = input.scroll.saturating_sub(if key == KeyCode::Up { 1 } else { 8 });
            input.follow = false;
            None
        }
        (Screen::Consent(_), KeyCode::Esc) => Some(Answer::No(String::new())),
        (Screen::Consent(_), KeyCode::Enter) => {
            let typed = std::mem::take(&mut input.text);
            match typed.trim().to_lowercase().as_str() {
                "yes" if input.read => return Some(Answer::Yes),
                "no" => return Some(Answer::No(String::new())),
                // What is wrong with a yes before the end was read, the prompt says.
                "yes" | "" => input.wrong.clear(),
                _ => typed.trim().clone_into(&mut input.wrong),
            }
            None
        }
        (Screen::Question(Question::Inform { .. }), KeyCode::Enter | KeyCode::Esc) => {
            Some(Answer::Seen)
        }
        (Screen::Question(_), KeyCode::Esc) => Some(Answer::Leave),
        (Screen::Question(Question::Choose { options, .. }), key) => {
            match key {
                KeyCode::Up => input.current = input.current.saturating_sub(1),
                KeyCode::Down => input.current = (input.current + 1).min(options.len() - 1),
                // Nobody takes what she does not see: it is shown first.
                KeyCode::Enter if input.hidden => {}
                KeyCode::Enter => return u32::try_from(input.current).ok().map(Answer::Choice),
                _ => return None,
            }
            input.follow = true;
            None
        }
        (
            Screen::Question(Question::Form { .. }),
            KeyCode::Enter | KeyCode::Down | KeyCode::Tab,
        ) => {
            input.fields[input.current].clone_from(&input.text);
            input.follow = true;
            if input.current + 1 < input.fields.len() {
                input.current += 1;
                input.text = input.fields[input.current].clone();
                return None;
            }
            // A step further down than there is sends nothing off.
            (key == KeyCode::Enter).then(|| Answer::Fields(input.fields.clone()))
        }
        (Screen::Question(Question::Form { .. }), KeyCode::Up) => {
            input.fields[input.current] = input.text.clone();
            input.follow = true;
            input.current = input.current.saturating_sub(1);
            input.text = input.fields[input.current].clone();
            None
        }
        (Screen::Consent(_) | Screen::Question(Question::Form { .. }), KeyCode::Char(letter)) => {
            if !letter.is_control() && input.text.chars().count() < 200 {
                input.text.push(letter);
            }
            None
        }
        (_, KeyCode::Backspace) => {
            input.text.pop();
            None
        }
        _ => None,
    }
}
