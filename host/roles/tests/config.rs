//! A server's file: sections are found in the list, mistakes are shown where they are, and a check
//! starts nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::Path;

use common::{KNOWN, Place};
use semper_base::Mend as _;
use semper_keeper::Keeper;
use semper_roles::config::{ConfigError, ServerConfig};
use semper_roles::list::ROLES;
use semper_roles::log::{Log, LogConfig};
use semper_roles::server::Server;

const HEAD: &str = "listen = \"127.0.0.1:1\"\n[tls]\ncertificate = \"a\"\nkey = \"b\"\n";

fn read(text: &str) -> ConfigError {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.toml");
    std::fs::write(&file, text).unwrap();
    ServerConfig::read(&file).unwrap_err()
}

#[test]
fn each_role_stands_in_the_list_once() {
    let mut names: Vec<&str> = ROLES.iter().map(|it| it.name).collect();
    assert_eq!(
        names,
        ["ca", "bank", "merchant", "tlog", "witness", "third-party", "files"],
        "README and ARCHITECTURE name the sections, too"
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ROLES.len());
}

#[test]
fn a_file_without_a_role_is_told_which_there_are() {
    let error = read(HEAD);
    assert!(error.to_string().ends_with("server.toml names no role"), "{error}");
    let want =
        "add a [ca], [bank], [merchant], [tlog], [witness], [third-party] or [files] section";
    assert_eq!(error.mend(), want);
    assert!(error.is_input());
}

#[test]
fn an_unknown_section_is_refused_by_name_and_place() {
    let error = read(&format!("{HEAD}[mint]\nhome = \"mint\"\n")).to_string();

    assert!(error.contains("unknown section or entry `mint`"), "{error}");
    assert!(error.contains("[ca], [bank], [merchant]"), "{error}");
    assert!(error.contains("line 5, column 2"), "{error}");
}

#[test]
fn mistakes_are_shown_with_their_line() {
    let cases = [
        ("listen = \"x\"\n", "line 1"),
        ("listen = \"127.0.0.1:1\"\n[tls]\ncertificate = 3\n", "line 3"),
        (&format!("{HEAD}[bank]\nhouse = \"bank\"\n"), "line 6"),
        (&format!("{HEAD}[ca]\nhome = \"ca\"\n[files]\nfolder = 7\n"), "line 8"),
        (&format!("{HEAD}[third-party]\n"), "missing field `home`"),
        ("[tls]\ncertificate = \"a\"\nkey = \"b\"\n", "missing field `listen`"),
        ("listen = \"127.0.0.1:1\"\n[ca]\nhome = \"ca\"\n", "missing field `tls`"),
    ];
    for (text, want) in cases {
        let error = read(text).to_string();
        assert!(error.contains(want), "{text}\n{error}");
    }
}

#[test]
fn a_role_that_does_not_start_is_named_by_its_section() {
    let place =
        Place::new("[first-clerk]\nfolder = \"first\"\n[second-clerk]\nfolder = \"away\"\n");
    let config = place.config();

    let checked = place.mistakes().pop().unwrap();
    let keeper = Keeper::new("office");
    let opened = Server::open(&config, &keeper).unwrap_err();

    for error in [checked, opened] {
        let want = format!("[second-clerk]: there is no folder {}", place.file("away").display());
        assert_eq!(error.to_string(), want);
        assert_eq!(error.mend(), "make the folder");
        assert!(error.is_input());
    }
    // The first had begun.
    assert!(keeper.ending().is_over());
}

#[test]
fn a_check_opens_no_role() {
    let place = Place::new("[first-clerk]\nfolder = \"first\"\n");

    assert!(place.mistakes().is_empty());
    assert!(!place.file("first/opened").exists());

    let keeper = Keeper::new("office");
    Server::open(&place.config(), &keeper).unwrap();
    assert!(place.file("first/opened").exists());
    keeper.end();
}

#[test]
fn a_check_of_a_log_publishes_nothing() {
    let place = Place::new("");
    let home = place.file("log");
    Log::create(&home, "log.example/terms").unwrap();
    let text = std::fs::read_to_string(place.file("server.toml")).unwrap();
    let text = format!("{text}[tlog]\nhome = \"log\"\nauthorities = [\"root.pem\"]\n");
    std::fs::write(place.file("server.toml"), text).unwrap();
    let read = || ServerConfig::read(&place.file("server.toml")).unwrap();

    let mistakes = || ServerConfig::mistakes(&place.file("server.toml"));
    let error = mistakes()[0].to_string();
    assert!(error.contains("[tlog]: ") && error.contains("root.pem"), "{error}");
    std::fs::write(place.file("root.pem"), place.roots.certificates()[0].to_pem()).unwrap();
    assert!(mistakes().is_empty());

    assert!(!home.join("public/checkpoint").exists());
    let keeper = Keeper::new("test");
    Server::open(&read(), &keeper).unwrap();
    assert!(home.join("public/checkpoint").exists());
    keeper.end();
}

#[test]
fn a_check_says_everything_that_is_wrong() {
    let place = Place::new("[first-clerk]\nfolder = \"away\"\n[second-clerk]\nfolder = \"gone\"\n");
    std::fs::write(place.file("tls.pem"), "no certificate").unwrap();
    std::fs::remove_file(place.file("tls.key")).unwrap();

    let wrong: Vec<String> = place.mistakes().iter().map(ToString::to_string).collect();

    let found = |what: &str| wrong.iter().filter(|it| it.contains(what)).count();
    assert_eq!(wrong.len(), 4, "{wrong:?}");
    for what in ["[tls] certificate: ", "tls.key", "[first-clerk]: ", "[second-clerk]: "] {
        assert_eq!(found(what), 1, "{what} in {wrong:?}");
    }

    // Forms, too: one mistake in each section.
    let text = "listen = 7\n[bank]\nhouse = \"bank\"\n[files]\nfolder = 8\n";
    std::fs::write(place.file("server.toml"), text).unwrap();
    let wrong = ServerConfig::mistakes(&place.file("server.toml"));
    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    for (error, line) in wrong.iter().zip(["line 1", "line 3", "line 5"]) {
        assert!(error.contains(line), "{wrong:?}");
    }
}

#[test]
fn a_log_whose_witness_is_away_says_so_and_recovers() {
    let place = Place::new("");
    let home = place.file("log");
    Log::create(&home, "log.example/terms").unwrap();
    let root = place.file("root.pem");
    std::fs::write(&root, place.roots.certificates()[0].to_pem()).unwrap();
    let config = |quorum| LogConfig {
        home: home.clone(),
        authorities: Vec::new(),
        witness: Vec::new(),
        quorum,
    };

    let keeper = Keeper::new("log");
    let log = Log::open(&config(1), &keeper).unwrap();
    assert!(log.append_all(vec![b"a statement".to_vec()]).is_err());
    assert_eq!(ill(&keeper), ["log/writer: the witness that is wanted has not cosigned"]);
    keeper.end();
    assert!(keeper.join(common::HANG).is_empty());
    drop(log);

    // What was not published is published by whoever opens it next.
    let keeper = Keeper::new("log");
    let log = Log::open(&config(0), &keeper).unwrap();
    assert!(log.append_all(vec![b"a statement".to_vec()]).is_ok());
    assert_eq!(ill(&keeper), Vec::<String>::new());
    assert!(size(&home.join("public/checkpoint")) == 1);
    keeper.end();
}

fn ill(keeper: &Keeper) -> Vec<String> {
    let ill = keeper.health().into_iter().filter_map(|it| match it.state {
        semper_keeper::State::Ill(why) => Some(format!("{}: {why}", it.name)),
        _ => None,
    });
    ill.collect()
}

/// The second line of a checkpoint.
fn size(file: &Path) -> u64 {
    std::fs::read_to_string(file).unwrap().lines().nth(1).unwrap().parse().unwrap()
}

#[test]
fn another_list_of_roles_is_another_server() {
    let place = Place::new("[ca]\nhome = \"ca\"\n");
    let error = ServerConfig::read_with(&place.file("server.toml"), KNOWN).unwrap_err();
    assert!(
        error.to_string().contains("[first-clerk], [second-clerk] or [third-clerk]"),
        "{error}"
    );
}
