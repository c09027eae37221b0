//! The TINGUIN's process: the service and its face put together.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use semper_archive::{Home, HomeKind};
use semper_base::Report;
use semper_face_scripted::Scripted;
use semper_face_terminal::TerminalFace;
use semper_keeper::Keeper;
use semper_roles::config::LogFormat;
use semper_roles::party;
use semper_tinguin::Service;
use semper_tinguin::keystore::{self, Keystore, KeystoreError};
use semper_tinguin::memory::{self, Memory};
use semper_tinguin_protocol::{Face, SOCKET};

use crate::arguments::TinguinArguments;
use crate::signals::Signals;
use crate::{logging, print};

/// How long threads have to end before the process does.
const LAST: Duration = Duration::from_millis(500);
/// Tries at the terminal before the TINGUIN gives up.
const TRIES: u32 = 5;

pub fn run(arguments: &TinguinArguments) -> Result<(), Report> {
    let home = Home::of(&arguments.home.home, HomeKind::Party)?;
    let config = party::read_config(&home)?;
    let stored = home.read_secret(keystore::FILE)?;
    // A rules file that is wrong is found before the pass-phrase is asked for.
    let rules = match &arguments.rules {
        Some(file) => Some(scripted(&print::read(file)?, arguments)?),
        None => None,
    };
    let keys = unlock(&stored, arguments)?;
    let memory = Memory::open(&home.path().join(memory::FILE))?;
    let keeper = Keeper::new("semper");
    end_by_signal(&keeper)?;
    let terminal = rules.is_none();
    let face: Box<dyn Face> = match rules {
        Some(scripted) => Box::new(scripted),
        None => Box::new(TerminalFace::new(&keeper).map_err(|error| {
            Report::input(format!("there is no terminal: {error}"), "give --rules on a server")
        })?),
    };
    let service = Service::new(keys, memory, face, config.user, config.phrase);
    let served = service.serve(&home.path().join(SOCKET), &keeper);
    keeper.end();
    keeper.join(LAST);
    if terminal {
        // A thread that has not heard of the end yet may still have the face.
        TerminalFace::restore();
    }
    served.map_err(|error| Report::input(error, "stop the other one first"))
}

/// SIGTERM and SIGINT end the keeper, and with it everything that it keeps.
fn end_by_signal(keeper: &Keeper) -> Result<(), Report> {
    let (signals, own) = (Signals::new()?, keeper.clone());
    drop(keeper.job("signals", move |post| {
        signals.wait(post.ending().over());
        own.end();
    }));
    Ok(())
}

fn scripted(rules: &str, arguments: &TinguinArguments) -> Result<Scripted, Report> {
    let out: Box<dyn Write + Send> = match &arguments.transcript {
        None => Box::new(std::io::stdout()),
        Some(file) => {
            let mut options = OpenOptions::new();
            let opened = options.append(true).create(true).mode(0o600).open(file);
            Box::new(opened.map_err(|error| {
                Report::input(format!("{}: {error}", file.display()), "choose another --transcript")
            })?)
        }
    };
    // Nobody looks at a screen: what was not covered, and that it runs, stands in the log.
    logging::begin(LogFormat::Text);
    let file = arguments.rules.as_deref().unwrap_or(Path::new(""));
    Ok(Scripted::new(rules, out)?.of_file(&file.display().to_string()))
}

/// Opens the key store; wrong pass-phrases are slowed down, ever more.
fn unlock(stored: &str, arguments: &TinguinArguments) -> Result<Keystore, Report> {
    let file = arguments.pass_phrase_file.as_deref();
    for attempt in 0..TRIES {
        let pass_phrase = print::pass_phrase(file, "Pass-phrase: ")?;
        match Keystore::open(stored, &pass_phrase) {
            Ok(keys) => return Ok(keys),
            Err(KeystoreError::PassPhrase) if file.is_none() => {
                print::note("That is not the pass-phrase.");
                std::thread::sleep(Duration::from_secs(1 << attempt));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(KeystoreError::PassPhrase.into())
}
