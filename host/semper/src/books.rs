//! A bank's books, for its operator: the audit, and corrections.

use std::path::{Path, PathBuf};

use semper_archive::{Home, HomeKind};
use semper_base::{Amount, Report, Timestamp, text};
use semper_ledger::{AccountName, Ledger};
use semper_roles::bank::LEDGER;
use serde_json::json;

use crate::print;

/// Characters of an operator's words in a correction.
const WORDS: usize = 200;

/// The file with a bank's books. Nobody else's home has any, and none are made here: an audit of
/// books that are gone must not find that they balance.
pub(crate) fn file(home: &Path) -> Result<PathBuf, Report> {
    let file = Home::of(home, HomeKind::Bank)?.path().join(LEDGER);
    if file.exists() {
        return Ok(file);
    }
    let what = format!("{} is missing: there are no books", file.display());
    let mend = "restore it from a backup; a new bank makes it when semper serve opens it first";
    Err(Report::input(what, mend))
}

/// Works the books out again and names every row that does not fit.
pub fn audit(home: &Path, recompute: bool, as_json: bool) -> Result<(), Report> {
    let (file, now) = (file(home)?, Timestamp::now());
    let recomputed = match recompute {
        true => Ledger::open(&file)?.recompute()?,
        false => 0,
    };
    let found = Ledger::look(&file)?.findings(now)?;
    if as_json {
        print::json(&json!({ "findings": found, "recomputed": recomputed }))?;
    } else {
        if recompute {
            let (one, more) = (
                "balance was set to the sum of its entries",
                "balances were set to the sum of their entries",
            );
            print::line(&text::counted(recomputed, one, more));
        }
        for finding in &found {
            print::line(&format!("{finding}"));
        }
    }
    match found.len() {
        0 if as_json => Ok(()),
        0 => {
            print::line("every row fits, and the books balance");
            Ok(())
        }
        count => {
            let mend = "book a correction with semper bank correct, or set balances with semper bank \
                        audit --recompute; a bank that is running goes on by itself then";
            Err(Report::refusal(format!("rows that do not fit: {count}"), mend))
        }
    }
}

/// Books a correction between two accounts.
pub fn correct(
    home: &Path,
    accounts: [&str; 2],
    amount: &str,
    words: &str,
    as_json: bool,
) -> Result<(), Report> {
    let amount: Amount = amount.parse()?;
    let account = |text: &str| {
        let mend = "give acct:…, or one of the bank's own: bank:EUR, held:EUR";
        text.parse::<AccountName>().map_err(|error| Report::input(error, mend))
    };
    let [from, to] = [account(accounts[0])?, account(accounts[1])?];
    let words = text::one_line(words)
        .map_err(|why| Report::input(format!("the text {why}"), "write it in plain characters"))?;
    if words.is_empty() || words.chars().count() > WORDS {
        let what = format!("the text has {} characters", words.chars().count());
        return Err(Report::input(what, format!("write one to {WORDS} characters")));
    }
    let ledger = Ledger::open(&file(home)?)?;
    let entry = ledger.correct(&from, &to, amount, &words, Timestamp::now())?;
    if as_json {
        return print::json(&json!({ "entry": entry, "from": accounts[0], "to": accounts[1] }));
    }
    print::line(&format!("entry {entry}: {amount} from {from} to {to}"));
    Ok(())
}
