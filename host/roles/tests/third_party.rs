//! A third party and strangers: what is forged or too large counts against nobody, and what is stored
//! is no more than is needed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use semper_base::{Digest, SigningKey, Timestamp, cbor, keys};
use semper_exchange::agreement::VERSION;
use semper_exchange::crypto::Signed;
use semper_exchange::item::{Item, Leaf};
use semper_exchange::message::{Accept, Promise, Token};
use semper_exchange::standard::{Keys, NoGoods, Standard};
use semper_exchange::verdict::{Abort, Answer, Decision, Rejection, Request, Resolve, Wish};
use semper_exchange::{Agreed, Exchange, Fairness, Party, Protocol, Role, ThirdParty as Named};
use semper_keeper::Keeper;
use semper_roles::third_party::{ThirdParty, ThirdPartyConfig};

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

impl Asking {
    fn new(third: &Named<Standard>) -> Self {
        let (one, other, now) = (someone(), someone(), Timestamp::now());
        let side = |keys: &Keys| Party { sign: keys.public(), seal: keys.seal_public() };
        let leaf = |path: &str, keys: &Keys| Leaf {
            path: path.to_owned(),
            item: Item::Statement { statement: digest(), signer: keys.public(), affidavit: true },
        };
        let agreed = Agreed::new(Exchange {
            version: VERSION,
            protocol: Protocol::Gg,
            fairness: Fairness::Strong,
            deal: digest(),
            originator: side(&one),
            responder: side(&other),
            third_party: third.clone(),
            from_originator: vec![leaf("a", &one)],
            from_responder: vec![leaf("b", &other)],
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
    third: std::sync::Arc<ThirdParty>,
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
