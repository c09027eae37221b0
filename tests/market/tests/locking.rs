//! A TINGUIN is locked and unlocked: deals wait for it and lose nothing, wrong pass-phrases are
//! counted and slowed down, and the pass-phrase is changed whole or not at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{binaries, books, buy_until_crash, ended, is_locked, market, newest, small};
use semper_base::Digest;
use semper_testkit::process::{self, Output, Running, until};
use semper_tinguin::keystore::{self, Keystore};
use semper_tinguin_protocol::Client;
use tempfile::TempDir;

/// Longer than anything here takes.
const HANG: Duration = Duration::from_secs(180);
const RIGHT: &str = "correct horse battery staple";

/// A home of Anna's, and pass-phrases in files.
struct Alone(TempDir);

impl Alone {
    fn new() -> Self {
        let alone = Self(tempfile::tempdir().unwrap());
        alone.secret("right", RIGHT.as_bytes());
        alone.secret("wrong", b"correct horse battery stable");
        alone.done(&["ca", "init", "--home", "ca", "--name", "Market CA"]);
        let mut init =
            vec!["init", "--home", "anna", "--user", "Anna Berg", "--phrase", "two owls"];
        init.extend(["--authority", "ca/root.pem", "--pass-phrase-file", "right"]);
        alone.done(&init);
        fs::write(alone.path("rules.toml"), "").unwrap();
        alone
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn secret(&self, name: &str, content: &[u8]) {
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600);
        opened.open(self.path(name)).unwrap().write_all(content).unwrap();
    }

    fn semper(&self, arguments: &[&str]) -> Output {
        process::run(self.0.path(), &binaries().semper, arguments).unwrap()
    }

    fn done(&self, arguments: &[&str]) -> Output {
        let output = self.semper(arguments);
        assert_eq!(output.code, 0, "{arguments:?} {}", output.err);
        output
    }

    /// Runs a command with a fault ahead; whether it was killed.
    fn killed(&self, crash: &str, arguments: &[&str]) -> bool {
        let mut command = Command::new(binaries().semper);
        let command = command.args(arguments).env("SEMPER_CRASH", crash).current_dir(self.0.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().code().is_none()
    }

    /// `semper tinguin` by rules; it ends by itself where the pass-phrase is wrong.
    fn tinguin(&self, pass_phrase: &str, env: &[(&str, &str)]) -> Running {
        let mut arguments = vec!["tinguin", "--home", "anna", "--rules", "rules.toml"];
        arguments.extend(["--transcript", "transcript", "--pass-phrase-file", pass_phrase]);
        let program = binaries().semper;
        Running::start(self.0.path(), "tinguin", &program, &arguments, env).unwrap()
    }

    fn started(&self, env: &[(&str, &str)]) -> Running {
        let _ = fs::remove_file(self.path("anna/tinguin.sock"));
        let mut running = self.tinguin("right", env);
        running.ready(|| self.path("anna/tinguin.sock").exists()).unwrap();
        running
    }

    fn transcript(&self) -> String {
        fs::read_to_string(self.path("transcript")).unwrap_or_default()
    }

    fn opens(&self, pass_phrase: &str) -> bool {
        let stored = fs::read_to_string(self.path("anna").join(keystore::FILE)).unwrap();
        Keystore::open(&stored, pass_phrase).is_ok()
    }

    fn wrong(&self) -> u64 {
        let text = fs::read_to_string(self.path("anna/tries.json")).unwrap_or_default();
        let stored: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        stored["wrong"].as_u64().unwrap_or(0)
    }
}

/// One error in plain words, for wrong input.
fn fails(output: &Output, words: &str) {
    assert_eq!(output.code, 2, "{}{}", output.out, output.err);
    assert!(output.err.contains(words), "{words} in {}", output.err);
    assert_eq!(output.err.matches("error:").count(), 1, "{}", output.err);
}

#[test]
fn a_purchase_waits_while_the_tinguin_is_locked_and_goes_on_when_it_is_unlocked() {
    let (market, _folder) = market(&small());
    let home = market.folder.join("anna");
    let semper = |arguments: &[&str]| market.semper(arguments).unwrap();
    let lock = || assert_eq!(semper(&["lock", "--home", "anna"]).code, 0);
    let unlock = ["unlock", "--home", "anna", "--pass-phrase-file"];

    // Before the deal is opened: the command waits.
    lock();
    assert!(is_locked(&home));
    let refused = semper(&["account", "show", "--home", "anna"]);
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("the TINGUIN is locked"), "{}", refused.err);
    let mut buying = market.start_buying().unwrap();
    until(HANG, "it says so", || buying.log_text().contains("the TINGUIN is locked"));
    assert!(!buying.has_ended());
    fs::write(market.folder.join("wrong"), "not this one at all").unwrap();
    fs::set_permissions(market.folder.join("wrong"), fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = semper(&[&unlock[..], &["wrong"]].concat());
    assert!(wrong.err.contains("the pass-phrase is wrong"), "{}", wrong.err);
    assert!(is_locked(&home));
    let right = semper(&[&unlock[..], &["pass-phrase"]].concat());
    assert!(right.out.contains("there were 1 wrong pass-phrase since"), "{}", right.out);
    assert_eq!(buying.wait(HANG), Some(0), "{}", buying.log_text());

    // Amid a deal: it is a pause, and nobody is blamed.
    assert!(buy_until_crash(&market, "archive.after:20"));
    lock();
    let program = &market.binaries.semper;
    let resume = ["deals", "--home", "anna", "--resume"];
    let mut resumed = Running::start(&market.folder, "resumed", program, &resume, &[]).unwrap();
    // What it needs next is a key or an answer: either waits for the person, however long she takes.
    until(HANG, "it is under way", || {
        market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json()[0]["host_runs"]
            == true
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(!resumed.has_ended(), "{}", resumed.log_text());
    assert_eq!(newest(&market, "anna").0, "running");
    assert_eq!(semper(&[&unlock[..], &["pass-phrase"]].concat()).code, 0);
    assert_eq!(resumed.wait(HANG), Some(0), "{}", resumed.log_text());
    assert_eq!(newest(&market, "anna").0, "completed");
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!((books(&market).payments, books(&market).sum), (2, 0));
}

#[test]
fn a_tinguin_that_nobody_uses_locks_by_itself_and_so_does_one_whose_machine_has_slept() {
    let alone = Alone::new();
    let config = fs::read_to_string(alone.path("anna/semper.toml")).unwrap();
    let locks = |after: &str| {
        let text = format!("{config}\n[tinguin]\nlock-after = \"{after}\"\n");
        fs::write(alone.path("anna/semper.toml"), text).unwrap();
    };
    let home = alone.path("anna");

    locks("1s");
    let idle = alone.started(&[]);
    until(HANG, "nobody is there", || is_locked(&home));
    // A stranger at the screen reads a name, and no phrase by which it could be imitated.
    let transcript = alone.transcript();
    let locked = transcript.lines().find(|it| it.contains("\"locked\":{")).unwrap();
    assert!(locked.contains("Anna Berg") && !locked.contains("two owls"), "{locked}");
    alone.done(&["unlock", "--home", "anna", "--pass-phrase-file", "right"]);
    until(HANG, "the screen is hers again", || {
        alone.transcript().lines().any(|it| it.contains("unlocked") && it.contains("two owls"))
    });
    drop(idle);

    locks("2h");
    let slept = alone.started(&[("SEMPER_FAIL", "tinguin.sleep:2")]);
    until(HANG, "the machine has slept", || is_locked(&home));
    drop(slept);

    // By rules and with nothing set, it does not; nor does one whose clock is another.
    locks("off");
    let _stays = alone.started(&[("SEMPER_FAIL", "tinguin.sleep:1-50")]);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!is_locked(&home));
    locks("soon");
    fails(&alone.semper(&["lock", "--home", "ca"]), "an authority's home");
    let wrong = alone.tinguin("right", &[]).wait(HANG);
    assert_eq!(wrong, Some(2), "a time that is none");
}

#[test]
fn wrong_pass_phrases_are_counted_over_restarts_and_no_clock_shortens_the_wait() {
    let alone = Alone::new();
    for count in 1..=3 {
        let mut tried = alone.tinguin("wrong", &[]);
        assert_eq!(tried.wait(HANG), Some(2), "{}", tried.log_text());
        assert_eq!(alone.wrong(), count);
    }
    // The count is there before the answer is.
    assert!(alone.killed(
        "keys.counted:1",
        &[
            "pass-phrase",
            "--home",
            "anna",
            "--pass-phrase-file",
            "right",
            "--new-pass-phrase-file",
            "wrong"
        ],
    ));
    assert_eq!(alone.wrong(), 4);
    assert!(alone.opens(RIGHT));

    // After four it is 4 s: also for the right one, also if the clock says that a day has gone by,
    // or that it is yesterday.
    for clock in ["86400000", "-86400000"] {
        let begun = Instant::now();
        let mut early = alone.tinguin("wrong", &[("SEMPER_CLOCK", clock)]);
        assert_eq!(early.wait(HANG), Some(2), "{}", early.log_text());
        assert!(begun.elapsed() > Duration::from_secs(2), "{clock}");
        assert!(early.log_text().contains("starting anew shortens nothing"));
    }
    assert_eq!(alone.wrong(), 6);
    let tinguin = alone.started(&[]);
    assert_eq!(alone.wrong(), 0, "{}", tinguin.log_text());
    until(HANG, "it is told", || alone.transcript().contains("6 wrong pass-phrases since"));
    // A count that somebody has spoiled is no count of none.
    drop(tinguin);
    alone.secret("anna/tries.json", b"{}");
    let mut spoiled = alone.tinguin("right", &[]);
    until(HANG, "it waits", || spoiled.log_text().contains("20 wrong pass-phrases"));
    assert!(!spoiled.has_ended());
    // The waiting can be left.
    spoiled.signal("INT");
    assert!(spoiled.wait(HANG).is_some());
}

#[test]
fn the_pass_phrase_is_changed_whole_or_not_at_all_and_a_running_tinguin_goes_on() {
    let alone = Alone::new();
    let (first, second) = (RIGHT, "two owls in a pear tree");
    alone.secret("second", second.as_bytes());
    let change = |old, new| {
        let files = ["--pass-phrase-file", old, "--new-pass-phrase-file", new];
        [&["pass-phrase", "--home", "anna"][..], &files].concat()
    };
    for step in ["before", "written", "synced", "renamed", "after"] {
        assert!(alone.killed(&format!("keys.{step}:1"), &change("right", "second")), "{step}");
        let (old, new) = (alone.opens(first), alone.opens(second));
        assert!(old != new, "{step}: {old} {new}");
        if new {
            alone.done(&change("second", "right"));
        }
    }

    let tinguin = alone.started(&[]);
    let home = alone.path("anna");
    let keys = Client::new(&home).deal_keys(Digest::of(b"mine")).unwrap();
    let changed = alone.done(&change("right", "second"));
    assert!(changed.out.contains("goes on"), "{}", changed.out);
    assert_eq!(Client::new(&home).deal_keys(Digest::of(b"mine")).unwrap(), keys);
    alone.done(&["lock", "--home", "anna"]);
    let old = alone.semper(&["unlock", "--home", "anna", "--pass-phrase-file", "right"]);
    assert_eq!(old.code, 1, "{}", old.out);
    alone.done(&["unlock", "--home", "anna", "--pass-phrase-file", "second"]);
    assert_eq!(Client::new(&home).deal_keys(Digest::of(b"mine")).unwrap(), keys);
    drop(tinguin);

    alone.secret("short", b"too short");
    alone.secret("long", "x".repeat(2_000).as_bytes());
    alone.secret("bytes", b"correct horse \xff\xfe battery");
    fails(&alone.semper(&change("second", "short")), "fewer than 10 characters");
    fails(&alone.semper(&change("second", "long")), "more than 1024 characters");
    fails(&alone.semper(&change("second", "bytes")), "the pass-phrase is no text");
    fails(&alone.semper(&change("second", "second")), "is the old one");
    fails(&alone.semper(&change("bytes", "right")), "the pass-phrase is no text");
    fails(&alone.semper(&change("long", "right")), "the pass-phrase is wrong");
    fails(&alone.semper(&change("nothing", "right")), "No such file");
    assert!(alone.opens(second));
    let home = ["pass-phrase", "--home", "ca", "--pass-phrase-file", "right"];
    fails(&alone.semper(&home), "an authority's home");
}

#[test]
fn a_key_store_that_is_damaged_or_of_a_newer_program_is_said_to_be_so_and_counts_nothing() {
    let alone = Alone::new();
    let before = alone.wrong();
    let file = format!("anna/{}", keystore::FILE);
    let stored = fs::read_to_string(alone.path(&file)).unwrap();
    let newer = stored.replace("\"version\": 1", "\"version\": 9");
    let greedy = stored.replace("\"memory_kib\": 65536", "\"memory_kib\": 4000000000");
    for (text, words) in [
        (&stored[..stored.len() / 2], "the key store is damaged"),
        (newer.as_str(), "of version 9"),
        (greedy.as_str(), "the key store is damaged"),
        ("", "the key store is damaged"),
    ] {
        alone.secret(&file, text.as_bytes());
        let arguments =
            ["tinguin", "--home", "anna", "--rules", "rules.toml", "--pass-phrase-file"];
        fails(&alone.semper(&[&arguments[..], &["right"]].concat()), words);
        assert_eq!(alone.wrong(), before, "{words}");
    }
}

/// Types into a terminal: what is typed, and what must be so before the next is typed.
const TYPIST: &str = r#"
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "tinguin", "--home", "anna"])
os.set_blocking(terminal, False)
for line in sys.stdin:
    os.write(terminal, bytes.fromhex(line.strip()))
    for _ in range(5):
        time.sleep(0.05)
        try: os.read(terminal, 1 << 20)
        except (BlockingIOError, OSError): pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn a_person_locks_and_unlocks_her_tinguin_by_its_keyboard() {
    let alone = Alone::new();
    let home = alone.path("anna");
    let mut python = Command::new("python3");
    let python = python.args(["-c", TYPIST]).arg(binaries().semper).current_dir(alone.0.path());
    let mut python = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keys = python.stdin.take().unwrap();
    let mut types = |text: &str| {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        writeln!(keys, "{hex}").unwrap();
        keys.flush().unwrap();
    };
    let enters = |text: &str| format!("{text}\r");

    // The terminal keeps it until it is asked for.
    types(&enters(RIGHT));
    until(HANG, "it runs", || home.join("tinguin.sock").exists());
    types("l");
    until(HANG, "it locks", || is_locked(&home));
    until(HANG, "it is asked", || {
        types(&enters("not this one at all"));
        std::thread::sleep(Duration::from_millis(700));
        alone.wrong() > 0
    });
    until(HANG, "it is unlocked", || {
        types("\u{1b}");
        types(&enters(RIGHT));
        std::thread::sleep(Duration::from_millis(1_000));
        !is_locked(&home)
    });
    assert_eq!(alone.wrong(), 0);
    types("q");
    until(HANG, "it ends", || !home.join("tinguin.sock").exists());
    drop(keys);
    let ended = python.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout).trim(), "0");
}
