//! What a command says: lines for people, one value for machines. Printed once, at the end;
//! progress goes to standard error meanwhile. A reader that has gone away (`| head`) is no error.

use std::fmt::Display;
use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use semper_base::{Report, text};
use semper_distribution::Progress;
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

    /// The same, with what its reader has to mind, if there is anything.
    #[must_use]
    pub fn warned(mut self, warning: Option<String>) -> Self {
        if let Some(warning) = warning {
            self.text = format!("{}\nCAUTION: {warning}", self.text);
            self.value["warning"] = warning.into();
        }
        self
    }

    /// Prints it.
    pub fn print(&self, json: bool) -> Result<(), Report> {
        let mut out = io::stdout().lock();
        let written = if json {
            writeln!(out, "{}", text::json(&format!("{:#}", self.value)))
        } else {
            writeln!(out, "{}", text::readable(self.text.trim_end()))
        };
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let what = format!("the answer cannot be written: {error}");
                Err(Report::refusal(what, "check the disk; what the command does is done"))
            }
            _ => Ok(()),
        }
    }
}

/// Says something beside the answer, on standard error; nobody need read it.
pub fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says what went wrong, on standard error: for people, or as one line of JSON.
pub fn error(report: &Report, json: bool) {
    if json {
        note(text::json(&serde_json::to_string(report).unwrap_or_default()));
    } else {
        note(report);
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
pub fn transfer(bar: &ProgressBar) -> Transfer<'_> {
    Transfer(bar)
}

/// See [`transfer`].
pub struct Transfer<'a>(&'a ProgressBar);

impl Progress for Transfer<'_> {
    fn at(&self, name: &str, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
        self.0.set_message(name.to_owned());
    }

    fn told(&self, what: &str) {
        // Also where there is no terminal to draw in.
        self.0.suspend(|| note(what));
    }
}
