//! The TINGUIN's process: the service and its face put together.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use semper_archive::{Home, HomeKind};
use semper_base::{Report, text};
use semper_device::{ToDevice, ToHost, bridge};
use semper_face_scripted::Scripted;
use semper_face_terminal::TerminalFace;
use semper_keeper::Keeper;
use semper_roles::config::LogFormat;
use semper_roles::party;
use semper_tinguin::keystore;
use semper_tinguin::memory::{self, Memory};
use semper_tinguin::{Locking, Service, Vault};
use semper_tinguin_protocol::{Face, SOCKET};

use crate::arguments::TinguinArguments;
use crate::signals::Signals;
use crate::{logging, print, unlock};

/// How long threads have to end before the process does.
const LAST: Duration = Duration::from_millis(500);

pub fn run(arguments: &TinguinArguments) -> Result<(), Report> {
    let home = Arc::new(Home::of(&arguments.home.home, HomeKind::Party)?);
    let config = party::read_config(&home)?;
    if let Some(paired) = ToDevice::of(&home)?.filter(|_| !home.has(keystore::FILE)) {
        return on_device(&home, paired, arguments);
    }
    let vault = Vault::of(Arc::clone(&home));
    let host = ToHost::of(&home)?;
    // A rules file that is wrong is found before the pass-phrase is asked for.
    let rules = match &arguments.rules {
        Some(file) => Some(scripted(&print::read(file)?, arguments)?),
        None => None,
    };
    let opened = unlock::open(&vault, arguments.pass_phrase_file.as_deref(), "")?;
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
    let locking = Locking { vault, after: config.tinguin.locks(!terminal) };
    let service = Service::new(opened.keys, memory, face, config.user, config.phrase)
        .with_locking(locking)
        .for_host(host)
        .after_wrong(opened.wrong);
    let served = service.serve(&home.path().join(SOCKET), &keeper);
    keeper.end();
    keeper.join(LAST);
    if terminal {
        // A thread that has not heard of the end yet may still have the face.
        TerminalFace::restore();
    }
    served.map_err(|error| Report::input(error, "stop the other one first"))
}

/// The TINGUIN is on a second device: what hosts ask here goes there.
fn on_device(home: &Home, paired: ToDevice, arguments: &TinguinArguments) -> Result<(), Report> {
    if arguments.rules.is_some() || arguments.pass_phrase_file.is_some() {
        let what = format!("this home's TINGUIN is on “{}”", text::shown(&paired.name, 40));
        return Err(Report::input(what, "give --rules and --pass-phrase-file there"));
    }
    logging::begin(LogFormat::Text);
    let keeper = Keeper::new("semper");
    end_by_signal(&keeper)?;
    print::note(format_args!(
        "This home's TINGUIN is on “{}”, which is waited for at {}. Start it there; this one passes on \
         what your host asks, and has no keys.",
        text::shown(&paired.name, 40),
        paired.listen
    ));
    let told = Box::new(|words: String| print::note(text::shown(&words, 200)));
    let served = bridge::serve(home, paired, &keeper, told);
    keeper.end();
    keeper.join(LAST);
    Ok(served?)
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
