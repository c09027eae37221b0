//! Payments that customers order at a bank by themselves, without deals, while its process is killed again and
//! again: no money is lost, nothing is paid twice, and each order has one answer for ever.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{ask, binaries};
use semper_bank_protocol::{ACCOUNT_DOMAIN, AccountAction, AccountRequest, MAX_ANSWER, Request};
use semper_base::cert::{Request as Csr, Revocation, Roots};
use semper_base::cose::{self, Signatory};
use semper_base::{
    Amount, Certificate, Currency, DealId, Digest, Role, SigningKey, Timestamp, cbor, keys,
};
use semper_items::statement::{Content, PaymentOrder};
use semper_items::{SignedStatement, Statement};
use semper_net::Client;
use semper_roles::ca::{Ca, Registration};
use semper_testkit::market::serve;
use semper_testkit::process::{Output, Running, free_port, run};
use serde_json::{Value, json};
use tempfile::TempDir;

const NAMES: [&str; 8] = [
    "Anna Berg",
    "Bruno Klee",
    "Clara Wolff",
    "Dora Maler",
    "Emil Stein",
    "Frieda Sand",
    "Georg Acker",
    "Hanna Vogel",
];
const BANK: &str = "Test Bank";
const FUNDS: i64 = 10_000;
const PAYMENTS: usize = 200;
const KILLS: usize = 20;
/// Where the moments of the kills and the payments come from.
const SEED: u64 = 1996;
/// Longer than anything here takes, unless it hangs.
const HANG: Duration = Duration::from_secs(60);

/// The same numbers for the same seed (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }
}

/// A customer of the bank.
struct Customer {
    key: SigningKey,
    chain: Vec<Certificate>,
    account: String,
}

/// An authority without a server, a bank, and its customers.
struct Town {
    folder: TempDir,
    port: u16,
    roots: Roots,
    net: Client,
    customers: Vec<Customer>,
}

impl Town {
    fn new() -> (Self, Running) {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
        let home = folder.path().join("ca");
        Ca::create(&home, "Market CA", &["localhost".to_owned()]).unwrap();
        let ca = Ca::open(&home).unwrap();
        let pem = std::fs::read_to_string(home.join("root.pem")).unwrap();
        let roots = Roots::new(vec![Certificate::from_pem(&pem).unwrap()]);
        let net = Client::new(&roots).within(Duration::from_secs(10));
        let mut town = Self { folder, port, roots, net, customers: Vec::new() };
        town.files("bank", certified(&ca, BANK, Role::Bank, &[]));
        let names = ["localhost".to_owned()];
        town.files("bank-tls", certified(&ca, "Test Bank server", Role::Server, &names));
        let init = ["bank", "init", "--home", "bank", "--key", "bank.key"];
        let rest = ["--certificate", "bank.pem", "--authority", "ca/root.pem"];
        town.semper(&[init.as_slice(), &rest].concat());
        let toml = format!(
            "listen = \"127.0.0.1:{port}\"\n[tls]\ncertificate = \"bank-tls.pem\"\n\
             key = \"bank-tls.key\"\n[bank]\nhome = \"bank\"\n"
        );
        std::fs::write(town.folder.path().join("bank.toml"), toml).unwrap();
        let bank = town.serve();
        for name in NAMES {
            let (key, chain) = certified(&ca, name, Role::Buyer, &[]);
            let mut customer = Customer { key, chain, account: String::new() };
            let opened = town.account(&customer, AccountAction::Open(Currency::EUR));
            customer.account = opened["account"].as_str().unwrap().to_owned();
            let fund = ["bank", "fund", "--home", "bank", "--account", &customer.account];
            town.semper(&[fund.as_slice(), &["--amount", "100.00 EUR"]].concat());
            town.customers.push(customer);
        }
        (town, bank)
    }

    fn files(&self, name: &str, (key, chain): (SigningKey, Vec<Certificate>)) {
        let file = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        std::fs::write(file("key"), key.to_pem().as_bytes()).unwrap();
        std::fs::set_permissions(file("key"), PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(file("pem"), Certificate::chain_to_pem(&chain)).unwrap();
    }

    fn semper(&self, arguments: &[&str]) -> Output {
        let done = run(self.folder.path(), &binaries().semper, arguments).unwrap();
        assert_eq!(done.code, 0, "{}: {}{}", arguments.join(" "), done.out, done.err);
        done
    }

    fn serve(&self) -> Running {
        serve(self.folder.path(), &binaries(), "bank", self.port, &[]).unwrap()
    }

    /// What the bank says about a customer's account.
    fn account(&self, customer: &Customer, what: AccountAction) -> Value {
        let nonce = Digest::from_bytes(keys::random());
        let request = AccountRequest { bank: BANK.into(), made: Timestamp::now(), nonce, what };
        let signatory = Signatory::Chain(customer.chain.clone());
        let payload = cbor::encode(&request);
        let signed = cose::sign(&customer.key, &signatory, ACCOUNT_DOMAIN, &payload);
        let (status, body) = self.post(Request::Account, signed).unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Status and body of the bank's answer, if it answers.
    fn post(&self, what: Request, body: Vec<u8>) -> Option<(u16, Vec<u8>)> {
        let url = what.url(&format!("https://localhost:{}", self.port));
        let answer = self.net.post(&url, what.media_type(), body, MAX_ANSWER).ok()?;
        Some((answer.status, answer.body))
    }

    fn order(&self, number: usize, dice: &mut Dice) -> Order {
        let from = dice.below(NAMES.len());
        let to = (from + 1 + dice.below(NAMES.len() - 1)) % NAMES.len();
        let minor = i64::try_from(1 + dice.below(50)).unwrap();
        let name = Digest::of(format!("payment {number}").as_bytes());
        let order = PaymentOrder {
            bank: BANK.into(),
            from: self.customers[from].account.clone(),
            to: self.customers[to].account.clone(),
            amount: Amount::new(minor, Currency::EUR),
            purpose: Digest::of(b"an order"),
            reference: name,
        };
        let content = Content::PaymentOrder(order.clone());
        let statement = Statement { deal: DealId::new(name), made: Timestamp::now(), content };
        let Customer { key, chain, .. } = &self.customers[from];
        let signed = SignedStatement::sign(&statement, key, chain.clone()).unwrap();
        Order { from, to, minor, order, signed }
    }

    /// The ledger's number of a payment, out of the bank's confirmation of this order.
    fn confirmed(&self, order: &Order, answer: &[u8]) -> u64 {
        let verifier = self.roots.asking(Revocation::STAGE);
        let signed =
            SignedStatement::verify_as(answer, &verifier, &[Role::Bank], Timestamp::now()).unwrap();
        let Content::PaymentConfirmation(said) = &signed.statement().content else {
            panic!("no confirmation");
        };
        let PaymentOrder { from, to, amount, .. } = &order.order;
        assert_eq!((&said.from, &said.to, said.amount), (from, to, *amount));
        said.entry
    }
}

/// A payment that a customer orders.
struct Order {
    from: usize,
    to: usize,
    minor: i64,
    order: PaymentOrder,
    signed: Vec<u8>,
}

/// A key that the authority has certified.
fn certified(
    ca: &Ca,
    name: &str,
    role: Role,
    servers: &[String],
) -> (SigningKey, Vec<Certificate>) {
    let key = SigningKey::generate();
    let request = Csr::new(name, &key).unwrap().pem().to_owned();
    let registration = ca.invite(name, role, servers).unwrap();
    let chain = ca.register(&Registration { key: registration, request }).unwrap().chain;
    (key, chain)
}

/// What the customers are doing.
struct Under<'a> {
    town: &'a Town,
    orders: &'a [Order],
    /// The answers to each order.
    answers: Vec<Mutex<Vec<Vec<u8>>>>,
    answered: AtomicUsize,
    asked: AtomicUsize,
}

impl Under<'_> {
    /// Has an order carried out, asking until there is an answer.
    fn pay(&self, number: usize) {
        let begun = Instant::now();
        let signed = &self.orders[number].signed;
        loop {
            self.asked.fetch_add(1, Ordering::SeqCst);
            match self.town.post(Request::Payment, signed.clone()) {
                Some((200, answer)) => {
                    self.answers[number].lock().unwrap().push(answer);
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                // Killed, not back yet, or looking at its books.
                None | Some((503, _)) => std::thread::sleep(Duration::from_millis(5)),
                Some((status, why)) => {
                    panic!("order {number}: {status} {}", String::from_utf8_lossy(&why))
                }
            }
            assert!(begun.elapsed() < HANG, "order {number} has no answer (seed {SEED})");
        }
    }

    /// Kills the bank when so many were answered and a moment has passed, and starts it again.
    fn kill(&self, bank: &mut Running, dice: &mut Dice) {
        let all = 2 * self.orders.len();
        for number in 0..KILLS {
            let after = number * all / KILLS + dice.below(all / KILLS);
            let begun = Instant::now();
            while self.answered.load(Ordering::SeqCst) < after {
                assert!(begun.elapsed() < HANG, "kill {number} is never due (seed {SEED})");
                std::thread::sleep(Duration::from_micros(200));
            }
            std::thread::sleep(Duration::from_micros(u64::try_from(dice.below(12_000)).unwrap()));
            bank.kill();
            *bank = self.town.serve();
        }
    }
}

#[test]
fn a_bank_that_is_killed_amid_two_hundred_payments_loses_nothing_and_pays_nothing_twice() {
    let (town, mut bank) = Town::new();
    let mut dice = Dice(SEED);
    let orders: Vec<Order> = (0..PAYMENTS).map(|it| town.order(it, &mut dice)).collect();
    let under = Under {
        town: &town,
        orders: &orders,
        answers: orders.iter().map(|_| Mutex::default()).collect(),
        answered: AtomicUsize::new(0),
        asked: AtomicUsize::new(0),
    };

    // Two workers have each order carried out, so that it is also asked for twice at a time.
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let own = move |number: &usize| number % 8 == worker || number % 8 == (worker + 1) % 8;
            let under = &under;
            scope.spawn(move || (0..PAYMENTS).filter(own).for_each(|it| under.pay(it)));
        }
        under.kill(&mut bank, &mut dice);
    });

    let cut = under.asked.load(Ordering::SeqCst) - under.answered.load(Ordering::SeqCst);
    assert!(cut >= KILLS, "only {cut} requests went without an answer (seed {SEED})");
    // Asked once more, of a bank that has been started again.
    bank.kill();
    let _bank = town.serve();
    (0..PAYMENTS).for_each(|it| under.pay(it));
    let mut expected = [FUNDS; NAMES.len()];
    let mut entries = BTreeSet::new();
    for (order, answers) in orders.iter().zip(&under.answers) {
        let answers = answers.lock().unwrap();
        assert_eq!(answers.len(), 3);
        assert!(answers.iter().all(|it| *it == answers[0]), "another answer (seed {SEED})");
        assert!(entries.insert(town.confirmed(order, &answers[0])));
        expected[order.from] -= order.minor;
        expected[order.to] += order.minor;
    }
    let ledger = || town.folder.path().join("bank/ledger.sqlite");
    let booked = ask(ledger(), "SELECT count(*) FROM entries WHERE text LIKE 'deal%'");
    assert_eq!(booked, i64::try_from(PAYMENTS).unwrap(), "seed {SEED}");
    assert_eq!(ask(ledger(), "SELECT sum(balance) FROM accounts"), 0);
    for (customer, minor) in town.customers.iter().zip(expected) {
        let shown = town.account(customer, AccountAction::Show(customer.account.clone()));
        assert_eq!(shown["balance"], Amount::new(minor, Currency::EUR).to_string());
    }
    let audit = town.semper(&["bank", "audit", "--home", "bank", "--json"]).json();
    assert_eq!(audit["findings"], json!([]));
}
