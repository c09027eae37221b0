//! Components written to hurt their host, certified by mistake: in WAT (bare modules, as C
//! without a library makes them) and in Rust (the probe). Whatever they do, the process lives,
//! their memory comes back, other deals go on, and each deal fails with its own named reason,
//! an entry in the archive and a sentence in the TINGUIN.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::probe;
use common::wat::{bare, calling, calling_post, calling_with, libc, parse, with_post};
use semper_archive::DealState;
use semper_trust::Limit;
use semper_workbench::{Offered, Options, Workbench};

/// A case: its name, the service, and the typed reasons by which it may fail.
struct Case(&'static str, Offered, &'static [&'static str]);

fn case(name: &'static str, component: Vec<u8>, reasons: &'static [&'static str]) -> Case {
    Case(name, Offered::new(&component), reasons)
}

fn scripted(name: &'static str, script: &str, reasons: &'static [&'static str]) -> Case {
    Case(name, probe(script), reasons)
}

fn bounded(mut case: Case, limit: Limit, most: u64) -> Case {
    case.1.certified_limits.insert(limit, most);
    case
}

const OK: &str = "(i32.const 16)";
const TIME: &[&str] = &["limit/fuel", "limit/time"];
const LOOP: &str = "(loop $l (br $l))";

/// Endless loops, everywhere that code of the component runs.
fn loops() -> Vec<Case> {
    vec![
        case("loop in run", bare("", &format!("{LOOP} unreachable")), TIME),
        case("loop in start", bare(&format!("(func $s {LOOP}) (start $s)"), OK), TIME),
        case("loop in post-return", with_post("", OK, LOOP), TIME),
        case(
            "loop in realloc",
            calling_with(
                &format!("(call $id (i32.const 32)) {OK}"),
                &libc(&format!("{LOOP} unreachable")),
            ),
            TIME,
        ),
        case(
            "loop that only waits for the clock",
            bare(
                "(global $n (mut i64) (i64.const 0))",
                &format!(
                    "(loop $l (global.set $n (i64.add (global.get $n) (i64.const 1)))
                    (br_if $l (i64.lt_u (global.get $n) (i64.const 90000000000)))) {OK}"
                ),
            ),
            TIME,
        ),
        scripted("loop in Rust", "spin", TIME),
    ]
}

/// Memory, tables, stack, instances, handles.
fn bombs() -> Vec<Case> {
    let grow = "(drop (memory.grow (i32.const 1000)))";
    let piece = "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))";
    let deep = "(func $d (param i32) (result i32) (i32.add (call $d (local.get 0)) (i32.const 1)))";
    let through =
        "(type $t (func (param i32) (result i32))) (table 1 funcref) (elem (i32.const 0) $d)
        (func $d (param i32) (result i32)
            (i32.add (call_indirect (type $t) (local.get 0) (i32.const 0)) (i32.const 1)))";
    let many: String =
        (0..100).map(|n| format!("(core instance $c{n} (instantiate $M))")).collect();
    let several = parse(&format!(
        r#"(component (core module $M (func (export "run") (result i32) (i32.const 0))) {many})"#
    ));
    vec![
        case("memory at once", bare("", &format!("{grow} {OK}")), &["limit/memory"]),
        case("memory page by page", bare("", &format!("{piece} {OK}")), &["limit/memory"]),
        case(
            "memory from the start",
            parse(
                r#"(component (core module $M (memory 60000)) (core instance (instantiate $M)))"#,
            ),
            &["limit/memory", "component"],
        ),
        case(
            "table that grows",
            bare(
                "(table $t 1 funcref)",
                &format!("(drop (table.grow $t (ref.null func) (i32.const 100000))) {OK}"),
            ),
            &["limit/tables"],
        ),
        case(
            "table that grows without end",
            bare(
                "(table $t 1 funcref)",
                &format!(
                    "(loop $l (br_if $l (i32.ge_s
                    (table.grow $t (ref.null func) (i32.const 1)) (i32.const 0)))) {OK}"
                ),
            ),
            &["limit/tables"],
        ),
        case("table from the start", bare("(table 5000000 funcref)", OK), &["limit/tables"]),
        case("stack", bare(deep, "(call $d (i32.const 0))"), &["limit/stack"]),
        case("stack by a table", bare(through, "(call $d (i32.const 0))"), &["limit/stack"]),
        case("instances", several, &["limit/instances", "component"]),
        scripted("memory in Rust", "grow", &["limit/memory"]),
        scripted("stack in Rust", "deep 0", &["limit/stack", "trap"]),
        bounded(scripted("handles", "handles 50", &["limit/handles"]), Limit::Handles, 10),
    ]
}

/// What lies at the border: lists, strings, discriminants, pointers, handles.
fn borders() -> Vec<Case> {
    let send = |kind: &str, len: &str, body: &str, size: &str| {
        calling(&format!(
            "(call $send (i32.const {kind}) (i32.const {len}) (i32.const {body}) (i32.const {size})) {OK}"
        ))
    };
    let failed = |at: &str, len: &str| {
        bare(
            "",
            &format!(
            "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const {at}))
             (i32.store (i32.const 24) (i32.const {len})) {OK}"
        ),
        )
    };
    let mebibytes =
        |run: &str| calling(&format!("(drop (memory.grow (i32.const 100))) {run} {OK}"));
    vec![
        case("list beyond memory", send("64", "4", "0", "2147483647"), &["trap", "limit/call-bytes"]),
        case("list that wraps round", send("64", "4", "-16", "64"), &["trap"]),
        case("string beyond memory", send("64", "2147483647", "0", "1"), &["trap", "limit/call-bytes"]),
        case("string that is no UTF-8", send("72", "4", "0", "1"), &["trap"]),
        case(
            "list of megabytes",
            mebibytes("(call $send (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 6000000))"),
            &["limit/call-bytes"],
        ),
        case(
            "string of megabytes",
            mebibytes("(call $log (i32.const 200000) (i32.const 6000000))"),
            &["limit/call-bytes"],
        ),
        case("result beyond memory", bare("", "(i32.const 2000000)"), &["trap"]),
        case("result that is not aligned", bare("", "(i32.const 17)"), &["trap"]),
        case("discriminant that is none",
            bare("", &format!("(i32.store8 (i32.const 16) (i32.const 7)) {OK}")), &["trap"]),
        case("reason beyond memory", failed("4096", "2147483647"), &["trap", "limit/call-bytes"]),
        case("reason that is no UTF-8", bare("(data (i32.const 4096) \"\\ff\\ff\")", &format!(
            "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const 4096))
             (i32.store (i32.const 24) (i32.const 2)) {OK}")), &["trap"]),
        case("reason of a megabyte", bare("", &format!(
            "(drop (memory.grow (i32.const 40))) (i32.store8 (i32.const 16) (i32.const 1))
             (i32.store (i32.const 20) (i32.const 4096)) (i32.store (i32.const 24) (i32.const 2000000)) {OK}")),
            &["limit/call-bytes"]),
        case("allocator that lies", calling_with(
            &format!("(call $id (i32.const 32)) {OK}"), &libc("(i32.const -8)")), &["trap"]),
        case("place for a result that is not aligned",
            calling(&format!("(call $id (i32.const 33)) {OK}")),
            &["trap"]),
        case("handle that is forged",
            calling(&format!("(drop (call $post (i32.const 12345))) {OK}")), &["trap"]),
        case("handle zero", calling(&format!("(drop (call $post (i32.const 0))) {OK}")), &["trap"]),
        case("handle dropped that is none",
            calling(&format!("(call $drop (i32.const 1)) {OK}")), &["trap"]),
        case("handle of another kind dropped",
            calling(&format!("(call $drop-paying (i32.const 2)) {OK}")), &["trap"]),
        case("method of a handle that is none",
            calling(&format!("(call $signer (i32.const 7) (i32.const 32)) {OK}")), &["trap"]),
        case("handle at the end of all numbers",
            calling(&format!("(drop (call $post (i32.const -1))) {OK}")), &["trap"]),
    ]
}

/// Crashes, re-entrance, calls out of flow, floods.
fn conduct() -> Vec<Case> {
    let send = |at: &str, len: &str| {
        calling(&format!(
            "(call $send (i32.const {at}) (i32.const {len}) (i32.const 0) (i32.const 1)) {OK}"
        ))
    };
    vec![
        case("unreachable", bare("", "unreachable"), &["trap"]),
        case("load out of bounds", bare("", "(i32.load (i32.const -8))"), &["trap"]),
        case("division by zero", bare("", "(i32.div_s (i32.const 1) (i32.const 0))"), &["trap"]),
        case(
            "division that overflows",
            bare("", "(i32.div_s (i32.const -2147483648) (i32.const -1))"),
            &["trap"],
        ),
        case(
            "call of nothing",
            bare(
                "(type $t (func (result i32))) (table 2 funcref)",
                "(call_indirect (type $t) (i32.const 1))",
            ),
            &["trap"],
        ),
        case(
            "call of another type",
            bare(
                "(type $t (func (result i32))) (table 1 funcref) (func $f (param i64)) (elem (i32.const 0) $f)",
                "(call_indirect (type $t) (i32.const 0))",
            ),
            &["trap"],
        ),
        case("start that crashes", bare("(func $s unreachable) (start $s)", OK), &["trap"]),
        case("does nothing", bare("", OK), &["service"]),
        // Re-entrance: the host is called from where a component may not be left.
        case(
            "call of the host in post-return",
            calling_post(OK, "(call $log (i32.const 64) (i32.const 4))"),
            &["trap"],
        ),
        case(
            "message in post-return",
            calling_post(
                OK,
                "(call $send (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 1))",
            ),
            &["trap"],
        ),
        case("kind that the flow does not have", send("64", "3"), &["flow"]),
        case("the host's own kind", send("80", "10"), &["flow"]),
        scripted("crash in Rust", "trap", &["trap"]),
        scripted("gives up", "fail I will not", &["gave-up"]),
        scripted("order without an offer", "order", &["gave-up"]),
        scripted("flood of messages", "notes 700", &["limit/messages"]),
        scripted("flood of log", "log 100000 1000", &["limit/log-bytes"]),
        scripted("flood of progress", "progress 100000", &["limit/log-bytes"]),
        scripted("journal bomb", "now 20000", &["limit/records"]),
        scripted(
            "journal bomb by size",
            "big 250000\nagain",
            &["limit/journal-bytes", "limit/messages"],
        ),
        bounded(
            scripted(
                "journal bomb by size, bounded",
                "big 100000\nagain",
                &["limit/journal-bytes"],
            ),
            Limit::JournalBytes,
            300_000,
        ),
        scripted("information that is too large", "big 300000", &["limit/call-bytes"]),
        scripted("question with a thousand fields", "fields 1000", &["service"]),
        scripted(
            "checkpoint that is too large",
            &format!("checkpoint {}", "x".repeat(9_000)),
            &["service", "limit/records", "limit/journal-bytes", "gave-up"],
        ),
        scripted("checkpoints for ever", "checkpoint x\nagain", &["limit/checkpoints"]),
        bounded(
            scripted(
                "messages from run to run",
                "note n\ncheckpoint x\nagain",
                &["limit/messages"],
            ),
            Limit::Messages,
            20,
        ),
        scripted("script that is none", "dance", &["gave-up"]),
    ]
}

/// What never gets to run.
fn unfit() -> Vec<Case> {
    let import = |name: &str| parse(&format!("(component (import \"{name}\" (instance)))"));
    let mut nested = String::from("(component");
    for _ in 0..40 {
        nested.push_str(" (component");
    }
    nested.push_str(&")".repeat(41));
    let flat = |text: &str| {
        parse(&format!("(component (core module $M {text}) (core instance (instantiate $M)))"))
    };
    let valid = bare("", OK);
    vec![
        case("core module", parse("(module)"), &["component"]),
        case("noise", b"noise that is no component".to_vec(), &["component"]),
        case("nothing", Vec::new(), &["component"]),
        case("cut off", valid[..valid.len() / 2].to_vec(), &["component"]),
        case("import of another version", import("semper:deal/deal@9.0.0"), &["refused"]),
        case(
            "import of a version that its world does not have",
            import("semper:deal/deal@1.0.0"),
            &["refused"],
        ),
        case("import without a version", import("semper:deal/deal"), &["refused"]),
        case("sockets", import("wasi:sockets/tcp@0.2.6"), &["refused"]),
        case("http", import("wasi:http/outgoing-handler@0.2.6"), &["refused"]),
        case("a future WASI", import("wasi:cli/stdout@0.3.0"), &["refused"]),
        case("an import of our own making", import("semper:bank/vault@1.0.0"), &["refused"]),
        case(
            "import of another type",
            parse(
                r#"(component (import "semper:deal/deal@1.1.0" (instance (export "id" (func (result u64))))))"#,
            ),
            &["component"],
        ),
        case(
            "import of what the interface does not have",
            parse(
                r#"(component (import "semper:deal/deal@1.1.0" (instance (export "secret" (func (result string))))))"#,
            ),
            &["component"],
        ),
        case("no run", parse("(component)"), &["component"]),
        case(
            "run of another type",
            parse(
                r#"(component (core module $M (func (export "run"))) (core instance $i (instantiate $M))
                (func $run (canon lift (core func $i "run"))) (export "run" (func $run)))"#,
            ),
            &["component", "trap"],
        ),
        case("components in components", parse(&nested), &["component"]),
        case(
            "a nested component that does nothing",
            parse("(component (component $c (core module)) (instance (instantiate $c)))"),
            &["component"],
        ),
        case("shared memory", flat("(memory 1 2 shared)"), &["component"]),
        case("64-bit memory", flat("(memory i64 1)"), &["component"]),
        case("several memories", flat("(memory 1) (memory 1)"), &["component"]),
        Case(
            "refused limit",
            {
                let mut offered = Offered::new(&valid);
                offered.limits.insert(Limit::Memory, 1 << 40);
                offered
            },
            &["refused"],
        ),
    ]
}

/// What is made to keep a compiler busy.
fn compile_bombs() -> Vec<Case> {
    let module = |fields: &str| {
        parse(&format!("(component (core module $M {fields}) (core instance (instantiate $M)))"))
    };
    let mut many = String::new();
    for _ in 0..30_000 {
        many.push_str("(func)");
    }
    let mut huge = String::from("(func (result i64) (local i64) local.get 0");
    for n in 0..400_000 {
        write!(huge, " i64.const {n} i64.xor local.tee 0 local.get 0 i64.mul").unwrap();
    }
    huge.push(')');
    let deep = format!("(func {} {})", "(block ".repeat(20_000), ")".repeat(20_000));
    let mut types = String::new();
    for n in 0..2_000 {
        write!(types, "(type (func (param {}) ))", "i64 ".repeat(n % 900)).unwrap();
    }
    let mut locals = String::from("(func");
    for _ in 0..45_000 {
        locals.push_str(" (local i64)");
    }
    locals.push(')');
    let branches = format!(
        "(func (param i32) {} (br_table {} (local.get 0)) {})",
        "(block ".repeat(200),
        "0 ".repeat(60_000),
        ")".repeat(200)
    );
    let mut padded = bare("", OK);
    // A custom section of five megabytes: name "x", then nothing of interest.
    let size: u32 = 5 << 20;
    padded.push(0);
    let mut leb = size + 2;
    while leb >= 0x80 {
        padded.push((leb & 0x7f) as u8 | 0x80);
        leb >>= 7;
    }
    padded.extend([leb as u8, 1, b'x']);
    padded.extend(std::iter::repeat_n(0, size as usize));
    let any: &[&str] =
        &["limit/compile-time", "limit/component-bytes", "component", "service", "limit/functions"];
    vec![
        case("many functions", module(&many), &["limit/functions"]),
        bounded(
            case(
                "huge function",
                module(&huge),
                &["limit/compile-time", "component", "limit/component-bytes"],
            ),
            Limit::CompileTime,
            1_000,
        ),
        bounded(case("deep nesting", module(&deep), any), Limit::CompileTime, 2_000),
        bounded(case("giant types", module(&types), any), Limit::CompileTime, 2_000),
        bounded(case("many locals", module(&locals), any), Limit::CompileTime, 2_000),
        bounded(case("giant branches", module(&branches), any), Limit::CompileTime, 2_000),
        case("padding", padded, &["limit/component-bytes"]),
    ]
}

/// A deal that goes on, one note back and forth after another, while the others attack.
fn honest(bench: &Workbench, stop: &AtomicBool) -> Vec<Duration> {
    let offered = probe(&"receive\n".repeat(400));
    let id = bench.open(&bench.terms(&offered));
    bench.asleep(id);
    let mut times = Vec::new();
    for round in 1..=390_usize {
        if stop.load(Ordering::SeqCst) && round > 60 {
            break;
        }
        let start = Instant::now();
        bench.note(id, "on");
        while bench.notes(id).len() < round {
            assert!(start.elapsed() < Duration::from_secs(20), "{}", bench.row(id).note);
            std::thread::sleep(Duration::from_micros(300));
        }
        times.push(start.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    times
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn whatever_a_component_does_its_deal_alone_fails_with_a_named_reason() {
    let bench = Arc::new(Workbench::new(Options { workers: 6, ..Options::default() }));
    let quiet = AtomicBool::new(true);
    let before = honest(&bench, &quiet);
    let attacked = Arc::new(AtomicBool::new(false));
    let beside = {
        let (bench, stop) = (Arc::clone(&bench), Arc::clone(&attacked));
        std::thread::spawn(move || honest(&bench, &stop))
    };

    let mut cases = loops();
    cases.extend(bombs());
    cases.extend(borders());
    cases.extend(conduct());
    cases.extend(unfit());
    cases.extend(compile_bombs());
    assert!(cases.len() >= 40);
    let (mut wrong, mut memory) = (String::new(), 0);
    let count = cases.len();
    for (index, Case(name, offered, reasons)) in cases.into_iter().enumerate() {
        let terms = match bench.verify(&offered) {
            Ok(_) => bench.terms(&offered),
            // Refused with the terms: nothing is ever opened.
            Err(refusal) => {
                if !reasons.contains(&"refused") {
                    writeln!(wrong, "{name}: {refusal}").unwrap();
                }
                continue;
            }
        };
        let id = bench.open(&terms);
        let row = bench.ended(id);
        let reason = bench.reason(id).unwrap_or_default();
        if row.state != DealState::Failed || !reasons.contains(&reason.as_str()) {
            writeln!(wrong, "{name}: {reason}: {}", row.note).unwrap();
        }
        if index == count / 4 {
            memory = resident();
        }
    }
    attacked.store(true, Ordering::SeqCst);
    let during = beside.join().unwrap();
    assert_eq!(wrong, "");

    // Everything that they took has come back.
    let metrics = bench.host.runtime().engine().pooling_allocator_metrics().unwrap();
    assert_eq!((metrics.component_instances(), metrics.memories(), metrics.tables()), (0, 0, 0));
    let grown = resident().saturating_sub(memory) >> 20;
    assert!(grown < 150, "{grown} MiB more than after the first quarter of the cases");
    // Each has told the person; the transcript is what she saw.
    let transcript = std::fs::read_to_string(bench.home.join("transcript.jsonl")).unwrap();
    let told = transcript.matches("the deal is failed: ").count();
    assert!(told >= count / 2, "{told} of {count} were told");
    println!(
        "{count} cases; a step of an honest deal: {:.1?} before, {:.1?} meanwhile (median)",
        before[before.len() / 2],
        during[during.len() / 2]
    );
}
