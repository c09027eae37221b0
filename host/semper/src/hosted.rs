//! Having a home's host do something: the resident one, which is started if it is not there, or one
//! in this process.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use semper_archive::{DealRow, Home, HomeKind};
use semper_base::{DealId, Digest, Report};
use semper_host_protocol::{Client, ClientError, Done, Request, Said};
use semper_resident::{Gone, Resident, Tell};
use semper_roles::party::Party;

use crate::print;
use crate::signals::ended_by_signal;

/// What a host that a command has started writes, in its home.
const LOG: &str = "host.log";
/// Bytes of it before another is begun.
const MAX_LOG: u64 = 1024 * 1024;
/// How long a host may take to start.
const STARTING: Duration = Duration::from_secs(60);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// How often a conversation that broke off is taken up again.
const TRIES: u32 = 5;
/// From when on waiting is shown.
const SOON: Duration = Duration::from_millis(700);

/// A home's host.
pub struct Hosted {
    home: PathBuf,
    alone: bool,
}

impl Hosted {
    /// The host of this home; `alone` runs it in this process, for as long as it is asked.
    pub fn of(home: &Path, alone: bool) -> Self {
        Self { home: home.to_owned(), alone }
    }

    /// Has a request carried out, and shows what happens meanwhile.
    pub fn ask(&self, request: Request) -> Result<Done, Report> {
        if self.alone { self.ask_alone(request) } else { self.ask_resident(request) }
    }

    /// A deal as it stands in the archive.
    pub fn deal(&self, id: DealId) -> Result<DealRow, Report> {
        let row = Party::look(&self.home)?.archive.deal(id)?;
        row.ok_or_else(|| Report::refusal(format!("there is no {id} here"), "semper deals"))
    }

    /// Whether somebody runs this home who answers no clients: a command with --alone, or a server.
    pub fn is_elsewhere(&self) -> bool {
        let lock = Home::of(&self.home, HomeKind::Party);
        lock.is_ok_and(|home| semper_commerce::host::runs(&home))
            && matches!(Client::connect(&self.home), Err(ClientError::Away))
    }

    /// Has a request carried out by the resident host, and shows nothing.
    pub fn ask_quietly(&self, request: Request) -> Result<Done, Report> {
        self.connect()?.ask(&request, &mut |_| {})?.map_err(Report::from)
    }

    fn ask_alone(&self, request: Request) -> Result<Done, Report> {
        let resident = Resident::start(&self.home)?;
        let (gone, opening) = (Gone::default(), Arc::new(Mutex::new(None)));
        let (own, went, left) = (Arc::clone(&resident), gone.clone(), Arc::clone(&opening));
        let home = self.home.clone();
        // Whoever ends the command by a signal leaves nothing behind that is opened later, unasked:
        // what she has not signed is left. What is stored is whole at any time.
        ended_by_signal(move |number| {
            went.set();
            if let Some(nonce) = *left.lock().unwrap_or_else(PoisonError::into_inner)
                && let Err(error) = own.leave(nonce)
            {
                print::note(error);
            }
            print::note(format_args!(
                "stopped; semper deals --home {} shows what is under way, --resume goes on with it",
                home.display()
            ));
            std::process::exit(128 + number);
        })?;
        let shown = Mutex::new(Shown::default());
        let tell: Tell = Arc::new(move |said| {
            if let Said::Opening(nonce) = said {
                *opening.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce);
            }
            shown.lock().unwrap_or_else(PoisonError::into_inner).show(said);
        });
        resident.carry_out(request, &tell, &gone)
    }

    fn ask_resident(&self, request: Request) -> Result<Done, Report> {
        let home = self.home.display().to_string();
        ended_by_signal(move |number| {
            print::note(format_args!(
                "not waited for any more: a deal that is open goes on in the host of this home. \
                 semper deals --home {home} shows it, semper cancel leaves it; what was not signed \
                 is left"
            ));
            std::process::exit(128 + number);
        })?;
        let (mut shown, mut next, mut lost) = (Shown::default(), request, 0);
        loop {
            let mut subject = None;
            let client = self.connect()?;
            let asked = client.ask(&next, &mut |said| {
                match said {
                    Said::Opening(nonce) => subject = Some(nonce),
                    Said::Opened(id) => subject = Some(*id.digest()),
                    _ => {}
                }
                shown.show(said);
            });
            shown.clear();
            let error = match asked {
                Ok(done) => return done.map_err(Report::from),
                Err(error @ ClientError::Lost) if lost < TRIES => error,
                Err(error) => return Err(error.into()),
            };
            lost += 1;
            next = taken_up(next, subject).ok_or(error)?;
            print::note("the host of this home has ended; it is started again, and goes on");
            std::thread::sleep(Duration::from_millis(200 << lost));
        }
    }

    /// A connection to the home's host, which is started if it is not there.
    fn connect(&self) -> Result<Client, Report> {
        match Client::connect(&self.home) {
            Ok(client) => return Ok(client),
            Err(ClientError::Away) => {}
            Err(error) => return Err(error.into()),
        }
        if self.is_elsewhere() {
            let what = format!("another host of {} is running", self.home.display());
            let mend = "it answers no other command: end it first (Ctrl-C in its terminal), or wait \
                        until it has ended; nothing is lost";
            return Err(Report::refusal(what, mend));
        }
        let (mut child, begun) = (self.start()?, Instant::now());
        let mut bar = None;
        loop {
            match Client::connect(&self.home) {
                Ok(client) => return Ok(client),
                Err(ClientError::Away) => {}
                Err(error) => return Err(error.into()),
            }
            if let Ok(Some(_)) = child.try_wait() {
                // Another command may have started one in the same moment.
                return Client::connect(&self.home).map_err(|_| self.not_started());
            }
            if begun.elapsed() > STARTING {
                let what = "the host of this home does not start in time";
                let log = self.home.join(LOG);
                return Err(Report::refusal(what, format!("see {}", log.display())));
            }
            if begun.elapsed() > SOON && bar.is_none() {
                bar = Some(spinner("starting the host of this home {elapsed}"));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Starts the home's host as a process of its own, which stays when this one ends.
    pub fn start(&self) -> Result<Child, Report> {
        let home = Home::of(&self.home, HomeKind::Party)?;
        let program = std::env::current_exe().map_err(|error| unable(&error))?;
        // An upgrade has put another program in the place of this one: the host is to be that one.
        let program = match program.to_str().and_then(|it| it.strip_suffix(" (deleted)")) {
            Some(place) => PathBuf::from(place),
            None => program,
        };
        let log = log(home.path()).map_err(|error| unable(&error))?;
        Command::new(program)
            .args(["run", "--started", "--json", "--home"])
            .arg(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| unable(&error))
    }

    /// Why a host that was started has ended at once: its last word.
    fn not_started(&self) -> Report {
        #[derive(serde::Deserialize)]
        struct Last {
            error: String,
            mend: String,
            code: u8,
        }
        let log = self.home.join(LOG);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let last = text.lines().last().and_then(|it| serde_json::from_str::<Last>(it).ok());
        match last {
            Some(Last { error, mend, code }) => Report { what: error, mend, code },
            None => {
                let what = "the host of this home has ended while it was started";
                Report::refusal(what, format!("see {}", log.display()))
            }
        }
    }
}

fn unable(error: &std::io::Error) -> Report {
    let what = format!("the host of this home cannot be started: {error}");
    Report::refusal(what, "check the home's permissions and the disk, or give --alone")
}

/// What to ask when the host has ended in the middle of a request; none where it is not known how
/// far that has come.
fn taken_up(request: Request, subject: Option<Digest>) -> Option<Request> {
    match (request, subject) {
        (_, Some(subject)) => Some(Request::Follow(subject)),
        (Request::Buy { .. }, None) => None,
        (request, None) => Some(request),
    }
}

/// The log of a host that is started; a long one becomes the former one.
fn log(home: &Path) -> std::io::Result<File> {
    let path = home.join(LOG);
    if path.metadata().is_ok_and(|it| it.len() > MAX_LOG) {
        std::fs::rename(&path, home.join(format!("{LOG}.1")))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// What is shown of what happens.
#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
}

impl Shown {
    fn show(&mut self, said: Said) {
        match said {
            Said::Note { about: None, text } => self.note(&text),
            Said::Note { about: Some(deal), text } => {
                self.note(&format!("{}  {text}", DealId::new(deal).short()));
            }
            Said::Fetching { name, bytes } => {
                let words = "fetching terms of business: {msg} {bytes}";
                let bar = self.bar.get_or_insert_with(|| spinner(words));
                bar.set_message(name);
                bar.set_position(bytes);
            }
            Said::Preparing => {
                self.clear();
                self.bar = Some(spinner("compiling the service {elapsed}"));
            }
            Said::Fetched | Said::Prepared => self.clear(),
            Said::Opening(_) | Said::Opened(_) => {}
        }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print::note(text)),
            None => print::note(text),
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn spinner(words: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template(&format!("{{spinner}} {words}")) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
