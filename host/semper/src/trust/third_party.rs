//! Believing a third party, and following it to its next key.

use std::path::Path;

use semper_base::Report;
use semper_base::digest::hex;
use semper_roles::party;
use semper_trust::TrustFile;
use semper_trust::trustfile::BelievedThirdParty;
use serde_json::{Value, json};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table};

use super::edit;
use crate::home;

/// As `--json` shows one.
pub(super) fn json(it: &BelievedThirdParty) -> Value {
    json!({
        "origin": it.named.origin,
        "address": it.address,
        "sign": hex(it.named.sign.as_bytes()),
        "banks": it.banks,
        "fee": it.fee.map(|it| it.to_string()),
    })
}

/// What it takes, and which banks it asks: who puts its entry into a trust file agrees to it.
pub(super) fn terms_of(it: &BelievedThirdParty) -> String {
    let fee = match it.fee {
        Some(fee) => format!("it takes {fee} if it decides"),
        None => "it takes nothing".to_owned(),
    };
    match it.banks.as_slice() {
        [] => fee,
        banks => format!("{fee}, and asks {}", banks.join(", ")),
    }
}

/// Puts the file's third party into a home's trust file. One of that name that is there already is
/// replaced only if the key that is believed stands in the chain by which the new one came about: it
/// has signed it, then.
pub(super) fn add(home: &Path, file: &Path) -> Result<(String, String), Report> {
    let (text, new) = home::third_party(file)?;
    let entry = entry(&text, file)?;
    let newest = &new[0].named;
    if new.iter().any(|it| it.named.origin != newest.origin) {
        let what = format!("{} names several third parties", file.display());
        return Err(Report::input(what, "give them in a file each"));
    }
    let (mut followed, mut before_it) = (false, None);
    edit(home, |home, document| {
        let before = home.read(party::TRUST)?;
        let before =
            TrustFile::parse(&before, |name| home.read(name).map_err(|it| it.to_string()))?;
        let mut believed =
            before.third_parties.iter().filter(|it| it.named.origin == newest.origin);
        // The newest of them.
        let believed = believed.next();
        if believed.is_some_and(|it| new.iter().all(|other| other.named != it.named)) {
            let what = format!(
                "{} is believed by another key, which has not signed this one into succession",
                newest.origin
            );
            let mend = "ask the third party by another way whether it has lost its key; then take \
                        its [[third-party]] out of trust.toml by hand and add it again. Deals that \
                        run keep the key that they began with";
            return Err(Report::refusal(what, mend));
        }
        followed = believed.is_some_and(|it| it.named != *newest);
        let all = document
            .entry("third-party")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()))
            .as_array_of_tables_mut()
            .ok_or_else(|| {
                let what = "third-party in the trust file is no list of tables";
                Report::input(what, "mend the file by hand")
            })?;
        let origin = |it: &Table| it.get("origin").and_then(Item::as_str) == Some(&*newest.origin);
        // In its place: the order says who is liked most.
        let place = all.iter().position(origin);
        match place.and_then(|it| all.get_mut(it)) {
            Some(there) => {
                for name in ["address", "sign", "seal", "succession", "banks", "fee"] {
                    match entry.get(name) {
                        Some(item) => there.insert(name, item.clone()),
                        None => there.remove(name),
                    };
                }
            }
            None => {
                // Liked least: behind those that are there, wherever the file had it.
                let mut entry = entry.clone();
                entry.set_position(None);
                all.push(entry);
            }
        }
        before_it = believed.map(terms_of);
        Ok(())
    })?;
    let key = newest.sign.id();
    let words = match followed {
        true => format!("{} is followed to {key}", newest.origin),
        false => format!("{} is believed, by {key}", newest.origin),
    };
    let now = terms_of(&new[0]);
    let words = match before_it.filter(|it| *it != now) {
        Some(before) => format!("{words}; {now}, where it was: {before}"),
        None => format!("{words}; {now}"),
    };
    Ok((newest.origin.clone(), words))
}

/// The one entry of what a third party has printed.
fn entry(text: &str, file: &Path) -> Result<Table, Report> {
    let wrong = || {
        let mend = "give the file with what semper third-party-init has printed";
        Report::input(format!("{} is no entry of one third party", file.display()), mend)
    };
    let document: DocumentMut = text.parse().map_err(|_| wrong())?;
    let all = document.get("third-party").and_then(Item::as_array_of_tables);
    match all.map(|it| (it.len(), it.get(0))) {
        Some((1, Some(entry))) => Ok(entry.clone()),
        _ => Err(wrong()),
    }
}
