//! One deal as a story.

use std::path::Path;

use semper_archive::EvidenceRow;
use semper_base::cert::Revocation;
use semper_base::text::counted;
use semper_base::{Report, Timestamp};
use semper_examine::story::{self, Said, Story};
use semper_roles::party::Party;
use semper_steps::{Step, Steps};
use serde::Serialize;
use serde_json::json;

use crate::look::{find, waits};
use crate::print;

/// A piece of evidence, and what it says.
#[derive(Serialize)]
struct Read<'a> {
    #[serde(flatten)]
    item: &'a EvidenceRow,
    says: &'a [Said],
}

pub fn show(home: &Path, deal: &str, as_json: bool) -> Result<(), Report> {
    let party = Party::open(home)?;
    let row = find(&party, deal)?;
    let items = party.archive.evidence(Some(row.id))?;
    let journal = party.archive.journal(row.id)?.len();
    let last = |sent| party.archive.last_message(row.id, sent).map(|it| it.map_or(0, |it| it.0));
    let (sent, received) = (last(true)?, last(false)?);
    let verifier = party.trust_of(&row)?.authorities.asking(Revocation::EVIDENCE);
    let story = story::tell(&party.archive, &verifier, &row, Timestamp::now())?;
    // Without its terms nothing is said of steps; everything else stands by itself.
    let steps = semper_steps::of_home(&party.home, &party.archive, &row)?;
    if as_json {
        let says = |number| story.told.iter().find(|it| it.number == number);
        let evidence: Vec<Read<'_>> = items
            .iter()
            .map(|item| Read { item, says: says(item.number).map_or(&[], |it| &it.says) })
            .collect();
        return print::json(&json!({
            "deal": row, "exchanges": waits(&party, &row)?, "evidence": evidence,
            "messages": {"sent": sent, "received": received}, "journal_records": journal,
            "story": story, "steps": steps,
        }));
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
    print::line(&format!("journal   {}", counted(journal, "record", "records")));
    told(&story, &items);
    walk(steps.as_ref());
    Ok(())
}

/// What happened, and what is owed.
fn told(story: &Story, items: &[EvidenceRow]) {
    for told in &story.told {
        let at = told.at.to_string();
        let at = at.get(..16).unwrap_or(&at).replace('T', " ");
        print::line(&format!("{:5}  {at}  {}", told.number, told.what));
        // What is no statement has been said in full.
        let item = items.iter().find(|it| it.number == told.number);
        if let Some(item) = item.filter(|_| !told.says.is_empty()) {
            print::line(&format!("         {}: {}", item.kind, item.summary));
        }
        for Said { label, value } in &told.says {
            print::line(&format!("              {label:14}  {value}"));
        }
    }
    story.owed.iter().for_each(|words| print::line(&format!("owed      {words}")));
}

fn walk(steps: Option<&Steps>) {
    let Some(Steps { done, left }) = steps else {
        return print::line("steps     not known: the terms or the journal do not say");
    };
    let list = |steps: &[Step]| match steps {
        [] => "nothing".to_owned(),
        steps => {
            let words = steps.iter().map(|it| format!("{} by the {}", it.what, it.by));
            words.collect::<Vec<_>>().join(", ")
        }
    };
    print::line(&format!("done      {}", list(done)));
    print::line(&format!("left      {}", list(left)));
}
