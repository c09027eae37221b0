//! A bank's books, whatever its customers ask for, and whatever happens in between: they balance, the
//! bank opens again, no date is missed, and nothing that was decided is undone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request as HttpRequest;
use proptest::prelude::*;
use semper_archive::Home;
use semper_bank_protocol::{Claim as ClaimRequest, HoldFact, MAX_ANSWER, Request};
use semper_base::{
    Amount, Certificate, Clock, Currency, DealId, Digest, Role as CertifiedRole, SigningKey,
    Timestamp, cbor,
};
use semper_exchange::bank::{Claim, Fence, Refund, Release, Waiver, hold_name};
use semper_exchange::crypto::Signed;
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_items::hold::Hold;
use semper_items::statement::{Content, HoldKind, HoldOrder, PaymentOrder};
use semper_items::{SignedStatement, Statement};
use semper_keeper::{Keeper, Spawn};
use semper_ledger::{AccountId, Ledger};
use semper_net::{Believed, Client};
use semper_roles::bank::{Bank, LEDGER};
use semper_roles::outside::{Outside, System};
use semper_roles::role::{HomeConfig, Role, RoleKind};
use semper_roles::surroundings::Surroundings;
use semper_runtime::{Runtime, Stop};
use tower_service::Service as _;

use common::Place;

const FUNDS: i64 = 10_000;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// A clock that somebody turns.
#[derive(Debug)]
struct Watch(Mutex<Timestamp>);

impl Clock for Watch {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, while_: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.after(while_);
    }
}

/// This machine, with that clock.
#[derive(Debug)]
struct Watched(Arc<Watch>);

impl Outside for Watched {
    fn clock(&self) -> Arc<dyn Clock> {
        self.0.clone()
    }
    fn spawn(&self, keeper: &Keeper) -> Arc<dyn Spawn> {
        System.spawn(keeper)
    }
    fn block(&self, work: Box<dyn FnOnce() + Send>) {
        System.block(work);
    }
    fn net(&self, believed: &Believed) -> Client {
        System.net(believed)
    }
    fn tinguin(&self, home: &Home) -> semper_tinguin_protocol::Client {
        System.tinguin(home)
    }
    fn runtime(&self, home: &Arc<Home>, keeper: &Keeper) -> Result<Arc<Runtime>, Stop> {
        System.runtime(home, keeper)
    }
}

/// A customer: signs orders with a certified key, and exchanges with a key of the deal's.
struct Customer {
    key: SigningKey,
    chain: Vec<Certificate>,
    deal: Keys,
}

/// A bank, its customers, and a third party.
struct World {
    place: Place,
    watch: Arc<Watch>,
    home: PathBuf,
    bank: Option<Router>,
    /// Anna, Otto, and a stranger whom the authority does not know.
    customers: [Customer; 3],
    third: Keys,
    /// Every account that an order may name: Anna's, Otto's, Anna's in yen, one that is not there,
    /// two of the bank's own, and no account at all.
    accounts: Vec<String>,
    /// The last word about each leaf.
    last: [Option<Hold>; 3],
}

#[test]
fn what_was_carried_out_is_confirmed_again_when_its_payers_certificate_is_over() {
    let mut world = World::new();
    let order = |world: &World, reference: u8| {
        Content::PaymentOrder(PaymentOrder {
            bank: "Test Bank".into(),
            from: world.accounts[0].clone(),
            to: world.accounts[1].clone(),
            amount: amount(100, false),
            purpose: Digest::of(b"a purpose"),
            reference: Digest::of(&[reference]),
        })
    };
    let paid = world.signed(0, order(&world, 1), Age::Now).unwrap();
    let by_a_stranger = world.signed(2, order(&world, 1), Age::Now).unwrap();
    let held = world.hold_order(0, 1, 100, HoldKind::Lock, 0);
    let held = world.signed(0, Content::HoldOrder(held), Age::Now).unwrap();
    let (status, confirmation) = world.post(Request::Payment, paid.clone());
    assert_eq!(status, 200);
    assert_eq!(world.post(Request::Hold, held.clone()).0, 200);

    // Her certificate is over: nothing new is carried out, and what was is told as before.
    world.watch.sleep(Duration::from_millis(400 * DAY));
    let balances = world.balances();
    assert_eq!(world.post(Request::Payment, paid), (200, confirmation));
    let (status, fact) = world.post(Request::Hold, held);
    let fact: HoldFact = cbor::decode(&fact, MAX_ANSWER).unwrap();
    assert_eq!((status, fact.body().hold), (200, Hold::Refunded(amount(100, false))));
    assert_ne!(world.post(Request::Payment, by_a_stranger).0, 200, "it is her answer");
    let late = world.signed(0, order(&world, 2), Age::Now).unwrap();
    assert_ne!(world.post(Request::Payment, late).0, 200);
    let after = world.balances();
    assert_eq!(after[1], balances[1], "{after:?}");
}

/// What somebody asks, or what happens.
#[derive(Clone, Debug)]
enum Step {
    Pay {
        who: usize,
        from: usize,
        to: usize,
        minor: i64,
        yen: bool,
        reference: u8,
        age: Age,
    },
    Hold {
        who: usize,
        from: usize,
        to: usize,
        minor: i64,
        kind: HoldKind,
        leaf: usize,
        age: Age,
    },
    Claim {
        what: u8,
        by: usize,
        leaf: usize,
    },
    Wait {
        hours: u64,
    },
    /// The process ends between two commits, and another is started on what is on the disk.
    Crash,
}

/// When an order was signed.
#[derive(Clone, Copy, Debug)]
enum Age {
    Now,
    LastMonth,
    Tomorrow,
}

/// A key, and a certificate that outlasts every story.
fn certified(place: &Place, name: &str, role: CertifiedRole) -> (SigningKey, Certificate) {
    let (key, now) = (SigningKey::generate(), Timestamp::now());
    let until = now.after(Duration::from_millis(365 * DAY));
    let issued = place.authority.issue(name, &key.public(), role, &[], now, until);
    (key, issued.unwrap())
}

fn customer(place: &Place, name: &str, role: CertifiedRole) -> Customer {
    let (key, certificate) = certified(place, name, role);
    Customer { key, chain: vec![certificate], deal: Keys::new(SigningKey::generate(), NoGoods) }
}

impl World {
    fn new() -> Self {
        let (place, stranger) = (Place::new(""), Place::new(""));
        let watch = Arc::new(Watch(Mutex::new(Timestamp::now())));
        let home = place.file("bank");
        let made = Home::create(&home).unwrap();
        let (key, certificate) = certified(&place, "Test Bank", CertifiedRole::Bank);
        made.write("bank.key", key.to_pem().as_bytes()).unwrap();
        made.write("bank.pem", certificate.to_pem().as_bytes()).unwrap();
        made.write("root.pem", place.authority.certificate.to_pem().as_bytes()).unwrap();
        let customers = [
            customer(&place, "Anna Berg", CertifiedRole::Buyer),
            customer(&place, "Otto Versand", CertifiedRole::Merchant),
            customer(&stranger, "Anna Berg", CertifiedRole::Buyer),
        ];
        let ledger = Ledger::open(&home.join(LEDGER)).unwrap();
        let account = |who: &Customer, name: &str, code: &str| -> AccountId {
            let (owner, currency): (_, Currency) = (who.key.public().id(), code.parse().unwrap());
            let id = ledger.open_account(owner, name, currency).unwrap().id;
            ledger.fund(&id, Amount::new(FUNDS, currency), watch.now()).unwrap();
            id
        };
        let mut accounts = vec![
            account(&customers[0], "Anna Berg", "EUR").to_string(),
            account(&customers[1], "Otto Versand", "EUR").to_string(),
            account(&customers[0], "Anna Berg", "JPY").to_string(),
        ];
        let others = ["acct:0000000000000000", "held:EUR", "bank:EUR", "no account"];
        accounts.extend(others.map(str::to_owned));
        let third = Keys::new(SigningKey::generate(), NoGoods);
        let last = [None; 3];
        let mut world = Self { place, watch, home, bank: None, customers, third, accounts, last };
        world.open();
        world
    }

    /// Opens the bank on what is in its home.
    fn open(&mut self) {
        let around = Surroundings::alone("bank", Arc::new(Watched(Arc::clone(&self.watch))));
        let config = HomeConfig { home: self.home.clone() };
        let role = <Bank as RoleKind>::open(&config, &around);
        let role: Arc<dyn Role> = role.unwrap_or_else(|error| panic!("{error}"));
        self.bank = Some(role.routes(&around));
    }

    /// Ends the process: only what is on the disk is left.
    fn crash(&mut self) {
        let (before, after) = (self.home.clone(), self.place.file("bank-after"));
        let _ = std::fs::remove_dir_all(&after);
        copy(&before, &after);
        self.bank = None;
        std::fs::remove_dir_all(&before).unwrap();
        std::fs::rename(&after, &before).unwrap();
        self.open();
    }

    fn ledger(&self) -> Ledger {
        Ledger::open(&self.home.join(LEDGER)).unwrap()
    }

    fn post(&mut self, request: Request, body: Vec<u8>) -> (u16, Vec<u8>) {
        let http = HttpRequest::post(request.path()).body(Body::from(body)).unwrap();
        let mut bank = self.bank.clone().unwrap();
        semper_net::runtime().block_on(async move {
            let answer = bank.call(http).await.unwrap();
            let status = answer.status().as_u16();
            (status, to_bytes(answer.into_body(), MAX_ANSWER).await.unwrap().to_vec())
        })
    }

    fn signed(&self, who: usize, content: Content, age: Age) -> Option<Vec<u8>> {
        let now = self.watch.now();
        let made = match age {
            Age::Now => now,
            Age::LastMonth => now.before(Duration::from_millis(30 * DAY)),
            Age::Tomorrow => now.after(Duration::from_millis(DAY)),
        };
        let statement = Statement { deal: DealId::new(Digest::of(b"a deal")), made, content };
        let Customer { key, chain, .. } = &self.customers[who];
        SignedStatement::sign(&statement, key, chain.clone()).ok()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Pay { who, from, to, minor, yen, reference, age } => {
                let order = PaymentOrder {
                    bank: "Test Bank".into(),
                    from: self.accounts[from].clone(),
                    to: self.accounts[to].clone(),
                    amount: amount(minor, yen),
                    purpose: Digest::of(b"a purpose"),
                    reference: Digest::of(&[reference]),
                };
                // What is no statement at all cannot be signed.
                let Some(body) = self.signed(who, Content::PaymentOrder(order), age) else {
                    return;
                };
                let before = self.balances();
                let (status, answer) = self.post(Request::Payment, body.clone());
                if status != 200 {
                    assert_eq!(self.balances(), before, "{step:?} was refused");
                    return;
                }
                assert!(matches!(age, Age::Now), "{step:?} was carried out");
                let own: &[usize] = [[0, 2].as_slice(), &[1], &[]][who];
                assert!(own.contains(&from) && to < 3, "{step:?} was carried out");
                // Asked again it gets the same answer, and nothing moves.
                let after = self.balances();
                assert_eq!(self.post(Request::Payment, body), (200, answer));
                assert_eq!(self.balances(), after, "{step:?} was carried out twice");
            }
            Step::Hold { who, from, to, minor, kind, leaf, age } => {
                let order = self.hold_order(from, to, minor, kind, leaf);
                let Some(body) = self.signed(who, Content::HoldOrder(order), age) else { return };
                let before = self.balances();
                let (status, answer) = self.post(Request::Hold, body);
                match status {
                    200 => self.heard(leaf, &answer),
                    _ => assert_eq!(self.balances(), before, "{step:?} was refused"),
                }
            }
            Step::Claim { what, by, leaf } => {
                let body = cbor::encode(&self.claim(what, by, leaf));
                let (status, answer) = self.post(Request::Claim, body);
                if status == 200 {
                    self.heard(leaf, &answer);
                }
            }
            Step::Wait { hours } => self.watch.sleep(Duration::from_millis(hours * HOUR)),
            Step::Crash => self.crash(),
        }
    }

    /// What the bank says about a hold: what was decided stays decided.
    fn heard(&mut self, leaf: usize, answer: &[u8]) {
        let fact: HoldFact = cbor::decode(answer, MAX_ANSWER).unwrap();
        let now = fact.body().hold;
        if let Some(before @ (Hold::Released(_) | Hold::Refunded(_) | Hold::Never)) =
            self.last[leaf]
        {
            assert_eq!(now, before, "what was decided about leaf {leaf} was undone");
        }
        self.last[leaf] = Some(now);
    }

    fn hold_order(
        &self,
        from: usize,
        to: usize,
        minor: i64,
        kind: HoldKind,
        leaf: usize,
    ) -> HoldOrder {
        HoldOrder {
            bank: "Test Bank".into(),
            from: self.accounts[from].clone(),
            to: self.accounts[to].clone(),
            amount: amount(minor, false),
            kind,
            exchange: Digest::of(b"an exchange"),
            leaf: name(leaf),
            opens: None,
            // By the same clock whenever it is ordered: the same order again is the same.
            until: self.place_of_time().after(Duration::from_millis(48 * HOUR)),
            payer: self.customers[0].deal.public(),
            payee: self.customers[1].deal.public(),
            third_party: self.third.public(),
            originates: true,
        }
    }

    /// A time that does not move: the day on which the world was made.
    fn place_of_time(&self) -> Timestamp {
        let (from, _) = self.place.authority.certificate.validity();
        from
    }

    fn claim(&self, what: u8, by: usize, leaf: usize) -> ClaimRequest {
        let (exchange, leaf) = (Digest::of(b"an exchange"), name(leaf));
        let keys = match by {
            2 => &self.third,
            by => &self.customers[by].deal,
        };
        let claim = match what {
            0 => Claim::Look,
            1 => Claim::Release(Signed::new(keys, exchange, Release { leaf }).unwrap()),
            2 => Claim::Refund(Signed::new(keys, exchange, Refund { leaf }).unwrap()),
            3 => Claim::Waiver(Signed::new(keys, exchange, Waiver { leaf }).unwrap()),
            _ => Claim::Fence(Signed::new(keys, exchange, Fence { leaf }).unwrap(), keys.public()),
        };
        ClaimRequest { exchange, leaf, third_party: self.third.public(), claim }
    }

    fn balances(&self) -> Vec<i64> {
        let ledger = self.ledger();
        let of = |it: &String| ledger.account(&it.parse().ok()?).ok();
        self.accounts.iter().filter_map(of).map(|it| it.balance.minor()).collect()
    }
}

fn amount(minor: i64, yen: bool) -> Amount {
    Amount::new(minor, if yen { "JPY" } else { "EUR" }.parse().unwrap())
}

fn name(leaf: usize) -> Digest {
    Digest::of(format!("leaf {leaf}").as_bytes())
}

fn copy(from: &Path, to: &Path) {
    Home::create(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let minor = prop_oneof![Just(-5), Just(0), Just(1), Just(700), Just(FUNDS), Just(i64::MAX)];
    let age = prop_oneof![8 => Just(Age::Now), 1 => Just(Age::LastMonth), 1 => Just(Age::Tomorrow)];
    let kind =
        prop_oneof![Just(HoldKind::Lock), Just(HoldKind::Provisional), Just(HoldKind::Final)];
    let pay =
        (0..3_usize, 0..7_usize, 0..7_usize, minor.clone(), any::<bool>(), 0..4_u8, age.clone());
    let pay = pay.prop_map(|(who, from, to, minor, yen, reference, age)| Step::Pay {
        who,
        from,
        to,
        minor,
        yen,
        reference,
        age,
    });
    // Most holds are made by their payer and payee: others come to nothing.
    let ends = prop_oneof![3 => Just((0, 0, 1)), 1 => (0..3_usize, 0..7_usize, 0..7_usize)];
    let hold = (ends, minor, kind, 0..3_usize, age);
    let hold = hold.prop_map(|((who, from, to), minor, kind, leaf, age)| Step::Hold {
        who,
        from,
        to,
        minor,
        kind,
        leaf,
        age,
    });
    let claim = (0..5_u8, 0..3_usize, 0..3_usize);
    let claim = claim.prop_map(|(what, by, leaf)| Step::Claim { what, by, leaf });
    let wait = (1..30_u64).prop_map(|hours| Step::Wait { hours });
    let step = prop_oneof![4 => pay, 4 => hold, 4 => claim, 1 => wait, 1 => Just(Step::Crash)];
    prop::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_customers_ask_for_the_books_balance_and_no_date_is_missed(all in steps()) {
        let mut world = World::new();
        for step in &all {
            world.step(step);
        }
        // Every date comes, and the bank is started once more.
        world.watch.sleep(Duration::from_millis(3 * DAY));
        world.crash();

        let ledger = world.ledger();
        prop_assert_eq!(ledger.findings(world.watch.now()).unwrap(), []);
        for leaf in 0..3 {
            let known = world.last[leaf];
            let (status, answer) =
                world.post(Request::Claim, cbor::encode(&world.claim(0, 0, leaf)));
            prop_assert_eq!(status == 200, known.is_some(), "leaf {}", leaf);
            if status == 200 {
                world.heard(leaf, &answer);
                let over = !matches!(world.last[leaf], Some(Hold::Held(_)));
                prop_assert!(over, "leaf {} is still held", leaf);
            }
        }
        // Nobody has won or lost money but by what was paid: euro and yen are what they were.
        let mine = world.balances();
        prop_assert_eq!(mine.len(), 3);
        prop_assert_eq!(mine[2], FUNDS, "yen");
        let held = ledger.balance_of(semper_ledger::Own::Held("EUR".parse().unwrap())).unwrap();
        prop_assert_eq!(mine[0] + mine[1] + held.minor(), 2 * FUNDS, "euro");
    }
}

#[test]
fn a_hold_is_named_by_its_third_party_and_leaf() {
    // Claims of the stories above reach the holds that they mean.
    let world = World::new();
    let order = world.hold_order(0, 1, 700, HoldKind::Lock, 0);
    let claim = world.claim(0, 0, 0);
    let of = |third, leaf| hold_name::<Standard>(&third, leaf);
    assert_eq!(of(order.third_party, order.leaf), of(claim.third_party, claim.leaf));
}
