//! Another pass-phrase for a home's key store.

use std::sync::Arc;

use semper_archive::{Home, HomeKind};
use semper_base::Report;
use semper_tinguin::Vault;
use semper_tinguin::keystore::{self, Opener};
use serde_json::json;
use zeroize::Zeroizing;

use crate::arguments::PassPhraseArguments;
use crate::{print, unlock};

pub fn change(arguments: &PassPhraseArguments) -> Result<(), Report> {
    let home = Arc::new(Home::of(&arguments.home.home, HomeKind::Party)?);
    let vault = Vault::of(home);
    let by_token = matches!(vault.opener()?, Opener::Pin(_));
    // A new one that cannot be one is found before the old one is tried.
    let from_file = match arguments.new_pass_phrase_file.as_deref() {
        Some(file) => {
            let new = print::pass_phrase(Some(file), "")?;
            if !by_token {
                keystore::fits(&new)?;
            }
            Some(new)
        }
        None => None,
    };
    let mut old = None;
    let file = arguments.pass_phrase_file.as_deref();
    let prompt = unlock::prompt(&vault, " of now")?;
    let opened = unlock::tried(&vault, file, &prompt, |pass_phrase| {
        let opened = vault.open(pass_phrase)?;
        old =
            Some(semper_tinguin_protocol::PassPhrase::from(Zeroizing::new(pass_phrase.to_owned())));
        Ok(opened)
    })?;
    unlock::tell(&opened);
    let new = match from_file {
        Some(new) => new,
        None if by_token => twice("New PIN: ")?,
        None => unlock::chosen(None, "new pass-phrase")?,
    };
    vault.change(old.unwrap_or_default().as_str(), &new)?;
    if by_token {
        let words = "the token's PIN is changed";
        return print::said(words, &json!({ "changed": true, "token": true }));
    }
    let words = "the pass-phrase is changed; a TINGUIN that runs goes on, and asks for the new one \
                 when it is locked. Backups made before open by the old one.";
    print::said(words, &json!({ "changed": true, "wrong": opened.wrong.map_or(0, |it| it.count) }))
}

/// A new PIN, typed twice.
fn twice(prompt: &str) -> Result<Zeroizing<String>, Report> {
    let new = print::pass_phrase(None, prompt)?;
    if *print::pass_phrase(None, "Once more: ")? != *new {
        return Err(Report::input("the two PINs differ", "start again"));
    }
    Ok(new)
}
