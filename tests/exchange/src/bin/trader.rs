//! One side of an exchange as a process of its own: messages come and go as files in two
//! folders, the state is a file; it may be killed at any time and started again.
//!
//! `trader SETUP`, where SETUP is a JSON file with everything that it needs to know.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use semper_base::{SigningKey, Timestamp, cbor, fault};
use semper_exchange::bank::ClaimRequest;
use semper_exchange::manager::Secret;
use semper_exchange::standard::{Keys, Standard};
use semper_exchange::{Agreed, Driven, Effect, End, Event, Message, Role, party, responder};
use semper_exchange_tests::Services as _;
use semper_exchange_tests::goods::Goods;
use semper_exchange_tests::remote::{Places, Remote};
use serde::{Deserialize, Serialize};

/// Bytes of any file here.
const MOST: usize = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Setup {
    role: Role,
    /// Canonical CBOR, hex: the agreement, the secrets, the seed of the keys.
    agreement: String,
    secrets: String,
    seed: String,
    /// Encrypted information of the peer's, hex, with its length.
    sealed: Vec<(String, u64)>,
    account: String,
    places: Places,
    inbox: PathBuf,
    outbox: PathBuf,
    state: PathBuf,
    patience_ms: u64,
}

struct Trader {
    setup: Setup,
    machine: Driven<Standard>,
    keys: Keys<Goods>,
    remote: Remote,
    agreement: Agreed<Standard>,
    /// When something last came that was new.
    heard: Instant,
}

fn unhex(text: &str) -> Vec<u8> {
    semper_base::digest::unhex(text).unwrap()
}

/// Writes a file whole or not at all, durably.
fn write(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::File::open(&new).unwrap().sync_all().unwrap();
    fs::rename(&new, path).unwrap();
}

impl Trader {
    fn end(&self) -> Option<End> {
        self.machine.end()
    }

    /// Whether a responder has heard no promise yet.
    fn is_idle(&self) -> bool {
        matches!(&self.machine, Driven::Responder(it) if it.state == responder::State::Idle)
    }

    fn owes(&self) -> bool {
        self.machine.kept().owed.is_some()
    }

    fn happens(&mut self, event: Event<Standard>) {
        let now = Timestamp::now();
        let (next, effects) = self.machine.clone().step(event, now, &self.keys).unwrap();
        let before = std::mem::replace(&mut self.machine, next);
        let persists = effects.contains(&Effect::Persist);
        if persists {
            self.heard = Instant::now();
        }
        assert!(persists || cbor::encode(&before) == cbor::encode(&self.machine));
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect<Standard>) {
        match effect {
            Effect::Ended(_) => {}
            Effect::Sign => self.happens(Event::Sign),
            Effect::Persist => {
                fault::point("trader.before");
                write(&self.setup.state, &cbor::encode(&self.machine));
                fault::point("trader.after");
            }
            Effect::Send(message) => {
                let bytes = cbor::encode(&message);
                let name = semper_base::Digest::of(&bytes).hex();
                write(&self.setup.outbox.join(format!("{}-{name}.msg", message.kind())), &bytes);
                fault::point("trader.sent");
            }
            Effect::Ask(request) => {
                if let Some(answer) = self.remote.ask(&request) {
                    fault::point("trader.answered");
                    self.happens(Event::Answer(answer));
                }
            }
            Effect::Hold(order) => match self.remote.hold(&self.setup.account, &order) {
                Some(Ok(fact)) => {
                    fault::point("trader.held");
                    self.happens(Event::Fact(fact));
                }
                Some(Err(_)) => self.happens(Event::Refused),
                None => {}
            },
            Effect::Claim(claimed) => {
                let request = ClaimRequest {
                    exchange: self.agreement.subject(),
                    leaf: party::money_leaf(&self.agreement, claimed.payer).unwrap(),
                    third_party: self.agreement.third_party.sign,
                    claim: claimed.claim,
                };
                if let Some(fact) = self.remote.claim(&request) {
                    fault::point("trader.claimed");
                    self.happens(Event::Fact(fact));
                }
            }
        }
    }

    /// Everything that lies in the inbox.
    fn read(&mut self, seen: &mut Vec<PathBuf>) {
        let mut files: Vec<PathBuf> =
            fs::read_dir(&self.setup.inbox).unwrap().map(|it| it.unwrap().path()).collect();
        files.retain(|it| it.extension().is_some_and(|it| it == "msg") && !seen.contains(it));
        files.sort();
        for file in &files {
            // What a network has spoilt is no message.
            let message = fs::read(file).ok().and_then(|it| cbor::decode(&it, MOST).ok());
            let Some(message): Option<Message<Standard>> = message else { continue };
            self.happens(Event::Message(message));
        }
        seen.extend(files);
    }
}

fn main() {
    let setup = std::env::args().nth(1).unwrap();
    let setup: Setup = serde_json::from_slice(&fs::read(setup).unwrap()).unwrap();
    let agreement: Agreed<Standard> = cbor::decode(&unhex(&setup.agreement), MOST).unwrap();
    let secrets: Vec<Secret<Standard>> = cbor::decode(&unhex(&setup.secrets), MOST).unwrap();
    let seed: [u8; 32] = unhex(&setup.seed).try_into().unwrap();
    let keys = Keys::new(SigningKey::from_seed(&seed), Goods::default());
    for (sealed, length) in &setup.sealed {
        keys.goods().keep_raw(&unhex(sealed), *length);
    }
    let machine = match fs::read(&setup.state) {
        Ok(bytes) => cbor::decode(&bytes, MOST).unwrap(),
        Err(_) => Driven::new(agreement.clone(), setup.role, secrets),
    };
    let patience = Duration::from_millis(setup.patience_ms);
    let remote = Remote::new(setup.places.clone());
    let mut trader = Trader { setup, machine, keys, remote, agreement, heard: Instant::now() };
    let mut seen = Vec::new();
    trader.happens(Event::Start);
    let (begun, mut sent, mut over) = (Instant::now(), Instant::now(), None);
    loop {
        trader.read(&mut seen);
        if sent.elapsed() > Duration::from_millis(150) {
            trader.happens(Event::Resend);
            // What came may come again: a network repeats.
            seen.clear();
            sent = Instant::now();
        }
        let idle = trader.is_idle();
        if trader.heard.elapsed() > patience * (1 + 2 * u32::from(idle)) && trader.end().is_none() {
            // Who never hears a promise leaves, as the shipped host does.
            trader.happens(if idle { Event::Cancel } else { Event::TimeUp });
            trader.heard = Instant::now();
        }
        if trader.end().is_some() && !trader.owes() {
            // It stays a while for a peer that has not heard the last message.
            let since = *over.get_or_insert_with(Instant::now);
            if since.elapsed() > Duration::from_millis(350) {
                break;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no end");
        std::thread::sleep(Duration::from_millis(10));
    }
    let end = trader.end().unwrap();
    let kept = trader.machine.kept();
    let evidence = semper_exchange::judge::Evidence::of(trader.agreement.clone()).with(kept);
    write(&trader.setup.state.with_extension("evidence"), &cbor::encode(&evidence));
    println!("{end:?}");
}
