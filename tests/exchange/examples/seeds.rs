//! Writes the seed corpus of the fuzz target `exchange`: good requests, answers, claims and
//! evidence, from which the fuzzer goes on. Run in `tests/fuzz`.

#![allow(clippy::unwrap_used, reason = "an example that cannot go on has failed")]

use std::fs;
use std::path::Path;

use semper_base::cbor;
use semper_exchange::bank::{Claim, ClaimRequest};
use semper_exchange::{Mode, Role, party};
use semper_exchange_tests::goods::Prepared;
use semper_exchange_tests::{Kind, Local, Run, Silence, Trader, agree};

fn write(name: &str, bytes: &[u8]) {
    let folder = Path::new("corpus/exchange");
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

fn main() {
    let money = |mode| Kind::Money(100, vec![mode]);
    let cells = [
        ("gg", vec![Kind::Information(b"text".to_vec())], vec![money(Mode::Hold)]),
        ("ge", vec![Kind::Statement], vec![money(Mode::Fenced)]),
        ("rr", vec![money(Mode::Reversible)], vec![money(Mode::Reversible)]),
        ("inline", vec![Kind::Autograph], vec![money(Mode::Hold)]),
    ];
    for (name, gives, wants) in cells {
        let local = Local::new();
        let (anna, otto) = (local.account("Anna"), local.account("Otto"));
        let none = |_: &Prepared| unreachable!("nothing is certified");
        let bank = local.bank.public();
        let originator = Trader::new(&otto, &anna, bank, &gives, &none);
        let responder = Trader::new(&anna, &otto, bank, &wants, &none);
        let agreed = agree(&originator, &responder, &local.named(), |_| {}).unwrap();
        write(&format!("{name}-agreement"), &cbor::encode(&agreed));
        let mut run = Run::new(&local, &agreed, &originator, &responder);
        run.silence = Some(Silence { role: Role::Originator, before: 1 });
        run.to_the_end();
        let evidence = run.evidence();
        write(&format!("{name}-evidence"), &cbor::encode(&evidence));
        for request in &evidence.requests {
            write(&format!("{name}-request"), &cbor::encode(request));
        }
        for answer in &evidence.answers {
            write(&format!("{name}-answer"), &cbor::encode(answer));
        }
        if let Some(leaf) = party::money_leaf(&agreed, Role::Responder) {
            let request = ClaimRequest::<semper_exchange::standard::Standard> {
                exchange: agreed.subject(),
                leaf,
                third_party: agreed.third_party.sign,
                claim: Claim::Look,
            };
            write(&format!("{name}-claim"), &cbor::encode(&request));
        }
    }
}
