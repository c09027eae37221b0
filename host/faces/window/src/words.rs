//! The window's own words, in the person's language.
//!
//! All of them stand in `locales/*.ftl` (Fluent). Amounts and dates are written as the language
//! writes them, from integers: no float comes near money.

use std::borrow::Cow;
use std::fmt;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use semper_archive::Sum;
use semper_base::{Amount, Timestamp};
use serde::{Deserialize, Serialize};
use unic_langid::LanguageIdentifier;

/// A language that the window speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

impl Language {
    /// Every language, with its name in itself.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::English, "English"), (Self::German, "Deutsch")];

    /// The language that a setting of the operating system names (`de_DE.UTF-8`), or English.
    pub fn of_system(setting: &str) -> Self {
        if setting.starts_with("de") { Self::German } else { Self::English }
    }

    /// The texts, as they are written.
    pub const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../locales/en.ftl"),
            Self::German => include_str!("../locales/de.ftl"),
        }
    }

    const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

/// The words of one language.
pub struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Words({:?})", self.language)
    }
}

impl Words {
    /// The words of a language.
    pub fn of(language: Language) -> Self {
        let tag: LanguageIdentifier = language.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new(vec![tag]);
        // Marks of direction around values are hidden characters, which no face draws.
        bundle.set_use_isolating(false);
        // What could be read of a file with a mistake in it is used; a test finds the mistake.
        let source = language.source().to_owned();
        let resource = FluentResource::try_new(source).unwrap_or_else(|(read, _)| read);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    /// Which language it is.
    pub const fn language(&self) -> Language {
        self.language
    }

    /// A text without values in it. One that is missing is seen by its name.
    pub fn say(&self, id: &str) -> String {
        self.fill(id, &[])
    }

    /// A text with values in it.
    pub fn fill(&self, id: &str, values: &[(&'static str, FluentValue<'_>)]) -> String {
        self.find(id, values).unwrap_or_else(|| id.to_owned())
    }

    /// A text, if there is one of this name.
    pub fn find(&self, id: &str, values: &[(&'static str, FluentValue<'_>)]) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let mut arguments = FluentArgs::new();
        for (name, value) in values {
            arguments.set(*name, value.clone());
        }
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(&arguments), &mut errors);
        Some(text.into_owned())
    }

    /// An amount: `1,234.50 EUR`, `1.234,50 EUR`.
    pub fn amount(&self, amount: Amount) -> String {
        self.sum(Sum { minor: amount.minor().into(), currency: amount.currency() })
    }

    /// A sum, written as an amount.
    pub fn sum(&self, amount: Sum) -> String {
        let (group, point) = match self.language {
            Language::English => (',', '.'),
            Language::German => ('.', ','),
        };
        let digits = amount.currency.digits();
        let minor = amount.minor.unsigned_abs();
        let unit = 10_u128.saturating_pow(digits);
        let whole = (minor / unit).to_string();
        let mut text = String::new();
        if amount.minor < 0 {
            // A true minus: a hyphen can be mistaken for a dash in front of the number.
            text.push('−');
        }
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        if digits > 0 {
            let width = digits as usize;
            text.push(point);
            text.push_str(&format!("{:0width$}", minor % unit));
        }
        format!("{text} {}", amount.currency)
    }

    /// A number of things, with its thousands apart.
    pub fn number(&self, number: usize) -> String {
        let group = if self.language == Language::German { '.' } else { ',' };
        let plain = number.to_string();
        let mut text = String::new();
        for (at, digit) in plain.chars().enumerate() {
            if at > 0 && (plain.len() - at).is_multiple_of(3) {
                text.push(group);
            }
            text.push(digit);
        }
        text
    }

    /// So many tenths as a number: `0.8`, `0,8`.
    pub fn decimal(&self, tenths: u64) -> String {
        let point = if self.language == Language::German { ',' } else { '.' };
        format!("{}{point}{}", tenths / 10, tenths % 10)
    }

    /// A month, such as `2026-11`: `Nov 2026`, `11.2026`.
    pub fn month(&self, month: &str) -> String {
        let Some((year, number)) = month.split_once('-') else { return month.to_owned() };
        match self.language {
            Language::German => format!("{number}.{year}"),
            Language::English => {
                let name = number.parse().ok().and_then(|it: usize| MONTHS.get(it.wrapping_sub(1)));
                format!("{} {year}", name.unwrap_or(&number))
            }
        }
    }

    /// A day.
    pub fn day(&self, at: Timestamp) -> String {
        let date = at.date();
        let parts: Vec<&str> = date.split('-').collect();
        let [year, month, day] = parts.as_slice() else { return date };
        match self.language {
            Language::German => format!("{day}.{month}.{year}"),
            Language::English => {
                let name = month.parse().ok().and_then(|it: usize| MONTHS.get(it.wrapping_sub(1)));
                format!("{} {} {year}", day.trim_start_matches('0'), name.unwrap_or(month))
            }
        }
    }

    /// A moment, to the minute. All times are UTC, and say so.
    pub fn moment(&self, at: Timestamp) -> String {
        let text = at.to_string();
        let time: String = text.chars().skip(11).take(5).collect();
        format!("{}, {time} UTC", self.day(at))
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A value that goes into a text.
pub fn value<'a>(text: impl Into<Cow<'a, str>>) -> FluentValue<'a> {
    FluentValue::from(text.into())
}
