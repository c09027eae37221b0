//! The host's end of the TINGUIN's socket.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use semper_bank_protocol::AccountRequest;
use semper_base::cert::Certificate;
use semper_base::{DealId, Digest, Mend, cbor};
use semper_exchange::Half;
use semper_items::{Agreement, DealKeys, Message, Statement};
use serde_bytes::ByteBuf;

use crate::protocol::{self, DealContext, ExchangeQuestion, News, Reply, Request};
use crate::screen::{Answer, Question};

/// Idle connections kept for the next request.
const IDLE: usize = 16;

/// A TINGUIN that this host may ask. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    socket: PathBuf,
    idle: Mutex<Vec<UnixStream>>,
}

/// Why the TINGUIN did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// It is not there.
    #[error("the TINGUIN of {} does not answer: {detail}", home.display())]
    Away {
        /// Whose home.
        home: PathBuf,
        /// What the socket said.
        detail: String,
    },
    /// It refuses, and says what to do.
    #[error("the TINGUIN refuses: {what}")]
    Failed {
        /// Why.
        what: String,
        /// What to do about it.
        mend: String,
    },
    /// The person, or a rule of hers, said no.
    #[error("declined: {0}")]
    Declined(String),
}

impl Mend for ClientError {
    fn mend(&self) -> String {
        match self {
            Self::Away { home, .. } => {
                format!("start it in another terminal: semper tinguin --home {}", home.display())
            }
            Self::Failed { mend, .. } => mend.clone(),
            Self::Declined(_) => String::new(),
        }
    }
}

impl Client {
    /// The TINGUIN of a home. Connects when it is first asked.
    pub fn new(home: &Path) -> Self {
        let socket = home.join(crate::SOCKET);
        Self { inner: Arc::new(Inner { socket, idle: Mutex::new(Vec::new()) }) }
    }

    /// The certified name and chain; empty before registration.
    pub fn who(&self) -> Result<(String, Vec<Certificate>), ClientError> {
        match self.request(&Request::Who)? {
            Reply::Who { name, chain } => Ok((name, chain)),
            other => Err(unexpected(&other)),
        }
    }

    /// The public keys for a deal.
    pub fn deal_keys(&self, nonce: Digest) -> Result<DealKeys, ClientError> {
        match self.request(&Request::DealKeys(nonce))? {
            Reply::DealKeys(keys) => Ok(keys),
            other => Err(unexpected(&other)),
        }
    }

    /// Has an agreement signed.
    pub fn sign_agreement(
        &self,
        id: Digest,
        agreement: &Agreement,
        context: DealContext,
    ) -> Result<Vec<u8>, ClientError> {
        let agreement = ByteBuf::from(agreement.encode());
        self.signed(&Request::SignAgreement { id, agreement, context })
    }

    /// Has a message signed.
    pub fn sign_message(&self, message: &Message) -> Result<Vec<u8>, ClientError> {
        self.signed(&Request::SignMessage(ByteBuf::from(cbor::encode(message))))
    }

    /// Has a request about one's own account signed.
    pub fn sign_account_request(&self, request: &AccountRequest) -> Result<Vec<u8>, ClientError> {
        self.signed(&Request::SignAccountRequest(ByteBuf::from(cbor::encode(request))))
    }

    /// Opens a sealed message of a deal.
    pub fn open(&self, deal: DealId, sealed: &[u8]) -> Result<Vec<u8>, ClientError> {
        let sealed = ByteBuf::from(sealed);
        match self.request(&Request::Open { deal, sealed })? {
            Reply::Opened(plain) => Ok(plain.into_vec()),
            other => Err(unexpected(&other)),
        }
    }

    /// Puts a service's question to the person and waits a while for the answer; `None` when
    /// there is none yet.
    pub fn pose(
        &self,
        id: Digest,
        deal: DealId,
        question: Question,
        wait: Duration,
    ) -> Result<Option<Answer>, ClientError> {
        match self.posed(Request::Ask { id, deal, question }, wait)? {
            Reply::Answered(answer) => Ok(Some(answer)),
            Reply::Pending => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Has a statement signed, waiting a while for the decision; `None` when there is none yet.
    /// `refers` are encoded statements that it refers to.
    pub fn pose_statement(
        &self,
        id: Digest,
        statement: &Statement,
        refers: Vec<Vec<u8>>,
        wait: Duration,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let statement = ByteBuf::from(cbor::encode(statement));
        let refers = refers.into_iter().map(ByteBuf::from).collect();
        match self.posed(Request::SignStatement { id, statement, refers }, wait)? {
            Reply::Signed(bytes) => Ok(Some(bytes.into_vec())),
            Reply::Declined(why) => Err(ClientError::Declined(why)),
            Reply::Pending => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the person agree to a fair exchange, waiting a while for the decision; `None` when
    /// there is none yet.
    pub fn pose_exchange(
        &self,
        id: Digest,
        deal: DealId,
        exchange: ExchangeQuestion,
        wait: Duration,
    ) -> Result<Option<()>, ClientError> {
        let exchange = Box::new(exchange);
        match self.posed(Request::AgreeExchange { id, deal, exchange }, wait)? {
            Reply::Done => Ok(Some(())),
            Reply::Declined(why) => Err(ClientError::Declined(why)),
            Reply::Pending => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Has a part of an exchange signed with the deal's key: the 64 bytes.
    pub fn sign_exchange(
        &self,
        deal: DealId,
        subject: Digest,
        kind: &str,
        body: Vec<u8>,
    ) -> Result<[u8; 64], ClientError> {
        let (kind, body) = (kind.to_owned(), ByteBuf::from(body));
        let reply = self.request(&Request::SignExchange { deal, subject, kind, body })?;
        match &reply {
            Reply::Signature(bytes) => bytes.as_slice().try_into().map_err(|_| unexpected(&reply)),
            other => Err(unexpected(other)),
        }
    }

    /// Has the hold order of an exchange that was agreed to signed.
    pub fn sign_hold(&self, order: &Statement) -> Result<Vec<u8>, ClientError> {
        self.signed(&Request::SignHold(ByteBuf::from(cbor::encode(order))))
    }

    /// Opens a share that was sealed to the deal's key; `None` if it was not, or for another leaf.
    pub fn open_share(
        &self,
        deal: DealId,
        half: Half,
        leaf: Digest,
        sealed: &[u8],
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let sealed = ByteBuf::from(sealed);
        match self.request(&Request::OpenShare { deal, half, leaf, sealed })? {
            Reply::Share(share) => Ok(share.map(ByteBuf::into_vec)),
            other => Err(unexpected(&other)),
        }
    }

    /// A seed of the deal's that is always the same for one purpose.
    pub fn exchange_seed(&self, deal: DealId, purpose: Digest) -> Result<Digest, ClientError> {
        match self.request(&Request::ExchangeSeed { deal, purpose })? {
            Reply::Seed(seed) => Ok(seed),
            other => Err(unexpected(&other)),
        }
    }

    /// A posed question is no longer of interest; a TINGUIN that is away has forgotten it.
    pub fn withdraw(&self, id: Digest) {
        let _ = self.request(&Request::Withdraw(id));
    }

    /// Which posed questions have been answered since; held until there is one.
    pub fn watch(&self, epoch: Digest, after: u64) -> Result<News, ClientError> {
        match self.request(&Request::Watch { epoch, after })? {
            Reply::News(news) => Ok(news),
            other => Err(unexpected(&other)),
        }
    }

    fn posed(&self, request: Request, wait: Duration) -> Result<Reply, ClientError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.request(&Request::Pose { request: Box::new(request), wait_ms })
    }

    /// Shows where a deal stands; a TINGUIN that is away misses it and nothing else happens.
    pub fn progress(&self, deal: DealId, text: String) {
        let _ = self.request(&Request::Progress { deal, text });
    }

    /// Has the identity's key pair made; the certificate request.
    pub fn request_certificate(&self, name: &str) -> Result<String, ClientError> {
        match self.request(&Request::RequestCertificate(name.to_owned()))? {
            Reply::CertificateRequest(pem) => Ok(pem),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the identity's certificate kept.
    pub fn install_certificate(&self, chain: Vec<Certificate>) -> Result<(), ClientError> {
        match self.request(&Request::InstallCertificate(chain))? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn signed(&self, request: &Request) -> Result<Vec<u8>, ClientError> {
        match self.request(request)? {
            Reply::Signed(bytes) => Ok(bytes.into_vec()),
            Reply::Declined(why) => Err(ClientError::Declined(why)),
            other => Err(unexpected(&other)),
        }
    }

    fn request(&self, request: &Request) -> Result<Reply, ClientError> {
        let idle = self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // A kept connection may belong to a TINGUIN that has been restarted: try a fresh one.
        let kept = idle.and_then(|mut stream| Some((exchange(&mut stream, request).ok()?, stream)));
        let (reply, stream) = match kept {
            Some(done) => done,
            None => {
                let mut fresh =
                    UnixStream::connect(&self.inner.socket).map_err(|error| self.away(&error))?;
                (exchange(&mut fresh, request).map_err(|error| self.away(&error))?, fresh)
            }
        };
        let mut idle = self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(stream);
        }
        match reply {
            Reply::Failed { what, mend } => Err(ClientError::Failed { what, mend }),
            reply => Ok(reply),
        }
    }

    fn away(&self, error: &io::Error) -> ClientError {
        let home = self.inner.socket.parent().unwrap_or(Path::new(".")).to_owned();
        ClientError::Away { home, detail: error.to_string() }
    }
}

fn exchange(stream: &mut UnixStream, request: &Request) -> io::Result<Reply> {
    protocol::write(stream, request)?;
    protocol::read(stream)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn unexpected(reply: &Reply) -> ClientError {
    ClientError::Failed {
        what: format!("it answered something else: {reply:?}").chars().take(200).collect(),
        mend: "host and TINGUIN must be of one version".into(),
    }
}
