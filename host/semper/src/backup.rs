//! `semper backup`: a home's copy in one encrypted file.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use semper_archive::{Home, HomeError, HomeKind};
use semper_backup::{Progress, take};
use semper_base::{Report, text};
use semper_roles::party::Party;
use semper_tinguin::Vault;
use semper_tinguin::keystore::Opener;
use semper_tinguin::vault::VaultError;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::arguments::BackupArguments;
use crate::{print, signals, unlock};

pub fn backup(arguments: &BackupArguments) -> Result<(), Report> {
    let (words, value) = make(arguments, None)?;
    print::said(&words, &value)
}

/// Makes the copy; what there is to say. The pass-phrase is asked for where it is not known.
pub fn make(
    arguments: &BackupArguments,
    known: Option<Zeroizing<String>>,
) -> Result<(String, Value), Report> {
    let path = &arguments.home.home;
    let home = Arc::new(Home::open(path).map_err(|error| match error {
        // Whose it should be is not known here.
        HomeError::Missing { path, .. } => Report::from(HomeError::Nobodys(path)),
        other => other.into(),
    })?);
    let kind = home.kind()?;
    if kind == HomeKind::Party {
        // Of a newer program's home nobody knows what belongs to it.
        Party::look(path)?;
    }
    take::place(&home, &arguments.out)?;
    let pass_phrase = known.map_or_else(|| pass_phrase(&home, kind, arguments), Ok)?;
    let (own, out) = (Arc::clone(&home), arguments.out.clone());
    signals::ended_by_signal(move |number| {
        take::clear(&own, &out);
        print::note("stopped; nothing is left of it");
        std::process::exit(128 + number);
    })?;
    let bar = bar("copying");
    let taken = take::take(&home, &arguments.out, &pass_phrase, &|progress| show(&bar, &progress));
    bar.finish_and_clear();
    let manifest = taken?;
    if kind == HomeKind::ThirdParty && !home.has("cases.sqlite") {
        print::note(
            "CAUTION: its cases are not in this home (PostgreSQL?): copy them from the same moment",
        );
    }
    let (files, bytes) = (manifest.files.len(), manifest.bytes());
    let out = arguments.out.display();
    let words = format!(
        "{out} has {} home as of {}: {files} files, {bytes} bytes, encrypted. Without the \
         pass-phrase nobody can open it, you neither.",
        kind.whose(),
        manifest.made
    );
    let value = json!({
        "file": arguments.out, "kind": manifest.kind, "made": manifest.made, "files": files,
        "bytes": bytes,
    });
    Ok((words, value))
}

/// A party's own pass-phrase, which must be right; another home's is chosen, and that of a party whose
/// keys a token keeps.
fn pass_phrase(
    home: &Arc<Home>,
    kind: HomeKind,
    arguments: &BackupArguments,
) -> Result<Zeroizing<String>, Report> {
    let file = arguments.pass_phrase_file.as_deref();
    if kind != HomeKind::Party {
        return unlock::chosen(file, "pass-phrase for the copy");
    }
    let vault = Vault::of(Arc::clone(home));
    if matches!(vault.opener(), Err(VaultError::None)) {
        print::note(
            "CAUTION: the keys are not here, and the copy has none: copy the device's home, too.",
        );
        return unlock::chosen(file, "pass-phrase for the copy");
    }
    if let Opener::Pin(label) = vault.opener()? {
        let label = text::shown(&label, 32);
        print::note(format_args!(
            "CAUTION: the keys are in the token “{label}” or encrypted by it: the copy is of use with \
             that token alone."
        ));
        return unlock::chosen(file, "pass-phrase for the copy");
    }
    let (pass_phrase, opened) = unlock::tried(&vault, file, "Pass-phrase of the home: ", |text| {
        let opened = vault.open(text)?;
        Ok((Zeroizing::new(text.to_owned()), opened))
    })?;
    unlock::tell(&opened);
    Ok(pass_phrase)
}

/// A bar that shows how far it is.
pub fn bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(what.to_owned());
    let style = "{spinner} {msg} {bar:30} {bytes} of {total_bytes}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// Shows how far it is.
pub fn show(bar: &ProgressBar, progress: &Progress<'_>) {
    bar.set_length(progress.of);
    bar.set_position(progress.bytes.min(progress.of));
    bar.set_message(text::shown(progress.name, 40));
}
