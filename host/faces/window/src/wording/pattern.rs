//! Sentences with gaps: what may stand in a gap is told by the gap's name, so that nothing is taken for
//! a sentence that is none.

use fluent_bundle::FluentValue;
use semper_base::{Amount, Digest, Timestamp};

use super::About;
use crate::words::{Words, value};

/// A gap's name, and what stands in it, as the language writes it.
pub type Filled = (&'static str, FluentValue<'static>);

/// Places at which a gap may end that are tried, at most: texts come from outside.
const TRIES: usize = 16;

/// Fits a text into a sentence; what stands in its gaps, if it fits.
pub fn fit(
    words: &Words,
    sentence: &'static str,
    text: &str,
    about: About<'_>,
) -> Option<Vec<Filled>> {
    let mut filled = Vec::new();
    fits(words, sentence, text, about, &mut filled).then_some(filled)
}

fn fits(
    words: &Words,
    sentence: &'static str,
    text: &str,
    about: About<'_>,
    filled: &mut Vec<Filled>,
) -> bool {
    let Some((before, rest)) = sentence.split_once('{') else { return sentence == text };
    let Some((gap, after)) = rest.split_once('}') else { return false };
    let Some(text) = text.strip_prefix(before) else { return false };
    // Up to the next gap, the sentence has these words.
    let next = after.split('{').next().unwrap_or_default();
    let ends: Vec<usize> = if next.is_empty() {
        vec![text.len()]
    } else {
        text.match_indices(next).map(|it| it.0).take(TRIES).collect()
    };
    for end in ends {
        let Some(stands) = in_gap(words, gap, &text[..end], about) else { continue };
        let before = filled.len();
        filled.push((gap, stands));
        if fits(words, after, &text[end..], about, filled) {
            return true;
        }
        filled.truncate(before);
    }
    false
}

/// What stands in a gap, if it may stand there.
fn in_gap(words: &Words, gap: &str, text: &str, about: About<'_>) -> Option<FluentValue<'static>> {
    let written = match gap {
        "peer" => (text == about.peer && !text.is_empty()).then(|| text.to_owned())?,
        "amount" => {
            let amount: Amount = text.parse().ok().filter(|it| about.amount == Some(*it))?;
            words.amount(amount)
        }
        "count" | "seconds" => return text.parse::<u32>().ok().map(Into::into),
        "gives" | "gets" => parts(words, text)?,
        "summary" => super::known::summary(words, text)?,
        "title" => super::known::title(words, text, about)?,
        "by" => super::known::by(words, text),
        "kind" => super::known::kind(words, text)?,
        "digest" => text.parse::<Digest>().ok().map(|it| it.to_string())?,
        "day" => super::known::day(words, text)?,
        _ if gap.starts_with("sum") => words.amount(text.parse().ok()?),
        _ if gap.starts_with("moment") => words.moment(text.parse::<Timestamp>().ok()?),
        _ => (!text.is_empty()).then(|| text.to_owned())?,
    };
    Some(value(written))
}

/// What changes hands: `19.99 EUR`, `a receipt over 19.99 EUR and a shipping-note`.
fn parts(words: &Words, text: &str) -> Option<String> {
    let told: Option<Vec<String>> = text.split(" and ").map(|it| part(words, it)).collect();
    match told {
        Some(told) => Some(told.join(&format!(" {} ", words.say("part-and")))),
        // The name of an information may have such a word in it.
        None => part(words, text),
    }
}

fn part(words: &Words, text: &str) -> Option<String> {
    if let Ok(amount) = text.parse::<Amount>() {
        return Some(words.amount(amount));
    }
    if let Some(rest) = text.strip_prefix("information “") {
        let (name, long) = rest.rsplit_once("” (")?;
        let bytes: u64 = long.strip_suffix(')')?.split(' ').next()?.parse().ok()?;
        let values = [("name", value(name.to_owned())), ("bytes", bytes.into())];
        return words.find("part-information", &values);
    }
    let text = text.strip_prefix("a ")?;
    let (kind, sum) = match text.split_once(" over ") {
        Some((kind, sum)) => (kind, Some(sum.parse::<Amount>().ok()?)),
        None => (text, None),
    };
    if !kind.chars().all(|it| it.is_ascii_lowercase() || it == '-') {
        return None;
    }
    let a_kind = words.find(&format!("part-{kind}"), &[])?;
    let Some(sum) = sum else { return Some(a_kind) };
    let values = [("part", value(a_kind)), ("amount", value(words.amount(sum)))];
    words.find("part-over", &values)
}
