//! Promises of a flow to buyers, checked over all its paths: each property either holds or is
//! refuted by a shortest path, which evaluators can draw.
//!
//! [`Flow::faults`] is what every host demands of a flow; these properties are what evaluators
//! look at. See `docs/trust.md`, “Checks of a flow”.

use std::collections::{BTreeMap, VecDeque};

use semper_items::Side;
use semper_items::statement::{Binds, Kind, Says};
use serde::Serialize;

use crate::flow::{Action, End, Flow, ItemKind};

/// A step of a path through a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The state before the step.
    pub from: String,
    /// The side that acts.
    pub by: Side,
    /// The item that moves.
    pub item: String,
    /// The state after the step.
    pub to: String,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} by the {} → {}", self.from, self.item, self.by.name(), self.to)
    }
}

/// A property and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Property {
    /// A short name, such as `paid-once`.
    pub name: &'static str,
    /// The promise to buyers, in one sentence.
    pub says: &'static str,
    /// A shortest path on which it does not hold; `None` if it holds.
    pub counterexample: Option<Vec<Step>>,
}

impl Property {
    /// Whether no path refutes it.
    pub fn holds(&self) -> bool {
        self.counterexample.is_none()
    }
}

/// The past of a path, as far as the properties care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Past {
    /// Somebody is bound to deliver.
    offered: bool,
    /// Somebody is bound to pay.
    ordered: bool,
    /// Payments, counted to two.
    paid: u8,
    /// Something came back for the payment.
    answered: bool,
}

impl Past {
    fn after(mut self, action: &Action) -> Self {
        // What comes for money in the same exchange answers it.
        if action.item.moves(&ItemKind::Money) {
            self.paid = (self.paid + 1).min(2);
            self.answered = false;
        }
        for kind in action.item.kinds() {
            self.offered |= kind.binds() == Binds::Deliver;
            self.ordered |= kind.binds() == Binds::Pay;
            self.answered |= kind.says().answers_payment();
        }
        self
    }
}

/// A place on a path: a state, and what happened before.
type Place<'a> = (&'a str, Past);

/// Everything that can be reached, and how.
struct Reached<'a> {
    flow: &'a Flow,
    /// By which step, from where; in the order of discovery, so the first is the shortest.
    came: BTreeMap<Place<'a>, Option<(Place<'a>, &'a Action)>>,
    order: Vec<Place<'a>>,
}

impl<'a> Reached<'a> {
    fn of(flow: &'a Flow) -> Self {
        let start = (flow.start.as_str(), Past::default());
        let mut this = Self { flow, came: BTreeMap::from([(start, None)]), order: vec![start] };
        let mut queue = VecDeque::from([start]);
        while let Some(place) = queue.pop_front() {
            for action in this.actions(place.0) {
                let next = (action.to.as_str(), place.1.after(action));
                if flow.states.contains_key(next.0) && !this.came.contains_key(&next) {
                    this.came.insert(next, Some((place, action)));
                    this.order.push(next);
                    queue.push_back(next);
                }
            }
        }
        this
    }

    fn actions(&self, state: &str) -> &'a [Action] {
        self.flow.states.get(state).map_or(&[], |it| it.actions.as_slice())
    }

    /// The path to a place, and one action further if there is one.
    fn path(&self, place: Place<'a>, further: Option<&Action>) -> Vec<Step> {
        let step = |from: &str, action: &Action| Step {
            from: from.to_owned(),
            by: action.by,
            item: action.item.name(),
            to: action.to.clone(),
        };
        let mut steps: Vec<Step> = further.map(|it| step(place.0, it)).into_iter().collect();
        let mut at = place;
        while let Some(Some((before, action))) = self.came.get(&at) {
            steps.push(step(before.0, action));
            at = *before;
        }
        steps.reverse();
        steps
    }

    /// The shortest path to an action that is wrong where it is enabled.
    fn wrong_action(&self, wrong: impl Fn(&Past, &Action) -> bool) -> Option<Vec<Step>> {
        self.order.iter().find_map(|place| {
            let action = self.actions(place.0).iter().find(|it| wrong(&place.1, it))?;
            Some(self.path(*place, Some(action)))
        })
    }

    /// The shortest path to a place that is wrong.
    fn wrong_place(&self, wrong: impl Fn(&str, &Past) -> bool) -> Option<Vec<Step>> {
        let place = self.order.iter().find(|(state, past)| wrong(state, past))?;
        Some(self.path(*place, None))
    }
}

/// Examines a flow; one answer for each property.
pub fn examine(flow: &Flow) -> Vec<Property> {
    let reached = Reached::of(flow);
    let money = |it: &Action| it.item.moves(&ItemKind::Money);
    let orders = |kind: Kind| kind.binds() == Binds::Pay;
    let receipts = |kind: Kind| kind.says() == Says::Received;
    let leaves = |it: &Action| it.item.states(|kind| kind.says() == Says::Left);
    // A statement of such a kind over another amount than its kind must have.
    let other_amount = |it: &Action, such: fn(Kind) -> bool| {
        it.item.kinds().any(|kind| such(kind) && !kind.entry().amount.is_of(it.amount))
    };
    let ends = |state: &str| flow.states.get(state).and_then(|it| it.end);
    let endless = endless(flow);
    let buyer_stuck = |state: &str, past: &Past| {
        let actions = reached.actions(state);
        let own = || actions.iter().filter(|it| it.by == Side::Buyer);
        !past.ordered && own().next().is_some() && !own().any(leaves)
    };
    let property = |name, says, counterexample| Property { name, says, counterexample };
    vec![
        property(
            "offer-and-order-first",
            "nobody pays before a signed offer and a signed order",
            reached.wrong_action(|past, it| money(it) && !(past.offered && past.ordered)),
        ),
        property(
            "payment-bounded",
            "every payment is of exactly the amount of an earlier statement",
            reached.wrong_action(|_, it| money(it) && it.amount.is_none()),
        ),
        property(
            "order-as-offered",
            "an order is for exactly the amount that was offered",
            reached.wrong_action(|_, it| other_amount(it, orders)),
        ),
        property(
            "receipt-as-paid",
            "a receipt is for exactly the amount of the order",
            reached.wrong_action(|_, it| other_amount(it, receipts)),
        ),
        property(
            "consent",
            "orders and payments want the person's consent",
            reached.wrong_action(|_, it| (money(it) || it.item.states(orders)) && !it.consent),
        ),
        property(
            "payment-answered",
            "no deal that was paid for ends without a receipt or goods",
            reached.wrong_place(|state, past| {
                ends(state).is_some() && past.paid > 0 && !past.answered
            }),
        ),
        property("paid-once", "nobody pays twice", reached.wrong_place(|_, past| past.paid > 1)),
        property(
            "seller-bound",
            "the seller cannot leave with the money",
            reached.wrong_action(|past, it| past.paid > 0 && it.by == Side::Seller && leaves(it)),
        ),
        property(
            "free-to-leave",
            "before an order the buyer can leave whenever it is the buyer's turn",
            reached.wrong_place(|state, past| buyer_stuck(state, past)),
        ),
        property(
            "completed-means-paid-for",
            "a deal that counts as completed has an order's receipt, if there was an order",
            reached.wrong_place(|state, past| {
                ends(state) == Some(End::Completed) && past.ordered && !past.answered
            }),
        ),
        property(
            "can-end",
            "from every state the deal can come to an end",
            reached.wrong_place(|state, _| endless.contains(&state)),
        ),
    ]
}

/// States from which no end can be reached.
pub(crate) fn endless(flow: &Flow) -> Vec<&str> {
    let mut ending: Vec<&str> = Vec::new();
    loop {
        let more: Vec<&str> = flow
            .states
            .iter()
            .filter(|(name, state)| {
                !ending.contains(&name.as_str())
                    && (state.end.is_some()
                        || state.actions.iter().any(|it| ending.contains(&it.to.as_str())))
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if more.is_empty() {
            break;
        }
        ending.extend(more);
    }
    flow.states.keys().map(String::as_str).filter(|name| !ending.contains(name)).collect()
}
