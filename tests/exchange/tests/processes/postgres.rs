//! Several processes of one third party on one PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use semper_base::cert::Authority;
use semper_base::{Digest, Role as CertifiedRole, SigningKey, Timestamp};
use semper_exchange::Event;
use semper_exchange::crypto::Signed;
use semper_exchange::verdict::{Abort, Answer, Request, Resolve, Wish};
use semper_exchange_tests::{Kind, Services as _};
use semper_roles::third_party::cases::Cases as _;
use semper_roles::third_party::postgres::PostgresCases;
use semper_testkit::postgres::Postgres;

use super::{Role, TRADER, Town};

#[test]
fn processes_that_share_a_store_never_give_two_verdicts() {
    let postgres = Postgres::start().unwrap();
    let store = postgres.database("verdicts").unwrap();
    let mut town = Town::new(TRADER, Some((&store, 3)));
    let remotes: Vec<_> = (0..3).map(|index| Arc::new(town.remote("anna", index))).collect();
    for round in 0..25 {
        let setup = town.setup(&[Kind::Statement], &[Kind::Statement]);
        let now = Timestamp::now();
        let agreed = setup.agreed.clone();
        let originator = semper_exchange::Originator::new(agreed.clone(), vec![]);
        let responder = semper_exchange::Responder::new(agreed.clone(), vec![]);
        let (originator, _) = originator.step(Event::Start, now, &setup.originator.keys).unwrap();
        let promise = originator.kept.promise.clone().unwrap();
        let event = Event::Message(semper_exchange::Message::Promise(promise.clone()));
        let (responder, _) = responder.step(event, now, &setup.responder.keys).unwrap();
        let accept = responder.kept.accept.clone().unwrap();
        let subject = agreed.subject();
        let body = Abort { promise: promise.digest(), role: Role::Originator };
        let abort = Wish::Abort(Signed::new(&setup.originator.keys, subject, body).unwrap());
        let body = Resolve {
            promise: promise.digest(),
            accept: Some(accept.digest()),
            role: Role::Responder,
        };
        let resolve = Wish::Resolve(Signed::new(&setup.responder.keys, subject, body).unwrap());
        let requests = [(abort, None), (resolve, Some(accept))].map(|(wish, accept)| Request {
            wish,
            promise: promise.clone(),
            accept,
        });

        let asking: Vec<_> = (0..6)
            .map(|index| {
                let remote = Arc::clone(&remotes[(index + round) % 3]);
                let request = requests[index % 2].clone();
                std::thread::spawn(move || remote.ask(&request).unwrap())
            })
            .collect();
        let verdicts: Vec<_> = asking
            .into_iter()
            .map(|it| match it.join().unwrap() {
                Answer::Decided(decided) => decided.verdict,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(verdicts.iter().all(|it| *it == verdicts[0]), "round {round}: two verdicts");
    }
    // Another process that wants to publish as well is refused.
    let file = town.folder.path().join("third-1.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("publish = false", "publish = true");
    std::fs::write(&file, text).unwrap();
    let checked = town.trusted.semper(&["serve", "third-1.toml", "--check"]).unwrap();
    assert_ne!(checked.code, 0);
    assert!(checked.err.contains("another process publishes"), "{}", checked.err);
}

#[test]
fn a_store_that_speaks_tls_is_reached_by_the_root_that_was_named_and_by_no_other() {
    let now = Timestamp::now();
    let authority = |name: &str| Authority::new(name, SigningKey::generate(), now).unwrap();
    let (own, other) = (authority("Database CA"), authority("Other CA"));
    let (key, until) = (SigningKey::generate(), now.after(Duration::from_secs(86_400)));
    let names = ["127.0.0.1".to_owned()];
    let certificate =
        own.issue("database", &key.public(), CertifiedRole::Server, &names, now, until).unwrap();
    let postgres = Postgres::start_with_tls(&certificate.to_pem(), &key.to_pem()).unwrap();
    let url = postgres.database("verdicts").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = |authority: &Authority, name: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, authority.certificate.to_pem()).unwrap();
        file
    };
    let (own, other) = (root(&own, "own.pem"), root(&other, "other.pem"));

    let cases = PostgresCases::open(&url, Some(&own), true).unwrap();
    assert!(cases.load(&Digest::of(b"nothing")).unwrap().is_none());
    assert!(cases.size().unwrap() > 0);

    let strange = PostgresCases::open(&url, Some(&other), false).unwrap_err().to_string();
    assert!(strange.contains("certificate") || strange.contains("TLS"), "{strange}");
    // The server refuses whoever comes without TLS.
    assert!(PostgresCases::open(&url, None, false).is_err());
}
