//! Operators: they start a computer's server or the buyer's program, and start it again when it has
//! died. The buyer's does what `semper buy` and `semper deals --resume` do.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use semper_base::Clock as _;
use semper_roles::bank::Bank;
use semper_roles::merchant::{Merchant, MerchantConfig};
use semper_roles::party::Party;
use semper_roles::role::{HomeConfig, RoleKind};
use semper_roles::surroundings::Surroundings;
use semper_roles::third_party::{BankAddress, ThirdParty, ThirdPartyConfig};

use crate::computer::Computer;
use crate::faults::Accident;
use crate::outside::Simulated;
use crate::template::{Template, Trade};
use crate::turns::{Machine, Turns};

/// Activations of the buyer at once.
const WORKERS: usize = 2;
/// How long a computer stays off at most, in ms.
const OFF_MS: u64 = 3_000;
/// How much later than its host a TINGUIN is back after a power cut, in ms.
const CUT_MS: u64 = 1_200;
/// How long somebody is absent whom the other side does not wait for, in ms.
const ABSENT_MS: u64 = 9_000;
/// How often the buyer's operator looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(500);

/// Who has a computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Anna.
    Buyer,
    /// Otto.
    Merchant,
    /// The bank.
    Bank,
    /// The third party.
    ThirdParty,
}

/// The operator of a computer.
pub struct Operator {
    owner: Owner,
    trade: Trade,
    /// The computer.
    pub computer: Arc<Computer>,
    machine: Option<Arc<Machine>>,
    /// When the server, and the TINGUIN, are started.
    start_at: [u64; 2],
    /// What the operator sees.
    pub seen: Arc<Seen>,
}

/// What an operator sees.
#[derive(Default)]
pub struct Seen {
    /// Nothing is left to do, as far as the buyer knows.
    pub quiet: AtomicBool,
    /// How often a program has ended by itself.
    pub ended: AtomicU64,
    why: Mutex<String>,
}

impl Seen {
    /// Why a program has ended last.
    pub fn why(&self) -> String {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ended(&self, why: String) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

impl Operator {
    /// An operator whose computer is switched off.
    pub fn new(owner: Owner, trade: Trade, computer: Arc<Computer>) -> Self {
        Self { owner, trade, computer, machine: None, start_at: [0; 2], seen: Arc::default() }
    }

    /// Whether it is the third party's.
    pub fn is_third_party(&self) -> bool {
        self.owner == Owner::ThirdParty
    }

    /// Looks at the computer; whether it has died just now.
    pub fn look(&mut self, turns: &Turns) -> bool {
        let (now, faults) = (turns.now(), self.computer.faults());
        let died = self.machine.as_ref().is_some_and(|it| it.is_dead());
        if died {
            self.machine = None;
            self.start_at[0] = now + 1 + faults.below(OFF_MS);
            let accident = self.computer.accident();
            let cut = accident == Some(Accident::PowerCut);
            if let Some(person) = &self.computer.person
                && (cut || faults.below(2) == 0)
            {
                person.switch_off();
            }
            match accident {
                Some(Accident::PowerCut) => self.start_at = [now + 1, now + CUT_MS],
                Some(Accident::Absence) => self.start_at[0] = now + ABSENT_MS,
                _ => {}
            }
            self.computer.killed();
        }
        if let Some(person) = &self.computer.person
            && !person.is_alive()
        {
            // It may be back before the host, and it may be back after it.
            if self.start_at[1] == 0 {
                self.start_at[1] = now + 1 + faults.below(OFF_MS);
            } else if self.start_at[1] <= now {
                self.start_at[1] = 0;
                person.start(turns, &self.computer);
            }
        }
        if self.machine.is_none() && self.start_at[0] <= now && !died {
            self.start(turns);
        }
        died
    }

    /// Switches the computer off for good.
    pub fn switch_off(&mut self, turns: &Turns) {
        if let Some(machine) = self.machine.take() {
            turns.kill(&machine);
        }
        if let Some(person) = &self.computer.person {
            person.switch_off();
        }
        self.computer.killed();
    }

    fn start(&mut self, turns: &Turns) {
        let has_disk = matches!(self.owner, Owner::Buyer | Owner::Merchant);
        let machine = Machine::new(turns, &self.computer, self.computer.name(), has_disk);
        let (owner, trade, seen) = (self.owner, self.trade, Arc::clone(&self.seen));
        let own = Arc::clone(&machine);
        machine.job(move || {
            let ended = match owner {
                Owner::Buyer => buy(&own, trade, &seen),
                _ => serve(&own, owner, trade),
            };
            // A server's routes go on; a program that fails ends.
            if let Err(why) = ended {
                seen.ended(why);
                own.die();
            }
        });
        self.machine = Some(machine);
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Opens a server's role, and lets it answer.
fn serve(machine: &Arc<Machine>, owner: Owner, trade: Trade) -> Result<(), String> {
    let (template, computer) = (Template::get(), machine.computer());
    let home = computer.home.clone();
    let around = |section| Surroundings::alone(section, Arc::new(Simulated(Arc::clone(machine))));
    let router = match owner {
        Owner::Merchant => {
            let around = around("merchant");
            let terms = template.terms(trade);
            let config = MerchantConfig { home, terms, revocations: None };
            <Merchant as RoleKind>::open(&config, &around).map_err(text)?.routes(&around)
        }
        Owner::Bank => {
            let around = around("bank");
            <Bank as RoleKind>::open(&HomeConfig { home }, &around).map_err(text)?.routes(&around)
        }
        Owner::ThirdParty => {
            let around = around("third-party");
            let bank = BankAddress {
                certificate: template.file("bank.pem"),
                url: Template::url(template.ports[1]),
                root: template.file("ca/root.pem"),
            };
            let (bank, witness, store) = (vec![bank], Vec::new(), None);
            let (quorum, store_root, room, publish) = (0, None, 16, true);
            let config =
                ThirdPartyConfig { home, bank, witness, quorum, store, store_root, room, publish };
            <ThirdParty as RoleKind>::open(&config, &around).map_err(text)?.routes(&around)
        }
        Owner::Buyer => return Ok(()),
    };
    computer.serve(router);
    Ok(())
}

/// Buys once, and goes on with what was begun, for ever.
fn buy(machine: &Arc<Machine>, trade: Trade, seen: &Seen) -> Result<(), String> {
    let template = Template::get();
    let outside = Arc::new(Simulated(Arc::clone(machine)));
    let party = Party::open_with(&machine.computer().home, outside).map_err(text)?;
    let host = party.host(None, WORKERS, |_, _| {}).map_err(text)?;
    host.identity().map_err(text)?;
    let terms = host.shelf().take(&template.layout(trade)?).map_err(text)?;
    let address = Template::url(template.ports[2]);
    loop {
        host.resume_openings().map_err(text)?;
        if host.archive().deals().map_err(text)?.is_empty() {
            host.open_as_buyer(&terms, &address).map_err(text)?;
        }
        let rows = host.to_link().map_err(text)?;
        seen.quiet.store(rows.is_empty(), Ordering::Relaxed);
        for row in rows {
            host.link(row.id, None).map_err(text)?;
        }
        machine.sleep(LOOK);
    }
}
