//! Writes the seed corpora: one good input of each kind, from which the fuzzer goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use semper_archive::chain::{Class, Record, salted};
use semper_base::{Amount, Currency, DealId, Digest, SigningKey, Timestamp, cbor};
use semper_items::statement::{Completion, Content, Offer, Withdrawal};
use semper_items::{Container, Header, Item, Message, Side, Statement};
use semper_tinguin_protocol::screen::Question;
use semper_tinguin_protocol::{Request, protocol};

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), bytes).expect("a file");
}

fn main() {
    let deal = DealId::new(Digest::of(b"deal"));
    let made = Timestamp::from_millis(1_790_000_000_000).expect("a time");
    let zero = Amount::new(0, Currency::EUR);
    let contents = [
        ("withdrawal", Content::Withdrawal(Withdrawal { reason: "too dear".into() })),
        ("completion", Content::Completion(Completion { order: Digest::of(b"order") })),
        (
            "offer",
            Content::Offer(Offer {
                number: "A-1".into(),
                lines: Vec::new(),
                delivery: zero,
                total: zero,
                delivery_days: 3,
                valid_until: made,
                account: "acct:0123456789abcdef".into(),
            }),
        ),
    ];
    for (name, content) in contents {
        let statement = Statement { deal, made, content };
        write("message", name, &cbor::encode(&statement));
        let item = Item::Statement(cbor::encode(&statement).into());
        write("container", name, &cbor::encode(&Container::of(item)));
    }
    let item = Item::Information { kind: "query".into(), body: b"scarf".to_vec().into() };
    let header = Header {
        deal,
        from: Side::Buyer,
        seq: 1,
        previous: Digest::ZERO,
        journal: Digest::of(b"head"),
        made,
    };
    let message = Message { header, container: Container::of(item.clone()) };
    write("message", "message", &cbor::encode(&message));
    write("message", "signed", &message.sign(&SigningKey::generate()));
    write("container", "information", &cbor::encode(&Container::of(item)));

    journal();
    let mut frames = Vec::new();
    for request in [
        Request::Who,
        Request::DealKeys(Digest::ZERO),
        Request::SignMessage(cbor::encode(&message).into()),
        Request::Ask {
            id: Digest::ZERO,
            deal,
            question: Question::Inform { topic: "t".into(), says: "hello".into() },
            filled: None,
        },
        Request::RequestCertificate("Anna Berg".into()),
    ] {
        protocol::write(&mut frames, &request).expect("memory");
    }
    write("tinguin", "requests", &frames);

    let policies = Path::new("../../policies/trust.toml");
    write("policy", "trust", &fs::read(policies).expect("the example trust file"));
    let flow = r#"{"start":"a","states":{"a":{"actions":[{"by":"buyer","item":{"information":"x"},"to":"b"}]},"b":{"end":"completed"}}}"#;
    write("policy", "flow", flow.as_bytes());
    let index = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let files: BTreeMap<&str, &str> =
        [("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", index)].into();
    write("bundle", "empty", &serde_json::to_vec(&files).expect("JSON"));
}

/// Two records in a chain.
fn journal() {
    let mut previous = Digest::ZERO;
    let mut all = Vec::new();
    for seq in 0..2 {
        let (salt, request, result) = (Digest::of(b"salt"), vec![0xf6], vec![seq as u8]);
        let record = Record {
            seq,
            salt,
            class: Class::Read,
            result: salted(&salt, &result),
            request: salted(&salt, &request),
            function: "now".into(),
            previous,
        };
        let bytes = cbor::encode(&record);
        previous = semper_archive::chain::next_head(&previous, &bytes);
        // The first length counts in twos.
        let padded = bytes.len() + bytes.len() % 2;
        all.extend([(padded / 2) as u8, 1, 1]);
        all.extend(&bytes);
        all.extend(std::iter::repeat_n(0, padded - bytes.len()));
        all.extend(request);
        all.extend(result);
    }
    write("journal", "two", &all);
}
