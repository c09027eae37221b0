//! Third parties that lie about time, clocks that are days apart, and completions that lack what
//! they promise: nobody honest is blamed, and nobody loses money by somebody else's clock.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Mutex;
use std::time::Duration;

use proptest::prelude::*;
use semper_base::Timestamp;
use semper_exchange::agreement::LOCK_MARGIN_MS;
use semper_exchange::bank::{Claim, ClaimError, ClaimRequest, Order, authorise, order_for};
use semper_exchange::crypto::Signed;
use semper_exchange::dates::TOLERANCE;
use semper_exchange::judge::{Blame, Evidence, Missing, judge};
use semper_exchange::standard::Standard;
use semper_exchange::third::{self, DECIDE_MS};
use semper_exchange::verdict::{Answer, Decided, Decision, Request, Submitted, Verdict};
use semper_exchange::{Agreed, End, Event, Mode, Originator, Responder, Role, party};
use semper_exchange_tests::services::{FUNDS, SignedFact};
use semper_exchange_tests::{Kind, Local, Run, Services, Trader, agree};
use semper_items::hold::Instruction;

const PRICE: i64 = 2_500;
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

/// Two sides who have agreed, with a clock each for bank, third party and both.
struct Town {
    local: Local,
    now: Mutex<Timestamp>,
    /// How far the clocks are apart from the true time: originator, responder, bank, third party.
    apart: [i64; 4],
}

impl Town {
    fn new(apart: [i64; 4]) -> Self {
        Self { local: Local::new(), now: Mutex::new(Timestamp::now()), apart }
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn wait(&self, millis: u64) {
        let mut now = self.now.lock().unwrap();
        *now = now.after(Duration::from_millis(millis));
    }

    fn set(&self, whose: usize) {
        *self.local.now.lock().unwrap() = moved(self.now(), self.apart[whose]);
    }

    fn traders(&self, gives: Kind) -> [Trader; 2] {
        let (anna, otto) = (self.local.account("Anna"), self.local.account("Otto"));
        let bank = self.local.bank.public();
        let certify = |prepared: &_| {
            let seal = self.local.third.seal_public();
            semper_exchange_tests::trader::certify(&self.local.third, &seal, prepared)
        };
        let money = Kind::Money(PRICE, vec![Mode::Hold]);
        let originator = Trader::new(&otto, &anna, bank, &[gives], &certify);
        let responder = Trader::new(&anna, &otto, bank, &[money], &certify);
        [originator, responder]
    }

    /// An exchange that can be accepted for long, so that clocks matter afterwards.
    fn agreed(&self, [originator, responder]: &[Trader; 2], dispute_ms: u64) -> Agreed<Standard> {
        let agreed = agree(originator, responder, &self.local.named(), |wishes| {
            wishes.accept_by = wishes.accept_by.after(Duration::from_millis(30 * DAY));
            wishes.close_by = wishes.close_by.after(Duration::from_millis(30 * DAY));
            wishes.dispute_ms = dispute_ms;
        });
        agreed.unwrap()
    }
}

impl Services for Town {
    fn hold(&self, account: &str, order: &Order<Standard>) -> Option<Result<SignedFact, String>> {
        self.set(2);
        self.local.hold(account, order)
    }

    fn claim(&self, request: &ClaimRequest<Standard>) -> Option<SignedFact> {
        self.set(2);
        self.local.claim(request)
    }

    fn ask(&self, request: &Request<Standard>) -> Option<Answer<Standard>> {
        self.set(3);
        self.local.ask(request)
    }

    fn clock(&self, role: Role) -> Timestamp {
        moved(self.now(), self.apart[usize::from(role == Role::Responder)])
    }
}

fn moved(time: Timestamp, by: i64) -> Timestamp {
    let far = Duration::from_millis(by.unsigned_abs());
    if by < 0 { time.before(far) } else { time.after(far) }
}

/// A receipt for money, both promises made; the parties' machines both ask the third party next.
struct Scene {
    town: Town,
    traders: [Trader; 2],
    agreed: Agreed<Standard>,
    begun: Timestamp,
}

impl Scene {
    fn new() -> Self {
        Self::of(Kind::Statement, 0)
    }

    fn of(gives: Kind, dispute_ms: u64) -> Self {
        let town = Town::new([0; 4]);
        let traders = town.traders(gives);
        let agreed = town.agreed(&traders, dispute_ms);
        let begun = town.now();
        Self { town, traders, agreed, begun }
    }

    fn run(&self) -> Run<'_, Town> {
        Run::new(&self.town, &self.agreed, &self.traders[0], &self.traders[1])
    }

    /// Runs until both have promised and delivered, and nobody has heard of it.
    fn promised(&self) -> (Originator<Standard>, Responder<Standard>) {
        let later = self.town.now();
        *self.town.now.lock().unwrap() = self.begun;
        let mut run = self.run();
        run.happens(Role::Originator, Event::Start);
        let (_, promise) = run.post.pop_front().unwrap();
        run.happens(Role::Responder, Event::Message(promise));
        let responder = run.responder.clone();
        let (_, accept) = run.post.pop_front().unwrap();
        run.happens(Role::Originator, Event::Message(accept));
        *self.town.now.lock().unwrap() = later;
        let now = later;
        let (originator, _) =
            run.originator.clone().step(Event::TimeUp, now, &self.traders[0].keys).unwrap();
        let (responder, _) = responder.step(Event::TimeUp, now, &self.traders[1].keys).unwrap();
        (originator, responder)
    }

    fn sign(&self, verdict: Verdict<Standard>) -> Signed<Standard, Verdict<Standard>> {
        Signed::new(&self.town.local.third, self.agreed.subject(), verdict).unwrap()
    }

    /// What an honest third party answers to this side; its dates can be changed.
    fn completed(
        &self,
        to: &Request<Standard>,
        change: impl Fn(&mut Verdict<Standard>),
    ) -> Decided<Standard> {
        let at = self.town.now();
        let from = at.after(Duration::from_millis(self.agreed.dispute_ms));
        let accept = to.accept.as_ref().map(Signed::detached);
        let promise = to.promise.detached();
        let decision = Decision::Complete { promise, accept, facts: Vec::new(), from };
        let mut verdict = Verdict { decision, at };
        change(&mut verdict);
        let (promise, accept) = (to.promise.clone(), to.accept.clone());
        let stored =
            third::Stored { verdict, promise, accept, deposits: (None, None), after: None };
        match third::answer(&stored, to.wish.role(), &self.town.local.third).unwrap() {
            Answer::Decided(decided) => *decided,
            other => panic!("{other:?}"),
        }
    }

    fn expired(&self, at: Timestamp) -> Decided<Standard> {
        let decision = Decision::Expired { close_by: self.agreed.close_by };
        bare(self.sign(Verdict { decision, at }))
    }

    /// The answer comes to both sides; how they end.
    fn heard(&self, decided: impl Fn(&Request<Standard>) -> Decided<Standard>) -> Heard {
        let (originator, responder) = self.promised();
        let now = self.town.now();
        let answer = |request: &Option<Request<Standard>>| {
            Event::Answer(Answer::Decided(Box::new(decided(request.as_ref().unwrap()))))
        };
        let event = answer(&originator.kept.request);
        let (originator, _) = originator.step(event, now, &self.traders[0].keys).unwrap();
        let event = answer(&responder.kept.request);
        let (responder, _) = responder.step(event, now, &self.traders[1].keys).unwrap();
        Heard { originator, responder }
    }

    fn claim(
        &self,
        decided: &Decided<Standard>,
        now: Timestamp,
    ) -> Result<Instruction, ClaimError> {
        let order = order_for(&self.agreed, Role::Responder).unwrap();
        authorise(&order, &Claim::Verdict(Box::new(decided.verdict.clone())), now)
    }
}

struct Heard {
    originator: Originator<Standard>,
    responder: Responder<Standard>,
}

impl Heard {
    fn ends(&self) -> [Option<End>; 2] {
        [self.originator.end(), self.responder.end()]
    }

    fn evidence(&self) -> [Evidence<Standard>; 2] {
        [self.originator.evidence(), self.responder.evidence()]
    }
}

fn bare(verdict: Signed<Standard, Verdict<Standard>>) -> Decided<Standard> {
    Decided { verdict, promise: None, accept: None, replacements: Vec::new() }
}

fn set_from(verdict: &mut Verdict<Standard>, date: Timestamp) {
    if let Decision::Complete { from, .. } = &mut verdict.decision {
        *from = date;
    }
}

/// Case E3.
#[test]
fn a_completion_whose_money_could_never_move_is_worth_nothing_and_convicts() {
    let scene = Scene::new();
    let never = scene.agreed.lock_until.after(Duration::from_millis(30 * DAY));

    let heard = scene.heard(|request| scene.completed(request, |it| set_from(it, never)));

    assert_eq!(heard.ends(), [Some(End::ThirdPartyFault); 2]);
    for evidence in heard.evidence() {
        assert_eq!(judge(&evidence, scene.town.now()).blame, [Blame::Misdated]);
    }
    let (_, responder) = scene.promised();
    let decided = scene.completed(&responder.kept.request.unwrap(), |it| set_from(it, never));
    for now in [scene.town.now(), never, never.after(TOLERANCE)] {
        assert!(matches!(scene.claim(&decided, now), Err(ClaimError::Verdict(_))));
    }
}

#[test]
fn a_decision_after_the_last_date_convicts_whatever_the_clocks_say() {
    let scene = Scene::new();
    let late = scene.agreed.close_by.after(Duration::from_millis(1));
    for now in [scene.agreed.accept_by, late, late.after(Duration::from_millis(9 * DAY))] {
        *scene.town.now.lock().unwrap() = now;

        let heard = scene.heard(|request| {
            scene.completed(request, |it| {
                it.at = late;
                set_from(it, late);
            })
        });

        assert_eq!(heard.ends(), [Some(End::ThirdPartyFault); 2]);
    }
}

#[test]
fn a_completion_at_the_very_last_moment_is_good() {
    let scene = Scene::new();
    *scene.town.now.lock().unwrap() = scene.agreed.close_by;

    let heard = scene.heard(|request| scene.completed(request, |_| {}));

    assert_eq!(heard.responder.end(), Some(End::Completed));
    let decided = heard.responder.kept.decided().unwrap();
    let from = Some(scene.agreed.close_by);
    assert_eq!(scene.claim(decided, scene.town.now()), Ok(Instruction::Release { from }));
    for evidence in heard.evidence() {
        assert!(judge(&evidence, scene.town.now()).blame.is_empty());
    }
}

/// Case E4.
#[test]
fn a_verdict_from_the_future_is_none_until_its_date_and_the_honest_answer_is_heard() {
    let scene = Scene::new();
    let next_week = scene.agreed.close_by.after(Duration::from_millis(2 * DAY));
    let expired = scene.expired(next_week);

    let heard = scene.heard(|_| expired.clone());

    assert_eq!(heard.ends(), [None, None]);
    assert!(matches!(scene.claim(&expired, scene.town.now()), Err(ClaimError::NotYet(_))));
    for evidence in heard.evidence() {
        let finding = judge(&evidence, scene.town.now());
        assert!(finding.blame.is_empty() && finding.verdict.is_none(), "{finding:?}");
    }
    // When its date has come it is a verdict like others: it may have been our clock.
    let keys = &scene.traders[1].keys;
    let again = Event::Answer(Answer::Decided(Box::new(expired.clone())));
    let (later, _) = heard.responder.clone().step(again, next_week, keys).unwrap();
    assert_eq!(later.end(), Some(End::Expired));
    assert_eq!(scene.claim(&expired, next_week), Ok(Instruction::Refund));
    // Meanwhile the third party may have come to itself. Then it has signed two verdicts.
    let request = heard.responder.kept.request.clone().unwrap();
    let honest = scene.completed(&request, |_| {});
    let event = Event::Answer(Answer::Decided(Box::new(honest.clone())));
    let now = scene.town.now();
    let (completed, _) = heard.responder.step(event, now, keys).unwrap();
    assert_eq!(completed.end(), Some(End::Completed));
    assert_eq!(completed.kept.decided().unwrap().verdict, honest.verdict);
    assert_eq!(judge(&completed.evidence(), now).blame, [Blame::TwoVerdicts]);
}

#[test]
fn a_clock_that_is_a_little_behind_refuses_nothing() {
    let scene = Scene::new();
    let ahead = scene.town.now().after(TOLERANCE);

    let heard = scene.heard(|request| {
        scene.completed(request, |it| {
            it.at = ahead;
            set_from(it, ahead);
        })
    });

    assert_eq!(heard.responder.end(), Some(End::Completed));
}

#[test]
fn a_bank_gives_nothing_back_for_too_late_before_it_can_be_too_late() {
    // A third party that works with the payer, the day after the lock was made.
    let scene = Scene::new();
    let now = scene.town.now();
    let decision = Decision::Expired { close_by: now.before(Duration::from_millis(HOUR)) };
    let early = bare(scene.sign(Verdict { decision, at: now }));

    assert!(matches!(scene.claim(&early, now), Err(ClaimError::NotYet(_))));
    let heard = scene.heard(|_| early.clone());
    assert_eq!(heard.ends(), [Some(End::ThirdPartyFault); 2]);
}

/// Case E5.
#[test]
fn a_completion_without_its_affidavit_convicts_nobody_and_is_asked_for_again() {
    let scene = Scene::new();

    let heard = scene.heard(|request| {
        let mut decided = scene.completed(request, |_| {});
        decided.replacements.clear();
        decided
    });

    // Whether it was held back or taken off, nobody can tell: the screen and the judge say the same.
    assert_eq!(heard.responder.end(), None);
    let now = scene.town.now();
    let finding = judge(&heard.responder.evidence(), now);
    assert!(finding.blame.is_empty(), "{finding:?}");
    assert_eq!(finding.missing, [Missing::Replacement(Role::Responder)]);
    assert!(finding.missing[0].is_third_partys());
    // Asked again, an honest third party shows it, and clears itself.
    let keys = &scene.traders[1].keys;
    let (asking, effects) = heard.responder.step(Event::Resend, now, keys).unwrap();
    assert!(effects.iter().any(|it| matches!(it, party::Effect::Ask(_))), "{effects:?}");
    let whole = scene.completed(asking.kept.request.as_ref().unwrap(), |_| {});
    let event = Event::Answer(Answer::Decided(Box::new(whole)));
    let (after, _) = asking.step(event, now, keys).unwrap();
    assert_eq!(after.end(), Some(End::Completed));
    assert!(judge(&after.evidence(), now).missing.is_empty());
}

#[test]
fn a_note_of_receipt_after_the_verdict_shows_that_one_of_the_dates_is_a_lie() {
    let scene = Scene::new();
    let heard = scene.heard(|request| scene.completed(request, |_| {}));
    let decided = heard.responder.kept.decided().unwrap().verdict.body().at;
    let request = heard.responder.kept.request.as_ref().unwrap().wish.digest();
    let note = |at: Timestamp, time: u64| {
        let decide_by = at.after(Duration::from_millis(time));
        let body = Submitted { request, at, decide_by };
        let signed = Signed::new(&scene.town.local.third, scene.agreed.subject(), body);
        let mut evidence = heard.responder.evidence();
        evidence.answers.push(Answer::Submitted(signed.unwrap()));
        judge(&evidence, scene.town.now().after(Duration::from_millis(DAY))).blame
    };
    let second = Duration::from_millis(1_000);

    assert!(note(decided, DECIDE_MS).is_empty());
    assert!(note(decided.before(Duration::from_millis(HOUR)), DECIDE_MS).is_empty());
    // Two machines of one third party may be a little apart.
    assert!(note(decided.after(TOLERANCE), DECIDE_MS).is_empty());
    assert_eq!(note(decided.after(TOLERANCE).after(second), DECIDE_MS), [Blame::Misdated]);
    // It may not give itself a year either.
    assert_eq!(note(decided, 365 * DAY), [Blame::Misdated]);
}

#[test]
fn a_note_from_the_future_is_not_kept() {
    let scene = Scene::new();
    let (_, responder) = scene.promised();
    let now = scene.town.now();
    let request = responder.kept.request.clone().unwrap();
    let later = now.after(Duration::from_millis(DAY));
    let note = third::submitted(&request, later, &scene.town.local.third).unwrap();
    let keys = &scene.traders[1].keys;

    let (after, _) = responder.clone().step(Event::Answer(note.clone()), now, keys).unwrap();
    assert_eq!(after, responder);
    let (after, _) = responder.step(Event::Answer(note.clone()), later, keys).unwrap();
    assert!(after.kept.answers.contains(&note));
}

#[test]
fn a_fault_that_comes_when_the_money_has_gone_convicts() {
    let text = Kind::Information(b"a text".to_vec());
    let scene = Scene::of(text, DAY);
    let (_, responder) = scene.promised();
    let request = responder.kept.request.clone().unwrap();
    let completed = scene.completed(&request, |_| {});
    let Decision::Complete { from, .. } = completed.verdict.body().decision else { panic!() };
    let fault = |at: Timestamp| {
        let decision = Decision::Fault {
            culprit: Role::Originator,
            fraud: semper_exchange::Fraud::Content,
            leaf: 0,
            promise: request.promise.detached(),
            accept: request.accept.as_ref().map(Signed::detached),
            complaint: Some(request.promise.digest()),
            after: Some(completed.verdict.digest()),
        };
        let mut evidence = responder.evidence();
        let both = [completed.clone(), bare(scene.sign(Verdict { decision, at }))];
        evidence.answers.extend(both.map(|it| Answer::Decided(Box::new(it))));
        judge(&evidence, from.after(TOLERANCE)).blame
    };

    assert!(fault(from.before(Duration::from_millis(1))).is_empty());
    assert_eq!(fault(from), [Blame::Misdated]);
    let before = completed.verdict.body().at.before(Duration::from_millis(HOUR));
    assert_eq!(fault(before), [Blame::Misdated]);
}

/// Anything that can happen on the way.
#[derive(Clone, Copy, Debug)]
enum Step {
    Deliver,
    Drop,
    Wait(u64),
    TimeUp(Role),
    Resend(Role),
}

fn step() -> impl Strategy<Value = Step> {
    let role = || prop_oneof![Just(Role::Originator), Just(Role::Responder)];
    prop_oneof![
        4 => Just(Step::Deliver),
        1 => Just(Step::Drop),
        1 => (0..60 * HOUR).prop_map(Step::Wait),
        1 => role().prop_map(Step::TimeUp),
        1 => role().prop_map(Step::Resend),
    ]
}

/// Milliseconds that a clock is wrong by: up to twelve days, both ways.
fn apart() -> impl Strategy<Value = i64> {
    let most = i64::try_from(12 * DAY).unwrap();
    -most..most
}

/// What honest clocks differ by.
fn little() -> impl Strategy<Value = i64> {
    let most = i64::try_from(TOLERANCE.as_millis()).unwrap() / 2;
    -most..=most
}

fn carry_out(run: &mut Run<'_, Town>, town: &Town, steps: &[Step]) {
    run.happens(Role::Originator, Event::Start);
    for step in steps {
        match *step {
            Step::Deliver => {
                if let Some((to, message)) = run.post.pop_front() {
                    run.happens(to, Event::Message(message));
                }
            }
            Step::Drop => drop(run.post.pop_front()),
            Step::Wait(millis) => town.wait(millis),
            Step::TimeUp(role) => run.happens(role, Event::TimeUp),
            Step::Resend(role) => run.happens(role, Event::Resend),
        }
    }
    // Everything is back, until long after the last date.
    let end = run.originator.agreement.lock_until.after(Duration::from_millis(26 * DAY));
    while town.now() < end {
        for role in [Role::Originator, Role::Responder] {
            if run.end(role).is_none() {
                run.happens(role, Event::TimeUp);
            }
            run.happens(role, Event::Resend);
            run.deliver();
        }
        let ended = run.end(Role::Originator).is_some() && run.end(Role::Responder).is_some();
        town.wait(if ended { 5 * DAY } else { 6 * HOUR });
    }
}

/// Whether the responder has the receipt, or what takes its place.
fn has_receipt(responder: &Responder<Standard>) -> bool {
    let completed = responder.kept.decided().is_some_and(|it| !it.replacements.is_empty());
    responder.kept.deliver.is_some() || completed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever the clocks of all four say, honest signatures contradict no agreed date, and by
    /// whichever clock it is judged: nobody is blamed.
    #[test]
    fn nobody_honest_is_blamed_for_a_clock(
        clocks in [apart(), apart(), apart(), apart()],
        steps in prop::collection::vec(step(), 0..24),
        judged in apart(),
    ) {
        let town = Town::new(clocks);
        let traders = town.traders(Kind::Statement);
        let agreed = town.agreed(&traders, 0);
        let mut run = Run::new(&town, &agreed, &traders[0], &traders[1]);

        carry_out(&mut run, &town, &steps);

        let at = moved(town.now(), judged);
        for evidence in [run.evidence(), run.originator.evidence(), run.responder.evidence()] {
            for at in [at, agreed.accept_by, agreed.close_by] {
                let finding = judge(&evidence, at);
                prop_assert!(finding.blame.is_empty(), "{finding:?}");
            }
        }
        prop_assert!(run.end(Role::Originator) != Some(End::ThirdPartyFault));
        prop_assert!(run.end(Role::Responder) != Some(End::ThirdPartyFault));
    }

    /// With bank and third party on time, a side whose own clock is right loses nothing, whatever
    /// the other's clock says; and it ends.
    #[test]
    fn nobody_loses_by_the_other_sides_clock(
        buyer in any::<bool>(),
        peer in apart(),
        honest in [little(), little(), little()],
        steps in prop::collection::vec(step(), 0..24),
    ) {
        let victim = if buyer { Role::Responder } else { Role::Originator };
        let mut clocks = [peer, peer, honest[1], honest[2]];
        clocks[usize::from(buyer)] = honest[0];
        let town = Town::new(clocks);
        let traders = town.traders(Kind::Statement);
        let agreed = town.agreed(&traders, 0);
        let mut run = Run::new(&town, &agreed, &traders[0], &traders[1]);

        carry_out(&mut run, &town, &steps);

        let paid = town.local.balance(&traders[0].account) == FUNDS + PRICE;
        let spent = town.local.balance(&traders[1].account) < FUNDS;
        let receipt = has_receipt(&run.responder);
        prop_assert!(!buyer || !spent || receipt, "{:?}", run.responder.state);
        prop_assert!(buyer || !receipt || paid, "{:?}", run.originator.state);
        // A buyer to whom no promise has come has nothing to end.
        let idle = run.responder.kept.promise.is_none() && buyer;
        prop_assert!(run.end(victim).is_some() || idle);
    }

    /// However a corrupt third party dates a completion or an abort: outside of the agreed dates no
    /// money moves, nor before its date has come by the bank's clock.
    #[test]
    fn a_verdict_outside_of_the_bounds_moves_no_money(
        at in -40i64..60,
        later in -3i64..60,
        hours in 0u64..24,
        clock in 0u64..60,
    ) {
        let scene = Scene::new();
        let (_, responder) = scene.promised();
        let start = scene.town.now();
        let day = i64::try_from(DAY).unwrap();
        let at = moved(start, at * day).after(Duration::from_millis(hours * HOUR));
        let from = moved(at, later * day);
        let now = start.after(Duration::from_millis(clock * DAY));
        let decided = scene.completed(responder.kept.request.as_ref().unwrap(), |it| {
            it.at = at;
            set_from(it, from);
        });

        let founded = decided.verdict.body().check(&decided.verdict, &scene.agreed);
        let claimed = scene.claim(&decided, now);

        if claimed.is_ok() {
            prop_assert!(founded.is_ok(), "{at} {from}");
            prop_assert!(at <= now.after(TOLERANCE));
            let end = scene.agreed.lock_until.before(Duration::from_millis(LOCK_MARGIN_MS));
            prop_assert!(from <= end);
        } else {
            prop_assert!(founded.is_err() || at > now.after(TOLERANCE), "{at} {from} {claimed:?}");
        }
    }
}
