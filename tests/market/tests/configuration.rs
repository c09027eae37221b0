//! A deal lives by what it began with: whatever changes in a home's configuration while one runs
//! (account, bank, payment module, third parties, trust, limits), the deal ends as it would have.
//!
//! Each purchase here is killed at a commit of its own, on either side; then one entry of the
//! configuration is changed, or all of them, and the process starts again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{asked, books, buy_until_crash, ended, impatient, newest, small};
use semper_testkit::{Market, Part};

/// A change of a home's trust file and configuration: what it is called, and what becomes of both
/// texts.
type Change = (&'static str, fn(&mut String, &mut String));

/// Entries that any home may change. An account at another bank is opened by nobody: that bank is
/// not there, which is as far from working as a configuration can be.
const CHANGES: [Change; 7] = [
    ("another bank, account and all", |_, config| {
        let (before, _) = config.split_once("[payment.purse]").unwrap();
        *config = format!(
            "{before}[payment.purse]\nbank = \"https://localhost:1\"\nname = \"Other Bank\"\n\
             account = \"acct:0000\"\n"
        );
    }),
    ("no payment module", |_, config| {
        *config = config.split_once("[payment.purse]").unwrap().0.to_owned();
    }),
    ("another account at the same bank", |_, config| {
        let (before, account) = config.split_once("account = \"").unwrap();
        let after = account.split_once('"').unwrap().1;
        *config = format!("{before}account = \"acct:of-somebody-else\"{after}");
    }),
    ("no third party", |trust, _| {
        *trust = trust.split_once("[[third-party]]").unwrap().0.to_owned();
    }),
    ("patience and fairness", |trust, _| {
        *trust = trust.replace("patience_ms = 1000", "patience_ms = 600000\nfairness = \"weak\"");
    }),
    ("limits that no service keeps", |trust, _| {
        *trust += "\n[limits]\nrecords = 2\nmemory = 65536\n";
    }),
    ("another country", |trust, _| *trust = format!("country = \"FR\"\n{trust}")),
];

/// What only a home can change that offers no terms: a merchant's own must be acceptable to it.
const A_BUYERS: [Change; 3] = [
    ("another authority", |trust, _| {
        *trust = trust.replacen("root.pem", "other-root.pem", 1);
    }),
    ("a threshold that nobody reaches", |trust, _| {
        *trust = trust.replacen("level     = 2", "level     = 9", 1);
        assert!(trust.contains("= 9"), "{trust}");
    }),
    ("policies that grant nothing", |trust, _| {
        *trust = format!("policies = [\"nothing.cedar\"]\n{trust}");
    }),
];

/// The files of a home's configuration.
struct Files {
    trust: (PathBuf, String),
    config: (PathBuf, String),
}

impl Files {
    fn of(market: &Market, home: &str) -> Self {
        let read = |name: &str| {
            let file = market.folder.join(home).join(name);
            let text = std::fs::read_to_string(&file).unwrap();
            (file, text)
        };
        Self { trust: read("trust.toml"), config: read("semper.toml") }
    }

    fn change(&self, changes: &[&Change]) {
        let (mut trust, mut config) = (self.trust.1.clone(), self.config.1.clone());
        for (_, change) in changes {
            change(&mut trust, &mut config);
        }
        std::fs::write(&self.trust.0, trust).unwrap();
        std::fs::write(&self.config.0, config).unwrap();
    }

    fn restore(&self) {
        self.change(&[]);
    }
}

/// Commits at which purchases are killed: some in the test command, `SEMPER_POINTS=1` has all.
fn points(most: usize) -> impl Iterator<Item = usize> {
    let step = std::env::var("SEMPER_POINTS").ok().and_then(|it| it.parse().ok()).unwrap_or(6);
    (1..most).step_by(step)
}

fn check(market: &Market, deals: usize, what: &str) {
    let count = i64::try_from(deals).unwrap();
    let (state, note) = newest(market, "anna");
    assert_eq!(state, "completed", "{what}: {note}\n{}", market.merchant.log_text());
    assert_eq!(ended(market, "otto"), "completed", "{what}\n{}", market.merchant.log_text());
    let now = books(market);
    assert_eq!((now.payments, now.parcels, now.sum), (count, count, 0), "{what}");
}

fn count(market: &Market, home: &str) -> usize {
    let all = market.semper(&["deals", "--home", home, "--json"]).unwrap().json();
    all.as_array().map_or(0, Vec::len)
}

#[test]
fn a_buyer_whose_configuration_changes_amid_a_purchase_gets_what_was_agreed() {
    let (market, _folder) = impatient(&small());
    // Of an authority that has certified nobody here.
    let other = ["ca", "init", "--home", "other-ca", "--name", "Other CA", "--server", "localhost"];
    assert_eq!(market.semper(&other).unwrap().code, 0);
    let anna = market.folder.join("anna");
    std::fs::copy(market.folder.join("other-ca/root.pem"), anna.join("other-root.pem")).unwrap();
    let nothing = "forbid(principal, action, resource);";
    std::fs::write(anna.join("nothing.cedar"), nothing).unwrap();
    let files = Files::of(&market, "anna");
    let mut changes: Vec<&Change> = CHANGES.iter().chain(&A_BUYERS).collect();
    changes.rotate_left(3);
    let mut deals = 0;
    for (turn, point) in points(80).enumerate() {
        if !buy_until_crash(&market, &format!("archive.after:{point}")) {
            deals += 1;
            break;
        }
        let change = changes[turn % changes.len()];
        let all = turn % 4 == 3;
        let what = format!("{} at commit {point}", if all { "everything" } else { change.0 });

        match all {
            // The last of each kind of change that excludes another one wins.
            true => files.change(&[changes[0], changes[1], changes[4], changes[5], changes[6]]),
            false => files.change(&[change]),
        }
        let resumed = market.semper(&["deals", "--home", "anna", "--resume", "--json"]).unwrap();
        files.restore();

        let all = resumed.json().as_array().map_or(0, Vec::len);
        // Openings that were not stored are nothing to go on with.
        if all > deals {
            deals = all;
            assert_eq!(resumed.code, 0, "{what}: {}", resumed.err);
            check(&market, deals, &what);
            assert_eq!(asked(&market, "exchange"), deals, "{what}");
        }
    }
    assert!(deals > 5, "only {deals} deals");
    let verified = market.semper(&["archive", "verify", "--home", "anna"]).unwrap();
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[test]
fn a_merchant_whose_configuration_changes_amid_a_purchase_is_paid_as_agreed() {
    let (mut market, _folder) = impatient(&small());
    let files = Files::of(&market, "otto");
    let (mut deals, mut changed) = (0, 0);
    for (turn, point) in points(60).enumerate() {
        let change = &CHANGES[turn % CHANGES.len()];
        let what = format!("{} at commit {point}", change.0);
        let crash = format!("archive.after:{point}");
        // It may die while it is being started; that is a point like any other.
        let _ = market.restart(Part::Merchant, &[("SEMPER_CRASH", &crash)]);
        let mut buying = market.start_buying().unwrap();
        let code = loop {
            if market.merchant.has_ended() {
                break None;
            }
            if let Some(code) = buying.wait(Duration::from_millis(10)) {
                break Some(code);
            }
        };

        // What the merchant has not stored begins when it is back, by what then stands there: only
        // what it has stored has to be untouched by the change.
        let begun = count(&market, "otto") > deals;
        if begun {
            files.change(&[change]);
            changed += 1;
        }
        market.restart(Part::Merchant, &[]).unwrap();
        let code = code.or_else(|| buying.wait(Duration::from_secs(60)));
        if code != Some(0) {
            market.semper(&["deals", "--home", "anna", "--resume", "--json"]).unwrap();
        }
        let all = count(&market, "otto");
        assert!(!begun || all > deals, "{what}: the deal is gone");
        if all > deals {
            deals = all;
            check(&market, deals, &what);
        }
        files.restore();
    }
    assert!(changed > 3, "only {changed} deals saw a change");
}
