//! The TINGUIN's process: a socket that only its user can open, and the keys behind it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use semper_bank_protocol::{ACCOUNT_DOMAIN, AccountRequest};
use semper_base::cert::Request as CertificateRequest;
use semper_base::cose::{self, Signatory};
use semper_base::{Certificate, DealId, Digest, cbor};
use semper_exchange::standard;
use semper_items::agreement::{Agreement, Side};
use semper_items::{DealKeys, Message, SignedStatement, Statement};
use serde_bytes::ByteBuf;

use crate::keystore::Keystore;
use crate::memory::{KnownDeal, Memory};
use crate::posed::Posed;
use crate::protocol::{self, DealContext, MAX_POSE_MS, Reply, Request};
use crate::screen::{self, Answer, Frame, Screen};

/// Connections served at once.
const MAX_CONNECTIONS: usize = 256;
/// How long a watch for answers is held.
const HOLD: Duration = Duration::from_secs(20);
const CHAIN: &str = "chain";

/// What draws frames and brings answers back.
pub trait Face: Send + Sync {
    /// Shows a frame that asks something; the answer. One at a time. A question that is
    /// withdrawn meanwhile may be answered in any way.
    fn ask(&self, frame: &Frame, withdrawn: &dyn Fn() -> bool) -> Answer;
    /// Shows a frame that asks nothing.
    fn show(&self, frame: &Frame);
}

/// The running TINGUIN.
pub struct Service {
    pub(crate) keys: Keystore,
    pub(crate) memory: Memory,
    face: Box<dyn Face>,
    /// One question at a time, whatever asks.
    asking: Mutex<()>,
    posed: Posed,
    user: String,
    phrase: String,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({})", self.user)
    }
}

/// What a failed request says: what and mend.
pub(crate) type Failure = (String, String);

impl Service {
    /// A TINGUIN of this user, with this personal phrase.
    pub fn new(
        keys: Keystore,
        memory: Memory,
        face: Box<dyn Face>,
        user: String,
        phrase: String,
    ) -> Self {
        Self { keys, memory, face, asking: Mutex::new(()), posed: Posed::default(), user, phrase }
    }

    /// Serves the socket until the process ends. A socket that a dead TINGUIN left behind is
    /// replaced; one that answers is another TINGUIN of this home, and an error.
    pub fn serve(self, socket: &Path) -> io::Result<()> {
        if UnixStream::connect(socket).is_ok() {
            let what = "another TINGUIN of this home is running";
            return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
        }
        match std::fs::remove_file(socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(socket)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
        let me = rustix::process::geteuid();
        let open = Arc::new(AtomicUsize::new(0));
        let service = Arc::new(self);
        service.face.show(&service.frame(None, Screen::Idle, "waiting for your host".into()));
        let asker = Arc::clone(&service);
        std::thread::spawn(move || {
            loop {
                let (id, request) = asker.posed.next();
                let reply = asker.answer(request).unwrap_or_else(failed);
                let failure = matches!(reply, Reply::Failed { .. }).then_some(reply);
                asker.posed.done(id, failure);
            }
        });
        for stream in listener.incoming() {
            let stream = stream?;
            // The directory is 0700 and the socket 0600; whoever connects is also asked of the kernel.
            let peer = rustix::net::sockopt::socket_peercred(&stream)?;
            let full = open.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS;
            if peer.uid != me || full {
                open.fetch_sub(1, Ordering::SeqCst);
                continue;
            }
            let (service, open) = (Arc::clone(&service), Arc::clone(&open));
            std::thread::spawn(move || {
                if let Err(error) = service.converse(stream) {
                    tracing::debug!(%error, "a host's connection ended");
                }
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
        Ok(())
    }

    fn converse(&self, mut stream: UnixStream) -> io::Result<()> {
        while let Some(request) = protocol::read::<Request>(&mut stream)? {
            let reply = self.answer(request).unwrap_or_else(failed);
            protocol::write(&mut stream, &reply)?;
        }
        Ok(())
    }

    /// Carries out one request.
    pub fn answer(&self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Who => {
                let chain = self.chain()?;
                let name = chain.first().map(Certificate::subject).unwrap_or_default();
                Ok(Reply::Who { name, chain })
            }
            Request::DealKeys(nonce) => Ok(Reply::DealKeys(self.deal_keys(&nonce))),
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
                    .keys
                    .deal_seal(&known.nonce)
                    .open(info, deal.digest().as_bytes(), &sealed)
                    .map_err(|error| refused(error, "the message is lost or not for you"))?;
                Ok(Reply::Opened(ByteBuf::from(plain)))
            }
            Request::SignAccountRequest(bytes) => {
                // Parsed, so that nothing else can be signed under this name.
                cbor::decode::<AccountRequest>(&bytes, 4096).map_err(|error| malformed(&error))?;
                let key = self.keys.identity();
                let signatory = Signatory::Chain(self.chain()?);
                let signed = cose::sign(&key, &signatory, ACCOUNT_DOMAIN, &bytes);
                Ok(Reply::Signed(ByteBuf::from(signed)))
            }
            Request::Ask { id, deal, question } => {
                if let Some(fault) = question.fault() {
                    return Err((fault, "the service must be mended by its author".into()));
                }
                let asked = cbor::encode(&question);
                self.once(&id, &asked, |this| {
                    let known = this.known(&deal)?;
                    let status = format!("the service asks: {}", question.topic());
                    let answer =
                        this.ask(&id, &known, Screen::Question(question.clone()), status)?;
                    Ok(Reply::Answered(answer))
                })
            }
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
                let key = self.keys.deal_seal(&known.nonce);
                let opened = key.open(standard::purpose(half), leaf.as_bytes(), &sealed);
                Ok(Reply::Share(opened.ok().map(ByteBuf::from)))
            }
            Request::ExchangeSeed { deal, purpose } => {
                let known = self.known(&deal)?;
                Ok(Reply::Seed(self.keys.exchange_seed(&known.nonce, &purpose)))
            }
            Request::Pose { request, wait_ms } => self.pose(*request, wait_ms),
            Request::Withdraw(id) => {
                self.posed.withdraw(id);
                Ok(Reply::Done)
            }
            Request::Watch { epoch, after } => {
                Ok(Reply::News(self.posed.watch(epoch, after, HOLD)))
            }
            Request::Progress { deal, text } => {
                let known = self.known(&deal)?;
                self.face.show(&self.frame(Some(&known), Screen::Idle, text));
                Ok(Reply::Done)
            }
            Request::RequestCertificate(name) => {
                let request = CertificateRequest::new(&name, &self.keys.identity())
                    .map_err(|error| refused(error, "choose another name"))?;
                Ok(Reply::CertificateRequest(request.pem().to_owned()))
            }
            Request::InstallCertificate(chain) => self.install(&chain),
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
                let what = "too many questions wait for the person".to_owned();
                return Err((what, "answer some, or leave some deals".into()));
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
    fn once(
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
        let reply = work(self)?;
        let bytes = cbor::encode(&reply);
        self.memory.keep_answer(id, &asked, &bytes).map_err(|error| broken(&error))?;
        Ok(reply)
    }

    fn stored(&self, id: &Digest, asked: Digest) -> Result<Option<Reply>, Failure> {
        match self.memory.answer(id).map_err(|error| broken(&error))? {
            None => Ok(None),
            Some((before, _)) if before != asked => {
                let what = "a question with this id was asked before, in other words".to_owned();
                Err((what, "the host is at fault; do not go on with this deal".into()))
            }
            Some((_, reply)) => {
                cbor::decode(&reply, protocol::MAX_FRAME).map(Some).map_err(|error| broken(&error))
            }
        }
    }

    fn sign_agreement(
        &self,
        id: &Digest,
        bytes: &[u8],
        context: &DealContext,
    ) -> Result<Reply, Failure> {
        let agreement = Agreement::decode(bytes).map_err(|error| malformed(&error))?;
        let chain = self.chain()?;
        let name = chain.first().map(Certificate::subject).unwrap_or_default();
        // Which side are we? Ours is the side whose keys we can make from the buyer's nonce.
        let side = [Side::Buyer, Side::Seller].into_iter().find(|side| {
            agreement.name(*side) == name
                && *agreement.keys(*side) == self.deal_keys(&self.nonce(&agreement, *side))
        });
        let Some(side) = side else {
            let what = format!("the agreement does not name you, “{name}”, with your own keys");
            return Err((what, "the host is at fault; do not go on with this deal".into()));
        };
        let known = KnownDeal {
            nonce: self.nonce(&agreement, side),
            side: side.name().into(),
            peer: agreement.name(side.other()).into(),
            service: screen::service_line(context),
        };
        let consent = screen::agreement(&agreement, side, context);
        let status = format!("deciding whether to open a deal with {}", known.peer);
        match self.ask(id, &known, Screen::Consent(consent), status)? {
            Answer::Yes => {
                let peer = agreement.keys(side.other()).sign;
                let kept = self.memory.keep_deal(&agreement.id(), &known);
                kept.and_then(|()| self.memory.keep_peer(&agreement.id(), peer.as_bytes()))
                    .map_err(|error| broken(&error))?;
                Ok(Reply::Signed(ByteBuf::from(agreement.sign(&self.keys.identity(), chain))))
            }
            other => Ok(Reply::Declined(reason(other))),
        }
    }

    fn nonce(&self, agreement: &Agreement, side: Side) -> Digest {
        match side {
            Side::Buyer => agreement.hello.nonce,
            Side::Seller => agreement.nonce,
        }
    }

    fn sign_statement(
        &self,
        id: &Digest,
        bytes: &[u8],
        refers: &[ByteBuf],
    ) -> Result<Reply, Failure> {
        let parsed = Statement::decode(bytes).map_err(|error| malformed(&error))?;
        let known = self.known(&parsed.deal)?;
        let mut earlier = Vec::new();
        for bytes in refers {
            let statement = Statement::decode(bytes).map_err(|error| malformed(&error))?;
            earlier.push((Digest::of(bytes), statement));
        }
        let digest = Digest::of(bytes);
        let consent = screen::statement(&parsed, digest, &known.peer, &earlier);
        let status = format!("deciding whether to sign: {}", consent.title);
        match self.ask(id, &known, Screen::Consent(consent), status)? {
            Answer::Yes => {
                let signed = SignedStatement::sign(&parsed, &self.keys.identity(), self.chain()?)
                    .map_err(|error| malformed(&error))?;
                Ok(Reply::Signed(ByteBuf::from(signed)))
            }
            other => Ok(Reply::Declined(reason(other))),
        }
    }

    fn sign_message(&self, bytes: &[u8]) -> Result<Reply, Failure> {
        let message = Message::decode(bytes).map_err(|error| malformed(&error))?;
        let known = self.known(&message.header.deal)?;
        if message.header.from.name() != known.side {
            let what = format!("the message is not from the {}, which you are", known.side);
            return Err((what, "the host is at fault".into()));
        }
        let signed = message.sign(&self.keys.deal_sign(&known.nonce));
        let status = format!("message {} signed and on its way", message.header.seq);
        self.face.show(&self.frame(Some(&known), Screen::Idle, status));
        Ok(Reply::Signed(ByteBuf::from(signed)))
    }

    fn install(&self, chain: &[Certificate]) -> Result<Reply, Failure> {
        let ours = self.keys.identity().public();
        let leaf = chain.first().and_then(|leaf| leaf.key().ok());
        if leaf != Some(ours) {
            let what = "the certificate is for another key".to_owned();
            return Err((what, "register again with the key that this TINGUIN made".into()));
        }
        self.memory.keep_fact(CHAIN, &cbor::encode(chain)).map_err(|error| broken(&error))?;
        Ok(Reply::Done)
    }

    pub(crate) fn ask(
        &self,
        id: &Digest,
        known: &KnownDeal,
        screen: Screen,
        status: String,
    ) -> Result<Answer, Failure> {
        let withdrawn = || self.posed.is_withdrawn(id);
        let answer = self.face.ask(&self.frame(Some(known), screen, status), &withdrawn);
        // What nobody wants to know any more is not an answer, and is not kept as one.
        if withdrawn() {
            return Err(("the question has been withdrawn".into(), String::new()));
        }
        Ok(answer)
    }

    fn frame(&self, known: Option<&KnownDeal>, screen: Screen, status: String) -> Frame {
        Frame {
            user: self.user.clone(),
            phrase: self.phrase.clone(),
            peer: known.map(|it| it.peer.clone()).unwrap_or_default(),
            service: known.map(|it| it.service.clone()).unwrap_or_default(),
            status,
            screen,
        }
    }

    pub(crate) fn chain(&self) -> Result<Vec<Certificate>, Failure> {
        match self.memory.fact(CHAIN).map_err(|error| broken(&error))? {
            Some(bytes) => cbor::decode(&bytes, 64 * 1024).map_err(|error| broken(&error)),
            None => Ok(Vec::new()),
        }
    }

    pub(crate) fn deal_keys(&self, nonce: &Digest) -> DealKeys {
        DealKeys {
            sign: self.keys.deal_sign(nonce).public(),
            seal: self.keys.deal_seal(nonce).public(),
        }
    }

    pub(crate) fn known(&self, deal: &DealId) -> Result<KnownDeal, Failure> {
        self.memory.deal(deal).map_err(|error| broken(&error))?.ok_or_else(|| {
            let what = format!("you have not opened {deal} with this TINGUIN");
            (what, "use the TINGUIN that signed the deal's agreement".into())
        })
    }
}

pub(crate) fn reason(answer: Answer) -> String {
    match answer {
        Answer::No(reason) if !reason.is_empty() => reason,
        Answer::Leave => "the person left the deal".into(),
        _ => "the person said no".into(),
    }
}

fn failed((what, mend): Failure) -> Reply {
    Reply::Failed { what, mend }
}

pub(crate) fn malformed(error: &impl ToString) -> Failure {
    let what = format!("will not be signed, it cannot be read: {}", error.to_string());
    (what, "the host or the service is at fault".into())
}

pub(crate) fn refused(error: impl ToString, mend: &str) -> Failure {
    (error.to_string(), mend.to_owned())
}

pub(crate) fn broken(error: &impl ToString) -> Failure {
    let what = format!("the TINGUIN's own store cannot be used: {}", error.to_string());
    (what, "check the disk, then start the TINGUIN again".into())
}
