//! Pass-phrases: asked for or read, chosen, and the key store that one opens.

use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use semper_base::{Report, text};
use semper_tinguin::keystore::{self, Opener};
use semper_tinguin::vault::{Opened, Vault, VaultError};
use semper_token::Place;
use zeroize::Zeroizing;

use crate::print;

/// Tries at the terminal before a command gives up; the count goes on.
const TRIES: u32 = 5;
/// How often a wait is drawn.
const TICK: Duration = Duration::from_millis(200);

/// A new pass-phrase, typed twice or from a file; `what` is how it is called.
pub fn chosen(file: Option<&Path>, what: &str) -> Result<Zeroizing<String>, Report> {
    if file.is_none() {
        print::note(format_args!(
            "Several words that only you would put together make a good {what}, and {} characters \
             are the least. Nobody can recover a forgotten one.",
            keystore::SHORTEST
        ));
    }
    let pass_phrase = print::pass_phrase(file, &format!("Choose a {what}: "))?;
    keystore::fits(&pass_phrase)?;
    if file.is_none() {
        let again = print::pass_phrase(None, "Once more: ")?;
        if *again != *pass_phrase {
            return Err(Report::input("the two pass-phrases differ", "start again"));
        }
    }
    Ok(pass_phrase)
}

/// Opens the key store of a home, whose pass-phrase or PIN is called so; wrong ones make the next one
/// wait.
pub fn open(vault: &Vault, file: Option<&Path>, of: &str) -> Result<Opened, Report> {
    let prompt = prompt(vault, of)?;
    let opened = tried(vault, file, &prompt, |pass_phrase| vault.open(pass_phrase))?;
    tell(&opened);
    Ok(opened)
}

/// The PIN of a token, from a file or typed: once, since the token knows whether it is right.
pub fn pin(place: &Place, file: Option<&Path>) -> Result<Zeroizing<String>, Report> {
    print::pass_phrase(file, &format!("PIN of the token “{}”: ", text::shown(&place.label, 32)))
}

/// What is asked for: the pass-phrase, or the PIN of the token that has the keys.
pub fn prompt(vault: &Vault, of: &str) -> Result<String, Report> {
    Ok(match vault.opener()? {
        Opener::PassPhrase => format!("Pass-phrase{of}: "),
        Opener::Pin(label) => format!("PIN of the token “{}”: ", text::shown(&label, 32)),
    })
}

/// Tries pass-phrases until one is right, or it is enough.
pub fn tried<T>(
    vault: &Vault,
    file: Option<&Path>,
    prompt: &str,
    mut work: impl FnMut(&str) -> Result<T, VaultError>,
) -> Result<T, Report> {
    for left in (0..TRIES).rev() {
        wait(vault)?;
        let pass_phrase = print::pass_phrase(file, prompt)?;
        // Somebody else may have tried while she typed.
        wait(vault)?;
        match work(&pass_phrase) {
            Err(error) if error.is_wrong() && file.is_none() && left > 0 => {
                print::note(format_args!("{error}."));
            }
            Err(VaultError::Wait(_)) => {}
            done => return Ok(done?),
        }
    }
    let what = "there were too many tries at once";
    Err(Report::input(what, "start it again; nobody can recover a forgotten pass-phrase"))
}

/// Waits for as long as wrong pass-phrases make the next one wait. Whoever interrupts that waits as
/// long again.
pub fn wait(vault: &Vault) -> Result<(), Report> {
    let left = vault.wait()?;
    if left.is_zero() {
        return Ok(());
    }
    let wrong = vault.wrong()?.map(|it| it.to_string()).unwrap_or_default();
    print::note(format_args!(
        "{wrong}: the next one can be tried in {} s; Ctrl-C leaves it, and starting anew shortens nothing.",
        left.as_secs() + 1
    ));
    let bar = ProgressBar::new(left.as_secs() + 1);
    if let Ok(style) = ProgressStyle::with_template("{spinner} waiting {wide_bar} {msg}") {
        bar.set_style(style);
    }
    let begun = Instant::now();
    while let Some(rest) = left.checked_sub(begun.elapsed()).filter(|it| !it.is_zero()) {
        bar.set_position(begun.elapsed().as_secs());
        bar.set_message(format!("{} s", rest.as_secs() + 1));
        std::thread::sleep(rest.min(TICK));
    }
    bar.finish_and_clear();
    Ok(())
}

/// Says what was tried before.
pub fn tell(opened: &Opened) {
    if let Some(wrong) = &opened.wrong {
        print::note(format_args!("There were {wrong}."));
    }
}
