//! One run: computers, operators and wires of a marketplace, from its beginning until nobody has
//! anything left to do.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use semper_archive::Archive;
use semper_base::Digest;

use crate::check::{Outcome, check};
use crate::computer::{Computer, Network};
use crate::faults::{Accident, Faults, KINDS, Planned};
use crate::operator::{Operator, Owner};
use crate::person::Person;
use crate::template::{SELLER_RULES, Template, Trade};
use crate::turns::Turns;
use crate::wires;

/// Virtual time after which everything must be over.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// How long parties wait for each other in an exchange before they ask the third party.
const LONG: Duration = Duration::from_secs(300);
const SHORT: Duration = Duration::from_secs(4);
/// How long parties without a third party are left to themselves, and how long it then takes until
/// every last date is over.
const STUCK: Duration = Duration::from_secs(60);
/// How long it then takes at most until a bank has looked at its dates.
const BANKS: Duration = Duration::from_secs(30);
const DAYS: Duration = Duration::from_secs(12 * 24 * 3_600);
/// How far time goes at once.
const TICK: Duration = Duration::from_millis(20);
/// How often it is looked whether all is over, in ticks.
const LOOK: u64 = 10;

/// What a run has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How often each kind of fault has happened.
    pub faults: [u32; KINDS],
    /// Virtual milliseconds.
    pub took: u64,
    /// Parcels on the wires.
    pub parcels: u64,
    /// How the purchase has ended.
    pub outcome: Outcome,
    /// What the components did and when, in one digest: the same seed, the same digest.
    pub digest: Digest,
}

/// Carries the purchase of this seed out; an error says what was broken.
pub fn run(seed: u64, trade: Trade) -> Result<Report, String> {
    let patience = if is_patient(seed) { LONG } else { SHORT };
    run_with(seed, trade, Faults::new(seed), patience, false).map(|it| it.0)
}

/// Carries a purchase out in which nothing goes wrong but this; also how often the computers came
/// to which points.
pub fn run_planned(trade: Trade, plan: &[Planned]) -> Result<(Report, Arc<Faults>), String> {
    let absent = plan.iter().any(|it| it.what == Accident::Absence);
    run_with(1, trade, Faults::planned(plan), if absent { SHORT } else { LONG }, false)
}

/// The same, where there is no third party any more, for ever; after a while days pass, until the
/// last date of every exchange is over.
pub fn run_abandoned(trade: Trade, plan: &[Planned]) -> Result<Report, String> {
    run_with(1, trade, Faults::planned(plan), SHORT, true).map(|it| it.0)
}

/// Whether the parties of a seed wait for each other long enough in an exchange, so that every
/// purchase is completed. With the others the third party has something to do, and what was given up
/// may come to nothing, on both sides.
pub const fn is_patient(seed: u64) -> bool {
    !seed.is_multiple_of(4)
}

fn run_with(
    seed: u64,
    trade: Trade,
    faults: Faults,
    patience: Duration,
    abandoned: bool,
) -> Result<(Report, Arc<Faults>), String> {
    let template = Template::get();
    // Memory rather than a disk where there is one: durability is not what is simulated.
    let shared = Path::new("/dev/shm");
    let builder = tempfile::Builder::new();
    let folder = if shared.is_dir() { builder.tempdir_in(shared) } else { builder.tempdir() };
    let folder = folder.map_err(|error| error.to_string())?;
    template.copy_to(folder.path(), patience)?;
    let faults = Arc::new(faults);
    let turns = Turns::new(&faults);
    let mut operators = computers(folder.path(), trade, &faults);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(faults.delay + 1))
        .tick_duration(TICK)
        .simulation_duration(PATIENCE * 2)
        .build();
    for operator in &operators {
        let computer = Arc::clone(&operator.computer);
        sim.host(operator.computer.name(), move || wires::carry(Arc::clone(&computer)));
    }
    let archives = ["anna", "otto"].map(|name| {
        let file = folder.path().join(name).join(semper_archive::store::FILE);
        Archive::open_file(&file).map_err(|error| error.to_string())
    });
    let [anna, otto] = archives;
    let archives = [anna?, otto?];
    let mut ticks = 0;
    loop {
        turns.advance(sim.elapsed());
        if abandoned && sim.elapsed() > STUCK {
            operators[0].computer.skip(DAYS);
        }
        // Nobody switches it on.
        let absent = |it: &&mut Operator| abandoned && it.is_third_party();
        for operator in operators.iter_mut().filter(|it| !absent(it)) {
            if operator.look(&turns) {
                sim.crash(operator.computer.name());
                sim.bounce(operator.computer.name());
            }
        }
        ticks += 1;
        if let Some(panic) = turns.panics().first() {
            return Err(format!("a panic: {panic}; {}", standing(&operators, &archives)));
        }
        // The bank looks at its dates by itself, a little later.
        let settled = !abandoned || sim.elapsed() > STUCK + BANKS;
        if ticks % LOOK == 0 && settled && is_over(&operators, &archives)? {
            break;
        }
        if sim.elapsed() > PATIENCE {
            return Err(format!("it is not over: {}", standing(&operators, &archives)));
        }
        sim.step().map_err(|error| format!("the network: {error}"))?;
    }
    let took = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
    let parcels = operators[0].computer.wires().count();
    for operator in &mut operators {
        operator.switch_off(&turns);
    }
    drop(sim);
    let (outcome, digest) = check(folder.path(), trade, &archives)?;
    let report = Report { faults: faults.happened(), took, parcels, outcome, digest };
    Ok((report, faults))
}

/// The computers of a run, switched off.
fn computers(folder: &Path, trade: Trade, faults: &Arc<Faults>) -> Vec<Operator> {
    let (template, network) = (Template::get(), Arc::new(Network::default()));
    let [_, bank, merchant, third] = template.ports;
    let owners = [
        ("anna", 0, Owner::Buyer),
        ("otto", merchant, Owner::Merchant),
        ("bank", bank, Owner::Bank),
        ("third", third, Owner::ThirdParty),
    ];
    let operators: Vec<Operator> = owners
        .into_iter()
        .map(|(name, port, owner)| {
            let home = folder.join(name);
            let rules = match owner {
                Owner::Buyer => Some((0, trade.buyer_rules())),
                Owner::Merchant => Some((1, SELLER_RULES.to_owned())),
                Owner::Bank | Owner::ThirdParty => None,
            };
            let person =
                rules.map(|(who, rules)| Person::new(home.clone(), &template.keys[who], &rules));
            let named = (name, port);
            let computer = Computer::new(named, home, template.began, faults, &network, person);
            Operator::new(owner, trade, computer)
        })
        .collect();
    network.connect(operators.iter().map(|it| Arc::clone(&it.computer)).collect());
    operators
}

/// Whether nobody has anything left to do.
fn is_over(operators: &[Operator], archives: &[Archive; 2]) -> Result<bool, String> {
    if !operators[0].seen.quiet.load(Ordering::Relaxed) {
        return Ok(false);
    }
    for archive in archives {
        let deals = archive.deals().map_err(|error| error.to_string())?;
        let open = archive.open_exchanges().map_err(|error| error.to_string())?;
        if deals.is_empty() || deals.iter().any(|it| !it.state.is_final()) || !open.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where both sides stand, for whoever looks at a run that hangs.
fn standing(operators: &[Operator], archives: &[Archive; 2]) -> String {
    let mut all = Vec::new();
    for (operator, archive) in operators.iter().zip(archives) {
        let deals = archive.deals().unwrap_or_default();
        let notes: Vec<String> =
            deals.iter().map(|it| format!("{} {}", it.state.name(), it.note)).collect();
        let open = archive.open_exchanges().map_or(0, |it| it.len());
        let name = operator.computer.name();
        all.push(format!("{name}: {}, {open} open exchanges", notes.join(", ")));
    }
    for operator in operators {
        let (name, ended) = (operator.computer.name(), operator.seen.ended.load(Ordering::Relaxed));
        if ended > 0 {
            all.push(format!("{name} ended {ended} times, last: {}", operator.seen.why()));
        }
    }
    all.join("; ")
}
