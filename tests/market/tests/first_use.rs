//! First use: from an invitation to a purchase, as somebody who has never done it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use common::{books, market, small};
use semper_testkit::market::BUYER_RULES;
use semper_testkit::{Market, Output, Running};

/// Writes an invitation for this name, and says what was printed.
fn invite(market: &Market, name: &str, file: &str) -> Output {
    let (ca, bank) = (format!("https://localhost:{}", market.ports[0]), market.bank_url());
    let arguments = [
        &["ca", "invite", "--home", "ca", "--name", name, "--role", "buyer", "--json"][..],
        &["--invitation", file, "--address", &ca, "--bank", &bank, "--bank-name", "Test Bank"],
        &["--evaluator", "verbraucherbund=verbraucherbund/root.pem"],
        &["--third-party", "third-party.toml"],
    ];
    market.semper(&arguments.concat()).unwrap()
}

/// A command to which this is typed, as a program would.
fn typed(market: &Market, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(&market.binaries.semper)
        .args(arguments)
        .current_dir(&market.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    Output {
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

const JOIN: [&str; 6] =
    ["join", "berta.invitation", "--home", "berta", "--pass-phrase-file", "pass-phrase"];

#[test]
fn from_an_invitation_to_a_purchase_in_one_conversation() {
    let (market, _folder) = market(&small());
    let invited = invite(&market, "Berta Blum", "berta.invitation");
    assert_eq!(invited.code, 0, "{}", invited.err);
    let fingerprint = invited.json()["fingerprint"].as_str().unwrap().to_owned();
    let file = market.folder.join("berta.invitation");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    let answers =
        "yes\nthe green umbrella\nLindenweg 4\n22765\nHamburg\nDeutschland\nDE\nberta.backup\n";
    let joined = typed(&market, &JOIN, answers);
    assert_eq!(joined.code, 0, "{}{}", joined.out, joined.err);
    let shown = &joined.err;
    for words in [
        "for           Berta Blum, as buyer",
        &format!("fingerprint   {fingerprint}"),
        "(verbraucherbund), who examines services",
        "believes      1 third party of fair exchanges",
        "bank          Test Bank",
        "Berta Blum is certified as buyer by",
        "is not the two letters of a country",
        "7 of 7  A copy of your home",
    ] {
        assert!(shown.contains(words), "“{words}” is not in:\n{shown}");
    }
    assert!(joined.out.contains("berta is ready"), "{}", joined.out);

    // What was made is a home as any other: its TINGUIN runs, it buys.
    fs::write(market.folder.join("berta-rules.toml"), BUYER_RULES).unwrap();
    let arguments = [
        "tinguin",
        "--home",
        "berta",
        "--rules",
        "berta-rules.toml",
        "--pass-phrase-file",
        "pass-phrase",
    ];
    let binary = &market.binaries.semper;
    let mut tinguin = Running::start(&market.folder, "berta", binary, &arguments, &[]).unwrap();
    tinguin.ready(|| market.folder.join("berta/tinguin.sock").exists()).unwrap();
    let account = market.semper(&["account", "show", "--home", "berta", "--json"]).unwrap().json();
    let account = account["account"].as_str().unwrap().to_owned();
    let fund = ["bank", "fund", "--home", "bank", "--account", &account, "--amount", "500.00 EUR"];
    assert_eq!(market.semper(&fund).unwrap().code, 0);
    let bought = market.semper(&["buy", "--home", "berta", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(books(&market).payments, 1);
    let known = market.semper(&["preference", "--home", "berta", "--json"]).unwrap().json();
    assert_eq!((&known["country"], &known["street"]), (&"DE".into(), &"Lindenweg 4".into()));

    // The copy opens by the same pass-phrase.
    let restore =
        ["restore", "berta.backup", "--home", "again", "--pass-phrase-file", "pass-phrase"];
    let restored = market.semper(&restore).unwrap();
    assert_eq!(restored.code, 0, "{}", restored.err);
}

#[test]
fn whoever_leaves_in_the_middle_comes_back_and_is_asked_only_what_is_left() {
    let (mut market, _folder) = market(&small());
    assert_eq!(invite(&market, "Berta Blum", "berta.invitation").code, 0);
    // Before anything is believed, nothing is made.
    let no = typed(&market, &JOIN, "perhaps\nno\n");
    assert_eq!(no.code, 1, "{}", no.err);
    assert!(!market.folder.join("berta").exists());
    // The phrase was not typed: nothing is made either.
    let left = typed(&market, &JOIN, "yes\n");
    assert_eq!(left.code, 2, "{}", left.err);
    assert!(left.err.contains("nothing was typed"), "{}", left.err);
    assert!(!market.folder.join("berta").exists());
    // The authority is away: the home is there, and the certificate is not.
    market.ca.kill();
    let away = typed(&market, &JOIN, "yes\nthe green umbrella\n");
    assert_eq!(away.code, 1, "{}", away.err);
    assert!(away.err.contains("cannot be reached"), "{}", away.err);
    market.restart_authority().unwrap();
    // The pass-phrase is another: it is counted, and nothing is done.
    fs::write(market.folder.join("wrong"), "battery staple correct").unwrap();
    fs::set_permissions(market.folder.join("wrong"), fs::Permissions::from_mode(0o600)).unwrap();
    let wrong =
        ["join", "berta.invitation", "--home", "berta", "--yes", "--pass-phrase-file", "wrong"];
    let wrong = market.semper(&wrong).unwrap();
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    assert!(wrong.err.contains("the pass-phrase is wrong"), "{}", wrong.err);

    let back = typed(&market, &JOIN, "\n\n\n\n\n");
    assert_eq!(back.code, 0, "{}", back.err);
    assert!(back.err.contains("berta is there; going on with it"), "{}", back.err);
    assert!(!back.err.contains("Compare the fingerprint"), "{}", back.err);
    // Once more: nothing is left, and nothing is done twice.
    let again = market.semper(&[&JOIN[..], &["--yes", "--json"]].concat()).unwrap();
    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("Berta Blum is certified already"), "{}", again.err);
    assert_eq!(again.json()["name"], "Berta Blum");
    // The registration key is used up: nobody else gets in by the same invitation.
    let other = [
        "join",
        "berta.invitation",
        "--home",
        "other",
        "--yes",
        "--phrase",
        "mine",
        "--pass-phrase-file",
        "pass-phrase",
    ];
    let other = market.semper(&other).unwrap();
    assert_eq!(other.code, 1, "{}", other.err);
    assert!(other.err.contains("the authority refuses"), "{}", other.err);
}

#[test]
fn what_is_no_invitation_says_why() {
    let (market, _folder) = market(&small());
    assert_eq!(invite(&market, "Berta Blum", "berta.invitation").code, 0);
    let text = fs::read_to_string(market.folder.join("berta.invitation")).unwrap();
    let text = text.trim();
    let join = |invitation: &str| {
        let rest = ["--home", "new", "--yes", "--phrase", "p", "--pass-phrase-file", "pass-phrase"];
        let joined = market.semper(&[&["join", invitation][..], &rest].concat()).unwrap();
        assert!(!market.folder.join("new").exists(), "{}", joined.err);
        (joined.code, joined.err)
    };
    let middle = text.len() / 2;
    let changed = if &text[middle..=middle] == "A" { "B" } else { "A" };
    let changed = format!("{}{changed}{}", &text[..middle], &text[middle + 1..]);
    for (given, says) in [
        ("nowhere.invitation".to_owned(), "No such file"),
        ("semper:invitation/".to_owned(), "not a signed structure"),
        ("semper:invitation/!!".to_owned(), "it cannot be read"),
        (text[..text.len() - 8].to_owned(), "invitation"),
        (changed, "invitation"),
    ] {
        let (code, err) = join(&given);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(says), "“{says}” is not in {err}");
    }
    fs::write(market.folder.join("mail.txt"), "Dear Berta,\nplease find enclosed\n").unwrap();
    assert!(join("mail.txt").1.contains("it begins otherwise"));
    // A mail program has broken it into lines: it is the same.
    let lines: Vec<&str> =
        text.as_bytes().chunks(72).map(|it| std::str::from_utf8(it).unwrap()).collect();
    fs::write(market.folder.join("mail.txt"), lines.join("\n ")).unwrap();
    let joined = [
        "join",
        "mail.txt",
        "--home",
        "new",
        "--yes",
        "--phrase",
        "p",
        "--pass-phrase-file",
        "pass-phrase",
    ];
    assert_eq!(market.semper(&joined).unwrap().code, 0);
    // Another home is not overwritten.
    let anna = market.semper(&["join", "mail.txt", "--home", "bank", "--yes"]).unwrap();
    assert_eq!(anna.code, 2, "{}", anna.err);
    // What an authority gives out wrongly is found before a key is spent.
    let wrong = [
        "ca",
        "invite",
        "--home",
        "ca",
        "--name",
        "Carl",
        "--role",
        "bank",
        "--invitation",
        "c",
        "--address",
        "https://localhost:1",
    ];
    let wrong = market.semper(&wrong).unwrap();
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    assert!(wrong.err.contains("invitations are for buyers and merchants"), "{}", wrong.err);
}

#[test]
fn an_invitation_may_be_a_picture_of_a_qr_code() {
    let (market, _folder) = market(&small());
    let ca = format!("https://localhost:{}", market.ports[0]);
    let semper = |arguments: &[&str]| market.semper(arguments).unwrap();
    let invite = ["ca", "invite", "--home", "ca", "--name", "Berta Blum", "--role", "buyer"];
    let files = ["--invitation", "berta.txt", "--qr", "berta.png", "--address", &ca];
    let invited = semper(&[&invite[..], &files, &["--json"]].concat());
    assert_eq!(invited.json()["qr"], "berta.png", "{}", invited.err);

    let join = ["join", "berta.png", "--home", "berta", "--pass-phrase-file", "pass-phrase"];
    let given = ["--yes", "--phrase", "the green umbrella"];
    let joined = semper(&[&join[..], &given].concat());
    assert_eq!(joined.code, 0, "{}", joined.err);
    assert!(joined.err.contains("Berta Blum is certified as buyer by"), "{}", joined.err);

    // What is no picture of a code says so, and a link's file is read in the same way.
    let picture = fs::read(market.folder.join("berta.png")).unwrap();
    fs::write(market.folder.join("cut.png"), &picture[..picture.len() / 2]).unwrap();
    let fails = |arguments: &[&str], words: &str| {
        let output = semper(arguments);
        assert!(output.code == 2 && output.err.contains(words), "{words} in {}", output.err);
    };
    fails(&["join", "cut.png", "--home", "new"], "cut.png: the picture cannot be read");
    fails(&["join", "anna", "--home", "new"], "anna: ");
    let open = ["open", "--home", "berta", "--file"];
    fails(&[&open[..], &["berta.png"]].concat(), "this link is an invitation");
    fails(&[&open[..], &["cut.png"]].concat(), "the picture cannot be read");
}
