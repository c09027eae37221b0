//! Schedules of exchanges between two trader processes, a bank and a third party: every cell of the
//! table, packages, both directions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_base::cbor;
use semper_exchange::judge::Evidence;
use semper_exchange::standard::Standard;
use semper_exchange::{Mode, Protocol, Role};
use semper_exchange_tests::Kind;
use semper_exchange_tests::dice::Dice;
use semper_exchange_tests::town::{Setup, Town, name};
use semper_testkit::Running;
use semper_testkit::postgres::Postgres;
use semper_testkit::proxy::{Proxy, Rule};

use crate::blows::{Act, Blow, Env, Struck, borrowed, spell, wire};
use crate::figures::{End, Outcome};
use crate::post::{self, Post};

const PRICE: i64 = 2_500;
const ROLES: [Role; 2] = [Role::Originator, Role::Responder];
/// How long both may take when everything is back: no date is as near, and only a hang as far.
const PATIENCE: Duration = Duration::from_secs(50);
/// How long a hash lock is given to end by itself before its date comes.
const BEFORE_ITS_DATE: Duration = Duration::from_secs(6);
/// Thirty days, in milliseconds: later than every date of an exchange.
const MUCH_LATER: (&str, &str) = ("SEMPER_CLOCK", "2592000000");

/// Who may be struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Side(Role),
    Bank,
    Third(usize),
}

/// One schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    gives: Vec<Kind>,
    wants: Vec<Kind>,
    /// The protocols that both follow.
    follow: Vec<Protocol>,
    rules: Vec<Rule>,
    post: Vec<post::Rule>,
    /// What the sides, the bank and the third party are started with.
    sides: [Env; 2],
    bank: Env,
    third: Env,
    /// At these moments, in milliseconds.
    blows: Vec<(u64, Blow<Who>)>,
    /// When the proxy comes to them.
    strikes: Vec<Blow<Who>>,
    /// How much later each side begins.
    late: [u64; 2],
}

const BANK: [&str; 4] =
    ["otto-bank:holds", "anna-bank:holds", "otto-bank:claims", "anna-bank:claims"];
const THIRD: [&str; 2] = ["otto-third:exchange", "anna-third:exchange"];
const LODGED: [&str; 1] = ["third-bank:claims"];

/// The nine cells in the forms that they have, and packages. Each seed has one of them in turn.
fn cells() -> Vec<(Vec<Kind>, Vec<Kind>)> {
    let statement = || Kind::Statement;
    let money = |mode| Kind::Money(PRICE, vec![mode]);
    let text = || b"chapter and verse; ".repeat(1_000);
    let (information, certified) = (|| Kind::Information(text()), || Kind::Certified(text()));
    let one = |gives, wants| (vec![gives], vec![wants]);
    vec![
        one(statement(), statement()),
        one(statement(), money(Mode::Hold)),
        one(statement(), money(Mode::Fenced)),
        one(statement(), information()),
        one(statement(), certified()),
        one(money(Mode::Hold), statement()),
        one(money(Mode::Hold), money(Mode::Hold)),
        one(money(Mode::Reversible), money(Mode::Reversible)),
        one(money(Mode::Hold), information()),
        one(money(Mode::Hold), certified()),
        one(information(), statement()),
        one(information(), money(Mode::Hold)),
        one(information(), money(Mode::Reversible)),
        one(information(), money(Mode::HashLock)),
        one(certified(), money(Mode::Fenced)),
        one(information(), information()),
        one(information(), certified()),
        (vec![statement(), information()], vec![money(Mode::Hold), statement()]),
        (vec![information(), information(), statement()], vec![statement(), statement()]),
        (vec![money(Mode::Hold), statement()], vec![certified(), statement()]),
        // The last, by two who follow nothing else: see [`Schedule::follow`].
        one(information(), information()),
    ]
}

impl Schedule {
    pub(crate) fn draw(seed: u64, thirds: usize) -> Self {
        let dice = &mut Dice::new(seed);
        let mut all = cells();
        let number = seed % all.len() as u64;
        // Tens of seeds differ in the kind of world, so that a cell does not always meet the same.
        let number = (number + seed / all.len() as u64) % all.len() as u64;
        let is_weak = number + 1 == all.len() as u64;
        let (gives, wants) = all.swap_remove(usize::try_from(number).unwrap());
        let mut it = Self {
            gives,
            wants,
            follow: if is_weak { vec![Protocol::Wg] } else { Protocol::ALL.to_vec() },
            rules: Vec::new(),
            post: Vec::new(),
            sides: [Vec::new(), Vec::new()],
            bank: Vec::new(),
            third: Vec::new(),
            blows: Vec::new(),
            strikes: Vec::new(),
            late: [0, 0],
        };
        // Messages that are lost for good are what a third party is for.
        for _ in 0..dice.below(4) {
            it.post.push(post::Rule::draw(dice));
        }
        for _ in 0..1 + dice.below(3) {
            let at = match dice.below(5) {
                0..2 => *dice.of(&BANK),
                2..4 => *dice.of(&THIRD),
                _ => LODGED[0],
            };
            if dice.percent(60) {
                it.rules.push(wire(dice, at));
            } else {
                let number = it.strikes.len();
                it.rules.push(crate::blows::strike(dice, at, number));
                let who = it.who(dice, thirds);
                it.strikes.push(Blow::draw(dice, who));
            }
        }
        for _ in 0..dice.below(3) {
            let (when, who) = (dice.below(2_500), it.who(dice, thirds));
            it.blows.push((when, Blow::draw(dice, who)));
        }
        it.environments(dice);
        it
    }

    fn who(&self, dice: &mut Dice, thirds: usize) -> Who {
        match dice.below(6) {
            0..2 => Who::Side(Role::Originator),
            2..4 => Who::Side(Role::Responder),
            4 => Who::Bank,
            _ => Who::Third(usize::try_from(dice.below(thirds as u64)).unwrap()),
        }
    }

    fn environments(&mut self, dice: &mut Dice) {
        const POINTS: [&str; 6] = ["before", "after", "sent", "answered", "held", "claimed"];
        for side in &mut self.sides {
            if dice.percent(30) {
                let (point, number) = (dice.of(&POINTS), 1 + dice.below(4));
                side.push(("SEMPER_CRASH", format!("trader.{point}:{number}")));
            }
            if dice.percent(15) {
                side.push(("SEMPER_CLOCK", (*dice.of(&["86400000", "-86400000"])).to_owned()));
            }
        }
        let servers = [
            (&mut self.bank, ["bank.before", "bank.after"], None),
            (&mut self.third, ["verdict.before", "verdict.after"], Some("cases")),
        ];
        for (env, points, store) in servers {
            if dice.percent(15) {
                let (point, number) = (dice.of(&points), 1 + dice.below(2));
                env.push(("SEMPER_CRASH", format!("{point}:{number}")));
            }
            if dice.percent(10) {
                // As far apart as clocks of servers may be.
                env.push(("SEMPER_CLOCK", (*dice.of(&["20000", "-20000"])).to_owned()));
            }
            if let Some(store) = store.filter(|_| dice.percent(15)) {
                let (what, first) = (dice.of(&["read", "write"]), 1 + dice.below(3));
                env.push((
                    "SEMPER_FAIL",
                    format!("{store}.{what}:{first}-{}", first + dice.below(4)),
                ));
            }
        }
        if dice.percent(30) {
            self.late[usize::try_from(dice.below(2)).unwrap()] = dice.below(1_500);
        }
    }
}

/// Servers and traders' processes.
struct World {
    town: Town,
    thirds: usize,
    proxy_ports: [u16; 5],
    setup: Option<Setup>,
    /// What both had before, in cents.
    before: [i64; 2],
    /// What is on its way to each, until a date, from earlier exchanges.
    due_later: [i64; 2],
    running: [Option<Running>; 2],
    due: Vec<(Instant, Act<Who>)>,
    said: Vec<String>,
    begun: Instant,
}

/// A world in which schedules run one after the other.
pub(crate) struct Place {
    world: Arc<Mutex<World>>,
    proxy: Proxy,
    thirds: usize,
    _postgres: Option<Postgres>,
}

const TRADER: &str = env!("CARGO_BIN_EXE_trader");
const TLS: &str = "proxy-tls";

fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    /// With `shared`, two processes of the third party share a PostgreSQL.
    pub(crate) fn new(shared: bool) -> Self {
        let postgres = shared.then(|| Postgres::start().unwrap());
        let store = postgres.as_ref().map(|it| it.database("verdicts").unwrap());
        let mut town = Town::new(TRADER, store.as_deref().map(|it| (it, 2)));
        town.trusted.certified_server(TLS).unwrap();
        let ports = town.trusted.ports.clone();
        let (bank, thirds) = (ports[1], ports.len() - 2);
        let (first, last) = (ports[2], ports[ports.len() - 1]);
        let ways = [
            ("otto-bank", bank),
            ("anna-bank", bank),
            ("otto-third", first),
            ("anna-third", last),
            ("third-bank", bank),
        ];
        let proxy = Proxy::new(town.folder.path(), TLS, &ways).unwrap();
        let proxy_ports = ways.map(|it| proxy.port(it.0));
        for index in 0..thirds {
            let file = town.folder.path().join(format!("third-{index}.toml"));
            let text = std::fs::read_to_string(&file).unwrap();
            let asks = |port: u16| format!("url = \"https://localhost:{port}\"");
            let changed = text.replace(&asks(bank), &asks(proxy_ports[4]));
            assert_ne!(text, changed);
            std::fs::write(&file, changed).unwrap();
            town.trusted.third[index].kill();
            town.trusted.start_third(index, &[]).unwrap();
        }
        let world = World {
            town,
            thirds,
            proxy_ports,
            setup: None,
            before: [0, 0],
            due_later: [0, 0],
            running: [None, None],
            due: Vec::new(),
            said: Vec::new(),
            begun: Instant::now(),
        };
        Self { world: Arc::new(Mutex::new(world)), proxy, thirds, _postgres: postgres }
    }

    /// One schedule, to the end; what is wrong then, and what a person needs who looks for the
    /// cause.
    pub(crate) fn run(&mut self, seed: u64) -> Result<Outcome, String> {
        let schedule = Schedule::draw(seed, self.thirds);
        locked(&self.world).agree(&schedule);
        let post = self.begin(&schedule);
        self.disturb(&schedule);
        self.proxy.rules(Vec::new());
        post.heal();
        let back = locked(&self.world).heal();
        let (ended, dated) = self.wait(back);
        let checked = locked(&self.world).check(&ended, dated, back);
        checked.map_err(|faults| {
            let world = locked(&self.world);
            let logs: Vec<String> = world.running.iter().flatten().map(Running::log_text).collect();
            format!(
                "{}\n{schedule:#?}\nevents:\n{}\nmessages:\n{}\nwire:\n{}\ntraders:\n{}\n\
                 third party:\n{}",
                faults.join("\n"),
                world.said.join("\n"),
                post.seen().join("\n"),
                self.proxy.seen().join("\n"),
                logs.join("\n"),
                world.town.trusted.third[0].log_text(),
            )
        })
    }

    /// Starts everything as the schedule has it.
    fn begin(&self, schedule: &Schedule) -> Post {
        let mut world = locked(&self.world);
        world.begin(schedule);
        let post = Post::new(world.setup.as_ref().unwrap(), schedule.post.clone());
        self.proxy.seen();
        let (struck, strikes) = (Arc::downgrade(&self.world), schedule.strikes.clone());
        self.proxy.watch(Box::new(move |number| {
            if let Some(world) = struck.upgrade() {
                locked(&world).strike(strikes[number]);
            }
        }));
        self.proxy.rules(schedule.rules.clone());
        for (index, role) in ROLES.into_iter().enumerate() {
            let when = Instant::now() + Duration::from_millis(schedule.late[index]);
            world.due.push((when, Act::Start(Who::Side(role))));
        }
        for (index, (ms, _)) in schedule.blows.iter().enumerate() {
            world.due.push((Instant::now() + Duration::from_millis(*ms), Act::Blow(index)));
        }
        post
    }

    /// Faults, until both have ended or their time is over.
    fn disturb(&self, schedule: &Schedule) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(3_500) {
            std::thread::sleep(Duration::from_millis(20));
            let mut world = locked(&self.world);
            let now = Instant::now();
            let due: Vec<Act<Who>> =
                world.due.extract_if(.., |it| it.0 <= now).map(|it| it.1).collect();
            for act in due {
                world.act(act, schedule);
            }
            if world.due.is_empty() && world.have_ended() {
                break;
            }
        }
    }

    /// Waits for both ends: by themselves, or by their dates where a protocol knows no other way.
    fn wait(&self, back: Instant) -> ([Option<i32>; 2], bool) {
        let mut dated = false;
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let mut world = locked(&self.world);
            let protocol = world.setup.as_ref().unwrap().agreed.protocol;
            if world.have_ended() || back.elapsed() > PATIENCE {
                let codes = world
                    .running
                    .each_mut()
                    .map(|it| it.as_mut().and_then(|it| it.wait(Duration::from_millis(50))));
                return (codes, dated);
            }
            if protocol == Protocol::Hl && !dated && back.elapsed() > BEFORE_ITS_DATE {
                dated = true;
                world.later();
            }
        }
    }
}

impl Struck<Who> for World {
    fn process(&mut self, who: Who) -> Option<&mut Running> {
        match who {
            Who::Side(role) => self.running[usize::from(role == Role::Responder)].as_mut(),
            Who::Bank => Some(&mut self.town.trusted.bank),
            Who::Third(index) => Some(&mut self.town.trusted.third[index]),
        }
    }

    fn say(&mut self, what: &str) {
        let since = self.begun.elapsed().as_secs_f32();
        self.said.push(format!("{since:6.2} {what}"));
    }

    fn due(&mut self) -> &mut Vec<(Instant, Act<Who>)> {
        &mut self.due
    }
}

impl World {
    /// An agreement on what the schedule exchanges.
    fn agree(&mut self, schedule: &Schedule) {
        self.before = ROLES.map(|role| cents(&self.town.balance(role)));
        let Schedule { gives, wants, follow, .. } = schedule;
        self.setup = Some(self.town.setup_by(gives, wants, follow));
    }

    fn begin(&mut self, schedule: &Schedule) {
        self.running = [None, None];
        self.due.clear();
        self.said.clear();
        self.begun = Instant::now();
        if !schedule.bank.is_empty() {
            self.town.trusted.bank.kill();
            let started = self.town.trusted.start_bank(&borrowed(&schedule.bank));
            self.say(&format!("bank {} {started:?}", spell(&schedule.bank)));
        }
        if !schedule.third.is_empty() {
            self.town.trusted.third[0].kill();
            let started = self.town.trusted.start_third(0, &borrowed(&schedule.third));
            self.say(&format!("third party {} {started:?}", spell(&schedule.third)));
        }
    }

    fn act(&mut self, act: Act<Who>, schedule: &Schedule) {
        match act {
            Act::Blow(index) => self.strike(schedule.blows[index].1),
            Act::Start(Who::Side(role))
                if self.running[usize::from(role == Role::Responder)].is_none() =>
            {
                let env = schedule.sides[usize::from(role == Role::Responder)].clone();
                self.start(Who::Side(role), &borrowed(&env));
            }
            Act::Start(who) => {
                if self.process(who).is_none_or(Running::has_ended) {
                    self.start(who, &[]);
                }
            }
            Act::Continue(who) => self.signal(who, "CONT"),
        }
    }

    fn start(&mut self, who: Who, env: &[(&str, &str)]) {
        self.say(&format!("{who:?} starts {env:?}"));
        let done = match who {
            Who::Bank => self.town.trusted.start_bank(env),
            Who::Third(index) => self.town.trusted.start_third(index, env),
            Who::Side(role) => {
                let index = usize::from(role == Role::Responder);
                let mut places = self.town.places(name(role), 0);
                places.bank = format!("https://localhost:{}", self.proxy_ports[index]);
                places.third = format!("https://localhost:{}", self.proxy_ports[2 + index]);
                let setup = self.setup.as_ref().unwrap();
                self.running[index] = Some(self.town.run(setup, role, &places, env));
                Ok(())
            }
        };
        // A crash ahead may come while it starts.
        if let Err(error) = done {
            self.say(&error);
        }
    }

    fn have_ended(&mut self) -> bool {
        self.running.iter_mut().all(|it| it.as_mut().is_some_and(Running::has_ended))
    }

    /// Whether a side's process has ended as it should.
    fn is_done(&mut self, index: usize) -> bool {
        let process = self.running[index].as_mut();
        process.is_some_and(|it| it.has_ended() && it.wait(Duration::from_millis(50)) == Some(0))
    }

    /// Everything is back: servers and sides run, with right clocks and no faults ahead.
    fn heal(&mut self) -> Instant {
        self.due.clear();
        let mut servers = vec![Who::Bank];
        servers.extend((0..self.thirds).map(Who::Third));
        let sides = ROLES.map(Who::Side);
        for who in servers.iter().chain(&sides) {
            self.signal(*who, "CONT");
        }
        for who in servers {
            self.process(who).unwrap().kill();
            self.start(who, &[]);
        }
        for (index, who) in sides.into_iter().enumerate() {
            if !self.is_done(index) {
                if let Some(process) = self.process(who) {
                    process.kill();
                }
                self.start(who, &[]);
            }
        }
        self.say("everything is back");
        Instant::now()
    }

    /// Thirty days later.
    fn later(&mut self) {
        for who in
            [Who::Bank, Who::Third(0), Who::Side(Role::Originator), Who::Side(Role::Responder)]
        {
            let index = usize::from(who == Who::Side(Role::Responder));
            if matches!(who, Who::Side(_)) && self.is_done(index) {
                continue;
            }
            self.process(who).unwrap().kill();
            self.start(who, &[MUCH_LATER]);
        }
    }
}

/// What the sides have at the end.
struct Ends {
    words: [String; 2],
    balances: [i64; 2],
}

impl World {
    fn check(
        &mut self,
        codes: &[Option<i32>; 2],
        dated: bool,
        back: Instant,
    ) -> Result<Outcome, Vec<String>> {
        let closed = back.elapsed();
        if *codes != [Some(0), Some(0)] {
            let mut wrong = vec![format!("they have not ended: {codes:?}")];
            for index in 0..2 {
                if let Some(process) = &mut self.running[index] {
                    process.kill();
                    wrong.push(process.log_text());
                }
            }
            return Err(wrong);
        }
        if dated {
            // Its books have been in the future. Whoever looks at the bank's books has today's clock.
            self.process(Who::Bank).unwrap().kill();
            self.start(Who::Bank, &[]);
        }
        let words = self.running.each_ref().map(|it| {
            let log = it.as_ref().unwrap().log_text();
            log.lines().last().unwrap_or_default().to_owned()
        });
        let good = words.each_ref().map(|it| ["Done", "Completed"].contains(&it.as_str()));
        let none = words.each_ref().map(|it| ["Aborted", "Expired"].contains(&it.as_str()));
        let mut faults = Vec::new();
        if dated {
            // Its date has come, too.
            self.before = [0, 1].map(|it| self.before[it] + self.due_later[it]);
        }
        let ends = self.settled(words, good == [true, true], dated);
        if good != [true, true] && none != [true, true] {
            faults.push(format!("unfair: {:?}", ends.words));
        }
        self.check_money(&ends, good == [true, true], &mut faults);
        let asked = self.check_evidence(good == [true, true], &mut faults);
        let setup = self.setup.as_ref().unwrap();
        let what = format!("{:?}", setup.agreed.protocol).to_uppercase();
        let end = match (good[0], dated) {
            (true, _) => End::Both,
            (false, true) => End::ByDate,
            (false, false) => End::Neither,
        };
        match faults.is_empty() {
            true => Ok(Outcome { what, end, asked, closed }),
            false => Err(faults),
        }
    }

    /// What is in both accounts, in cents, once nothing moves any more.
    fn settled(&self, words: [String; 2], good: bool, dated: bool) -> Ends {
        let wanted = self.wanted(good);
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let balances = ROLES.map(|role| cents(&self.town.balance(role)));
            if balances == wanted || Instant::now() > until || dated {
                return Ends { words, balances };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn wanted(&self, good: bool) -> [i64; 2] {
        let agreed = &self.setup.as_ref().unwrap().agreed;
        let paid = ROLES.map(|role| if good && agreed.money(role).is_some() { PRICE } else { 0 });
        [self.before[0] - paid[0] + paid[1], self.before[1] - paid[1] + paid[0]]
    }

    fn check_money(&mut self, ends: &Ends, good: bool, faults: &mut Vec<String>) {
        let protocol = self.setup.as_ref().unwrap().agreed.protocol;
        let wanted = self.wanted(good);
        // Money that can be taken back until a date is on its way until then.
        let on_its_way = good
            && protocol == Protocol::Ger
            && ends.balances.iter().sum::<i64>() == self.before.iter().sum::<i64>() - PRICE
            && ends.balances.iter().zip(wanted).any(|(has, wants)| *has == wants);
        if on_its_way && ends.balances != wanted {
            for (later, (wants, has)) in
                self.due_later.iter_mut().zip(wanted.iter().zip(ends.balances))
            {
                *later += wants - has;
            }
        }
        if ends.balances != wanted && !on_its_way {
            let (words, balances) = (&ends.words, ends.balances);
            faults.push(format!("{words:?} have {balances:?}, not {wanted:?}"));
        }
        let books = self.town.folder.path().join("bank/ledger.sqlite");
        let sum = crate::books::ask(&books, "SELECT sum(balance) FROM accounts");
        if sum != 0 {
            faults.push(format!("the bank's books sum to {sum}"));
        }
    }

    /// What a side has kept.
    fn evidence(&self, role: Role) -> Evidence<Standard> {
        let file = self.setup.as_ref().unwrap().folder.join(format!("{}.evidence", name(role)));
        cbor::decode(&std::fs::read(file).unwrap(), 16 << 20).unwrap()
    }

    /// Nobody is blamed by what either side has, and who has got something can show it.
    fn check_evidence(&self, good: bool, faults: &mut Vec<String>) -> bool {
        let setup = self.setup.as_ref().unwrap();
        let protocol = setup.agreed.protocol;
        let mut asked = false;
        for role in ROLES {
            let judged = self.town.judge(setup, role, true);
            let finding = judged.json();
            if finding["blame"].as_array().is_none_or(|it| !it.is_empty()) {
                faults.push(format!("{role:?}'s evidence: {}{}", judged.out, judged.err));
            }
            let whole = ["completed", "undone", "status-quo"];
            // A payer who has the goods waits for the bank's word about its hash lock only a while.
            let dated = protocol == Protocol::Hl;
            if !dated && !finding["ruling"].as_str().is_some_and(|it| whole.contains(&it)) {
                faults.push(format!("{role:?}'s evidence: {}", judged.out));
            }
            let got = ["from_responder", "from_originator"][usize::from(role == Role::Responder)];
            let unproven =
                finding[got].as_array().is_none_or(|it| it.iter().any(|it| it == "unproven"));
            if good && unproven && !dated {
                faults.push(format!("{role:?} cannot show what it has: {}", judged.out));
            }
            asked |= !self.evidence(role).requests.is_empty();
        }
        asked
    }
}

/// “1025.00 EUR” in cents.
fn cents(words: &str) -> i64 {
    let digits: String = words.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}
