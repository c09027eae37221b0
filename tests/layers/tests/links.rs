//! Documents lead somewhere: every relative link and anchor of a Markdown file, and every page and
//! section of `docs/` that a comment cites. Nothing cites files that are not in the repository.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use semper_layers::repository;

/// Folders without text of ours.
const SKIPPED: [&str; 4] = [".git", "target", "node_modules", "corpus"];
/// Endings of files that may cite documents.
const TEXTS: [&str; 11] =
    ["md", "rs", "toml", "template", "wit", "cddl", "cedar", "cedarschema", "svg", "js", "py"];

/// Every file below a folder that has one of these endings, with its text.
fn texts(endings: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![repository()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            let ending = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
            if entry.file_type().unwrap().is_dir() {
                if !SKIPPED.iter().any(|it| name == *it) {
                    folders.push(path);
                }
            } else if endings.contains(&ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "there is no text to look at");
    found
}

/// A document's lines without its fenced blocks.
fn unfenced(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && !fenced
    })
}

/// A document's paragraphs without code: neither fenced nor between backticks.
fn paragraphs(text: &str) -> Vec<String> {
    let lines: Vec<&str> = unfenced(text).collect();
    let blank = |line: &&str| line.trim().is_empty();
    let paragraphs = lines.split(blank).map(|lines| lines.join("\n"));
    // Every second piece between backticks is code.
    paragraphs.map(|it| it.split('`').step_by(2).collect()).collect()
}

/// The targets of a document's links and pictures.
fn links(text: &str) -> Vec<String> {
    let targets = |paragraph: &String| -> Vec<String> {
        let parts = paragraph.split("](").skip(1);
        let target = |part: &str| part.split(')').next().unwrap_or_default().trim().to_owned();
        parts.map(target).collect()
    };
    paragraphs(text).iter().flat_map(targets).collect()
}

/// A document's headings, without the marks before them.
fn headings(text: &str) -> Vec<String> {
    let heading = |line: &str| {
        let rest = line.trim_start_matches('#');
        let marked = rest.len() < line.len() && rest.starts_with(' ');
        marked.then(|| rest.trim().replace(['`', '*'], ""))
    };
    unfenced(text).filter_map(heading).collect()
}

/// The anchors that a document's headings have on the usual code hosts.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchor = |heading: String| {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let name: String = heading.to_lowercase().chars().filter(kept).collect();
        let name = name.replace(' ', "-");
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        match *times {
            1 => name,
            again => format!("{name}-{}", again - 1),
        }
    };
    headings(text).into_iter().map(&mut anchor).collect()
}

/// Why a link of this document leads nowhere; `None` if it leads somewhere.
fn fault(document: &Path, text: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = document.parent().unwrap().join(path);
    if !path.is_empty() && !target.exists() {
        return Some(format!("{}: there is no {link}", document.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    let there = match path.is_empty() {
        true => anchors(text),
        false => anchors(&fs::read_to_string(&target).unwrap()),
    };
    let lost = !there.contains(anchor);
    lost.then(|| format!("{}: {link} names no heading", document.display()))
}

/// The files of `docs/` that a text cites, each with the words after it.
fn citations(text: &str) -> Vec<(String, String)> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let mut found = Vec::new();
    let mut pieces = text.split("docs/");
    let mut before = pieces.next().unwrap_or_default();
    for piece in pieces {
        let name: String = piece.chars().take_while(|c| part(*c)).collect();
        let file = name.trim_end_matches('.').to_owned();
        let own = !before.ends_with(|c: char| c.is_ascii_alphanumeric());
        if own && (file.ends_with(".md") || file.ends_with(".svg")) {
            found.push((file, piece[name.len()..].to_owned()));
        }
        before = piece;
    }
    found
}

/// The section that is named right after a citation, as in "…`, “Money”", over the end of a
/// comment's line, too.
fn section(after: &str) -> Option<String> {
    let words = after.lines().map(|line| line.trim_start().trim_start_matches(['/', '!']));
    let words = words.collect::<Vec<_>>().join(" ");
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let rest = words.strip_prefix("`, “")?;
    rest.split_once('”').map(|(name, _)| name.to_owned())
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    for (document, text) in texts(&["md"]) {
        faults.extend(links(&text).iter().filter_map(|link| fault(&document, &text, link)));
    }
    assert_none(&faults);
}

#[test]
fn every_cited_page_and_section_is_there() {
    let docs = repository().join("docs");
    let mut faults = Vec::new();
    for (path, text) in texts(&TEXTS) {
        for (file, after) in citations(&text) {
            let Ok(page) = fs::read_to_string(docs.join(&file)) else {
                faults.push(format!("{}: there is no docs/{file}", path.display()));
                continue;
            };
            let lost = section(&after).filter(|name| !headings(&page).contains(name));
            faults.extend(lost.map(|it| format!("{}: docs/{file} has no “{it}”", path.display())));
        }
    }
    assert_none(&faults);
}

#[test]
fn nothing_cites_the_design() {
    // The design stands outside the repository, where a reader cannot follow.
    let design = ["design", "/"].concat();
    let citing = texts(&TEXTS).into_iter().filter(|(_, text)| text.contains(&design));
    let faults: Vec<String> = citing.map(|(path, _)| path.display().to_string()).collect();
    assert_none(&faults);
}

#[test]
fn links_and_anchors_are_read_as_written() {
    let text = "# The `one` way: X1, X2\n\nSee [a](b.md#c), `[not](this)` and\n![d](e.svg).\n\n```\n\
                [nor](that)\n# nor this\n```\n\n## The one way: X1, X2\n";

    assert_eq!(links(text), ["b.md#c", "e.svg"]);
    let there: Vec<String> = anchors(text).into_iter().collect();
    assert_eq!(there, ["the-one-way-x1-x2", "the-one-way-x1-x2-1"]);
    assert_eq!(section("`, “Three\n//! properties”)"), Some("Three properties".to_owned()));
}
