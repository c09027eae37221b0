//! Every entry of every file that authors, merchants and organisations write, every limit and every
//! rule: from the types that read them, so that it cannot say anything else than they do.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use semper_base::Report;
use semper_items::limits as items;
use semper_items::statement::{Binds, By, Kind, Sum};
use semper_trust::capability::{Capability, World};
use semper_trust::flow::{Flow, MAX_ACTIONS, MAX_PARTS, MAX_STATES};
use semper_trust::{Limit, Limits, layout, properties};
use serde_json::{Map, Value, json};

use crate::certify::CertificateFile;
use crate::exercise::FINDINGS;
use crate::look;
use crate::say::Said;
use crate::service::ServiceFile;
use crate::terms::TermsFile;
use crate::trial::Play;

/// What stands at the top of the page.
const TOP: &str = "\
# Reference: what you write, and by which rules it is read

<!-- written by cargo xtask reference -->

Authors write `service.toml` and `try.toml`, merchants `terms.toml`, consumer organisations `certificate.toml`. This page has every entry
of them, every limit and every rule. It is made of the types that read these files; `semper-sign reference` prints it, and with
`--json` the JSON schemas.
";

/// The page, and the schemas.
pub fn reference() -> Result<Said, Report> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let files = [
        file::<ServiceFile>(&mut generator, "service.toml"),
        file::<TermsFile>(&mut generator, "terms.toml"),
        file::<CertificateFile>(&mut generator, "certificate.toml"),
        file::<Play>(&mut generator, "try.toml"),
    ];
    let types = generator.take_definitions(true);
    let mut page = TOP.to_owned();
    for (name, schema) in &files {
        page += &section(&format!("`{name}`"), schema.as_value());
    }
    page += "\n## What stands in them\n";
    for (name, schema) in &types {
        page += &section(&format!("#{name}"), schema);
    }
    page += &interfaces();
    page += &statements();
    page += &flow();
    page += &findings();
    page += &limits();
    let mut schemas = Map::new();
    for (name, schema) in files {
        let mut whole = schema.to_value();
        if let Value::Object(object) = &mut whole {
            let title = Value::String(name.to_owned());
            object.insert("title".into(), title);
            object.insert("$defs".into(), Value::Object(types.clone()));
        }
        schemas.insert(name.to_owned(), whole);
    }
    Ok(Said::new(page, json!({ "schemas": schemas })))
}

fn file<T: JsonSchema>(
    generator: &mut SchemaGenerator,
    name: &'static str,
) -> (&'static str, Schema) {
    (name, T::json_schema(generator))
}

/// What a schema says of itself, and a table of what it has. The headings of types are a level lower.
fn section(name: &str, schema: &Value) -> String {
    let (level, name) = match name.strip_prefix('#') {
        Some(name) => ("###", name),
        None => ("##", name),
    };
    let mut page = format!("\n{level} {name}\n");
    if let Some(says) = schema["description"].as_str() {
        page += &format!("\n{}\n", one_line(says));
    }
    page + &entries(schema) + &variants(schema)
}

/// The table of a file's or a type's entries; those that must be there come first.
fn entries(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else { return String::new() };
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut rows: Vec<_> = properties.iter().collect();
    rows.sort_by_key(|(name, _)| !required.contains(&name.as_str()));
    let mut page = heading(&["entry", "what it holds", "meaning"]);
    for (name, value) in rows {
        let needed = if required.contains(&name.as_str()) { "" } else { "; may be left out" };
        let holds = format!("{}{needed}", holds(value));
        page += &row(&[
            &format!("`{name}`"),
            &holds,
            value["description"].as_str().unwrap_or_default(),
        ]);
    }
    page
}

/// The table of a type's variants.
fn variants(schema: &Value) -> String {
    let all = ["oneOf", "anyOf"].iter().find_map(|it| schema[*it].as_array());
    let Some(all) = all else {
        let words = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let words: Vec<String> = words.map(|it| format!("`{it}`")).collect();
        return if words.is_empty() {
            String::new()
        } else {
            format!("\nOne of {}.\n", words.join(", "))
        };
    };
    let mut page = heading(&["value", "meaning"]);
    for one in all {
        page += &row(&[&value(one), one["description"].as_str().unwrap_or_default()]);
    }
    page
}

/// A variant as it is written.
fn value(schema: &Value) -> String {
    if let Some(word) = schema["const"].as_str() {
        return format!("`\"{word}\"`");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|it| format!("`{it}`")).collect();
        return words.join(", ");
    }
    match schema["properties"].as_object() {
        Some(properties) => {
            let one = |(name, inner): (&String, &Value)| format!("`{name}` = {}", holds(inner));
            let all: Vec<String> = properties.iter().map(one).collect();
            format!("{{ {} }}", all.join(", "))
        }
        None => holds(schema),
    }
}

/// What a value of a schema is, in words.
fn holds(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next()) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(all) = ["anyOf", "oneOf", "allOf"].iter().find_map(|it| schema[*it].as_array()) {
        let all = all.iter().filter(|it| it["type"] != "null").map(holds);
        return all.collect::<Vec<_>>().join(" or ");
    }
    if let Some(all) = schema["prefixItems"].as_array() {
        let all: Vec<String> = all.iter().map(holds).collect();
        return format!("[{}]", all.join(", "));
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(all) => {
            all.iter().filter_map(Value::as_str).filter(|it| *it != "null").collect()
        }
        _ => Vec::new(),
    };
    match kinds.as_slice() {
        ["string"] => "text".into(),
        ["integer"] => "whole number".into(),
        ["boolean"] => "`true` or `false`".into(),
        ["array"] => format!("list of: {}", holds(&schema["items"])),
        ["object"] => {
            let inner = ["additionalProperties", "properties"]
                .iter()
                .find_map(|it| schema[*it].as_object().map(|object| (it, object)));
            match inner {
                Some((_, object)) if schema["additionalProperties"].is_object() => {
                    let named = schema["propertyNames"]["$ref"]
                        .as_str()
                        .and_then(|it| it.rsplit('/').next());
                    let by = named.map_or("by name".into(), |it| {
                        format!("by [{it}](#{})", it.to_lowercase())
                    });
                    format!("a table, {by}: {}", holds(&Value::Object(object.clone())))
                }
                Some((_, object)) => {
                    let all: Vec<String> = object.keys().map(|it| format!("`{it}`")).collect();
                    format!("a table with {}", all.join(", "))
                }
                None => "a table".into(),
            }
        }
        _ => "a value".into(),
    }
}

fn interfaces() -> String {
    let mut page = format!(
        "\n## Interfaces of world {}\n\nWhat a component imports, and so needs in its certificate. A service that nobody has certified has those \
         that are harmless.\n",
        World::default().name()
    );
    page += &heading(&["interface", "whose half", "harmless", "what it allows"]);
    for it in Capability::all() {
        use semper_items::Side::{Buyer, Seller};
        let whose = match (it.is_for(Buyer), it.is_for(Seller)) {
            (true, true) => "both",
            (true, false) => "buyer",
            (false, true) => "seller",
            (false, false) => "nobody",
        };
        let harmless = if Capability::HARMLESS.contains(&it) { "yes" } else { "" };
        let name = format!("`{it}@{}`", World::default().version(it));
        page += &row(&[&name, whose, harmless, look::allowed(it)]);
    }
    page
}

fn statements() -> String {
    let mut page = "\n## Statements\n\nWhat services sign. Hosts, banks and judges act on what a kind says of itself here.\n".to_owned();
    page += &heading(&["kind", "by", "names", "amount", "binds its signer to"]);
    for kind in Kind::ALL.iter().filter(|it| it.entry().by.is_service()) {
        let entry = kind.entry();
        let by = match entry.by {
            By::Seller => "seller",
            By::Buyer => "buyer",
            _ => "either",
        };
        let names = |all: &[Kind]| all.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
        let amount = match entry.amount {
            Sum::Nothing => String::new(),
            Sum::Own => "its own".into(),
            Sum::Of(kinds) => format!("that of the {}", names(kinds)),
        };
        let binds = match entry.binds {
            Binds::Nothing => "nothing",
            Binds::Deliver => "deliver",
            Binds::Pay => "pay",
            Binds::Spend => "a payment at once",
        };
        page += &row(&[&format!("`{}`", entry.name), by, &names(entry.refers), &amount, binds]);
    }
    page
}

fn flow() -> String {
    let mut page = "\n## What every host demands of a flow\n\n`semper-sign service` refuses what is against it, `check` names it as a FAULT.\n\n".to_owned();
    for demand in Flow::DEMANDS {
        page += &format!("- {demand}\n");
    }
    page += "\n## What `check` looks at\n\nEach property holds on every path of a flow, or is refuted by a shortest path. An item that comes in the same \
             exchange as the money counts as an answer to it.\n";
    page += &heading(&["property", "promise to buyers"]);
    let empty = Flow { start: String::new(), states: Default::default() };
    for property in properties::examine(&empty) {
        page += &row(&[&format!("`{}`", property.name), property.says]);
    }
    page
}

fn findings() -> String {
    let mut page = "\n## What `exercise` looks for\n\nEach is judged by what the world saw of a deal, not by the code; an example names the seed that plays it again.\n".to_owned();
    page += &heading(&["finding", "what it means"]);
    for (name, says) in FINDINGS {
        page += &row(&[&format!("`{name}`"), says]);
    }
    page
}

fn limits() -> String {
    let mut page = "\n## Limits of the sandbox\n\nA service asks for more than the usual in `[limits]` of its description, a certificate may lower it, and the buyer's trust file \
                    says how far a certified service may go: to the ceiling, if it says nothing. Whoever goes over one fails its own deal.\n"
        .to_owned();
    page += &heading(&["name", "what is counted", "usual", "ceiling"]);
    let (usual, ceiling) = (Limits::default(), Limits::ceiling());
    for limit in Limit::all() {
        let (usual, ceiling) = (counted(usual.get(limit)), counted(ceiling.get(limit)));
        page += &row(&[&format!("`{}`", limit.name()), limit.words(), &usual, &ceiling]);
    }
    page += "\n## Other limits\n";
    page += &heading(&["of", "at most"]);
    let size = |bytes: usize| counted(bytes as u64);
    let rows = [
        ("states of a flow", size(MAX_STATES)),
        ("actions of a state", size(MAX_ACTIONS)),
        ("items that a side gives in an exchange", size(MAX_PARTS)),
        ("bytes of one statement", size(items::STATEMENT)),
        ("bytes of information in one message", size(items::INFORMATION)),
        ("bytes of information in an exchange", size(semper_runtime::exchange::MAX_INFO)),
        ("lines of an offer", size(items::LINES)),
        ("pieces of one article in a line", counted(u64::from(items::QUANTITY))),
        ("characters of a text in a statement", size(items::TEXT)),
        ("characters of a reason", size(items::LONG_TEXT)),
        (
            "characters of what a service says in one question",
            size(semper_tinguin_protocol::screen::MAX_SAYS),
        ),
        (
            "options of a choice, fields of a form",
            size(semper_tinguin_protocol::screen::MAX_OPTIONS),
        ),
        ("bytes of a checkpoint's state", size(semper_runtime::context::MAX_STATE)),
        ("bytes of a component's stack", size(semper_runtime::settings::STACK)),
        ("bytes of a description or certificate in a bundle", size(layout::MAX_DOCUMENT)),
        ("bytes of a component or text in a bundle", size(layout::MAX_BLOB)),
        ("bytes of a bundle", size(layout::MAX_TOTAL)),
    ];
    for (what, most) in rows {
        page += &row(&[what, &most]);
    }
    page
}

/// A number as people read it: `262,144`.
fn counted(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn heading(columns: &[&str]) -> String {
    format!("\n{}|{}\n", row(columns), "---|".repeat(columns.len()))
}

fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|it| one_line(it).replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Comments are broken into lines where they end in the source.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
