//! The host's end: each thing that a host may want of its TINGUIN is a method of [`Client`].
//!
//! How a request gets there is behind [`Ask`]: a shipped host uses the [`Socket`] of its home, a
//! simulation puts a TINGUIN into its own process.
//!
//! ```
//! use semper_tinguin_protocol::{Ask, Client, ClientError, Reply, Request};
//!
//! /// A TINGUIN that belongs to nobody yet.
//! #[derive(Debug)]
//! struct Unregistered;
//!
//! impl Ask for Unregistered {
//!     fn ask(&self, request: &Request) -> Result<Reply, ClientError> {
//!         match request {
//!             Request::Who => Ok(Reply::Who { name: String::new(), chain: Vec::new() }),
//!             _ => Ok(Reply::Declined("not today".into())),
//!         }
//!     }
//! }
//!
//! let client = Client::through(Unregistered);
//! assert_eq!(client.who(), Ok((String::new(), Vec::new())));
//! ```

mod error;
mod socket;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use semper_bank_protocol::AccountRequest;
use semper_base::cert::Certificate;
use semper_base::{DealId, Digest, cbor};
use semper_exchange::Half;
use semper_items::{Agreement, DealKeys, Message, Statement};
use serde_bytes::ByteBuf;

use crate::pairing::Pairing;
use crate::protocol::{DealContext, ExchangeQuestion, Filled, News, Reply, Request};
use crate::screen::{Answer, Question};
use crate::secret::PassPhrase;

pub use error::ClientError;
pub use socket::Socket;

/// Where requests are carried out.
pub trait Ask: std::fmt::Debug + Send + Sync {
    /// Has one request carried out. What is not posed takes as long as the person does.
    fn ask(&self, request: &Request) -> Result<Reply, ClientError>;

    /// Which posed questions have been answered after this number. It may be held until there is
    /// an answer, and may come back without any: it is then asked again. Whoever holds it looks
    /// every now and then whether it `goes_on`; once it does not, the reply is
    /// [`Reply::Pending`], which says nothing about the TINGUIN.
    fn watch(
        &self,
        epoch: Digest,
        after: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Reply, ClientError> {
        match goes_on() {
            true => self.ask(&Request::Watch { epoch, after }),
            false => Ok(Reply::Pending),
        }
    }
}

/// A TINGUIN that this host may ask. Cloning shares the way there.
#[derive(Clone, Debug)]
pub struct Client {
    way: Arc<dyn Ask>,
}

impl Client {
    /// The TINGUIN of a home. Connects when it is first asked.
    pub fn new(home: &Path) -> Self {
        Self::through(Socket::of(home))
    }

    /// A TINGUIN that is reached in this way.
    pub fn through(way: impl Ask + 'static) -> Self {
        Self { way: Arc::new(way) }
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
        self.pose_filled(id, deal, (question, None), wait)
    }

    /// As [`Client::pose`], with an answer that somebody has filled in: the person may change it.
    pub fn pose_filled(
        &self,
        id: Digest,
        deal: DealId,
        (question, filled): (Question, Option<Filled>),
        wait: Duration,
    ) -> Result<Option<Answer>, ClientError> {
        match self.posed(Request::Ask { id, deal, question, filled }, wait)? {
            Reply::Answered(answer) => Ok(Some(answer)),
            Reply::Pending => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives an answer to a service's question for somebody whom the person has allowed to; the
    /// answer that counts.
    pub fn fill(
        &self,
        id: Digest,
        deal: DealId,
        question: Question,
        filled: Filled,
    ) -> Result<Answer, ClientError> {
        match self.request(&Request::Fill { id, deal, question, filled })? {
            Reply::Answered(answer) => Ok(answer),
            other => Err(unexpected(&other)),
        }
    }

    /// The answer to a service's question, if there is one; nobody is asked.
    pub fn look(&self, id: Digest, question: Question) -> Result<Option<Answer>, ClientError> {
        match self.request(&Request::Look { id, question })? {
            Reply::Answered(answer) => Ok(Some(answer)),
            Reply::Pending => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the person decide about a business application.
    pub fn pair(&self, id: Digest, pairing: &Pairing) -> Result<(), ClientError> {
        let pairing = ByteBuf::from(cbor::encode(pairing));
        match self.request(&Request::Pair { id, pairing })? {
            Reply::Done => Ok(()),
            Reply::Declined(why) => Err(ClientError::Declined(why)),
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

    /// Has the person decide whether to open a link.
    pub fn open_link(
        &self,
        id: Digest,
        merchant: &str,
        fills: Vec<(String, String)>,
    ) -> Result<(), ClientError> {
        match self.request(&Request::OpenLink { id, merchant: merchant.to_owned(), fills })? {
            Reply::Done => Ok(()),
            Reply::Declined(why) => Err(ClientError::Declined(why)),
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

    /// Which posed questions have been answered since; held until there is one. `None` when it
    /// does not go on: nobody waits for it any more.
    pub fn watch(
        &self,
        epoch: Digest,
        after: u64,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<News>, ClientError> {
        match done(self.way.watch(epoch, after, goes_on)?)? {
            Reply::News(news) => Ok(Some(news)),
            Reply::Pending => Ok(None),
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

    /// Says that a service was given a detail of the person's.
    pub fn given(&self, deal: DealId, what: &str, value: &str) -> Result<(), ClientError> {
        let (what, value) = (what.to_owned(), value.to_owned());
        match self.request(&Request::Given { deal, what, value })? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the identity's key pair made; the certificate request.
    pub fn request_certificate(&self, name: &str) -> Result<String, ClientError> {
        match self.request(&Request::RequestCertificate(name.to_owned()))? {
            Reply::CertificateRequest(pem) => Ok(pem),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the next key pair made, in the place of one that was lost: a certificate request.
    pub fn request_next_certificate(&self, name: &str) -> Result<String, ClientError> {
        match self.request(&Request::RequestNextCertificate(name.to_owned()))? {
            Reply::CertificateRequest(pem) => Ok(pem),
            Reply::Declined(why) => Err(ClientError::Declined(why)),
            other => Err(unexpected(&other)),
        }
    }

    /// Has the next key pair made, and the key that is in use ask for its certificate.
    pub fn renew(&self) -> Result<Vec<u8>, ClientError> {
        self.signed(&Request::Renew)
    }

    /// Has the identity's certificate kept.
    pub fn install_certificate(&self, chain: Vec<Certificate>) -> Result<(), ClientError> {
        self.done(&Request::InstallCertificate(chain))
    }

    /// Has the TINGUIN forget its keys until the pass-phrase is typed again.
    pub fn lock(&self) -> Result<(), ClientError> {
        self.done(&Request::Lock)
    }

    /// Unlocks the TINGUIN: for the person's own command, never for a host.
    pub fn unlock(&self, pass_phrase: PassPhrase) -> Result<(), ClientError> {
        self.done(&Request::Unlock(pass_phrase))
    }

    fn done(&self, request: &Request) -> Result<(), ClientError> {
        match self.request(request)? {
            Reply::Done => Ok(()),
            Reply::Declined(why) => Err(ClientError::Declined(why)),
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
        done(self.way.ask(request)?)
    }
}

/// The reply, if the request was carried out.
fn done(reply: Reply) -> Result<Reply, ClientError> {
    match reply {
        Reply::NotDone(failure) => Err(ClientError::NotDone(failure)),
        Reply::Failed { what, mend } => Err(ClientError::Failed { what, mend }),
        reply => Ok(reply),
    }
}

fn unexpected(reply: &Reply) -> ClientError {
    let what = format!("it answered something else: {reply:?}");
    ClientError::unreadable(what.chars().take(200).collect::<String>())
}
