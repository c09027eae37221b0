//! A home is copied into one file while it is in use, and put back elsewhere: whole, or not at all.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::desk::files;
use common::{ask, books, buy_until_crash, ended, market, newest, small};
use semper_testkit::Market;
use semper_testkit::process::{self, Output, Running};

const HANG: Duration = Duration::from_secs(240);

fn backup(market: &Market, home: &str, out: &str) -> Output {
    let arguments = ["backup", "--home", home, "--out", out, "--pass-phrase-file", "pass-phrase"];
    market.semper(&arguments).unwrap()
}

fn restore(market: &Market, file: &str, home: &str) -> Output {
    let arguments = ["restore", file, "--home", home, "--pass-phrase-file", "pass-phrase"];
    market.semper(&arguments).unwrap()
}

fn done(output: &Output) {
    assert_eq!(output.code, 0, "{}{}", output.out, output.err);
}

/// One error in plain words, for wrong input.
fn fails(output: &Output, words: &str) {
    assert_eq!(output.code, 2, "{}{}", output.out, output.err);
    assert!(output.err.contains(words), "{words} in {}", output.err);
    assert_eq!(output.err.matches("error:").count(), 1, "{}", output.err);
}

/// What lies in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut all: Vec<String> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

/// Runs a command with a fault ahead.
fn with(market: &Market, env: (&str, &str), arguments: &[&str]) -> Output {
    let mut command = Command::new(&market.binaries.semper);
    let command = command.args(arguments).env(env.0, env.1).current_dir(&market.folder);
    let ended = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = ended.status.code().unwrap_or(-1);
    Output { code, out: text(&ended.stdout), err: text(&ended.stderr) }
}

#[test]
fn a_buyer_whose_machine_is_destroyed_amid_a_deal_ends_it_on_another() {
    let (mut market, _folder) = market(&small());
    assert!(buy_until_crash(&market, "archive.after:20"));
    assert_eq!(newest(&market, "anna").0, "running");

    // Her TINGUIN runs all the while.
    done(&backup(&market, "anna", "anna.backup"));
    market.buyer_tinguin.take();
    fs::remove_dir_all(market.folder.join("anna")).unwrap();
    let restored = restore(&market, "anna.backup", "elsewhere");
    done(&restored);
    assert!(restored.err.contains("never runs again"), "{}", restored.err);

    let mut arguments = vec!["tinguin", "--home", "elsewhere", "--rules", "anna-rules.toml"];
    arguments.extend(["--transcript", "elsewhere.jsonl", "--pass-phrase-file", "pass-phrase"]);
    let program = &market.binaries.semper;
    let mut tinguin =
        Running::start(&market.folder, "elsewhere", program, &arguments, &[]).unwrap();
    tinguin.ready(|| market.folder.join("elsewhere/tinguin.sock").exists()).unwrap();
    let resumed = market.semper(&["deals", "--home", "elsewhere", "--resume"]).unwrap();
    done(&resumed);
    assert_eq!(newest(&market, "elsewhere").0, "completed");
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!((books(&market).payments, books(&market).sum), (1, 0));
    done(&market.semper(&["archive", "verify", "--home", "elsewhere"]).unwrap());
}

#[test]
fn every_home_is_copied_while_it_is_in_use_and_comes_back_as_it_was() {
    let (market, _folder) = market(&small());
    let mut buying = market.start_buying().unwrap();
    for home in ["anna", "otto", "bank", "ca", "third"] {
        let file = format!("{home}.backup");
        let taken = backup(&market, home, &file);
        done(&taken);
        assert!(
            !fs::read(market.folder.join(&file))
                .unwrap()
                .windows(11)
                .any(|it| it == b"PRIVATE KEY")
        );
    }
    assert_eq!(buying.wait(HANG), Some(0), "{}", buying.log_text());
    assert_eq!(books(&market).payments, 1);

    for home in ["anna", "otto", "bank", "ca", "third"] {
        let copy = format!("{home}-again");
        let restored = restore(&market, &format!("{home}.backup"), &copy);
        done(&restored);
        assert!(restored.err.contains("CAUTION"), "{}", restored.err);
        // Keys and configurations are the same bytes; stores are whole.
        let (of, at) = (market.folder.join(home), market.folder.join(&copy));
        for (path, bytes) in files(&at) {
            let name = path.strip_prefix(&format!("{}/", at.display())).unwrap();
            if name.ends_with(".sqlite") {
                assert_eq!(
                    ask(
                        path.clone().into(),
                        "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"
                    ),
                    0
                );
            } else if !name.contains('/') {
                assert_eq!(fs::read(of.join(name)).unwrap(), bytes, "{name}");
            }
        }
        assert!(!at.join("cache.key").exists() && !at.join("host.lock").exists());
    }
    let audit = market.semper(&["bank", "audit", "--home", "bank-again"]).unwrap();
    done(&audit);
    let deals = market.semper(&["deals", "--home", "otto-again"]).unwrap();
    done(&deals);
    let json = ["backup", "--home", "bank", "--out", "b.json.backup", "--json"];
    let json =
        market.semper(&[&json[..], &["--pass-phrase-file", "pass-phrase"]].concat()).unwrap();
    assert_eq!(json.json()["kind"], "bank", "{}", json.err);
}

#[test]
fn a_copy_is_made_of_a_home_alone_and_written_over_nothing() {
    let (market, _folder) = market(&small());
    done(&backup(&market, "anna", "anna.backup"));
    let before = fs::read(market.folder.join("anna.backup")).unwrap();

    fails(&backup(&market, "anna", "anna.backup"), "is there already");
    fails(&backup(&market, "anna", "anna"), "is there already");
    fails(&backup(&market, "anna", "anna/anna.backup"), "lies in the home");
    fails(&backup(&market, "anna", "nowhere/anna.backup"), "nowhere");
    fails(&backup(&market, "bundle", "x.backup"), "bundle");
    fails(&backup(&market, "nothing", "x.backup"), "nothing is no home");
    std::os::unix::fs::symlink("/etc/hostname", market.folder.join("ca/link")).unwrap();
    fails(&backup(&market, "ca", "x.backup"), "neither a file nor a folder");
    fs::write(market.folder.join("wrong"), "not this one at all").unwrap();
    done(&process::run(&market.folder, "chmod".as_ref(), &["600", "wrong"]).unwrap());
    let mut wrong = vec!["backup", "--home", "anna", "--out", "x.backup", "--pass-phrase-file"];
    wrong.push("wrong");
    fails(&market.semper(&wrong).unwrap(), "the pass-phrase is wrong");
    wrong[2] = "nothing";
    fails(&market.semper(&wrong).unwrap(), "is no home");
    let left = names(&market.folder);
    assert!(!left.iter().any(|it| it.starts_with("x.backup")), "{left:?}");
    assert_eq!(fs::read(market.folder.join("anna.backup")).unwrap(), before);
}

#[test]
fn a_file_that_is_cut_off_changed_or_newer_puts_nothing_in_place() {
    let (market, _folder) = market(&small());
    done(&backup(&market, "anna", "anna.backup"));
    let whole = fs::read(market.folder.join("anna.backup")).unwrap();
    let with = |name: &str, bytes: &[u8]| fs::write(market.folder.join(name), bytes).unwrap();
    let changed = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let chunk = 64 * 1024 + 16;
    let header = 18 + u32::from_be_bytes(whole[14..18].try_into().unwrap()) as usize;
    let text = String::from_utf8(whole[18..header].to_vec()).unwrap();
    let newer = text.replace("\"format\":1", "\"format\":2");
    assert_ne!(text, newer);
    let before = names(&market.folder);

    for (name, bytes, words) in [
        ("empty", Vec::new(), "is no backup"),
        ("strange", b"something else altogether".to_vec(), "is no backup"),
        ("short", whole[..header + 10].to_vec(), "is not whole"),
        ("cut", whole[..header + 2 * chunk].to_vec(), "is not whole"),
        ("tail", whole[..whole.len() - 1].to_vec(), "is not whole"),
        ("flipped", changed(header + chunk + 5), "was changed or is damaged"),
        ("swapped", [&whole[..header], &whole[header + chunk..]].concat(), "was changed"),
        (
            "newer",
            [&whole[..18], newer.as_bytes(), &whole[header..]].concat(),
            "by a newer program",
        ),
        // A header that says something else.
        (
            "forged",
            [&whole[..18], text.replace("\"party\"", "\"bank!\"").as_bytes(), &whole[header..]]
                .concat(),
            "knows no home of the kind",
        ),
    ] {
        with(name, &bytes);
        fails(&restore(&market, name, "again"), words);
        fs::remove_file(market.folder.join(name)).unwrap();
    }
    fails(&restore(&market, "nothing", "again"), "nothing");
    fails(&restore(&market, "anna.backup", "anna"), "is there already");
    fails(&restore(&market, "anna.backup", "nowhere/again"), "nowhere");
    with("other", b"not this one at all");
    done(&process::run(&market.folder, "chmod".as_ref(), &["600", "other"]).unwrap());
    let mut other =
        vec!["restore", "anna.backup", "--home", "again", "--pass-phrase-file", "other"];
    fails(&market.semper(&other).unwrap(), "is not the one that anna.backup was sealed with");
    other[1] = "nothing";
    fails(&market.semper(&other).unwrap(), "nothing");
    fs::remove_file(market.folder.join("other")).unwrap();
    assert_eq!(names(&market.folder), before, "nothing is left");
}

#[test]
fn a_full_disk_or_a_kill_leaves_nothing_half_done() {
    let (market, _folder) = market(&small());
    let pass = ["--pass-phrase-file", "pass-phrase"];
    let take = [&["backup", "--home", "anna", "--out", "a.backup"][..], &pass].concat();
    let put = [&["restore", "anna.backup", "--home", "again"][..], &pass].concat();
    done(&backup(&market, "anna", "anna.backup"));
    let home = names(&market.folder.join("anna"));

    fails(&with(&market, ("SEMPER_FAIL", "backup.write:3"), &take), "no storage space");
    fails(&with(&market, ("SEMPER_FAIL", "restore.write:3"), &put), "no storage space");
    // A real bound, too: half of what it takes.
    let half = fs::metadata(market.folder.join("anna.backup")).unwrap().len() / 1024;
    let bounded = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", half);
    let shell = [&["-c", &bounded, market.binaries.semper.to_str().unwrap()][..], &take].concat();
    let full = process::run(&market.folder, "sh".as_ref(), &shell).unwrap();
    fails(&full, "");
    let left = |name: &str| market.folder.join(name).exists();
    assert!(!left("a.backup") && !left("a.backup.part") && !left("again"));
    assert!(!left(".again.restoring") && !left("anna/backup.tmp"));

    for point in ["backup.file:1", "backup.file:4", "backup.written:1"] {
        assert_eq!(with(&market, ("SEMPER_CRASH", point), &take).code, -1, "{point}");
        assert!(!left("a.backup"), "{point}");
    }
    done(&market.semper(&take).unwrap());
    assert!(!left("a.backup.part") && !left("anna/backup.tmp"));
    for point in ["restore.file:1", "restore.file:4", "restore.unpacked:1"] {
        assert_eq!(with(&market, ("SEMPER_CRASH", point), &put).code, -1, "{point}");
        assert!(!left("again"), "{point}");
    }
    assert_eq!(with(&market, ("SEMPER_CRASH", "restore.renamed:1"), &put).code, -1);
    assert!(left("again"), "it was whole before it had its name");
    done(&market.semper(&["deals", "--home", "again"]).unwrap());
    assert_eq!(names(&market.folder.join("anna")), home);
    // What was sealed is not there in clear: neither on the way nor afterwards.
    let clear = fs::read(market.folder.join("a.backup")).unwrap();
    for words in [&b"Lindenweg"[..], b"SQLite format", b"two owls"] {
        assert!(!clear.windows(words.len()).any(|it| it == words));
    }
}
