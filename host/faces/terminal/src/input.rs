//! What a person types: what each key does to the question on the screen.

use ratatui::crossterm::event::KeyCode;
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

/// What a key does: `Some` answer ends the question.
pub fn press(screen: &Screen, input: &mut Input, key: KeyCode) -> Option<Answer> {
    match (screen, key) {
        (_, KeyCode::PageDown) | (Screen::Consent(_), KeyCode::Down) => {
            input.scroll = input.scroll.saturating_add(if key == KeyCode::Down { 1 } else { 8 });
            None
        }
        (_, KeyCode::PageUp) | (Screen::Consent(_), KeyCode::Up) => {
            input.scroll = input.scroll.saturating_sub(if key == KeyCode::Up { 1 } else { 8 });
            None
        }
        (Screen::Consent(_), KeyCode::Esc) => Some(Answer::No(String::new())),
        (Screen::Consent(_), KeyCode::Enter) => match input.text.trim() {
            "yes" if input.read => Some(Answer::Yes),
            "no" => Some(Answer::No(String::new())),
            _ => {
                input.text.clear();
                None
            }
        },
        (Screen::Question(Question::Inform { .. }), KeyCode::Enter | KeyCode::Esc) => {
            Some(Answer::Seen)
        }
        (Screen::Question(_), KeyCode::Esc) => Some(Answer::Leave),
        (Screen::Question(Question::Choose { options, .. }), key) => {
            match key {
                KeyCode::Up => input.current = input.current.saturating_sub(1),
                KeyCode::Down => input.current = (input.current + 1).min(options.len() - 1),
                KeyCode::Enter => return u32::try_from(input.current).ok().map(Answer::Choice),
                _ => {}
            }
            None
        }
        (
            Screen::Question(Question::Form { .. }),
            KeyCode::Enter | KeyCode::Down | KeyCode::Tab,
        ) => {
            input.fields[input.current] = std::mem::take(&mut input.text);
            if input.current + 1 < input.fields.len() {
                input.current += 1;
                input.text = input.fields[input.current].clone();
                return None;
            }
            Some(Answer::Fields(input.fields.clone()))
        }
        (Screen::Question(Question::Form { .. }), KeyCode::Up) => {
            input.fields[input.current] = input.text.clone();
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
