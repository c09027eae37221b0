//! What must hold: fairness, timeliness, who can be blamed and what can be proven (I1 to I17).

use semper_base::Timestamp;
use semper_exchange::dates;
use semper_exchange::judge::{Blame, Evidence, Finding, Got, Rebuttal, judge};
use semper_exchange::manager::Secret;
use semper_exchange::message::Delivery;
use semper_exchange::third::{self, Case};
use semper_exchange::verdict::{Answer, Decided, Decision, Replacement};
use semper_exchange::{End, Fairness, Item, Message, Protocol, Role};
use semper_ledger::Hold;

use crate::model::SIDES;
use crate::symbolic::{Hand, Symbolic, Who, false_description};
use crate::world::{Config, World, key};

/// Which leaves of a side's package the other side has.
pub fn got(world: &World, config: &Config, from: Role) -> Vec<bool> {
    let agreement = &config.setup.agreement;
    let completed = world.issued.values().any(|it| {
        matches!(it.body().decision, Decision::Complete { .. })
            && it.body().check(it, agreement).is_ok()
    });
    let stored = match &world.case {
        Some(Case::Decided(stored)) => Some(stored),
        _ => None,
    };
    let leaves = agreement.gives(from).iter().enumerate();
    leaves
        .map(|(index, leaf)| {
            let place = semper_exchange::manager::Place { agreement, from, index };
            let sent = world.net.values().any(|message| {
                let items = match (message, from) {
                    (Message::Deliver(it), Role::Originator)
                        if it.is_by(&key(from), agreement.subject()) =>
                    {
                        &it.body().items
                    }
                    (Message::Settle(it), Role::Responder)
                        if it.is_by(&key(from), agreement.subject()) =>
                    {
                        &it.body().items
                    }
                    _ => return false,
                };
                matches!(items.get(index), Some(Delivery::Signature(_) | Delivery::Key(_)))
            });
            let replaced = completed
                || stored
                    .is_some_and(|it| matches!(it.verdict.decision, Decision::Complete { .. }));
            match &leaf.item {
                Item::Money(_) => {
                    let row = world.bank.row(agreement.third_party.sign, place.name());
                    // Money that went to another payee, or under other terms, is not this.
                    let as_agreed = row.is_some_and(|row| {
                        row.order == semper_exchange::bank::order_for(agreement, from)
                    });
                    // A completion that nothing has been shown against moves it in time.
                    let standing =
                        completed || replaced && stored.is_some_and(|it| it.after.is_none());
                    as_agreed
                        && row.is_some_and(|row| match row.hold {
                            Hold::Released(_) => true,
                            Hold::Held(_) => standing,
                            // Nobody but the third party can take it back, by a fault.
                            Hold::Provisional { .. } => {
                                standing || stored.is_none() && agreement.protocol == Protocol::Ger
                            }
                            _ => false,
                        })
                }
                Item::Information(info) => {
                    let opened = agreement.money(from.other()).is_some_and(|(index, _)| {
                        let leaf = agreement.leaf(from.other(), index);
                        let row = world.bank.row(agreement.third_party.sign, leaf);
                        row.is_some_and(|row| row.opened.is_some())
                    });
                    let good = info.description != false_description();
                    (sent || opened || (replaced && openable(world, config, from))) && good
                }
                Item::Statement { .. } => sent || replaced,
            }
        })
        .collect()
}

/// Whether the third party can open what a side has escrowed; the model's cheat escrows either
/// what it should or nothing of worth.
pub(crate) fn openable(world: &World, config: &Config, from: Role) -> bool {
    let Some(Case::Decided(stored)) = &world.case else { return true };
    let to = from.other();
    let hand = Hand { who: Who::ThirdParty };
    let answer = third::answer(stored, to, &hand);
    let Ok(Answer::Decided(decided)) = answer else { return false };
    let information = |index: usize| {
        let leaf = config.setup.agreement.gives(from).get(index);
        leaf.is_some_and(|leaf| matches!(leaf.item, Item::Information(_)))
    };
    decided.replacements.iter().enumerate().all(|(index, it)| {
        !information(index) || matches!(it, Replacement::Opening(_) | Replacement::Deposited(_))
    })
}

/// I1, I2: an honest side that has ended has what it was promised, or the other has nothing of
/// it. Looked at once everything that is owed to it has been claimed.
pub(crate) fn is_fair(world: &World, config: &Config, role: Role) -> bool {
    let Some(end) = world.end(role) else { return true };
    let given = got(world, config, role);
    let has = got(world, config, role.other());
    // What the third party would give to whoever asked is no use to whoever has left.
    let left = !matches!(end, End::Done | End::Completed);
    let has = if left { vec![false] } else { has };
    let weak = config.setup.agreement.fairness == Fairness::Weak && end == End::Wronged;
    weak || !given.contains(&true) || !has.contains(&false)
}

pub(crate) fn evidence(world: &World, config: &Config) -> Evidence<Symbolic> {
    let mut all = Evidence::of(config.setup.agreement.clone());
    for message in world.net.values() {
        match message.clone() {
            Message::Promise(it) => all.promises.push(it),
            Message::Accept(it) => all.accepts.push(it),
            Message::Deliver(it) => all.delivers.push(it),
            Message::Settle(it) => all.settles.push(it),
        }
    }
    all.requests.extend(world.asked.values().cloned());
    if let Some(it) = &world.originator {
        all = all.with(&it.kept);
    }
    if let Some(it) = &world.responder {
        all = all.with(&it.kept);
    }
    for verdict in world.issued.values() {
        let decided = Decided {
            verdict: verdict.clone(),
            promise: None,
            accept: None,
            replacements: Vec::new(),
        };
        all.answers.push(Answer::Decided(Box::new(decided)));
    }
    if let Some(Case::Decided(stored)) = &world.case {
        let hand = Hand { who: Who::ThirdParty };
        for role in SIDES {
            all.answers.extend(third::answer(stored, role, &hand).ok());
        }
    }
    for (from, secrets) in
        [(Role::Originator, &config.setup.originator), (Role::Responder, &config.setup.responder)]
    {
        for (index, secret) in secrets.iter().enumerate() {
            if let (Secret::Shares { escrowed, seeds, .. }, true) =
                (secret, config.corrupt.is_honest(from))
            {
                let leaf = u32::try_from(index).unwrap_or(0);
                let (share, seed) = (*escrowed, seeds.0);
                all.rebuttals.push(Rebuttal { from, leaf, share, seed });
            }
        }
    }
    all
}

/// What a side itself has, and the verdicts that are public.
pub(crate) fn own_evidence(world: &World, config: &Config, role: Role) -> Evidence<Symbolic> {
    let mut own = Evidence::of(config.setup.agreement.clone());
    let kept = match role {
        Role::Originator => world.originator.as_ref().map(|it| &it.kept),
        Role::Responder => world.responder.as_ref().map(|it| &it.kept),
    };
    if let Some(kept) = kept {
        own = own.with(kept);
    }
    own
}

pub(crate) fn finding(world: &World, config: &Config, at: Timestamp) -> Finding {
    judge(&evidence(world, config), at)
}

/// I10: the judge blames nobody honest.
pub(crate) fn blames_no_honest(world: &World, config: &Config) -> bool {
    let finding = finding(world, config, world.date.time());
    finding.blame.iter().all(|blame| match blame.culprit() {
        None => !config.corrupt.has_honest_third_party(),
        Some(Role::Originator) if matches!(blame, Blame::Fraud(..)) && sells_false(config) => true,
        Some(role) => !config.corrupt.is_honest(role),
    })
}

pub(crate) fn sells_false(config: &Config) -> bool {
    config.setup.agreement.from_originator.iter().any(|leaf| match &leaf.item {
        Item::Information(info) => info.description == false_description(),
        _ => false,
    })
}

/// I11: what the judge holds proven of an honest side, that side has signed.
pub(crate) fn proves_only_what_was_signed(world: &World, config: &Config) -> bool {
    let finding = finding(world, config, world.date.time());
    let proven = |got: &[Got]| got.iter().any(|it| *it != Got::Unproven);
    let originator = world.originator.as_ref().is_none_or(|it| {
        (it.kept.promise.is_some() || !finding.promised.0)
            && (it.kept.promise.is_some() || !proven(&finding.from_originator))
    });
    let responder = world.responder.as_ref().is_none_or(|it| {
        let pays = config.setup.agreement.protocol.pays(Role::Responder);
        (it.kept.accept.is_some() || !finding.promised.1)
            && (it.kept.accept.is_some() || pays || !proven(&finding.from_responder))
    });
    originator && responder
}

/// I12: nothing is completed that an honest side has not promised.
pub(crate) fn completes_only_what_was_promised(world: &World, config: &Config) -> bool {
    let Some(Case::Decided(stored)) = &world.case else { return true };
    if !matches!(stored.verdict.decision, Decision::Complete { .. }) {
        return true;
    }
    let pays = config.setup.agreement.protocol.pays(Role::Responder);
    world.originator.as_ref().is_none_or(|it| it.kept.promise.is_some())
        && world.responder.as_ref().is_none_or(|it| it.kept.accept.is_some() || pays)
}

/// I9: with a corrupt third party, whoever is harmed can show who has broken its word: the third
/// party, or whoever sold what is not what it says.
pub(crate) fn shows_a_corrupt_third_party(world: &World, config: &Config) -> bool {
    shows_silence(world, config)
        && SIDES.into_iter().filter(|role| config.corrupt.is_honest(*role)).all(|role| {
            let world = world.closed(role, config);
            let shown = |evidence: &Evidence<Symbolic>| {
                // What it is asked to show and cannot show makes it liable; one that has decided both
                // ways is convicted by that.
                let finding = judge(evidence, world.date.time());
                let liable = finding.missing.iter().any(|it| it.is_third_partys());
                liable && !decides_both_ways(evidence)
                    || finding
                        .blame
                        .iter()
                        .any(|it| it.culprit().is_none() || matches!(it, Blame::Fraud(..)))
            };
            // By what the victim has; or by all there is, but whoever shows an item gives it.
            is_fair(&world, config, role)
                || shown(&evidence(&world, config))
                || shown(&own_evidence(&world, config, role))
        })
}

/// Whether a third party has both completed the exchange and ended it.
fn decides_both_ways(evidence: &Evidence<Symbolic>) -> bool {
    let decisions = || {
        evidence.answers.iter().filter_map(|it| match it {
            Answer::Decided(decided) => Some(&decided.verdict.body().decision),
            _ => None,
        })
    };
    decisions().any(|it| matches!(it, Decision::Complete { .. }))
        && decisions().any(|it| matches!(it, Decision::Abort { .. } | Decision::Expired { .. }))
}

/// Whoever has a note of receipt and hears no more can show that.
pub(crate) fn shows_silence(world: &World, config: &Config) -> bool {
    let kept =
        [world.originator.as_ref().map(|it| &it.kept), world.responder.as_ref().map(|it| &it.kept)];
    kept.into_iter().flatten().all(|kept| {
        let noted = kept.answers.iter().find_map(|it| match it {
            Answer::Submitted(it) => Some(it.body().decide_by),
            _ => None,
        });
        let Some(decide_by) = noted.filter(|_| kept.decided().is_none()) else { return true };
        let own = Evidence::of(config.setup.agreement.clone()).with(kept);
        let later = decide_by.after(dates::TOLERANCE);
        let later = later.after(std::time::Duration::from_millis(1));
        judge(&own, later).blame.iter().any(|it| it.culprit().is_none())
    })
}

pub(crate) fn honest<'a>(config: &'a Config) -> impl Iterator<Item = Role> + 'a {
    SIDES.into_iter().filter(|role| config.corrupt.is_honest(*role))
}

/// I4: whoever has begun can end, by itself with third party and bank; then fairness holds.
pub(crate) fn ends_and_is_fair(world: &World, config: &Config, role: Role) -> (bool, bool) {
    let begun = match role {
        Role::Originator => world
            .originator
            .as_ref()
            .is_some_and(|it| it.state != semper_exchange::originator::State::Idle),
        Role::Responder => world
            .responder
            .as_ref()
            .is_some_and(|it| it.state != semper_exchange::responder::State::Idle),
    };
    if !begun {
        return (true, true);
    }
    let closed = world.closed(role, config);
    (closed.end(role).is_some(), is_fair(&closed, config, role))
}

pub(crate) fn third_party_is_away(config: &Config) -> bool {
    !config.corrupt.has_honest_third_party()
}
