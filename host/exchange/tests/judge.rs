//! Evidence of several parties, judged together: what no side can show alone, and what is missing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use semper_base::{Digest, Timestamp};
use semper_exchange::crypto::Signed;
use semper_exchange::dates::TOLERANCE;
use semper_exchange::judge::{
    Blame, Evidence, Finding, Line, Missing, PublicLog, Ruling, join, judge, judge_together,
};
use semper_exchange::message::{Accept, Promise, Token};
use semper_exchange::standard::Standard;
use semper_exchange::verdict::{Abort, Answer, Asked, Decided, Decision, Request, Verdict, Wish};
use semper_exchange::{Agreed, End, Event, Mode, Role};
use semper_exchange_tests::{Kind, Local, Run, Services as _, Trader, agree};

const PRICE: i64 = 2_500;

/// Two sides with a third party and a bank, who have agreed.
struct Scene<'a> {
    local: &'a Local,
    traders: &'a [Trader; 2],
    agreed: Agreed<Standard>,
}

fn traders(local: &Local, gives: &Kind) -> [Trader; 2] {
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let bank = local.bank.public();
    let certify = |prepared: &_| {
        let seal = local.third.seal_public();
        semper_exchange_tests::trader::certify(&local.third, &seal, prepared)
    };
    let money = Kind::Money(PRICE, vec![Mode::Hold]);
    let originator = Trader::new(&otto, &anna, bank, std::slice::from_ref(gives), &certify);
    let responder = Trader::new(&anna, &otto, bank, &[money], &certify);
    [originator, responder]
}

impl<'a> Scene<'a> {
    fn new(local: &'a Local, traders: &'a [Trader; 2]) -> Self {
        let agreed = agree(&traders[0], &traders[1], &local.named(), |_| {}).unwrap();
        Self { local, traders, agreed }
    }

    fn run(&self) -> Run<'_, Local> {
        Run::new(self.local, &self.agreed, &self.traders[0], &self.traders[1])
    }

    /// Runs until the originator has delivered; what it has sent does not arrive.
    fn delivered(&self) -> Run<'_, Local> {
        let mut run = self.run();
        run.happens(Role::Originator, Event::Start);
        for _ in 0..2 {
            let (to, message) = run.post.pop_front().unwrap();
            run.happens(to, Event::Message(message));
        }
        run.post.clear();
        run
    }

    fn abort(&self, run: &Run<'_, Local>) -> Request<Standard> {
        let promise = run.originator.kept.promise.clone().unwrap();
        let body = Abort { promise: promise.digest(), role: Role::Originator };
        let signed = Signed::new(&self.traders[0].keys, self.agreed.subject(), body);
        Request { wish: Wish::Abort(signed.unwrap()), promise, accept: None }
    }

    fn now(&self) -> Timestamp {
        self.local.now()
    }
}

fn one(findings: &[Finding]) -> &Finding {
    assert_eq!(findings.len(), 1);
    &findings[0]
}

fn verdict(evidence: &Evidence<Standard>) -> Digest {
    let decided = evidence.answers.iter().find_map(|it| match it {
        Answer::Decided(it) => Some(it.verdict.digest()),
        _ => None,
    });
    decided.unwrap()
}

#[test]
fn two_verdicts_that_each_side_has_one_of_are_found_together() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Statement);
    let scene = Scene::new(&local, &traders);
    let mut run = scene.delivered();
    // The third party is restored from an old copy between the two requests.
    run.happens(Role::Responder, Event::TimeUp);
    local.cases.lock().unwrap().clear();
    let aborted = local.ask(&scene.abort(&run)).unwrap();
    let buyer = run.responder.evidence();
    let mut merchant = Evidence::of(scene.agreed.clone());
    merchant.answers.push(aborted);
    for alone in [&buyer, &merchant] {
        assert!(judge(alone, scene.now()).blame.is_empty());
    }

    let both = join([buyer.clone(), merchant, buyer]);

    let findings = judge_together(&both, &[], scene.now());
    assert_eq!(one(&findings).blame, [Blame::TwoVerdicts]);
}

#[test]
fn an_abort_and_a_delivery_that_are_in_different_hands_are_found_together() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Statement);
    let scene = Scene::new(&local, &traders);
    let run = scene.delivered();
    let mut buyer = run.responder.evidence();
    buyer.delivers.extend(run.originator.kept.deliver.clone());
    let mut asked = Evidence::of(scene.agreed.clone());
    asked.requests.push(scene.abort(&run));

    let findings = judge_together(&join([buyer.clone(), asked]), &[], scene.now());

    assert_eq!(one(&findings).blame, [Blame::AbortedAndDelivered]);
    assert!(judge(&buyer, scene.now()).blame.is_empty());
}

#[test]
fn the_same_evidence_twice_is_no_contradiction() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Statement);
    let scene = Scene::new(&local, &traders);
    let mut run = scene.run();
    run.to_the_end();
    let sides = [run.originator.evidence(), run.responder.evidence()];
    let all = join(sides.iter().chain(&sides).cloned());

    let findings = judge_together(&all, &[], scene.now());

    let finding = one(&findings);
    assert!(finding.blame.is_empty() && finding.missing.is_empty(), "{finding:?}");
    assert_eq!(finding.ruling, Ruling::Completed);
}

#[test]
fn a_log_that_is_the_third_partys_shows_a_second_verdict() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Statement);
    let scene = Scene::new(&local, &traders);
    let mut run = scene.delivered();
    let abort = scene.abort(&run);
    let mut aborted = Evidence::of(scene.agreed.clone());
    aborted.answers.push(local.ask(&abort).unwrap());
    local.cases.lock().unwrap().clear();
    run.happens(Role::Responder, Event::TimeUp);
    let completed = run.responder.evidence();
    let exchange = scene.agreed.subject();
    let line = |evidence| Line { exchange, verdict: verdict(evidence) };
    let other = Line { exchange: Digest::of(b"another"), verdict: Digest::of(b"other") };
    let lines = vec![line(&completed), other, line(&aborted), line(&completed)];
    let of = Some(scene.agreed.third_party.origin.clone());
    let believed = PublicLog { of, lines, seen: None };
    let forged = PublicLog { of: None, ..believed.clone() };
    let judged = |evidence: &Evidence<Standard>, log: &PublicLog| {
        let all = std::slice::from_ref(evidence);
        judge_together(all, std::slice::from_ref(log), scene.now()).remove(0)
    };

    // Nothing stands beside an abort; beside a completion may stand a fault that was shown later.
    assert_eq!(judged(&aborted, &believed).blame, [Blame::TwoVerdicts]);
    let finding = judged(&completed, &believed);
    assert!(finding.blame.is_empty(), "{finding:?}");
    assert_eq!(finding.missing, [Missing::Verdict(verdict(&aborted))]);
    // Anybody can write lines: without the log's key they say what to ask for, and no more.
    let finding = judged(&aborted, &forged);
    assert!(finding.blame.is_empty(), "{finding:?}");
    assert!(finding.missing.contains(&Missing::Verdict(verdict(&completed))));
    // A third verdict is one too many, whatever it is.
    let mut three = believed.clone();
    three.lines.push(Line { exchange, verdict: Digest::of(b"a third") });
    assert_eq!(judged(&completed, &three).blame, [Blame::TwoVerdicts]);
}

#[test]
fn a_verdict_that_a_witness_has_seen_before_its_date_is_postdated() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Statement);
    let scene = Scene::new(&local, &traders);
    let mut run = scene.delivered();
    run.happens(Role::Responder, Event::TimeUp);
    let evidence = run.responder.evidence();
    let exchange = scene.agreed.subject();
    let seen = |at: Timestamp| {
        let of = Some(scene.agreed.third_party.origin.clone());
        let lines = vec![Line { exchange, verdict: verdict(&evidence) }];
        let log = PublicLog { of, lines, seen: Some(at) };
        judge_together(std::slice::from_ref(&evidence), &[log], scene.now()).remove(0).blame
    };
    let second = Duration::from_millis(1_000);

    assert!(seen(scene.now()).is_empty());
    assert!(seen(scene.now().after(Duration::from_secs(1 << 20))).is_empty());
    assert!(seen(scene.now().before(TOLERANCE)).is_empty());
    assert_eq!(seen(scene.now().before(TOLERANCE).before(second)), [Blame::Misdated]);
}

#[test]
fn a_lock_of_another_exchange_blames_whoever_gives_it() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Statement);
    let (first, second) = (Scene::new(&local, &traders), Scene::new(&local, &traders));
    let one = first.delivered();
    let other = second.delivered();
    let token = one.responder.kept.accept.clone().unwrap().body().tokens.clone();
    let promise = other.responder.kept.promise.clone().unwrap();
    let body = Accept { promise: promise.digest(), tokens: token };
    let accept = Signed::new(&traders[1].keys, second.agreed.subject(), body).unwrap();
    let mut evidence = Evidence::of(second.agreed.clone());
    evidence.promises.push(promise);
    evidence.accepts.push(accept);

    let all = join([one.responder.evidence(), evidence]);
    let findings = judge_together(&all, &[], first.now());

    assert!(findings[0].blame.is_empty());
    assert_eq!(findings[1].blame, [Blame::OtherHold(Role::Responder)]);
}

#[test]
fn one_escrow_in_two_exchanges_blames_its_maker_and_nobody_who_was_copied() {
    let local = Local::new();
    let text = Kind::Information(b"a text".to_vec());
    let (own, others) = (traders(&local, &text), traders(&local, &text));
    let (first, second) = (Scene::new(&local, &own), Scene::new(&local, &own));
    let third = Scene::new(&local, &others);
    let promised = |scene: &Scene<'_>, trader: &Trader, tokens: Vec<Token<Standard>>| {
        let body = Promise { agreement: scene.agreed.clone(), tokens };
        let mut evidence = Evidence::of(scene.agreed.clone());
        evidence.promises.push(Signed::new(&trader.keys, scene.agreed.subject(), body).unwrap());
        evidence
    };
    let genuine = first.delivered().originator.evidence();
    let tokens = genuine.promises[0].body().tokens.clone();
    let again = promised(&second, &own[0], tokens.clone());
    let copied = promised(&third, &others[0], tokens);
    let judged = |other: &Evidence<Standard>| -> Vec<Vec<Blame>> {
        let all = join([genuine.clone(), other.clone()]);
        judge_together(&all, &[], first.now()).into_iter().map(|it| it.blame).collect()
    };

    assert_eq!(judged(&again), [[Blame::PromisedTwice(Role::Originator)]; 2]);
    assert_eq!(judged(&copied), [vec![], vec![]]);
}

#[test]
fn exchanges_that_have_nothing_to_do_with_each_other_are_judged_each() {
    let local = Local::new();
    let (one, other) = (traders(&local, &Kind::Statement), traders(&local, &Kind::Statement));
    let (first, second) = (Scene::new(&local, &one), Scene::new(&local, &other));
    let mut done = first.run();
    done.to_the_end();
    let open = second.delivered();

    let all = join([done.evidence(), open.originator.evidence()]);
    let findings = judge_together(&all, &[], first.now());

    assert_eq!(findings[0].ruling, Ruling::Completed);
    assert_eq!(findings[1].ruling, Ruling::Owed(Role::Originator));
    // The originator has delivered. Whether it has been paid, bank or third party can say.
    let wanted = [Missing::Fact(Role::Responder), Missing::Decision];
    assert_eq!(findings[1].missing, wanted);
    assert!(findings.iter().all(|it| it.blame.is_empty()));
}

#[test]
fn a_fault_whose_complaint_nobody_shows_makes_the_third_party_answer_for_it() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Information(b"a text".to_vec()));
    let scene = Scene::new(&local, &traders);
    let run = scene.delivered();
    let request = scene.abort(&run);
    let fault = |complaint: Option<Digest>| {
        let decision = Decision::Fault {
            culprit: Role::Originator,
            fraud: semper_exchange::Fraud::Content,
            leaf: 0,
            promise: request.promise.detached(),
            accept: run.responder.kept.accept.as_ref().map(Signed::detached),
            complaint,
            after: None,
        };
        let verdict = Verdict { decision, at: scene.now() };
        let verdict = Signed::new(&local.third, scene.agreed.subject(), verdict).unwrap();
        let (promise, accept) = (None, None);
        let decided = Decided { verdict, promise, accept, replacements: Vec::new() };
        let mut evidence = run.originator.evidence();
        evidence.answers.push(Answer::Decided(Box::new(decided)));
        judge(&evidence, scene.now())
    };

    let finding = fault(Some(Digest::of(b"a complaint")));
    assert!(finding.blame.is_empty());
    assert!(finding.missing.contains(&Missing::Complaint) && Missing::Complaint.is_third_partys());
    let finding = fault(None);
    assert!(finding.missing.contains(&Missing::Escrow(Role::Originator)));
}

#[test]
fn an_originator_who_is_called_a_cheat_shows_its_seed_by_itself() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Information(b"a text".to_vec()));
    let scene = Scene::new(&local, &traders);
    let run = scene.delivered();
    let keys = &traders[0].keys;
    let now = scene.now();
    let (asking, _) = run.originator.clone().step(Event::TimeUp, now, keys).unwrap();
    assert!(asking.evidence().rebuttals.is_empty(), "it opens the information");
    let decision = Decision::Fault {
        culprit: Role::Originator,
        fraud: semper_exchange::Fraud::Key,
        leaf: 0,
        promise: asking.kept.promise.as_ref().unwrap().detached(),
        accept: asking.kept.accept.as_ref().map(Signed::detached),
        complaint: None,
        after: None,
    };
    let verdict = Signed::new(&local.third, scene.agreed.subject(), Verdict { decision, at: now });
    let (promise, accept) = (asking.kept.promise.clone(), asking.kept.accept.clone());
    let verdict = verdict.unwrap();
    let decided = Decided { verdict, promise, accept, replacements: Vec::new() };

    let event = Event::Answer(Answer::Decided(Box::new(decided)));
    let (after, _) = asking.step(event, now, keys).unwrap();

    // What the screen says is what any judge finds from the same evidence.
    assert_eq!(after.end(), Some(End::ThirdPartyFault));
    assert_eq!(judge(&after.evidence(), now).blame, [Blame::FalseFault]);
}

#[test]
fn false_information_under_a_hash_lock_is_found_by_the_judge_too() {
    let local = Local::new();
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let bank = local.bank.public();
    let certify = |prepared: &_| {
        let seal = local.third.seal_public();
        semper_exchange_tests::trader::certify(&local.third, &seal, prepared)
    };
    let promised = b"what was promised".to_vec();
    let lie = Kind::False(b"what has come now".to_vec(), promised.clone());
    let money = Kind::Money(PRICE, vec![Mode::HashLock]);
    let traders = [
        Trader::new(&otto, &anna, bank, &[lie], &certify),
        Trader::new(&anna, &otto, bank, &[money], &certify),
    ];
    traders[1].keys.goods().knows(&promised);
    let scene = Scene::new(&local, &traders);
    assert_eq!(scene.agreed.protocol, semper_exchange::Protocol::Hl);
    let mut run = scene.run();

    run.to_the_end();

    assert_eq!(run.end(Role::Responder), Some(End::Disputed));
    let finding = judge(&run.responder.evidence(), scene.now());
    let content = semper_exchange::Fraud::Content;
    assert_eq!(finding.blame, [Blame::Fraud(Role::Originator, content)]);
}

#[test]
fn false_information_under_weak_fairness_convicts_its_giver_whichever_side_it_is() {
    let local = Local::new();
    let (anna, otto) = (local.account("Anna"), local.account("Otto"));
    let bank = local.bank.public();
    let none = |_: &semper_exchange_tests::goods::Prepared| unreachable!("nothing is certified");
    let promised = b"what was promised".to_vec();
    for liar in [Role::Originator, Role::Responder] {
        let gives = |role: Role| match role == liar {
            true => Kind::False(b"what has come now".to_vec(), promised.clone()),
            false => Kind::Information(b"an honest page".to_vec()),
        };
        let traders = [
            Trader::new(&otto, &anna, bank, &[gives(Role::Originator)], &none),
            Trader::new(&anna, &otto, bank, &[gives(Role::Responder)], &none),
        ];
        traders.iter().for_each(|it| it.keys.goods().knows(&promised));
        let agreed = agree(&traders[0], &traders[1], &local.named(), |wishes| {
            wishes.protocols.retain(|it| *it == semper_exchange::Protocol::Wg);
        });
        let scene = Scene { local: &local, traders: &traders, agreed: agreed.unwrap() };
        let mut run = scene.run();

        run.to_the_end();

        let wronged = liar.other();
        let ended = run.end(wronged).unwrap();
        assert!(matches!(ended, End::Disputed | End::Wronged | End::Aborted), "{ended:?}");
        let evidence = match wronged {
            Role::Originator => run.originator.evidence(),
            Role::Responder => run.responder.evidence(),
        };
        let finding = judge(&evidence, scene.now());
        let fraud = Blame::Fraud(liar, semper_exchange::Fraud::Content);
        assert_eq!(finding.blame, [fraud], "{liar:?}: {ended:?}");
    }
}

#[test]
fn an_abort_that_rests_on_nothing_convicts_in_any_company() {
    let local = Local::new();
    let traders = traders(&local, &Kind::Statement);
    let scene = Scene::new(&local, &traders);
    let run = scene.delivered();
    let forged = Abort { promise: Digest::ZERO, role: Role::Originator };
    // Signed by the responder: not by whom it names.
    let forged: Signed<Standard, Abort> =
        Signed::new(&traders[1].keys, scene.agreed.subject(), forged).unwrap();
    let asked = Asked::Abort(Role::Originator, forged.detached());
    let decision = Decision::Abort { asked, facts: Vec::new() };
    let verdict = Verdict { decision, at: scene.now() };
    let verdict = Signed::new(&local.third, scene.agreed.subject(), verdict).unwrap();
    let (promise, accept) = (None, None);
    let mut evidence = Evidence::of(scene.agreed.clone());
    let decided = Decided { verdict, promise, accept, replacements: Vec::new() };
    evidence.answers.push(Answer::Decided(Box::new(decided)));

    let findings = judge_together(&join([run.evidence(), evidence]), &[], scene.now());

    assert_eq!(one(&findings).blame, [Blame::Baseless]);
}
