//! Network and schedule of one run, and what must hold at its end.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use semper_base::{Amount, Currency, DealId, Digest, KeyId, SigningKey, Timestamp, cbor};
use semper_items::{Message, Side};
use semper_ledger::Ledger;
use semper_runtime::stop::Doubt;
use semper_runtime::{Stop, journal};
use semper_trust::Flow;
use serde::Deserialize;
use turmoil::net::UdpSocket;

use crate::faults::Faults;
use crate::party::Run;
use crate::party::{AGAIN, Deal, Durable, Party, is_kill};
use crate::scripts::{self, PRICE};

const PORT: u16 = 9000;
/// Simulated time after which a deal must be completed.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What a run has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Kills, full disks, jumps of clocks.
    pub faults: [u32; 3],
    /// Simulated milliseconds.
    pub took: u64,
    /// Everything durable at the end, in one digest: the same seed, the same digest.
    pub digest: Option<Digest>,
}

type Script = fn(&mut Run<'_>) -> Result<(), Stop>;

/// Carries the deal of this seed out; an error says what was broken.
pub fn run(seed: u64, flow: &Flow) -> Result<Report, String> {
    // Memory rather than a disk where there is one: durability is not what is simulated.
    let shared = Path::new("/dev/shm");
    let builder = tempfile::Builder::new();
    let folder = if shared.is_dir() { builder.tempdir_in(shared) } else { builder.tempdir() };
    let folder = folder.map_err(|error| error.to_string())?;
    let faults = Rc::new(Faults::new(seed));
    let durable = Rc::new(durable(folder.path())?);
    let deal = deal(seed, flow, &durable.ledger);
    let done = Rc::new([Cell::new(false), Cell::new(false)]);

    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(faults.delay + 1))
        .tick_duration(Duration::from_millis(5))
        .simulation_duration(PATIENCE)
        .build();
    for (side, script) in
        [(Side::Buyer, scripts::buyer as Script), (Side::Seller, scripts::seller as Script)]
    {
        let (deal, faults, durable) = (deal.clone(), Rc::clone(&faults), Rc::clone(&durable));
        let (done, clock) = (Rc::clone(&done), Rc::new(RefCell::new(0)));
        let folder: PathBuf = folder.path().to_owned();
        sim.host(side.name(), move || {
            let (deal, faults, durable) = (deal.clone(), Rc::clone(&faults), Rc::clone(&durable));
            let (done, clock, folder) = (Rc::clone(&done), Rc::clone(&clock), folder.clone());
            async move {
                // A killed party is started again by its operator; everything in memory is
                // made anew.
                loop {
                    let party = Party::open(&folder, side, &deal, &faults, &durable, &clock);
                    let killed = live(&party, script, &done).await?;
                    drop(party);
                    if !killed {
                        return Ok(());
                    }
                    tokio::time::sleep(Duration::from_millis(1 + faults.below(500))).await;
                }
            }
        });
    }
    let waiting = Rc::clone(&done);
    sim.client("end", async move {
        while !waiting.iter().all(Cell::get) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    });
    sim.run().map_err(|error| format!("the deal was not completed: {error}"))?;
    let took = u64::try_from(sim.elapsed().as_millis()).unwrap_or(u64::MAX);
    drop(sim);
    let digest = Some(check(folder.path(), &deal, &durable)?);
    let faults = [0, 1, 2].map(|index: usize| faults.happened[index].get());
    Ok(Report { faults, took, digest })
}

/// A party's life until it is killed (true) or both sides are done (false).
async fn live(
    party: &Party,
    script: Script,
    done: &[Cell<bool>; 2],
) -> Result<bool, Box<dyn std::error::Error>> {
    let own = usize::from(party.side == Side::Seller);
    let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), PORT)).await?;
    let peer = party.side.other().name();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match party.activate(script) {
            Ok(()) => done[own].set(party.is_quiet()),
            Err(stop) if is_kill(&stop) => return Ok(true),
            // What could not be written is tried again.
            Err(Stop::Pause(_) | Stop::Doubt(Doubt::Archive(_))) => {}
            Err(stop) => return Err(format!("the {} has failed: {stop}", party.side.name()).into()),
        }
        for datagram in party.outbox() {
            if party.boundary().is_err() {
                return Ok(true);
            }
            post(party, &socket, peer, &datagram).await?;
        }
        let came = tokio::time::timeout(AGAIN, socket.recv_from(&mut buffer)).await;
        let Ok(Ok((length, from))) = came else { continue };
        match party.take(&buffer[..length]) {
            Ok(Some(answer)) => {
                if party.boundary().is_err() {
                    return Ok(true);
                }
                let _ = from;
                post(party, &socket, peer, &answer).await?;
            }
            Ok(None) => done[own].set(party.activate(script).is_ok() && party.is_quiet()),
            Err(stop) if is_kill(&stop) => return Ok(true),
            Err(_) => {}
        }
    }
}

/// Sends a datagram: once, twice or not at all. turmoil delays each by itself, so that they
/// overtake one another.
async fn post(
    party: &Party,
    socket: &UdpSocket,
    peer: &str,
    bytes: &[u8],
) -> Result<(), Box<dyn std::error::Error>> {
    if !party.faults.happens(party.faults.loss) {
        socket.send_to(bytes, (peer, PORT)).await?;
    }
    if party.faults.happens(party.faults.repeat) {
        socket.send_to(bytes, (peer, PORT)).await?;
    }
    Ok(())
}

fn durable(folder: &Path) -> Result<Durable, String> {
    let ledger = Ledger::open(&folder.join("ledger.sqlite")).map_err(|error| error.to_string())?;
    Ok(Durable { ledger, shop: RefCell::default(), asked: RefCell::default() })
}

fn deal(seed: u64, flow: &Flow, ledger: &Ledger) -> Deal {
    let id = DealId::new(Digest::of(&seed.to_be_bytes()));
    let key = |name: &[u8]| {
        let seed = Digest::of_parts(&[name, &seed.to_be_bytes()]);
        Rc::new(SigningKey::from_seed(seed.as_bytes()))
    };
    let keys = [key(b"buyer"), key(b"seller")];
    let accounts = [0, 1].map(|index: usize| {
        let owner: KeyId = keys[index].public().id();
        ledger.open_account(owner, "party", Currency::EUR).unwrap().id
    });
    let now = Timestamp::from_millis(1_790_000_000_000).unwrap();
    ledger.fund(&accounts[0], Amount::new(100_000, Currency::EUR), now).unwrap();
    Deal { id, keys, flow: flow.clone(), accounts }
}

/// What must hold: everything has happened exactly once, and the archives verify.
fn check(folder: &Path, deal: &Deal, durable: &Durable) -> Result<Digest, String> {
    let broken = |what: String| Err(what);
    durable.ledger.audit().map_err(|error| error.to_string())?;
    let balance = |index: usize| durable.ledger.account(&deal.accounts[index]).unwrap().balance;
    if (balance(0).minor(), balance(1).minor()) != (100_000 - PRICE, PRICE) {
        return broken(format!("paid {} and received {}", balance(0), balance(1)));
    }
    let shop = durable.shop.borrow();
    if shop.len() != 2 {
        return broken(format!("{} reservations and parcels instead of one each", shop.len()));
    }
    let asked = durable.asked.borrow();
    // Four questions and order, payment, completion; offer, receipt, shipping note.
    if asked.len() != 7 + 3 {
        return broken(format!("{} questions were put", asked.len()));
    }
    let mut all = Vec::new();
    let mut of = [Vec::new(), Vec::new()];
    for (index, side) in [Side::Buyer, Side::Seller].into_iter().enumerate() {
        let file = crate::party::file(folder, side);
        let archive = semper_archive::Archive::open_file(&file).map_err(|it| it.to_string())?;
        let rows = archive.journal(deal.id).map_err(|error| error.to_string())?;
        let heads = journal::verify_chain(&rows).map_err(|stop| stop.to_string())?;
        let sent = archive.all_messages(deal.id, true).map_err(|error| error.to_string())?;
        let got = archive.all_messages(deal.id, false).map_err(|error| error.to_string())?;
        let mut previous = Digest::ZERO;
        for (number, row) in sent.iter().enumerate() {
            let message = Message::unverified(&row.bytes).unwrap();
            let header = &message.header;
            let whole = header.seq == number as u64 + 1
                && header.previous == previous
                && heads.contains(&header.journal);
            if !whole {
                return broken(format!("message {} of the {}", header.seq, side.name()));
            }
            previous = row.digest;
        }
        // A journal is the same in every run of a seed, but for its salts and what follows
        // from them; so calls and times are compared.
        for row in &rows {
            let record: journal::Record = cbor::decode(&row.record, 4096).unwrap();
            all.extend_from_slice(record.function.as_bytes());
            if record.function == "now" {
                all.extend_from_slice(&row.result);
            }
        }
        let digests = |rows: &[semper_archive::MessageRow]| -> Vec<Digest> {
            rows.iter().map(|row| row.digest).collect()
        };
        of[index] = vec![digests(&sent), digests(&got)];
    }
    if of[0][0] != of[1][1] || of[0][1] != of[1][0] {
        return broken("one side has received something else than the other has sent".into());
    }
    Ok(Digest::of(&all))
}

/// The flow of mail-order, from its description.
pub fn mail_order(description: &str) -> Flow {
    #[derive(Deserialize)]
    struct File {
        flow: Flow,
    }
    toml::from_str::<File>(description).unwrap().flow
}
