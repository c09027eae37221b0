//! Text that comes from outside and that a person will read.

/// A character that does something to the text around it instead of being seen: a control, a mark
/// of direction, a letter without width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("holds the invisible character U+{:04X}", u32::from(*.0))]
pub struct Hidden(pub char);

/// Whether a person cannot see this character, or reads other ones because of it.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The text on one line: every run of blanks, tabs and line ends is one blank, none at the ends.
/// Hidden characters are refused, not taken out: whoever put one there meant something by it.
pub fn one_line(text: &str) -> Result<String, Hidden> {
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
    fn a_screen_shows_that_something_hidden_was_there() {
        assert_eq!(readable("two\nlines\u{1b}[2J"), "two\nlines�[2J");
    }

    #[test]
    fn an_error_shows_hidden_characters_by_their_numbers() {
        assert_eq!(shown("a\u{202e}b\nc", 60), "a\\u{202e}b\\u{a}c");
        assert_eq!(shown("abcdef", 3), "abc…");
    }
}
