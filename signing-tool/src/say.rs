//! What a command says: lines for people, one value for machines. Printed once, at the end;
//! progress goes to standard error meanwhile.

use std::io::Write as _;

use indicatif::{ProgressBar, ProgressStyle};
use semper_base::text;
use serde_json::Value;

/// What a command has to say.
#[derive(Debug, Default)]
pub struct Said {
    /// For people.
    pub text: String,
    /// For machines.
    pub value: Value,
    /// Whether the answer is no: the exit code is 1 then.
    pub refused: bool,
}

impl Said {
    /// Both forms of an answer.
    pub fn new(text: impl Into<String>, value: Value) -> Self {
        Self { text: text.into(), value, refused: false }
    }

    /// Prints it.
    pub fn print(&self, json: bool) {
        // A reader that has gone away (`| head`) is no error.
        let _ = match json {
            true => writeln!(std::io::stdout(), "{}", text::json(&format!("{:#}", self.value))),
            false => writeln!(std::io::stdout(), "{}", text::readable(self.text.trim_end())),
        };
    }
}

/// A bar for something that counts up, on standard error and only in a terminal.
pub fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(what);
    let template = "{msg:24} {bar:30} {pos}/{len} {elapsed}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// A bar that follows a transfer.
pub fn transfer(bar: &ProgressBar) -> impl Fn(&str, u64, u64) + '_ {
    |name, done, total| {
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(name.to_owned());
    }
}
