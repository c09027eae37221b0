//! What hits processes and wires: kills, stops, and what a network does.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use semper_exchange_tests::dice::Dice;
use semper_testkit::Running;
use semper_testkit::proxy::{Deed, Rule};

/// Variables of a process's environment.
pub(crate) type Env = Vec<(&'static str, String)>;

/// The same, to be given to a process.
pub(crate) fn borrowed<'a>(env: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    env.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// The same, as a shell would be told.
pub(crate) fn spell(env: &[(&'static str, String)]) -> String {
    let all: Vec<String> = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    all.join(" ")
}

/// Something that happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blow<W> {
    pub(crate) who: W,
    pub(crate) what: What,
}

/// What happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A power cut; it is back so much later, or when everything is.
    Kill { back: Option<u64> },
    /// It is silent for so long.
    Stop { ms: u64 },
}

impl<W> Blow<W> {
    pub(crate) fn draw(dice: &mut Dice, who: W) -> Self {
        let what = match dice.below(4) {
            0 => What::Stop { ms: 200 + dice.below(2_500) },
            1 => What::Kill { back: None },
            _ => What::Kill { back: Some(50 + dice.below(1_500)) },
        };
        Self { who, what }
    }
}

/// Something that a schedule has put off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act<W> {
    /// The blow with this number.
    Blow(usize),
    /// A process starts.
    Start(W),
    /// A process that was stopped goes on.
    Continue(W),
}

/// A world whose processes are struck.
pub(crate) trait Struck<W: Copy + Debug> {
    /// A process, if there is one.
    fn process(&mut self, who: W) -> Option<&mut Running>;

    /// Notes what happens, for whoever reads of a schedule that failed.
    fn say(&mut self, what: &str);

    /// What is put off, and until when.
    fn due(&mut self) -> &mut Vec<(Instant, Act<W>)>;

    /// Sends a signal to a process that runs.
    fn signal(&mut self, who: W, name: &str) {
        if let Some(process) = self.process(who).filter(|it| it.id() > 0)
            && !process.has_ended()
        {
            process.signal(name);
            self.say(&format!("{who:?} {name}"));
        }
    }

    /// Something happens to a process.
    fn strike(&mut self, blow: Blow<W>) {
        let after = |ms: u64| Instant::now() + Duration::from_millis(ms);
        match blow.what {
            What::Kill { back } => {
                if let Some(process) = self.process(blow.who) {
                    process.kill();
                    self.say(&format!("{:?} killed", blow.who));
                    if let Some(ms) = back {
                        self.due().push((after(ms), Act::Start(blow.who)));
                    }
                }
            }
            What::Stop { ms } => {
                self.signal(blow.who, "STOP");
                self.due().push((after(ms), Act::Continue(blow.who)));
            }
        }
    }
}

/// What a network does to these requests.
pub(crate) fn wire(dice: &mut Dice, at: &'static str) -> Rule {
    let ms = 100 + dice.below(2_000);
    let place = usize::try_from(dice.below(1_000_000)).unwrap();
    let deeds = [
        Deed::Drop,
        Deed::Drop,
        Deed::Lose,
        Deed::Lose,
        Deed::Hang(ms),
        Deed::Delay(ms),
        Deed::Late(ms),
        Deed::Repeat,
        Deed::Reorder(ms),
        Deed::Cut,
        Deed::Stale,
        Deed::Busy,
        Deed::BendRequest(place),
        Deed::BendAnswer(place),
    ];
    let deed = match dice.of(&deeds) {
        // A bank that refuses is taken at its word, that nothing is booked; a network, which TLS keeps
        // from bending requests, must not put the word into its mouth.
        Deed::BendRequest(_) if at.ends_with(":holds") => Deed::BendAnswer(place),
        other => other.clone(),
    };
    Rule { at, first: 1 + dice.below(3), count: *dice.of(&[1, 1, 2, 3, 1_000]), deed }
}

/// A strike when such a request passes.
pub(crate) fn strike(dice: &mut Dice, at: &'static str, number: usize) -> Rule {
    let deed =
        if dice.percent(40) { Deed::StrikeBefore(number) } else { Deed::StrikeAfter(number) };
    Rule { at, first: 1 + dice.below(3), count: 1, deed }
}
