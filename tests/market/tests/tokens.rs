//! Keys in a token (PKCS#11, here SoftHSM's): made in it or encrypted by it, and of no use without it.
//! One that is pulled out amid a deal is a pause.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{binaries, books, buy_until_crash, ended, is_locked, market, newest, small};
use semper_base::Certificate;
use semper_roles::party::Party;
use semper_testkit::market::Part;
use semper_testkit::process::{Output, Running, run_with, until};
use semper_tinguin::keystore::{self, Keystore};
use semper_tinguin_protocol::Client;

/// Longer than anything here takes.
const HANG: Duration = Duration::from_secs(180);
const LIBRARY: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "24680";
const CONF: &str = "SOFTHSM2_CONF";

/// A socket for tokens, in a folder: what is in `tokens` is plugged in.
struct Reader {
    folder: PathBuf,
    conf: String,
}

impl Reader {
    fn new(folder: &Path) -> Self {
        let plugged = folder.join("tokens");
        fs::create_dir(&plugged).unwrap();
        let conf = folder.join("softhsm2.conf");
        let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", plugged.display());
        fs::write(&conf, text).unwrap();
        let reader =
            Self { folder: folder.to_owned(), conf: conf.into_os_string().into_string().unwrap() };
        reader.secret("pin", PIN);
        reader.secret("other-pin", "13579");
        reader
    }

    fn env(&self) -> [(&str, &str); 1] {
        [(CONF, &self.conf)]
    }

    /// A token with a PIN.
    fn makes(&self, label: &str) {
        let mut command = Command::new("softhsm2-util");
        command.args(["--init-token", "--free", "--label", label, "--so-pin", "12345678"]);
        let made = command.args(["--pin", PIN]).env(CONF, &self.conf).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    }

    fn pull_out(&self) {
        fs::rename(self.folder.join("tokens"), self.folder.join("drawer")).unwrap();
        fs::create_dir(self.folder.join("tokens")).unwrap();
    }

    fn plug_in(&self) {
        fs::remove_dir(self.folder.join("tokens")).unwrap();
        fs::rename(self.folder.join("drawer"), self.folder.join("tokens")).unwrap();
    }

    fn secret(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        let mut options = fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        opened.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn semper(&self, arguments: &[&str]) -> Output {
        run_with(&self.folder, &binaries().semper, arguments, &self.env()).unwrap()
    }

    fn done(&self, arguments: &[&str]) -> Output {
        let output = self.semper(arguments);
        assert_eq!(output.code, 0, "{arguments:?} {}", output.err);
        output
    }

    fn fails(&self, arguments: &[&str], words: &str) {
        let output = self.semper(arguments);
        assert_ne!(output.code, 0, "{}", output.out);
        assert!(output.err.contains(words), "{words} in {}", output.err);
        assert_eq!(output.err.matches("error:").count(), 1, "{}", output.err);
    }
}

/// The newest certificate of a home.
fn certificate(home: &Path) -> Certificate {
    let archive = Party::open(home).unwrap().archive;
    let all = archive.evidence(None).unwrap();
    let newest = all.iter().rfind(|it| it.kind == "certificate").unwrap();
    Certificate::from_der(&newest.bytes).unwrap()
}

#[test]
fn a_home_moves_its_keys_to_a_token_and_a_token_that_is_pulled_out_amid_a_deal_is_a_pause() {
    let (mut market, _folder) = market(&small());
    let home = market.folder.join("anna");
    let reader = Reader::new(&market.folder);
    reader.makes("blue");
    let before = fs::read_to_string(home.join(keystore::FILE)).unwrap();
    let pass_phrase = fs::read_to_string(market.folder.join("pass-phrase")).unwrap();
    let old = Keystore::open(&before, &pass_phrase).unwrap();

    // The TINGUIN that runs would go on making keys of its own.
    let mut moves = vec!["token", "use", "--home", "anna", "--library", LIBRARY];
    moves.extend(["--token", "blue", "--pass-phrase-file", "pass-phrase", "--pin-file", "pin"]);
    reader.fails(&moves, "the TINGUIN of this home is running");
    market.part(Part::BuyerTinguin).kill();
    let moved = reader.done(&moves);
    assert!(moved.out.contains("semper renew"), "{}", moved.out);
    reader.fails(&moves, "keeps the keys already");

    // From here on the PIN opens the home, and the next key is the token's own.
    reader.secret("pass-phrase", PIN);
    market.restart(Part::BuyerTinguin, &reader.env()).unwrap();
    let ca = format!("https://localhost:{}", market.ports[0]);
    reader.done(&["renew", "--home", "anna", "--ca", &ca]);
    let key = certificate(&home).key().unwrap();
    assert_ne!(key, old.identity(1, None).unwrap().public(), "it follows from what was outside");
    assert!(buy_until_crash(&market, "archive.after:20"));

    reader.pull_out();
    until(HANG, "it locks", || is_locked(&home));
    let unlock = ["unlock", "--home", "anna", "--pass-phrase-file"];
    reader.fails(&[&unlock[..], &["pin"]].concat(), "the token “blue” is not there");
    let program = &market.binaries.semper;
    let resume = ["deals", "--home", "anna", "--resume"];
    let mut resumed = Running::start(&market.folder, "resumed", program, &resume, &[]).unwrap();
    until(HANG, "it is under way", || {
        market.semper(&["deals", "--home", "anna", "--json"]).unwrap().json()[0]["host_runs"]
            == true
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(!resumed.has_ended(), "{}", resumed.log_text());
    assert_eq!(newest(&market, "anna").0, "running");

    reader.plug_in();
    reader.fails(&[&unlock[..], &["other-pin"]].concat(), "the PIN of the token is wrong");
    assert!(is_locked(&home));
    let unlocked = reader.done(&[&unlock[..], &["pin"]].concat());
    assert!(unlocked.out.contains("there were"), "wrong ones are counted: {}", unlocked.out);
    assert_eq!(resumed.wait(HANG), Some(0), "{}", resumed.log_text());
    assert_eq!((newest(&market, "anna").0, ended(&market, "otto")), both("completed"));
    assert_eq!((books(&market).payments, books(&market).sum), (1, 0));
    for home in ["anna", "otto"] {
        let verified = market.semper(&["archive", "verify", "--home", home]).unwrap();
        assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
    }
    // What is left outside opens by the token alone.
    let stored = fs::read_to_string(home.join(keystore::FILE)).unwrap();
    assert!(Keystore::open(&stored, &pass_phrase).is_err());
}

fn both(state: &str) -> (String, String) {
    (state.to_owned(), state.to_owned())
}

#[test]
fn a_new_home_has_its_keys_in_a_token_from_the_start_and_its_copy_is_of_use_with_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::new(folder.path());
    reader.makes("blue");
    reader.done(&["ca", "init", "--home", "ca", "--name", "Market CA"]);
    let init =
        ["init", "--user", "Anna Berg", "--phrase", "two owls", "--authority", "ca/root.pem"];
    let at = |home: &'static str, token: &'static str, pin: &'static str| {
        let own = ["--library", LIBRARY, "--pass-phrase-file", pin, "--home", home, "--token"];
        [&init[..], &own[..], &[token]].concat()
    };

    reader.fails(&at("anna", "blue", "other-pin"), "the PIN of the token is wrong");
    assert!(!reader.folder.join("anna").exists(), "nothing is half made");
    reader.done(&at("anna", "blue", "pin"));
    let listed = reader.done(&["token", "list", "--library", LIBRARY, "--json"]).json();
    assert_eq!((&listed[0]["label"], &listed[0]["able"]), (&"blue".into(), &true.into()));

    // A second home has keys of its own in the same token.
    reader.done(&at("otto", "blue", "pin"));
    let changed = ["--pass-phrase-file", "pin", "--new-pass-phrase-file", "other-pin"];
    let changes = [&["pass-phrase", "--home", "anna"], &changed[..]].concat();
    reader.done(&changes);
    reader.fails(&changes, "the PIN of the token is wrong");
    fs::write(reader.folder.join("rules.toml"), "").unwrap();
    let mut start = vec!["tinguin", "--home", "otto", "--rules", "rules.toml"];
    start.extend(["--pass-phrase-file", "other-pin"]);
    let program = binaries().semper;
    let mut running =
        Running::start(&reader.folder, "tinguin", &program, &start, &reader.env()).unwrap();
    running.ready(|| reader.folder.join("otto/tinguin.sock").exists()).unwrap();
    drop(running);

    reader.secret("long", "correct horse battery staple");
    let copied =
        reader.done(&["backup", "--home", "anna", "--out", "copy", "--pass-phrase-file", "long"]);
    assert!(copied.err.contains("of use with that token alone"), "{}", copied.err);
    let mut restore = vec!["restore", "copy", "--home", "again"];
    restore.extend(["--pass-phrase-file", "long"]);
    reader.done(&restore);
    let mut elsewhere = start;
    elsewhere[2] = "again";
    reader.pull_out();
    reader.fails(&elsewhere, "the token “blue” is not there");
    reader.plug_in();
    let mut running =
        Running::start(&reader.folder, "again", &program, &elsewhere, &reader.env()).unwrap();
    running.ready(|| reader.folder.join("again/tinguin.sock").exists()).unwrap();
}

#[test]
fn a_key_that_somebody_has_put_into_the_token_is_not_taken_for_one_that_was_made_there() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::new(folder.path());
    reader.makes("blue");
    reader.done(&["ca", "init", "--home", "ca", "--name", "Market CA"]);
    let mut init = vec!["init", "--home", "anna", "--user", "Anna", "--phrase", "two owls"];
    init.extend(["--authority", "ca/root.pem", "--pass-phrase-file", "pin"]);
    init.extend(["--library", LIBRARY, "--token", "blue"]);
    reader.done(&init);
    let stored = fs::read_to_string(folder.path().join("anna").join(keystore::FILE)).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    let label = format!("semper {} identity 0", stored["home"].as_str().unwrap());
    let planted = semper_base::SigningKey::generate().to_pem();
    fs::write(folder.path().join("planted.pem"), planted.as_bytes()).unwrap();
    let mut import = Command::new("softhsm2-util");
    import.args(["--import", "planted.pem", "--token", "blue", "--pin", PIN, "--id", "aa"]);
    let import = import.args(["--label", &label]).env(CONF, &reader.conf);
    let import = import.current_dir(folder.path()).output().unwrap();
    assert!(import.status.success(), "{import:?}");

    fs::write(folder.path().join("rules.toml"), "").unwrap();
    let mut start = vec!["tinguin", "--home", "anna", "--rules", "rules.toml"];
    start.extend(["--pass-phrase-file", "pin"]);
    let program = binaries().semper;
    let mut running =
        Running::start(&reader.folder, "tinguin", &program, &start, &reader.env()).unwrap();
    running.ready(|| folder.path().join("anna/tinguin.sock").exists()).unwrap();
    let refused = Client::new(&folder.path().join("anna")).request_certificate("Anna").unwrap_err();
    assert!(refused.to_string().contains("was not made in the token"), "{refused}");
}

#[test]
fn a_key_that_an_authority_may_have_certified_stays_what_it_was() {
    let (mut market, _folder) = market(&small());
    let home = market.folder.join("anna");
    let reader = Reader::new(&market.folder);
    reader.makes("blue");
    // The authority has certified the next key, and its answer is lost.
    market.bank.kill();
    let ca = format!("https://localhost:{}", market.ports[0]);
    let renew = ["renew", "--home", "anna", "--ca", &ca];
    assert_eq!(market.semper(&renew).unwrap().code, 1);
    market.restart_bank().unwrap();
    market.part(Part::BuyerTinguin).kill();
    let mut moves = vec!["token", "use", "--home", "anna", "--library", LIBRARY];
    moves.extend(["--token", "blue", "--pass-phrase-file", "pass-phrase", "--pin-file", "pin"]);
    reader.done(&moves);
    reader.secret("pass-phrase", PIN);
    market.restart(Part::BuyerTinguin, &reader.env()).unwrap();

    reader.done(&renew);
    let first = certificate(&home).key().unwrap();
    reader.done(&renew);
    assert_ne!(certificate(&home).key().unwrap(), first);
    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
}

#[test]
fn what_is_no_token_of_ours_is_refused_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let reader = Reader::new(folder.path());
    let list = |library: &str| ["token", "list", "--library", library].map(str::to_owned);
    let fails = |library: &str, words: &str| {
        let arguments = list(library);
        reader.fails(&arguments.each_ref().map(String::as_str), words);
    };

    assert!(
        reader.done(&["token", "list", "--library", LIBRARY]).out.contains("no token is there")
    );
    fails("libsofthsm2.so", "not named by its whole path");
    fails("/usr/lib/nowhere.so", "No such file");
    fails("/usr/lib", "is not a file");
    let text = folder.path().join("text.so");
    fs::write(&text, "no library").unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o644)).unwrap();
    fails(text.to_str().unwrap(), "is no library for tokens");
    // Whoever may change the library has the PIN, and all that the token signs.
    let open = folder.path().join("open.so");
    fs::copy(LIBRARY, &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o666)).unwrap();
    fails(open.to_str().unwrap(), "others than its owner may change");

    reader.done(&["ca", "init", "--home", "ca", "--name", "Market CA"]);
    let mut init = vec!["init", "--home", "anna", "--user", "Anna", "--phrase", "two owls"];
    init.extend(["--authority", "ca/root.pem", "--pass-phrase-file", "pin"]);
    reader.fails(&[&init[..], &["--token", "blue"]].concat(), "--library");
    let named = |name: &'static str| [&init[..], &["--library", LIBRARY, "--token", name]].concat();
    reader.fails(&named("blue"), "the token “blue” is not there");
    reader.makes("blue");
    reader.makes("blue");
    reader.fails(&named("blue"), "there are 2 tokens called “blue”");
    let listed = reader.done(&["token", "list", "--library", LIBRARY, "--json"]).json();
    let serial = listed[0]["serial"].as_str().unwrap().to_owned();
    let by_serial = [&init[..], &["--library", LIBRARY, "--token", &serial]].concat();
    reader.done(&by_serial);
}
