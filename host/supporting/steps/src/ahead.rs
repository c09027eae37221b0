//! The way from a state to the end that the terms intend.

use std::collections::VecDeque;

use semper_trust::Flow;
use semper_trust::flow::{Action, End};

use crate::Step;

/// What is left on the shortest way, and what of it no way goes without.
pub(crate) fn left(flow: &Flow, from: &str) -> Vec<Step> {
    let way = shortest(flow, from, &|_| true).unwrap_or_default();
    let told = way.iter().map(|action| {
        let other = |it: &Action| it.by != action.by || it.item != action.item;
        let needed = shortest(flow, from, &other).is_none();
        Step { by: action.by, what: action.item.name(), needed }
    });
    told.collect()
}

/// The shortest way by such actions alone, if there is one.
fn shortest<'a>(
    flow: &'a Flow,
    from: &str,
    goes: &dyn Fn(&Action) -> bool,
) -> Option<Vec<&'a Action>> {
    let mut ways = VecDeque::from([(from, Vec::new())]);
    let mut seen = vec![from];
    let mut found = None;
    while let Some((name, way)) = ways.pop_front() {
        let Some(state) = flow.states.get(name) else { continue };
        if state.end == Some(End::Completed) {
            found = Some(way);
            break;
        }
        for action in state.actions.iter().filter(|it| goes(it)) {
            if !seen.contains(&action.to.as_str()) {
                seen.push(&action.to);
                let on: Vec<&Action> = way.iter().copied().chain([action]).collect();
                ways.push_back((&action.to, on));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        semper_trust::describe::flow(
            r#"{"start": "open", "states": {
            "open": {"actions": [
                {"by": "seller", "item": {"statement": "offer"}, "to": "offered"},
                {"by": "buyer", "item": {"statement": "withdrawal"}, "to": "left"}]},
            "offered": {"actions": [
                {"by": "buyer", "item": {"statement": "order"}, "to": "ordered"},
                {"by": "buyer", "item": {"statement": "withdrawal"}, "to": "left"}]},
            "ordered": {"actions": [
                {"by": "seller", "item": {"statement": "shipping-note"}, "to": "sent"},
                {"by": "seller", "item": {"statement": "receipt"}, "to": "sent"}]},
            "sent": {"end": "completed"}, "left": {"end": "withdrawn"}}}"#,
        )
        .unwrap()
    }

    #[test]
    fn what_no_way_goes_without_is_needed_and_one_of_two_ways_is_only_possible() {
        let left = left(&flow(), "open");

        let told: Vec<_> = left.iter().map(|it| (it.what.as_str(), it.needed)).collect();
        assert_eq!(told, [("offer", true), ("order", true), ("shipping-note", false)]);
    }
}
