//! `semper-sign try`: both halves of a service against each other, in a world that a file describes;
//! what each of them did, step by step. It needs no keys, and nobody is paid.
//!
//! | module | what it is for |
//! |---|---|
//! | `play` | a play's file: catalogue, persons, what must come of it |
//! | `person` | a person who answers by rules |
//! | `shop` | a catalogue and a shelf |
//! | `words` | what happened, in words |
//! | `watch` | waiting for changes |

mod person;
mod play;
mod shop;
mod watch;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use semper_base::{Amount, Report, Timestamp};
use semper_items::Side;
use semper_runtime::Stop;
use semper_runtime::business::Business;
use semper_runtime::stop::Cause;
use semper_stage::{Part, Seen};
use semper_trust::flow::End;
use serde::Serialize;
use serde_json::json;

use crate::arguments::TryArguments;
use crate::bench::{Bench, Code};
use crate::mend::mend;
use crate::say::{self, Said};
use crate::table::{Ended, Honest, Moment, Rest, SIDES, Table};
use crate::{draft, exercise, scaffold};

pub use play::Play;

use person::Person;
use play::Ends;
use shop::Shop;
use words::Step;

/// The play that is played if none is named.
const PLAY: &str = "try.toml";
/// The folder of further plays.
const TESTS: &str = "tests";

/// What a play has shown.
#[derive(Debug, Serialize)]
struct Tried {
    play: PathBuf,
    /// Whether it came out as it must.
    fine: bool,
    /// How both halves have ended together.
    ends: &'static str,
    buyer: Half,
    seller: Half,
    steps: Vec<Step>,
    /// The money that left the buyer's account.
    paid: Option<String>,
    /// Statements that were signed and sent.
    signed: Vec<&'static str>,
    failures: Vec<Failure>,
    /// Things that are no failure, and worth knowing.
    notes: Vec<String>,
}

/// How a half has ended.
#[derive(Debug, Serialize)]
struct Half {
    ends: &'static str,
    /// The state of the flow, as this half sees it.
    state: String,
    /// A typed reason, if it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// Something that is not as it must be, and what helps.
#[derive(Clone, Debug, Serialize)]
struct Failure {
    what: String,
    mend: String,
}

/// Plays a service's halves.
pub fn try_it(arguments: &TryArguments, json: bool) -> Result<Said, Report> {
    if !arguments.watch {
        return once(arguments);
    }
    let watch = watch::Watch::new(&arguments.folder)?;
    if watch::newer(&arguments.folder).is_some() || !built(&arguments.folder) {
        built_again(&arguments.folder);
    }
    loop {
        if let Err(report) = once(arguments).and_then(|said| said.print(json)) {
            say::note(&report);
        }
        say::note(format_args!("\nwatching {}; Ctrl-C ends it", arguments.folder.display()));
        if watch.wait() == watch::Changed::Sources {
            built_again(&arguments.folder);
        }
    }
}

fn built(folder: &Path) -> bool {
    ["buyer.wasm", "seller.wasm"].iter().all(|it| folder.join(it).is_file())
}

/// Builds, and says what is wrong; what was built before is played on.
fn built_again(folder: &Path) {
    if let Err(report) = scaffold::build(folder) {
        say::note(&report);
    }
}

/// Compiles a folder's components for the next `try`, if there is all that this needs.
pub fn make_ready(folder: &Path) -> Result<(), Report> {
    if draft::is_folder(folder) && folder.join("terms.toml").is_file() {
        let layout = draft::layout(folder, Timestamp::now())?;
        Bench::new(&layout, Code::Kept(&folder.join(draft::CODE)))?.ready()?;
    }
    Ok(())
}

fn once(arguments: &TryArguments) -> Result<Said, Report> {
    let begun = Instant::now();
    let folder = &arguments.folder;
    if !draft::is_folder(folder) {
        let what = format!("{} holds no service: there is no service.toml", folder.display());
        return Err(Report::input(what, "semper-sign new NAME --language rust begins one"));
    }
    if !folder.join("terms.toml").is_file() {
        let what = format!("{} holds no terms.toml", folder.display());
        return Err(Report::input(what, "give each parameter of service.toml a value there"));
    }
    let plays = plays(arguments)?;
    let mut all = Vec::new();
    let mut bench: Option<(Timestamp, Bench)> = None;
    for file in &plays {
        let play = Play::read(file)?;
        let begins = play.begins().map_err(|why| Report::input(why, ""))?;
        let there = match bench.take() {
            Some((at, bench)) if at == begins => bench,
            _ => {
                let layout = draft::layout(folder, begins)?;
                let bench = Bench::new(&layout, Code::Kept(&folder.join(draft::CODE)))?;
                bench.ready()?;
                bench
            }
        };
        let name = file.strip_prefix(folder).unwrap_or(file);
        all.push(tried(&there, name, &play, arguments.seed.unwrap_or(play.seed))?);
        bench = Some((begins, there));
    }
    if let (Some(newer), Some(first)) = (watch::newer(folder), all.first_mut()) {
        let note = format!("{} is newer than the components: semper-sign build", newer.display());
        first.notes.push(note);
    }
    let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(said(&all, arguments.tests, millis))
}

/// The plays that are wanted.
fn plays(arguments: &TryArguments) -> Result<Vec<PathBuf>, Report> {
    let folder = &arguments.folder;
    if let Some(play) = &arguments.play {
        return Ok(vec![play.clone()]);
    }
    let mut plays = vec![folder.join(PLAY)];
    if !plays[0].is_file() {
        let what = format!("{} holds no {PLAY}, which says what is played", folder.display());
        let mend = "semper-sign reference explains what stands in one; --play FILE takes another";
        return Err(Report::input(what, mend));
    }
    if arguments.tests {
        let more = std::fs::read_dir(folder.join(TESTS)).into_iter().flatten().flatten();
        let mut more: Vec<PathBuf> = more.map(|it| it.path()).collect();
        more.retain(|it| it.extension().is_some_and(|it| it == "toml"));
        more.sort();
        plays.extend(more);
    }
    Ok(plays)
}

/// Plays one play.
fn tried(bench: &Bench, name: &Path, play: &Play, seed: u64) -> Result<Tried, Report> {
    let shop = Arc::new(Shop::open(play.catalogue.as_deref())?);
    let (buyer, asked) = Person::new(Side::Buyer, &play.buyer);
    let (seller, sold) = Person::new(Side::Seller, &play.seller);
    let part = |side: Side, person: Person| {
        let business = (side == Side::Seller).then(|| Arc::clone(&shop) as Arc<dyn Business>);
        Part::new(&bench.cast, &bench.terms, side, seed, Box::new(person), business)
    };
    let parts = [part(Side::Buyer, buyer), part(Side::Seller, seller)];
    let mut table = Table::new(&bench.runtime, bench.begins, parts);
    let rest = table.play(&mut Honest)?;
    if let Some(report) = person::missing(&asked).or_else(|| person::missing(&sold)) {
        let what = format!("{}: {}", name.display(), report.what);
        return Err(Report { what, ..report });
    }
    let mut notes = Vec::new();
    for (topics, half) in [
        (person::unused(&asked, &play.buyer), "buyer"),
        (person::unused(&sold, &play.seller), "seller"),
    ] {
        let note = |topic: String| format!("the {half}'s answer to “{topic}” was not asked for");
        notes.extend(topics.into_iter().map(note));
    }
    let mut tried = shown(name, bench, &table, rest);
    tried.notes = notes;
    expected(play, &mut tried);
    tried.fine = tried.failures.is_empty();
    Ok(tried)
}

/// What a table has come to.
fn shown(name: &Path, bench: &Bench, table: &Table<'_>, rest: Rest) -> Tried {
    let half = |index: usize| {
        let state = table.parts[index].flow().to_owned();
        let end = bench.terms.flow().states.get(&state).and_then(|it| it.end);
        let ends = match (&table.ended[index], end) {
            (Some(Ended::Returned(_)), Some(End::Completed)) => Ends::Completed,
            (Some(Ended::Returned(_)), Some(End::Withdrawn)) => Ends::Withdrawn,
            _ => Ends::Failed,
        };
        let code = match &table.ended[index] {
            Some(Ended::Stopped(stop)) => Some(stop.code()),
            _ => None,
        };
        (ends, Half { ends: ends.name(), state, code })
    };
    let ((one, buyer), (other, seller)) = (half(0), half(1));
    let ends = if one == other { one } else { Ends::Failed };
    let failures = failures(bench, table, rest, [one, other]);
    Tried {
        play: name.to_owned(),
        fine: failures.is_empty(),
        ends: ends.name(),
        buyer,
        seller,
        steps: words::steps(&table.story),
        paid: paid(&table.story).map(|it| it.to_string()),
        signed: signed(&table.story),
        failures,
        notes: Vec::new(),
    }
}

/// What the buyer has paid in all, if anything.
fn paid(story: &[Moment]) -> Option<Amount> {
    let amounts = story.iter().filter_map(|it| match &it.seen {
        Seen::Paid(order) if it.side == Side::Buyer => Some(order.amount),
        _ => None,
    });
    amounts.reduce(|sum, next| sum.plus(next).unwrap_or(sum))
}

fn signed(story: &[Moment]) -> Vec<&'static str> {
    let sent = story.iter().filter_map(|it| match &it.seen {
        Seen::Sent(item) => exercise::statement(item),
        _ => None,
    });
    sent.map(|it| it.content.kind().name()).collect()
}

/// Why halves have not ended as a flow ends.
fn failures(bench: &Bench, table: &Table<'_>, rest: Rest, ends: [Ends; 2]) -> Vec<Failure> {
    let mut found = Vec::new();
    for (index, side) in SIDES.into_iter().enumerate() {
        let half = side.name();
        let state = table.parts[index].flow();
        match &table.ended[index] {
            Some(Ended::Stopped(stop)) if !told_by_the_other(stop) => found.push(Failure {
                what: format!("the {half}'s half, in state “{state}”: {stop}"),
                mend: mend(stop, side),
            }),
            Some(Ended::Returned(Err(why))) if ends[index] == Ends::Failed => found.push(Failure {
                what: format!("the {half}'s half gave up in state “{state}”: {why}"),
                mend: "its run returned this error; where the flow can end, withdraw instead".into(),
            }),
            Some(Ended::Returned(Ok(()))) if ends[index] == Ends::Failed => found.push(Failure {
                what: format!("the {half}'s half returned in state “{state}”, where no deal ends"),
                mend: format!("go on to an end: it enables {}", enabled(bench, state)),
            }),
            None if rest == Rest::Stuck => found.push(Failure {
                what: format!(
                    "the {half}'s half waits for {} in state “{state}”, and nothing can come any more",
                    table.waits[index]
                ),
                mend: format!("that state enables {}: one of the halves must do it", enabled(bench, state)),
            }),
            None => found.push(Failure {
                what: format!("the {half}'s half goes on without end, in state “{state}”"),
                mend: "look for a loop that sends and receives without end".into(),
            }),
            _ => {}
        }
    }
    // Both ended well, and not alike.
    if found.is_empty() && ends[0] != ends[1] {
        let what =
            format!("the halves ended differently: {} and {}", ends[0].name(), ends[1].name());
        found.push(Failure { what, mend: "look at the last messages of both".into() });
    }
    found
}

/// Whether a half was stopped because the other one failed, which is said there.
fn told_by_the_other(stop: &Stop) -> bool {
    stop.verdict().is_some_and(|it| matches!(it.cause, Cause::PeerEnded(_)))
}

/// What a state of the flow enables, in words.
fn enabled(bench: &Bench, state: &str) -> String {
    let actions = bench.terms.flow().states.get(state).into_iter().flat_map(|it| &it.actions);
    let all: Vec<String> =
        actions.map(|it| format!("{} by the {}", it.item.name(), it.by.name())).collect();
    if all.is_empty() { "nothing".into() } else { all.join(", ") }
}

/// What was expected and did not come. A failure that was expected is none.
fn expected(play: &Play, tried: &mut Tried) {
    let expect = &play.expect;
    if expect.ends == Some(Ends::Failed) && tried.ends == Ends::Failed.name() {
        tried.notes.extend(tried.failures.drain(..).map(|it| format!("as expected: {}", it.what)));
    }
    let mut pairs = Vec::new();
    if let Some(ends) = expect.ends {
        pairs.push(("ends", ends.name().to_owned(), tried.ends.to_owned()));
    }
    if let Some(paid) = &expect.paid {
        let wanted = paid.parse::<Amount>().map_or_else(|_| paid.clone(), |it| it.to_string());
        pairs.push(("paid", wanted, tried.paid.clone().unwrap_or_else(|| "nothing".into())));
    }
    if let Some(signed) = &expect.signed {
        pairs.push(("signed", signed.join(", "), tried.signed.join(", ")));
    }
    for (entry, wanted, got) in pairs.into_iter().filter(|(_, wanted, got)| wanted != got) {
        let what = format!("{entry}: {wanted} is expected, and it is {got}");
        let mend = "mend the service, or [expect] in the play".to_owned();
        tried.failures.push(Failure { what, mend });
    }
}

/// The account of one play, or a line for each of several.
fn said(all: &[Tried], tests: bool, millis: u64) -> Said {
    let refused = all.iter().any(|it| !it.fine);
    let mut text = String::new();
    for tried in all {
        if tests {
            let verdict = if tried.fine { "ok    " } else { "FAILED" };
            let (play, paid) = (tried.play.display(), money(tried));
            text += &format!("{verdict}  {play}: {}, {paid}\n", tried.ends);
        } else {
            text += &account(tried);
        }
        for failure in &tried.failures {
            text += &format!("FAILED  {}\n", failure.what);
            if !failure.mend.is_empty() {
                text += &format!("  try  {}\n", failure.mend);
            }
        }
        for note in &tried.notes {
            text += &format!("NOTE    {note}\n");
        }
    }
    text += &format!("{millis} ms\n");
    let value = match all {
        [one] if !tests => json!({ "tried": one, "milliseconds": millis, "fine": !refused }),
        all => json!({ "tried": all, "milliseconds": millis, "fine": !refused }),
    };
    Said { text, value, refused }
}

fn money(tried: &Tried) -> String {
    tried.paid.as_ref().map_or("nothing is paid".into(), |paid| format!("{paid} are paid"))
}

/// Step by step.
fn account(tried: &Tried) -> String {
    let mut text = String::new();
    let mut before: Option<Timestamp> = None;
    let mut half = "";
    for step in &tried.steps {
        if let Some(later) = before.and_then(|before| words::later(before, step.at)) {
            text += &format!("── {later}\n");
        }
        before = before.max(Some(step.at));
        let name = if half == step.half { "" } else { step.half };
        half = step.half;
        text += &format!("{name:7} {}\n", step.text);
        for detail in &step.details {
            text += &format!("            {detail}\n");
        }
    }
    text += &format!(
        "\nbuyer   {}, in state “{}”\nseller  {}, in state “{}”\nmoney   {}\nsigned  {}\n",
        tried.buyer.ends,
        tried.buyer.state,
        tried.seller.ends,
        tried.seller.state,
        money(tried),
        if tried.signed.is_empty() { "nothing".to_owned() } else { tried.signed.join(", ") },
    );
    text
}
