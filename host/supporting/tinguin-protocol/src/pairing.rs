//! Pairing: a *business application* asks to shop in the person's name, and the person decides.
//!
//! An application is a program of hers, a web shop's page, an agent. All that is known of it is what it
//! says: its name, and the code that it shows, by which she knows that it is this one that asks.

use semper_base::text;
use serde::{Deserialize, Serialize};

/// Characters of an application's name, at most.
pub const MAX_NAME: usize = 40;
/// Digits of a code.
pub const CODE: usize = 6;

/// What an application may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Read whom the person has dealt with, and terms of business.
    Look,
    /// Begin purchases, and answer questions without consequence in them.
    Shop,
    /// Read the receipts of purchases that it began.
    Receipts,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Look, Self::Shop, Self::Receipts];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Shop => "shop",
            Self::Receipts => "receipts",
        }
    }

    /// What the person is told about it.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Look => "see with whom you have dealt, and read terms of business",
            Self::Shop => "begin purchases, search, choose and fill in for you",
            Self::Receipts => "read the receipts of purchases that it began",
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|it| it.name() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            format!("“{text}” is nothing that can be allowed: {all}")
        })
    }
}

/// Who asks for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairing {
    /// The application's name, as it gives it.
    pub name: String,
    /// What it wants to do.
    pub may: Vec<Scope>,
    /// The code that it shows.
    pub code: String,
    /// The web page that it is, `https://…`; a program has none.
    pub origin: Option<String>,
    /// What the person should hear before she decides, in the host's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cautions: Vec<String>,
}

impl Pairing {
    /// What is wrong with it, if anything is.
    pub fn fault(&self) -> Option<String> {
        if let Some(fault) = name_fault(&self.name) {
            return Some(fault);
        }
        if self.may.is_empty() || self.may.len() > Scope::ALL.len() {
            return Some("an application asks to be allowed something".into());
        }
        if self.code.len() != CODE || !self.code.bytes().all(|it| it.is_ascii_digit()) {
            return Some(format!("a code has {CODE} digits"));
        }
        let page = self.origin.as_deref().is_none_or(is_origin);
        (!page).then(|| "a web page is named by https:// and a host, without a path".into())
    }
}

/// What is wrong with the name of an application, if anything is. It stands in front of decisions: it
/// has one line of letters, digits and spaces, and looks like nothing else there.
pub fn name_fault(name: &str) -> Option<String> {
    let long = name.chars().count() > MAX_NAME;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '.' | '_' | '\'' | '&');
    let whole = !name.is_empty() && name.trim() == name && !name.contains("  ");
    let taken = ["a link", "tinguin", "semper", "the person", "applications", "you"];
    let taken = taken.contains(&name.to_lowercase().as_str());
    if long || !whole || taken || !name.chars().all(plain) || text::readable(name) != name {
        return Some(format!(
            "the name of an application has 1 to {MAX_NAME} letters, digits and spaces, and is nobody \
             else's"
        ));
    }
    None
}

/// Whether a text names a web page's origin, as browsers send it.
pub fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://localhost:"));
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-:".contains(&c);
    let Some(host) = host.filter(|it| it.len() <= 253 && it.bytes().all(plain)) else {
        return false;
    };
    if text.starts_with("http://") {
        return host.parse::<u16>().is_ok();
    }
    // The usual port is left out by browsers.
    let (name, port) = host.split_once(':').map_or((host, None), |it| (it.0, Some(it.1)));
    let port = port.is_none_or(|it| it != "443" && it.parse::<u16>().is_ok_and(|it| it > 0));
    let edges = name.starts_with(['.', '-']) || name.ends_with(['.', '-']) || name.contains("..");
    port && !name.is_empty() && !edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_line() {
        for name in ["Claude", "Anna's books", "Einkaufszettel 2", "買い物"] {
            assert_eq!(name_fault(name), None, "{name}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for name in [
            "",
            " x",
            "a  b",
            "A link",
            "TINGUIN",
            "\u{115f}",
            "\u{3164} x",
            "a\nb",
            "a\u{202e}b",
            "“x”",
            "TINGUIN: yes",
            &long,
        ] {
            assert!(name_fault(name).is_some(), "{name:?}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        for origin in ["https://shop.example", "https://shop.example:8443", "http://localhost:3000"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "https://",
            "http://shop.example",
            "https://a/b",
            "null",
            "https://A",
            "*",
            "https://a.example:443",
            "https://..",
            "https://a:b:c",
            "http://localhost:",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
