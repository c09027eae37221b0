//! Whole purchases, and the memory of running deals.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_archive::DealState;
use semper_base::{DealId, SystemClock};
use semper_commerce::{Host, HostError, HostParts, Means};
use semper_keeper::Keeper;
use semper_payment::{Manager, Module};
use semper_purse::Purse;
use semper_roles::party::Party;
use semper_runtime::Runtime;
use semper_runtime::compile::Compiler;
use semper_testkit::market::Published;
use semper_testkit::{Binaries, Market, MarketOptions};
use semper_trust::VerifiedTerms;

type Outcome = Result<(), Box<dyn Error>>;

pub fn run(binaries: &Binaries) -> Outcome {
    let folder = tempfile::tempdir()?;
    // All of them come from one address, as no customers do.
    let many = "strangers-per-address = 1000000\nstrangers-a-minute = 1000000";
    let options = MarketOptions { funds: "900000.00 EUR".into(), ..MarketOptions::default() };
    let mut market = Market::build(folder.path(), binaries, &options, &|_| {})?;
    market.limit_merchant(many)?;
    let party = Party::open(&market.folder.join("anna"))?;
    // The crook's mail-order, honest as its terms are here, pays by a transfer and waits for the
    // receipt.
    let texts = binaries.repository.join("tests/trust/unfair");
    let guest = |name: &str| binaries.guests.join(name);
    let (buyer, seller) = (guest("unfair_buyer.wasm"), guest("unfair_seller.wasm"));
    market.publish("plain", &Published { texts: &texts, buyer: &buyer, seller: &seller })?;
    let plain = rates(&market, &party, binaries, "by two transfers")?;
    market.offer("bundle")?;
    let fair = rates(&market, &party, binaries, "by fair exchange")?;
    for (plain, fair) in plain.iter().zip(&fair) {
        let figure = format!("purchases by fair exchange vs by two transfers, {} at once", plain.0);
        println!("| {figure} | {:.1}/s | {:.1}/s | {:.2} |", fair.1, plain.1, fair.1 / plain.1);
    }
    {
        let host = host(&party, binaries, 64, Duration::from_secs(8))?;
        let terms = terms(&host, &market)?;
        active_memory(&market, &host, &terms)?;
    }
    Ok(())
}

pub(crate) fn host(
    party: &Party,
    binaries: &Binaries,
    workers: usize,
    grace: Duration,
) -> Result<Arc<Host>, Box<dyn Error>> {
    let net = party.net();
    let purse = party.config.payment.purse.clone().ok_or("no purse")?;
    let verifier = party.lists.verifier(&party.trust);
    let purse: Arc<dyn Module> = Arc::new(Purse::new(purse, net.clone(), verifier));
    let keeper = Keeper::new("bench");
    let compiler = Compiler::new(Arc::clone(&party.home), binaries.semper.clone())?;
    let runtime = Arc::new(Runtime::new(compiler, &keeper)?);
    let parts = |only| HostParts {
        home: Arc::clone(&party.home),
        only,
        archive: party.archive.clone(),
        lists: Arc::clone(&party.lists),
        tinguin: semper_tinguin_protocol::Client::new(party.home.path()),
        means: Means {
            trust: party.trust.clone(),
            payments: Manager::new(vec![Arc::clone(&purse)]),
            net: net.clone(),
            basis: Some(party.basis.clone()),
        },
        equip: Box::new(|_| Err("there is one configuration here".into())),
        business: None,
        workers,
        grace,
        runtime: Arc::clone(&runtime),
        elsewhere: None,
        notice: Box::new(|_, _| {}),
        clock: Arc::new(SystemClock),
        spawn: Arc::new(keeper.clone()),
    };
    // The workers of the host before notice within seconds that it is gone.
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        match semper_commerce::host::lock(&party.home).and_then(|only| Host::start(parts(only))) {
            Err(HostError::Running(_)) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(100));
            }
            started => return Ok(started?),
        }
    }
}

pub(crate) fn terms(host: &Host, market: &Market) -> Result<Arc<VerifiedTerms>, Box<dyn Error>> {
    let layout = semper_commerce::terms::download(&host.net(), &market.merchant_url(), &|_, _| {})?;
    Ok(host.shelf().take(&layout)?)
}

/// Purchases a second, by how many are made at once.
type Rates = Vec<(usize, f64)>;

fn rates(
    market: &Market,
    party: &Party,
    binaries: &Binaries,
    how: &str,
) -> Result<Rates, Box<dyn Error>> {
    let host = host(party, binaries, 64, Duration::from_millis(500))?;
    let terms = terms(&host, market)?;
    [1, 8, 64]
        .into_iter()
        .map(|at_once| Ok((at_once, purchases(market, &host, &terms, at_once, how)?)))
        .collect()
}

/// Whole purchases, so many at once; deals per second and CPU per deal by process.
fn purchases(
    market: &Market,
    host: &Arc<Host>,
    terms: &VerifiedTerms,
    at_once: usize,
    how: &str,
) -> Result<f64, Box<dyn Error>> {
    let deals = at_once.max(8) * 2;
    let url = market.merchant_url();
    let before = cpu(market);
    let start = Instant::now();
    let completed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once)
            .map(|_| {
                scope.spawn(|| {
                    (0..deals / at_once)
                        .filter(|_| {
                            host.open_as_buyer(terms, &url)
                                .ok()
                                .and_then(|id| host.link(id, None).ok())
                                .is_some_and(|row| row.state == DealState::Completed)
                        })
                        .count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    let time = start.elapsed();
    if completed != deals {
        return Err(format!("{completed} of {deals} deals completed").into());
    }
    let rate = deals as f64 / time.as_secs_f64();
    super::note(&format!("purchases {how}, {at_once} at once"), &format!("{rate:.1} deals/s"));
    let split: Vec<String> = cpu(market)
        .iter()
        .zip(&before)
        .map(|((name, after), (_, before))| {
            format!("{name} {:.1}", (after - before) * 1000.0 / deals as f64)
        })
        .collect();
    super::note(&format!("CPU ms per deal {how}, {at_once} at once"), &split.join(", "));
    Ok(rate)
}

/// CPU seconds used so far, by process.
fn cpu(market: &Market) -> Vec<(&'static str, f64)> {
    let tinguin = market.buyer_tinguin.as_ref().map_or(0, |it| it.id());
    [
        ("buyer's host", std::process::id()),
        ("buyer's TINGUIN", tinguin),
        ("merchant's host", market.merchant.id()),
        ("merchant's TINGUIN", market.merchant_tinguin.id()),
        ("bank", market.bank.id()),
    ]
    .map(|(name, id)| (name, cpu_of(id)))
    .into()
}

/// User and system time of a process: fields 14 and 15 of its `stat`, in hundredths.
fn cpu_of(process: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> =
        after.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}

/// Resident memory of this process in bytes.
pub fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
    kib * 1024
}

/// Deals that have sent their first message and that nobody polls for: they wait.
fn open(market: &Market, host: &Arc<Host>, terms: &VerifiedTerms, count: usize) -> Vec<DealId> {
    let url = market.merchant_url();
    (0..count).filter_map(|_| host.open_as_buyer(terms, &url).ok()).collect()
}

fn active_memory(market: &Market, host: &Arc<Host>, terms: &VerifiedTerms) -> Outcome {
    let before = resident();
    let deals = open(market, host, terms, 48);
    std::thread::sleep(Duration::from_millis(500));
    let each = resident().saturating_sub(before) / deals.len() as u64 / 1024;
    super::note("resident memory per active deal (component instantiated)", &format!("{each} KiB"));
    Ok(())
}
