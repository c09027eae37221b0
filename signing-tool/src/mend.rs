//! What an author can do about the end of a half: a host speaks to buyers and merchants.

use semper_items::Side;
use semper_runtime::flow::Violation;
use semper_runtime::stop::Cause;
use semper_runtime::{Stop, stop::Doubt};
use semper_trust::{Limit, Limits};

/// What helps.
pub fn mend(stop: &Stop, side: Side) -> String {
    let half = side.name();
    match stop {
        Stop::Verdict(verdict) => about(&verdict.cause, half),
        Stop::Doubt(Doubt::Diverged { .. }) => {
            "let nothing decide but the results of calls: it did something else when it was run again"
                .into()
        }
        Stop::Doubt(Doubt::Broken(_)) if side == Side::Buyer => {
            "the buyer's half has no catalogue and no goods: let the seller's half ask, and tell".into()
        }
        _ => "try again; if it comes again, report it with this play".into(),
    }
}

fn about(cause: &Cause, half: &str) -> String {
    match cause {
        Cause::Flow(by) => against_the_flow(by, half),
        Cause::PeerFlow(by) => against_the_flow(by, "other"),
        Cause::Limit { limit, .. } => over(*limit),
        Cause::Stack(_) => "look for a function that calls itself without end".into(),
        Cause::Money(_) => "pay no more than parameters.… with money = … in service.toml allow".into(),
        Cause::Trap(why) if why.contains("last words") => {
            "its last words say what happened; more of them stand among the steps".into()
        }
        Cause::Trap(_) => {
            "log where it is (deal.log) to see how far it comes: what it logs stands among the steps".into()
        }
        Cause::GaveUp(_) => {
            format!("the {half}'s run returned this error; where the flow can end, withdraw instead")
        }
        Cause::Nonsense(_) => "the call's description in the WIT folder says what it takes".into(),
        Cause::NotOrdered(_) => "let the buyer sign an order before money is asked for".into(),
        Cause::Component(_) => "semper-sign build".into(),
        Cause::Refused(refusal) => semper_base::Mend::mend(refusal),
        Cause::Unacceptable(_) => "look at what the other half sent last".into(),
        Cause::TooLate(_) => "look at the clock (deal.now) before the order is sent".into(),
        Cause::Cancelled(_) => "wait by waiting.first-of: a plain receive cannot tell it to leave".into(),
        Cause::Expired(_) => "let one of the halves act before the deal's time is over".into(),
        Cause::PeerEnded(_)
        | Cause::Unpayable(_)
        | Cause::Exchange(_)
        | Cause::OneSided(_) => String::new(),
    }
}

fn against_the_flow(by: &Violation, half: &str) -> String {
    match by {
        Violation::NotEnabled { state, .. } => format!(
            "enable it in [flow.states.{state}] of service.toml, or have the {half} half do what is \
             enabled there"
        ),
        Violation::NoConsent { .. } => "ask the person first: consent.sign, or consent.pay".into(),
        Violation::Amount { of, .. } => {
            format!("use the amount of the {}, as it stands there", of.name())
        }
        Violation::Reference { of, .. } => format!("name this deal's {} by its digest", of.name()),
        Violation::Expired { .. } => "look at the clock (deal.now) before the order is sent".into(),
    }
}

fn over(limit: Limit) -> String {
    let most = Limits::ceiling().get(limit);
    let name = limit.name();
    let more = format!("[limits] {name} = … in service.toml, at most {most}, allows more");
    match limit {
        Limit::Fuel | Limit::Time => format!("look for a loop without end; {more}"),
        Limit::Messages | Limit::Records | Limit::JournalBytes | Limit::Checkpoints => {
            format!("look for a loop that calls without end; {more}")
        }
        _ => format!("use less; {more}"),
    }
}
