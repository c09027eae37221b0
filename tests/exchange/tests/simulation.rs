//! Whole exchanges over a simulated network (turmoil): datagrams that are lost, late, repeated
//! and out of order, sides that crash and start again from what they have stored, a bank and a
//! third party that are unreachable for a while. Real machines, real signatures, real ledger.
//!
//! 300 seeds in the test command; `SEMPER_EXCHANGES=10000` for more, `SEMPER_EXCHANGE_SEED=7` for
//! one alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use semper_base::{Timestamp, cbor};
use semper_exchange::bank::{ClaimRequest, Fact, Order};
use semper_exchange::crypto::Signed;
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Answer, Request};
use semper_exchange::{
    Agreed, Effect, End, Event, Message, Mode, Originator, Responder, Role, party,
};
use semper_exchange_tests::goods::Prepared;
use semper_exchange_tests::services::FUNDS;
use semper_exchange_tests::{Kind, Local, Services as _, Trader, agree};
use serde::{Deserialize, Serialize};
use turmoil::net::UdpSocket;

const PORT: u16 = 9;
const MOST: usize = 1 << 20;
const PRICE: i64 = 2_500;

/// What travels.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
enum Datagram {
    Message(Message<Standard>),
    Hold(String, Order<Standard>),
    Claim(ClaimRequest<Standard>),
    Ask(Box<Request<Standard>>),
    Fact(Signed<Standard, Fact<Standard>>),
    Refused,
    Answer(Answer<Standard>),
}

/// A side's machine: what lies on its disk.
#[derive(Clone)]
enum Machine {
    Originator(Originator<Standard>),
    Responder(Responder<Standard>),
}

impl Machine {
    fn end(&self) -> Option<End> {
        match self {
            Self::Originator(it) => it.end(),
            Self::Responder(it) => it.end(),
        }
    }

    fn owes(&self) -> bool {
        match self {
            Self::Originator(it) => it.kept.owed.is_some(),
            Self::Responder(it) => it.kept.owed.is_some(),
        }
    }
}

struct Side {
    role: Role,
    trader: Trader,
    agreed: Agreed<Standard>,
    disk: RefCell<Machine>,
    random: RefCell<SmallRng>,
}

fn host(role: Role) -> &'static str {
    role.name()
}

impl Side {
    async fn send(&self, socket: &UdpSocket, to: &str, datagram: &Datagram) {
        let bytes = cbor::encode(datagram);
        let copies = if self.random.borrow_mut().random_bool(0.15) { 2 } else { 1 };
        for _ in 0..copies {
            let _ = socket.send_to(&bytes, (to, PORT)).await;
        }
    }

    async fn happens(&self, socket: &UdpSocket, event: Event<Standard>) -> bool {
        let machine = self.disk.borrow().clone();
        let (now, keys) = (Timestamp::now(), &self.trader.keys);
        let (next, effects) = match machine {
            Machine::Originator(it) => {
                let (next, effects) = it.step(event, now, keys).unwrap();
                (Machine::Originator(next), effects)
            }
            Machine::Responder(it) => {
                let (next, effects) = it.step(event, now, keys).unwrap();
                (Machine::Responder(next), effects)
            }
        };
        let mut stored = false;
        for effect in effects {
            let (to, datagram) = match effect {
                Effect::Persist => {
                    *self.disk.borrow_mut() = next.clone();
                    stored = true;
                    // A crash may come between any two effects: the scheduler gets its chance.
                    tokio::task::yield_now().await;
                    continue;
                }
                Effect::Ended(_) => continue,
                Effect::Send(message) => (host(self.role.other()), Datagram::Message(message)),
                Effect::Ask(request) => ("third", Datagram::Ask(Box::new(request))),
                Effect::Hold(order) => ("bank", Datagram::Hold(self.trader.account.clone(), order)),
                Effect::Claim(claimed) => {
                    let request = ClaimRequest {
                        exchange: self.agreed.subject(),
                        leaf: party::money_leaf(&self.agreed, claimed.payer).unwrap(),
                        third_party: self.agreed.third_party.sign,
                        claim: claimed.claim,
                    };
                    ("bank", Datagram::Claim(request))
                }
            };
            self.send(socket, to, &datagram).await;
        }
        stored
    }

    async fn live(&self) -> turmoil::Result {
        let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
        let mut buffer = vec![0; MOST];
        self.happens(&socket, Event::Start).await;
        self.happens(&socket, Event::Resend).await;
        let mut heard = tokio::time::Instant::now();
        let mut sent = heard;
        loop {
            let wait =
                tokio::time::timeout(Duration::from_millis(200), socket.recv_from(&mut buffer));
            if let Ok(Ok((length, _))) = wait.await {
                let event = match cbor::decode::<Datagram>(&buffer[..length], MOST).unwrap() {
                    Datagram::Message(message) => Event::Message(message),
                    Datagram::Fact(fact) => Event::Fact(fact),
                    Datagram::Refused => Event::Refused,
                    Datagram::Answer(answer) => Event::Answer(answer),
                    _ => continue,
                };
                if self.happens(&socket, event).await {
                    heard = tokio::time::Instant::now();
                }
            }
            if sent.elapsed() > Duration::from_millis(700) {
                self.happens(&socket, Event::Resend).await;
                sent = tokio::time::Instant::now();
            }
            let over = self.disk.borrow().end().is_some();
            if heard.elapsed() > Duration::from_secs(4) && !over {
                self.happens(&socket, Event::TimeUp).await;
                heard = tokio::time::Instant::now();
            }
        }
    }
}

async fn serve(local: Rc<Local>) -> turmoil::Result {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
    let mut buffer = vec![0; MOST];
    loop {
        let (length, from) = socket.recv_from(&mut buffer).await?;
        let answer = match cbor::decode::<Datagram>(&buffer[..length], MOST).unwrap() {
            Datagram::Hold(account, order) => match local.hold(&account, &order) {
                Some(Ok(fact)) => Some(Datagram::Fact(fact)),
                _ => Some(Datagram::Refused),
            },
            Datagram::Claim(request) => local.claim(&request).map(Datagram::Fact),
            Datagram::Ask(request) => local.ask(&request).map(Datagram::Answer),
            _ => None,
        };
        if let Some(answer) = answer {
            let _ = socket.send_to(&cbor::encode(&answer), from).await;
        }
    }
}

/// What happened in a run.
#[derive(Default)]
struct Counted {
    crashes: usize,
    done: usize,
    undone: usize,
}

fn cell(random: &mut SmallRng) -> (Vec<Kind>, Vec<Kind>) {
    let money = |mode| Kind::Money(PRICE, vec![mode]);
    let text = || Kind::Information(b"a text".repeat(100));
    match random.random_range(0..8) {
        0 => (vec![Kind::Statement], vec![Kind::Statement]),
        1 => (vec![text()], vec![money(Mode::Hold)]),
        2 => (vec![money(Mode::Hold)], vec![money(Mode::Hold)]),
        3 => (vec![Kind::Statement], vec![money(Mode::Fenced)]),
        4 => (vec![money(Mode::Reversible)], vec![money(Mode::Reversible)]),
        5 => (vec![text()], vec![text()]),
        6 => (vec![text(), Kind::Statement], vec![money(Mode::Hold), Kind::Statement]),
        _ => (vec![Kind::Statement], vec![money(Mode::Hold)]),
    }
}

fn simulate(seed: u64, counted: &mut Counted) {
    let mut random = SmallRng::seed_from_u64(seed);
    let local = Rc::new(Local::new());
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let none = |_: &Prepared| unreachable!("nothing is certified");
    let (gives, wants) = cell(&mut random);
    let bank = local.bank.public();
    let originator = Trader::new(&otto, &anna, bank, &gives, &none);
    let responder = Trader::new(&anna, &otto, bank, &wants, &none);
    let agreed = agree(&originator, &responder, &local.named(), |_| {}).unwrap();
    let side = |role: Role, trader: Trader, seed| {
        let machine = match role {
            Role::Originator => {
                Machine::Originator(Originator::new(agreed.clone(), trader.secrets.clone()))
            }
            Role::Responder => {
                Machine::Responder(Responder::new(agreed.clone(), trader.secrets.clone()))
            }
        };
        let random = RefCell::new(SmallRng::seed_from_u64(seed));
        Rc::new(Side { role, trader, agreed: agreed.clone(), disk: RefCell::new(machine), random })
    };
    let sides =
        [side(Role::Originator, originator, seed + 1), side(Role::Responder, responder, seed + 2)];

    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .simulation_duration(Duration::from_secs(600))
        .tick_duration(Duration::from_millis(20))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(random.random_range(10..2_500)))
        .fail_rate(random.random_range(0.0..0.35))
        .repair_rate(0.5)
        .udp_capacity(4_096)
        .build();
    for name in ["bank", "third"] {
        let local = Rc::clone(&local);
        sim.host(name, move || serve(Rc::clone(&local)));
    }
    for side in &sides {
        let side = Rc::clone(side);
        sim.host(host(side.role), move || {
            let side = Rc::clone(&side);
            async move { side.live().await }
        });
    }
    let crash_rate = random.random_range(0.0..0.01);
    let mut down: [Option<u32>; 2] = [None, None];
    let finished = |sides: &[Rc<Side>; 2]| {
        sides.iter().all(|it| it.disk.borrow().end().is_some() && !it.disk.borrow().owes())
    };
    for _ in 0..29_000 {
        let _ = sim.step().unwrap();
        for (side, down) in sides.iter().zip(&mut down) {
            match down {
                Some(0) => {
                    sim.bounce(host(side.role));
                    *down = None;
                }
                Some(left) => *left -= 1,
                None if random.random_bool(crash_rate) => {
                    sim.crash(host(side.role));
                    *down = Some(random.random_range(1..300));
                    counted.crashes += 1;
                }
                None => {}
            }
        }
        if finished(&sides) {
            break;
        }
    }
    let ends = [0, 1].map(|index: usize| sides[index].disk.borrow().end());
    let done = |end: Option<End>| matches!(end, Some(End::Done | End::Completed));
    match (done(ends[0]), done(ends[1])) {
        (true, true) => counted.done += 1,
        (false, false) if ends == [Some(End::Aborted); 2] => counted.undone += 1,
        // Whoever never heard of it has not begun.
        (false, false) if ends[0] == Some(End::Aborted) && ends[1].is_none() => counted.undone += 1,
        _ => panic!("seed {seed}: {gives:?} for {wants:?} under {:?}: {ends:?}", agreed.protocol),
    }
    local.ledger.audit().unwrap();
    let whole = local.balance(&anna) + local.balance(&otto);
    assert_eq!(whole, 2 * FUNDS, "seed {seed}: nothing is held any more and nothing is lost");
}

#[test]
fn exchanges_end_fairly_over_any_network() {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let mut counted = Counted::default();
    if let Some(seed) = number("SEMPER_EXCHANGE_SEED") {
        return simulate(seed, &mut counted);
    }
    let runs = number("SEMPER_EXCHANGES").unwrap_or(300);
    for seed in 0..runs {
        simulate(seed, &mut counted);
    }
    let Counted { crashes, done, undone } = counted;
    println!("{runs} exchanges, {crashes} crashes: {done} completed, {undone} undone, 0 unfair");
    assert!(done > 0 && undone > 0 && crashes > 0);
}
