//! The TINGUIN is a second device: paired by a code that both show, asked by the host's machine, and
//! the only one that signs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{binaries, books, buy_until_crash, ended, is_locked, market, newest, small};
use semper_archive::Home;
use semper_base::cert::{Authority, Request};
use semper_base::{Role, SigningKey, Timestamp};
use semper_device::{Channel, ToDevice};
use semper_testkit::market::{Market, Part};
use semper_testkit::process::{Output, Running, free_port, run, until};
use semper_tinguin_protocol::{Client, ClientError};
use zeroize::Zeroizing;

/// Longer than anything here takes.
const HANG: Duration = Duration::from_secs(90);

/// A command that its person sits at.
struct Asked {
    child: Child,
    log: PathBuf,
}

impl Asked {
    fn start(folder: &Path, name: &str, arguments: &[&str]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let mut command = Command::new(binaries().semper);
        let command = command.args(arguments).current_dir(folder).stdin(Stdio::piped());
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    fn says(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The code that it shows.
    fn code(&self) -> String {
        let shown = || {
            let says = self.says();
            let line = says.lines().find(|it| it.starts_with("    "))?.trim().to_owned();
            says.contains("(yes or no)").then_some(line)
        };
        until(HANG, "it shows a code", || shown().is_some());
        shown().unwrap()
    }

    fn types(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn ends(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.says())
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `semper device pair`; once it waits.
fn pairs(folder: &Path, home: &str, port: u16) -> Asked {
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["device", "pair", "--home", home, "--listen", &listen, "--name", "desk"];
    let asked = Asked::start(folder, "pair", &arguments);
    until(HANG, "it waits", || asked.says().contains("Waiting at"));
    asked
}

/// Starts `semper device join`, for a home that is made if there is none.
fn joins(folder: &Path, address: &str) -> Asked {
    let mut arguments = vec!["device", "join", address, "--home", "tablet", "--name", "tablet"];
    arguments.extend(["--user", "Anna Berg", "--phrase", "two owls"]);
    arguments.extend(["--pass-phrase-file", "pass-phrase"]);
    Asked::start(folder, "join", &arguments)
}

fn pair(folder: &Path, home: &str, port: u16) {
    let (mut desk, mut tablet) =
        (pairs(folder, home, port), joins(folder, &format!("127.0.0.1:{port}")));
    assert_eq!(desk.code(), tablet.code());
    desk.types("yes");
    tablet.types("yes");
    for (asked, other) in [(desk, "paired with “tablet”"), (tablet, "paired with “desk”")] {
        let (code, says) = asked.ends();
        assert_eq!(code, 0, "{says}");
        assert!(says.contains(other), "{says}");
    }
}

/// The host's machine's end: it has no keys, and passes on what hosts ask.
fn bridge(folder: &Path, home: &str) -> Running {
    let program = binaries().semper;
    let arguments = ["tinguin", "--home", home];
    let mut bridge = Running::start(folder, "bridge", &program, &arguments, &[]).unwrap();
    bridge.ready(|| folder.join(home).join("tinguin.sock").exists()).unwrap();
    bridge
}

/// The device's TINGUIN.
fn device(folder: &Path, rules: &str) -> Running {
    fs::write(folder.join("tablet-rules.toml"), rules).unwrap();
    let mut arguments = vec!["tinguin", "--home", "tablet", "--rules", "tablet-rules.toml"];
    arguments.extend(["--transcript", "tablet-transcript", "--pass-phrase-file", "pass-phrase"]);
    let program = binaries().semper;
    let _ = fs::remove_file(folder.join("tablet/tinguin.sock"));
    let mut device = Running::start(folder, "tablet", &program, &arguments, &[]).unwrap();
    device.ready(|| folder.join("tablet/tinguin.sock").exists()).unwrap();
    device
}

/// A home that has keys moves them to a device, as docs/tinguin.md says.
fn moved(market: &mut Market) -> u16 {
    market.part(Part::BuyerTinguin).kill();
    let secret = ["--pass-phrase-file", "pass-phrase"];
    for step in [
        &["backup", "--home", "anna", "--out", "anna.copy"][..],
        &["restore", "anna.copy", "--home", "tablet"],
    ] {
        let done = market.semper(&[step, &secret].concat()).unwrap();
        assert_eq!(done.code, 0, "{}", done.err);
    }
    for file in ["keystore.json", "tinguin.sqlite"] {
        fs::remove_file(market.folder.join("anna").join(file)).unwrap();
    }
    let port = free_port().unwrap();
    pair(&market.folder, "anna", port);
    port
}

#[test]
fn a_buyer_whose_tinguin_is_a_second_device_buys_and_a_device_that_is_away_is_a_pause() {
    let (mut market, _folder) = market(&small());
    let port = moved(&mut market);
    let folder = market.folder.clone();
    let semper = |arguments: &[&str]| market.semper(arguments).unwrap();
    let mut desk = bridge(&folder, "anna");
    let mut tablet = device(&folder, &small().buyer_rules);
    until(HANG, "they are connected", || desk.log_text().contains("“tablet” is connected"));

    let bought = semper(&["buy", "--home", "anna", &market.merchant_url()]);
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(books(&market).payments, 1);
    let seen = fs::read_to_string(folder.join("tablet-transcript")).unwrap();
    assert!(seen.contains("agreement"), "the decisions were shown on the device: {seen}");
    // Nothing here opens keys: there are none.
    for refused in [&["pass-phrase"][..], &["backup", "--out", "x"]] {
        let refused =
            semper(&[refused, &["--home", "anna", "--pass-phrase-file", "none"]].concat());
        assert_ne!(refused.code, 0, "{}", refused.out);
    }
    let shown = semper(&["unlock", "--home", "anna", "--pass-phrase-file", "pass-phrase"]);
    assert!(shown.out.contains("it is not locked"), "{}{}", shown.out, shown.err);

    // The device is turned off amid a deal.
    assert!(buy_until_crash(&market, "archive.after:20"));
    tablet.kill();
    until(HANG, "it is told", || desk.log_text().contains("“tablet” is not connected"));
    let shown = semper(&["account", "show", "--home", "anna"]);
    assert!(
        shown.err.contains("“tablet”, which is your TINGUIN, is not connected"),
        "{}",
        shown.err
    );
    let program = &market.binaries.semper;
    let resume = ["deals", "--home", "anna", "--resume"];
    let mut resumed = Running::start(&folder, "resumed", program, &resume, &[]).unwrap();
    until(HANG, "it is under way", || {
        semper(&["deals", "--home", "anna", "--json"]).json()[0]["host_runs"] == true
    });
    std::thread::sleep(Duration::from_secs(3));
    assert!(!resumed.has_ended(), "{}", resumed.log_text());
    assert_eq!(newest(&market, "anna").0, "running");
    let tablet = device(&folder, &small().buyer_rules);
    assert_eq!(resumed.wait(HANG), Some(0), "{}", resumed.log_text());
    assert_eq!(newest(&market, "anna").0, "completed");
    assert_eq!(ended(&market, "otto"), "completed");
    assert_eq!((books(&market).payments, books(&market).sum), (2, 0));

    // The host's machine loses power in the next one.
    assert!(buy_until_crash(&market, "archive.after:20"));
    desk.kill();
    let _ = fs::remove_file(folder.join("anna/tinguin.sock"));
    let desk = bridge(&folder, "anna");
    let resumed = semper(&resume);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert_eq!(newest(&market, "anna").0, "completed");
    assert_eq!((books(&market).payments, books(&market).sum), (3, 0));

    // Whoever has taken the host's machine over can ask, also for what no host asks.
    let taken_over = Client::new(&folder.join("anna"));
    let words = Zeroizing::new(fs::read_to_string(folder.join("pass-phrase")).unwrap());
    taken_over.lock().unwrap();
    assert!(is_locked(&folder.join("anna")));
    let refused = taken_over.unlock(words.clone().into()).unwrap_err().to_string();
    assert!(refused.contains("on its own device alone"), "{refused}");
    Client::new(&folder.join("tablet")).unlock(words.into()).unwrap();
    assert!(!is_locked(&folder.join("anna")));
    strangers(&folder.join("anna"), port);
    assert!(taken_over.who().is_ok());
    // It may not even change who she is: that is decided on the device, whose rules cover none of it.
    let mine = Authority::new("Evil CA", SigningKey::generate(), Timestamp::now()).unwrap();
    let request = taken_over.request_certificate("Otto Evil").unwrap();
    let key = Request::from_pem(&request).unwrap().key;
    let (from, until) = (Timestamp::now(), Timestamp::now().after(Duration::from_secs(86_400)));
    let leaf = mine.issue("Otto Evil", &key, Role::Buyer, &[], from, until).unwrap();
    let declined = taken_over.install_certificate(vec![leaf]).unwrap_err();
    assert!(matches!(declined, ClientError::Declined(_)), "{declined}");
    let declined = taken_over.request_next_certificate("Anna Berg").unwrap_err();
    assert!(matches!(declined, ClientError::Declined(_)), "{declined}");
    assert_eq!(taken_over.who().unwrap().0, "Anna Berg");
    let seen = fs::read_to_string(folder.join("tablet-transcript")).unwrap();
    assert!(seen.contains("Take a certificate") && seen.contains("Replace your key"), "{seen}");
    drop((desk, tablet));
}

/// Who is not the device gets nothing, and holds up nobody.
fn strangers(home: &Path, port: u16) {
    let address = format!("127.0.0.1:{port}");
    let mut other = None;
    let refused = Channel::connect(&address, &SigningKey::generate(), None).and_then(|mut it| {
        other = Some(it.other()?);
        it.next(HANG).map(drop)
    });
    assert!(refused.is_err(), "a key that was not paired is not taken");
    let known = ToDevice::of(&Home::open(home).unwrap()).unwrap().unwrap();
    assert!(other.is_none_or(|it| it == known.own.0.public()));
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for stream in &idle {
        let _ = (&*stream).write_all(b"GET / HTTP/1.1\r\n\r\n");
    }
}

#[test]
fn somebody_between_the_two_makes_the_codes_differ_and_nothing_is_paired() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    alone(folder);
    let port = free_port().unwrap();
    let mut desk = pairs(folder, "desk", port);
    let between = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = between.local_addr().unwrap().to_string();
    let over = Arc::new(AtomicBool::new(false));
    let (own, done) = (format!("127.0.0.1:{port}"), Arc::clone(&over));
    let relay = std::thread::spawn(move || {
        let (tcp, _) = between.accept().unwrap();
        let mut device = Channel::accept(tcp, &SigningKey::generate(), None).unwrap();
        let mut host = Channel::connect(&own, &SigningKey::generate(), None).unwrap();
        while !done.load(Ordering::SeqCst) {
            if !pass(&mut device, &mut host) || !pass(&mut host, &mut device) {
                return;
            }
        }
    });

    // Who says nothing, or says it slowly, holds up nobody.
    let _slow: Vec<TcpStream> =
        (0..4).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let mut tablet = joins(folder, &address);
    assert_ne!(desk.code(), tablet.code());
    tablet.types("no");
    desk.types("yes");
    let (code, says) = tablet.ends();
    assert!(code != 0 && says.contains("the codes differ"), "{says}");
    let (code, says) = desk.ends();
    assert!(code != 0 && says.contains("the other device says that the codes differ"), "{says}");
    over.store(true, Ordering::SeqCst);
    relay.join().unwrap();
    for file in ["desk/device.json", "tablet/host.json"] {
        assert!(!folder.join(file).exists(), "{file}");
    }
    // Met again without anybody between them, they are paired.
    pair(folder, "desk", port);
    let shown = semper(folder, &["device", "show", "--home", "desk"]);
    assert!(shown.out.contains("the TINGUIN is on “tablet”"), "{}", shown.out);
    assert_eq!(semper(folder, &["device", "remove", "--home", "desk"]).code, 0);
    let shown = semper(folder, &["device", "show", "--home", "desk"]);
    assert!(shown.out.contains("paired with no other device"), "{}", shown.out);
}

/// Passes on what has come; false once one of them has gone.
fn pass(from: &mut Channel, to: &mut Channel) -> bool {
    match from.next(Duration::from_millis(50)) {
        Ok(Some(frame)) => to.send(&frame).is_ok(),
        Ok(None) => true,
        Err(_) => false,
    }
}

/// A home whose keys are elsewhere, and a pass-phrase.
fn alone(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(folder.join("pass-phrase"), "correct horse battery staple").unwrap();
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.join("pass-phrase"), mode).unwrap();
    assert_eq!(semper(folder, &["ca", "init", "--home", "ca", "--name", "Market CA"]).code, 0);
    let mut init = vec!["init", "--home", "desk", "--user", "Anna Berg", "--phrase", "two owls"];
    init.extend(["--authority", "ca/root.pem", "--device"]);
    let made = semper(folder, &init);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(made.out.contains("semper device pair"), "{}", made.out);
}

fn semper(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, &binaries().semper, arguments).unwrap()
}

#[test]
fn what_cannot_be_paired_is_told_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    alone(folder);
    let fails = |arguments: &[&str], words: &str| {
        let output = semper(folder, arguments);
        assert_ne!(output.code, 0, "{}", output.out);
        assert!(output.err.contains(words), "{words} in {}", output.err);
        assert_eq!(output.err.matches("error:").count(), 1, "{}", output.err);
    };

    fails(&["tinguin", "--home", "desk"], "this home has no keys of its own");
    fails(&["device", "pair", "--home", "desk", "--listen", "nowhere"], "cannot be listened at");
    let port = free_port().unwrap();
    let nobody = format!("127.0.0.1:{port}");
    let mut join = vec!["device", "join", &nobody, "--home", "tablet"];
    join.extend(["--user", "Anna", "--phrase", "owls", "--pass-phrase-file", "pass-phrase"]);
    fails(&join, "is not reached");
    // What was made is used by the next try.
    assert!(folder.join("tablet/keystore.json").exists());
    fails(&join, "is not reached");
    fails(&["device", "pair", "--home", "tablet", "--listen", &nobody], "has its keys here");
    let mut no_keys = vec!["device", "join", &nobody, "--home", "desk"];
    no_keys.extend(["--pass-phrase-file", "pass-phrase"]);
    fails(&no_keys, "this home has no keys");
    fails(&["device", "remove", "--home", "desk"], "paired with no other device");
    fs::write(folder.join("desk/device.json"), "{}").unwrap();
    fs::set_permissions(
        folder.join("desk/device.json"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    fails(&["tinguin", "--home", "desk"], "device.json cannot be used");
}
