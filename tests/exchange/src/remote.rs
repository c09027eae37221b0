//! Bank and third party as servers in other processes.

use std::path::Path;
use std::time::{Duration, Instant};

use semper_bank_protocol::{
    ACCOUNT_DOMAIN, AccountAction, AccountRequest, Answer as BankAnswer, CBOR,
    Request as BankRequest,
};
use semper_base::cert::Roots;
use semper_base::cose::{self, Signatory};
use semper_base::{Certificate, DealId, Digest, PublicKey, SigningKey, Timestamp, cbor, keys};
use semper_exchange::ThirdParty;
use semper_exchange::bank::{ClaimRequest, Order};
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Answer, Request};
use semper_items::SignedStatement;
use semper_items::statement::{Content, Statement};
use semper_net::Client;
use semper_roles::third_party::{MAX_ANSWER, PARTY, REQUESTS};
use serde::{Deserialize, Serialize};

use crate::services::{Services, SignedFact};

/// Only a server that does not come back takes so long.
const STARTS: Duration = Duration::from_secs(60);

/// Where they are, and who asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Places {
    /// The bank's address.
    pub bank: String,
    /// The third party's.
    pub third: String,
    /// The root of everybody's certificates, PEM.
    pub root: String,
    /// The account holder's key, PEM.
    pub key: String,
    /// Its certificate, PEM.
    pub certificate: String,
}

/// The client.
pub struct Remote {
    /// Where.
    pub places: Places,
    net: Client,
    key: SigningKey,
    chain: Vec<Certificate>,
}

/// The account holder's files, as the authority certified them.
pub fn places(folder: &Path, name: &str, bank: String, third: String) -> Places {
    let read = |file: String| std::fs::read_to_string(folder.join(file)).unwrap();
    Places {
        bank,
        third,
        root: read("ca/root.pem".into()),
        key: read(format!("{name}.key")),
        certificate: read(format!("{name}.pem")),
    }
}

impl Remote {
    /// A client of these.
    pub fn new(places: Places) -> Self {
        let root = Certificate::from_pem(&places.root).unwrap();
        Self {
            net: Client::new(&Roots::new(vec![root])),
            key: SigningKey::from_pem(&places.key).unwrap(),
            chain: vec![Certificate::from_pem(&places.certificate).unwrap()],
            places,
        }
    }

    /// The third party, as it says it is to be named.
    pub fn named(&self) -> ThirdParty<Standard> {
        let url = format!("{}{PARTY}", self.places.third);
        // A server that was killed in the schedule before may be starting again.
        let until = Instant::now() + STARTS;
        loop {
            match self.net.get(&url, MAX_ANSWER) {
                Ok(answer) => return cbor::decode(&answer.body, MAX_ANSWER).unwrap(),
                Err(error) => assert!(Instant::now() < until, "{url}: {error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The key that the bank signs facts with: that of its certificate.
    pub fn bank_key(folder: &Path) -> PublicKey {
        let pem = std::fs::read_to_string(folder.join("bank.pem")).unwrap();
        Certificate::from_pem(&pem).unwrap().key().unwrap()
    }

    /// Opens an account; its number.
    pub fn account(&self) -> String {
        self.ask_bank(AccountAction::Open("EUR".parse().unwrap()))["account"]
            .as_str()
            .unwrap()
            .into()
    }

    /// What is in it, in words.
    pub fn balance(&self, account: &str) -> String {
        let view = self.ask_bank(AccountAction::Show(account.into()));
        view["balance"].as_str().unwrap().into()
    }

    fn ask_bank(&self, what: AccountAction) -> serde_json::Value {
        let request = AccountRequest {
            bank: "Test Bank".into(),
            made: Timestamp::now(),
            nonce: Digest::from_bytes(keys::random()),
            what,
        };
        let signatory = Signatory::Chain(self.chain.clone());
        let body = cose::sign(&self.key, &signatory, ACCOUNT_DOMAIN, &cbor::encode(&request));
        match self.post_bank(BankRequest::Account, body) {
            Some(BankAnswer::Done(body)) => serde_json::from_slice(&body).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn post_bank(&self, request: BankRequest, body: Vec<u8>) -> Option<BankAnswer> {
        let url = request.url(&self.places.bank);
        let answer = self.net.post(&url, request.media_type(), body, MAX_ANSWER).ok()?;
        Some(BankAnswer::of(answer.status, answer.body))
    }

    /// Posts a request as it is; status and answer.
    pub fn post_raw(&self, body: Vec<u8>) -> (u16, Vec<u8>) {
        let url = format!("{}{REQUESTS}", self.places.third);
        let answer = self.net.post(&url, CBOR, body, MAX_ANSWER).unwrap();
        (answer.status, answer.body)
    }
}

// What a network has spoilt is no answer.
impl Services for Remote {
    fn hold(&self, account: &str, order: &Order<Standard>) -> Option<Result<SignedFact, String>> {
        let statement = Statement {
            deal: DealId::new(order.exchange),
            made: Timestamp::now(),
            content: Content::HoldOrder(order.statement("Test Bank".into(), account.into())),
        };
        let body = SignedStatement::sign(&statement, &self.key, self.chain.clone()).unwrap();
        match self.post_bank(BankRequest::Hold, body)? {
            BankAnswer::Done(fact) => cbor::decode(&fact, MAX_ANSWER).ok().map(Ok),
            BankAnswer::Refused(refusal) => Some(Err(refusal.words)),
            BankAnswer::Away { .. } => None,
        }
    }

    fn claim(&self, request: &ClaimRequest<Standard>) -> Option<SignedFact> {
        match self.post_bank(BankRequest::Claim, cbor::encode(request))? {
            BankAnswer::Done(fact) => cbor::decode(&fact, MAX_ANSWER).ok(),
            BankAnswer::Refused(_) | BankAnswer::Away { .. } => None,
        }
    }

    fn ask(&self, request: &Request<Standard>) -> Option<Answer<Standard>> {
        let url = format!("{}{REQUESTS}", self.places.third);
        let answer = self.net.post(&url, CBOR, cbor::encode(request), MAX_ANSWER).ok()?;
        cbor::decode(&answer.body, MAX_ANSWER).ok().filter(|_| answer.status == 200)
    }
}
