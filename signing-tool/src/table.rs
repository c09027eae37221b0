//! Both halves of a service at one table: each runs until it waits, messages go across, and the clock
//! goes on when nothing else moves.

use std::time::Duration;

use semper_base::{Report, Timestamp};
use semper_items::{Item, Side};
use semper_runtime::{END, Runtime, Stop};
use semper_stage::{Part, Played, Seen};

/// Turns after which a deal counts as endless.
const TURNS: u32 = 160;
/// How far the clock is turned before a deal counts as endless.
const PATIENCE: Duration = Duration::from_secs(120 * 86_400);

/// The two sides, as the table numbers them.
pub const SIDES: [Side; 2] = [Side::Buyer, Side::Seller];

/// How a component ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// It has returned.
    Returned(Result<(), String>),
    /// It was stopped, as a host would stop it.
    Stopped(Stop),
}

/// How a deal has come to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Both components have ended.
    Over,
    /// Both wait, and nothing can wake them.
    Stuck,
    /// It went on without end.
    Endless,
}

/// Something that happened: on which side, when by the deal's clock, and what.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The side.
    pub side: Side,
    /// The clock of that side.
    pub at: Timestamp,
    /// What its world saw.
    pub seen: Seen,
}

/// Carries messages from one side to the other.
pub trait Courier {
    /// What arrives at the other side, `to`, of a message of this side's.
    fn carry(&mut self, to: &Part, from: Side, now: Timestamp, message: &[u8]) -> Vec<u8>;
}

/// Everything arrives as it was sent.
pub struct Honest;

impl Courier for Honest {
    fn carry(&mut self, _: &Part, _: Side, _: Timestamp, message: &[u8]) -> Vec<u8> {
        message.to_vec()
    }
}

/// Both sides, and what is between them.
pub struct Table<'a> {
    runtime: &'a Runtime,
    begins: Timestamp,
    /// The buyer's part, the seller's.
    pub parts: [Part; 2],
    /// Messages of each side that have been taken to the other.
    taken: [usize; 2],
    ready: [bool; 2],
    /// Whether a side waits for something else than a message: for what the other side decides.
    watches: [bool; 2],
    /// What each side said last in its log and to its person, after everything that its journal
    /// knows: a component that is run again says it again.
    said: [Vec<String>; 2],
    until: [Option<Timestamp>; 2],
    /// What each side waits for, in words.
    pub waits: [String; 2],
    /// How each side's component has ended.
    pub ended: [Option<Ended>; 2],
    /// Everything that has happened, in order.
    pub story: Vec<Moment>,
    now: Timestamp,
    /// Each state of the flow in which a turn has ended, as that side saw it.
    pub states: Vec<String>,
}

impl<'a> Table<'a> {
    /// Both sides at the beginning of a deal.
    pub fn new(runtime: &'a Runtime, begins: Timestamp, parts: [Part; 2]) -> Self {
        Self {
            runtime,
            begins,
            parts,
            taken: [0, 0],
            ready: [true, true],
            watches: [false, false],
            said: Default::default(),
            until: [None, None],
            waits: Default::default(),
            ended: [None, None],
            story: Vec::new(),
            now: begins,
            states: Vec::new(),
        }
    }

    /// Plays until the deal has come to rest.
    pub fn play(&mut self, courier: &mut dyn Courier) -> Result<Rest, Report> {
        for _ in 0..TURNS {
            for index in 0..2 {
                if self.ready[index] && self.ended[index].is_none() {
                    self.turn(index, courier)?;
                }
            }
            let moved = self.carry(courier);
            if self.ended.iter().all(Option::is_some) {
                return Ok(Rest::Over);
            }
            if moved || self.awake() {
                continue;
            }
            // Nothing moves: the clock goes on to the next date that somebody waits for.
            let waiting = (0..2).filter(|it| self.ended[*it].is_none());
            let Some(next) = waiting.filter_map(|it| self.until[it]).min() else {
                return Ok(Rest::Stuck);
            };
            if next > self.begins.after(PATIENCE) {
                return Ok(Rest::Endless);
            }
            self.clock(next);
        }
        Ok(Rest::Endless)
    }

    fn awake(&self) -> bool {
        (0..2).any(|it| self.ready[it] && self.ended[it].is_none())
    }

    /// It is so late now, for both sides.
    fn clock(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        for index in 0..2 {
            self.parts[index].at(self.now);
            self.ready[index] |= self.until[index].is_some_and(|it| it <= self.now);
        }
    }

    /// Runs one side until it waits or ends.
    fn turn(&mut self, index: usize, courier: &mut dyn Courier) -> Result<(), Report> {
        let side = SIDES[index];
        let broken = |stop: Stop| {
            let mend = "the component must run on a host first: semper-sign inspect";
            Report::refusal(format!("the {}'s component: {stop}", side.name()), mend)
        };
        let played = self.parts[index].play(self.runtime).map_err(broken)?;
        self.ready[index] = false;
        self.until[index] = None;
        self.watches[index] = false;
        let at = self.parts[index].now();
        let seen = self.fresh(index);
        // Whatever this side did may be what the other one waits for.
        self.ready[1 - index] |= self.watches[1 - index] && !seen.is_empty();
        self.story.extend(seen.into_iter().map(|seen| Moment { side, at, seen }));
        self.states.push(self.parts[index].flow().to_owned());
        match played {
            Played::Ended(said) => self.ended[index] = Some(Ended::Returned(said)),
            Played::Stopped(stop) => self.ended[index] = Some(Ended::Stopped(stop)),
            Played::Waits(waiting) => {
                self.until[index] = waiting.until;
                self.watches[index] = waiting.message.is_none();
                self.waits[index] = waiting.what;
            }
        }
        self.clock(at);
        self.farewell(index, courier);
        Ok(())
    }

    /// What a side's world has seen in this turn, without what was only said again.
    fn fresh(&mut self, index: usize) -> Vec<Seen> {
        let said = |seen: &Seen| match seen {
            Seen::Logged(text) | Seen::Progress(text) => Some(text.clone()),
            _ => None,
        };
        let mut seen = self.parts[index].take_seen();
        let before = std::mem::take(&mut self.said[index]);
        let begins: Vec<String> = seen.iter().map_while(said).collect();
        let again = (0..=before.len().min(begins.len()))
            .rev()
            .find(|count| before[before.len() - count..] == begins[..*count]);
        seen.drain(..again.unwrap_or(0));
        // What this turn adds to the end, and all of what came before it if it adds nothing else.
        let mut last: Vec<String> = seen.iter().rev().map_while(said).collect();
        last.reverse();
        let only = last.len() == seen.len();
        self.said[index] = if only { [before, last].concat() } else { last };
        seen
    }

    /// The host of a side whose component has failed tells the other side.
    fn farewell(&mut self, index: usize, courier: &mut dyn Courier) {
        let why = match &self.ended[index] {
            Some(Ended::Returned(Err(why))) => why.clone(),
            Some(Ended::Stopped(stop)) => stop.to_string(),
            _ => return,
        };
        let other = 1 - index;
        if self.ended[other].is_none() {
            // What was sent before comes first.
            self.carry(courier);
            let item = Item::Information { kind: END.into(), body: why.into_bytes().into() };
            let word = self.parts[other].forge(item);
            self.parts[other].deliver(word);
            self.ready[other] = true;
        }
    }

    /// Takes new messages across.
    fn carry(&mut self, courier: &mut dyn Courier) -> bool {
        let mut moved = false;
        for (index, own) in SIDES.into_iter().enumerate() {
            let new = self.parts[index].outbox(self.taken[index]);
            self.taken[index] += new.len();
            let other = 1 - index;
            for bytes in new {
                moved = true;
                let bytes = courier.carry(&self.parts[other], own, self.now, &bytes);
                self.parts[other].deliver(bytes);
                self.ready[other] = true;
            }
        }
        moved
    }
}
