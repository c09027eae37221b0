//! Catalogues as merchants have them: what can be read in one way is imported, what cannot is
//! refused with its line, and nothing is taken wrong in silence.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{binaries, market};
use rusqlite::Connection;
use semper_testkit::MarketOptions;
use semper_testkit::process::{self, Output};
use tempfile::TempDir;

/// A merchant with a home and an empty catalogue.
struct Merchant(TempDir);

impl Merchant {
    fn new() -> Self {
        let merchant = Self(tempfile::tempdir().unwrap());
        let folder = merchant.0.path();
        let run = |arguments: &[&str]| {
            let output = process::run(folder, &binaries().semper, arguments).unwrap();
            assert_eq!(output.code, 0, "{}{}", output.out, output.err);
        };
        fs::write(folder.join("pass"), "correct horse battery staple").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(folder.join("pass"), mode).unwrap();
        run(&["ca", "init", "--home", "ca", "--name", "CA", "--server", "localhost"]);
        let init = ["init", "--home", "otto", "--user", "Otto", "--phrase", "a red lighthouse"];
        let rest = ["--authority", "ca/root.pem", "--pass-phrase-file", "pass"];
        run(&[&init[..], &rest[..]].concat());
        merchant
    }

    fn import(&self, file: impl AsRef<[u8]>, options: &[&str]) -> Output {
        fs::write(self.0.path().join("articles"), file).unwrap();
        let import = ["catalogue", "import", "--home", "otto", "articles"];
        let arguments = [&import[..], options].concat();
        process::run(self.0.path(), &binaries().semper, &arguments).unwrap()
    }

    /// Number, title, price in minor units and currency of each article.
    fn articles(&self) -> Vec<(String, String, i64, String)> {
        let file = self.0.path().join("otto/catalogue.sqlite");
        let connection = Connection::open(file).unwrap();
        let sql = "SELECT number, title, minor, currency FROM articles ORDER BY number";
        let mut statement = connection.prepare(sql).unwrap();
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        statement.query_map([], row).unwrap().map(Result::unwrap).collect()
    }
}

const HEADING: &str = "number,title,category,size,colour,price,stock,delivery_days\n";

#[test]
fn a_catalogue_is_taken_as_spreadsheets_write_it() {
    let scarf = ("A-1".to_owned(), "Wollschal grün".to_owned(), 1_999, "EUR".to_owned());
    let hat = ("A-2".to_owned(), "Mütze 50 % Wolle".to_owned(), 129_900, "EUR".to_owned());
    let english = format!(
        "{HEADING}A-1,Wollschal grün,Schals,,grün,19.99 EUR,5,3\r\nA-2,Mütze 50 % Wolle,,M,blau,1299.00 EUR,2,4\r\n"
    );
    let german = "Artikelnummer;Titel;Kategorie;Größe;Farbe;Preis;Bestand;Lieferzeit\r\n\
        A-1;Wollschal grün;Schals;;grün;19,99 €;5;3\r\nA-2;Mütze 50 % Wolle;Mützen;M;blau;1.299,00 €;2;4\r\n";
    let western: Vec<u8> = german
        .chars()
        .map(|c| if c == '€' { 0x80 } else { u8::try_from(u32::from(c)).unwrap() })
        .collect();
    let wide: Vec<u8> = "\u{feff}"
        .chars()
        .chain(german.chars())
        .flat_map(|c| u16::try_from(u32::from(c)).unwrap().to_le_bytes())
        .collect();
    let other = "Delivery days\tNumber\tTITLE\tImage\tPrice\tStock\n\
        3\tA-1\tWollschal\tgrün.jpg\t19.99\t5\n4\tA-2\tMütze\tm.jpg\t1,299.00\t2\n";
    for (what, file) in [
        ("plain", english.clone().into_bytes()),
        ("with a mark of UTF-8", format!("\u{feff}{english}").into_bytes()),
        ("German Excel", german.as_bytes().to_vec()),
        ("Windows-1252", western),
        ("UTF-16", wide),
    ] {
        let merchant = Merchant::new();
        let done = merchant.import(file, &[]);
        assert_eq!(done.code, 0, "{what}: {}", done.err);
        assert_eq!(merchant.articles(), [scarf.clone(), hat.clone()], "{what}");
    }
    let merchant = Merchant::new();
    let done = merchant.import(other, &["--currency", "EUR", "--json"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.json()["ignored"][0], "Image");
    let prices: Vec<i64> = merchant.articles().into_iter().map(|it| it.2).collect();
    assert_eq!(prices, [1_999, 129_900]);
}

#[test]
fn what_could_be_taken_wrong_is_refused_with_its_line() {
    let merchant = Merchant::new();
    let done = merchant.import(format!("{HEADING}A-1,One,Tea,,,4.00 EUR,3,5\n"), &[]);
    assert_eq!(done.code, 0, "{}", done.err);
    let before = merchant.articles();
    let rows = |rows: &str| format!("{HEADING}{rows}").into_bytes();
    for (file, says) in [
        (Vec::new(), "the file is empty"),
        (b"\xef\xbb\xbf\r\n".to_vec(), "the file is empty"),
        (rows(""), "no article below it"),
        (b"PK\x03\x04\x00\x00\xff\xfe,".to_vec(), "this is no text"),
        (b"number,title,price\nA,B,4 EUR\n".to_vec(), "there is no column “stock”"),
        (b"number,Number,title,price,stock,delivery_days\n".to_vec(), "is there twice"),
        (
            rows("D-1,One,,,,4.00 EUR,3,5\nD-1,Two,,,,5.00 EUR,3,5\n"),
            "line 3, number “D-1”: is the number of line 2, too",
        ),
        (rows("4.00638E+12,One,,,,4.00 EUR,3,5\n"), "line 2, number “4.00638E+12”: a spreadsheet"),
        (
            rows("D-1,One\u{1b}[31mred,,,,4.00 EUR,3,5\n"),
            "title “One\\u{1b}[31mred”: holds the invisible character U+001B",
        ),
        (rows("D-1,R\u{202e}live,,,,4.00 EUR,3,5\n"), "U+202E"),
        (rows("D-1,One,,,,-4.00 EUR,3,5\n"), "price “-4.00 EUR”: must be more than nothing"),
        (rows("D-1,One,,,,5.000 EUR,3,5\n"), "could be 5000 or 5.000"),
        (rows("D-1,One,,,,5,3,5\n"), "names no currency"),
        (rows("D-1,One,,,,5 EUR,-3,5\n"), "stock “-3”: must be a whole number"),
        (
            rows("D-1,One,,,,5 EUR,3,70000\n"),
            "delivery_days “70000”: must be a whole number up to 65535",
        ),
        (rows("D-1,One,,,,5 EUR,3\n"), "line 2: has 7 columns where the heading has 8"),
        (
            rows("J-1,Bowl,,,,4800 JPY,3,5\nE-1,Pot,,,,48.00 EUR,3,5\n"),
            "line 3, price “48.00 EUR”: a catalogue has one currency",
        ),
        (rows("J-1,Bowl,,,,4800 JPY,3,5\n"), "article A-1 of the catalogue in EUR"),
    ] {
        let refused = merchant.import(&file, &[]);
        let what = String::from_utf8_lossy(&file).into_owned();
        assert_eq!(refused.code, 2, "{what}: {}{}", refused.out, refused.err);
        assert!(refused.err.contains(says), "{what}: “{says}” in {}", refused.err);
        assert_eq!(merchant.articles(), before, "{what}");
    }
}

#[test]
fn every_wrong_line_is_named_and_a_dry_run_changes_nothing() {
    let merchant = Merchant::new();
    let lines: String = (0..150).map(|at| format!("D-{at},,,,,4.00 EUR,3,5\n")).collect();
    let refused = merchant.import(format!("{HEADING}{lines}"), &[]);
    assert_eq!(refused.err.matches("title “”: must not be empty").count(), 100, "{}", refused.err);
    assert!(refused.err.contains("… and 50 more"), "{}", refused.err);

    let one = format!("{HEADING}A-1,One,Tea,,,4.00 EUR,3,5\n");
    let dry = merchant.import(&one, &["--dry-run"]);
    assert_eq!((dry.code, merchant.articles().len()), (0, 0), "{}", dry.err);
    assert!(dry.out.contains("1 article could be imported"), "{}", dry.out);
}

#[test]
fn prices_and_limits_have_the_currency_s_own_decimals() {
    let rules = r#"
        [[rule]]
        topic  = "search"
        fields = { words = "tea", "at most" = "5000" }
        [[rule]]
        topic  = "article"
        choose = " · "
        [[rule]]
        topic  = "quantity"
        fields = { quantity = "1" }
        [[rule]]
        topic  = "cart"
        choose = "leave the shop"
        [[rule]]
        topic  = "agreement"
        answer = "yes"
        [[rule]]
        topic  = "withdrawal"
        answer = "yes"
    "#;
    let options =
        MarketOptions { articles: 1, buyer_rules: rules.into(), ..MarketOptions::default() };
    let (mut market, _folder) = market(&options);
    market.merchant.kill();
    for file in ["catalogue.sqlite", "catalogue.sqlite-wal", "catalogue.sqlite-shm"] {
        let _ = fs::remove_file(market.folder.join("otto").join(file));
    }
    let bowls =
        format!("{HEADING}J-1,Tea bowl,Tea,,,4800 JPY,3,5\nJ-2,Tea whisk,Tea,,,12000 JPY,3,5\n");
    fs::write(market.folder.join("bowls.csv"), bowls).unwrap();
    let imported = market.semper(&["catalogue", "import", "--home", "otto", "bowls.csv"]).unwrap();
    assert_eq!(imported.code, 0, "{}", imported.err);
    market.restart_merchant().unwrap();

    let left = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();
    let shown = fs::read_to_string(market.folder.join("anna-transcript.jsonl")).unwrap();
    assert!(shown.contains("1 of 1 articles"), "{}{}\n{shown}", left.out, left.err);
    assert!(shown.contains("J-1 · Tea bowl · 4800 JPY"), "{shown}");
    assert!(!shown.contains("J-2"), "{shown}");
}
