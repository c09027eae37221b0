//! The evaluator's bench, by the commands of `semper-sign`: what is planted is found, what is
//! honest is left alone, and the page about it can be read.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;
use std::process::Command;

use semper_base::cert::Authority;
use semper_base::{Certificate, Role, SigningKey, Timestamp};
use semper_testkit::Binaries;
use semper_testkit::process::{self, Output};
use serde_json::Value;

/// A folder with an author's key, in which services are packed.
struct Desk {
    folder: tempfile::TempDir,
    binaries: Binaries,
}

impl Desk {
    fn new() -> Self {
        let desk =
            Self { folder: tempfile::tempdir().unwrap(), binaries: Binaries::beside().unwrap() };
        desk.done(&["organisation", "--name", "Ada Author", "--out", "ada"]);
        // She writes services and sells by them: each with a key of its own.
        let root = |name: &str| desk.folder.path().join("ada").join(name);
        let read = |name: &str| std::fs::read_to_string(root(name)).unwrap();
        let key = SigningKey::from_pem(&read("root.key")).unwrap();
        let certificate = Certificate::from_pem(&read("root.pem")).unwrap();
        let authority = Authority::from_parts(certificate, key).unwrap();
        for role in [Role::Author, Role::Merchant] {
            let file = format!("ada/{role}.key");
            desk.done(&["key", "--out", &file]);
            let key = SigningKey::from_pem(&read(&format!("{role}.key"))).unwrap().public();
            let now = Timestamp::now();
            let until = now.after(std::time::Duration::from_secs(86_400));
            let own = authority.issue("Ada Author", &key, role, &[], now, until).unwrap();
            std::fs::write(root(&format!("{role}.pem")), own.to_pem()).unwrap();
        }
        desk
    }

    fn sign(&self, arguments: &[&str]) -> Output {
        process::run(self.folder.path(), &self.binaries.sign, arguments).unwrap()
    }

    fn done(&self, arguments: &[&str]) -> Output {
        let output = self.sign(arguments);
        assert_eq!(output.code, 0, "{}: {}{}", arguments.join(" "), output.out, output.err);
        output
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.sign(&[arguments, &["--json"]].concat());
        assert!(output.code < 2, "{}: {}", arguments.join(" "), output.err);
        (output.code, serde_json::from_str(&output.out).unwrap())
    }

    /// A bundle of two guests, by the descriptions in a folder.
    fn bundle(&self, name: &str, texts: &Path, guests: [&str; 2]) {
        let guest = |name: &str| self.binaries.guests.join(name).display().to_string();
        let (buyer, seller) = (guest(guests[0]), guest(guests[1]));
        let description = texts.join("service.toml").display().to_string();
        self.done(&[
            "service",
            "--description",
            &description,
            "--buyer",
            &buyer,
            "--seller",
            &seller,
            "--key",
            "ada/author.key",
            "--certificate",
            "ada/author.pem",
            "--out",
            name,
        ]);
        self.terms(name, &texts.join("terms.toml"));
    }

    fn terms(&self, name: &str, description: &Path) {
        let description = description.display().to_string();
        self.done(&[
            "terms",
            "--bundle",
            name,
            "--description",
            &description,
            "--key",
            "ada/merchant.key",
            "--certificate",
            "ada/merchant.pem",
        ]);
    }

    fn mail_order(&self) {
        let texts = self.binaries.repository.join("guest-services/mail-order/terms");
        self.bundle("shop", &texts, ["mail_order_buyer.wasm", "mail_order_seller.wasm"]);
    }
}

#[test]
fn an_honest_service_is_found_fair_over_a_thousand_deals() {
    let desk = Desk::new();
    desk.mail_order();
    let (code, found) = desk.json(&["exercise", "--bundle", "shop", "--runs", "1000"]);
    assert_eq!(code, 0, "{found:#}");
    assert_eq!(found["runs"], 1000);
    assert_eq!(found["unfair"], serde_json::json!({}));
    assert!(found["payments"].as_u64().unwrap() > 300, "{}", found["payments"]);
    // Every item of the flow was seen on its way.
    assert_eq!(found["unsent"], serde_json::json!([]));
    // The same seed plays the same deals.
    let again = desk.json(&["exercise", "--bundle", "shop", "--runs", "100", "--seed", "7"]).1;
    let once = desk.json(&["exercise", "--bundle", "shop", "--runs", "100", "--seed", "7"]).1;
    assert_eq!(again, once);
}

#[test]
fn an_honest_seller_of_information_is_found_fair_too() {
    let desk = Desk::new();
    let texts = desk.binaries.repository.join("guest-services/market-report/terms");
    let guests = ["market_report_buyer.wasm", "market_report_seller.wasm"];
    desk.bundle("reports", &texts, guests);
    let (code, found) = desk.json(&["check", "--bundle", "reports"]);
    assert_eq!(code, 0, "{found:#}");
    let (code, found) = desk.json(&["exercise", "--bundle", "reports", "--runs", "300"]);
    assert_eq!(code, 0, "{found:#}");
    assert_eq!(found["unfair"], serde_json::json!({}));
    // The shop of the stage always has something to report.
    assert_eq!(found["unsent"], serde_json::json!(["withdrawal by the seller"]));
    assert!(found["payments"].as_u64().unwrap() > 60, "{}", found["payments"]);
}

#[test]
fn everything_that_a_crook_has_planted_is_found() {
    let desk = Desk::new();
    let texts = desk.binaries.repository.join("tests/trust/unfair");
    desk.bundle("crook", &texts, ["unfair_buyer.wasm", "unfair_seller.wasm"]);
    let template = std::fs::read_to_string(texts.join("terms.toml")).unwrap();
    let planted = [
        (1, "pays-before-order"),
        (2, "hidden-fee"),
        (3, "changes-the-total"),
        (4, "withholds-the-receipt"),
        (5, "asks-needless-details"),
        (6, "never-ends"),
        (7, "raises-the-price"),
        (8, "other-goods"),
        (9, "nags"),
        (10, "ignores-leaving"),
        (11, "leaks-details"),
        (12, "asks-details-early"),
        (13, "short-offer"),
        (14, "hoards-goods"),
        (15, "other-goods"),
        (16, "other-quantity"),
        (17, "withholds-the-goods"),
        (18, "late-delivery"),
    ];
    let play = |number: u32| {
        let file = desk.folder.path().join("terms.toml");
        std::fs::write(
            &file,
            template.replace("unfair             = 0", &format!("unfair = {number}")),
        )
        .unwrap();
        desk.terms("crook", &file);
        desk.json(&["exercise", "--bundle", "crook", "--runs", "300"])
    };
    // With nothing planted, nothing is found.
    let (code, found) = play(0);
    assert_eq!((code, &found["unfair"]), (0, &serde_json::json!({})), "{found:#}");
    for (number, name) in planted {
        let (code, found) = play(number);
        assert_eq!(code, 1, "number {number} was not found");
        let unfair = &found["unfair"][name];
        assert!(unfair["count"].as_u64().is_some_and(|it| it > 0), "{number}: {found:#}");
        // An example can be played again from its seed alone.
        let seed = unfair["examples"][0]["seed"].to_string();
        let (_, one) =
            desk.json(&["exercise", "--bundle", "crook", "--runs", "1", "--seed", &seed]);
        assert!(one["unfair"][name]["count"] == 1, "{number}, seed {seed}: {one:#}");
    }
}

#[test]
fn a_flow_that_could_harm_is_refuted_by_a_shortest_path_and_drawn() {
    let desk = Desk::new();
    let texts = desk.binaries.repository.join("guest-services/mail-order/terms");
    let good = std::fs::read_to_string(texts.join("service.toml")).unwrap();
    let cases = [
        // The seller may leave after it was paid.
        (
            "seller-bound",
            "to = \"shipped\" }",
            "to = \"shipped\" }, \
             { by = \"seller\", item = { statement = \"withdrawal\" }, to = \"withdrawn\" }",
        ),
        // A receipt over any amount.
        (
            "receipt-as-paid",
            "consent = true, amount = \"offer\" },\n    { by = \"buyer\", item = { statement = \"withdrawal\" }, to = \"withdrawn\" },\n    { by = \"seller\"",
            "consent = true, amount = \"receipt\" },\n    { by = \"buyer\", item = { statement = \"withdrawal\" }, to = \"withdrawn\" },\n    { by = \"seller\"",
        ),
        // An order over any amount.
        (
            "order-as-offered",
            "consent = true, amount = \"offer\" },\n    { by = \"buyer\", item = { statement = \"withdrawal\" }, to = \"withdrawn\" },\n    # The offer has ended",
            "consent = true },\n    { by = \"buyer\", item = { statement = \"withdrawal\" }, to = \"withdrawn\" },\n    # The offer has ended",
        ),
        // No way out while an offer is wanted or there.
        (
            "free-to-leave",
            "    { by = \"buyer\", item = { statement = \"withdrawal\" }, to = \"withdrawn\" },\n    # The offer has ended",
            "    # The offer has ended",
        ),
    ];
    for (name, from, to) in cases {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{name}");
        let folder = desk.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("service.toml"), changed).unwrap();
        std::fs::copy(texts.join("terms.toml"), folder.join("terms.toml")).unwrap();
        desk.bundle(
            &format!("{name}-bundle"),
            &folder,
            ["mail_order_buyer.wasm", "mail_order_seller.wasm"],
        );
        let bundle = format!("{name}-bundle");
        let (code, found) = desk.json(&["check", "--bundle", &bundle]);
        assert_eq!(code, 1, "{name}: {found:#}");
        let properties = found["properties"].as_array().unwrap();
        let refuted: Vec<&str> = properties
            .iter()
            .filter(|it| !it["counterexample"].is_null())
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        assert!(refuted.contains(&name), "{name}: {refuted:?}");
        let svg = desk.folder.path().join(format!("{name}.svg"));
        let out = svg.display().to_string();
        desk.done(&["draw", "--bundle", &bundle, "--out", &out, "--property", name]);
        let drawn = std::fs::read_to_string(svg).unwrap();
        assert!(drawn.contains("<svg") && drawn.contains("#ff0000"), "{name}: no red arrow");
    }
    desk.mail_order();
    let (code, _) = desk.json(&["check", "--bundle", "shop"]);
    assert_eq!(code, 0);
    let (_, changes) = desk.json(&["diff", "--old", "shop", "--new", "seller-bound-bundle"]);
    let words = changes["changes"].to_string();
    assert!(words.contains("withdrawal by the seller") && words.contains("new"), "{words}");
}

#[test]
fn the_report_reads_well_in_a_browser() {
    let desk = Desk::new();
    desk.mail_order();
    let texts = desk.binaries.repository.join("tests/trust/unfair");
    desk.bundle("crook", &texts, ["unfair_buyer.wasm", "unfair_seller.wasm"]);
    let file = desk.folder.path().join("terms.toml");
    let template = std::fs::read_to_string(texts.join("terms.toml")).unwrap();
    std::fs::write(&file, template.replace("unfair             = 0", "unfair = 4")).unwrap();
    desk.terms("crook", &file);
    for (bundle, code) in [("shop", 0), ("crook", 1)] {
        let page = format!("{bundle}.html");
        let output = desk.sign(&["report", "--bundle", bundle, "--out", &page, "--runs", "200"]);
        assert_eq!(output.code, code, "{}{}", output.out, output.err);
        let html = std::fs::read_to_string(desk.folder.path().join(&page)).unwrap();
        for expected in
            ["<svg", "What the flow promises", "How deals ended", "semper:transfer/statements"]
        {
            let found = html.to_lowercase().contains(&expected.to_lowercase());
            assert!(found, "{bundle}: no {expected}");
        }
        assert!(!html.contains("<script"), "{bundle}");
        screenshot(desk.folder.path(), bundle);
    }
}

/// Has a browser show the page, and looks at the picture: wide and tall enough, and neither blank
/// nor cut off at its right edge.
fn screenshot(folder: &Path, name: &str) {
    let (page, picture) = (folder.join(format!("{name}.html")), folder.join(format!("{name}.png")));
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--window-size=1100,3200", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", folder.join("browser").display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(picture.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
    // Kept where the caller wants to look at it.
    if let Some(keep) = std::env::var_os("SEMPER_SCREENSHOTS") {
        std::fs::copy(&picture, Path::new(&keep).join(format!("{name}.png"))).unwrap();
    }
    let decoder =
        png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&picture).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (width, samples) = (info.width as usize, info.color_type.samples());
    let dark = |x: usize, y: usize| {
        let at = (y * width + x) * samples;
        pixels[at..at + 3].iter().map(|it| u32::from(*it)).sum::<u32>() < 300
    };
    let rows = (0..info.height as usize).filter(|y| (0..width).any(|x| dark(x, *y))).count();
    assert!(rows > 400, "{name}: only {rows} rows with text or lines");
    let edge = (0..info.height as usize).any(|y| (width - 8..width).any(|x| dark(x, y)));
    assert!(!edge, "{name}: something runs over the right edge");
}

#[test]
fn a_new_service_in_rust_builds_and_plays_at_once() {
    let desk = Desk::new();
    desk.done(&["new", "--language", "rust", "--name", "my-quotation", "--out", "mine"]);
    desk.done(&["build", "--folder", "mine"]);
    let packing = [
        "pack",
        "--author",
        "Ada Author",
        "--description",
        "mine/service.toml",
        "--buyer",
        "mine/buyer.wasm",
        "--seller",
        "mine/seller.wasm",
        "--out",
        "mine-bundle",
    ];
    desk.done(&packing);
    let unsigned = desk.done(&["inspect", "--bundle", "mine-bundle"]);
    assert!(!unsigned.out.contains("claims"), "{}", unsigned.out);
    desk.done(&[
        "sign",
        "--bundle",
        "mine-bundle",
        "--key",
        "ada/author.key",
        "--certificate",
        "ada/author.pem",
    ]);
    desk.terms("mine-bundle", &desk.folder.path().join("mine/terms.toml"));
    let (code, found) = desk.json(&["exercise", "--bundle", "mine-bundle", "--runs", "200"]);
    assert_eq!(code, 0, "{found:#}");
    assert!(found["signed"]["offer"].as_u64().unwrap() > 50, "{found:#}");

    // A world that is not served is not packed, nor a service that names none.
    let file = desk.folder.path().join("mine/service.toml");
    let described = std::fs::read_to_string(&file).unwrap();
    for (instead, says) in [
        ("world   = \"1.1.0\"", "semper:commerce@1.1.0, which this host does not serve"),
        ("", "names no world"),
    ] {
        let other = described.replace("world   = \"1.2.0\"", instead);
        assert_ne!(other, described);
        std::fs::write(&file, other).unwrap();
        let refused = desk.sign(&packing);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains(says), "{}", refused.err);
        assert!(refused.err.contains("world = \"1.2.0\" in the description"), "{}", refused.err);
    }

    // A second beginning in the same folder is refused, and so is an unknown language.
    let again = desk.sign(&["new", "--language", "rust", "--name", "x", "--out", "mine"]);
    assert_eq!(again.code, 2, "{}", again.err);
    let cobol = desk.sign(&["new", "--language", "cobol", "--name", "x", "--out", "y"]);
    assert!(cobol.err.contains("rust, javascript, python"), "{}", cobol.err);
    for language in ["javascript", "python"] {
        desk.done(&["new", "--language", language, "--name", "x", "--out", language]);
        assert!(desk.folder.path().join(language).join("wit/commerce.wit").is_file());
    }
}

#[test]
fn terms_can_be_filled_in_at_the_terminal() {
    use std::io::Write as _;
    let desk = Desk::new();
    desk.mail_order();
    let mut child = Command::new(&desk.binaries.sign)
        .args(["terms", "--bundle", "shop", "--key", "ada/merchant.key"])
        .args(["--certificate", "ada/merchant.pem", "--json"])
        .current_dir(desk.folder.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Serial, days, payment; a value out of bounds is asked for again.
    let typed = "5\n\n\n99.00 EUR\n4.90 EUR\n100.00 EUR\n7\n";
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let asked = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{asked}");
    assert!(asked.contains("out of bounds"), "{asked}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["serial"], 5);
    let (_, inside) = desk.json(&["inspect", "--bundle", "shop"]);
    let values = &inside["terms"]["description"]["parameters"];
    assert_eq!(values["offer-days"]["number"], 7, "{values}");
}

#[test]
fn terms_that_no_host_can_pay_by_are_said_to_be_so() {
    let desk = Desk::new();
    desk.mail_order();
    let terms = desk.binaries.repository.join("guest-services/mail-order/terms/terms.toml");
    let terms = std::fs::read_to_string(terms).unwrap();
    let offer = |payment: &str| {
        let changed = terms.replace("[\"purse\"]", payment);
        assert_ne!(changed, terms);
        std::fs::write(desk.folder.path().join("terms.toml"), changed).unwrap();
        let signer = ["--key", "ada/merchant.key", "--certificate", "ada/merchant.pem"];
        let start = ["terms", "--bundle", "shop", "--description", "terms.toml"];
        desk.sign(&[&start[..], &signer].concat())
    };
    let warned = offer("[\"paypal\", \"purse\"]");
    assert_eq!(warned.code, 0, "{}", warned.err);
    assert!(warned.out.contains("no payment module “paypal”"), "{}", warned.out);
    let refused = offer("[]");
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(refused.err.contains("accept no payment module"), "{}", refused.err);
}

#[test]
fn every_command_has_its_page_its_help_and_its_completion() {
    let desk = Desk::new();
    desk.done(&["man", "--out", "man"]);
    let pages = std::fs::read_dir(desk.folder.path().join("man")).unwrap().count();
    assert!(pages >= 26, "{pages} pages");
    for shell in ["bash", "zsh", "fish"] {
        let script = desk.done(&["completions", shell]).out;
        assert!(script.contains("exercise"), "{shell}");
    }
    let help = desk.done(&["--help"]).out;
    for command in [
        "new",
        "build",
        "try",
        "reference",
        "pack",
        "sign",
        "terms",
        "publish",
        "key",
        "csr",
        "inspect",
        "draw",
        "diff",
        "check",
        "exercise",
        "certify",
        "revoke",
        "report",
        "log",
        "pull",
        "push",
        "copy",
        "digest",
        "verify",
        "completions",
        "man",
        "delegate",
        "organisation",
        "service",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is not in --help");
        let own = desk.done(&[command, "--help"]).out;
        assert!(command == "log" || own.contains("Example"), "{command} --help has no example");
    }
}
