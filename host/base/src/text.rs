//! Text that comes from outside and that a person will read.
//!
//! What a person types, what comes over the network and what a downloaded service says may hold
//! characters that a terminal obeys or that turn a line round. Here they are refused, made visible,
//! or written as numbers.

use std::ffi::OsString;
use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::mend::Report;

/// Text that a person may read, whoever it comes from: bounded, in Unicode's composed form (NFC), lines
/// kept, and every hidden character seen as `�`. Faces take nothing else.
///
/// ```
/// use semper_base::text::Text;
///
/// assert_eq!(Text::from("R\u{202e}live").to_string(), "R�live");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Text(String);

/// Characters of a text, at most.
const LONGEST_TEXT: usize = 64 * 1024;

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut seen: String = readable(text).nfc().take(LONGEST_TEXT + 1).collect();
        if let Some((end, _)) = seen.char_indices().nth(LONGEST_TEXT) {
            seen.truncate(end);
            seen.push('…');
        }
        Self(seen)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A character that does something to the text around it instead of being seen: a control, a mark
/// of direction, a letter without width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("holds the invisible character U+{:04X}", u32::from(*.0))]
pub struct Hidden(pub char);

/// Whether a person cannot see this character, or reads other ones because of it.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text on one line: every run of blanks, tabs and line ends is one blank, none at the ends.
/// Hidden characters are refused, not taken out: whoever put one there meant something by it.
pub fn one_line(text: &str) -> Result<String, Hidden> {
    // Most texts are of these letters, with nothing to put in order.
    let plain = |pair: &[u8]| pair[1].is_ascii_graphic() || (pair[1] == b' ' && pair[0] != b' ');
    let (bytes, blank) = (text.as_bytes(), |byte: Option<&u8>| byte.is_some_and(|it| *it == b' '));
    if bytes.first().is_none_or(u8::is_ascii_graphic)
        && bytes.windows(2).all(plain)
        && !blank(bytes.last())
    {
        return Ok(text.to_owned());
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().find(|c| is_hidden(*c)) {
        Some(hidden) => Err(Hidden(hidden)),
        None => Ok(line),
    }
}

/// A text for a person's screen, who may not be told less than is there: lines stay, and every hidden
/// character is seen as `�`.
pub fn readable(text: &str) -> String {
    let seen = |c: char| if c != '\n' && is_hidden(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(seen).collect()
}

/// So many of something, as a person says it: `1 day`, `2 days`.
pub fn counted<N: fmt::Display + PartialEq + From<u8>>(number: N, one: &str, more: &str) -> String {
    let noun = if number == N::from(1) { one } else { more };
    format!("{number} {noun}")
}

/// At most `most` characters of a text that nobody has looked at, for an error or a log: hidden
/// characters are written as their numbers.
pub fn shown(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            shown.push('…');
            break;
        }
        if is_hidden(c) {
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Text of anybody's, for HTML: between tags, or as an attribute in quotation marks.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// JSON whose strings show hidden characters by their numbers: the same value, and nothing in it that a
/// terminal obeys.
pub fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        // Line ends stand between values; within strings JSON has them escaped already.
        if c == '\n' || !is_hidden(c) {
            shown.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    shown
}

/// Characters of one argument of a program, at most.
const LONGEST_ARGUMENT: usize = 4_096;

/// Looks at a program's arguments before anything reads, stores or repeats them.
///
/// # Errors
/// One is too long, or holds a character that cannot be seen.
pub fn arguments(all: impl IntoIterator<Item = OsString>) -> Result<(), Report> {
    for argument in all {
        let argument = argument.to_string_lossy();
        let length = argument.chars().count();
        if length > LONGEST_ARGUMENT {
            let begins = shown(&argument, 30);
            let what = format!("the argument “{begins}” has {length} characters");
            return Err(Report::input(what, format!("at most {LONGEST_ARGUMENT} are read")));
        }
        if let Some(hidden) = argument.chars().find(|c| is_hidden(*c)) {
            let what = format!("the argument “{}” {}", shown(&argument, 60), Hidden(hidden));
            return Err(Report::input(what, "type it again instead of pasting it"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_of_what_can_be_seen() {
        assert_eq!(one_line(" Warm\r\nand\tsoft "), Ok("Warm and soft".into()));
        assert_eq!(one_line("One\u{1b}[31mred"), Err(Hidden('\u{1b}')));
        assert_eq!(one_line("R\u{202e}live"), Err(Hidden('\u{202e}')));
        assert_eq!(Hidden('\u{202e}').to_string(), "holds the invisible character U+202E");
    }

    #[test]
    fn a_text_is_bounded_composed_and_has_nothing_hidden() {
        assert_eq!(Text::from("Mu\u{308}ller\u{1b}[2J"), "M\u{fc}ller�[2J");
        let long = Text::from("x".repeat(LONGEST_TEXT + 5));
        assert!(long.ends_with("x…") && long.chars().count() == LONGEST_TEXT + 1);
    }

    #[test]
    fn a_screen_shows_that_something_hidden_was_there() {
        assert_eq!(readable("two\nlines\u{1b}[2J"), "two\nlines�[2J");
    }

    #[test]
    fn json_stays_the_same_value_without_anything_that_a_terminal_obeys() {
        let text = "{\n  \"name\": \"R\u{202e}live\u{feff}\"\n}";
        assert_eq!(json(text), "{\n  \"name\": \"R\\u202elive\\ufeff\"\n}");
    }

    #[test]
    fn an_argument_with_what_cannot_be_seen_is_refused_and_shown() {
        let refused = arguments(["semper".into(), "\u{1b}[2J".into()]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "error: the argument “\\u{1b}[2J” holds the invisible character U+001B\n  \
             try  type it again instead of pasting it"
        );
        assert!(arguments(["x".repeat(5_000).into()]).is_err());
        assert!(arguments(["--name".into(), "Änne Müller".into()]).is_ok());
    }

    #[test]
    fn an_error_shows_hidden_characters_by_their_numbers() {
        assert_eq!(shown("a\u{202e}b\nc", 60), "a\\u{202e}b\\u{a}c");
        assert_eq!(shown("abcdef", 3), "abc…");
    }
}
