//! Printing: JSON for machines, text for people, and small helpers that commands share.
//!
//! `--json` is one word for every command: the answer is JSON on standard output then, and what went
//! wrong is one line of JSON on standard error.

use std::fmt::Display;
use std::io::{BufRead as _, ErrorKind, IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use semper_base::{Report, text};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

/// Whether answers and errors are for machines.
static MACHINE: AtomicBool = AtomicBool::new(false);

/// From now on answers and errors are for machines.
pub fn for_machines() {
    MACHINE.store(true, Ordering::Relaxed);
}

/// Whether they are.
pub fn is_for_machines() -> bool {
    MACHINE.load(Ordering::Relaxed)
}

/// Prints an answer, in the form that was asked for.
pub fn said(words: &str, value: &Value) -> Result<(), Report> {
    if is_for_machines() {
        return json(value);
    }
    line(words);
    Ok(())
}

/// Says what went wrong, on standard error, in the form that was asked for.
pub fn error(report: &Report) {
    if is_for_machines() {
        note(text::json(&serde_json::to_string(report).unwrap_or_default()));
    } else {
        note(report);
    }
}

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

/// Writes a file that may hold what is nobody else's business, for its owner alone; one that was
/// there becomes its owner's alone.
pub fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let mut options = std::fs::OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(file)?;
    // A pipe or a terminal is not ours to change.
    if out.metadata()?.is_file() {
        out.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    out.write_all(bytes)
}

/// Whether the service manager has handed this file over (systemd's `LoadCredential`). It lies in a
/// folder of the service's own, which nobody else can enter; an entry of its access control list, by
/// which the service may read it, shows as if the file were open to a group.
fn is_credential(file: &Path) -> bool {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
    folder.is_some_and(|it| file.parent() == Some(Path::new(&it)))
}

/// Bytes of a line that is typed, at most.
const LINE: u64 = 4_096;

/// What the person types, without blanks around it; `mend` is for whoever does not sit at a terminal.
pub fn asked(prompt: &str, mend: &str) -> Result<String, Report> {
    let mut err = std::io::stderr();
    let _ = write!(err, "{prompt}");
    let _ = err.flush();
    let mut typed = String::new();
    match std::io::stdin().lock().take(LINE).read_line(&mut typed) {
        Ok(0) | Err(_) => {
            // The error begins a line of its own.
            let _ = writeln!(err);
            let mend = match std::io::stdin().is_terminal() {
                true => "run it again; it goes on where it was",
                false => mend,
            };
            Err(Report::input("nothing was typed", mend))
        }
        Ok(_) => Ok(typed.trim().to_owned()),
    }
}

/// Whether the person says yes; anything else is a no.
pub fn agreed(prompt: &str, mend: &str) -> Result<bool, Report> {
    Ok(matches!(asked(prompt, mend)?.as_str(), "yes" | "y" | "ja" | "j"))
}

const NOT_TEXT: &str = "the pass-phrase is no text";

/// The pass-phrase: from a file that only its owner can read, or asked for.
pub fn pass_phrase(file: Option<&Path>, prompt: &str) -> Result<Zeroizing<String>, Report> {
    use std::os::unix::fs::PermissionsExt as _;
    let Some(file) = file else {
        let mend = "start it at a terminal, or give --pass-phrase-file";
        return rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| match error
            .kind()
        {
            ErrorKind::InvalidData => Report::input(NOT_TEXT, "type it anew"),
            _ => Report::input(format!("the pass-phrase cannot be asked for: {error}"), mend),
        });
    };
    if let Ok(meta) = file.metadata() {
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 && !is_credential(file) {
            let what = format!("{} is open to others (mode {mode:03o})", file.display());
            return Err(Report::input(what, format!("chmod 600 {}", file.display())));
        }
    }
    let text =
        std::fs::read_to_string(file).map(Zeroizing::new).map_err(|error| match error.kind() {
            ErrorKind::InvalidData => {
                Report::input(format!("{}: {NOT_TEXT}", file.display()), "write it as UTF-8")
            }
            _ => Report::input(format!("{}: {error}", file.display()), "check the path"),
        })?;
    Ok(Zeroizing::new(text.trim_end_matches(['\n', '\r']).to_owned()))
}
