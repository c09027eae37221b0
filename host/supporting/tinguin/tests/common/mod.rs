//! Anna, her TINGUIN, and a face that remembers what it showed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use semper_base::cert::{Authority, Request as CertificateRequest, Revocation, Roots, Verifier};
use semper_base::{DealId, Digest, Role, SealSecret, SigningKey, Timestamp};
use semper_items::{Agreement, Attributes, DealKeys, Hello};
use semper_keeper::Keeper;
use semper_tinguin::Service;
use semper_tinguin::keystore::{self, Keystore};
use semper_tinguin::memory::{self, Memory};
use semper_tinguin_protocol::screen::Question;
use semper_tinguin_protocol::{
    Answer, Client, DealContext, Face, Failure, Frame, Reply, Request, SOCKET, Screen,
};

/// A face that remembers what it showed and answers yes.
#[derive(Clone, Default)]
pub struct Recorder(pub Arc<Mutex<Vec<Frame>>>);

impl Face for Recorder {
    fn ask(&self, frame: &Frame, _withdrawn: &dyn Fn() -> bool) -> Answer {
        self.0.lock().unwrap().push(frame.clone());
        match frame.screen {
            Screen::Consent(_) => Answer::Yes,
            _ => Answer::Choice(0),
        }
    }

    fn show(&self, _frame: &Frame) {}
}

/// A TINGUIN that answers hosts in a thread of its own, and one deal that it knows.
pub struct Served {
    pub client: Client,
    pub deal: DealId,
    pub thread: JoinHandle<std::io::Result<()>>,
}

/// Serves a TINGUIN with this face in `home` until the keeper ends.
pub fn serve(home: &Path, face: impl Face + 'static, keeper: &Keeper) -> Served {
    let service = registered(home, face);
    let (socket, keeper) = (home.join(SOCKET), keeper.clone());
    let path = socket.clone();
    let thread = std::thread::spawn(move || service.serve(&path, &keeper));
    // The socket is there a moment before somebody listens at it.
    while UnixStream::connect(&socket).is_err() {
        std::thread::sleep(Duration::from_millis(2));
    }
    let client = Client::new(home);
    let deal = open_deal(&client);
    Served { client, deal, thread }
}

/// A TINGUIN in `home` whose user is certified as Anna Berg.
pub fn registered(home: &Path, face: impl Face + 'static) -> Service {
    let now = Timestamp::now();
    let (keys, stored) = Keystore::create("correct horse battery").unwrap();
    let file = home.join(keystore::FILE);
    std::fs::write(&file, stored).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let authority = Authority::new("Market CA", SigningKey::generate(), now).unwrap();
    let until = now.after(Duration::from_secs(86_400));
    let key = keys.identity(0, None).unwrap().public();
    let leaf = authority.issue("Anna Berg", &key, Role::Buyer, &[], now, until).unwrap();
    let memory = Memory::open(&home.join(memory::FILE)).unwrap();
    let (user, phrase) = ("Anna Berg".into(), "two owls".into());
    let service = Service::new(keys, memory, Box::new(face), user, phrase);
    service.answer(Request::InstallCertificate(vec![leaf])).unwrap();
    service
}

/// Opens a deal with Otto.
pub fn open_deal(client: &Client) -> DealId {
    let nonce = Digest::of(b"fresh");
    let agreement = with_otto(client.deal_keys(nonce).unwrap(), Timestamp::now());
    client.sign_agreement(nonce, &agreement, DealContext::default()).unwrap();
    agreement.id()
}

/// An agreement of Anna's, with these keys, with Otto.
pub fn with_otto(keys: DealKeys, made: Timestamp) -> Agreement {
    let other = DealKeys {
        sign: SigningKey::from_seed(&[9; 32]).public(),
        seal: SealSecret::from_seed(&[9; 32]).public(),
    };
    Agreement {
        hello: Hello {
            nonce: Digest::of(b"fresh"),
            terms: Digest::of(b"terms"),
            merchant: "Otto Versand".into(),
            buyer: "Anna Berg".into(),
            keys,
            attributes: Attributes::default(),
            payment: vec!["purse".into()],
            made,
        },
        nonce: Digest::of(b"theirs"),
        keys: other,
        payment: "purse".into(),
        countersign_by: time(1_900_000_000_000),
        expires: time(1_900_000_000_000),
    }
}

/// A service's question.
pub fn question(topic: &str) -> Question {
    let options = vec!["one".into(), "two".into()];
    Question::Choose { topic: topic.into(), says: "Which?".into(), options }
}

/// Anna and her TINGUIN, registered.
pub struct Anna {
    pub service: Service,
    pub seen: Recorder,
    pub verifier: Verifier,
    pub now: Timestamp,
    pub folder: tempfile::TempDir,
}

pub fn time(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap()
}

pub fn anna() -> Anna {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::now();
    let (keys, _) = Keystore::create("correct horse battery").unwrap();
    let memory = Memory::open(&folder.path().join("tinguin.sqlite")).unwrap();
    let seen = Recorder::default();
    let face = Box::new(seen.clone());
    let service = Service::new(keys, memory, face, "Anna Berg".into(), "two owls".into());
    let authority = Authority::new("Market CA", SigningKey::generate(), now).unwrap();
    let request = service.answer(Request::RequestCertificate("Anna Berg".into())).unwrap();
    let Reply::CertificateRequest(pem) = request else { panic!("{request:?}") };
    let request = CertificateRequest::from_pem(&pem).unwrap();
    let until = now.after(Duration::from_secs(86_400));
    let certificate =
        authority.issue("Anna Berg", &request.key, Role::Buyer, &[], now, until).unwrap();
    service.answer(Request::InstallCertificate(vec![certificate])).unwrap();
    Anna {
        service,
        seen,
        verifier: Roots::new(vec![authority.certificate]).asking(Revocation::STAGE),
        now,
        folder,
    }
}

impl Anna {
    pub fn agreement(&self) -> Agreement {
        let nonce = Digest::of(b"fresh");
        let Ok(Reply::DealKeys(keys)) = self.service.answer(Request::DealKeys(nonce)) else {
            panic!("no keys")
        };
        with_otto(keys, self.now)
    }

    pub fn sign_agreement(&self, agreement: &Agreement) -> Result<Reply, Failure> {
        self.service.answer(Request::SignAgreement {
            id: Digest::of(b"question"),
            agreement: agreement.encode().into(),
            context: DealContext {
                warnings: Vec::new(),
                service: "mail-order 1.0.0".into(),
                certified_by: vec!["Verbraucherbund".into()],
                known: false,
                begun_by: None,
            },
        })
    }

    pub fn open_deal(&self) -> DealId {
        let agreement = self.agreement();
        self.sign_agreement(&agreement).unwrap();
        agreement.id()
    }
}
