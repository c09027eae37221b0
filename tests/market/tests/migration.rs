//! Homes made by the code before this format: they open, what they hold is right, and their deals
//! go on to the end. `fixtures/README.md` says what is in them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{ask, binaries};
use rusqlite::Connection;
use semper_testkit::{Binaries, Running, process};
use serde_json::Value;
use tempfile::TempDir;

/// What the parties of an old marketplace are called, in the order in which they are started.
const SERVERS: [&str; 3] = ["bank", "third", "merchant"];
/// Files that say where somebody listens.
const CONFIGURATIONS: [&str; 7] = [
    "bank.toml",
    "third.toml",
    "merchant.toml",
    "anna/semper.toml",
    "anna/trust.toml",
    "otto/semper.toml",
    "otto/trust.toml",
];

/// An old marketplace, unpacked; every process in it has the clock of the day it was made.
struct Kept {
    folder: PathBuf,
    binaries: Binaries,
    /// By servers' names.
    ports: BTreeMap<&'static str, u16>,
    clock: String,
    _all: TempDir,
}

impl Kept {
    fn unpack(name: &str) -> Self {
        let (all, binaries) = (tempfile::tempdir().unwrap(), binaries());
        let folder = all.path().to_owned();
        let file = binaries.repository.join("tests/market/fixtures").join(name);
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--gzip", "--same-permissions", "--no-same-owner", "--file"]);
        let done = tar.arg(file).arg("--directory").arg(&folder).status().unwrap();
        assert!(done.success(), "tar: {done}");
        let made = fs::read_to_string(folder.join("made-at")).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let ahead = made.trim().parse::<i128>().unwrap() - i128::try_from(now).unwrap();
        let mut kept =
            Self { folder, binaries, ports: BTreeMap::new(), clock: ahead.to_string(), _all: all };
        kept.move_house();
        kept
    }

    /// Gives every server a port that is free today.
    fn move_house(&mut self) {
        let mut moved = Vec::new();
        for name in SERVERS {
            let text = fs::read_to_string(self.folder.join(format!("{name}.toml"))).unwrap();
            let rest = text.split_once("127.0.0.1:").unwrap().1;
            let old: u16 = rest.split_once('"').unwrap().0.parse().unwrap();
            let new = process::free_port().unwrap();
            self.ports.insert(name, new);
            // Two steps: a new port may be another's old one.
            moved.push((format!(":{old}\""), format!(":<{name}>\""), format!(":{new}\"")));
        }
        for file in CONFIGURATIONS.map(|it| self.folder.join(it)) {
            let mut text = fs::read_to_string(&file).unwrap();
            moved.iter().for_each(|(old, between, _)| text = text.replace(old, between));
            moved.iter().for_each(|(_, between, new)| text = text.replace(between, new));
            fs::write(&file, text).unwrap();
        }
        let archive = Connection::open(self.folder.join("anna/archive.sqlite")).unwrap();
        let merchant = format!("https://localhost:{}", self.ports["merchant"]);
        for table in ["deals", "openings"] {
            let sql = format!("UPDATE {table} SET address = ?1 WHERE address LIKE 'https:%'");
            assert_eq!(archive.execute(&sql, [&merchant]).unwrap(), 4, "{table}");
        }
    }

    fn env(&self) -> [(&str, &str); 1] {
        [("SEMPER_CLOCK", &self.clock)]
    }

    fn start(&self, name: &str, arguments: &[&str]) -> Running {
        Running::start(&self.folder, name, &self.binaries.semper, arguments, &self.env()).unwrap()
    }

    /// Starts everybody but the buyer's host.
    fn open(&self) -> Vec<Running> {
        let mut all = Vec::new();
        for home in ["otto", "anna"] {
            let (rules, transcript) =
                (format!("{home}-rules.toml"), format!("{home}-transcript.jsonl"));
            let socket = self.folder.join(home).join("tinguin.sock");
            let arguments = ["tinguin", "--home", home, "--pass-phrase-file", "pass-phrase"];
            let scripted = ["--rules", &rules, "--transcript", &transcript];
            let mut tinguin =
                self.start(&format!("{home}-tinguin"), &[&arguments[..], &scripted].concat());
            tinguin.ready(|| socket.exists()).unwrap();
            all.push(tinguin);
        }
        for name in SERVERS {
            let mut server = self.start(name, &["serve", &format!("{name}.toml")]);
            server.ready(|| process::answers(self.ports[name])).unwrap();
            all.push(server);
        }
        all
    }

    /// Runs a command to its end: exit code and everything that it says.
    fn semper(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(&self.binaries.semper);
        let command = command.args(arguments).envs(self.env()).current_dir(&self.folder);
        let done = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code().unwrap_or(-1), text(&done.stdout) + &text(&done.stderr))
    }

    /// A home's deals, the oldest first: id, state, note.
    fn deals(&self, home: &str) -> Vec<[String; 3]> {
        let (code, said) = self.semper(&["deals", "--home", home, "--json"]);
        assert_eq!(code, 0, "{home}: {said}");
        let all: Vec<Value> = serde_json::from_str(&said).unwrap();
        let text = |deal: &Value, key: &str| deal[key].as_str().unwrap().to_owned();
        all.iter().rev().map(|it| ["id", "state", "note"].map(|key| text(it, key))).collect()
    }

    fn states(&self, home: &str) -> Vec<String> {
        self.deals(home).into_iter().map(|[_, state, _]| state).collect()
    }

    /// Checks what the archive of a home holds, and that each of its components does on its
    /// journal what it did.
    fn is_right(&self, home: &str) {
        let (code, said) = self.semper(&["archive", "verify", "--home", home]);
        assert_eq!(code, 0, "{home}: {said}");
        for [id, _, note] in self.deals(home) {
            let (code, said) = self.semper(&["replay", "--home", home, &id]);
            assert_eq!(code, 0, "{home}, {id}, {note}: {said}");
        }
    }

    /// How often the buyer has answered a question of this topic.
    fn asked(&self, topic: &str) -> usize {
        let text = fs::read_to_string(self.folder.join("anna-transcript.jsonl")).unwrap();
        let needle = format!("\"topic\":\"{topic}\"");
        let answered = |line: &&str| line.contains(&needle) && !line.ends_with("\"answer\":null}");
        text.lines().filter(answered).count()
    }

    fn count(&self, file: &str, sql: &str) -> i64 {
        ask(self.folder.join(file), sql)
    }

    fn logs(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        ["merchant.log", "third.log", "resume.log"].map(read).join("\n")
    }
}

/// The format of an archive.
fn format(archive: &Path) -> i64 {
    let connection = Connection::open(archive).unwrap();
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn a_home_of_the_third_format_opens_and_its_deals_go_on() {
    let kept = Kept::unpack("format-3.tar.gz");
    for home in ["anna", "otto"] {
        assert_eq!(format(&kept.folder.join(home).join("archive.sqlite")), 3, "{home}");
        assert_eq!(kept.states(home), ["completed", "running", "running", "running"], "{home}");
        kept.is_right(home);
    }
    let asked = |topic| kept.asked(topic);
    assert_eq!((asked("agreement"), asked("order"), asked("exchange")), (4, 3, 2));

    let parties = kept.open();
    let mut resuming = kept.start("resume", &["deals", "--home", "anna", "--resume"]);

    assert_eq!(resuming.wait(Duration::from_secs(120)), Some(0), "{}", kept.logs());
    let until = Instant::now() + Duration::from_secs(60);
    while kept.states("otto").contains(&"running".to_owned()) {
        assert!(Instant::now() < until, "{:?}\n{}", kept.deals("otto"), kept.logs());
        std::thread::sleep(Duration::from_millis(100));
    }
    for home in ["anna", "otto"] {
        assert_eq!(kept.states(home), ["completed"; 4], "{:?}", kept.deals(home));
        assert_eq!(format(&kept.folder.join(home).join("archive.sqlite")), 7, "{home}");
    }
    drop(parties);
    for home in ["anna", "otto"] {
        kept.is_right(home);
        // What was signed before entries were kept is listed, added up and printed like the rest.
        let paid = if home == "anna" { "out" } else { "in" };
        let (code, said) =
            kept.semper(&["archive", "list", "--home", home, "--paid", paid, "--json"]);
        assert_eq!((code, said.matches("\"direction\"").count()), (0, 4), "{home}: {said}");
        let (code, said) = kept.semper(&["archive", "totals", "--home", home]);
        assert!(code == 0 && said.contains("payments 4"), "{home}: {said}");
        let [deal, ..] = kept.deals(home).swap_remove(0);
        let receipt = ["archive", "receipt", "--home", home, &deal, "--out", "old.pdf"];
        assert_eq!(kept.semper(&receipt).0, 0, "{home}");
        let (code, said) = kept.semper(&["archive", "verify", "old.pdf", "--home", home]);
        assert_eq!(code, 0, "{home}: {said}");
    }
    // Each question was put for each deal, and answered once.
    for topic in ["agreement", "order", "exchange", "completion"] {
        assert_eq!(asked(topic), 4, "{topic}");
    }
    let paid = "SELECT count(*) FROM entries WHERE text LIKE 'deal%' OR text LIKE 'released%'";
    assert_eq!(kept.count("bank/ledger.sqlite", paid), 4);
    assert_eq!(kept.count("bank/ledger.sqlite", "SELECT sum(balance) FROM accounts"), 0);
    assert_eq!(kept.count("otto/catalogue.sqlite", "SELECT count(*) FROM parcels"), 4);
}

#[test]
fn tls_goes_by_the_clock_of_the_process() {
    let kept = Kept::unpack("format-3.tar.gz");
    let _parties = kept.open();
    let show = ["account", "show", "--home", "anna"];
    let at = |clock: &str| {
        let mut command = Command::new(&kept.binaries.semper);
        let command = command.args(show).env("SEMPER_CLOCK", clock).current_dir(&kept.folder);
        let done = command.output().unwrap();
        (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
    };

    let (of_its_day, said) = at(&kept.clock);
    let (years_later, expired) = at(&(20 * 365 * 86_400_000_i64).to_string());

    assert_eq!(of_its_day, Some(0), "{said}");
    assert_eq!(years_later, Some(1), "{expired}");
    assert!(expired.contains("cannot show a certificate that is believed here"), "{expired}");
}

#[test]
fn a_newer_archive_is_refused_by_name_and_left_as_it_is() {
    let kept = Kept::unpack("format-3.tar.gz");
    let archive = kept.folder.join("anna/archive.sqlite");
    let connection = Connection::open(&archive).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);

    let (code, said) = kept.semper(&["deals", "--home", "anna"]);

    assert_ne!(code, 0, "{said}");
    for words in
        ["anna/archive.sqlite has format 99", "knows up to 7", "try  use the semper that wrote it"]
    {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert_eq!(format(&archive), 99);
}

#[test]
fn a_damaged_archive_says_which_table_and_what_can_be_saved() {
    let kept = Kept::unpack("format-3.tar.gz");
    let archive = kept.folder.join("anna/archive.sqlite");
    // As this format has it, and all of it in one file.
    assert_eq!(kept.deals("anna").len(), 4);
    let connection = Connection::open(&archive).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap();
    let tables = [
        "bases",
        "deals",
        "entries",
        "evidence",
        "exchanges",
        "highest",
        "messages",
        "moved",
        "openings",
    ];
    let rows = |table: &&str| {
        format!("{table} ({} rows)", number(&format!("SELECT count(*) FROM {table}")))
    };
    let whole: Vec<String> = tables.iter().map(rows).collect();
    let page = number("SELECT rootpage FROM sqlite_schema WHERE name = 'journal'");
    let size = number("PRAGMA page_size");
    drop(connection);

    let mut bytes = fs::read(&archive).unwrap();
    let start = usize::try_from((page - 1) * size).unwrap();
    bytes[start..start + usize::try_from(size).unwrap()].fill(0xa5);
    fs::write(&archive, bytes).unwrap();
    let (code, said) = kept.semper(&["deals", "--home", "anna"]);

    assert_ne!(code, 0, "{said}");
    let damaged = "anna/archive.sqlite is damaged: damaged: journal (0 rows), as far as";
    assert!(said.contains(damaged), "{said}");
    let saved = said.split_once("whole: ").unwrap().1;
    for words in whole {
        assert!(saved.contains(&words), "{words}\n{said}");
    }
    for words in ["restore a backup", "sqlite3", ".recover"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}
