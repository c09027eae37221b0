//! Envelopes and signatures.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::SigningKey;
use semper_trust::bundle::{self, SIGNATURE};
use semper_trust::envelope::{AUTHORED, IN_TOTO, OFFERED};
use semper_trust::layout::canonical;
use semper_trust_tests::{DAY, HOUR, Party, ago, envelope_of, made, statement, terms_of};
use serde_json::{Value as Json, json};

use super::*;

#[test]
fn envelopes_and_signatures() {
    all_fail(&[
        ("a signature for another bundle", "not about", |w| {
            let other = w.uncertified(|it| it.serial = 99);
            let old = envelope_of(&other, SIGNATURE, &terms_of(&other).digest).2;
            w.verify(&w.signed_with(|_| old)).into()
        }),
        ("another payload type", "payload type", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                w.merchant.envelope("application/json", &payload)
            }))
            .into()
        }),
        ("another predicate", "not a https://semper.example/predicate/offered/v1", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(AUTHORED, it, made(w, "Otto Versand")));
                w.merchant.envelope(IN_TOTO, &payload)
            }))
            .into()
        }),
        ("another type of statement", "not a https", |w| {
            w.verify(&w.signed_with(|it| {
                let mut value = statement(OFFERED, it, made(w, "Otto Versand"));
                value["_type"] = "https://in-toto.io/Statement/v0.1".into();
                w.merchant.envelope(IN_TOTO, &canonical(&value))
            }))
            .into()
        }),
        ("SHA-256 given as SHA-512", "by its SHA-256 digest", |w| {
            w.verify(&w.signed_with(|it| {
                let mut value = statement(OFFERED, it, made(w, "Otto Versand"));
                value["subject"][0]["digest"] = json!({ "sha512": it.hex() });
                w.merchant.envelope(IN_TOTO, &canonical(&value))
            }))
            .into()
        }),
        ("two algorithms for one subject", "by that alone", |w| {
            w.verify(&w.signed_with(|it| {
                let mut value = statement(OFFERED, it, made(w, "Otto Versand"));
                value["subject"][0]["digest"] =
                    json!({ "sha256": it.hex(), "md5": "d41d8cd98f00b204e9800998ecf8427e" });
                w.merchant.envelope(IN_TOTO, &canonical(&value))
            }))
            .into()
        }),
        ("two subjects", "exactly one subject", |w| {
            w.verify(&w.signed_with(|it| {
                let mut value = statement(OFFERED, it, made(w, "Otto Versand"));
                let one = value["subject"][0].clone();
                value["subject"].as_array_mut().unwrap().push(one);
                w.merchant.envelope(IN_TOTO, &canonical(&value))
            }))
            .into()
        }),
        ("a signed statement with a key twice", "there twice", |w| {
            w.verify(&w.signed_with(|it| {
                let value = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                let text = String::from_utf8(value).unwrap();
                let zero = "0".repeat(64);
                let twice = text.replacen(
                    "\"digest\":{",
                    &format!("\"digest\":{{\"sha256\":\"{zero}\","),
                    1,
                );
                w.merchant.envelope(IN_TOTO, twice.as_bytes())
            }))
            .into()
        }),
        ("a signed statement that is not canonical", "canonical form", |w| {
            w.verify(&w.signed_with(|it| {
                let value = statement(OFFERED, it, made(w, "Otto Versand"));
                w.merchant
                    .envelope(IN_TOTO, serde_json::to_string_pretty(&value).unwrap().as_bytes())
            }))
            .into()
        }),
        ("an envelope with a key twice", "there twice", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                let good = w.merchant.envelope(IN_TOTO, &payload);
                let text = String::from_utf8(good).unwrap();
                text.replacen('{', "{\"payload\":\"e30=\",", 1).into_bytes()
            }))
            .into()
        }),
        ("a payload that is not base64", "not a signed statement", |w| {
            w.verify(&w.signed_with(|_| {
                canonical(&json!({ "payloadType": IN_TOTO, "payload": "%%%", "signatures": [] }))
            }))
            .into()
        }),
        ("no signature", "exactly one signature", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                canonical(&json!({
                    "payloadType": IN_TOTO,
                    "payload": BASE64_STANDARD.encode(payload),
                    "signatures": [],
                }))
            }))
            .into()
        }),
        ("a stranger's signature beside the merchant's", "exactly one signature", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                let mut both: Json =
                    serde_json::from_slice(&w.merchant.envelope(IN_TOTO, &payload)).unwrap();
                let one = both["signatures"][0].clone();
                both["signatures"].as_array_mut().unwrap().push(one);
                canonical(&both)
            }))
            .into()
        }),
        ("a signature with a flipped bit", "the signature is wrong", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                let mut sig = w
                    .merchant
                    .key
                    .sign(&semper_trust::envelope::pre_authentication(IN_TOTO, &payload));
                sig[10] ^= 4;
                w.merchant.envelope_with(IN_TOTO, &payload, &sig)
            }))
            .into()
        }),
        ("a signature over the payload without its type", "the signature is wrong", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                let sig = w.merchant.key.sign(&payload);
                w.merchant.envelope_with(IN_TOTO, &payload, &sig)
            }))
            .into()
        }),
        ("the merchant's chain with another's key", "the signature is wrong", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                let thief = Party { key: SigningKey::generate(), chain: w.merchant.chain.clone() };
                thief.envelope(IN_TOTO, &payload)
            }))
            .into()
        }),
        ("a stripped chain", "the chain is empty", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
                let key = SigningKey::from_pem(&w.merchant.key.to_pem()).unwrap();
                Party { key, chain: Vec::new() }.envelope(IN_TOTO, &payload)
            }))
            .into()
        }),
        ("a name that the signer does not bear", "but signed by", |w| {
            w.verify(&w.signed_with(|it| {
                let payload = canonical(&statement(OFFERED, it, made(w, "Somebody Else")));
                w.merchant.envelope(IN_TOTO, &payload)
            }))
            .into()
        }),
        ("a signature from tomorrow", "still to come", |w| {
            w.verify(&w.signed_with(|it| {
                let predicate = json!({ "by": "Otto Versand", "at": w.now.after(DAY) });
                w.merchant.envelope(IN_TOTO, &canonical(&statement(OFFERED, it, predicate)))
            }))
            .into()
        }),
        ("no signature of the author", "exactly one author's signature", |w| {
            let layout = w.bundle();
            let only = layout
                .only(&["application/vnd.semper.service.v1", "application/vnd.semper.terms.v1"])
                .unwrap();
            let mut only = only;
            bundle::offer(&mut only, &w.merchant.signer(), ago(w.now, HOUR)).unwrap();
            w.verify(&only).into()
        }),
        ("two signatures of the merchant", "exactly one merchant's signature", |w| {
            let mut layout = w.bundle();
            bundle::offer(&mut layout, &w.merchant.signer(), ago(w.now, HOUR * 2)).unwrap();
            w.verify(&layout).into()
        }),
    ]);
}
