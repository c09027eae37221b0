//! The TINGUIN itself: one request in, one reply out, and the keys behind it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use semper_base::{Certificate, DealId, Digest, Timestamp, cbor};
use semper_device::ToHost;
use semper_exchange::standard;
use semper_items::DealKeys;
use semper_keeper::{Panicked, Post, Spawn, Turn};
use semper_tinguin_protocol::protocol::{self, MAX_POSE_MS, Reply, Request};
use semper_tinguin_protocol::screen::{self, Answer, Frame, Screen};
use semper_tinguin_protocol::{Attention as _, Cause, Face, Failure, Told};
use serde_bytes::ByteBuf;

use crate::direct::Direct;
use crate::failure::{broken, damaged, host_at_fault, malformed, refused};
use crate::keystore::Keystore;
use crate::lock::{Lock, Locking};
use crate::memory::{KnownDeal, Memory};
use crate::posed::Posed;

/// What was told lately is shown, at most so much.
const SHOWN: u32 = 6;
/// How long the asker sleeps where nobody rings.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long a watch for answers is held.
const HOLD: Duration = Duration::from_secs(20);

/// The running TINGUIN.
pub struct Service {
    pub(crate) lock: Arc<Lock>,
    pub(crate) locking: Option<Locking>,
    /// What was tried before it was opened, for the first screen.
    pub(crate) tried: Option<String>,
    pub(crate) memory: Memory,
    pub(crate) face: Box<dyn Face>,
    /// One question at a time, whatever asks.
    asking: Mutex<()>,
    /// The end of our certificate, once it has been looked at: every frame may have to say it.
    pub(crate) until: Mutex<Option<Timestamp>>,
    pub(crate) posed: Posed,
    pub(crate) direct: Direct,
    /// One opens the keys at a time.
    pub(crate) opening: Mutex<()>,
    /// The host on another machine, until it is answered.
    host: Mutex<Option<ToHost>>,
    /// What was told about the person lately, the last of it first.
    told: Mutex<VecDeque<Told>>,
    user: String,
    phrase: String,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", self.user)
    }
}

impl Service {
    /// A TINGUIN of this user, with this personal phrase.
    pub fn new(
        keys: Keystore,
        memory: Memory,
        face: Box<dyn Face>,
        user: String,
        phrase: String,
    ) -> Self {
        let (asking, until, posed, direct, host, locking, tried) = Default::default();
        let opening = Mutex::default();
        // What was told before a restart is shown after it; a store that fails says so elsewhere.
        let told = Mutex::new(memory.told(SHOWN).unwrap_or_default().into());
        let lock = Arc::new(Lock::open_with(keys));
        Self {
            lock,
            locking,
            tried,
            memory,
            face,
            asking,
            until,
            posed,
            direct,
            opening,
            host,
            told,
            user,
            phrase,
        }
    }

    /// The TINGUIN of a host on another machine, with which it was paired.
    #[must_use]
    pub fn for_host(self, host: Option<ToHost>) -> Self {
        Self { host: Mutex::new(host), ..self }
    }

    pub(crate) fn take_host(&self) -> Option<ToHost> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts posed questions to the person, one after the other. To be called once: there is one
    /// person.
    pub fn keep_asking(self: &Arc<Self>, spawn: &dyn Spawn) {
        let asker = Arc::clone(self);
        let turn = move |_: &Post| asker.ask_next();
        spawn.keep("asker", self.posed.bell(), Box::new(turn));
        self.keep_locking(spawn);
        if let Some(tried) = &self.tried {
            self.shows(None, format!("waiting for your host · {tried}"));
        }
    }

    fn ask_next(&self) -> Turn {
        let Some((id, request)) = self.posed.next() else { return Turn::Wait(IDLE) };
        let reply = self.answer(request).unwrap_or_else(Reply::NotDone);
        let failure = matches!(reply, Reply::NotDone(_)).then_some(reply);
        self.posed.done(id, failure);
        Turn::Again
    }

    /// What has been answered after this number, without waiting for more.
    pub(crate) fn news(&self, epoch: Digest, after: u64) -> Reply {
        Reply::News(self.posed.watch(epoch, after, Duration::ZERO))
    }

    /// The TINGUIN ends: nobody is asked any more, and whoever waits for an answer hears so now.
    pub fn end(&self) {
        self.posed.end();
    }

    /// Carries out one request.
    pub fn answer(&self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Who => {
                let chain = self.in_use()?.1;
                let name = chain.first().map(Certificate::subject).unwrap_or_default();
                Ok(Reply::Who { name, chain })
            }
            Request::DealKeys(nonce) => Ok(Reply::DealKeys(self.deal_keys(&nonce)?)),
            Request::SignAgreement { id, agreement, context } => {
                self.once(&id, &agreement, |this| this.sign_agreement(&id, &agreement, &context))
            }
            Request::SignStatement { id, statement, refers } => {
                self.once(&id, &statement, |this| this.sign_statement(&id, &statement, &refers))
            }
            Request::SignMessage(bytes) => self.sign_message(&bytes),
            Request::Open { deal, sealed } => {
                let known = self.known(&deal)?;
                let info = semper_items::message::SEAL_INFO;
                let plain = self
                    .keys()?
                    .deal_seal(&known.nonce)
                    .open(info, deal.digest().as_bytes(), &sealed)
                    .map_err(|error| {
                        let mend = "the message is lost or not for you";
                        Failure::new(Cause::Sealed, error.to_string(), mend)
                    })?;
                Ok(Reply::Opened(ByteBuf::from(plain)))
            }
            Request::SignAccountRequest(bytes) => self.sign_account_request(&bytes),
            Request::Ask { id, deal, question, filled } => {
                self.put_question(&id, deal, &question, filled.as_ref())
            }
            Request::Fill { id, deal, question, filled } => {
                self.fill(&id, deal, &question, &filled)
            }
            Request::Look { id, question } => {
                let stored = self.stored(&id, Digest::of(&cbor::encode(&question)))?;
                Ok(stored.unwrap_or(Reply::Pending))
            }
            Request::Pair { id, pairing } => {
                self.once(&id, &pairing, |this| this.decide_pairing(&id, &pairing))
            }
            Request::OpenLink { id, merchant, fills } => self.decide_link(&id, &merchant, &fills),
            Request::AgreeExchange { id, deal, exchange } => {
                let asked = cbor::encode(&(deal, &exchange));
                self.once(&id, &asked, |this| this.agree_exchange(&id, deal, &exchange))
            }
            Request::SignExchange { deal, subject, kind, body } => {
                self.sign_exchange(deal, subject, &kind, &body)
            }
            Request::SignHold(statement) => self.sign_hold(&statement),
            Request::OpenShare { deal, half, leaf, sealed } => {
                let known = self.known(&deal)?;
                let key = self.keys()?.deal_seal(&known.nonce);
                let opened = key.open(standard::purpose(half), leaf.as_bytes(), &sealed);
                Ok(Reply::Share(opened.ok().map(ByteBuf::from)))
            }
            Request::ExchangeSeed { deal, purpose } => {
                let known = self.known(&deal)?;
                Ok(Reply::Seed(self.keys()?.exchange_seed(&known.nonce, &purpose)))
            }
            Request::Pose { request, wait_ms } => self.pose(*request, wait_ms),
            Request::Withdraw(id) => {
                self.posed.withdraw(id);
                self.direct.withdraw(&id);
                Ok(Reply::Done)
            }
            Request::Watch { epoch, after } => {
                Ok(Reply::News(self.posed.watch(epoch, after, HOLD)))
            }
            Request::Given { deal, what, value } => self.given(deal, &what, &value),
            Request::Progress { deal, text } => {
                let known = self.known(&deal)?;
                self.shows(Some(&known), text);
                Ok(Reply::Done)
            }
            Request::RequestCertificate(name) => self.request_certificate(&name),
            Request::RequestNextCertificate(name) => self.request_next(&name),
            Request::Renew => self.renew(),
            Request::InstallCertificate(chain) => self.install(&chain, false),
            Request::Lock => self.lock_now(),
            Request::Unlock(pass_phrase) => self.unlock(&pass_phrase),
        }
    }

    /// Puts a question in line for the person, and waits a while for the answer.
    fn pose(&self, request: Request, wait_ms: u64) -> Result<Reply, Failure> {
        let id = match &request {
            Request::Ask { id, .. }
            | Request::SignStatement { id, .. }
            | Request::AgreeExchange { id, .. } => *id,
            _ => return Err(malformed(&"only questions can be posed")),
        };
        let wait = Duration::from_millis(wait_ms.min(MAX_POSE_MS));
        if self.memory.answer(&id).map_err(|error| broken(&error))?.is_none() {
            if !self.posed.put(id, request.clone()) {
                let what = "too many questions wait for the person";
                return Err(Failure::new(Cause::Busy, what, "answer some, or leave some deals"));
            }
            match self.posed.wait(id, wait) {
                None => return Ok(Reply::Pending),
                Some(Some(failure)) => return Ok(failure),
                Some(None) => {}
            }
        }
        // Answered, and stored: the stored answer comes back, or the question was withdrawn.
        match self.memory.answer(&id).map_err(|error| broken(&error))? {
            Some(_) => self.answer(request),
            None => Ok(Reply::Pending),
        }
    }

    /// The stored reply to a question, or the reply that `work` makes, stored first.
    pub(crate) fn once(
        &self,
        id: &Digest,
        asked: &[u8],
        work: impl FnOnce(&Self) -> Result<Reply, Failure>,
    ) -> Result<Reply, Failure> {
        let asked = Digest::of(asked);
        if let Some(reply) = self.stored(id, asked)? {
            return Ok(reply);
        }
        // Two connections may ask the same at the same moment (a host that was restarted).
        let _one = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reply) = self.stored(id, asked)? {
            return Ok(reply);
        }
        // Locked, it waits here: the question stays in line.
        self.until_open(id)?;
        let reply = work(self)?;
        let bytes = cbor::encode(&reply);
        self.memory.keep_answer(id, &asked, &bytes).map_err(|error| broken(&error))?;
        Ok(reply)
    }

    pub(crate) fn stored(&self, id: &Digest, asked: Digest) -> Result<Option<Reply>, Failure> {
        match self.memory.answer(id).map_err(|error| broken(&error))? {
            None => Ok(None),
            Some((before, _)) if before != asked => {
                let what = "a question with this id was asked before, in other words";
                Err(host_at_fault(what))
            }
            Some((_, reply)) => {
                cbor::decode(&reply, protocol::MAX_FRAME).map(Some).map_err(|error| damaged(&error))
            }
        }
    }

    /// Puts something to the person about a deal. A decision says what others have filled in there
    /// since the one before.
    pub(crate) fn ask(
        &self,
        id: &Digest,
        known: &KnownDeal,
        screen: Screen,
        status: String,
    ) -> Result<Answer, Failure> {
        let Screen::Consent(mut consent) = screen else {
            return self.ask_about(id, Some(known), screen, status);
        };
        let filled = self.memory.filled(&known.nonce).map_err(|error| broken(&error))?;
        consent.rows.extend(screen::filled(&filled.rows));
        let answer = self.ask_about(id, Some(known), Screen::Consent(consent), status)?;
        if let Some(last) = filled.last {
            self.memory.seen(&known.nonce, last).map_err(|error| broken(&error))?;
        }
        Ok(answer)
    }

    /// As [`Service::ask_about`], of what is asked without a question's stored answer: one question
    /// at a time is before the person.
    pub(crate) fn ask_alone(
        &self,
        id: &Digest,
        screen: Screen,
        status: String,
    ) -> Result<Answer, Failure> {
        let _one = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        self.ask_about(id, None, screen, status)
    }

    pub(crate) fn ask_about(
        &self,
        id: &Digest,
        known: Option<&KnownDeal>,
        screen: Screen,
        status: String,
    ) -> Result<Answer, Failure> {
        let unwanted = || self.posed.is_withdrawn(id) || self.direct.is_withdrawn(id);
        loop {
            self.until_open(id)?;
            // Locked meanwhile, the question leaves the screen; nothing is an answer then, and it is
            // put again.
            let times = self.lock.times();
            let locked = || self.lock.times() != times;
            let withdrawn = || unwanted() || self.posed.is_over() || locked();
            let frame = self.frame(known, screen.clone(), status.clone());
            let answer = self.face.ask(&frame, &withdrawn);
            // What nobody wants to know any more is not an answer, and is not kept as one. A decision
            // that was made just before its asker went is kept: nothing is asked twice.
            let gone = answer == Answer::Leave && self.direct.is_withdrawn(id);
            if gone || self.posed.is_withdrawn(id) {
                return Err(taken_back());
            }
            // Nor is what a face says because it has to end.
            if self.posed.is_over() {
                return Err(ending());
            }
            if !locked() {
                self.lock.touched();
                return Ok(answer);
            }
        }
    }

    /// Waits until the person has unlocked; as long as anybody wants to know.
    fn until_open(&self, id: &Digest) -> Result<(), Failure> {
        let unwanted = || self.posed.is_withdrawn(id) || self.direct.is_withdrawn(id);
        if self.lock.wait(&|| self.posed.is_over() || unwanted()) {
            return Ok(());
        }
        Err(if self.posed.is_over() { ending() } else { taken_back() })
    }

    /// The window with this in the middle.
    pub(crate) fn frame(&self, known: Option<&KnownDeal>, screen: Screen, status: String) -> Frame {
        let status = match self.ends() {
            Some(words) => format!("{status} · {words}"),
            None => status,
        };
        Frame {
            user: self.user.as_str().into(),
            phrase: self.phrase.as_str().into(),
            peer: known.map(|it| it.peer.as_str().into()).unwrap_or_default(),
            service: known.map(|it| it.service.as_str().into()).unwrap_or_default(),
            status: status.into(),
            told: match screen {
                Screen::Idle => self.lately().iter().cloned().collect(),
                _ => Vec::new(),
            },
            screen,
        }
    }

    /// Something was told about the person: it stands on the screen that asks nothing.
    pub(crate) fn tell(&self, new: Vec<Told>) {
        let mut told = self.lately();
        new.into_iter().for_each(|it| told.push_front(it));
        told.truncate(usize::try_from(SHOWN).unwrap_or(0));
    }

    fn lately(&self) -> MutexGuard<'_, VecDeque<Told>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows where things stand; a locked screen shows nothing of it.
    pub(crate) fn shows(&self, known: Option<&KnownDeal>, status: String) {
        if !self.lock.is_locked() {
            self.face.show(&self.frame(known, Screen::Idle, status));
        }
    }

    /// The keys, for one piece of work.
    pub(crate) fn keys(&self) -> Result<Arc<Keystore>, Failure> {
        self.lock.keys()
    }

    pub(crate) fn deal_keys(&self, nonce: &Digest) -> Result<DealKeys, Failure> {
        let keys = self.keys()?;
        Ok(DealKeys { sign: keys.deal_sign(nonce).public(), seal: keys.deal_seal(nonce).public() })
    }

    /// Whether the TINGUIN ends.
    pub(crate) fn is_over(&self) -> bool {
        self.posed.is_over()
    }

    /// Questions in line, the one before the person included.
    pub(crate) fn waiting(&self) -> usize {
        self.posed.waiting() + self.direct.waiting()
    }

    pub(crate) fn known(&self, deal: &DealId) -> Result<KnownDeal, Failure> {
        self.memory.deal(deal).map_err(|error| broken(&error))?.ok_or_else(|| {
            let what = format!("you have not opened {deal} with this TINGUIN");
            refused(what, "use the TINGUIN that signed the deal's agreement")
        })
    }
}

/// A panic over a request costs that request.
pub(crate) fn panicked(panic: &Panicked) -> Failure {
    let mend = "it can be asked again; report this to the project";
    Failure::new(Cause::Busy, format!("the TINGUIN has failed over this: {panic}"), mend)
}

pub(crate) fn taken_back() -> Failure {
    Failure::new(Cause::Busy, "the question has been withdrawn", "")
}

pub(crate) fn ending() -> Failure {
    Failure::new(Cause::Busy, "the TINGUIN ends", "start it again")
}
