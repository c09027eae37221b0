//! Printing: JSON for machines, text for people, and small helpers that commands share.

use std::fmt::Display;
use std::io::Write as _;
use std::path::Path;

use semper_base::{Report, text};
use serde::Serialize;
use zeroize::Zeroizing;

/// Prints a value as JSON.
pub fn json<T: Serialize>(value: &T) -> Result<(), Report> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Report::refusal(error, "report this to the project"))?;
    let _ = writeln!(std::io::stdout(), "{}", text::json(&text));
    Ok(())
}

/// Prints text; a reader that has gone away (`| head`) is no error. Whoever it comes from, nothing in it
/// is obeyed by the terminal.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text::readable(text));
}

/// Says something beside the answer, on standard error; nobody need read it. Nothing in
/// it is obeyed by the terminal.
pub fn note(words: impl Display) {
    let _ = writeln!(std::io::stderr(), "{}", text::readable(&words.to_string()));
}

/// Reads a file that the person named.
pub fn read(file: &Path) -> Result<String, Report> {
    std::fs::read_to_string(file)
        .map_err(|error| Report::input(format!("{}: {error}", file.display()), "check the path"))
}

/// The pass-phrase: from a file that only its owner can read, or asked for.
pub fn pass_phrase(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, Report> {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(file) = file else {
        let mend = "start it at a terminal, or give --pass-phrase-file";
        return rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
            Report::input(format!("the pass-phrase cannot be asked for: {error}"), mend)
        });
    };
    if let Ok(meta) = file.metadata() {
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let what = format!("{} is open to others (mode {mode:03o})", file.display());
            return Err(Report::input(what, format!("chmod 600 {}", file.display())));
        }
    }
    let text = Zeroizing::new(read(file)?);
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}
