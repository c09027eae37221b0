//! The exercise: both components of a bundle on a stage, thousands of seeded deals, with persons
//! of every mood and forgers on either side; what is unfair is found by judges who look at what
//! the world saw, not at the code.
//!
//! | module | what it is for |
//! |---|---|
//! | `world` | persons and a shop |
//! | `play` | one deal, from its seed |
//! | `judge` | what is unfair about a deal |

mod judge;
mod play;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use semper_base::Report;
use semper_base::text::counted;
use semper_trust::flow::Flow;
use serde::Serialize;
use serde_json::json;

use crate::arguments::ExerciseArguments;
use crate::bench::{Bench, Code};
use crate::draft;
use crate::say::{self, Said};

pub use judge::{FINDINGS, Finding};
pub use play::statement;

/// Findings of one kind that are kept, each with its seed.
const KEPT: usize = 3;

/// What an exercise has shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exercised {
    /// How many deals were played.
    pub runs: u64,
    /// The seed of the first.
    pub seed: u64,
    /// How they ended: words and counts.
    pub ends: BTreeMap<String, u64>,
    /// Statements that were signed, by kind.
    pub signed: BTreeMap<String, u64>,
    /// Statements that the person did not sign, by kind.
    pub refused: BTreeMap<String, u64>,
    /// Payments made.
    pub payments: u64,
    /// What was unfair: by its name, how often, and examples.
    pub unfair: BTreeMap<String, Unfair>,
    /// States of the flow that were visited.
    pub visited: BTreeSet<String>,
    /// States of the flow that never were.
    pub unvisited: BTreeSet<String>,
    /// Items of the flow that were sent.
    pub sent: BTreeSet<String>,
    /// Items of the flow that never were.
    pub unsent: BTreeSet<String>,
}

/// One kind of unfairness.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Unfair {
    /// What it means.
    pub says: String,
    /// In how many deals.
    pub count: u64,
    /// Some of them.
    pub examples: Vec<Example>,
}

/// A deal in which something was unfair; its seed plays it again.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// The deal's seed.
    pub seed: u64,
    /// What was seen.
    pub seen: String,
}

/// What the runtime starts to compile a component: this program, by another name.
pub fn compile_worker() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some("compile-component") {
        return None;
    }
    let milliseconds = arguments.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    std::process::exit(semper_runtime::compile::worker(milliseconds))
}

pub fn exercise(arguments: &ExerciseArguments) -> Result<Said, Report> {
    let exercised = exercised(arguments)?;
    let deals = counted(exercised.runs, "deal", "deals");
    let mut text = format!("{deals}, seeds from {}\n", exercised.seed);
    for (end, count) in &exercised.ends {
        text += &format!("{count:8}  {end}\n");
    }
    let list = |all: &BTreeMap<String, u64>| {
        let all: Vec<String> = all.iter().map(|(name, count)| format!("{count} {name}")).collect();
        all.join(", ")
    };
    text += &format!("signed    {}\n", list(&exercised.signed));
    text += &format!("declined  {}\n", list(&exercised.refused));
    text += &format!("payments  {}\n", exercised.payments);
    let cover = |some: &BTreeSet<String>, rest: &BTreeSet<String>| {
        let missing: Vec<&str> = rest.iter().map(String::as_str).collect();
        let missing =
            if rest.is_empty() { String::new() } else { format!("; never {}", missing.join(", ")) };
        format!("{} of {}{missing}", some.len(), some.len() + rest.len())
    };
    text += &format!("states    {}\n", cover(&exercised.visited, &exercised.unvisited));
    text += &format!("items     {}\n", cover(&exercised.sent, &exercised.unsent));
    for (name, unfair) in &exercised.unfair {
        let deals = counted(unfair.count, "deal", "deals");
        text += &format!("UNFAIR    {name}: {} ({deals})\n", unfair.says);
        for example in &unfair.examples {
            text += &format!("            seed {}: {}\n", example.seed, example.seen);
        }
    }
    if exercised.unfair.is_empty() {
        text += "nothing unfair was found\n";
    }
    let refused = !exercised.unfair.is_empty();
    let value = serde_json::to_value(&exercised).unwrap_or_else(|_| json!(null));
    Ok(Said { text, value, refused })
}

/// Plays the deals, on as many threads as there are processors.
pub fn exercised(arguments: &ExerciseArguments) -> Result<Exercised, Report> {
    let layout = draft::examined(&arguments.bundle)?;
    let kept = arguments.bundle.join(draft::CODE);
    let own = draft::is_folder(&arguments.bundle);
    let bench = Bench::new(&layout, if own { Code::Kept(&kept) } else { Code::Forgotten })?;
    let bar = say::bar("playing deals");
    bar.set_length(arguments.runs);
    let next = AtomicU64::new(0);
    let all = Mutex::new(Exercised { seed: arguments.seed, ..Exercised::default() });
    let failed = Mutex::new(None);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    if index >= arguments.runs {
                        return;
                    }
                    let seed = arguments.seed.wrapping_add(index);
                    match play::deal(&bench, seed) {
                        Ok(played) => {
                            let findings = judge::judge(&bench, &played);
                            let mut all = lock(&all);
                            all.take(seed, &played, findings);
                        }
                        Err(report) => {
                            *lock(&failed) = Some(report);
                            next.store(arguments.runs, Ordering::SeqCst);
                        }
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    if let Some(report) = lock(&failed).take() {
        return Err(report);
    }
    let mut all = lock(&all).clone();
    all.cover(&bench.terms.service().flow);
    Ok(all)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Exercised {
    fn take(&mut self, seed: u64, played: &play::Deal, findings: Vec<Finding>) {
        self.runs += 1;
        *self.ends.entry(played.end.clone()).or_default() += 1;
        for (kind, signed) in played.consents() {
            let counts = if signed { &mut self.signed } else { &mut self.refused };
            *counts.entry(kind.name().to_owned()).or_default() += 1;
        }
        self.payments += played.payments().count() as u64;
        self.visited.extend(played.states.iter().cloned());
        self.sent.extend(played.sent_items());
        let mut names = BTreeSet::new();
        for finding in findings {
            let unfair = self.unfair.entry(finding.name.to_owned()).or_default();
            unfair.says = finding.says.to_owned();
            if names.insert(finding.name) {
                unfair.count += 1;
                if unfair.examples.len() < KEPT {
                    unfair.examples.push(Example { seed, seen: finding.seen });
                }
            }
        }
        for unfair in self.unfair.values_mut() {
            // Threads finish in any order; what is shown must not depend on it.
            unfair.examples.sort_by_key(|it| it.seed);
        }
    }

    fn cover(&mut self, flow: &Flow) {
        let states = flow.states.keys();
        self.unvisited = states.filter(|it| !self.visited.contains(*it)).cloned().collect();
        let actions = flow.states.values().flat_map(|it| &it.actions);
        let items: BTreeSet<String> =
            actions.map(|it| format!("{} by the {}", it.item.name(), it.by.name())).collect();
        self.unsent = items.difference(&self.sent).cloned().collect();
        self.sent.retain(|it| items.contains(it));
    }
}
