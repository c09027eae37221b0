//! A person with a TINGUIN: the shipped one, in this process, with a script for a face. It is a
//! process of its own on the computer: it may die alone, in the middle of a request, and is started
//! again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_base::Digest;
use semper_face_scripted::Scripted;
use semper_tinguin::keystore::Keystore;
use semper_tinguin::memory::{self, Memory};
use semper_tinguin::{InProcess, Service};
use semper_tinguin_protocol::{Ask, ClientError, Reply, Request};

use crate::computer::Computer;
use crate::faults::Fault;
use crate::turns::{Machine, Threads, Turns};

/// How long a watch for answers is held.
const HOLD: Duration = Duration::from_secs(20);

/// What unwinds a request whose TINGUIN dies.
struct Died;

/// A person, and what her TINGUIN has on its disk and in its memory.
pub struct Person {
    home: PathBuf,
    keys: Keystore,
    rules: String,
    alive: Mutex<Option<Alive>>,
}

/// A TINGUIN that runs.
#[derive(Clone)]
struct Alive {
    service: Arc<Service>,
    machine: Arc<Machine>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Person({})", self.home.display())
    }
}

impl Person {
    /// A person whose TINGUIN has not been started.
    pub fn new(home: PathBuf, keys: &Keystore, rules: &str) -> Arc<Self> {
        let (keys, rules) = (keys.clone(), rules.to_owned());
        Arc::new(Self { home, keys, rules, alive: Mutex::default() })
    }

    /// Starts her TINGUIN, if it does not run.
    pub fn start(&self, turns: &Turns, computer: &Arc<Computer>) {
        if self.is_alive() {
            return;
        }
        let memory = Memory::open(&self.home.join(memory::FILE)).expect("its store is whole");
        let face =
            Scripted::new(&self.rules, Box::new(std::io::sink())).expect("its rules are right");
        let (user, phrase) = (computer.name().to_owned(), "two owls".to_owned());
        let service =
            Arc::new(Service::new(self.keys.clone(), memory, Box::new(face), user, phrase));
        let name = format!("{}'s TINGUIN", computer.name());
        let machine = Machine::new(turns, computer, &name, false);
        service.keep_asking(&Threads(Arc::clone(&machine)));
        *self.alive() = Some(Alive { service, machine });
    }

    /// Whether her TINGUIN runs.
    pub fn is_alive(&self) -> bool {
        self.alive().as_ref().is_some_and(|it| !it.machine.is_dead())
    }

    /// Her TINGUIN dies where it is: in a request of this machine, or in its own thread.
    pub fn die(&self, machine: &Machine) -> ! {
        let Some(alive) = self.alive().take() else { machine.die() };
        if std::ptr::eq(&*alive.machine, machine) {
            machine.die();
        }
        alive.machine.turns().kill(&alive.machine);
        resume_unwind(Box::new(Died))
    }

    /// Her computer is switched off.
    pub fn switch_off(&self) {
        if let Some(alive) = self.alive().take() {
            alive.machine.turns().kill(&alive.machine);
        }
    }

    fn alive(&self) -> MutexGuard<'_, Option<Alive>> {
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way from a host to the TINGUIN of its home.
#[derive(Clone, Debug)]
pub struct ToTinguin(pub Arc<Machine>);

impl ToTinguin {
    fn person(&self) -> Option<&Arc<Person>> {
        self.0.computer().person.as_ref()
    }

    fn away(&self) -> ClientError {
        let home = self.0.computer().home.clone();
        ClientError::Away { home, detail: "nobody is there".into() }
    }

    fn reach(&self) -> Result<(Alive, InProcess), ClientError> {
        let alive = self.person().and_then(|it| it.alive().clone());
        let alive = alive.filter(|it| !it.machine.is_dead()).ok_or_else(|| self.away())?;
        let threads = Arc::new(Threads(Arc::clone(&self.0)));
        let way = InProcess::new(Arc::clone(&alive.service), threads);
        Ok((alive, way))
    }
}

impl Ask for ToTinguin {
    fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
        let (_, way) = self.reach()?;
        let faults = self.0.computer().faults();
        if faults.happens(Fault::Away) {
            return Err(self.away());
        }
        match catch_unwind(AssertUnwindSafe(|| way.ask(request))) {
            // It was done, but nobody hears of it.
            Ok(_) if faults.happens(Fault::Away) => Err(self.away()),
            Ok(reply) => reply,
            Err(panic) if panic.is::<Died>() => Err(self.away()),
            Err(panic) => resume_unwind(panic),
        }
    }

    fn watch(&self, epoch: Digest, after: u64) -> Result<Reply, ClientError> {
        let (alive, way) = self.reach()?;
        let news = |reply: &Result<Reply, ClientError>| match reply {
            Ok(Reply::News(news)) => news.answered.as_ref().is_none_or(|it| !it.is_empty()),
            _ => true,
        };
        let (machine, looking) = (Arc::clone(&alive.machine), way.clone());
        let ready = move || machine.is_dead() || news(&looking.watch(epoch, after));
        self.0.wait(HOLD, Some(Box::new(ready)));
        if alive.machine.is_dead() {
            return Err(self.away());
        }
        way.watch(epoch, after)
    }
}
