//! `semper judge` with files of several parties: saved evidence, exported deals, the third party's log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{ended, kept, market, small};
use semper_testkit::{Market, Output, Part};
use serde_json::{Value, json};

/// The newest deal of a home, and its evidence: kind and number.
fn evidence(market: &Market, home: &str) -> (String, Vec<(String, String)>) {
    let Some((deal, all)) = kept(market, home) else { return (String::new(), Vec::new()) };
    let of = |it: &Value| (it["kind"].as_str().unwrap().to_owned(), it["number"].to_string());
    (deal, all.iter().map(of).collect())
}

/// A purchase that the third party has completed, and both sides' evidence of it.
struct Completed {
    market: Market,
    _folder: tempfile::TempDir,
}

impl Completed {
    fn new() -> Self {
        let (mut market, folder) = market(&small());
        market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
        let mut buying = market.start_buying().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        while !evidence(&market, "anna").1.iter().any(|it| it.0 == "receipt") {
            assert!(Instant::now() < until, "{}", buying.log_text());
            std::thread::sleep(Duration::from_millis(100));
        }
        market.restart(Part::Merchant, &[]).unwrap();
        assert_eq!(buying.wait(Duration::from_secs(60)), Some(0), "{}", buying.log_text());
        assert_eq!(ended(&market, "otto"), "completed");
        // The merchant's own exchange goes on to its end by itself.
        while !evidence(&market, "otto").1.iter().any(|it| it.0 == "exchange") {
            assert!(Instant::now() < until, "{}", market.merchant.log_text());
            std::thread::sleep(Duration::from_millis(100));
        }
        for home in ["anna", "otto"] {
            let (deal, all) = evidence(&market, home);
            let number = &all.iter().find(|it| it.0 == "exchange").unwrap().1;
            let out = format!("{home}.cbor");
            let save = ["archive", "save", "--home", home, number, "--out", &out];
            assert_eq!(market.semper(&save).unwrap().code, 0);
            let out = format!("{home}.json");
            let export = ["archive", "export", "--home", home, &deal, "--out", &out];
            let exported = market.semper(&export).unwrap();
            assert_eq!(exported.code, 0, "{}", exported.err);
        }
        Self { market, _folder: folder }
    }

    fn judge(&self, arguments: &[&str]) -> Output {
        let all: Vec<&str> = std::iter::once("judge").chain(arguments.iter().copied()).collect();
        self.market.semper(&all).unwrap()
    }

    fn finding(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let judged = self.judge(&all);
        serde_json::from_str(&judged.out).unwrap_or_else(|_| panic!("{}{}", judged.out, judged.err))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.market.folder.join(name), bytes).unwrap();
    }
}

#[test]
fn files_of_all_parties_are_joined_to_one_finding() {
    let done = Completed::new();
    let key = fs::read_to_string(done.market.folder.join("third/verdicts/log.vkey")).unwrap();
    let key = key.trim();

    // However it is given, and however often: one exchange, completed, nobody to blame.
    let all = ["anna.cbor", "otto.cbor", "anna.json", "otto.json", "third", "--log-key", key];
    let judged = done.judge(&all);
    assert_eq!(judged.code, 0, "{}{}", judged.out, judged.err);
    assert_eq!(judged.out.matches("protocol").count(), 1, "{}", judged.out);
    assert!(judged.out.contains("both sides have what they were promised"), "{}", judged.out);
    assert!(!judged.out.contains("what would decide"), "{}", judged.out);
    let finding = done.finding(&all);
    assert_eq!((&finding["blame"], &finding["ruling"]), (&json!([]), &json!("completed")));

    // The log as it is served, and as a saved file of entries.
    assert_eq!(done.judge(&["anna.json", "third/verdicts/public"]).code, 0);
    let entries = done.market.folder.join("third/verdicts/public/tile/entries/000.p/1");
    fs::copy(entries, done.market.folder.join("entries")).unwrap();
    assert_eq!(done.judge(&["anna.json", "entries"]).code, 0);

    // Lines of somebody else's making say what to ask for, and blame nobody.
    let zero = format!("sha256:{}", "00".repeat(32));
    let line = json!({ "exchange": exchange(&judged.out), "verdict": zero });
    done.write("forged", line.to_string());
    let forged = done.judge(&["anna.cbor", "forged"]);
    assert_eq!(forged.code, 0, "{}{}", forged.out, forged.err);
    assert!(forged.out.contains("what would decide: the verdict 0000"), "{}", forged.out);

    another_key_is_refused(&done, key);
    what_is_no_evidence_is_named_with_its_mend(&done);
}

/// The exchange, as the log names it.
fn exchange(shown: &str) -> String {
    let id = shown.lines().next().unwrap();
    format!("sha256:{}", id.rsplit(':').next().unwrap())
}

fn another_key_is_refused(done: &Completed, key: &str) {
    let other = fs::read_to_string(done.market.folder.join("third/verdicts/log.vkey")).unwrap();
    let broken = done.judge(&["anna.cbor", "third", "--log-key", &other.trim()[1..]]);
    assert_eq!(broken.code, 2, "{}", broken.err);
    // Entries that the log's checkpoint does not cover are none of its.
    let place = done.market.folder.join("third/verdicts/public");
    let copy = done.market.folder.join("copy");
    fs::create_dir_all(copy.join("tile/entries/000.p")).unwrap();
    fs::copy(place.join("checkpoint"), copy.join("checkpoint")).unwrap();
    let mut bytes = fs::read(place.join("tile/entries/000.p/1")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(copy.join("tile/entries/000.p/1"), bytes).unwrap();
    let changed = done.judge(&["anna.cbor", "copy", "--log-key", key]);
    assert_eq!(changed.code, 2);
    assert!(changed.err.contains("not those of its checkpoint"), "{}", changed.err);
}

fn what_is_no_evidence_is_named_with_its_mend(done: &Completed) {
    done.write("letter.txt", "Dear judge, I am right.");
    done.write("letter.json", r#"{"dear": "judge"}"#);
    for (arguments, named) in [
        (vec!["anna.cbor", "letter.txt"], "letter.txt: "),
        (vec!["anna.cbor", "letter.json"], "letter.json: "),
        (vec!["anna.cbor", "anna"], "anna: there is no checkpoint of a log in it"),
        (vec!["anna.cbor", "nowhere"], "nowhere: "),
        (vec!["third"], "there is no evidence of an exchange among the files"),
    ] {
        let judged = done.judge(&arguments);
        assert_eq!(judged.code, 2, "{arguments:?} {}{}", judged.out, judged.err);
        assert!(judged.err.contains(named), "{arguments:?}: {}", judged.err);
        assert!(judged.err.contains("give"), "{}", judged.err);
    }
    assert_eq!(done.judge(&[]).code, 2);
}
