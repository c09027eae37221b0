//! The person's side: the first use, and a purchase with her keys in a file, on a second device, and
//! there in a token.

use std::error::Error;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use semper_testkit::market::{MarketOptions, Part};
use semper_testkit::process::free_port;
use semper_testkit::{Binaries, Market, Running};
use semper_tinguin_protocol::Client;

use crate::{note, row};

type Outcome = Result<(), Box<dyn Error>>;

/// Purchases of each kind.
const PURCHASES: usize = 12;
/// Questions that need no person, of each kind.
const QUESTIONS: usize = 500;
const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "24680";

pub fn run(binaries: &Binaries) -> Outcome {
    let folder = tempfile::tempdir()?;
    let options =
        MarketOptions { articles: 2_000, funds: "90000.00 EUR".into(), ..MarketOptions::default() };
    let mut market = Market::build(folder.path(), binaries, &options, &|_| {})?;
    first_use(&market)?;
    let here = (purchases(&market)?, questions(&market, "anna")?);

    moved(&mut market)?;
    let rules = &options.buyer_rules;
    let desk = start(&market, "desk", &["--home", "anna"], "anna", &[])?;
    let tablet = tablet(&market, rules, &[])?;
    while Client::new(&market.folder.join("anna")).who().is_err() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let there = (purchases(&market)?, questions(&market, "anna")?);
    row("`semper buy`, TINGUIN on a second device, beside here (medians)", there.0, here.0);
    note("a request that asks nobody, there: p50, p99", &shown(&there.1));
    note("the same, here: p50, p99", &shown(&here.1));
    drop(tablet);

    let conf = token(&market)?;
    let env = [("SOFTHSM2_CONF", conf.as_str())];
    let tablet = self::tablet(&market, rules, &env)?;
    while Client::new(&market.folder.join("anna")).who().is_err() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let in_token = purchases(&market)?;
    row("`semper buy`, there, the keys in a token of SoftHSM, beside here", in_token, here.0);
    drop((tablet, desk));
    Ok(())
}

/// From an invitation to a home with certificate, account and copy.
fn first_use(market: &Market) -> Outcome {
    let (ca, bank) = (format!("https://localhost:{}", market.ports[0]), market.bank_url());
    let (mut took, mut said) = (Vec::new(), String::new());
    for name in ["Berta", "Carla", "Dora"] {
        let invite = [
            &["ca", "invite", "--home", "ca", "--name", name, "--role", "buyer"][..],
            &["--invitation", name, "--address", &ca, "--bank", &bank, "--bank-name", "Test Bank"],
            &["--evaluator", "verbraucherbund=verbraucherbund/root.pem"],
            &["--third-party", "third-party.toml"],
        ];
        market.semper(&invite.concat())?;
        let home = name.to_lowercase();
        let begun = Instant::now();
        let joined = market.semper(&[
            "join",
            name,
            "--home",
            &home,
            "--pass-phrase-file",
            "pass-phrase",
            "--yes",
            "--phrase",
            "the green umbrella",
            "--set",
            "street=Lindenweg 4",
            "--set",
            "postcode=22765",
            "--set",
            "city=Hamburg",
            "--set",
            "country=DE",
        ])?;
        if joined.code != 0 {
            return Err(joined.err.into());
        }
        took.push(begun.elapsed());
        said = joined.err + &joined.out;
    }
    took.sort();
    let words = said.split_whitespace().count();
    note(
        "first use: steps; what the machine takes; words to read",
        &format!("7; {:.1?}; {words}", took[took.len() / 2]),
    );
    Ok(())
}

/// The median of some purchases.
fn purchases(market: &Market) -> Result<Duration, Box<dyn Error>> {
    let mut took = Vec::new();
    // The first one finds nothing warm.
    for _ in 0..=PURCHASES {
        let begun = Instant::now();
        let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()])?;
        if bought.code != 0 {
            return Err(bought.err.into());
        }
        took.push(begun.elapsed());
    }
    took.remove(0);
    took.sort();
    Ok(took[took.len() / 2])
}

/// How long requests take that ask nobody.
fn questions(market: &Market, home: &str) -> Result<Vec<Duration>, Box<dyn Error>> {
    let client = Client::new(&market.folder.join(home));
    let mut took = Vec::new();
    for _ in 0..QUESTIONS {
        let begun = Instant::now();
        client.who()?;
        took.push(begun.elapsed());
    }
    took.sort();
    Ok(took)
}

fn shown(took: &[Duration]) -> String {
    format!("{:.1?}, {:.1?}", took[took.len() / 2], took[took.len() * 99 / 100])
}

/// The buyer's keys go to a second device, which is paired.
fn moved(market: &mut Market) -> Outcome {
    market.part(Part::BuyerTinguin).kill();
    market.semper(&["run", "--home", "anna", "--end"])?;
    for step in [
        &["backup", "--home", "anna", "--out", "anna.copy"][..],
        &["restore", "anna.copy", "--home", "tablet"],
    ] {
        market.semper(&[step, &["--pass-phrase-file", "pass-phrase"]].concat())?;
    }
    for file in ["keystore.json", "tinguin.sqlite"] {
        std::fs::remove_file(market.folder.join("anna").join(file))?;
    }
    let _ = std::fs::remove_file(market.folder.join("anna/tinguin.sock"));
    let address = format!("127.0.0.1:{}", free_port()?);
    let agrees = |arguments: &[&str]| -> Result<std::process::Child, Box<dyn Error>> {
        let mut child = Command::new(&market.binaries.semper)
            .args(arguments)
            .current_dir(&market.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        child.stdin.take().ok_or("no input")?.write_all(b"yes\n")?;
        Ok(child)
    };
    let mut desk = agrees(&["device", "pair", "--home", "anna", "--listen", &address])?;
    while std::net::TcpStream::connect(&address).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut tablet = agrees(&["device", "join", &address, "--home", "tablet"])?;
    if !tablet.wait()?.success() || !desk.wait()?.success() {
        return Err("the two were not paired".into());
    }
    Ok(())
}

fn start(
    market: &Market,
    name: &str,
    arguments: &[&str],
    home: &str,
    env: &[(&str, &str)],
) -> Result<Running, Box<dyn Error>> {
    let socket = market.folder.join(home).join("tinguin.sock");
    let _ = std::fs::remove_file(&socket);
    let all = [&["tinguin"], arguments].concat();
    let mut running = Running::start(&market.folder, name, &market.binaries.semper, &all, env)?;
    running.ready(|| socket.exists())?;
    Ok(running)
}

fn tablet(market: &Market, rules: &str, env: &[(&str, &str)]) -> Result<Running, Box<dyn Error>> {
    std::fs::write(market.folder.join("tablet-rules.toml"), rules)?;
    let arguments = [
        "--home",
        "tablet",
        "--rules",
        "tablet-rules.toml",
        "--transcript",
        "tablet-transcript",
        "--pass-phrase-file",
        "pass-phrase",
    ];
    start(market, "tablet", &arguments, "tablet", env)
}

/// A token keeps the device's keys from now on; the library's configuration.
fn token(market: &Market) -> Result<String, Box<dyn Error>> {
    let folder = &market.folder;
    std::fs::create_dir(folder.join("tokens"))?;
    let conf = folder.join("softhsm2.conf");
    let tokens = folder.join("tokens");
    std::fs::write(&conf, format!("directories.tokendir = {}\n", tokens.display()))?;
    let conf = conf.into_os_string().into_string().map_err(|_| "the folder's name is no text")?;
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "blue", "--so-pin", "12345678", "--pin", PIN])
        .env("SOFTHSM2_CONF", &conf)
        .output()?;
    if !made.status.success() {
        return Err("no token was made".into());
    }
    private(&folder.join("pin"), PIN)?;
    let moved = Command::new(&market.binaries.semper)
        .args(["token", "use", "--home", "tablet", "--library", LIBRARY, "--token", "blue"])
        .args(["--pass-phrase-file", "pass-phrase", "--pin-file", "pin"])
        .env("SOFTHSM2_CONF", &conf)
        .current_dir(folder)
        .output()?;
    if !moved.status.success() {
        return Err(String::from_utf8_lossy(&moved.stderr).into_owned().into());
    }
    private(&folder.join("pass-phrase"), PIN)?;
    Ok(conf)
}

fn private(path: &Path, text: &str) -> Outcome {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}
