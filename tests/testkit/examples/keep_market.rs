//! Makes the fixture of `tests/migration.rs`: a marketplace with one deal that is completed and
//! three that were killed on the way, as the binaries of some commit leave it behind.
//!
//!     cargo run -p semper-testkit --example keep_market -- TARGET OUT.tar.gz
//!
//! TARGET is the target folder of the commit whose formats are to be kept: its `debug/semper`,
//! `debug/semper-sign` and its guests. `KEEP_REPOSITORY` names that commit's checkout, from which
//! the service's description and terms are taken (this one's otherwise); `KEEP_AT` another point
//! at which the second deal is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use semper_testkit::market::BUYER_RULES;
use semper_testkit::{Binaries, Market, MarketOptions, Running};

type Result<T> = std::result::Result<T, String>;

/// What is not kept: what can be made again, and what nobody needs for going on.
const LEFT_OUT: [&str; 5] = ["*.log", "*.sock", "*.csr", "articles.csv", "cache"];

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(target), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: keep_market TARGET OUT.tar.gz".into());
    };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = folder.path().join("market");
    fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let options =
        MarketOptions { articles: 2_000, funds: "5000.00 EUR".into(), ..MarketOptions::default() };
    let mut market = Market::build(&folder, &binaries(&target)?, &options, &|it| println!("{it}"))?;

    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()])?;
    if bought.code != 0 {
        return Err(format!("the first purchase: {}", bought.err));
    }
    about_to_ask_for_an_order(&market)?;
    waiting_for_the_order(&mut market)?;
    in_the_exchange(&mut market)?;
    if !waits(&market) {
        // The third purchase's host has put the second one's question again.
        return Err("the deal that waits for its order was quicker; make it again".into());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    for home in ["anna", "otto"] {
        println!("{home}:\n{}", market.semper(&["deals", "--home", home])?.out);
    }
    drop(market);
    fs::write(folder.join("made-at"), now.as_millis().to_string())
        .map_err(|error| error.to_string())?;
    pack(&folder, &out)
}

/// The deal is stored with its offer; the question about the order is not yet put.
fn about_to_ask_for_an_order(market: &Market) -> Result<()> {
    let point = std::env::var("KEEP_AT").unwrap_or_else(|_| "archive.after:22".into());
    killed(market, &point)?;
    let count = |topic: &str| topics(market, topic);
    println!("{point}: agreement {} order {}", count("agreement"), count("order"));
    if (count("agreement"), count("order")) == (2, 1) {
        return Ok(());
    }
    Err(format!("{point} is no longer between the offer and the order"))
}

/// The buyer's host waits for the person's decision on the order, and is killed.
fn waiting_for_the_order(market: &mut Market) -> Result<()> {
    let order = "topic  = \"order\"\n";
    let slow = BUYER_RULES.replace(order, &format!("{order}after_ms = 600000\n"));
    market.restart_buyer_tinguin(&slow)?;
    let mut buying = market.start_buying()?;
    // The order answers the merchant's third message; earlier questions are answered by rules.
    until("no question about an order", || waits(market))?;
    buying.kill();
    market.restart_buyer_tinguin(BUYER_RULES)
}

fn waits(market: &Market) -> bool {
    let deals = |home| market.semper(&["deals", "--home", home]).map(|it| it.out);
    let any = |home, words: &str| deals(home).is_ok_and(|it| it.contains(words));
    any("otto", "message 4 of") && any("anna", "your decision")
}

/// The buyer has stored what it says next in the exchange and has not sent it; then everybody is killed.
/// The merchant is patient: it does not ask the third party meanwhile.
fn in_the_exchange(market: &mut Market) -> Result<()> {
    for home in ["anna", "otto"] {
        let file = market.folder.join(home).join("trust.toml");
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let patient = text.replace("patience_ms = 4000", "patience_ms = 60000");
        fs::write(&file, patient).map_err(|error| error.to_string())?;
    }
    market.restart_merchant()?;
    killed(market, "exchange.after:2")?;
    for part in [&mut market.merchant, &mut market.third, &mut market.bank] {
        part.kill();
    }
    Ok(())
}

fn killed(market: &Market, crash: &str) -> Result<()> {
    let (url, env) = (market.merchant_url(), [("SEMPER_CRASH", crash)]);
    let arguments = ["buy", "--home", "anna", &url];
    let mut buyer =
        Running::start(&market.folder, "buyer", &market.binaries.semper, &arguments, &env)?;
    match buyer.wait(Duration::from_secs(60)) {
        Some(-1) => Ok(()),
        other => Err(format!("{crash}: the buyer ended with {other:?}\n{}", buyer.log_text())),
    }
}

/// How often the person has been asked about a topic.
fn topics(market: &Market, topic: &str) -> usize {
    let text = fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.contains(&format!("\"topic\":\"{topic}\""))).count()
}

fn until(what: &str, done: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > Duration::from_secs(60) {
            return Err(what.into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn binaries(target: &Path) -> Result<Binaries> {
    let target = target.canonicalize().map_err(|error| error.to_string())?;
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let repository = std::env::var_os("KEEP_REPOSITORY").map(PathBuf::from);
    let repository = repository.or_else(|| manifest.ancestors().nth(2).map(Path::to_owned));
    Ok(Binaries {
        semper: target.join("debug/semper"),
        sign: target.join("debug/semper-sign"),
        guests: target.join("wasm32-wasip2/release"),
        languages: target.join("languages"),
        repository: repository.ok_or("run this by cargo")?,
    })
}

fn pack(folder: &Path, out: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(LEFT_OUT.map(|name| format!("--exclude={name}")));
    tar.args(["--create", "--gzip", "--owner=0", "--group=0", "--numeric-owner", "--file"]);
    let status = tar.arg(out).arg("--directory").arg(folder).arg(".").status();
    match status {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("tar: {other:?}")),
    }
}
