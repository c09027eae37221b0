//! A third party and its public log, as processes: copies that were put back, crashes between storing
//! and publishing, keys that follow each other, and a monitor that finds what is wrong.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "third_party/town.rs"]
mod town;

use std::fs;
use std::time::{Duration, Instant};

use common::{ended, kept, market, small};
use semper_base::{Digest, PublicKey, cbor};
use semper_exchange::judge::Evidence;
use semper_exchange::published::{Logged, Succession};
use semper_exchange::standard::Standard;
use semper_exchange::verdict::Answer;
use semper_keeper::Keeper;
use semper_roles::log::{Log, LogConfig};
use semper_testkit::postgres::Postgres;
use semper_testkit::{Market, Part};
use town::{Asking, Town, copy};

const LONG: Duration = Duration::from_secs(60);

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Puts lines into a third party's log that no case stands behind.
fn forge(town: &Town, lines: Vec<Vec<u8>>) {
    let config = LogConfig {
        home: town.file("third/verdicts"),
        authorities: Vec::new(),
        witness: Vec::new(),
        quorum: 0,
    };
    let keeper = Keeper::new("forger");
    Log::open(&config, &keeper).unwrap().append_all(lines).unwrap();
    keeper.end();
    keeper.join(LONG);
}

fn line(exchange: Digest, verdict: Digest, after: Option<Digest>) -> Vec<u8> {
    cbor::encode(&Logged { exchange, verdict, after })
}

#[test]
fn cases_that_were_put_back_alone_are_found_and_so_is_a_log() {
    let mut town = Town::new(None);
    let named = town.named();
    let [first, second] = [Asking::new(&named), Asking::new(&named)];
    town.verdict(&first);
    town.kill(0);
    for (what, name) in [("third", "before"), ("third/verdicts", "log-before")] {
        copy(&town.file(what), &town.file(name));
    }
    town.start(0, &[]);
    let given = town.verdict(&second);
    town.kill(0);
    copy(&town.file("third"), &town.file("after"));

    // The cases alone are put back: whoever asks again would get a second verdict.
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(town.file(&format!("third/cases.sqlite{end}")));
        let from = town.file(&format!("before/cases.sqlite{end}"));
        if from.exists() {
            copy(&from, &town.file(&format!("third/cases.sqlite{end}")));
        }
    }
    for refused in town.refused(0) {
        assert_eq!(refused.code, 1, "{}", refused.err);
        let words = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["its cases are older than its public log", &second.agreed.id().to_string()] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(words.contains("put cases (cases.sqlite"), "{words}");
        assert!(!words.contains(&first.agreed.id().to_string()), "{words}");
    }
    // Or there are no cases at all any more.
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(town.file(&format!("third/cases.sqlite{end}")));
    }
    for refused in town.refused(0) {
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(refused.err.contains(&first.agreed.id().to_string()), "{}", refused.err);
    }
    // The log alone is put back: it would go on with another past.
    copy(&town.file("after"), &town.file("third"));
    copy(&town.file("log-before"), &town.file("third/verdicts"));
    for refused in town.refused(0) {
        assert_eq!(refused.code, 1, "{}", refused.err);
        let words = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("its public log is older than its cases"), "{words}");
        assert!(words.contains(&second.agreed.id().to_string()), "{words}");
    }

    // Both from the same moment: the verdict is what it was.
    copy(&town.file("after"), &town.file("third"));
    town.start(0, &[]);
    assert_eq!(cbor::encode(&town.verdict(&second)), cbor::encode(&given));
    assert_eq!(town.logged(&second), [given.verdict.digest()]);
}

#[test]
fn cases_of_an_earlier_version_are_all_held_against_the_log_once() {
    let mut town = Town::new(None);
    let named = town.named();
    let all: Vec<Asking> = (0..5).map(|_| Asking::new(&named)).collect();
    for asking in &all {
        town.verdict(asking);
    }
    town.kill(0);
    let file = town.file("third/cases.sqlite");
    let store = || rusqlite::Connection::open(&file).unwrap();
    let seen = || store().query_row("SELECT size FROM published", [], |row| row.get::<_, i64>(0));

    store().execute_batch("DROP TABLE published; DROP INDEX to_log_by_entry").unwrap();
    let checked = town.trusted.semper(&["serve", "third-0.toml", "--check"]).unwrap();
    assert_eq!(checked.code, 0, "{}", checked.err);
    town.trusted.start_third(0, &[]).unwrap();
    assert_eq!(seen(), Ok(5));
    town.kill(0);

    // One of them is missing, and what was noted, too.
    store().execute("DELETE FROM published", []).unwrap();
    store().execute("DELETE FROM cases WHERE exchange = ?1", [all[3].id().as_bytes()]).unwrap();
    for refused in town.refused(0) {
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(refused.err.contains(&all[3].agreed.id().to_string()), "{}", refused.err);
    }
}

#[test]
fn a_log_with_two_verdicts_of_one_exchange_is_not_served_any_more() {
    let mut town = Town::new(None);
    let asking = Asking::new(&town.named());
    town.verdict(&asking);
    town.kill(0);

    forge(&town, vec![line(asking.id(), Digest::of(b"another"), None)]);

    for refused in town.refused(0) {
        assert_eq!(refused.code, 1, "{}", refused.err);
        let words = refused.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("or two of one exchange"), "{words}");
        assert!(words.contains(&asking.agreed.id().to_string()), "{words}");
    }
}

#[test]
fn a_crash_between_store_and_log_loses_no_line_and_makes_none_twice() {
    let mut town = Town::new(None);
    let named = town.named();
    // Stored and not logged; logged and not noted.
    for point in ["verdict.after:1", "publish.logged:1"] {
        let asking = Asking::new(&named);
        town.kill(0);
        town.start(0, &[("SEMPER_CRASH", point)]);

        assert_eq!(town.ask(0, &asking.abort()), None, "nothing leaves before it is logged");
        eventually("it dies", || town.ask(0, &asking.abort()).is_none());
        let checked = town.trusted.semper(&["serve", "third-0.toml", "--check"]).unwrap();
        assert_eq!(checked.code, 0, "{point}: {}", checked.err);
        town.start(0, &[]);

        // Also without anybody asking again.
        eventually("the line is there", || town.logged(&asking).len() == 1);
        let given = town.verdict(&asking);
        assert_eq!(town.logged(&asking), [given.verdict.digest()], "{point}");
    }
}

#[test]
fn a_verdict_that_is_answered_stands_in_the_log_also_from_a_process_that_does_not_publish() {
    let postgres = Postgres::start().unwrap();
    let store = postgres.database("verdicts").unwrap();
    let mut town = Town::new(Some((&store, 2)));
    let named = town.named();
    for round in 0..6 {
        let asking = Asking::new(&named);
        let Some(Answer::Decided(decided)) = town.ask(round % 2, &asking.abort()) else {
            panic!("{}", town.trusted.third[1].log_text())
        };
        assert_eq!(town.logged(&asking), [decided.verdict.digest()], "round {round}");
    }

    // Nobody publishes: no verdict leaves, and nobody is promised one.
    town.kill(0);
    let late = Asking::new(&named);
    assert_eq!(town.ask(1, &late.abort()), None);
    assert!(town.trusted.third[1].log_text().contains("publish = true"));
    // A backup of the database of before that verdict, and of after the next.
    let copied = postgres.database("before").unwrap();
    town.start(0, &[]);
    eventually("the other answers", || town.ask(1, &late.abort()).is_some());
    assert_eq!(town.logged(&late).len(), 1);

    town.kill(0);
    town.kill(1);
    let file = town.file("third-0.toml");
    let text = fs::read_to_string(&file).unwrap();
    let older = postgres.copy("verdicts", "older").unwrap();
    town.start(0, &[]);
    let last = Asking::new(&named);
    town.verdict(&last);
    town.kill(0);
    fs::write(&file, text.replace(&store, &older)).unwrap();
    for refused in town.refused(0) {
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(refused.err.contains(&last.agreed.id().to_string()), "{}", refused.err);
        assert!(!refused.err.contains(&late.agreed.id().to_string()), "{}", refused.err);
    }
    // An empty database is the oldest of all.
    fs::write(&file, text.replace(&store, &copied)).unwrap();
    for refused in town.refused(0) {
        assert_eq!(refused.code, 1, "{}", refused.err);
        assert!(refused.err.contains("and 3 more"), "{}", refused.err);
    }
}

#[test]
fn witnesses_that_are_away_keep_no_verdict_back_and_cosign_it_when_they_are_there() {
    let mut town = Town::new(None);
    town.kill(0);
    let port = semper_testkit::process::free_port().unwrap();
    let init = ["witness-init", "--home", "witness", "--name", "witness.example/one"];
    let key = town.trusted.semper(&init).unwrap().out;
    let file = town.file("third-0.toml");
    let text = fs::read_to_string(&file).unwrap();
    let quorum = text.replace("home = \"third\"\n", "home = \"third\"\nquorum = 1\n");
    let witness = format!(
        "[[third-party.witness]]\nkey = \"{}\"\nurl = \"https://localhost:{port}\"\n\
         root = \"ca/root.pem\"\n",
        key.trim()
    );
    fs::write(&file, format!("{quorum}{witness}")).unwrap();
    town.start(0, &[]);

    let asking = Asking::new(&town.named());
    let given = town.verdict(&asking);
    let another = Asking::new(&town.named());
    town.verdict(&another);
    // Signed and stored, and not shown yet: so says whoever looks after it.
    assert_eq!(town.logged(&asking), Vec::<Digest>::new());
    let (status, text) = town.get(0, "/healthz");
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("the witness that is wanted has not cosigned"), "{text}");
    // It is not taken back, nor forgotten.
    town.kill(0);
    town.start(0, &[]);
    assert_eq!(cbor::encode(&town.verdict(&asking)), cbor::encode(&given));

    let tls = "certificate = \"third-tls.pem\"\nkey = \"third-tls.key\"\n";
    let logs = format!("logs = [\"{}\"]\n", town.log_key());
    let config =
        format!("listen = \"127.0.0.1:{port}\"\n[tls]\n{tls}[witness]\nhome = \"witness\"\n{logs}");
    fs::write(town.file("witness.toml"), config).unwrap();
    let binaries = &town.trusted.binaries;
    let folder = &town.trusted.folder;
    let _witness = semper_testkit::market::serve(folder, binaries, "witness", port, &[]).unwrap();
    eventually("it is published", || town.logged(&another).len() == 1);
    assert_eq!(town.logged(&asking), [given.verdict.digest()]);
    eventually("all is well", || town.get(0, "/healthz").0 == 200);

    // Cases and log from the same older moment agree with each other. The witness knows better.
    town.kill(0);
    copy(&town.file("third"), &town.file("copy"));
    town.start(0, &[]);
    town.verdict(&Asking::new(&town.named()));
    eventually("it is published", || town.lines().len() == 3);
    town.kill(0);
    copy(&town.file("copy"), &town.file("third"));
    let [served, _] = town.refused(0);
    assert_eq!(served.code, 1, "{}", served.err);
    let words = served.err.split_whitespace().collect::<Vec<_>>().join(" ");
    let want = "the witness witness.example/one has cosigned 3 entries of this log, which has 2";
    assert!(words.contains(want), "{words}");
}

#[test]
fn a_monitor_is_set_up_by_what_is_served_and_printed_and_finds_what_is_wrong() {
    let mut town = Town::new(None);
    // Printed where the trust file's entry is, and in JSON.
    let printed = fs::read_to_string(town.file("third-party.toml")).unwrap();
    let key = town.log_key().to_string();
    assert!(printed.contains(&format!("/verdicts --log-key {key}")), "{printed}");
    assert_eq!(town.get(0, "/verdicts/log.vkey"), (200, format!("{key}\n").into_bytes()));
    let made = town.trusted.semper(&[
        "third-party-init",
        "--home",
        "other",
        "--origin",
        "other.example",
        "--address",
        "https://localhost:1/",
        "--json",
    ]);
    let made = made.unwrap().json();
    assert_eq!(made["log"]["url"], "https://localhost:1/verdicts");
    let other = fs::read_to_string(town.file("other/verdicts/log.vkey")).unwrap();
    assert_eq!(made["log"]["key"], other.trim());

    let named = town.named();
    let [own, others] = [Asking::new(&named), Asking::new(&named)];
    let given = town.verdict(&own);
    town.verdict(&others);
    fs::write(town.file("own.cbor"), own.evidence(&given)).unwrap();

    // All is well: the verdict that one was given has its line.
    let evidence = ["--evidence", "own.cbor"];
    let watched = town.monitor("watch", &evidence);
    assert_eq!(watched.code, 0, "{}{}", watched.out, watched.err);
    assert!(watched.out.contains("2 entries, 2 of them new: 2 about verdicts"), "{}", watched.out);
    let watched = town.monitor("watch", &[]);
    assert_eq!(watched.code, 0, "{}", watched.err);

    // A verdict about one's own exchange that one has not been given.
    let id = others.agreed.id().to_string();
    for state in ["watch", "new-watch"] {
        let watched = town.monitor(state, &["--exchange", &id, "--json"]);
        assert_eq!(watched.code, 1, "{}", watched.err);
        let found = &watched.json()["findings"];
        assert_eq!(found[0]["kind"], "own", "{found}");
        assert_eq!(found[0]["exchange"], id);
        assert_eq!(found[0]["line"]["number"], 1);
        assert_eq!(found.as_array().unwrap().len(), 1);
    }

    // A verdict that was signed beside the log: given from a copy of the home.
    town.kill(0);
    copy(&town.file("third"), &town.file("kept"));
    town.start(0, &[]);
    let beside = Asking::new(&named);
    let given = town.verdict(&beside);
    fs::write(town.file("beside.cbor"), beside.evidence(&given)).unwrap();
    town.kill(0);
    copy(&town.file("kept"), &town.file("third"));
    town.start(0, &[]);
    let missing = town.monitor("new-watch", &["--evidence", "beside.cbor", "--json"]);
    assert_eq!(missing.code, 1, "{}", missing.err);
    let found = &missing.json()["findings"];
    assert_eq!(found[0]["kind"], "missing", "{found}");
    assert_eq!(found[0]["verdict"], given.verdict.digest().to_string(), "{found}");

    // A second verdict about an exchange, and a fault after a completion, which may be.
    let [completed, verdict, fault] = [b"a", b"b", b"c"].map(|it| Digest::of(it));
    town.kill(0);
    forge(
        &town,
        vec![
            line(completed, verdict, None),
            line(completed, fault, Some(verdict)),
            line(own.id(), Digest::of(b"the second"), None),
        ],
    );
    // It does not start with such a log; its files are served by another server.
    let port = town.trusted.ports[2];
    let tls = "certificate = \"third-tls.pem\"\nkey = \"third-tls.key\"\n";
    let site = town.file("site");
    copy(&town.file("third/verdicts/public"), &site.join("verdicts"));
    copy(&town.file("third/verdicts/log.vkey"), &site.join("verdicts/log.vkey"));
    let config = format!("listen = \"127.0.0.1:{port}\"\n[tls]\n{tls}[files]\nfolder = \"site\"\n");
    fs::write(town.file("site.toml"), config).unwrap();
    let (folder, binaries) = (&town.trusted.folder, &town.trusted.binaries);
    let _site = semper_testkit::market::serve(folder, binaries, "site", port, &[]).unwrap();
    // Told at the time, later, and to whoever begins only then.
    for state in ["watch", "watch", "a-third-watch"] {
        let watched = town.monitor_at("/files/verdicts", state, &[]);
        assert_eq!(watched.code, 1, "{}", watched.err);
        let words = format!("{} has several verdicts: line 0", own.agreed.id());
        assert!(watched.out.contains(&words), "{}", watched.out);
        assert_eq!(watched.out.matches("- exchange:").count(), 1, "{}", watched.out);
    }

    // A log that shrinks has changed its past.
    copy(&town.file("kept/verdicts/public"), &site.join("verdicts"));
    copy(&town.file("kept/verdicts/log.vkey"), &site.join("verdicts/log.vkey"));
    let watched = town.monitor_at("/files/verdicts", "watch", &[]);
    assert_eq!(watched.code, 1, "{}", watched.out);
    assert!(watched.err.contains("it had 5 entries, and shows 2"), "{}", watched.err);
}

#[test]
fn an_exchange_is_decided_by_the_key_that_it_pins_when_another_has_followed_it() {
    let mut town = Town::new(None);
    let before = town.named();
    let [decided, open] = [Asking::new(&before), Asking::new(&before)];
    let given = town.verdict(&decided);
    let address = town.trusted.third_url(0);
    let renew = ["third-party-renew", "--home", "third", "--address", &address];

    let renewed = town.trusted.semper(&renew).unwrap();
    assert_eq!(renewed.code, 0, "{}", renewed.err);
    assert!(renewed.err.contains("start its server again"), "{}", renewed.err);
    assert_eq!(town.named(), before, "what runs goes on");
    town.kill(0);
    town.start(0, &[]);
    let after = town.named();
    assert_ne!(after.sign, before.sign);
    assert_eq!(after.origin, before.origin);

    // The old key's exchanges are the old key's; the new one's are the new one's.
    assert_eq!(cbor::encode(&town.verdict(&decided)), cbor::encode(&given));
    let by_old = town.verdict(&open);
    assert!(by_old.verdict.is_by(&before.sign, open.id()));
    assert_eq!(by_old.verdict.body().check(&by_old.verdict, &open.agreed), Ok(()));
    let new = Asking::new(&after);
    let by_new = town.verdict(&new);
    assert!(by_new.verdict.is_by(&after.sign, new.id()));
    assert_eq!(by_new.verdict.body().check(&by_new.verdict, &new.agreed), Ok(()));

    // The change stands in the public log, once, however often the server starts; a monitor says so.
    town.kill(0);
    town.start(0, &[]);
    eventually("it is logged", || town.lines().len() == 4);
    let watched = town.monitor("watch", &["--json"]);
    assert_eq!(watched.code, 0, "{}{}", watched.out, watched.err);
    let value = watched.json();
    assert_eq!((&value["size"], &value["verdicts"]), (&4.into(), &3.into()));
    let hex = |key: &PublicKey| semper_base::digest::hex(key.as_bytes());
    assert_eq!(value["keys"][0]["before"], hex(&before.sign));
    assert_eq!(value["keys"][0]["after"], hex(&after.sign));
    // It is served, and can be held against what was printed.
    let (status, served) = town.get(0, "/semper/v1/third-party/succession");
    assert_eq!(status, 200);
    let served: Vec<Succession<Standard>> = cbor::decode(&served, 65_536).unwrap();
    let statement = semper_base::digest::hex(&cbor::encode(&served[0]));
    assert!(renewed.out.contains(&statement), "{}", renewed.out);
}

/// The third party's key in the agreement of a home's newest exchange.
fn pinned(market: &Market, home: &str) -> PublicKey {
    let (_, all) = kept(market, home).unwrap();
    let exchange = all.iter().find(|it| it["kind"] == "exchange").unwrap();
    let (number, file) = (exchange["number"].to_string(), format!("{home}-exchange.cbor"));
    let save = ["archive", "save", "--home", home, &number, "--out", &file];
    assert_eq!(market.semper(&save).unwrap().code, 0);
    let bytes = fs::read(market.folder.join(file)).unwrap();
    let evidence: Evidence<Standard> = cbor::decode(&bytes, bytes.len()).unwrap();
    evidence.agreement.third_party.sign
}

fn keys_of(market: &Market, home: &str) -> Vec<String> {
    let list = market.semper(&["trust", "list", "--home", home, "--json"]).unwrap().json();
    let all = list["third_parties"].as_array().unwrap().clone();
    all.iter().map(|it| it["sign"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn buyers_and_merchants_follow_a_third_party_to_the_key_that_the_old_one_has_signed() {
    let (mut market, _folder) = market(&small());
    let old = keys_of(&market, "anna");
    assert_eq!(old.len(), 1);
    // Both have promised, the merchant vanishes before it delivers; and the third party is away.
    market.third.kill();
    market.restart(Part::Merchant, &[("SEMPER_CRASH", "exchange.after:2")]).unwrap();
    let mut buying = market.start_buying().unwrap();
    assert_ne!(market.merchant.wait(LONG), None);

    // Meanwhile it gets another key; the buyer, who has not heard of it, gets her receipt by the old.
    let address = format!("https://localhost:{}", market.third_port);
    let renew = ["third-party-renew", "--home", "third", "--address", &address];
    let renewed = market.semper(&renew).unwrap();
    assert_eq!(renewed.code, 0, "{}", renewed.err);
    fs::write(market.folder.join("third-party-2.toml"), &renewed.out).unwrap();
    market.restart(Part::ThirdParty, &[]).unwrap();
    market.restart(Part::Merchant, &[]).unwrap();
    assert_eq!(buying.wait(LONG), Some(0), "{}", buying.log_text());
    assert_eq!(ended(&market, "otto"), "completed");
    let first = pinned(&market, "anna");
    assert_eq!(semper_base::digest::hex(first.as_bytes()), old[0]);

    // Somebody else's key under the same name is not followed, whoever prints it.
    let forge = [
        "third-party-init",
        "--home",
        "forged",
        "--origin",
        "third.example",
        "--address",
        &address,
    ];
    let forged = market.semper(&forge).unwrap();
    fs::write(market.folder.join("forged.toml"), &forged.out).unwrap();
    let follow = |home: &str, file: &str| {
        market.semper(&["trust", "add", "--home", home, "third-party", "--file", file]).unwrap()
    };
    let refused = follow("anna", "forged.toml");
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.err.contains("has not signed this one into succession"), "{}", refused.err);
    // Not even with the statement of the true one beside it.
    let succession = renewed.out.split_once("succession").unwrap().1;
    let mixed = format!("{}succession{succession}", forged.out);
    fs::write(market.folder.join("forged.toml"), mixed).unwrap();
    let refused = follow("anna", "forged.toml");
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert_eq!(keys_of(&market, "anna"), old);

    // The buyer follows first, and can still agree with a merchant who has not.
    let followed = follow("anna", "third-party-2.toml");
    assert_eq!(followed.code, 0, "{}", followed.err);
    assert!(followed.out.contains("third.example is followed to key:"), "{}", followed.out);
    let new = keys_of(&market, "anna");
    assert_eq!((new.len(), &new[1]), (2, &old[0]));
    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    assert_eq!(pinned(&market, "anna"), first);
    // When both have, the new key is the one that is agreed on.
    assert_eq!(follow("otto", "third-party-2.toml").code, 0);
    market.restart_merchant().unwrap();
    let bought = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    assert_eq!(bought.code, 0, "{}", bought.err);
    let pinned = pinned(&market, "anna");
    assert_eq!(semper_base::digest::hex(pinned.as_bytes()), new[0]);
    // Whoever begins now takes both from what is printed.
    let init = market.semper(&["trust", "list", "--home", "anna"]).unwrap();
    let believed = format!("third party third.example at {address}, key:");
    assert_eq!(init.out.matches(&believed).count(), 2, "{}", init.out);
}
