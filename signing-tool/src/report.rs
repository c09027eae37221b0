//! Everything that can be found out about a bundle, on one HTML page without scripts.

use std::fmt::Write as _;
use std::path::Path;

use semper_base::text::{self, counted};
use semper_base::{Digest, Report, Timestamp};
use semper_trust::properties::{self, Property};
use semper_trust::{ServiceDescription, TermsDescription, verify};
use serde_json::json;

use crate::arguments::ExerciseArguments;
use crate::exercise::{self, Exercised};
use crate::say::Said;
use crate::{check, draft, files};

const STYLE: &str = "
:root { color-scheme: light; --line: #d4d7dd; --good: #17663a; --bad: #a3161f; --soft: #f5f6f8; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c2330; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { margin-top: 2.2rem; font-size: 1.2rem; }
.verdict { padding: .8rem 1rem; border-radius: .4rem; font-weight: 600; margin: 1rem 0; }
.good { color: var(--good); } .bad { color: var(--bad); }
.verdict.good { background: #e7f4ec; } .verdict.bad { background: #fbe9ea; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { background: var(--soft); font-weight: 600; }
code { font-size: .86rem; overflow-wrap: anywhere; }
figure { margin: 1rem 0; overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
figure svg { display: block; margin: auto; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
";

pub fn report(arguments: &ExerciseArguments, out: &Path) -> Result<Said, Report> {
    let layout = draft::examined(&arguments.bundle)?;
    let (descriptor, service) = files::service(&layout)?;
    let terms = files::terms(&layout)?;
    let properties = properties::examine(&service.flow);
    let exercised = exercise::exercised(arguments)?;
    let mut components = String::new();
    for (side, digest) in [("buyer", service.buyer), ("seller", service.seller)] {
        let bytes = layout.blob(&digest)?;
        let imports = verify::imports(bytes)?.join(", ");
        let cells = [side.into(), code(&digest), bytes.len().to_string(), text::html(&imports)];
        components += &row(&cells);
    }
    let faults = service.flow.faults();
    let fair =
        faults.is_empty() && properties.iter().all(Property::holds) && exercised.unfair.is_empty();
    let mut page = head(&service, fair);
    page += &section(
        "What it is",
        &identity(&service, &descriptor.digest, terms.as_ref().map(|it| &it.1)),
    );
    let header = heading(&["side", "digest", "bytes", "imports"]);
    page += &section("Components", &table(&header, &components));
    page +=
        &section("Flow", &format!("<figure>{}</figure>", inner(&check::svg(&service.flow, &[])?)));
    page += &section("What the flow promises", &promises(&properties, &service)?);
    page += &section("What deals showed", &deals(&exercised));
    page += "</body></html>\n";
    files::replace(out, page.as_bytes())?;
    let digest = Digest::of(page.as_bytes());
    let verdict = if fair { "nothing unfair was found" } else { "it is not fair" };
    let text = format!("{}: {verdict}\n  digest {digest}", out.display());
    let value = json!({ "file": out, "digest": digest, "fair": fair, "exercised": exercised });
    Ok(Said { text, value, refused: !fair })
}

fn head(service: &ServiceDescription, fair: bool) -> String {
    let title = format!("{} {}", text::html(&service.name), text::html(&service.version));
    let (class, verdict) = if fair {
        ("good", "Nothing unfair was found.")
    } else {
        ("bad", "This service is not fair; see below.")
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}: examination</title><style>{STYLE}</style></head><body>\
         <h1>{title}</h1><p>{}. Examined on {}.</p>\
         <p class=\"verdict {class}\">{verdict}</p>\n",
        text::html(&service.summary),
        Timestamp::now().date()
    )
}

fn identity(
    service: &ServiceDescription,
    digest: &Digest,
    terms: Option<&TermsDescription>,
) -> String {
    let mut rows = row(&["service".into(), code(digest)]);
    rows += &row(&["author".into(), text::html(&service.author)]);
    rows += &row(&["world".into(), text::html(&service.world)]);
    for (name, parameter) in &service.parameters {
        let value = terms.and_then(|it| it.parameters.get(name));
        let value = value.map_or(String::new(), |it| format!("; here {it}"));
        let text = format!("{} ({}{value})", parameter.meaning, parameter.bounds);
        rows += &row(&[format!("parameter <code>{}</code>", text::html(name)), text::html(&text)]);
    }
    for (limit, value) in &service.limits {
        rows += &row(&["wants".into(), text::html(&format!("{value} {limit}"))]);
    }
    table("", &rows)
}

fn promises(properties: &[Property], service: &ServiceDescription) -> Result<String, Report> {
    let mut rows = String::new();
    let mut pictures = String::new();
    for property in properties {
        let (class, word) = if property.holds() { ("good", "holds") } else { ("bad", "fails") };
        rows += &row(&[
            format!("<span class=\"{class}\">{word}</span>"),
            format!("<code>{}</code>", property.name),
            text::html(property.says),
        ]);
        if let Some(steps) = &property.counterexample {
            let path: String = steps.iter().fold(String::new(), |mut text, step| {
                let _ = write!(text, "<li>{}</li>", text::html(&step.to_string()));
                text
            });
            let picture = inner(&check::svg(&service.flow, steps)?).to_owned();
            let _ = write!(
                pictures,
                "<h3 class=\"bad\">{}</h3><ol>{path}</ol><figure>{picture}</figure>",
                text::html(property.says)
            );
        }
    }
    Ok(table("", &rows) + &pictures)
}

fn deals(exercised: &Exercised) -> String {
    let mut text = format!(
        "<p>{} played, with seeds from {}; a deal's seed plays it again. {} made.</p>",
        counted(exercised.runs, "deal was", "deals were"),
        exercised.seed,
        counted(exercised.payments, "payment was", "payments were"),
    );
    let mut rows = String::new();
    for (name, unfair) in &exercised.unfair {
        let examples: Vec<String> =
            unfair.examples.iter().map(|it| format!("seed {}: {}", it.seed, it.seen)).collect();
        rows += &row(&[
            format!("<span class=\"bad\">{}</span>", text::html(name)),
            text::html(&unfair.says),
            unfair.count.to_string(),
            text::html(&examples.join("; ")),
        ]);
    }
    if rows.is_empty() {
        text += "<p class=\"good\">No deal was unfair.</p>";
    } else {
        text += &table(&heading(&["unfair", "what it means", "deals", "for example"]), &rows);
    }
    let mut rows = String::new();
    for (end, count) in &exercised.ends {
        rows += &row(&[text::html(end), count.to_string()]);
    }
    text += &table(&heading(&["how deals ended", "deals"]), &rows);
    let mut rows = String::new();
    for (kind, count) in &exercised.signed {
        let declined = exercised.refused.get(kind).copied().unwrap_or(0);
        rows += &row(&[text::html(kind), count.to_string(), declined.to_string()]);
    }
    text += &table(&heading(&["statement", "signed", "declined"]), &rows);
    let cover = |some: &std::collections::BTreeSet<String>,
                 rest: &std::collections::BTreeSet<String>| {
        let missing: Vec<&str> = rest.iter().map(String::as_str).collect();
        let missing = if missing.is_empty() {
            "all".into()
        } else {
            format!("never: {}", missing.join(", "))
        };
        [format!("{} of {}", some.len(), some.len() + rest.len()), text::html(&missing)]
    };
    let [states, no_states] = cover(&exercised.visited, &exercised.unvisited);
    let [items, no_items] = cover(&exercised.sent, &exercised.unsent);
    let rows = row(&["states of the flow".into(), states, no_states])
        + &row(&["items of the flow".into(), items, no_items]);
    text + &table(&heading(&["coverage", "", ""]), &rows)
}

fn section(title: &str, body: &str) -> String {
    format!("<section><h2>{title}</h2>{body}</section>\n")
}

fn table(heading: &str, rows: &str) -> String {
    format!("<table>{heading}{rows}</table>")
}

fn heading(names: &[&str]) -> String {
    let cells: String = names.iter().map(|it| format!("<th>{it}</th>")).collect();
    format!("<tr>{cells}</tr>")
}

fn row(cells: &[String]) -> String {
    let number = |it: &String| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    let cell = |it: &String| {
        let class = if number(it) { " class=\"number\"" } else { "" };
        format!("<td{class}>{it}</td>")
    };
    format!("<tr>{}</tr>", cells.iter().map(cell).collect::<String>())
}

fn code(digest: &Digest) -> String {
    format!("<code>{digest}</code>")
}

/// An SVG without the head that only files have.
fn inner(svg: &str) -> &str {
    svg.find("<svg").map_or(svg, |at| &svg[at..])
}
