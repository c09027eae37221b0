//! Locking and unlocking a TINGUIN that runs, and waiting for one to be unlocked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use semper_archive::{Home, HomeKind};
use semper_base::{Digest, Report, keys};
use semper_tinguin::Vault;
use semper_tinguin_protocol::{Cause, Client, ClientError, Failure};
use serde_json::json;

use crate::arguments::{LockArguments, UnlockArguments};
use crate::{print, unlock as asked};

/// How often it is looked whether the TINGUIN is unlocked.
const LOOK: Duration = Duration::from_millis(500);

pub fn lock(arguments: &LockArguments) -> Result<(), Report> {
    let home = Home::of(&arguments.home.home, HomeKind::Party)?;
    Client::new(home.path()).lock()?;
    print::said(
        "locked; its pass-phrase, or its token's PIN, unlocks it",
        &json!({ "locked": true }),
    )
}

pub fn unlock(arguments: &UnlockArguments) -> Result<(), Report> {
    let home = Arc::new(Home::of(&arguments.home.home, HomeKind::Party)?);
    let client = Client::new(home.path());
    if !is_locked(&client)? {
        return print::said("it is not locked", &json!({ "locked": false }));
    }
    let vault = Vault::of(home);
    let file = arguments.pass_phrase_file.as_deref();
    asked::wait(&vault)?;
    let wrong = vault.wrong()?;
    let pass_phrase = print::pass_phrase(file, &asked::prompt(&vault, "")?)?;
    client.unlock(pass_phrase.into())?;
    let words = match &wrong {
        Some(wrong) => format!("unlocked; there were {wrong}"),
        None => "unlocked".to_owned(),
    };
    let count = wrong.map_or(0, |it| it.count);
    print::said(&words, &json!({ "locked": false, "wrong": count }))
}

/// Whether a TINGUIN that runs is locked: it has no keys for a deal that nobody opens.
fn is_locked(client: &Client) -> Result<bool, ClientError> {
    match client.deal_keys(Digest::from_bytes(keys::random())) {
        Ok(_) => Ok(false),
        Err(ClientError::NotDone(Failure { cause: Cause::Locked, .. })) => Ok(true),
        Err(other) => Err(other),
    }
}

/// Waits until the TINGUIN of a home is unlocked, and says so: whoever has begun to buy goes on then.
pub fn until_unlocked(home: &Path) -> Result<(), ClientError> {
    let client = Client::new(home);
    let mut told = false;
    while is_locked(&client)? {
        if !std::mem::replace(&mut told, true) {
            print::note("the TINGUIN is locked; this goes on as soon as you have unlocked it");
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
