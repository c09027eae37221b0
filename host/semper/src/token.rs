//! `semper token`: tokens that are there, and a home whose keys one keeps.

use std::path::Path;
use std::sync::Arc;

use semper_archive::{Home, HomeKind};
use semper_base::{Report, text};
use semper_door::Door;
use semper_keeper::Keeper;
use semper_tinguin::Vault;
use semper_tinguin::keystore::Opener;
use semper_tinguin::memory::{self, Memory};
use semper_tinguin_protocol::SOCKET;
use semper_token::Place;
use serde_json::json;

use crate::arguments::{TokenCommand, TokenUseArguments};
use crate::{print, unlock};

pub fn run(command: &TokenCommand) -> Result<(), Report> {
    match command {
        TokenCommand::List { library, json } => list(library, *json),
        TokenCommand::Use(arguments) => take(arguments),
    }
}

fn list(library: &Path, json: bool) -> Result<(), Report> {
    let found = semper_token::list(library)?;
    if json {
        return print::json(&found);
    }
    if found.is_empty() {
        print::line("no token is there");
    }
    for it in found {
        let state = match (it.prepared, it.able) {
            (false, _) => "has no PIN yet: prepare it with its maker's program",
            (true, false) => "makes no Ed25519 keys: of no use here",
            (true, true) => "can be used",
        };
        let shown = |it: &str| text::shown(it, 32);
        print::line(&format!(
            "{:24} {:18} {}, {}: {state}",
            shown(&it.label),
            shown(&it.serial),
            shown(&it.maker),
            shown(&it.model),
        ));
    }
    Ok(())
}

/// Has a token keep the keys of a home that is there.
fn take(arguments: &TokenUseArguments) -> Result<(), Report> {
    let home = Arc::new(Home::of(&arguments.home.home, HomeKind::Party)?);
    let vault = Vault::of(Arc::clone(&home));
    if let Opener::Pin(label) = vault.opener()? {
        let what = format!("the token “{}” keeps the keys already", text::shown(&label, 32));
        return Err(Report::input(what, "semper pass-phrase gives it another PIN"));
    }
    // A TINGUIN that runs, or is started meanwhile, would go on making keys of its own: its place is
    // taken until this is done.
    let keeper = Keeper::new("token");
    let socket = home.path().join(SOCKET);
    let in_use = "the TINGUIN of this home is running";
    let place_taken = Door::open(&socket, &keeper, in_use, Box::new(|_, _| Ok(())))
        .map_err(|error| Report::input(error, "end it first"))?;
    let done = moved(arguments, &home, &vault);
    place_taken.close();
    keeper.end();
    place_taken.remove();
    done
}

fn moved(arguments: &TokenUseArguments, home: &Home, vault: &Vault) -> Result<(), Report> {
    let place = Place::find(&arguments.library, &arguments.token)?;
    let memory = Memory::open(&home.path().join(memory::FILE))?;
    // What is certified, or may have been, stays what it is; the key after it is the token's.
    let from = memory.unasked().map_err(memory::MemoryError::from)?;
    let file = arguments.pass_phrase_file.as_deref();
    let prompt = unlock::prompt(vault, "")?;
    let pass_phrase = unlock::tried(vault, file, &prompt, |typed| {
        vault.open(typed)?;
        Ok(zeroize::Zeroizing::new(typed.to_owned()))
    })?;
    let pin = unlock::pin(&place, arguments.pin_file.as_deref())?;
    vault.into_token(&pass_phrase, (&place, &pin), from)?;
    let label = text::shown(&place.label, 32);
    let next = match from {
        0 => "your identity's key is made in it when you register",
        _ => "you sign by the key of before until its next one is made in the token: semper renew",
    };
    let words = format!(
        "the token “{label}” keeps the keys from now on, and its PIN opens them; {next}. Copies of the \
         home that were made before still open by the pass-phrase: take care of them, or destroy them."
    );
    print::said(&words, &json!({ "token": place.label, "serial": place.serial, "from": from }))
}
