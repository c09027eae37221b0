//! A third party and strangers: what is forged or too large counts against nobody, and what is stored
//! is no more than is needed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use semper_bank_protocol::{CBOR, Request as BankRequest};
use semper_base::cert::{Crl, Withdrawn};
use semper_base::{
    Amount, Certificate, Currency, Digest, PublicKey, SigningKey, Timestamp, cbor, keys,
};
use semper_exchange::agreement::VERSION;
use semper_exchange::crypto::Signed;
use semper_exchange::item::{Item, Leaf, Money};
use semper_exchange::message::{Accept, Promise, Token};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::{Abort, Answer, Decision, Rejection, Request, Resolve, Wish};
use semper_exchange::{
    Agreed, Exchange, Fairness, Mode, Party, Protocol, Role, ThirdParty as Named,
};
use semper_keeper::Keeper;
use semper_net::Client;
use semper_roles::config::ServerConfig;
use semper_roles::role::{Role as ServerRole, RoleKind, Section, Wrong};
use semper_roles::surroundings::Surroundings;
use semper_roles::third_party::{MAX_ANSWER, REQUESTS, ThirdParty, ThirdPartyConfig};
use semper_tlog::{Kind, VerifierKey};
use serde::Deserialize;

use common::{ClerkError, Place, Running};

const DAY: Duration = Duration::from_secs(86_400);

fn someone() -> Keys {
    Keys::new(SigningKey::generate(), NoGoods)
}

fn digest() -> Digest {
    Digest::from_bytes(keys::random())
}

/// A request by one side of an exchange of two receipts: to abort it, or to complete it.
struct Asking {
    one: Keys,
    other: Keys,
    agreed: Agreed<Standard>,
}

/// A receipt of somebody's.
fn receipt(path: &str, keys: &Keys) -> Leaf<Standard> {
    let item = Item::Statement { statement: digest(), signer: keys.public(), affidavit: true };
    Leaf { path: path.to_owned(), item }
}

impl Asking {
    fn new(third: &Named<Standard>) -> Self {
        let other = someone();
        let leaf = receipt("b", &other);
        Self::about(third, Protocol::Gg, other, leaf)
    }

    /// About a receipt for money that is paid at this bank.
    fn paid_at(third: &Named<Standard>, bank: PublicKey) -> Self {
        let money = Money {
            module: "purse".into(),
            mode: Mode::Fenced,
            amount: Amount::new(700, Currency::EUR),
            payee: "acct:0000000000000000".into(),
            bank,
        };
        let leaf = Leaf { path: "b".into(), item: Item::Money(money) };
        Self::about(third, Protocol::Ge, someone(), leaf)
    }

    fn about(
        third: &Named<Standard>,
        protocol: Protocol,
        other: Keys,
        leaf: Leaf<Standard>,
    ) -> Self {
        let (one, now) = (someone(), Timestamp::now());
        let side = |keys: &Keys| Party { sign: keys.public(), seal: keys.seal_public() };
        let agreed = Agreed::new(Exchange {
            version: VERSION,
            protocol,
            fairness: Fairness::Strong,
            deal: digest(),
            originator: side(&one),
            responder: side(&other),
            third_party: third.clone(),
            from_originator: vec![receipt("a", &one)],
            from_responder: vec![leaf],
            nonces: [digest(), digest()],
            accept_by: now.after(DAY / 24),
            close_by: now.after(DAY),
            dispute_ms: 0,
            lock_until: now.after(DAY * 3),
            clauses: digest(),
            transcript: digest(),
            fee: None,
        });
        Self { agreed: agreed.unwrap(), one, other }
    }

    fn promise(&self, tokens: usize, by: &Keys) -> Signed<Standard, Promise<Standard>> {
        let tokens = vec![Token::Nothing; tokens];
        let promise = Promise { agreement: self.agreed.clone(), tokens };
        Signed::new(by, self.agreed.subject(), promise).unwrap()
    }

    fn abort(&self, tokens: usize, promised_by: &Keys) -> Request<Standard> {
        let promise = self.promise(tokens, promised_by);
        let wish = Abort { promise: promise.digest(), role: Role::Originator };
        let wish = Signed::new(&self.one, self.agreed.subject(), wish).unwrap();
        Request { wish: Wish::Abort(wish), promise, accept: None }
    }

    fn complete(&self) -> Request<Standard> {
        let (promise, subject) = (self.promise(1, &self.one), self.agreed.subject());
        let accept = Accept { promise: promise.digest(), tokens: vec![Token::Nothing] };
        let accept = Signed::new(&self.other, subject, accept).unwrap();
        let (promised, accepted) = (promise.digest(), Some(accept.digest()));
        let wish = Resolve { promise: promised, accept: accepted, role: Role::Responder };
        let wish = Signed::new(&self.other, subject, wish).unwrap();
        Request { wish: Wish::Resolve(wish), promise, accept: Some(accept) }
    }
}

struct Office {
    _folder: tempfile::TempDir,
    keeper: Keeper,
    config: ThirdPartyConfig,
    named: Named<Standard>,
    third: Arc<ThirdParty>,
}

fn office() -> Office {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("third");
    let named = ThirdParty::create(&home, "third.example").unwrap();
    let config = ThirdPartyConfig {
        home,
        bank: Vec::new(),
        witness: Vec::new(),
        quorum: 0,
        store: None,
        store_root: None,
        room: 16,
        publish: true,
    };
    let keeper = Keeper::new("third");
    let third = ThirdParty::open(&config, &keeper).unwrap();
    Office { _folder: folder, keeper, config, named, third }
}

impl Office {
    fn ask(&self, request: &Request<Standard>) -> Answer<Standard> {
        self.third.answer(request, Timestamp::now()).unwrap()
    }

    fn rows(&self) -> Vec<usize> {
        let store = rusqlite::Connection::open(self.config.home.join("cases.sqlite")).unwrap();
        let mut rows = store.prepare("SELECT length(bytes) FROM cases").unwrap();
        let length = |row: &rusqlite::Row<'_>| row.get::<_, u32>(0);
        let rows = rows.query_map([], length).unwrap();
        rows.map(|it| usize::try_from(it.unwrap()).unwrap()).collect()
    }
}

fn why(answer: &Answer<Standard>) -> Option<Rejection> {
    match answer {
        Answer::Rejected(signed) => Some(signed.body().why),
        _ => None,
    }
}

#[test]
fn forged_requests_use_up_nobodys_minute() {
    let office = office();
    let victim = Asking::new(&office.named);
    let forger = someone();

    // In the victim's name, with the agreement that names it, signed by somebody else.
    for _ in 0..1_000 {
        let forged = office.ask(&victim.abort(1, &forger));
        assert_eq!(why(&forged), Some(Rejection::Malformed));
    }

    assert_eq!(office.rows(), Vec::<usize>::new());
    assert!(matches!(office.ask(&victim.abort(1, &victim.one)), Answer::Decided(_)));
    office.keeper.end();
}

#[test]
fn a_promise_has_as_many_tokens_as_the_agreement_has_leaves() {
    let office = office();

    for tokens in [0, 2, 500] {
        let asking = Asking::new(&office.named);
        let answer = office.ask(&asking.abort(tokens, &asking.one));
        assert_eq!(why(&answer), Some(Rejection::Malformed), "{tokens} tokens");
    }

    assert_eq!(office.rows(), Vec::<usize>::new());
    office.keeper.end();
}

#[test]
fn an_abortion_is_kept_as_its_verdict_and_is_the_same_for_ever() {
    let office = office();
    let asking = Asking::new(&office.named);
    let abort = asking.abort(1, &asking.one);
    let size = cbor::encode(&abort).len();

    let first = office.ask(&abort);
    assert!(office.rows()[0] * 3 < size, "{} of {size} bytes", office.rows()[0]);
    // The other side asks for completion: it hears the same verdict.
    let (again, other) = (office.ask(&abort), office.ask(&asking.complete()));
    assert_eq!(cbor::encode(&first), cbor::encode(&again));
    assert_eq!(cbor::encode(&first), cbor::encode(&other));
    let Answer::Decided(decided) = &first else { panic!("{first:?}") };
    let verdict = decided.verdict.body();
    assert!(matches!(verdict.decision, Decision::Abort { .. }));
    assert_eq!(verdict.check(&decided.verdict, &asking.agreed), Ok(()));

    // Also by another process, after this one.
    office.keeper.end();
    office.keeper.join(Duration::from_secs(60));
    let keeper = Keeper::new("third");
    let third = ThirdParty::open(&office.config, &keeper).unwrap();
    let later = third.answer(&abort, Timestamp::now()).unwrap();
    assert_eq!(cbor::encode(&first), cbor::encode(&later));
    keeper.end();
}

#[test]
fn a_completion_keeps_what_the_other_side_will_need() {
    let office = office();
    let asking = Asking::new(&office.named);
    let completed = office.ask(&asking.complete());
    let Answer::Decided(decided) = &completed else { panic!("{completed:?}") };
    assert!(decided.promise.is_some() && decided.accept.is_some());

    // The originator, who asks to abort and has no acceptance, gets it with its replacement.
    let other = office.ask(&asking.abort(1, &asking.one));
    let Answer::Decided(decided) = &other else { panic!("{other:?}") };
    assert!(decided.accept.is_some());
    assert_eq!(decided.replacements.len(), 1);
    office.keeper.end();
}

/// A bank, and a witness, that counts what it is asked, and answers nothing.
#[derive(Default)]
struct Teller {
    claims: AtomicUsize,
    checkpoints: AtomicUsize,
}

#[derive(Debug, Deserialize)]
struct TellerConfig {}

impl RoleKind for Teller {
    const SECTION: &'static str = "teller";
    type Config = TellerConfig;
    type Error = ClerkError;

    fn place(_: &mut TellerConfig, _: &Path) {}

    fn check(_: &TellerConfig, _: &mut Wrong<ClerkError>) {}

    fn open(_: &TellerConfig, _: &Surroundings) -> Result<Arc<dyn ServerRole>, ClerkError> {
        Ok(Arc::new(Self::default()))
    }
}

impl ServerRole for Teller {
    fn routes(self: Arc<Self>, _: &Surroundings) -> Router {
        Router::new()
            .route(BankRequest::Claim.path(), post(claim))
            .route("/add-checkpoint", post(cosign))
            .route("/asked", get(asked))
            .with_state(self)
    }
}

async fn claim(State(teller): State<Arc<Teller>>) -> StatusCode {
    teller.claims.fetch_add(1, Ordering::SeqCst);
    StatusCode::SERVICE_UNAVAILABLE
}

async fn cosign(State(teller): State<Arc<Teller>>) -> StatusCode {
    teller.checkpoints.fetch_add(1, Ordering::SeqCst);
    StatusCode::SERVICE_UNAVAILABLE
}

/// Whether it was asked as a bank, and as a witness, since it was last asked whether it was.
async fn asked(State(teller): State<Arc<Teller>>) -> String {
    let was = |count: &AtomicUsize| count.swap(0, Ordering::SeqCst) > 0;
    format!("{} {}", was(&teller.claims), was(&teller.checkpoints))
}

const TELLERS: &[Section] = &[Section::of::<Teller>()];
const THIRD_PARTIES: &[Section] = &[Section::of::<ThirdParty>()];

/// A server of these roles, in a place of its own.
fn served(place: Place, roles: &'static [Section]) -> Running {
    let config = ServerConfig::read_with(&place.file("server.toml"), roles).unwrap();
    Running::of(place, config)
}

/// A third party's server that asks this bank, and this witness, and has this list of what their authority has
/// withdrawn.
fn asks(bank: &Running, list: Option<&Crl>) -> (Running, Named<Standard>) {
    const LIST: &str = "https://localhost:1/crl";
    let witness = SigningKey::generate().public();
    let witness = VerifierKey::new("witness.example/one", Kind::Witness, witness).unwrap();
    let url = format!("https://localhost:{}", bank.port());
    let place = Place::new(&format!(
        "[revocation]\nlists = [\"{LIST}\"]\n[third-party]\nhome = \"third\"\n\
         [[third-party.bank]]\ncertificate = \"bank.pem\"\nroot = \"bank-root.pem\"\n\
         url = \"{url}\"\n\
         [[third-party.witness]]\nkey = \"{witness}\"\nurl = \"{url}\"\nroot = \"bank-root.pem\"\n"
    ));
    let named = ThirdParty::create(&place.file("third"), "third.example").unwrap();
    std::fs::copy(bank.place.file("tls.pem"), place.file("bank.pem")).unwrap();
    let root = bank.place.authority.certificate.to_pem();
    std::fs::write(place.file("bank-root.pem"), root).unwrap();
    if let Some(list) = list {
        // As one that ran before has kept it: nobody is at its address now.
        std::fs::create_dir(place.file("third/lists")).unwrap();
        let name = format!("third/lists/{}.crl", Digest::of(LIST.as_bytes()).hex());
        std::fs::write(place.file(&name), list.der()).unwrap();
    }
    (served(place, THIRD_PARTIES), named)
}

#[test]
fn a_bank_and_a_witness_whose_server_s_certificate_was_withdrawn_are_asked_nothing() {
    let bank = served(Place::new("[teller]\n"), TELLERS);
    let pem = std::fs::read_to_string(bank.place.file("tls.pem")).unwrap();
    let certificate = Certificate::from_pem(&pem).unwrap();
    let now = Timestamp::now();
    let list = |withdrawn: &[Withdrawn]| {
        let authority = &bank.place.authority;
        authority.crl(1, withdrawn, now.before(DAY / 24), now.after(DAY)).unwrap()
    };
    let since = now.before(DAY / 24);
    let gone = Withdrawn { serial: certificate.serial(), since };

    // What is not known is no reason not to ask.
    for (list, is_asked) in [(None, true), (Some(list(&[])), true), (Some(list(&[gone])), false)] {
        bank.get("/asked");
        let (third, named) = asks(&bank, list.as_ref());
        let net = Client::new(&third.place.roots);
        let url = format!("https://localhost:{}{REQUESTS}", third.port());
        let ask = |asking: &Asking| -> Answer<Standard> {
            let request = cbor::encode(&asking.abort(1, &asking.one));
            let answer = net.post(&url, CBOR, request, MAX_ANSWER).unwrap();
            cbor::decode(&answer.body, MAX_ANSWER).unwrap()
        };

        // About the first a bank has to be asked; the verdict about the second goes into the log.
        let paid = ask(&Asking::paid_at(&named, certificate.key().unwrap()));
        assert!(!matches!(paid, Answer::Decided(_)), "{paid:?}");
        let other = ask(&Asking::new(&named));
        assert!(matches!(other, Answer::Decided(_)), "{other:?}");

        assert_eq!(bank.get("/asked").1, format!("{is_asked} {is_asked}"), "{list:?}");
        third.end();
    }
    bank.end();
}
