//! An honest buyer while strangers attack: how long her purchases take alone and under each attack,
//! and what the attacked server takes of memory and disk meanwhile.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use semper_commerce::Host;
use semper_roles::party::Party;
use semper_testkit::attack::{Attack, Target};
use semper_testkit::process::{Running, free_port};
use semper_testkit::{Binaries, Market, MarketOptions, market};
use semper_trust::VerifiedTerms;

/// Purchases for one figure.
const PURCHASES: usize = 40;
const MIB: f64 = 1024.0 * 1024.0;

pub fn run(binaries: &Binaries) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let options = MarketOptions { funds: "900000.00 EUR".into(), ..MarketOptions::default() };
    let market = Market::build(folder.path(), binaries, &options, &|_| {})?;
    let (files, target) = beside(&market)?;
    let party = Party::open(&market.folder.join("anna"))?;
    let host = crate::deals::host(&party, binaries, 8, Duration::from_millis(500))?;
    let terms = crate::deals::terms(&host, &market)?;
    buy(&market, &host, &terms, 5)?;
    let alone = buy(&market, &host, &terms, PURCHASES)?;
    let figure = |times: &[Duration], part: usize| times[(times.len() - 1) * part / 100];
    for part in [50, 99] {
        crate::note(
            &format!("a purchase alone, p{part}"),
            &format!("{:.1?}", figure(&alone, part)),
        );
    }
    for attack in Attack::ALL {
        let (server, home) = match attack {
            Attack::SlowReaders => (&files, "public"),
            Attack::Lists => (&market.ca, "ca"),
            Attack::Fences => (&market.bank, "bank"),
            Attack::Cases => (&market.third, "third"),
            _ => (&market.merchant, "otto"),
        };
        // Everybody buys the same article; there is enough of it again.
        let stock = market.semper(&["catalogue", "import", "--home", "otto", "articles.csv"])?;
        if stock.code != 0 {
            return Err(stock.err.into());
        }
        if attack == Attack::Openings {
            // She has opened more deals by now than what is kept for whoever has few of its own.
            std::thread::sleep(Duration::from_secs(61));
        }
        let (memory, disk) = (server.memory(), size(&market.folder.join(home)));
        let begun = Instant::now();
        let held = attack.hold(&target);
        held.reach(200, Duration::from_secs(60));
        // When all openings of a minute are spent, one address has few of its own.
        let count = if attack == Attack::Openings { 5 } else { PURCHASES };
        let under = buy(&market, &host, &terms, count)?;
        let (seconds, count) = (begun.elapsed().as_secs_f64(), held.count());
        let grown = server.memory().saturating_sub(memory) as f64 / MIB;
        let stored = size(&market.folder.join(home)).saturating_sub(disk) as f64 / MIB;
        drop(held);
        for part in [50, 99] {
            let name = format!("a purchase under {}, p{part}", attack.name());
            crate::row(&name, figure(&under, part), figure(&alone, part));
        }
        let value = format!(
            "memory +{grown:.0} MiB, disk +{stored:.1} MiB, {count} times in {seconds:.0} s"
        );
        crate::note(&format!("the server under {}", attack.name()), &value);
    }
    Ok(())
}

/// A server that shows a large file, and where everything is.
fn beside(market: &Market) -> Result<(Running, Target), Box<dyn Error>> {
    std::fs::create_dir(market.folder.join("public"))?;
    let large = std::fs::File::create(market.folder.join("public/large"))?;
    large.set_len(64 * 1024 * 1024)?;
    let port = free_port()?;
    let config = format!(
        "listen = \"127.0.0.1:{port}\"\n[tls]\ncertificate = \"otto-tls.pem\"\n\
         key = \"otto-tls.key\"\n[files]\nfolder = \"public\"\n"
    );
    std::fs::write(market.folder.join("files.toml"), config)?;
    let files = market::serve(&market.folder, &market.binaries, "files", port, &[])?;
    Ok((files, Target::of(market, port, "large")?))
}

/// So many purchases, one after the other; how long each took, in order.
fn buy(
    market: &Market,
    host: &Arc<Host>,
    terms: &VerifiedTerms,
    count: usize,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let url = market.merchant_url();
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let deal = host.open_as_buyer(terms, &url)?;
        let row = host.link(deal, None)?;
        if row.state != semper_archive::DealState::Completed {
            return Err(format!("a deal has ended {}", row.state.name()).into());
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn size(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().map_or(0, |it| it.len());
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|it| size(&it.path())).sum()
}
