//! Schedules of purchases between the shipped processes: mail-order by fair exchange, as the
//! README sets a marketplace up, with a network between them that is not to be relied on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use semper_exchange_tests::bazaar::{self, HOMES};
use semper_exchange_tests::dice::Dice;
use semper_testkit::proxy::{Deed, Proxy, Rule};
use semper_testkit::{Market, Part, Running};

use crate::blows::{Act, Blow, Env, Struck, borrowed, spell, strike, wire};
use crate::books::{ask, rows};
use crate::figures::{End, Outcome};

/// How long everything may take once it is back.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long faults go on.
const FAULTS: Duration = Duration::from_secs(8);

/// Who may be struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Anna,
    Part(Part),
}

/// One schedule.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    rules: Vec<Rule>,
    /// What each is started with.
    env: Vec<(Who, Env)>,
    /// At these moments, in milliseconds.
    blows: Vec<(u64, Blow<Who>)>,
    /// When the proxy comes to them.
    strikes: Vec<Blow<Who>>,
    /// Whether hosts are back before their TINGUINs.
    hosts_first: bool,
    /// How Anna's purse pays in it.
    pays: &'static str,
}

/// How a purse may pay: the protocol follows from it.
const WAYS: [&str; 4] = ["hold", "hold", "fenced", "reversible"];

/// Where the exchange is, and what comes before it.
const NEAR: [&str; 5] = [
    "shop:exchange",
    "anna-bank:holds",
    "otto-bank:claims",
    "anna-third:exchange",
    "otto-third:exchange",
];
const FAR: [&str; 6] = [
    "shop:messages",
    "shop:poll",
    "shop:agreed",
    "shop:deals",
    "anna-bank:claims",
    "third-bank:claims",
];

/// Points at which a process may die, and borders that may fail.
type Faults = (Who, &'static [&'static str], &'static [&'static str]);

const PLACES: [Faults; 6] = [
    (
        Who::Anna,
        &[
            "exchange.before",
            "exchange.after",
            "exchange.hold",
            "exchange.held",
            "exchange.send",
            "exchange.sent",
            "archive.before",
            "archive.after",
            "link.send",
            "link.sent",
        ],
        &["archive.write", "archive.read", "archive.full", "tinguin.ask", "bank.ask", "third.ask"],
    ),
    (
        Who::Part(Part::Merchant),
        &[
            "exchange.before",
            "exchange.after",
            "archive.before",
            "archive.after",
            "catalogue.before",
            "catalogue.after",
            "receive.stored",
        ],
        &[
            "archive.write",
            "archive.read",
            "archive.full",
            "tinguin.ask",
            "bank.ask",
            "third.ask",
            "catalogue.write",
        ],
    ),
    (Who::Part(Part::Bank), &["bank.before", "bank.after"], &[]),
    (
        Who::Part(Part::ThirdParty),
        &["verdict.before", "verdict.after"],
        &["cases.read", "cases.write"],
    ),
    (
        Who::Part(Part::MerchantTinguin),
        &["tinguin.before", "tinguin.after"],
        &["tinguin.read", "tinguin.write"],
    ),
    (
        Who::Part(Part::BuyerTinguin),
        &["tinguin.before", "tinguin.after"],
        &["tinguin.read", "tinguin.write"],
    ),
];

impl Schedule {
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let mut it = Self {
            rules: Vec::new(),
            env: Vec::new(),
            blows: Vec::new(),
            strikes: Vec::new(),
            hosts_first: dice.percent(50),
            pays: WAYS[0],
        };
        if dice.percent(40) {
            // No word between the two from some moment on: so the third party is asked.
            let (first, count) = (1 + dice.below(4), *dice.of(&[4, 1_000]));
            let deed = dice.of(&[Deed::Drop, Deed::Lose]).clone();
            it.rules.push(Rule { at: "shop:exchange", first, count, deed });
        }
        for _ in 0..1 + dice.below(3) {
            let at = if dice.percent(80) { *dice.of(&NEAR) } else { *dice.of(&FAR) };
            if dice.percent(55) {
                it.rules.push(wire(dice, at));
            } else {
                it.rules.push(strike(dice, at, it.strikes.len()));
                let who = dice.of(&PLACES).0;
                it.strikes.push(Blow::draw(dice, who));
            }
        }
        if dice.percent(40) {
            let (when, who) = (500 + dice.below(5_000), dice.of(&PLACES).0);
            it.blows.push((when, Blow::draw(dice, who)));
        }
        for (who, points, borders) in PLACES {
            let env = Self::environment(dice, who, points, borders);
            if !env.is_empty() {
                it.env.push((who, env));
            }
        }
        // Last, so that what a seed says of the rest is what it has always said.
        it.pays = *dice.of(&WAYS);
        it
    }

    fn environment(dice: &mut Dice, who: Who, points: &[&str], borders: &[&str]) -> Env {
        let mut env = Env::new();
        if dice.percent(15) {
            let (point, number) = (dice.of(points), *dice.of(&[1, 2, 3, 4, 5, 8]));
            env.push(("SEMPER_CRASH", format!("{point}:{number}")));
        }
        if !borders.is_empty() && dice.percent(12) {
            let (border, first) = (dice.of(borders), 1 + dice.below(40));
            env.push(("SEMPER_FAIL", format!("{border}:{first}-{}", first + dice.below(6))));
        }
        if dice.percent(8) {
            let host = matches!(who, Who::Anna | Who::Part(Part::Merchant));
            let apart = if host { ["86400000", "-86400000"] } else { ["20000", "-20000"] };
            env.push(("SEMPER_CLOCK", (*dice.of(&apart)).to_owned()));
        }
        env
    }

    fn env(&self, who: Who) -> Env {
        self.env.iter().find(|it| it.0 == who).map(|it| it.1.clone()).unwrap_or_default()
    }
}

/// What a look at everybody's stores shows.
struct Books {
    /// In the accounts of both, in cents.
    anna: i64,
    otto: i64,
    /// All accounts together, and what holds hold.
    sum: i64,
    held: i64,
    /// Goods in parcels; goods that deals have reserved, by deal.
    parcels: i64,
    reserved: Vec<Vec<String>>,
    /// Deals and exchanges of both homes.
    homes: [Home; 2],
}

/// A home's deals (id, state, note) and exchanges (id, open, deal).
#[derive(Default)]
struct Home {
    deals: Vec<Vec<String>>,
    exchanges: Vec<Vec<String>>,
}

impl Home {
    /// What has come since an earlier look.
    fn since(&self, before: &Self) -> Self {
        let known = |rows: &[Vec<String>]| -> BTreeSet<String> {
            rows.iter().map(|it| it[0].clone()).collect()
        };
        let (deals, exchanges) = (known(&before.deals), known(&before.exchanges));
        let new = |rows: &[Vec<String>], known: &BTreeSet<String>| {
            rows.iter().filter(|it| !known.contains(&it[0])).cloned().collect()
        };
        Self { deals: new(&self.deals, &deals), exchanges: new(&self.exchanges, &exchanges) }
    }

    /// Whether nothing is under way. A deal that waits for somebody until a date does so.
    fn is_closed(&self) -> bool {
        self.deals.iter().all(|it| it[1] != "running" || is_dated(it))
            && self.exchanges.iter().all(|it| it[1] == "0")
    }
}

/// Whether a deal waits for its buyer until a date: the buyer knows nothing of it.
fn is_dated(deal: &[String]) -> bool {
    deal[1] == "running" && deal[2].contains(", or 20")
}

struct World {
    market: Market,
    anna: Option<Running>,
    shop: u16,
    due: Vec<(Instant, Act<Who>)>,
    said: Vec<String>,
    begun: Instant,
}

/// A marketplace in which schedules run one after the other.
pub(crate) struct Place {
    world: Arc<Mutex<World>>,
    proxy: Proxy,
    _folder: tempfile::TempDir,
}

fn locked(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (market, proxy) = bazaar::build(folder.path());
        let shop = proxy.port("shop");
        let (due, said) = (Vec::new(), Vec::new());
        let world = World { market, anna: None, shop, due, said, begun: Instant::now() };
        Self { world: Arc::new(Mutex::new(world)), proxy, _folder: folder }
    }

    /// One schedule, to the end; what is wrong then, and what a person needs who looks for the
    /// cause.
    pub(crate) fn run(&mut self, seed: u64) -> Result<Outcome, String> {
        let schedule = Schedule::draw(&mut Dice::new(seed));
        self.proxy.seen();
        let before = {
            let mut world = locked(&self.world);
            world.begin(&schedule);
            world.look()
        };
        self.begin(&schedule);
        self.disturb(&schedule);
        self.proxy.rules(Vec::new());
        let back = locked(&self.world).heal(schedule.hosts_first);
        let closed = self.wait(&before, back);
        let checked = locked(&self.world).check(&before, closed, schedule.pays);
        checked.map_err(|faults| {
            let world = locked(&self.world);
            let logs = [
                ("buyer", world.anna.as_ref().map(Running::log_text).unwrap_or_default()),
                ("merchant", world.market.merchant.log_text()),
                ("third party", world.market.third.log_text()),
            ];
            let end = |text: &str| {
                let lines: Vec<&str> = text.lines().collect();
                lines[lines.len().saturating_sub(60)..].join("\n")
            };
            let logs = logs.map(|(name, text)| format!("{name}:\n{}", end(&text))).join("\n");
            let (said, wire) = (world.said.join("\n"), self.proxy.seen().join("\n"));
            let faults = faults.join("\n");
            format!("{faults}\n{schedule:#?}\nevents:\n{said}\nwire:\n{wire}\n{logs}")
        })
    }

    fn begin(&self, schedule: &Schedule) {
        let (struck, strikes) = (Arc::downgrade(&self.world), schedule.strikes.clone());
        self.proxy.watch(Box::new(move |number| {
            if let Some(world) = struck.upgrade() {
                locked(&world).strike(strikes[number]);
            }
        }));
        self.proxy.rules(schedule.rules.clone());
        let mut world = locked(&self.world);
        world.pays_by(schedule.pays);
        world.buy(&schedule.env(Who::Anna));
        for (index, (ms, _)) in schedule.blows.iter().enumerate() {
            world.due.push((Instant::now() + Duration::from_millis(*ms), Act::Blow(index)));
        }
    }

    fn disturb(&self, schedule: &Schedule) {
        let begun = Instant::now();
        while begun.elapsed() < FAULTS {
            std::thread::sleep(Duration::from_millis(30));
            let mut world = locked(&self.world);
            let now = Instant::now();
            let due: Vec<Act<Who>> =
                world.due.extract_if(.., |it| it.0 <= now).map(|it| it.1).collect();
            for act in due {
                world.act(act, schedule);
            }
            let gone = world.anna.as_mut().is_none_or(Running::has_ended);
            if gone && world.due.is_empty() {
                break;
            }
        }
    }

    /// Waits until nothing is under way on either side; how long it took.
    fn wait(&self, before: &Books, back: Instant) -> Option<Duration> {
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let mut world = locked(&self.world);
            let now = HOMES.map(|home| world.home(home));
            let closed = now.iter().zip(&before.homes).all(|(now, it)| now.since(it).is_closed());
            let gone = world.anna.as_mut().is_none_or(Running::has_ended);
            if closed && gone {
                return Some(back.elapsed());
            }
            if back.elapsed() > PATIENCE {
                return None;
            }
        }
    }
}

impl Struck<Who> for World {
    fn process(&mut self, who: Who) -> Option<&mut Running> {
        match who {
            Who::Anna => self.anna.as_mut(),
            Who::Part(part) => Some(self.market.part(part)),
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
    fn file(&self, name: &str) -> PathBuf {
        self.market.folder.join(name)
    }

    fn home(&self, home: &str) -> Home {
        let archive = self.file(&format!("{home}/archive.sqlite"));
        let deals = "SELECT lower(hex(id)), state, note FROM deals";
        let exchanges =
            "SELECT lower(hex(id)), CAST(open AS TEXT), lower(hex(deal)) FROM exchanges";
        Home { deals: rows(&archive, deals), exchanges: rows(&archive, exchanges) }
    }

    fn look(&self) -> Books {
        let (bank, shop) = (self.file("bank/ledger.sqlite"), self.file("otto/catalogue.sqlite"));
        let of = |holder: &str| {
            let sql = "SELECT coalesce(sum(balance), 0) FROM accounts WHERE holder = ";
            ask(&bank, &format!("{sql}'{holder}'"))
        };
        Books {
            anna: of("Anna Berg"),
            otto: of("Otto Versand"),
            sum: ask(&bank, "SELECT sum(balance) FROM accounts"),
            held: ask(&bank, "SELECT coalesce(sum(held), 0) FROM holds"),
            parcels: ask(&shop, "SELECT count(*) FROM parcels"),
            reserved: rows(
                &shop,
                "SELECT lower(hex(deal)), CAST(quantity AS TEXT) FROM reservations \
                 WHERE done AND state <> 'released'",
            ),
            homes: HOMES.map(|home| self.home(home)),
        }
    }

    fn begin(&mut self, schedule: &Schedule) {
        self.anna = None;
        self.due.clear();
        self.said.clear();
        self.begun = Instant::now();
        // Each schedule's log begins with it.
        let _ = std::fs::remove_file(self.file("buyer.log"));
        for (who, env) in &schedule.env {
            if let Who::Part(part) = who {
                let started = self.market.restart(*part, &borrowed(env));
                self.say(&format!("{who:?} {} {started:?}", spell(env)));
            }
        }
    }

    fn start_anna(&mut self, arguments: &[&str], env: &Env) {
        let (folder, program) = (self.market.folder.clone(), self.market.binaries.semper.clone());
        self.say(&format!("anna: {} {}", arguments[0], spell(env)));
        let started = Running::start(&folder, "buyer", &program, arguments, &borrowed(env));
        self.anna = Some(started.unwrap());
    }

    /// Sets how Anna's purse pays from now on.
    fn pays_by(&mut self, mode: &str) {
        let file = self.file("anna/semper.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|it| !it.starts_with("modes"));
        let text: Vec<&str> = lines.collect();
        let section = format!("[payment.purse]\nmodes = [\"{mode}\"]");
        let text = text.join("\n").replace("[payment.purse]", &section) + "\n";
        assert!(text.contains(mode), "{text}");
        std::fs::write(&file, text).unwrap();
        self.say(&format!("anna pays by {mode}"));
    }

    fn buy(&mut self, env: &Env) {
        let url = format!("https://localhost:{}", self.shop);
        self.start_anna(&["buy", "--home", "anna", &url], env);
    }

    fn act(&mut self, act: Act<Who>, schedule: &Schedule) {
        match act {
            Act::Blow(index) => self.strike(schedule.blows[index].1),
            Act::Continue(who) => self.signal(who, "CONT"),
            Act::Start(who) => {
                if self.process(who).is_none_or(Running::has_ended) {
                    self.start(who);
                }
            }
        }
    }

    fn start(&mut self, who: Who) {
        match who {
            Who::Anna => self.start_anna(&["deals", "--home", "anna", "--resume"], &Env::new()),
            Who::Part(part) => {
                let started = self.market.restart(part, &[]);
                self.say(&format!("{part:?} starts {started:?}"));
            }
        }
    }

    /// Everything is back, with right clocks and no faults ahead.
    fn heal(&mut self, hosts_first: bool) -> Instant {
        self.due.clear();
        for (who, _, _) in PLACES {
            self.signal(who, "CONT");
        }
        let mut parts = [Part::MerchantTinguin, Part::BuyerTinguin, Part::Merchant];
        if hosts_first {
            parts.reverse();
        }
        if let Some(anna) = &mut self.anna {
            anna.kill();
        }
        for part in [Part::Bank, Part::ThirdParty].into_iter().chain(parts) {
            self.market.part(part).kill();
        }
        for part in [Part::Bank, Part::ThirdParty].into_iter().chain(parts) {
            self.market.restart(part, &[]).unwrap();
        }
        self.start(Who::Anna);
        self.say("everything is back");
        Instant::now()
    }
}

/// What a home's evidence of an exchange says.
struct Finding {
    /// Whether somebody is blamed, or the judge cannot tell.
    wrong: bool,
    /// Whether the third party has put its affidavit in a receipt's place.
    replaced: bool,
    /// Whether the third party was asked.
    asked: bool,
    text: String,
}

impl World {
    fn findings(&self, home: &str, deal: &str) -> Vec<Finding> {
        let archive = self.file(&format!("{home}/archive.sqlite"));
        let sql = format!(
            "SELECT CAST(number AS TEXT) FROM evidence WHERE kind = 'exchange' \
             AND lower(hex(deal)) = '{deal}'"
        );
        let judged = rows(&archive, &sql).into_iter().map(|row| {
            let file = format!("{home}-{}.cbor", row[0]);
            let save = ["archive", "save", "--home", home, &row[0], "--out", &file];
            let saved = self.market.semper(&save).unwrap();
            assert_eq!(saved.code, 0, "{}", saved.err);
            let judged = self.market.semper(&["judge", &file, "--json"]).unwrap();
            let finding = judged.json();
            let blamed = finding["blame"].as_array().is_none_or(|it| !it.is_empty());
            Finding {
                wrong: blamed || judged.code != 0,
                replaced: judged.out.contains("\"replaced\""),
                asked: !finding["verdict"].is_null(),
                text: format!("{home}: {}{}", judged.out, judged.err),
            }
        });
        judged.collect()
    }

    fn check(
        &self,
        before: &Books,
        closed: Option<Duration>,
        pays: &'static str,
    ) -> Result<Outcome, Vec<String>> {
        let mut faults = Vec::new();
        let now = self.look();
        let [anna, otto] = [0, 1].map(|it| now.homes[it].since(&before.homes[it]));
        if closed.is_none() {
            let open = |home: &Home| format!("{:?} {:?}", home.deals, home.exchanges);
            faults.push(format!("not closed: anna {} otto {}", open(&anna), open(&otto)));
        }
        let paid = self.check_money(before, &now, pays, &mut faults);
        let mut has_receipt = false;
        let mut asked = false;
        for (home, has) in [("anna", &anna), ("otto", &otto)] {
            if has.deals.len() > 1 || has.exchanges.len() > 1 {
                faults.push(format!("{home} has bought or sold twice: {:?}", has.deals));
            }
            for deal in &has.deals {
                for finding in self.findings(home, &deal[0]) {
                    has_receipt |= finding.replaced && home == "anna";
                    asked |= finding.asked;
                    if finding.wrong {
                        faults.push(finding.text);
                    }
                }
                let verify = ["archive", "verify", "--home", home, &deal[0][..16]];
                let verified = self.market.semper(&verify).unwrap();
                if verified.code != 0 {
                    faults.push(format!("{home}: {}{}", verified.out, verified.err));
                }
            }
        }
        has_receipt |= self.has_receipt(&anna);
        if paid != has_receipt {
            faults.push(format!("unfair: paid {paid}, receipt {has_receipt}"));
        }
        self.check_goods(before, &now, &otto, paid, &mut faults);
        let end = match (paid, anna.exchanges.is_empty() && otto.exchanges.is_empty()) {
            (true, _) => End::Both,
            (false, false) => End::Neither,
            (false, true) => End::NotBegun,
        };
        match (closed, faults.is_empty()) {
            (Some(closed), true) => {
                let what = format!("purchase, {pays}");
                Ok(Outcome { what, end, asked, closed })
            }
            _ => Err(faults),
        }
    }

    /// Whether the merchant was paid. What one has lost, the other has; nothing is held but what is
    /// paid and could still be taken back.
    fn check_money(
        &self,
        before: &Books,
        now: &Books,
        pays: &str,
        faults: &mut Vec<String>,
    ) -> bool {
        let spent = before.anna - now.anna;
        let (got, held) = (now.otto - before.otto, now.held - before.held);
        let paid = if pays == "reversible" { got + held } else { got };
        if spent != paid || got < 0 || held < 0 || (pays != "reversible" && held != 0) {
            faults.push(format!("{pays}: spent {spent}, paid {got}, held {held}"));
        }
        if now.sum != 0 {
            faults.push(format!("the bank's books sum to {}", now.sum));
        }
        paid > 0
    }

    fn has_receipt(&self, anna: &Home) -> bool {
        let archive = self.file("anna/archive.sqlite");
        anna.deals.iter().any(|deal| {
            let sql =
                "SELECT count(*) FROM evidence WHERE kind = 'receipt' AND lower(hex(deal)) = ";
            ask(&archive, &format!("{sql}'{}'", deal[0])) > 0
        })
    }

    /// Goods leave the stock when they are paid for, and only then. A deal that waits for its buyer
    /// until a date may keep something for so long.
    fn check_goods(
        &self,
        before: &Books,
        now: &Books,
        otto: &Home,
        paid: bool,
        faults: &mut Vec<String>,
    ) {
        let parcels = now.parcels - before.parcels;
        if parcels != i64::from(paid) {
            faults.push(format!("paid {paid}, {parcels} parcels"));
        }
        for deal in &otto.deals {
            let reserved = now.reserved.iter().filter(|it| it[0] == deal[0]).count();
            if reserved != usize::from(paid) && !is_dated(deal) {
                faults.push(format!("paid {paid}, {reserved} reservations: {deal:?}"));
            }
        }
    }
}
