//! A computer: its clock, its network card, the server on it, and perhaps somebody's TINGUIN.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use semper_base::Timestamp;
use tokio::sync::Notify;

use crate::faults::{Accident, DISK, Fault, Faults};
use crate::person::Person;
use crate::turns::Machine;
use crate::wires::Wires;

/// For how long a clock that has jumped stays wrong at most, in ms.
const WRONG_MS: u64 = 20_000;

/// Every computer of a run finds the others here.
#[derive(Default)]
pub struct Network {
    /// The wires.
    pub wires: Wires,
    /// By how much everybody's date is later than the run is long, in ms.
    pub later: AtomicU64,
    computers: OnceLock<Vec<Arc<Computer>>>,
}

impl Network {
    /// All computers.
    pub fn computers(&self) -> &[Arc<Computer>] {
        self.computers.get().map_or(&[], Vec::as_slice)
    }

    /// These are all computers.
    pub fn connect(&self, computers: Vec<Arc<Computer>>) {
        assert!(self.computers.set(computers).is_ok(), "they are connected once");
    }
}

/// A computer.
pub struct Computer {
    name: String,
    /// The port in the addresses of its server.
    port: u16,
    /// The home of its owner.
    pub home: PathBuf,
    began: Timestamp,
    faults: Arc<Faults>,
    network: Arc<Network>,
    /// The TINGUIN of a buyer or merchant.
    pub person: Option<Arc<Person>>,
    state: Mutex<State>,
    life: AtomicU64,
    posted: Notify,
}

#[derive(Default)]
struct State {
    router: Option<Router>,
    outbox: VecDeque<(String, u64)>,
    /// How far its clock is off, and until when.
    off: (i64, u64),
    accident: Option<Accident>,
}

impl std::fmt::Debug for Computer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Computer({})", self.name)
    }
}

impl Computer {
    /// A computer that is switched off.
    pub fn new(
        (name, port): (&str, u16),
        home: PathBuf,
        began: Timestamp,
        faults: &Arc<Faults>,
        network: &Arc<Network>,
        person: Option<Arc<Person>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            port,
            home,
            began,
            faults: Arc::clone(faults),
            network: Arc::clone(network),
            person,
            state: Mutex::default(),
            life: AtomicU64::new(0),
            posted: Notify::new(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The wires.
    pub fn wires(&self) -> &Wires {
        &self.network.wires
    }

    /// Days pass for everybody in which nothing happens.
    pub fn skip(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.network.later.store(millis, Ordering::Relaxed);
    }

    /// The computer at an address.
    pub fn at(&self, url: &str) -> Option<Arc<Self>> {
        let host = url.split_once("://")?.1.split(['/', '?']).next()?;
        let port: u16 = host.split_once(':')?.1.parse().ok()?;
        self.network.computers().iter().find(|it| it.port == port).cloned()
    }

    /// How often it has been killed.
    pub fn life(&self) -> u64 {
        self.life.load(Ordering::Relaxed)
    }

    /// It has been killed: nobody is served.
    pub fn killed(&self) {
        self.life.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        state.outbox.clear();
        let router = state.router.take();
        drop(state);
        // The server may go with it, and look at the clock.
        drop(router);
    }

    /// A server answers from now on.
    pub fn serve(&self, router: Router) {
        self.state().router = Some(router);
    }

    /// The server, if one runs.
    pub fn router(&self) -> Option<Router> {
        self.state().router.clone()
    }

    /// The date by its clock, which jumps and is set right again after a while.
    pub fn date(&self, now: u64) -> Timestamp {
        let mut state = self.state();
        if state.off.1 <= now {
            state.off = (0, 0);
            // Only parties have clocks that nobody looks after.
            if self.person.is_some()
                && let Some(far) = self.faults.jumps()
            {
                state.off = (far, now + 1 + self.faults.below(WRONG_MS));
            }
        }
        let later = self.network.later.load(Ordering::Relaxed);
        let millis = (self.began.millis() + now + later).saturating_add_signed(state.off.0);
        Timestamp::from_millis(millis).unwrap_or(self.began)
    }

    /// A thread of one of its machines has come to a point at which it may be killed.
    pub fn at_point(&self, machine: &Machine, name: &str) {
        if machine.is_dead() {
            return;
        }
        match self.faults.at_point(&self.name, name) {
            Some(Accident::Kill) => machine.die(),
            Some(accident @ (Accident::PowerCut | Accident::Absence)) => {
                self.state().accident = Some(accident);
                machine.die()
            }
            Some(Accident::Panic) => panic!("planned"),
            Some(Accident::Full) | None => {}
        }
        if !self.faults.happens(Fault::Kill) {
            return;
        }
        match &self.person {
            // Half of the time the TINGUIN alone, half of the time all that runs on the computer.
            Some(person) if name.starts_with("tinguin.") && self.faults.below(2) == 0 => {
                person.die(machine)
            }
            _ => machine.die(),
        }
    }

    /// Whether its disk is full for what is about to be written.
    pub fn is_full(&self) -> bool {
        self.faults.at_point(&self.name, DISK) == Some(Accident::Full)
            || self.faults.happens(Fault::Full)
    }

    /// The accident that has just ended what ran on it, if it was more than a kill.
    pub fn accident(&self) -> Option<Accident> {
        self.state().accident.take()
    }

    /// Has a parcel carried.
    pub fn post(&self, to: &str, id: u64) {
        self.state().outbox.push_back((to.to_owned(), id));
        self.posted.notify_one();
    }

    /// The next parcel to carry.
    pub fn to_carry(&self) -> Option<(String, u64)> {
        self.state().outbox.pop_front()
    }

    /// Done when there is something to carry.
    pub async fn has_to_carry(&self) {
        self.posted.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
