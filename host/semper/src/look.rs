//! Looking into the archive.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use semper_archive::{DealRow, EvidenceRow};
use semper_base::cert::Revocation;
use semper_base::text::counted;
use semper_base::{Digest, Report, SystemClock};
use semper_commerce::host::Standing;
use semper_commerce::terms::Shelf;
use semper_examine::evidence;
use semper_items::Statement;
use semper_roles::party::Party;
use serde::Serialize;
use serde_json::json;

use crate::arguments::ArchiveCommand;
use crate::print;

pub fn archive(command: &ArchiveCommand) -> Result<(), Report> {
    match command {
        ArchiveCommand::List { home, json } => list(&home.home, *json),
        ArchiveCommand::Show { home, deal, json } => show(&home.home, deal, *json),
        ArchiveCommand::Verify { home, deal, json } => verify(&home.home, deal.as_deref(), *json),
        ArchiveCommand::Export { home, deal, out, open } => export(&home.home, deal, out, *open),
        ArchiveCommand::Save { home, number, out } => save(&home.home, *number, out),
    }
}

fn list(home: &Path, json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let all = party.archive.evidence(None)?;
    if json {
        return print::json(&all);
    }
    if all.is_empty() {
        print::line("nothing has been signed yet");
    }
    for item in all {
        let deal = item.deal.map_or("-".into(), |deal| deal.short());
        let stored = item.stored.to_string();
        print::line(&format!(
            "{:4}  {}  {:8}  {:20}  {:20}  {}",
            item.number,
            &stored[..19],
            deal,
            item.kind,
            item.signer,
            item.summary
        ));
    }
    Ok(())
}

fn show(home: &Path, deal: &str, as_json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let row = find(&party, deal)?;
    let items = party.archive.evidence(Some(row.id))?;
    let journal = party.archive.journal(row.id)?;
    let last = |sent| party.archive.last_message(row.id, sent).map(|it| it.map_or(0, |it| it.0));
    let (sent, received) = (last(true)?, last(false)?);
    let items = read(&party, &row, items)?;
    if as_json {
        let value = json!({
            "deal": row, "exchanges": waits(&party, &row)?, "evidence": items, "messages": {"sent": sent, "received": received},
            "journal_records": journal.len(),
        });
        return print::json(&value);
    }
    print::line(&format!("deal      {}", row.id));
    print::line(&format!("with      {} (we are the {})", row.peer, row.side));
    print::line(&format!("state     {}: {}", row.state.name(), row.note));
    // By these numbers banks name them in account lines.
    for exchange in party.archive.exchanges_of(row.id)? {
        let ended = exchange.ended.as_deref().unwrap_or("under way");
        print::line(&format!("exchange  {}: {ended}", exchange.id.short()));
    }
    for wait in waits(&party, &row)? {
        print::line(&format!("exchange  {wait}"));
    }
    print::line(&format!("terms     {}", row.terms));
    print::line(&format!("opened    {}", row.opened));
    print::line(&format!("messages  {sent} sent, {received} received"));
    print::line(&format!("journal   {}", counted(journal.len(), "record", "records")));
    for Read { item, says } in items {
        let by =
            if item.signer.is_empty() { String::new() } else { format!(" by {}", item.signer) };
        print::line(&format!("{:4}      {}{by}: {}", item.number, item.kind, item.summary));
        for row in says {
            print::line(&format!("              {:14}  {}", row.label, row.value));
        }
    }
    Ok(())
}

/// A piece of evidence, and what it says.
#[derive(Serialize)]
struct Read {
    #[serde(flatten)]
    item: EvidenceRow,
    says: Vec<Said>,
}

/// One thing that a statement says.
#[derive(Serialize)]
struct Said {
    label: String,
    value: String,
}

/// What a deal's statements say: an order with what was ordered, and where it goes.
fn read(party: &Party, row: &DealRow, items: Vec<EvidenceRow>) -> Result<Vec<Read>, Report> {
    let verifier = party.trust_of(row)?.authorities.asking(Revocation::EVIDENCE);
    let found: Vec<Option<Statement>> =
        items.iter().map(|item| evidence::statement(&verifier, item)).collect();
    let known: Vec<(Digest, Statement)> = found
        .iter()
        .flatten()
        .filter_map(|it| Some((Digest::of(&it.encode().ok()?), it.clone())))
        .collect();
    let said = |(label, value)| Said { label, value };
    let says = |it: Option<Statement>| it.map(|it| it.content.drawn(&known)).unwrap_or_default();
    let with = |(item, it)| Read { item, says: says(it).into_iter().map(said).collect() };
    Ok(items.into_iter().zip(found).map(with).collect())
}

fn verify(home: &Path, deal: Option<&str>, as_json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
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
    let found = party.archive.evidence(None)?.into_iter().find(|item| item.number == number);
    let item = found.ok_or_else(|| {
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
