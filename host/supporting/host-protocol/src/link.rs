//! `semper:` links: what a page, a mail or a QR code proposes.
//!
//! ```text
//! semper://shop.example:8442/?search.words=woollen%20scarf&size=M
//!          merchant            topic.field=text           topic=option
//! ```
//!
//! A link names a merchant, and may fill in forms and name options, by the topics of the questions that
//! the merchant's program asks. Anybody can make one. So it is parsed strictly, shown before anything
//! is fetched, and whatever it fills in is marked until the person has seen it.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use semper_base::{Mend, text};
use serde::{Deserialize, Serialize};

use crate::application::{MAX_ANSWERS, Proposed};

/// Characters of a link, at most.
pub const MAX_LINK: usize = 2_000;
/// By whom what a link fills in is shown to be.
pub const BY: &str = "a link";

/// What a link proposes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The merchant's address, `https://…`.
    pub merchant: String,
    /// Answers by the topics of questions.
    pub answers: BTreeMap<String, Proposed>,
}

/// Why a text is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Mend)]
#[error("it is no link of semper: {0}")]
#[mend(input, "a link is semper://shop.example/?topic.field=text&topic=option")]
pub struct LinkError(String);

fn wrong<T>(why: impl Into<String>) -> Result<T, LinkError> {
    Err(LinkError(why.into()))
}

impl std::str::FromStr for Link {
    type Err = LinkError;

    fn from_str(link: &str) -> Result<Self, LinkError> {
        if link.chars().count() > MAX_LINK {
            return wrong(format!("it has more than {MAX_LINK} characters"));
        }
        if !link.bytes().all(|c| c.is_ascii_graphic()) {
            return wrong(
                "it has characters that no link has; they are written as %20 and the like",
            );
        }
        let (scheme, rest) = link.split_once("://").unwrap_or_default();
        if !scheme.eq_ignore_ascii_case("semper") {
            return wrong("it does not begin with semper://");
        }
        if rest.contains('#') {
            return wrong("it has a part after #");
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        if query.contains('?') {
            return wrong("it has a second ?");
        }
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        if !path.is_empty() {
            return wrong("the merchant's address has a path");
        }
        let merchant = format!("https://{}", host_of(host)?);
        let mut answers: BTreeMap<String, Proposed> = BTreeMap::new();
        for pair in query.split('&').filter(|it| !it.is_empty()) {
            add(&mut answers, pair)?;
        }
        if answers.len() > MAX_ANSWERS {
            return wrong(format!("it answers more than {MAX_ANSWERS} questions"));
        }
        Ok(Self { merchant, answers })
    }
}

/// The merchant's address that is meant by `https://shop.example:8442`, and nothing else in it.
///
/// # Errors
/// It is no such address.
pub fn merchant(text: &str) -> Result<String, LinkError> {
    match text.strip_prefix("https://") {
        Some(host) => Ok(format!("https://{}", host_of(host.strip_suffix('/').unwrap_or(host))?)),
        None => wrong("the merchant's address does not begin with https://"),
    }
}

/// A host with a port, if it has one.
fn host_of(text: &str) -> Result<String, LinkError> {
    let (name, port) =
        text.rsplit_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'.' || c == b'-';
    let named = !name.is_empty() && name.len() <= 253 && name.bytes().all(plain);
    let edges = name.starts_with(['.', '-']) || name.ends_with(['.', '-']) || name.contains("..");
    if !named || edges {
        return wrong("it names no merchant's address");
    }
    let digits = |port: &str| port.bytes().all(|c| c.is_ascii_digit());
    if port.is_some_and(|it| !digits(it) || it.parse::<u16>().map_or(true, |port| port == 0)) {
        return wrong("the port of the merchant's address is none");
    }
    Ok(text.to_ascii_lowercase())
}

/// Adds one `topic.field=text`, or `topic=option`.
fn add(answers: &mut BTreeMap<String, Proposed>, pair: &str) -> Result<(), LinkError> {
    let Some((key, value)) = pair.split_once('=') else {
        return wrong(format!("“{}” has no =", text::shown(pair, 40)));
    };
    let (key, value) = (decoded(key)?, decoded(value)?);
    let (topic, field) = match key.split_once('.') {
        Some((topic, field)) => (topic, Some(field)),
        None => (key.as_str(), None),
    };
    if topic.is_empty() || field == Some("") {
        return wrong(format!("“{}” names no topic, or no field", text::shown(&key, 40)));
    }
    let proposed = answers.entry(topic.to_owned()).or_default();
    let twice = match field {
        Some(field) => {
            let fields = proposed.fields.get_or_insert_default();
            fields.insert(field.to_owned(), value).is_some() || proposed.choose.is_some()
        }
        None => proposed.choose.replace(value).is_some() || proposed.fields.is_some(),
    };
    match twice {
        true => wrong(format!("it answers “{}” twice", text::shown(&key, 40))),
        false => Ok(()),
    }
}

/// A part of a query in plain letters: one line, and nothing hidden in it.
fn decoded(part: &str) -> Result<String, LinkError> {
    let part = part.replace('+', " ");
    let is_coded =
        |coded: &str| coded.len() >= 2 && coded.bytes().take(2).all(|c| c.is_ascii_hexdigit());
    if !part.split('%').skip(1).all(is_coded) {
        return wrong("a % in it is not followed by two digits");
    }
    let Ok(plain) = percent_decode_str(&part).decode_utf8() else {
        return wrong("a part of it is no text");
    };
    if plain.chars().any(char::is_control) {
        return wrong("a part of it has several lines, or a control character");
    }
    text::one_line(&plain).map_err(|hidden| LinkError(format!("a part of it {hidden}")))
}

impl Link {
    /// What it proposes, one line for each answer: the question's topic, and the answer.
    pub fn lines(&self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (topic, answer) in &self.answers {
            lines.extend(answer.choose.iter().map(|it| (topic.clone(), it.clone())));
            for (field, text) in answer.fields.iter().flatten() {
                lines.push((format!("{topic}, {field}"), text.clone()));
            }
        }
        lines
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_merchant_and_fills_in() {
        let link: Link =
            "semper://Shop.example:8442/?search.words=woollen%20scarf&size=M".parse().unwrap();
        assert_eq!(link.merchant, "https://shop.example:8442");
        let lines = link.lines();
        assert_eq!(lines[0], ("search, words".to_owned(), "woollen scarf".to_owned()));
        assert_eq!(lines[1], ("size".to_owned(), "M".to_owned()));
        let bare: Link = "SEMPER://localhost:8442".parse().unwrap();
        assert_eq!((bare.merchant.as_str(), bare.answers.len()), ("https://localhost:8442", 0));
    }

    #[test]
    fn what_is_no_link_is_refused_and_says_why() {
        let long = format!("semper://a.example/?x={}", "y".repeat(MAX_LINK));
        let many: String = (0..40).map(|it| format!("t{it}=x&")).collect();
        let many = format!("semper://a.example/?{many}");
        for (link, why) in [
            ("https://shop.example/", "does not begin"),
            ("semper:shop.example", "does not begin"),
            ("semper://", "names no merchant"),
            ("semper://user@shop.example/", "names no merchant"),
            ("semper://shop.example:0/", "port"),
            ("semper://shop.example:99999/", "port"),
            ("semper://shop..example/", "names no merchant"),
            ("semper://shop.example/terms", "has a path"),
            ("semper://shop.example/?a=b#c", "after #"),
            ("semper://shop.example/?words", "has no ="),
            ("semper://shop.example/?=x", "names no topic"),
            ("semper://shop.example/?a.=x", "names no topic"),
            ("semper://shop.example/?a=x&a=y", "twice"),
            ("semper://shop.example/?a=x&a.b=y", "twice"),
            ("semper://shop.example/?a.b=x&a.b=y", "twice"),
            ("semper://shop.example:+443/", "port"),
            ("semper://shop.example/??a=b", "second ?"),
            ("semper://shop.example/?a=%zz", "two digits"),
            ("semper://shop.example/?a=%", "two digits"),
            ("semper://shop.example/?a=%F3%A0%81%81", "a part of it"),
            ("semper://shop.example/?a=%CD%8F", "a part of it"),
            ("semper://shop.example/?a=%E3%85%A4", "a part of it"),
            ("semper://shop.example/?a=%ff", "is no text"),
            ("semper://shop.example/?a=%0ayes", "a part of it"),
            ("semper://shop.example/?a=%e2%80%aeyes", "a part of it"),
            ("semper://shöp.example/", "characters that no link has"),
            ("semper://shop.example/?a=b c", "characters that no link has"),
            (&long, "more than"),
            (&many, "more than 32"),
        ] {
            let error = link.parse::<Link>().unwrap_err().to_string();
            assert!(error.contains(why), "{link}: {error}");
        }
    }
}
