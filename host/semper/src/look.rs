//! Looking into the archive.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use semper_archive::DealRow;
use semper_archive::home::usual;
use semper_base::cert::Revocation;
use semper_base::text::counted;
use semper_base::{Report, SystemClock};
use semper_commerce::host::Standing;
use semper_commerce::terms::Shelf;
use semper_examine::evidence;
use semper_roles::party::Party;
use serde::Serialize;
use serde_json::json;

use crate::arguments::ArchiveCommand;
use crate::{archived, letters, print, receipt, story};

pub fn archive(command: &ArchiveCommand) -> Result<(), Report> {
    match command {
        ArchiveCommand::List { home, filter, most, before, json } => {
            archived::list(&home.home, filter, *before, *most, *json)
        }
        ArchiveCommand::Totals { home, filter, json } => {
            archived::totals(&home.home, filter, *json)
        }
        ArchiveCommand::Show { home, deal, json } => story::show(&home.home, deal, *json),
        ArchiveCommand::Receipt { home, what, out } => receipt::receipt(&home.home, what, out),
        ArchiveCommand::Letter(arguments) => letters::write(arguments),
        ArchiveCommand::Disclosed { home, to, json } => {
            archived::disclosed(&home.home, to.as_deref(), *json)
        }
        ArchiveCommand::Verify { home, what, authority, json } => match what.as_deref() {
            Some(file) if receipt::is_file(file) => {
                receipt::verify(file, home.as_deref(), authority, *json)
            }
            deal => verify(home.as_deref(), deal, *json),
        },
        ArchiveCommand::Export { home, deal, out, open } => export(&home.home, deal, out, *open),
        ArchiveCommand::Save { home, number, out } => save(&home.home, *number, out),
    }
}

fn verify(home: Option<&Path>, deal: Option<&str>, as_json: bool) -> Result<(), Report> {
    let party = Party::open(&home.map_or_else(usual, Path::to_path_buf))?;
    let rows = match deal {
        Some(deal) => vec![find(&party, deal)?],
        None => party.archive.deals()?,
    };
    let mut wrong = 0;
    let mut all = Vec::new();
    for row in rows {
        let verifier = party.trust_of(&row)?.authorities.asking(Revocation::EVIDENCE);
        let found = evidence::verify(&party.archive, &verifier, &row)?;
        wrong += found.wrong.len();
        if !as_json {
            print::line(&format!("{} with {}", row.id, row.peer));
            for line in &found.right {
                print::line(&format!("  right  {line}"));
            }
            for line in &found.wrong {
                print::line(&format!("  WRONG  {line}"));
            }
        }
        all.push(json!({"deal": row.id, "found": found}));
    }
    if as_json {
        print::json(&all)?;
    }
    if wrong == 0 {
        return Ok(());
    }
    let mend = "keep the archive as it is; export the deal and have it examined";
    let what = counted(wrong, "thing in the archive is wrong", "things in the archive are wrong");
    Err(Report::refusal(what, mend))
}

fn export(home: &Path, deal: &str, out: &Path, open: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let row = find(&party, deal)?;
    let bundle = if open {
        let clock = Arc::new(SystemClock);
        let shelf = Shelf::new(
            Arc::clone(&party.home),
            Arc::clone(&party.lists),
            party.trust.clone(),
            clock,
        );
        Some(shelf.layout(row.terms)?)
    } else {
        None
    };
    let export = evidence::export(&party.archive, row, bundle.as_ref())?;
    let text = serde_json::to_string_pretty(&export)
        .map_err(|error| Report::refusal(error, "report this to the project"))?;
    print::write_private(out, text.as_bytes()).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another --out")
    })?;
    let count = export.evidence.len();
    let words = format!("{count} signed structures in {}", out.display());
    print::said(&words, &json!({ "file": out, "evidence": count }))
}

fn save(home: &Path, number: i64, out: &Path) -> Result<(), Report> {
    let party = Party::open(home)?;
    let item = party.archive.piece(number)?.ok_or_else(|| {
        let what = format!("there is no evidence with number {number}");
        Report::input(what, "semper archive list shows the numbers")
    })?;
    print::write_private(out, &item.bytes).map_err(|error| {
        Report::input(format!("{}: {error}", out.display()), "choose another --out")
    })?;
    let words = format!("{}: {}", item.kind, item.summary);
    print::said(&words, &json!({ "file": out, "kind": item.kind, "summary": item.summary }))
}

/// Who keeps an exchange waiting, as it is shown.
#[derive(Serialize)]
pub struct Wait {
    #[serde(flatten)]
    standing: Standing,
    name: String,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Standing { exchange, waits_for, since, next, until, .. } = &self.standing;
        let (exchange, name) = (exchange.short(), &self.name);
        write!(f, "{exchange} waits for {waits_for}, {name}, since {since}; ")?;
        write!(f, "it is tried again by {next} at the latest, while this home's host runs, ")?;
        write!(f, "and closes by itself on {until}")
    }
}

/// What the exchanges of a deal wait for.
pub fn waits(party: &Party, row: &DealRow) -> Result<Vec<Wait>, Report> {
    let all = party.waiting(row)?;
    Ok(all.into_iter().map(|(standing, name)| Wait { standing, name }).collect())
}

/// The deal whose id begins with these digits; also in the ways in which ids are shown (`deal:3fd20a11…`).
pub fn find(party: &Party, text: &str) -> Result<DealRow, Report> {
    let digits = text.strip_prefix("deal:").unwrap_or(text).trim_end_matches('…');
    let all = party.archive.deals()?;
    let mut found = all.into_iter().filter(|row| row.id.hex().starts_with(digits));
    match (found.next(), found.next()) {
        (Some(row), None) if digits.len() >= 4 => Ok(row),
        (None, _) => Err(Report::input(format!("there is no deal “{text}” here"), "semper deals")),
        _ => Err(Report::input(format!("“{text}” is not one deal"), "give more digits of its id")),
    }
}
