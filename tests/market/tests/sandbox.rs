//! Hostile components, in the text format, certified by mistake: none of them hurts the host,
//! and each deal ends with a sentence that says which limit it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{binaries, books, market, newest, small};
use semper_testkit::{Market, Published};

/// A component whose `run` is this code; memory starts with one page.
fn component(run: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $m
                (memory (export "memory") 1)
                (func $deep (param i32) (result i32)
                    (i32.add (call $deep (local.get 0)) (i32.const 1)))
                (func (export "run") (result i32) {run}))
            (core instance $i (instantiate $m))
            (func $run (result (result (error string)))
                (canon lift (core func $i "run") (memory (core memory $i "memory"))))
            (export "run" (func $run)))"#
    );
    wat::parse_str(text).unwrap()
}

/// Signs and certifies a bundle with this buyer's component, and serves it.
fn serve(market: &mut Market, name: &str, buyer: &[u8]) -> Result<(), String> {
    let binaries = binaries();
    let texts = binaries.repository.join("guest-services/mail-order/terms");
    let seller = binaries.guests.join("mail_order_seller.wasm");
    let wasm = market.folder.join(format!("{name}.wasm"));
    std::fs::write(&wasm, buyer).unwrap();
    market.publish(name, &Published { texts: &texts, buyer: &wasm, seller: &seller })
}

#[test]
fn a_hostile_component_hits_its_limit_and_the_host_goes_on() {
    let (mut market, _folder) = market(&small());
    let before = books(&market);
    let guests = [
        ("endless", "(loop $l (br $l)) unreachable", "has gone over its limit of"),
        ("greedy", "(drop (memory.grow (i32.const 1000))) (i32.const 0)", "bytes of memory"),
        ("deep", "(call $deep (i32.const 0))", "has used up its stack"),
        ("crash", "unreachable", "has crashed"),
        ("wild", "(i32.load (i32.const -8))", "has crashed"),
        ("liar", "(i32.const 70000)", "has crashed"),
        ("idle", "(i32.const 16)", "it ended in the middle, in state “browsing”"),
    ];
    for (name, run, reason) in guests {
        serve(&mut market, name, &component(run)).unwrap();
        let output = market.semper(&["buy", "--home", "anna", &market.merchant_url()]).unwrap();

        assert_eq!(output.code, 1, "{name}: {}", output.err);
        let (state, note) = newest(&market, "anna");
        assert_eq!(state, "failed", "{name}: {note}");
        assert!(note.contains(reason), "{name}: {note}");
    }
    assert_eq!(books(&market), before);
    let verified = market.semper(&["archive", "verify", "--home", "anna"]).unwrap();
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[test]
fn what_is_not_offered_cannot_even_be_signed() {
    let (mut market, _folder) = market(&small());
    let module = wat::parse_str("(module)").unwrap();
    let error = serve(&mut market, "module", &module).unwrap_err();
    assert!(error.contains("is a core module, and no WebAssembly component"), "{error}");

    let sockets = r#"(component (import "wasi:sockets/tcp@0.2.6" (instance)))"#;
    let error = serve(&mut market, "sockets", &wat::parse_str(sockets).unwrap()).unwrap_err();
    assert!(
        error.contains("“wasi:sockets/tcp@0.2.6” is not an interface that this host offers"),
        "{error}"
    );
    let error = serve(&mut market, "noise", b"noise").unwrap_err();
    assert!(error.contains("is no WebAssembly component"), "{error}");
}
