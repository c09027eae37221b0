//! The flow on the bench: checked against properties, drawn, compared with another version's.

use std::collections::BTreeSet;
use std::path::Path;

use layout::backends::svg::SVGWriter;
use layout::gv::{DotParser, GraphBuilder};
use semper_base::Report;
use semper_base::text::counted;
use semper_items::statement::Says;
use semper_trust::describe::ServiceDescription;
use semper_trust::flow::{Action, End, Flow, ItemKind};
use semper_trust::properties::{self, Property, Step};
use semper_trust::{Layout, verify};
use serde_json::json;

use crate::say::Said;
use crate::{draft, files};

/// Checks the flow; the answer is no if a property is refuted.
pub fn check(bundle: &Path) -> Result<Said, Report> {
    let (_, service) = files::service(&draft::examined(bundle)?)?;
    let faults = service.flow.faults();
    let all = properties::examine(&service.flow);
    let mut text = String::new();
    for fault in &faults {
        text += &format!("FAULT   {fault}\n");
    }
    for property in &all {
        let verdict = if property.holds() { "holds " } else { "FAILS " };
        text += &format!("{verdict}  {:24} {}\n", property.name, property.says);
        for step in property.counterexample.iter().flatten() {
            text += &format!("          {step}\n");
        }
    }
    let refused = !faults.is_empty() || all.iter().any(|it| !it.holds());
    let value = json!({ "faults": faults, "properties": all, "fair": !refused });
    Ok(Said { text, value, refused })
}

pub fn draw(bundle: &Path, out: &Path, property: Option<&str>, dot: bool) -> Result<Said, Report> {
    let (_, service) = files::service(&draft::examined(bundle)?)?;
    let mut marked = Vec::new();
    if let Some(name) = property {
        let all = properties::examine(&service.flow);
        let known: Vec<&str> = all.iter().map(|it| it.name).collect();
        let mend = format!("there are {}", known.join(", "));
        let found: Option<Property> = all.into_iter().find(|it| it.name == name);
        let found =
            found.ok_or_else(|| Report::input(format!("there is no property “{name}”"), mend))?;
        marked = found.counterexample.unwrap_or_default();
    }
    let drawn = if dot { dot_of(&service.flow, &marked) } else { svg(&service.flow, &marked)? };
    files::replace(out, drawn.as_bytes())?;
    let states = counted(service.flow.states.len(), "state", "states");
    let text = format!("{}: {states}", out.display());
    Ok(Said::new(text, json!({ "file": out, "states": service.flow.states.len() })))
}

/// The flow as a picture; the steps of a counterexample are red.
pub fn svg(flow: &Flow, marked: &[Step]) -> Result<String, Report> {
    let dot = dot_of(flow, marked);
    let graph = DotParser::new(&dot)
        .process()
        .map_err(|error| Report::refusal(format!("the flow cannot be drawn: {error}"), ""))?;
    let mut builder = GraphBuilder::new();
    builder.visit_graph(&graph);
    let mut writer = SVGWriter::new();
    builder.get().do_it(false, false, false, &mut writer);
    Ok(writer.finalize())
}

/// The flow in Graphviz's language.
fn dot_of(flow: &Flow, marked: &[Step]) -> String {
    // Names in flows are anybody's text.
    let plain = |text: &str| -> String {
        let odd = |c: char| c.is_control() || "\"\\<>&".contains(c);
        text.chars().map(|c| if odd(c) { ' ' } else { c }).collect()
    };
    let quoted = |text: &str| format!("\"{}\"", plain(text));
    let mut text = String::from("digraph flow {\n");
    let is_marked = |name: &str, action: &Action| {
        marked.iter().any(|it| {
            it.from == name
                && it.to == action.to
                && it.item == action.item.name()
                && it.by == action.by
        })
    };
    // Ways out stand in the state itself: drawn as arrows they hide the rest.
    let leaves = |name: &str, action: &Action| {
        let out = flow.states.get(&action.to).and_then(|it| it.end) == Some(End::Withdrawn);
        let leaves = matches!(&action.item, ItemKind::Statement(kind) if kind.says() == Says::Left);
        out && leaves && !is_marked(name, action)
    };
    for (name, state) in &flow.states {
        let colour = match state.end {
            Some(End::Completed) => "palegreen",
            Some(End::Withdrawn) => "lightgray",
            None if *name == flow.start => "lightblue",
            None => "white",
        };
        let leaving: Vec<&str> =
            state.actions.iter().filter(|it| leaves(name, it)).map(|it| it.by.name()).collect();
        let label = match leaving.as_slice() {
            [] => plain(name),
            all => format!("{} (may leave: {})", plain(name), all.join(", ")),
        };
        text += &format!(
            "  {} [shape=box, style=filled, fillcolor={colour}, label=\"{label}\"];\n",
            quoted(name)
        );
    }
    for (name, state) in &flow.states {
        for action in state.actions.iter().filter(|it| !leaves(name, it)) {
            let consent = if action.consent { ", consent" } else { "" };
            let label = format!("{}: {}{consent}", action.by.name(), action.item.name());
            let colour = if is_marked(name, action) { "red" } else { "black" };
            text += &format!(
                "  {} -> {} [label={}, color={colour}];\n",
                quoted(name),
                quoted(&action.to),
                quoted(&label)
            );
        }
    }
    text + "}\n"
}

/// What changed between two versions: components, imports, flow, parameters, limits, texts.
pub fn diff(old: &Path, new: &Path) -> Result<Said, Report> {
    let (old, new) = (draft::examined(old)?, draft::examined(new)?);
    let ((a, before), (b, after)) = (files::service(&old)?, files::service(&new)?);
    let mut changes: Vec<(&str, String)> = Vec::new();
    let mut note = |what: &'static str, text: String| changes.push((what, text));
    for (what, one, other) in [
        ("name", &before.name, &after.name),
        ("version", &before.version, &after.version),
        ("author", &before.author, &after.author),
        ("summary", &before.summary, &after.summary),
        ("world", &before.world, &after.world),
    ] {
        if one != other {
            note(what, format!("{one} → {other}"));
        }
    }
    for (side, one, other) in
        [("buyer", before.buyer, after.buyer), ("seller", before.seller, after.seller)]
    {
        if one == other {
            continue;
        }
        let (one, other) = (old.blob(&one)?, new.blob(&other)?);
        note("code", format!("{side}: {} → {} bytes", one.len(), other.len()));
        let (one, other) = (imports(one)?, imports(other)?);
        for gone in one.difference(&other) {
            note("imports", format!("{side} no longer imports {gone}"));
        }
        for added in other.difference(&one) {
            note("imports", format!("{side} now imports {added}"));
        }
    }
    for line in lines_of(&before).difference(&lines_of(&after)) {
        note("gone", line.clone());
    }
    for line in lines_of(&after).difference(&lines_of(&before)) {
        note("new", line.clone());
    }
    for (what, text) in texts(&old, &new)? {
        note(what, text);
    }
    let mut text = format!("{}\n{}\n", a.digest, b.digest);
    if changes.is_empty() {
        text += "nothing of substance has changed\n";
    }
    for (what, line) in &changes {
        text += &format!("{what:9} {line}\n");
    }
    let value: Vec<_> =
        changes.iter().map(|(what, line)| json!({ "what": what, "change": line })).collect();
    Ok(Said::new(text, json!({ "old": a.digest, "new": b.digest, "changes": value })))
}

fn imports(component: &[u8]) -> Result<BTreeSet<String>, Report> {
    Ok(verify::imports(component)?.into_iter().collect())
}

/// Flow, parameters and limits, one line each.
fn lines_of(service: &ServiceDescription) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, state) in &service.flow.states {
        if let Some(end) = state.end {
            lines.insert(format!("flow: “{name}” ends the deal as {end:?}").to_lowercase());
        }
        for action in &state.actions {
            let consent = if action.consent { " with consent" } else { "" };
            let amount =
                action.amount.map_or(String::new(), |it| format!(", amount of the {}", it.name()));
            lines.insert(format!(
                "flow: “{name}”: {} by the {}{consent}{amount} → “{}”",
                action.item.name(),
                action.by.name(),
                action.to
            ));
        }
    }
    for (name, parameter) in &service.parameters {
        lines.insert(format!("parameter: {name}, {} ({})", parameter.meaning, parameter.bounds));
    }
    for (limit, value) in &service.limits {
        lines.insert(format!("limit: {value} {limit}"));
    }
    lines
}

/// Texts and values of terms, if both bundles have some.
fn texts(old: &Layout, new: &Layout) -> Result<Vec<(&'static str, String)>, Report> {
    let (Some((_, before)), Some((_, after))) = (files::terms(old)?, files::terms(new)?) else {
        return Ok(Vec::new());
    };
    let mut changes = Vec::new();
    if before.serial != after.serial {
        changes.push(("serial", format!("{} → {}", before.serial, after.serial)));
    }
    let names: BTreeSet<&String> =
        before.parameters.keys().chain(after.parameters.keys()).collect();
    for name in names {
        let show = |value: Option<&semper_trust::describe::Value>| {
            value.map_or("nothing".into(), ToString::to_string)
        };
        let (one, other) = (before.parameters.get(name), after.parameters.get(name));
        if one != other {
            changes.push(("value", format!("{name}: {} → {}", show(one), show(other))));
        }
    }
    let languages: BTreeSet<&String> = before.texts.keys().chain(after.texts.keys()).collect();
    for language in languages {
        let (one, other) = (before.texts.get(language), after.texts.get(language));
        let change = match (one, other) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(_), Some(_)) => "has changed",
            (None, _) => "is new",
            (_, None) => "is gone",
        };
        changes.push(("text", format!("“{language}” {change}")));
    }
    Ok(changes)
}
