//! A log whose disk fails for a while: it goes on by itself, and nobody learns of its files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Place, Running};
use semper_base::{Certificate, Digest, Role, SigningKey, Timestamp};
use semper_roles::config::ServerConfig;
use semper_roles::log::{ADD, Log, PROOF};
use semper_trust::envelope::{self, Made};

/// A log, and a merchant who has statements logged.
struct Logging {
    server: Running,
    key: SigningKey,
    certificate: Certificate,
}

impl Logging {
    fn start() -> Self {
        let place = Place::new("[tlog]\nhome = \"log\"\nauthorities = [\"root.pem\"]\n");
        std::fs::write(place.file("root.pem"), place.authority.certificate.to_pem()).unwrap();
        Log::create(&place.file("log"), "log.example/terms").unwrap();
        let (key, certificate) = place.certified("Otto Versand", Role::Merchant);
        let config = ServerConfig::read(&place.file("server.toml")).unwrap();
        Self { server: Running::of(place, config), key, certificate }
    }

    fn statement(&self, about: &str) -> Vec<u8> {
        let made = Made { by: "Otto Versand".into(), at: Timestamp::now() };
        let (chain, subject) = ([self.certificate.clone()], Digest::of(about.as_bytes()));
        envelope::sign(&self.key, &chain, "https://semper.example/made", about, &subject, made)
    }

    fn add(&self, statement: &[u8]) -> (u16, String) {
        self.server.post(ADD, "application/json", statement.to_vec())
    }
}

#[test]
fn a_write_that_fails_once_is_no_reason_to_stop() {
    let log = Logging::start();
    let [first, second, third] = ["one", "two", "three"].map(|it| log.statement(it));
    assert_eq!(log.add(&first).0, 200);

    // The next checkpoint cannot be written: numbers have been given out, tiles have been written.
    let in_the_way = log.server.place.file("log/checkpoint.new");
    std::fs::create_dir(&in_the_way).unwrap();
    for _ in 0..2 {
        let (status, text) = log.add(&second);
        assert_eq!(status, 503, "{text}");
        assert!(text.contains("the log cannot take statements now"), "{text}");
        let folder = log.server.place.folder.path().display().to_string();
        assert!(!text.contains(&folder) && !text.contains("checkpoint"), "{text}");
    }
    log.server.until("/healthz", |status, text| status == 503 && text.contains("tlog/writer"));
    // What was logged before is still proved.
    let proof =
        |statement: &[u8]| log.server.get(&format!("{PROOF}{}", Digest::of(statement).hex())).0;
    assert_eq!(proof(&first), 200);

    std::fs::remove_dir(&in_the_way).unwrap();
    // The same again, and others: each has its place, and only one.
    assert_eq!(log.add(&third).0, 200);
    assert_eq!(log.add(&second).0, 200);
    assert_eq!(log.add(&second).0, 200);
    log.server.until("/healthz", |status, _| status == 200);
    assert!([&first, &second, &third].iter().all(|it| proof(it) == 200));
    let checkpoint = log.server.get("/checkpoint").1;
    assert_eq!(checkpoint.lines().nth(1), Some("3"), "{checkpoint}");
    log.server.end();
}

#[test]
fn a_log_gets_well_without_anybody_asking_it() {
    let log = Logging::start();
    let in_the_way = log.server.place.file("log/checkpoint.new");
    std::fs::create_dir(&in_the_way).unwrap();
    assert_eq!(log.add(&log.statement("one")).0, 503);
    std::fs::remove_dir(&in_the_way).unwrap();

    log.server.until("/healthz", |status, _| status == 200);

    log.server.end();
}
