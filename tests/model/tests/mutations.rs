//! Rules left out, one after the other: the model must find what each is for. A model that finds
//! nothing wrong with a protocol that lacks a rule would say nothing about one that has it.

use std::time::Instant;

use semper_exchange::mutation::{Rule, leave_out};
use semper_exchange::{Protocol, Role};
use semper_model::symbolic::Who;
use semper_model::{Config, Corrupt, Kind, Parties, Session, Setup, Trouble};
use stateright::{Checker as _, HasDiscoveries, Model};

const ORIGINATOR: Corrupt = Corrupt::Side(Role::Originator);
const RESPONDER: Corrupt = Corrupt::Side(Role::Responder);

/// A rule, and where its absence shows.
struct Case {
    rule: Rule,
    protocol: Protocol,
    gives: &'static [Kind],
    wants: &'static [Kind],
    corrupt: Corrupt,
}

const fn case(
    rule: Rule,
    protocol: Protocol,
    gives: &'static [Kind],
    wants: &'static [Kind],
    corrupt: Corrupt,
) -> Case {
    Case { rule, protocol, gives, wants, corrupt }
}

const CASES: &[Case] = {
    use Kind::{Certified, False, Information, Money, Statement};
    use Protocol::{Ge, Gg, Rr};
    &[
        case(Rule::NoAbortAfterDelivery, Gg, &[Statement], &[Money], Corrupt::Nobody),
        case(Rule::OneVerdict, Gg, &[Statement], &[Money], Corrupt::Nobody),
        case(Rule::OpenBeforeCompleting, Gg, &[Information], &[Money], ORIGINATOR),
        case(Rule::VerifiableTokens, Gg, &[Information], &[Certified], RESPONDER),
        case(Rule::VerifiableTokens, Ge, &[Certified], &[Money], ORIGINATOR),
        case(Rule::PersistFirst, Gg, &[Statement], &[Money], Corrupt::Nobody),
        case(Rule::IntentFirst, Gg, &[Statement], &[Money], Corrupt::Nobody),
        case(Rule::VerdictNamesExchange, Gg, &[Statement], &[Money], RESPONDER),
        case(Rule::MessageNamesExchange, Gg, &[Information], &[Money], ORIGINATOR),
        case(Rule::ReceiveFirst, Gg, &[Statement], &[Statement], ORIGINATOR),
        case(Rule::ResolveAlways, Gg, &[Statement], &[Money], ORIGINATOR),
        case(Rule::Fence, Ge, &[Statement], &[Money], ORIGINATOR),
        case(Rule::RevokeBoth, Rr, &[Money], &[Money], RESPONDER),
        case(
            Rule::AbortCarriesRequest,
            Gg,
            &[Statement],
            &[Money],
            Corrupt::ThirdPartyAnd(Role::Responder),
        ),
        case(
            Rule::TwoVerdictsConvict,
            Gg,
            &[Statement],
            &[Statement],
            Corrupt::ThirdPartyAnd(Role::Responder),
        ),
        case(Rule::AcceptNamesPromise, Gg, &[Statement], &[Statement], RESPONDER),
        case(Rule::OwnThirdParty, Gg, &[Statement], &[Money], ORIGINATOR),
        case(Rule::LockOutlives, Gg, &[Statement], &[Money], RESPONDER),
        case(Rule::AcceptInTime, Gg, &[Statement], &[Statement], ORIGINATOR),
        case(Rule::EscrowBound, Gg, &[Information], &[Money], RESPONDER),
        case(Rule::OnlyOriginatorAborts, Gg, &[Statement], &[Money], RESPONDER),
        case(Rule::LockAsAgreed, Gg, &[Statement], &[Money], RESPONDER),
        case(Rule::ExamineFirst, Gg, &[False], &[Money], ORIGINATOR),
        case(Rule::ComplaintShows, Gg, &[Information], &[Money], RESPONDER),
        case(Rule::AllOrNothing, Gg, &[Statement, Information], &[Money], ORIGINATOR),
        case(Rule::FenceLasts, Ge, &[Statement], &[Money], ORIGINATOR),
        case(
            Rule::RebuttalClears,
            Gg,
            &[Information],
            &[Money],
            Corrupt::ThirdPartyAnd(Role::Responder),
        ),
        case(
            Rule::SilenceBlames,
            Gg,
            &[Statement],
            &[Money],
            Corrupt::ThirdPartyAnd(Role::Responder),
        ),
        case(Rule::RedeemFirst, Gg, &[Money], &[Money], ORIGINATOR),
    ]
};

fn config(case: &Case) -> Config {
    let third = match case.rule {
        Rule::OwnThirdParty => Who::Accomplice,
        _ => Who::ThirdParty,
    };
    let setup = Setup::with_third_party(case.protocol, case.gives, case.wants, 0, third);
    Config {
        corrupt: case.corrupt,
        mutated: true,
        crashes: matches!(case.rule, Rule::PersistFirst | Rule::IntentFirst),
        late: matches!(case.rule, Rule::AcceptInTime | Rule::LockOutlives),
        ..Config::of(setup)
    }
}

/// Rules that whole parties need: what their hosts store, what their drivers do again.
const PARTIES: &[(Case, Trouble)] = {
    use Kind::{Money, Statement};
    use Protocol::Gg;
    const fn honest(rule: Rule) -> Case {
        case(rule, Gg, &[Statement], &[Money], Corrupt::Nobody)
    }
    const NONE: Trouble = Trouble { deaths: 0, losses: 0, abandons: false, puts_back: false };
    &[
        (honest(Rule::BeginsAgain), Trouble { deaths: 1, ..NONE }),
        (honest(Rule::DenialMoves), Trouble { puts_back: true, ..NONE }),
        (honest(Rule::Closes), Trouble { abandons: true, ..NONE }),
    ]
};

/// Leaves a rule out of what a model explores; prints what is found then, if anything is, and is
/// not found with the rule.
fn leaves_out<M>(case: &Case, model: &M) -> Result<(), Vec<&'static str>>
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: std::hash::Hash + Clone + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    // With the rule, nothing is found.
    leave_out(None);
    let kept = model.clone().checker().threads(2).spawn_bfs().join();
    let before: Vec<_> = kept.discoveries().into_keys().collect();
    // A third party that the agreement does not name leaves whoever asks it without an end.
    let honest = case.rule == Rule::OwnThirdParty || before.is_empty();
    leave_out(Some(case.rule));
    let begun = Instant::now();
    let checker = model.clone().checker().threads(1).finish_when(HasDiscoveries::Any);
    let without = checker.spawn_bfs().join();
    // The way to it is walked again: still without the rule.
    let mut news: Vec<_> = without.discoveries().into_iter().collect();
    leave_out(None);
    news.retain(|(name, _)| !before.contains(name));
    let who = format!("{:?}", case.corrupt);
    match news.pop() {
        Some((name, path)) if honest => {
            println!(
                "| {:?} | {:?}: {:?} for {:?} | {who} | {name} | {} | {} | {} |",
                case.rule,
                case.protocol,
                case.gives,
                case.wants,
                path.into_actions().len(),
                without.unique_state_count(),
                begun.elapsed().as_millis(),
            );
            Ok(())
        }
        _ => Err(before),
    }
}

#[test]
fn a_rule_left_out_is_found_by_the_model() {
    println!("| rule left out | exchange | who cheats | property | steps | states | ms |");
    println!("|---|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for case in CASES {
        if let Err(before) = leaves_out(case, &Session(config(case))) {
            missed.push((case.rule, before));
        }
    }
    for (case, trouble) in PARTIES {
        if let Err(before) = leaves_out(case, &Parties(config(case), *trouble)) {
            missed.push((case.rule, before));
        }
    }
    assert!(missed.is_empty(), "the model does not find: {missed:?}");
}
