//! Random components (wasm-smith): whatever they are, the host goes on, and each deal fails
//! with a named reason. `SEMPER_SMITH` says how many, `SEMPER_SEED` with which to begin; a
//! failure prints its seed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;

use arbitrary::Unstructured;
use common::wat::parse;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use semper_archive::DealState;
use semper_trust::Limit;
use semper_workbench::{Offered, Options, Workbench};

/// A random component, or a random module inside a component that is otherwise honest: its
/// start function runs.
fn component(seed: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 20_000];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    let mut source = Unstructured::new(&bytes);
    if seed.is_multiple_of(4) {
        let config = wasm_smith::Config { max_components: 3, ..Default::default() };
        return wasm_smith::Component::new(config, &mut source).ok().map(|it| it.to_bytes());
    }
    let config = wasm_smith::Config {
        max_imports: 0,
        min_funcs: 1,
        allow_start_export: true,
        memory64_enabled: false,
        threads_enabled: false,
        // What this host does not have is tried, too, now and then.
        gc_enabled: seed % 8 == 1,
        reference_types_enabled: seed % 8 == 1,
        exceptions_enabled: false,
        max_memories: 1,
        max_memory32_bytes: 1 << 32,
        ..Default::default()
    };
    let module = wasm_smith::Module::new(config, &mut source).ok()?.to_bytes();
    let mut component = parse(
        r#"(component
            (core module $M (memory (export "memory") 1) (func (export "run") (result i32) i32.const 16))
            (core instance $i (instantiate $M))
            (func $run (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory"))))
            (export "run" (func $run)))"#,
    );
    // Two sections more: the random module, and an instance of it without arguments.
    component.push(1);
    leb(module.len(), &mut component);
    component.extend(module);
    component.extend([2, 4, 1, 0, 1, 0]);
    Some(component)
}

/// An unsigned number as WebAssembly writes it.
fn leb(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[test]
fn random_components_hurt_nobody() {
    let number = |name: &str| std::env::var(name).ok().and_then(|it| it.parse::<u64>().ok());
    let first = number("SEMPER_SEED").unwrap_or(1);
    let count = number("SEMPER_SMITH").unwrap_or(100);
    let bench = Workbench::new(Options::default());
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    for seed in first..first + count {
        let Some(component) = component(seed) else { continue };
        let mut offered = Offered::new(&component);
        // So that the endless ones do not make the test so.
        offered.certified_limits = [(Limit::Fuel, 20_000_000), (Limit::CompileTime, 5_000)].into();
        let (id, row) = bench.run(&offered);
        let reason = bench.reason(id).unwrap_or_default();
        // One that does nothing at all ends in the middle of the flow: that is the service's fault.
        assert_eq!(row.state, DealState::Failed, "seed {seed}: {}", row.note);
        let known = ["component", "trap", "service", "refused", "gave-up"]
            .contains(&reason.as_str())
            || reason.starts_with("limit/");
        assert!(known, "seed {seed}: {reason}: {}", row.note);
        *reasons.entry(reason).or_default() += 1;
        // What they have compiled is not kept for ever.
        let _ = std::fs::remove_dir_all(bench.home.join("cache"));
    }
    let metrics = bench.host.runtime().engine().pooling_allocator_metrics().unwrap();
    assert_eq!((metrics.component_instances(), metrics.memories()), (0, 0));
    println!("{count} components from seed {first}: {reasons:?}");
    assert!(count < 100 || reasons.len() > 2, "{reasons:?}");
}
