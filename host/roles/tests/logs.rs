//! A log whose disk fails for a while: it goes on by itself, and nobody learns of its files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Place, Running};
use semper_base::{Certificate, Digest, Role, SigningKey, Timestamp};
use semper_keeper::Keeper;
use semper_roles::config::ServerConfig;
use semper_roles::log::{ADD, Log, LogConfig, PROOF};
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
    let in_the_way = log.server.place.file("log/public/checkpoint.new");
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
    let in_the_way = log.server.place.file("log/public/checkpoint.new");
    std::fs::create_dir(&in_the_way).unwrap();
    assert_eq!(log.add(&log.statement("one")).0, 503);
    std::fs::remove_dir(&in_the_way).unwrap();

    log.server.until("/healthz", |status, _| status == 200);

    log.server.end();
}

#[test]
fn parts_of_tiles_that_are_whole_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("log");
    Log::create(&home, "log.example/terms").unwrap();
    let config = LogConfig { home: home.clone(), authorities: vec![], witness: vec![], quorum: 0 };
    let keeper = Keeper::new("log");
    let log = Log::open(&config, &keeper).unwrap();

    for batch in 0..6 {
        let entries = (0..100).map(|it| format!("entry {batch} {it}").into_bytes()).collect();
        log.append_all(entries).unwrap();
    }

    let there = |name: &str| home.join("public").join(name).exists();
    for kind in ["tile/0", "tile/entries"] {
        assert!(there(&format!("{kind}/000")) && there(&format!("{kind}/001")), "{kind}");
        assert!(!there(&format!("{kind}/000.p")), "{kind}");
        // Somebody may still be reading the last ones by an older checkpoint.
        assert!(there(&format!("{kind}/001.p/44")) && there(&format!("{kind}/002.p/88")), "{kind}");
    }
    drop(log);
    keeper.end();
    assert!(keeper.join(common::HANG).is_empty());

    // What is left is the whole log.
    let keeper = Keeper::new("log");
    let log = Log::open(&config, &keeper).unwrap();
    assert!(log.append_all(vec![b"entry 0 5".to_vec(), b"new".to_vec()]).is_ok());
    let checkpoint = std::fs::read_to_string(home.join("public/checkpoint")).unwrap();
    assert_eq!(checkpoint.lines().nth(1), Some("601"));
    keeper.end();
}
