//! What the person has set: language, light or dark, size of the text, plain or expert.

use serde::{Deserialize, Serialize};

use crate::words::Language;

/// The file's name in a home.
pub const FILE: &str = "window.toml";

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shade {
    /// As the operating system has it.
    #[default]
    System,
    /// Dark letters on light ground.
    Light,
    /// Light letters on dark ground.
    Dark,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Depth {
    /// What everybody needs.
    #[default]
    Plain,
    /// Keys, digests and certificates as well.
    Expert,
}

/// Sizes of the text that can be chosen, in percent.
pub const SIZES: [u32; 5] = [100, 125, 150, 175, 200];

/// The settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The window's language.
    pub language: Language,
    /// Light or dark.
    pub shade: Shade,
    /// The text's size in percent, one of [`SIZES`].
    pub size: u32,
    /// How much is shown.
    pub depth: Depth,
}

impl Default for Settings {
    fn default() -> Self {
        let (language, shade, depth) = Default::default();
        Self { language, shade, size: 100, depth }
    }
}

impl Settings {
    /// Reads them; what cannot be read, or makes no sense, is as it was at first.
    pub fn parse(text: &str) -> Self {
        let read: Self = toml::from_str(text).unwrap_or_default();
        if SIZES.contains(&read.size) { read } else { Self { size: 100, ..read } }
    }

    /// As they are written.
    pub fn text(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }
}
