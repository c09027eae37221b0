//! Names that look like others: confusable characters (Unicode TS 39), mixed scripts, near
//! misses of merchants that are known here. They are flagged, not refused: the person decides.

use semper_base::text::counted;
use unicode_security::{MixedScript as _, skeleton};

/// The suspicion about a name, in words; `None` if there is none.
pub fn suspicion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    for other in known {
        if other == name {
            continue;
        }
        let (a, b) = (plain(name), plain(other));
        if a == b {
            return Some(format!("“{name}” looks like “{other}”, whom you know, and is another"));
        }
        let near = strsim::damerau_levenshtein(&a, &b);
        if near <= 1 + a.chars().count() / 12 && a.chars().count() > 3 {
            let letters = counted(near, "letter", "letters");
            return Some(format!("“{name}” differs from “{other}”, whom you know, by {letters}"));
        }
    }
    if !name.is_single_script() {
        return Some(format!("“{name}” mixes letters of several scripts"));
    }
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}');
    name.chars()
        .any(hidden)
        .then(|| format!("“{}” has characters that cannot be seen", name.escape_unicode()))
}

/// A name as the eye takes it: what looks alike is the same, case and spaces do not count.
pub fn plain(name: &str) -> String {
    let folded: String = name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
    // Folded again: some look-alikes of lower-case letters are upper-case ones.
    skeleton(&folded).collect::<String>().to_lowercase()
}
