//! The declared flow: states, and the actions that are enabled in each (seed 1 figure 1).
//!
//! Both hosts hold every action against it; evaluators read, draw and check the same text.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use semper_items::agreement::Side;
use semper_items::statement::{Binds, Kind};
use serde::{Deserialize, Serialize};

/// The beginning of the names of the host's own information; no flow may enable such.
pub const RESERVED: &str = "semper/";

/// A flow: the course that a deal under these terms can take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Where a deal begins.
    pub start: String,
    /// The states by name.
    pub states: BTreeMap<String, State>,
}

/// A state of a flow: the actions that it enables, or an end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The actions that may happen next; empty in a final state.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// How the deal has ended in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// How a deal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// As the terms intend.
    Completed,
    /// One side left before the order.
    Withdrawn,
}

/// A transfer or an exchange that is enabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// The side that acts; for an exchange, the proposer.
    pub by: Side,
    /// The item that is transferred or exchanged.
    pub item: ItemKind,
    /// The state that follows; after an exchange that came to nothing, none does.
    pub to: String,
    /// Whether the person must have consented.
    #[serde(default)]
    pub consent: bool,
    /// The earlier statement whose amount it must have, such as `offer`: the money equals that of the
    /// offer accepted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Kind>,
}

/// The kind of an item, as flows name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// A signed statement of this kind.
    Statement(Kind),
    /// A payment.
    Money,
    /// Information of this kind.
    Information(String),
    /// A fair exchange, proposed by whoever acts: both get what they were promised, or neither
    /// does, and then the deal stays in its state.
    Exchange {
        /// The items that the proposer gives.
        gives: Vec<ItemKind>,
        /// The items that it wants in return.
        wants: Vec<ItemKind>,
    },
}

impl ItemKind {
    /// The words for it.
    pub fn name(&self) -> String {
        match self {
            Self::Statement(kind) => kind.name().to_owned(),
            Self::Money => "payment".to_owned(),
            Self::Information(kind) => kind.clone(),
            Self::Exchange { gives, wants } => {
                format!("exchange of {} for {}", names(gives), names(wants))
            }
        }
    }

    /// The items that move: the item itself, or everything that is exchanged.
    pub fn parts(&self) -> impl Iterator<Item = &Self> {
        let (own, gives, wants): (&[Self], &[Self], &[Self]) = match self {
            Self::Exchange { gives, wants } => (&[], gives, wants),
            other => (std::slice::from_ref(other), &[], &[]),
        };
        own.iter().chain(gives).chain(wants)
    }

    /// Whether this moves with it.
    pub fn moves(&self, item: &Self) -> bool {
        self.parts().any(|part| part == item)
    }

    /// Whether a statement of such a kind moves with it.
    pub fn states(&self, such: impl Fn(Kind) -> bool) -> bool {
        self.kinds().any(such)
    }

    /// The kinds of the statements that move with it.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.parts().filter_map(|part| match part {
            Self::Statement(kind) => Some(*kind),
            _ => None,
        })
    }
}

fn names(items: &[ItemKind]) -> String {
    items.iter().map(ItemKind::name).collect::<Vec<_>>().join(" and ")
}

/// Most states of a flow.
pub const MAX_STATES: usize = 64;
/// Most actions of a state.
pub const MAX_ACTIONS: usize = 32;
/// Most items that one side gives in an exchange.
pub const MAX_PARTS: usize = 16;

impl Flow {
    /// What every host demands of a flow, in words; [`Flow::faults`] looks for what is against it.
    pub const DEMANDS: [&str; 9] = [
        "the start and the state after every action are states of the flow",
        "a state either ends the deal or enables something",
        "every state can be reached, and from every state the deal can come to an end",
        "nobody pays before a signed offer and a signed order, on any path",
        "a payment has the amount of an earlier statement",
        "orders and payments want the person's consent",
        "in an exchange each side gives something, pays at most once, and gives no other exchange",
        "no information has a name that begins with `semper/`: those are the hosts' own",
        "it keeps to the sizes below",
    ];

    /// The faults of the flow in itself; empty when there are none. See [`Flow::DEMANDS`].
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.states.len() > MAX_STATES {
            return vec![format!("more than {MAX_STATES} states")];
        }
        if !self.states.contains_key(&self.start) {
            return vec![format!("the start “{}” is not a state", self.start)];
        }
        for (name, state) in &self.states {
            if state.end.is_some() != state.actions.is_empty() {
                faults.push(format!("state “{name}” must either end the deal or enable something"));
            }
            if state.actions.len() > MAX_ACTIONS {
                faults.push(format!("state “{name}” enables more than {MAX_ACTIONS} actions"));
            }
            for action in &state.actions {
                faults.extend(self.action_faults(name, action));
            }
        }
        if faults.is_empty() {
            faults.extend(self.path_faults());
        }
        faults
    }

    fn action_faults(&self, state: &str, action: &Action) -> Vec<String> {
        let what = format!("{} by the {} in state “{state}”", action.item.name(), action.by.name());
        let mut faults = Vec::new();
        if !self.states.contains_key(&action.to) {
            faults.push(format!("{what} leads to “{}”, which is not a state", action.to));
        }
        let reserved =
            |it: &ItemKind| matches!(it, ItemKind::Information(kind) if kind.starts_with(RESERVED));
        if action.item.parts().any(reserved) {
            faults.push(format!("{what}: names that begin with {RESERVED} are the host's own"));
        }
        faults.extend(exchange_faults(&what, &action.item));
        let money = action.item.moves(&ItemKind::Money);
        let order = action.item.states(|kind| kind.binds() == Binds::Pay);
        if (money || order) && !action.consent {
            faults.push(format!("{what} does not want the person's consent"));
        }
        if money && action.amount.is_none() {
            faults.push(format!("{what} is not bounded by an earlier statement"));
        }
        faults
    }

    /// Faults that show only along paths.
    fn path_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        // What somebody is certainly bound to on every path to a state: a shrinking intersection.
        let mut known: BTreeMap<&str, BTreeSet<Binds>> = BTreeMap::new();
        let mut queue: Vec<(&str, BTreeSet<Binds>)> = vec![(&self.start, BTreeSet::new())];
        while let Some((name, bound)) = queue.pop() {
            let next = match known.get(name) {
                Some(before) if before.is_subset(&bound) => continue,
                Some(before) => before.intersection(&bound).copied().collect(),
                None => bound,
            };
            known.insert(name, next.clone());
            for action in &self.states[name].actions {
                let mut after = next.clone();
                after.extend(action.item.kinds().map(Kind::binds));
                queue.push((&action.to, after));
            }
        }
        for (name, state) in &self.states {
            let Some(bound) = known.get(name.as_str()) else {
                faults.push(format!("state “{name}” cannot be reached"));
                continue;
            };
            let pays = state.actions.iter().any(|action| action.item.moves(&ItemKind::Money));
            for binds in [Binds::Deliver, Binds::Pay] {
                if pays && !bound.contains(&binds) {
                    let kind = binds.kind().name();
                    faults.push(format!("state “{name}” enables payment before a signed {kind}"));
                }
            }
        }
        faults.extend(
            crate::properties::endless(self)
                .into_iter()
                .map(|name| format!("from state “{name}” the deal can never end")),
        );
        faults
    }
}

/// The reason why parts cannot be exchanged: none, too many, money twice, an exchange.
fn exchange_faults(what: &str, item: &ItemKind) -> Vec<String> {
    let ItemKind::Exchange { gives, wants } = item else { return Vec::new() };
    let mut faults = Vec::new();
    for side in [gives, wants] {
        if side.is_empty() || side.len() > MAX_PARTS {
            faults.push(format!("{what}: each side gives 1 to {MAX_PARTS} items"));
        }
        if side.iter().filter(|it| **it == ItemKind::Money).count() > 1 {
            faults.push(format!("{what}: a side pays once"));
        }
        if side.iter().any(|it| matches!(it, ItemKind::Exchange { .. })) {
            faults.push(format!("{what}: an exchange is no item of an exchange"));
        }
    }
    faults
}
