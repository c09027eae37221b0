//! Running a deal's component on its journal again.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use semper_base::{Report, SystemClock};
use semper_commerce::terms::Shelf;
use semper_examine::exported::{self, MAX_FILE};
use semper_examine::replay::{End, Replayed};
use semper_roles::party::{self, Party};
use semper_runtime::Stop;
use serde_json::json;

use crate::arguments::ReplayArguments;
use crate::look::find;
use crate::print;

pub fn replay(arguments: &ReplayArguments) -> Result<(), Report> {
    let party = Party::open(&arguments.home.home)?;
    match (&arguments.verify, &arguments.deal) {
        (Some(file), _) => verify(&party, file, arguments.json),
        (None, Some(deal)) => account(&party, deal, arguments.json),
        (None, None) => Err(Report::input("no deal is named", "semper replay --help")),
    }
}

/// The account of a deal of this home.
fn account(party: &Party, deal: &str, as_json: bool) -> Result<(), Report> {
    let row = find(party, deal)?;
    let clock = Arc::new(SystemClock);
    let shelf =
        Shelf::new(Arc::clone(&party.home), Arc::clone(&party.lists), party.trust.clone(), clock);
    let runtime = party::runtime(&party.home)?;
    let trust = party.trust_of(&row)?;
    let deal = Arc::new(shelf.deal(&row, &trust)?);
    let replayed = exported::of_archive(&runtime, &party.archive, &trust, &deal)?;
    if as_json {
        print::json(&json!({
            "deal": row.id, "steps": replayed.steps, "flow": replayed.flow,
            "sent": replayed.sent, "received": replayed.received, "end": ending(&replayed),
        }))?;
    } else {
        print::line(&format!("deal      {}", row.id));
        print::line(&format!("with      {} (we are the {})", row.peer, row.side));
        let service = deal.terms.service();
        print::line(&format!(
            "service   {} {} by {}",
            service.name, service.version, service.author
        ));
        print_steps(&replayed);
        print::line(&ending(&replayed));
        print::line(&format!("the deal is {}: {}", row.state.name(), row.note));
    }
    match &replayed.end {
        End::Stopped(stop @ Stop::Doubt(_)) => Err(doubtful(&stop.to_string())),
        _ => Ok(()),
    }
}

fn print_steps(replayed: &Replayed) {
    for step in &replayed.steps {
        let run = if step.run > 1 { format!("{}.", step.run) } else { String::new() };
        let class = format!("{:?}", step.class).to_lowercase();
        print::line(&format!("{run}{:<4} {class:10} {}", step.seq, step.function));
        if !step.asked.is_empty() && class != "done" {
            print::line(&format!("       asked     {}", step.asked));
        }
        if !step.answered.is_empty() {
            print::line(&format!("       answered  {}", step.answered));
        }
    }
}

/// How the re-execution ended, in a sentence.
fn ending(replayed: &Replayed) -> String {
    match &replayed.end {
        End::Returned(state, note) => {
            format!("the component ends the deal as {}: {note}", state.name())
        }
        End::Open => format!("the journal ends here, in state “{}”", replayed.flow),
        End::Stopped(stop) => format!("the component stops here: {stop}"),
    }
}

/// An exported deal, examined by this home's trust file.
fn verify(party: &Party, file: &Path, as_json: bool) -> Result<(), Report> {
    let unreadable = |error: std::io::Error| {
        Report::input(format!("{}: {error}", file.display()), "name an exported deal")
    };
    let mut bytes = Vec::new();
    let open = File::open(file).map_err(unreadable)?;
    open.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        let what = format!("{} has more than {MAX_FILE} bytes", file.display());
        return Err(Report::input(what, "name an exported deal"));
    }
    let runtime = party::runtime(&party.home)?;
    let (found, replayed) = exported::examine(&bytes, &party.trust, &runtime)?;
    if as_json {
        let steps = replayed.as_ref().map(|it| &it.steps);
        print::json(&json!({ "right": found.right, "wrong": found.wrong, "steps": steps }))?;
    } else {
        if let Some(replayed) = &replayed {
            print_steps(replayed);
        }
        for line in &found.right {
            print::line(&format!("  right  {line}"));
        }
        for line in &found.wrong {
            print::line(&format!("  WRONG  {line}"));
        }
    }
    match found.wrong.first() {
        None => Ok(()),
        Some(first) => Err(doubtful(first)),
    }
}

fn doubtful(why: &str) -> Report {
    Report::refusal(why, "keep the file as it is: what does not fit is evidence itself")
}
