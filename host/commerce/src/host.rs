//! A party's host: its parts, its deals' activations, messages in and out.

mod ending;
mod exchanges;
mod messages;
mod notices;
mod paid;
mod schedule;
mod waits;

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use semper_archive::{Archive, DealRow, EvidenceRow, Home, Seen, Write};
use semper_base::cert::Verifier;
use semper_base::{Certificate, Clock, DealId, Digest, Mend, PublicKey, Timestamp};
use semper_items::{Agreement, Kind, Side, Statement};
use semper_keeper::{Job, Keeper, Spawn};
use semper_net::Client;
use semper_payment::{Confirmed, Manager, PaymentError};
use semper_tinguin_protocol::ClientError;
use semper_tinguin_protocol::failure::{Cause, Failure};
use semper_trust::VerifiedTerms;

use semper_runtime::business::Business;
use semper_runtime::context::Context;
use semper_runtime::handles::{Deal, Received};
use semper_runtime::journal::Journal;
use semper_runtime::stop::{Doubt, Pause, Stop};
use semper_runtime::{Lane, Runtime};

use crate::elsewhere::Elsewhere;
use crate::errands::{Awaited, Errands};
use crate::lists::Lists;
use crate::means::{Equip, Equipment, Means};
use crate::running::Running;
use crate::terms::Shelf;

use exchanges::Exchanges;
pub use exchanges::{EXCHANGE, Said, Standing, Whom};
pub use messages::{Accepted, Ended, MessageRefusal};
use schedule::Schedule;
pub use schedule::{Group, Signal};
pub(crate) use waits::Undecided;

/// Waits and effects that an activation may end in the fast lane.
const FAST_COMMITS: u32 = 48;
/// Bytes that it may write there.
const FAST_BYTES: u64 = 512 * 1024;
/// How often, and how long, a host waits for whoever only looks whether one runs.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(10);
/// Deals whose agreements are kept decoded.
const DEALS: usize = 1_024;

/// A context after its activation, and how that ended.
type Ran = (Context, Result<Result<(), String>, Stop>);

/// A component that is being made ready.
pub type Preparing = Job<Result<(), Stop>>;

/// Hears of a deal in which something has happened.
type Stirs = Box<dyn Fn(DealId) + Send + Sync>;

/// Hears what happens in a deal, one sentence at a time.
pub type Notice = Box<dyn Fn(DealId, &str) + Send + Sync>;

/// What a host is made of.
pub struct HostParts {
    /// The home.
    pub home: Arc<Home>,
    /// That no other host runs it.
    pub only: Only,
    /// Its archive.
    pub archive: Archive,
    /// The revocation lists that it knows.
    pub lists: Arc<Lists>,
    /// Its TINGUIN.
    pub tinguin: semper_tinguin_protocol::Client,
    /// Whom it believes, how it pays, how it reaches others: for deals that begin now.
    pub means: Means,
    /// Makes the means of deals that began under another configuration.
    pub equip: Equip,
    /// The merchant's own affairs, for a merchant.
    pub business: Option<Arc<dyn Business>>,
    /// Activations at once.
    pub workers: usize,
    /// How long an activation stays in memory when it has to wait.
    pub grace: Duration,
    /// What components run in.
    pub runtime: Arc<Runtime>,
    /// Hears what happens, one sentence at a time.
    pub notice: Notice,
    /// Knows who answers questions, if not only the person.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    /// What it takes time from.
    pub clock: Arc<dyn Clock>,
    /// Where its loops and errands run; a keeper gives them threads.
    pub spawn: Arc<dyn Spawn>,
}

/// What of a host's parts it keeps as they are.
struct Parts {
    home: Arc<Home>,
    archive: Archive,
    tinguin: semper_tinguin_protocol::Client,
    business: Option<Arc<dyn Business>>,
    grace: Duration,
    notice: Notice,
    elsewhere: Option<Arc<dyn Elsewhere>>,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
}

/// A deal that runs, and what it lives by.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub deal: Arc<Deal>,
    pub means: Arc<Means>,
}

/// A running host.
pub struct Host {
    parts: Parts,
    equipment: Equipment,
    shelf: Shelf,
    runtime: Arc<Runtime>,
    schedule: Arc<Schedule>,
    exchanges: Arc<Exchanges>,
    errands: Errands,
    /// What payment systems answer to activations.
    paid: Awaited<Result<Confirmed, PaymentError>>,
    system_keys: Awaited<Result<PublicKey, PaymentError>>,
    identity: OnceLock<(String, Vec<Certificate>)>,
    deals: Mutex<HashMap<DealId, Own>>,
    /// Hears of deals in which something has happened that their links are to see to.
    stirs: OnceLock<Stirs>,
    _only: Only,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.schedule.close();
        self.exchanges.close();
        self.parts.spawn.end();
    }
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error, Mend)]
pub enum HostError {
    /// Another process runs this home's deals.
    #[error("another host of {} is running", .0.display())]
    #[mend(
        "end it first (Ctrl-C in its terminal, or semper run --end): nothing is lost, and semper deals \
         --home {} --resume goes on with its deals",
        .0.display()
    )]
    Running(PathBuf),
    /// The lock's file.
    #[error("{}: {detail}", file.display())]
    #[mend("check the home's permissions")]
    Lock {
        /// Which.
        file: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The runtime or the archive.
    #[error(transparent)]
    #[mend(from)]
    Stop(#[from] Stop),
}

/// The lock of a home: as long as this is kept, no other host runs the home. It ends with the process,
/// however that ends.
#[derive(Debug)]
pub struct Only(#[expect(dead_code, reason = "what is kept is the lock")] File);

/// Locks a home for a host. Whoever makes more than reads of a home's files for it does that
/// afterwards.
///
/// # Errors
/// Another host runs it.
pub fn lock(home: &Home) -> Result<Only, HostError> {
    let path = home.path().join("host.lock");
    let failed =
        |error: std::io::Error| HostError::Lock { file: path.clone(), detail: error.to_string() };
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(failed)?;
    for attempt in 0.. {
        match file.try_lock() {
            Ok(()) => break,
            // Somebody may only look whether a host runs.
            Err(TryLockError::WouldBlock) if attempt < LOOKS => std::thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => {
                return Err(HostError::Running(home.path().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
    Ok(Only(file))
}

/// Whether a host runs this home's deals now.
pub fn runs(home: &Home) -> bool {
    let file = File::open(home.path().join("host.lock"));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host({})", self.parts.home.path().display())
    }
}

impl Host {
    /// Starts a host: its workers, and every deal that is not asleep. One host at a time runs
    /// a home's deals; a second is refused.
    pub fn start(parts: HostParts) -> Result<Arc<Self>, HostError> {
        let HostParts { home, only, archive, lists, tinguin, means, equip, business, .. } = parts;
        let HostParts { workers, grace, runtime, notice, elsewhere, clock, spawn, .. } = parts;
        let equipment = Equipment::start(&archive, means, equip)?;
        let trust = equipment.present().trust.clone();
        let host = Arc::new(Self {
            shelf: Shelf::new(Arc::clone(&home), lists, trust, Arc::clone(&clock)),
            runtime,
            schedule: Arc::default(),
            exchanges: Arc::default(),
            errands: Errands::new(Arc::clone(&spawn)),
            paid: Awaited::default(),
            system_keys: Awaited::default(),
            identity: OnceLock::new(),
            deals: Mutex::default(),
            stirs: OnceLock::new(),
            equipment,
            _only: only,
            parts: Parts {
                home,
                archive,
                tinguin,
                business,
                grace,
                notice,
                elsewhere,
                clock,
                spawn,
            },
        });
        schedule::start(&host, workers);
        notices::watch(&host);
        exchanges::start(&host)?;
        // What sleeps is woken by what it waits for.
        for id in host.archive().awake().map_err(Stop::from)? {
            host.wake(id);
        }
        Ok(host)
    }

    /// The archive.
    pub fn archive(&self) -> &Archive {
        &self.parts.archive
    }

    /// The TINGUIN.
    pub fn tinguin(&self) -> &semper_tinguin_protocol::Client {
        &self.parts.tinguin
    }

    /// The date and time, as this host sees it.
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// What the host takes time from.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.parts.clock
    }

    /// A point in time that never goes back.
    pub(crate) fn instant(&self) -> Instant {
        self.parts.clock.instant()
    }

    /// Where the host's loops run.
    pub(crate) fn spawn(&self) -> &dyn Spawn {
        &*self.parts.spawn
    }

    /// The means of deals that begin now.
    pub fn means(&self) -> Arc<Means> {
        self.equipment.present()
    }

    /// Another configuration, for deals that begin from now on.
    ///
    /// # Errors
    /// The archive cannot keep it; the one before stays.
    pub fn adopt(&self, means: Means) -> Result<(), Stop> {
        let trust = means.trust.clone();
        self.equipment.replace(self.archive(), means)?;
        self.shelf.believe(trust);
        Ok(())
    }

    /// The way to others, for deals that begin now.
    pub fn net(&self) -> Client {
        self.means().net.clone()
    }

    /// The runtime that components run in.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Payment modules of deals that begin now.
    pub fn payments(&self) -> Manager {
        self.means().payments.clone()
    }

    /// The merchant's own affairs.
    pub fn business(&self) -> Option<&Arc<dyn Business>> {
        self.parts.business.as_ref()
    }

    /// Terms of business.
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Believes parties of new deals: whom the authorities vouch for, and have not withdrawn.
    pub fn verifier(&self) -> Verifier {
        self.shelf.lists().verifier(&self.means().trust)
    }

    /// What payment systems answer to payment orders.
    pub(crate) fn paid(&self) -> &Awaited<Result<Confirmed, PaymentError>> {
        &self.paid
    }

    /// What payment systems answer when they are asked for their keys.
    pub(crate) fn system_keys(&self) -> &Awaited<Result<PublicKey, PaymentError>> {
        &self.system_keys
    }

    /// Our certified name and chain; asked of the TINGUIN once.
    pub fn identity(&self) -> Result<(String, Vec<Certificate>), ClientError> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity.clone());
        }
        let identity = self.tinguin().who()?;
        if identity.0.is_empty() {
            let what = "this home has not been registered with an authority";
            let mend = "semper register --help";
            return Err(ClientError::NotDone(Failure::new(Cause::Trouble, what, mend)));
        }
        Ok(self.identity.get_or_init(|| identity).clone())
    }

    /// By whom a deal is begun, if not by the person herself.
    pub(crate) fn begun_by(&self, nonce: Digest) -> Option<String> {
        self.parts.elsewhere.as_ref().and_then(|it| it.begun_by(nonce))
    }

    /// Tells whoever listens.
    pub fn notice(&self, deal: DealId, text: &str) {
        (self.parts.notice)(deal, text);
    }

    /// Tells the person where a deal stands.
    pub fn progress(&self, deal: DealId, text: String) {
        self.notice(deal, &text);
        self.tinguin().progress(deal, text);
    }

    /// Stores a deal that both sides have signed, with the agreements as evidence, and starts
    /// its service.
    pub fn open(
        &self,
        agreement: &Agreement,
        side: Side,
        address: &str,
        signed: [(&str, &[u8]); 2],
        with: Vec<Write>,
    ) -> Result<DealId, Stop> {
        let (id, now) = (agreement.id(), self.now());
        let peer = (agreement.name(side.other()), address);
        let (terms, bytes) = (agreement.hello.terms, agreement.encode());
        let mut row = DealRow::opened(id, side, peer, terms, bytes, now);
        let mut writes = with;
        row.basis = self.equipment.basis();
        row.seen = self.seen(row.side, &row.peer)?;
        writes.push(Write::NewDeal(Box::new(row)));
        for (signer, bytes) in signed {
            let summary = format!("agreement to deal under terms {:?}", agreement.hello.terms);
            writes.push(evidence(Some(id), "agreement", signer, &summary, bytes, now));
        }
        self.archive().commit(writes)?;
        self.notice(id, "the deal is open");
        self.wake(id);
        Ok(id)
    }

    /// How a merchant is seen by this home now; a merchant's own policies ask nothing about buyers.
    fn seen(&self, side: Side, peer: &str) -> Result<Seen, Stop> {
        if side == Side::Seller {
            return Ok(Seen::default());
        }
        let merchants = self.archive().merchants()?;
        let others = merchants.iter().map(String::as_str);
        let suspicious = semper_trust::lookalike::suspicion(peer, others).is_some();
        Ok(Seen { known: merchants.iter().any(|it| it == peer), suspicious })
    }

    /// Has a deal's terms compiled and linked, in a thread of its own that this keeper gives, so
    /// that they are ready when a deal is opened.
    pub fn prepare(
        self: &Arc<Self>,
        terms: &Arc<VerifiedTerms>,
        side: Side,
        keeper: &Keeper,
    ) -> Preparing {
        let (host, terms) = (Arc::clone(self), Arc::clone(terms));
        keeper.job("preparing", move |_| host.runtime.ready(&terms, side).map(drop))
    }

    /// Runs a deal until it ends or has to wait: what a worker does when the deal is woken.
    pub fn activate(self: &Arc<Self>, id: DealId, lane: Lane) {
        let row = match self.archive().deal(id) {
            Ok(Some(row)) if !row.state.is_final() => row,
            Ok(_) => return,
            Err(error) => {
                tracing::error!(deal = id.short(), %error, "the deal cannot be read");
                if let Some(pauses) = Doubt::Archive(error).pauses() {
                    self.retry(id, pauses);
                }
                return;
            }
        };
        if let Err(stop) = self.run(&row, lane) {
            tracing::error!(deal = id.short(), %stop, "the deal's state cannot be stored");
            match stop {
                Stop::Pause(Pause::Again { needed, .. }) => self.retry(id, needed.pauses()),
                Stop::Doubt(doubt) => {
                    if let Some(pauses) = doubt.pauses() {
                        self.retry(id, pauses);
                    }
                }
                Stop::Pause(_) | Stop::Verdict(_) => {}
            }
        }
        self.schedule.asked(id);
        self.stirred(id);
    }

    /// Whoever links this host's deals hears of those in which something has happened.
    pub(crate) fn tells_of(&self, stirs: impl Fn(DealId) + Send + Sync + 'static) {
        let _ = self.stirs.set(Box::new(stirs));
    }

    /// Something has happened in a deal that its link is to see to.
    pub(crate) fn stirred(&self, id: DealId) {
        if let Some(stirs) = self.stirs.get() {
            stirs(id);
        }
    }

    /// Runs a deal, over checkpoints, and stores how that ended.
    fn run(self: &Arc<Self>, row: &DealRow, lane: Lane) -> Result<(), Stop> {
        let own = match self.own(row) {
            Ok(own) => own,
            Err(stop) => return self.store(row, None, Err(stop)),
        };
        let deal = Arc::clone(&own.deal);
        // What is heavy, or is to be compiled first, does not keep others waiting.
        let light =
            self.runtime.is_ready(&deal.terms, deal.side) && !self.schedule.is_heavy(&row.terms);
        if lane == Lane::Fast && !light {
            self.wake_slow(row.id);
            return Ok(());
        }
        let mut begins = row.waits.begins;
        let mut cancel = Some(row.waits.cancel.clone());
        loop {
            let (mut context, outcome) = match self.run_once(&own, begins, cancel.take(), lane) {
                Ok(done) => done,
                Err(stop) => return self.store(row, Some((&deal, None)), Err(stop)),
            };
            if matches!(&outcome, Err(stop) if stop.is_checkpoint()) {
                begins = context.journal.len() - 1;
                continue;
            }
            let outcome =
                outcome.and_then(|said| context.ended(said)).map_err(|it| context.shown(it));
            return self.store(row, Some((&deal, Some(&mut context))), outcome);
        }
    }

    /// One run: from the deal's beginning, or from its last checkpoint.
    fn run_once(
        self: &Arc<Self>,
        own: &Own,
        begins: u64,
        cancel: Option<Option<String>>,
        lane: Lane,
    ) -> Result<Ran, Stop> {
        let deal = &own.deal;
        let ready = self.runtime.ready(&deal.terms, deal.side)?;
        let journal = Journal::load(self.archive(), deal.id, begins, deal.grants().limits)?;
        let journal = match lane {
            Lane::Fast => journal.within(FAST_COMMITS, FAST_BYTES),
            Lane::Slow => journal.paced(),
        };
        let world = Running::new(Arc::clone(self), own.clone(), cancel);
        let context = Context::new(Arc::new(world), Arc::clone(deal), journal)?;
        Ok(self.runtime.run(&ready, context, lane))
    }

    /// What never changes about a deal, from its row; kept for those in use.
    pub fn deal(&self, row: &DealRow) -> Result<Arc<Deal>, Stop> {
        Ok(self.own(row)?.deal)
    }

    /// A deal with what it lives by, from its row; kept for those in use.
    pub(crate) fn own(&self, row: &DealRow) -> Result<Own, Stop> {
        if let Some(own) = self.deals().get(&row.id) {
            return Ok(own.clone());
        }
        let means = self.equipment.of(self.archive(), row)?;
        let own = Own { deal: Arc::new(self.shelf.deal(row, &means.trust)?), means };
        let mut deals = self.deals();
        if deals.len() >= DEALS {
            deals.clear();
        }
        deals.insert(row.id, own.clone());
        Ok(own)
    }

    fn deals(&self) -> MutexGuard<'_, HashMap<DealId, Own>> {
        self.deals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A statement of ours as evidence.
    pub(crate) fn evidence_of(&self, statement: &Statement, signed: &[u8]) -> Vec<Write> {
        let signer = self.identity().map(|it| it.0).unwrap_or_default();
        let kind = statement.content.kind().name();
        let summary = semper_tinguin_protocol::screen::summary(statement);
        vec![evidence(Some(statement.deal), kind, &signer, &summary, signed, statement.made)]
    }

    /// A received item as evidence, if it is signed.
    pub(crate) fn evidence_of_received(
        &self,
        deal: &Deal,
        received: &Received,
        at: Timestamp,
    ) -> Vec<Write> {
        let id = Some(deal.id);
        match received {
            // What comes of an exchange is evidence when it has ended.
            Received::Information(..) | Received::Talk(_) => Vec::new(),
            Received::Statement(signed) => {
                let kind = signed.statement().content.kind().name();
                let summary = semper_tinguin_protocol::screen::summary(signed.statement());
                vec![evidence(id, kind, &signed.signer().name, &summary, signed.bytes(), at)]
            }
            Received::Money(payment) => {
                let summary = format!("payment of {} received", payment.amount);
                let (signer, item) = (&payment.signer, &payment.item);
                vec![evidence(id, Kind::PaymentConfirmation.name(), signer, &summary, item, at)]
            }
        }
    }

    /// A confirmed payment of ours as evidence.
    pub(crate) fn payment_evidence(
        &self,
        deal: DealId,
        confirmed: &Confirmed,
        at: Timestamp,
    ) -> Write {
        let summary = format!("payment of {} made", confirmed.amount);
        let (kind, signer) = (Kind::PaymentConfirmation.name(), &confirmed.signer);
        evidence(Some(deal), kind, signer, &summary, &confirmed.item, at)
    }
}

/// A row of evidence.
pub fn evidence(
    deal: Option<DealId>,
    kind: &str,
    signer: &str,
    summary: &str,
    bytes: &[u8],
    stored: Timestamp,
) -> Write {
    Write::Evidence(EvidenceRow {
        number: 0,
        deal,
        kind: kind.into(),
        digest: Digest::of(bytes),
        signer: signer.into(),
        summary: summary.into(),
        stored,
        bytes: bytes.to_vec(),
    })
}
