//! Files of one crate may import one another, but not in long circles: whoever reads a file has to
//! read no more than two others at once to understand it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use semper_layers::repository;

/// Files in one circle of imports, at most.
const MOST: usize = 3;

/// A module by its path within the crate: `["stop", "doubt"]`.
type Module = Vec<String>;

/// The source folders of the host's crates and of the signing tool's.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join("host"), repository().join("signing-tool")];
    while let Some(folder) = folders.pop() {
        if folder.join("Cargo.toml").is_file() {
            found.push(folder.join("src"));
        }
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "src") {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The modules of a crate, and their text without comments and tests.
fn modules(source: &Path) -> BTreeMap<Module, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let name = path.with_extension("");
                let name = name.strip_prefix(source).unwrap().iter();
                let mut module: Module = name.map(|it| it.to_string_lossy().into_owned()).collect();
                module.retain(|it| !["lib", "main", "mod"].contains(&it.as_str()));
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
                found.insert(module, lines.collect::<Vec<_>>().join("\n"));
            }
        }
    }
    found
}

/// The modules that one names, by `crate::…` or `super::…`; the crate's own page is none.
fn imports(own: &Module, text: &str, all: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::").chain(text.match_indices("super::")) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || "_:".contains(c)) {
            continue;
        }
        let (mut base, mut rest) = (own.clone(), &text[at..]);
        if let Some(after) = rest.strip_prefix("crate::") {
            (base, rest) = (Vec::new(), after);
        }
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        for path in paths(rest) {
            let mut module = [base.clone(), path].concat();
            while !module.is_empty() && !all.contains_key(&module) {
                module.pop();
            }
            if !module.is_empty() && module != *own {
                found.insert(module);
            }
        }
    }
    found
}

/// The paths that begin here: one, or one for each name in the braces at its end.
fn paths(text: &str) -> Vec<Module> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c: char| !word(c) && c != ':').unwrap_or(text.len());
    let stem: Module =
        text[..end].split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let Some(inner) = text[end..].strip_prefix('{').and_then(|it| it.split('}').next()) else {
        return vec![stem];
    };
    let names = inner.split(',').map(|it| it.trim().split(|c| !word(c)).next().unwrap_or_default());
    names.map(|name| [stem.clone(), vec![name.to_owned()]].concat()).collect()
}

/// Everything that can be reached from a module, itself included if it is in a circle.
fn reached(from: &Module, graph: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
    while let Some(module) = next.pop() {
        for other in graph.get(&module).into_iter().flatten() {
            if seen.insert(other.clone()) {
                next.push(other.clone());
            }
        }
    }
    seen
}

/// The circles of a crate's files, each once.
fn circles(source: &Path) -> BTreeSet<BTreeSet<Module>> {
    let all = modules(source);
    let graph: BTreeMap<Module, BTreeSet<Module>> =
        all.iter().map(|(own, text)| (own.clone(), imports(own, text, &all))).collect();
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        graph.keys().map(|module| (module, reached(module, &graph))).collect();
    let circle = |module: &Module| -> BTreeSet<Module> {
        let back = |other: &&Module| reach.get(other).is_some_and(|it| it.contains(module));
        reach[module].iter().filter(|other| back(other)).cloned().collect()
    };
    graph.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

#[test]
fn no_circle_within_a_crate_is_longer_than_three_files() {
    let sources = sources();
    assert!(sources.len() > 20, "{sources:?}");
    for source in sources {
        for circle in circles(&source) {
            let names: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
            assert!(names.len() <= MOST, "{}: {}", source.display(), names.join(", "));
        }
    }
}

#[test]
fn circles_are_found() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("circles");
    fs::create_dir_all(folder.join("a")).unwrap();
    fs::write(folder.join("lib.rs"), "mod a;\nmod b;\n").unwrap();
    fs::write(folder.join("a.rs"), "use crate::b::{B, Other};\nmod c;\n").unwrap();
    fs::write(folder.join("a/c.rs"), "use super::super::b;\n// use crate::a;\n").unwrap();
    fs::write(folder.join("b.rs"), "fn f() { crate::a::c::g() }\n").unwrap();

    let found = circles(&folder);

    let module = |name: &str| -> Module { name.split('/').map(str::to_owned).collect() };
    assert_eq!(found, [[module("a/c"), module("b")].into()].into());
}
