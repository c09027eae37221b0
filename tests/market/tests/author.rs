//! The author's way, outside the repository: a new service is built, tried, examined, certified, sold and
//! bought by the commands that are printed; and what goes wrong on the way is said in words that help.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "author/desk.rs"]
mod desk;

use std::fs;

use common::binaries;
use desk::{Author, Heard, typed};
use semper_testkit::process;
use serde_json::Value;

#[test]
fn the_printed_commands_lead_from_a_new_service_to_a_purchase() {
    let author = Author::new("rust");
    assert!(author.next.first().unwrap().starts_with("cd "), "{:?}", author.next);

    let (fine, shown) = typed(author.folder.path(), &author.next.join("\n"));

    assert!(fine, "{shown}");
    for sentence in [
        "the person signs the order over 44.70 EUR",
        "44.70 EUR are paid",
        "log: asked for 2 of SCARF-1",
        "ok      tests/no-money.toml: withdrawn, nothing is paid",
        "holds   seller-bound",
        "nothing unfair was found",
        "certified by Verbraucherbund",
        "$ semper buy --home anna",
        "completed",
    ] {
        assert!(shown.contains(sentence), "“{sentence}” was not shown:\n{shown}");
    }
    assert!(!shown.contains("FAILS"), "{shown}");
    let market = author.shop().join("market");
    for home in ["anna", "otto"] {
        let deals = process::run(&market, &binaries().semper, &["deals", "--home", home, "--json"]);
        assert_eq!(deals.unwrap().json()[0]["state"], "completed", "{home}");
    }

    a_panic_is_told_in_its_own_words(&author);
    a_loop_without_end_is_stopped_and_named(&author);
    a_step_outside_the_flow_names_the_state(&author);
    a_half_that_waits_for_nothing_is_named(&author);
    a_half_keeps_to_its_own_interfaces(&author);
}

/// Where the seller's half of the template makes an offer.
const OFFERS: &str = "let article = catalogue::lookup(number)";
const SELLER: &str = "seller/src/lib.rs";

/// Changes the seller's half, builds it, and puts it back when the work is done.
fn with_seller(author: &Author, from: &str, to: &str, work: impl FnOnce()) {
    let whole = fs::read_to_string(author.shop().join(SELLER)).unwrap();
    author.change(SELLER, from, to);
    author.done(&["build"]);
    work();
    fs::write(author.shop().join(SELLER), whole).unwrap();
}

fn a_panic_is_told_in_its_own_words(author: &Author) {
    let panics = format!("if quantity == 2 {{ panic!(\"the shelf is gone\"); }}\n    {OFFERS}");
    with_seller(author, OFFERS, &panics, || {
        let failure = author.failure(&["try"]);
        assert!(failure.contains("the shelf is gone"), "{failure}");
        assert!(failure.contains("seller/src/lib.rs:"), "where it was: {failure}");
        let (code, tried) = author.json(&["try"]);
        assert_eq!((code, tried["tried"]["seller"]["code"].as_str()), (1, Some("trap")));
        let log = tried["tried"]["steps"].as_array().unwrap();
        assert!(
            log.iter().any(|it| it["what"] == "log" && it["text"].to_string().contains("shelf"))
        );
    });
}

fn a_loop_without_end_is_stopped_and_named(author: &Author) {
    let spins = format!("while quantity == 2 {{ core::hint::spin_loop(); }}\n    {OFFERS}");
    with_seller(author, OFFERS, &spins, || {
        let failure = author.failure(&["try"]);
        assert!(failure.contains("gone over its limit"), "{failure}");
        assert!(failure.contains("a loop without end"), "{failure}");
        // By its instructions or by the clock, whichever is over first on this machine.
        let named = ["[limits] time = ", "[limits] fuel = "];
        assert!(named.iter().any(|it| failure.contains(it)), "{failure}");
    });
}

fn a_step_outside_the_flow_names_the_state(author: &Author) {
    let tells = format!("information::send(\"advertisement\", b\"buy more\");\n    {OFFERS}");
    with_seller(author, OFFERS, &tells, || {
        let failure = author.failure(&["try"]);
        assert!(failure.contains("advertisement by the seller is not enabled in state “offering”"));
        assert!(failure.contains("[flow.states.offering] of service.toml"), "{failure}");
    });
}

fn a_half_that_waits_for_nothing_is_named(author: &Author) {
    let waits = "wish.receive();\n        let (article, quantity) = read(&inquiry)?;";
    with_seller(author, "let (article, quantity) = read(&inquiry)?;", waits, || {
        let failure = author.failure(&["try"]);
        assert!(failure.contains("nothing can come any more"), "{failure}");
        assert!(failure.contains("offer by the seller"), "what the state enables: {failure}");
    });
}

fn a_half_keeps_to_its_own_interfaces(author: &Author) {
    let asks = format!("semper_guest::buyer::display::progress(\"hello\");\n    {OFFERS}");
    with_seller(author, OFFERS, &asks, || {
        let refused = author.sign(&["try"]);
        assert_eq!(refused.code, 2, "{}", refused.out);
        let says =
            "the seller's half imports “semper:tinguin/display@1.0.0”, which only the buyer's may";
        assert!(refused.err.contains(says), "{}", refused.err);
    });
}

/// Puts the components of the repository's mail-order beside a template, so that plays can be
/// tried without building anything.
fn with_mail_order() -> Author {
    let author = Author::new("rust");
    let built = binaries();
    let texts = built.repository.join("guest-services/mail-order/terms");
    for (from, to) in [
        (built.guests.join("mail_order_buyer.wasm"), "buyer.wasm"),
        (built.guests.join("mail_order_seller.wasm"), "seller.wasm"),
        (texts.join("service.toml"), "service.toml"),
        (texts.join("terms.toml"), "terms.toml"),
    ] {
        fs::copy(from, author.shop().join(to)).unwrap();
    }
    let play = r#"
catalogue = "articles.csv"
[buyer.tells]
name = "Anna Berg"
street = "Lindenweg 4"
postcode = "22765"
city = "Hamburg"
country = "DE"
[[buyer.answer]]
topic = "search"
fields = { words = "scarf" }
[[buyer.answer]]
topic = "article"
choose = "SCARF-1"
[[buyer.answer]]
topic = "quantity"
fields = { quantity = "3" }
[[buyer.answer]]
topic = "cart"
choose = "order now"
[[buyer.answer]]
topic = "availability"
choose = "ask for an offer"
[[buyer.answer]]
topic = "address"
fields = {}
"#;
    fs::write(author.shop().join("try.toml"), play).unwrap();
    author
}

#[test]
fn a_play_shows_every_step_and_is_the_same_every_time() {
    let author = with_mail_order();

    let (code, tried) = author.json(&["try"]);

    assert_eq!(code, 0, "{tried:#}");
    let tried = &tried["tried"];
    assert_eq!((&tried["ends"], &tried["paid"]), (&"completed".into(), &"64.60 EUR".into()));
    assert_eq!(
        tried["signed"],
        serde_json::json!(["offer", "order", "receipt", "shipping-note", "completion"])
    );
    let steps = tried["steps"].as_array().unwrap();
    for (half, what) in [
        ("buyer", "asks"),
        ("buyer", "sends"),
        ("seller", "searches"),
        ("seller", "looks-up"),
        ("seller", "reserves"),
        ("seller", "signs"),
        ("buyer", "reads"),
        ("buyer", "pays"),
        ("buyer", "progress"),
        ("seller", "ships"),
        ("buyer", "shows"),
        ("buyer", "receives"),
    ] {
        let there = steps.iter().any(|it| it["half"] == half && it["what"] == what);
        assert!(there, "the {half} {what}: {steps:#?}");
    }
    assert_eq!(&author.json(&["try"]).1["tried"], tried, "the same seed, another deal");
    let other = author.json(&["try", "--seed", "2"]).1;
    assert_ne!(&other["tried"]["steps"], &tried["steps"], "another seed, the same deal");
}

#[test]
fn a_play_that_is_wrong_says_what_it_lacks() {
    let author = with_mail_order();
    let whole = fs::read_to_string(author.shop().join("try.toml")).unwrap();
    let articles = fs::read_to_string(author.shop().join("articles.csv")).unwrap();
    let cases = [
        // No answer to a question: the entry that would be one is shown.
        (
            "topic = \"availability\"",
            "topic = \"other\"",
            "asks “availability” (a choice of “ask for an offer”, “shop on”), and the play has no answer",
            "[[buyer.answer]]\n  topic = \"availability\"\n  choose = \"ask for an offer\"",
        ),
        // An answer that is none.
        (
            "choose = \"order now\"",
            "choose = \"pay now\"",
            "choose = “pay now”",
            "[[buyer.answer]]",
        ),
        // A field that the form does not have.
        ("words = \"scarf\"", "word = \"scarf\"", "fills in “word”", "it has “words”"),
        // A half-written answer.
        (
            "choose = \"order now\"\n",
            "",
            "the answer to “cart” needs one of answer, choose, fields",
            "semper-sign reference",
        ),
        // A misspelt entry, with its line.
        ("[buyer.tells]", "[buyer.tell]", "unknown field `tell`", "semper-sign reference"),
        ("catalogue = ", "begins = \"soon\"\ncatalogue = ", "begins:", "semper-sign reference"),
        (
            "fields = {}",
            "fields = {}\nafter = \"a while\"",
            "“a while” is no time",
            "semper-sign reference",
        ),
        (
            "catalogue = \"articles.csv\"",
            "catalogue = \"goods.csv\"",
            "goods.csv",
            "check the path",
        ),
        (
            "fields = { words = \"scarf\" }",
            "fields = { words = { file = \"wish.txt\" } }",
            "wish.txt",
            "check the path",
        ),
        (
            "catalogue = \"articles.csv\"",
            "like = \"try.toml\"",
            "like itself",
            "semper-sign reference",
        ),
    ];
    for (from, to, what, mend) in cases {
        author.change("try.toml", from, to);
        let refused = author.sign(&["try"]);
        assert_eq!(refused.code, 2, "{to}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(what), "{to}: {}", refused.err);
        assert!(refused.err.contains(mend), "{to}: {}", refused.err);
        assert_eq!(refused.err.matches("error:").count(), 1, "{}", refused.err);
        fs::write(author.shop().join("try.toml"), &whole).unwrap();
    }
    for (from, to, what) in [
        ("19.90 EUR", "19.90", "line 2, price “19.90”"),
        ("number,", "nummer,", "there is no column “number”"),
        ("LAMP-1", "SCARF-1", "line 3, number “SCARF-1”: empty, or there twice"),
    ] {
        author.change("articles.csv", from, to);
        let refused = author.sign(&["try"]);
        assert_eq!(refused.code, 2, "{}", refused.out);
        assert!(
            refused.err.contains(what) && refused.err.contains("a heading with"),
            "{}",
            refused.err
        );
        fs::write(author.shop().join("articles.csv"), &articles).unwrap();
    }
    // What was expected and did not come is a failure, not a mistake of the file.
    fs::write(author.shop().join("try.toml"), format!("{whole}\n[expect]\npaid = \"1.00 EUR\"\n"))
        .unwrap();
    let failure = author.failure(&["try"]);
    assert!(failure.contains("paid: 1.00 EUR is expected, and it is 64.60 EUR"), "{failure}");
    // Nobody has built, or is in another folder.
    fs::remove_file(author.shop().join("buyer.wasm")).unwrap();
    let refused = author.sign(&["try"]);
    assert!(refused.err.contains("buyer.wasm is not built yet"), "{}", refused.err);
    assert!(refused.err.contains("try  semper-sign build ."), "{}", refused.err);
    let elsewhere = author.sign(&["try", "tests"]);
    assert!(
        elsewhere.code == 2 && elsewhere.err.contains("there is no service.toml"),
        "{}",
        elsewhere.err
    );
}

#[test]
fn a_play_is_played_again_when_its_file_changes() {
    let author = with_mail_order();
    // What was built lies there; nothing is older than its sources.
    for made in ["buyer", "seller", "sdk", "Cargo.toml"] {
        let path = author.shop().join(made);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap()
        } else {
            fs::remove_file(path).unwrap()
        }
    }
    let watching = Heard::of(&author.shop(), &["try", "--watch"]);
    watching.until("64.60 EUR are paid");

    author.change("try.toml", "quantity = \"3\"", "quantity = \"1\"");
    watching.until("24.80 EUR are paid");

    // A mistake is said, and does not end it.
    author.change("try.toml", "topic = \"cart\"", "topic = \"basket\"");
    watching.until("has no answer to it");
    author.change("try.toml", "topic = \"basket\"", "topic = \"cart\"");
    watching.until("24.80 EUR are paid");
}

#[test]
#[ignore = "minutes for a debug compiler: cargo xtask nightly"]
fn a_service_in_javascript_sells_too_and_its_exceptions_are_told() {
    let author = Author::new("javascript");
    author.borrow_tools("javascript", "node_modules");
    all_plays_come_out_as_they_must(&author);

    author.change(
        "seller.js",
        "const found = lookup(number);",
        "const found = lookup(number).shelf.place;",
    );
    author.done(&["build"]);

    let failure = author.failure(&["try"]);
    assert!(failure.contains("TypeError"), "{failure}");
    assert!(failure.contains("makeOffer"), "where it was: {failure}");
}

#[test]
#[ignore = "minutes for a debug compiler: cargo xtask nightly"]
fn a_service_in_python_sells_too_and_its_tracebacks_are_told() {
    let author = Author::new("python");
    author.borrow_tools("python", "venv");
    all_plays_come_out_as_they_must(&author);

    author.change(
        "seller.py",
        "found = catalogue.lookup(number)",
        "found = catalogue.lookup(number).shelf",
    );
    author.done(&["build"]);

    let failure = author.failure(&["try"]);
    assert!(failure.contains("AttributeError"), "{failure}");
    assert!(
        failure.contains("seller.py:") && failure.contains("make_offer"),
        "where it was: {failure}"
    );
}

fn all_plays_come_out_as_they_must(author: &Author) {
    author.done(&["build"]);
    let (code, tried) = author.json(&["try", "--tests"]);
    assert_eq!(code, 0, "{tried:#}");
    let all = tried["tried"].as_array().unwrap();
    assert_eq!(all.len(), 5, "{tried:#}");
    assert!(all.iter().all(|it| it["notes"] == serde_json::json!([])), "{tried:#}");
    let logged = |it: &Value| it["what"] == "log" && it["text"] == "log: asked for 2 of SCARF-1";
    assert!(all[0]["steps"].as_array().unwrap().iter().any(logged), "{tried:#}");
    assert_eq!(author.json(&["check", "--bundle", "."]).0, 0);
    let (code, found) = author.json(&["exercise", "--bundle", ".", "--runs", "60"]);
    assert_eq!(code, 0, "{found:#}");
    assert!(found["payments"].as_u64().unwrap() > 5, "{found:#}");
}

#[test]
fn the_reference_is_what_the_types_say() {
    let built = binaries();
    let file = built.repository.join("docs/reference.md");
    let printed = process::run(&built.repository, &built.sign, &["reference"]).unwrap();
    let written = fs::read_to_string(file).unwrap();
    assert_eq!(printed.out, written, "docs/reference.md is old: cargo xtask reference writes it");
    // Every limit, every property of check, every entry of the template's files.
    for name in
        ["call-bytes", "compile-time", "seller-bound", "valid_days", "hidden-fee", "[flow.states"]
    {
        let there = written.contains(&format!("`{name}`")) || name.starts_with('[');
        assert!(there, "{name}");
    }
    let schemas =
        process::run(&built.repository, &built.sign, &["reference", "--json"]).unwrap().json();
    for file in ["service.toml", "terms.toml", "certificate.toml", "try.toml"] {
        assert_eq!(schemas["schemas"][file]["type"], "object", "{file}");
    }
}

#[test]
fn whoever_mistypes_gets_one_message_that_helps() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("taken")).unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["new", "my-shop"], "--language"),
        (&["new", "my-shop", "--language", "cobol"], "[possible values: rust, javascript, python]"),
        (&["new", "--language", "rust"], "<NAME>"),
        (&["new", "My Shop", "--language", "rust"], "lower-case letters, digits and hyphens"),
        (&["new", "taken", "--language", "rust"], "taken is there already"),
        (&["build", "taken"], "semper-sign new NAME --language rust"),
        (&["try", "taken"], "semper-sign new NAME --language rust"),
        (&["tri"], "try"),
    ];
    for (arguments, says) in cases {
        let refused = process::run(folder.path(), &binaries().sign, arguments).unwrap();
        assert_eq!(refused.code, 2, "{arguments:?}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(says), "{arguments:?}: {}", refused.err);
        assert_eq!(refused.err.matches("error:").count(), 1, "{arguments:?}: {}", refused.err);
    }
    let help = process::run(folder.path(), &binaries().sign, &["--help"]).unwrap();
    assert!(help.out.contains("Authors begin here:"), "{}", help.out);
}
