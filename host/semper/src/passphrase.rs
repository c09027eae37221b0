//! Another pass-phrase for a home's key store.

use std::sync::Arc;

use semper_archive::{Home, HomeKind};
use semper_base::Report;
use semper_tinguin::{Vault, keystore};
use serde_json::json;

use crate::arguments::PassPhraseArguments;
use crate::{print, unlock};

pub fn change(arguments: &PassPhraseArguments) -> Result<(), Report> {
    let home = Arc::new(Home::of(&arguments.home.home, HomeKind::Party)?);
    // A new one that cannot be one is found before the old one is tried.
    let from_file = match arguments.new_pass_phrase_file.as_deref() {
        Some(file) => {
            let new = print::pass_phrase(Some(file), "")?;
            keystore::fits(&new)?;
            Some(new)
        }
        None => None,
    };
    let vault = Vault::of(home);
    let mut old = None;
    let file = arguments.pass_phrase_file.as_deref();
    let opened = unlock::tried(&vault, file, "Pass-phrase of now: ", |pass_phrase| {
        let opened = vault.open(pass_phrase)?;
        old = Some(semper_tinguin_protocol::PassPhrase::from(zeroize::Zeroizing::new(
            pass_phrase.to_owned(),
        )));
        Ok(opened)
    })?;
    unlock::tell(&opened);
    let new = match from_file {
        Some(new) => new,
        None => unlock::chosen(None, "new pass-phrase")?,
    };
    vault.change(old.unwrap_or_default().as_str(), &new)?;
    let words = "the pass-phrase is changed; a TINGUIN that runs goes on, and asks for the new one \
                 when it is locked. Backups made before open by the old one.";
    print::said(words, &json!({ "changed": true, "wrong": opened.wrong.map_or(0, |it| it.count) }))
}
