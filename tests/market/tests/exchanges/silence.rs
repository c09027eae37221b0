//! Sixty-four exchanges at one merchant whose bank is silent, while the third party never answers:
//! all of them begin, nobody else has to wait, and all of them end when the two speak again.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use semper_archive::DealState;
use semper_commerce::Host;
use semper_roles::party::Party;
use semper_testkit::process::free_port;
use semper_testkit::{BankAt, Market, MarketOptions, NewBuyer, Part};
use semper_trust::{Layout, VerifiedTerms};

use super::common::{ask, books, small};
use super::{wait_until, with_reports};

/// Exchanges that are under way at once.
const MANY: usize = 64;
/// Longer than a purchase takes whose bank answers; only one that is kept waiting gets this far.
const HANG: Duration = Duration::from_secs(60);

/// A way to a bank that can be made to hold whatever is asked there: the bank is silent then.
struct Way {
    port: u16,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
    /// How many connections have something to say, and are not heard.
    waiting: AtomicUsize,
}

impl Gate {
    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let closed = self.closed.lock().unwrap();
        drop(self.opened.wait_while(closed, |closed| *closed).unwrap());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn close(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.opened.notify_all();
    }
}

impl Way {
    /// A way to the bank at this port. Its threads end with the test's process.
    fn to(bank: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (port, gate) = (listener.local_addr().unwrap().port(), Arc::new(Gate::default()));
        let own = Arc::clone(&gate);
        std::thread::spawn(move || {
            for there in listener.incoming().flatten() {
                let Ok(bank) = TcpStream::connect(("127.0.0.1", bank)) else { continue };
                let (from, to) = (there.try_clone().unwrap(), bank.try_clone().unwrap());
                let gate = Arc::clone(&own);
                std::thread::spawn(move || carry(from, to, || gate.pass()));
                std::thread::spawn(move || carry(bank, there, || ()));
            }
        });
        Self { port, gate }
    }
}

/// Hands on what comes, as soon as it may pass.
fn carry(mut from: TcpStream, mut to: TcpStream, pass: impl Fn()) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        pass();
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// The buyer's host in this process, and its purchases, each in a thread of its own.
struct Purchases {
    host: Arc<Host>,
    links: Vec<JoinHandle<(DealState, String)>>,
    _party: Party,
}

impl Purchases {
    fn begin(market: &Market) -> Self {
        let party = Party::open(&market.folder.join("anna")).unwrap();
        let host = party.host(None, 4, |_, _| {}).unwrap();
        let bundle = Dir::open_ambient_dir(market.folder.join("reports"), ambient_authority());
        let terms = host.shelf().take(&Layout::read(&bundle.unwrap()).unwrap()).unwrap();
        let links = (0..MANY).map(|_| buy(&host, &terms, market.merchant_url())).collect();
        Self { host, links, _party: party }
    }

    fn ended(self) -> Vec<(DealState, String)> {
        let ended = self.links.into_iter().map(|it| it.join().unwrap()).collect();
        drop(self.host);
        ended
    }
}

fn buy(
    host: &Arc<Host>,
    terms: &Arc<VerifiedTerms>,
    url: String,
) -> JoinHandle<(DealState, String)> {
    let (host, terms) = (Arc::clone(host), Arc::clone(terms));
    std::thread::spawn(move || {
        let id = host.open_as_buyer(&terms, &url).unwrap();
        let row = host.link(id, None).unwrap();
        (row.state, row.note)
    })
}

/// The merchant's exchanges: all of them, and those for which something is still to be done.
fn exchanges(market: &Market) -> (i64, i64) {
    let count = |which| ask(market.folder.join("otto/archive.sqlite"), which);
    let all = count("SELECT count(*) FROM exchanges");
    (all, count("SELECT count(*) FROM exchanges WHERE open = 1"))
}

/// A marketplace whose merchant reaches the Test Bank by this way, and has bought and sold once,
/// so that each side knows the bank's key.
fn by_way() -> (Market, tempfile::TempDir, Way) {
    let (mut market, folder) = with_reports();
    let way = Way::to(market.ports[1]);
    let bank = BankAt { home: "bank", name: "Test Bank", port: way.port };
    market.change_bank("otto", bank).unwrap();
    market.restart_merchant().unwrap();
    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    wait_until("the first is not paid", &market, || exchanges(&market) == (1, 0));
    (market, folder, way)
}

/// The merchant's staff sees of each exchange whom it waits for.
fn who_waits_for_whom(market: &Market) {
    let deals = market.semper(&["deals", "--home", "otto", "--json"]).unwrap().json();
    let running: Vec<_> =
        deals.as_array().unwrap().iter().filter(|it| it["state"] == "running").collect();
    assert_eq!(running.len(), MANY);
    for deal in &running {
        let wait = &deal["exchanges"][0];
        let whom = (wait["waits_for"].as_str().unwrap(), wait["name"].as_str().unwrap());
        let names = [("bank", "Test Bank"), ("third-party", "third.example")];
        assert!(names.contains(&whom), "{wait}");
        assert!(wait["since"].as_str().unwrap() < wait["next"].as_str().unwrap(), "{wait}");
    }
    let text = market.semper(&["deals", "--home", "otto"]).unwrap().out;
    let id = running[0]["id"].as_str().unwrap();
    let shown = market.semper(&["archive", "show", "--home", "otto", id]).unwrap().out;
    for text in [text, shown] {
        let bank = text.contains(" waits for the bank, Test Bank, since 20");
        let third = text.contains(" waits for the third party, third.example, since 20");
        assert!((bank || third) && text.contains("it is tried again by 20"), "{text}");
    }
}

#[test]
fn sixty_four_exchanges_at_a_silent_bank_begin_keep_nobody_waiting_and_end_fairly() {
    let (mut market, _folder, way) = by_way();
    let port = free_port().unwrap();
    let second = BankAt { home: "second", name: "Second Bank", port };
    let _second = market.another_bank(second).unwrap();
    let berta = NewBuyer { home: "berta", user: "Berta Cohn", phrase: "three grey herons" };
    let options = MarketOptions { buyer_rules: market.buyer_rules.clone(), ..small() };
    let _berta = market.another_buyer(berta, second, &options).unwrap();

    // From now on the merchant hears nothing of its bank, and nobody of the third party.
    way.gate.close(true);
    market.third.signal("STOP");
    let purchases = Purchases::begin(&market);

    wait_until("not all have begun", &market, || exchanges(&market) == (65, 64));
    wait_until("nobody asks the bank", &market, || way.gate.waiting.load(Ordering::SeqCst) > 0);

    who_waits_for_whom(&market);

    // Somebody else who buys of the same merchant, by a bank that answers, does not notice.
    market.change_bank("otto", second).unwrap();
    let env = [("RUST_LOG", "info,semper_roles::merchant=debug")];
    market.restart(Part::Merchant, &env).unwrap();
    let asks = "the third party is asked";
    wait_until("nobody asks the third party", &market, || {
        market.merchant.log_text().contains(asks)
    });
    wait_until("nobody asks the bank", &market, || way.gate.waiting.load(Ordering::SeqCst) > 0);
    let mut buying = market.start_buying_as("berta").unwrap();
    assert_eq!(buying.wait(HANG), Some(0), "{}", buying.log_text());
    wait_until("Berta's is not paid", &market, || exchanges(&market) == (66, 64));

    // When both answer, all of them end, and each of the two sides has what was agreed.
    way.gate.close(false);
    market.third.signal("CONT");
    let ended = purchases.ended();
    let completed = |it: &&(DealState, String)| it.0 == DealState::Completed;
    assert_eq!(ended.iter().filter(completed).count(), MANY, "{ended:?}");
    wait_until("not all have ended", &market, || exchanges(&market) == (66, 0));
    let sold = "SELECT count(*) FROM deals WHERE state = 'completed'";
    let sold = || ask(market.folder.join("otto/archive.sqlite"), sold);
    wait_until("not all are sold", &market, || sold() == 66);
    let now = books(&market);
    assert_eq!((now.payments, now.sum), (65, 0));
    let paid = "SELECT count(*) FROM entries WHERE text LIKE 'released%'";
    assert_eq!(ask(market.folder.join("second/ledger.sqlite"), paid), 1);
}
