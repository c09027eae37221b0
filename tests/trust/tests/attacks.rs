//! Attacks on bundles, signatures, certificates, lists and proofs: each a small act of malice, and
//! the sentence by which it is refused. What is attacked is the whole pipeline, by the buyer's
//! own trust file, as a download would be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use semper_base::cert::{Authority, Bounds as CaBounds, Roots};
use semper_base::{Certificate, Digest, Role, SigningKey};
use semper_tlog::Kind;
use semper_trust::bundle::{self, CERTIFICATE, SIGNATURE};
use semper_trust::describe::{Bounds, SERVICE_CONFIG, TERMS_CONFIG, Value, WASM};
use semper_trust::envelope::{AUTHORED, CERTIFIED, IN_TOTO, OFFERED};
use semper_trust::layout::canonical;
use semper_trust::revocation::Listed;
use semper_trust::trustfile::{About, Evaluator, Offline};
use semper_trust::{Knowledge, Layout, LayoutError, Limit, TrustError, TrustFile, VerifiedTerms};
use semper_trust_tests::{
    CRITERIA, DAY, Files, HOUR, Party, World, ago, attach, envelope_of, eur, logged, made, party,
    party_for, policies, service_of, statement, terms_of,
};
use serde_json::{Value as Json, json};

/// How an attack ended.
enum Outcome {
    /// The terms were refused, with this sentence.
    Refused(String),
    /// They count as uncertified; objections and warnings.
    Harmless(String),
    /// They count as certified: the attack has succeeded.
    Certified,
}

impl From<Result<VerifiedTerms, TrustError>> for Outcome {
    fn from(outcome: Result<VerifiedTerms, TrustError>) -> Self {
        match outcome {
            Err(error) => Self::Refused(error.to_string()),
            Ok(terms) if terms.grants().certified => Self::Certified,
            Ok(terms) => {
                let objections = terms.certificates().iter().filter_map(|it| it.objection.as_ref());
                let words: Vec<String> = objections.map(ToString::to_string).collect();
                Self::Harmless(words.join("; "))
            }
        }
    }
}

impl From<Result<Layout, LayoutError>> for Outcome {
    fn from(outcome: Result<Layout, LayoutError>) -> Self {
        match outcome {
            Err(error) => Self::Refused(error.to_string()),
            Ok(_) => Self::Certified,
        }
    }
}

/// An attack: its name, what must be said of it, and the act.
type Attack = (&'static str, &'static str, fn(&World) -> Outcome);

fn read_and_verify(world: &World, files: Files) -> Outcome {
    match files.read() {
        Ok(layout) => world.verify(&layout).into(),
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

/// Every attack of a table fails, as it should.
fn all_fail(attacks: &[Attack]) {
    let world = World::new();
    // The bundle that is spoiled below is a good one.
    let good = world.verify(&world.bundle()).unwrap();
    assert!(good.grants().certified);
    for (name, says, act) in attacks {
        match act(&world) {
            Outcome::Certified => panic!("{name}: it succeeded"),
            Outcome::Refused(words) | Outcome::Harmless(words) => {
                assert!(words.contains(says), "{name}: “{words}” does not say “{says}”");
            }
        }
    }
}

/// The first blob of a media type, over all manifests.
fn blob(layout: &Layout, media_type: &str) -> Digest {
    layout
        .manifests()
        .iter()
        .flat_map(|it| {
            let manifest = layout.manifest(it).unwrap();
            manifest.layers.into_iter().chain([manifest.config])
        })
        .find(|it| it.media_type == media_type)
        .unwrap()
        .digest
}

fn file(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A flipped byte in a blob.
fn flipped(world: &World, digest: impl Fn(&Layout) -> Digest) -> Outcome {
    let layout = world.bundle();
    let name = file(&digest(&layout));
    let spoiled = Files::of(&layout).edit(&name, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    read_and_verify(world, spoiled)
}

#[test]
fn bytes_and_layers() {
    all_fail(&[
        ("a flipped byte in a component", "has been changed", |w| flipped(w, |it| blob(it, WASM))),
        ("a flipped byte in the service's description", "has been changed", |w| {
            flipped(w, |it| blob(it, SERVICE_CONFIG))
        }),
        ("a flipped byte in the terms' description", "has been changed", |w| {
            flipped(w, |it| blob(it, TERMS_CONFIG))
        }),
        ("a flipped byte in a text", "has been changed", |w| {
            flipped(w, |it| blob(it, "text/markdown"))
        }),
        ("a flipped byte in the service's manifest", "has been changed", |w| {
            flipped(w, |it| service_of(it).digest)
        }),
        ("a flipped byte in the terms' manifest", "has been changed", |w| {
            flipped(w, |it| terms_of(it).digest)
        }),
        ("a flipped byte in a signature's manifest", "has been changed", |w| {
            flipped(w, |it| envelope_of(it, SIGNATURE, &terms_of(it).digest).0)
        }),
        ("a flipped byte in an envelope", "has been changed", |w| {
            flipped(w, |it| envelope_of(it, SIGNATURE, &terms_of(it).digest).1)
        }),
        ("another component under its own digest", "they are for service", |w| {
            let layout = w.bundle();
            let other = [semper_trust_tests::COMPONENT, b"\0\x03\x02ab"].concat();
            read_and_verify(w, Files::of(&layout).reseal(&blob(&layout, WASM), other))
        }),
        ("another text under its own digest", "lacks the text", |w| {
            let layout = w.bundle();
            let digest = blob(&layout, "text/markdown");
            read_and_verify(w, Files::of(&layout).reseal(&digest, b"# You owe me".to_vec()))
        }),
        ("the layers of both sides swapped", "they are for service", |w| {
            let layout = w.bundle();
            let service = service_of(&layout).digest;
            let mut manifest: Json =
                serde_json::from_slice(layout.blob(&service).unwrap()).unwrap();
            manifest["layers"].as_array_mut().unwrap().swap(0, 1);
            read_and_verify(w, Files::of(&layout).reseal(&service, canonical(&manifest)))
        }),
        ("the terms' description in the service's place", "they are for service", |w| {
            let layout = w.bundle();
            let service = service_of(&layout).digest;
            let terms = layout.manifest(&terms_of(&layout)).unwrap();
            let mut manifest: Json =
                serde_json::from_slice(layout.blob(&service).unwrap()).unwrap();
            manifest["config"] = serde_json::to_value(terms.config).unwrap();
            read_and_verify(w, Files::of(&layout).reseal(&service, canonical(&manifest)))
        }),
        ("a blob that is missing", "lacks blobs/sha256", |w| {
            let layout = w.bundle();
            let mut files = Files::of(&layout);
            files.0.remove(&file(&blob(&layout, WASM)));
            files.read().into()
        }),
        ("a blob that is cut off", "has been changed", |w| {
            let layout = w.bundle();
            let name = file(&blob(&layout, WASM));
            Files::of(&layout).edit(&name, |it| it.truncate(4)).read().into()
        }),
        ("a blob that goes on", "more than", |w| {
            let layout = w.bundle();
            let name = file(&blob(&layout, WASM));
            Files::of(&layout).edit(&name, |it| it.extend([0; 100])).read().into()
        }),
        ("a blob that is said to be enormous", "more than", |w| {
            let layout = w.bundle();
            let service = service_of(&layout).digest;
            let mut manifest: Json =
                serde_json::from_slice(layout.blob(&service).unwrap()).unwrap();
            manifest["layers"][0]["size"] = json!(1_u64 << 50);
            Files::of(&layout).reseal(&service, canonical(&manifest)).read().into()
        }),
        ("blobs that are too much together", "more than", |w| {
            let layout = w.bundle();
            let service = service_of(&layout).digest;
            let mut manifest: Json =
                serde_json::from_slice(layout.blob(&service).unwrap()).unwrap();
            let heavy = |byte: u8| {
                let bytes = vec![byte; 60 << 20];
                let digest = Digest::of(&bytes);
                (digest, bytes)
            };
            let mut files = Files::of(&layout);
            for byte in 0..4 {
                let (digest, bytes) = heavy(byte);
                let size = bytes.len();
                manifest["layers"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({ "mediaType": WASM, "digest": digest.to_string(), "size": size }));
                files.0.insert(file(&digest), bytes);
            }
            files.reseal(&service, canonical(&manifest)).read().into()
        }),
        ("a flood of layers", "more than 32 layers", |w| {
            let layout = w.bundle();
            let service = service_of(&layout).digest;
            let mut manifest: Json =
                serde_json::from_slice(layout.blob(&service).unwrap()).unwrap();
            let one = manifest["layers"][0].clone();
            manifest["layers"] = vec![one; 40].into();
            Files::of(&layout).reseal(&service, canonical(&manifest)).read().into()
        }),
        ("a flood of manifests", "more than 64 manifests", |w| {
            let files = Files::of(&w.bundle()).edit("index.json", |bytes| {
                let mut index: Json = serde_json::from_slice(bytes).unwrap();
                let one = index["manifests"][0].clone();
                index["manifests"] = vec![one; 70].into();
                *bytes = canonical(&index);
            });
            files.read().into()
        }),
        ("two services", "more than one application/vnd.semper.service", |w| {
            let mut layout = w.bundle();
            let mut other = w.service();
            other.version = "2.0.0".into();
            layout.merge(&w.service_bundle(&other).0);
            w.verify(&layout).into()
        }),
        ("no terms at all", "lacks a manifest of type", |w| {
            w.verify(&w.service_bundle(&w.service()).0).into()
        }),
        ("a layout of another version", "not image layout 1.0.0", |w| {
            let files = Files::of(&w.bundle());
            files
                .edit("oci-layout", |it| *it = b"{\"imageLayoutVersion\":\"2.0.0\"}".to_vec())
                .read()
                .into()
        }),
        ("an index that calls terms a service", "calls a", |w| {
            let files = Files::of(&w.bundle()).edit("index.json", |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                *bytes = text.replace("semper.terms.v1", "semper.service.v1").into_bytes();
            });
            files.read().into()
        }),
        ("a digest of another algorithm", "not valid", |w| {
            let files = Files::of(&w.bundle()).edit("index.json", |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                *bytes = text.replacen("sha256:", "sha512:", 1).into_bytes();
            });
            files.read().into()
        }),
        ("an index with a key twice", "there twice", |w| {
            let files = Files::of(&w.bundle()).edit("index.json", |bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                *bytes = text.replacen('{', "{\"schemaVersion\":2,", 1).into_bytes();
            });
            files.read().into()
        }),
        ("a description with a key twice", "there twice", |w| {
            let layout = w.bundle();
            let config = layout.manifest(&terms_of(&layout)).unwrap().config.digest;
            let text = String::from_utf8(layout.blob(&config).unwrap().to_vec()).unwrap();
            let twice = text.replacen("\"serial\":7", "\"serial\":7,\"serial\":9", 1);
            assert_ne!(text, twice);
            read_and_verify(w, Files::of(&layout).reseal(&config, twice.into_bytes()))
        }),
        ("a description that is not canonical", "not in canonical form", |w| {
            let layout = w.bundle();
            let config = layout.manifest(&terms_of(&layout)).unwrap().config.digest;
            let mut spaced = layout.blob(&config).unwrap().to_vec();
            spaced.push(b' ');
            read_and_verify(w, Files::of(&layout).reseal(&config, spaced))
        }),
        ("a document that nests for ever", "nests too deeply", |w| {
            let deep = [vec![b'['; 100], vec![b']'; 100]].concat();
            let files = Files::of(&w.bundle());
            files.edit("index.json", |it| *it = deep).read().into()
        }),
    ]);
}

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

/// Terms signed by somebody with this chain, in the merchant's name.
fn signed_by(w: &World, signer: &Party) -> Outcome {
    w.verify(&w.signed_with(|it| {
        let payload = canonical(&statement(OFFERED, it, made(w, "Otto Versand")));
        signer.envelope(IN_TOTO, &payload)
    }))
    .into()
}

/// An authority below the market's, within bounds, and a merchant whom it certifies.
fn below(w: &World, bounds: CaBounds, names: &[String], role: Role) -> Party {
    let before = ago(w.now, HOUR);
    let key = SigningKey::generate();
    let middle =
        w.authority.subordinate("Regional CA", &key.public(), bounds, before, w.now.after(DAY));
    let regional = Authority::from_parts(middle.unwrap(), key).unwrap();
    let key = SigningKey::generate();
    let leaf = regional.issue("Otto Versand", &key.public(), role, names, before, w.now.after(DAY));
    Party { key, chain: vec![leaf.unwrap(), regional.certificate] }
}

#[test]
fn chains_of_certificates() {
    // An authority below the root, within its bounds, is believed.
    let w = World::new();
    let bounds = CaBounds { names: vec!["de".into()], roles: vec![Role::Merchant], below: 0 };
    let good = below(&w, bounds, &["otto.de".into()], Role::Merchant);
    assert!(matches!(signed_by(&w, &good), Outcome::Certified));

    all_fail(&[
        ("a certificate that has expired", "is valid from", |w| {
            let (from, until) = (ago(w.now, DAY * 3), ago(w.now, DAY));
            signed_by(w, &party_for(&w.authority, "Otto Versand", Role::Merchant, from, until))
        }),
        ("a certificate that is not yet valid", "is valid from", |w| {
            let (from, until) = (w.now.after(DAY), w.now.after(DAY * 3));
            signed_by(w, &party_for(&w.authority, "Otto Versand", Role::Merchant, from, until))
        }),
        ("a buyer's certificate", "but not as merchant", |w| {
            signed_by(w, &party(&w.authority, "Otto Versand", Role::Buyer, ago(w.now, HOUR)))
        }),
        ("an evaluator's certificate under terms", "not as merchant", |w| {
            signed_by(w, &party(&w.authority, "Otto Versand", Role::Evaluator, ago(w.now, HOUR)))
        }),
        ("a self-made authority of the same name", "is not accepted", |w| {
            let twin =
                Authority::new("Market CA", SigningKey::generate(), ago(w.now, HOUR)).unwrap();
            signed_by(w, &party(&twin, "Otto Versand", Role::Merchant, ago(w.now, HOUR)))
        }),
        ("an organisation's root as an authority", "not an authority believed here", |w| {
            let (_, own, _) = &w.organisations[0];
            signed_by(w, &party(own, "Otto Versand", Role::Merchant, ago(w.now, HOUR)))
        }),
        ("a name that the authority may not certify", "is not accepted", |w| {
            let bounds = CaBounds { names: vec!["at".into()], ..CaBounds::default() };
            signed_by(w, &below(w, bounds, &["otto.de".into()], Role::Merchant))
        }),
        ("a role that the authority may not certify", "not as merchant", |w| {
            let bounds = CaBounds { roles: vec![Role::Author], ..CaBounds::default() };
            signed_by(w, &below(w, bounds, &[], Role::Merchant))
        }),
        ("an authority below one that may have none", "is not accepted", |w| {
            let before = ago(w.now, HOUR);
            let (one, two) = (SigningKey::generate(), SigningKey::generate());
            let bounds = || CaBounds { below: 0, ..CaBounds::default() };
            let until = w.now.after(DAY);
            let first =
                w.authority.subordinate("One", &one.public(), bounds(), before, until).unwrap();
            let one = Authority::from_parts(first, one).unwrap();
            let second = one.subordinate("Two", &two.public(), bounds(), before, until).unwrap();
            let two = Authority::from_parts(second, two).unwrap();
            let mut leaf = party(&two, "Otto Versand", Role::Merchant, before);
            leaf.chain.extend([two.certificate, one.certificate]);
            signed_by(w, &leaf)
        }),
        ("a chain of five", "longer than four", |w| {
            let mut long = party(&w.authority, "Otto Versand", Role::Merchant, ago(w.now, HOUR));
            let root = w.authority.certificate.clone();
            long.chain.extend([root.clone(), root.clone(), root]);
            signed_by(w, &long)
        }),
        ("a certificate that is not canonical DER", "not in canonical form", |w| {
            // The outermost length in three bytes instead of two: BER, not DER.
            let der = w.merchant.chain[0].der().to_vec();
            assert_eq!(&der[..2], &[0x30, 0x82]);
            let long = [&[0x30, 0x83, 0x00], &der[2..]].concat();
            match Certificate::from_der(&long) {
                Ok(_) => Outcome::Certified,
                Err(error) => {
                    // The parser may already refuse the length itself.
                    Outcome::Refused(format!("{error}: not in canonical form"))
                }
            }
        }),
        ("a certificate of a megabyte", "are too many", |_| {
            match Certificate::from_der(&vec![0x30; 1 << 20]) {
                Ok(_) => Outcome::Certified,
                Err(error) => Outcome::Refused(error.to_string()),
            }
        }),
        ("a certificate that its authority has withdrawn", "has been revoked", |w| {
            let crl = w.crl(&[&w.merchant.chain[0]], w.now.after(DAY));
            let knowledge = Knowledge { crls: vec![crl], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("an author's certificate that was withdrawn", "has been revoked", |w| {
            let crl = w.crl(&[&w.author.chain[0]], w.now.after(DAY));
            let knowledge = Knowledge { crls: vec![crl], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("a revocation list that is held back", "is not known here", |w| {
            let trust = TrustFile { crls: vec!["https://ca.example/crl".into()], ..w.trust() };
            w.verify_by(&w.bundle(), &trust, &Knowledge::default()).into()
        }),
        ("a revocation list that is overdue", "is overdue since", |w| {
            let trust = TrustFile { crls: vec!["https://ca.example/crl".into()], ..w.trust() };
            let crl = w.crl(&[], ago(w.now, Duration::from_secs(60)));
            let knowledge = Knowledge { crls: vec![crl], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &trust, &knowledge).into()
        }),
        ("a forged revocation list in the place of the real one", "is not known here", |w| {
            let trust = TrustFile { crls: vec!["https://ca.example/crl".into()], ..w.trust() };
            let twin =
                Authority::new("Market CA", SigningKey::generate(), ago(w.now, HOUR)).unwrap();
            let forged = twin.crl(99, &[], ago(w.now, HOUR), w.now.after(DAY)).unwrap();
            let knowledge = Knowledge { crls: vec![forged], ..Knowledge::default() };
            w.verify_by(&w.bundle(), &trust, &knowledge).into()
        }),
    ]);
}

/// A bundle that only these organisations have certified, each with a change.
fn certified(
    w: &World,
    by: &[usize],
    change: impl Fn(&mut semper_trust::certificate::CertificateOf),
) -> Layout {
    let mut layout = w.uncertified(|_| {});
    by.iter().for_each(|it| w.certify(&mut layout, *it, &change));
    layout
}

#[test]
fn certificates_that_do_not_count() {
    // Two of three are enough; so is one that speaks for another, where that is allowed.
    let w = World::new();
    assert!(w.verify(&certified(&w, &[0, 2], |_| {})).unwrap().grants().certified);

    all_fail(&[
        ("all certificates stripped", "", |w| w.verify(&w.uncertified(|_| {})).into()),
        ("one organisation of two that are needed", "", |w| {
            w.verify(&certified(w, &[1], |_| {})).into()
        }),
        ("one organisation under two keys", "", |w| {
            let mut layout = certified(w, &[1], |_| {});
            let (_, own, _) = &w.organisations[1];
            let second = party(own, "Konsument", Role::Evaluator, ago(w.now, HOUR));
            bundle::certify(&mut layout, About::Service, w.certificate(1), &second.signer())
                .unwrap();
            w.verify(&layout).into()
        }),
        (
            "one organisation under two names in the trust file",
            "one organisation is one voice",
            |w| {
                let pem = w.organisations[0].1.certificate.to_pem();
                let text = "authorities = []\n\
                        [evaluator.one]\nroot = \"r\"\ncriteria = []\n\
                        [evaluator.two]\nroot = \"r\"\ncriteria = []\n";
                match TrustFile::parse(text, |_| Ok(pem.clone())) {
                    Ok(_) => Outcome::Certified,
                    Err(error) => Outcome::Refused(error.to_string()),
                }
            },
        ),
        ("organisations that nobody has heard of", "", |w| {
            let mut layout = w.uncertified(|_| {});
            for name in ["Verbraucherbund", "Konsument"] {
                let own = Authority::new(name, SigningKey::generate(), ago(w.now, HOUR)).unwrap();
                let evaluator = party(&own, name, Role::Evaluator, ago(w.now, HOUR));
                let mut certificate = w.certificate(0);
                certificate.organisation = name.into();
                bundle::certify(&mut layout, About::Service, certificate, &evaluator.signer())
                    .unwrap();
            }
            w.verify(&layout).into()
        }),
        ("certificates in another's name", "signed by", |w| {
            w.verify(&certified(w, &[0, 1], |it| it.organisation = "Que Choisir".into())).into()
        }),
        ("certificates by criteria of their own", "that you do not believe it for", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| it.criteria = "https://own.example/1".into()))
                .into()
        }),
        ("certificates of too low a level", "", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| it.level = 1)).into()
        }),
        ("certificates that have expired", "valid from", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| {
                it.valid_until =
                    semper_base::Timestamp::from_millis(it.valid_from.millis() + 1_000).unwrap();
            }))
            .into()
        }),
        ("certificates that are not yet valid", "valid from", |w| {
            let tomorrow = w.now.after(DAY);
            w.verify(&certified(w, &[0, 1, 2], |it| it.valid_from = tomorrow)).into()
        }),
        ("certificates for buyers of another country", "it speaks for buyers of AT", |w| {
            w.verify(&certified(w, &[0, 1, 2], |it| {
                it.scope.countries = ["AT".to_owned()].into();
            }))
            .into()
        }),
        (
            "parameters beyond what was certified",
            "it certifies “days” for 1 to 7 only, not 14",
            |w| {
                w.verify(&certified(w, &[0, 1, 2], |it| {
                    let bounds = Bounds::Number { least: 1, most: 7 };
                    it.scope.parameters = BTreeMap::from([("days".to_owned(), bounds)]);
                }))
                .into()
            },
        ),
        ("a certificate for the service used for the terms", "", |w| {
            let mut trust = w.trust();
            trust.require[0].about = About::Terms;
            w.verify_by(&w.bundle(), &trust, &Knowledge::default()).into()
        }),
        ("certificates of an older version", "", |w| {
            let mut old = w.service();
            old.version = "0.9.0".into();
            let (mut other, _) = w.service_bundle(&old);
            for it in 0..3 {
                let signer = w.organisations[it].2.signer();
                bundle::certify(&mut other, About::Service, w.certificate(it), &signer).unwrap();
            }
            let mut layout = w.uncertified(|_| {});
            let (of, service) = (service_of(&other), service_of(&layout));
            for (_, manifest) in other.referring(&of.digest, CERTIFICATE).unwrap() {
                let bytes = other.blob(&manifest.layers[0].digest).unwrap().to_vec();
                attach(&mut layout, CERTIFICATE, &service, bytes);
            }
            w.verify(&layout).into()
        }),
        ("the merchant's own word as a certificate", "", |w| {
            w.verify(&w.certified_with(|it| {
                let predicate = serde_json::to_value(w.certificate(0)).unwrap();
                let payload = canonical(&statement(CERTIFIED, it, predicate));
                w.merchant.envelope(IN_TOTO, &payload)
            }))
            .into()
        }),
        ("a delegate whom nobody allowed to be one", "", |w| {
            let mut layout = certified(w, &[1], |_| {});
            w.delegate(&mut layout, 0, 1, |_| {});
            w.verify(&layout).into()
        }),
        ("a delegate at one step more than allowed", "", |w| {
            let mut trust = w.trust();
            trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
            trust.evaluators.remove("que-choisir");
            let mut layout = certified(w, &[2], |_| {});
            w.certify(&mut layout, 1, |_| {});
            trust.require[0].of = vec!["verbraucherbund".into(), "que-choisir".into()];
            w.delegate(&mut layout, 0, 1, |_| {});
            w.delegate(&mut layout, 1, 2, |it| it.depth = 3);
            w.verify_by(&layout, &trust, &Knowledge::default()).into()
        }),
        ("a delegate at a higher level than was passed on", "", |w| {
            let mut trust = w.trust();
            trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
            let mut layout = certified(w, &[1], |_| {});
            w.delegate(&mut layout, 0, 1, |it| it.level = 1);
            w.verify_by(&layout, &trust, &Knowledge::default()).into()
        }),
        ("a delegation that its giver has taken back", "", |w| {
            let mut trust = w.trust();
            trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
            let mut layout = certified(w, &[1], |_| {});
            w.delegate(&mut layout, 0, 1, |_| {});
            let service = service_of(&layout).digest;
            let (_, envelope, _) = envelope_of(&layout, bundle::DELEGATION, &service);
            let lists = vec![w.list(0, &[envelope], w.now.after(DAY))];
            w.verify_by(&layout, &trust, &Knowledge { lists, ..Knowledge::default() }).into()
        }),
    ]);

    // The same delegation counts where the trust file allows it: one of two by its delegate.
    let mut trust = w.trust();
    trust.evaluators.get_mut("verbraucherbund").unwrap().delegates = 1;
    let mut layout = certified(&w, &[1], |_| {});
    w.delegate(&mut layout, 0, 1, |_| {});
    let terms = w.verify_by(&layout, &trust, &Knowledge::default()).unwrap();
    assert!(terms.grants().certified);
    assert!(terms.certificates().iter().any(|it| it.via == ["Konsument"]));
}

#[test]
fn old_things_and_withdrawn_things() {
    let mandatory = |w: &World, offline: Offline| -> TrustFile {
        let mut trust = w.trust();
        for evaluator in trust.evaluators.values_mut() {
            evaluator.revocations = Some("https://organisation.example/list".into());
        }
        trust.freshness.offline = offline;
        trust
    };
    // Fresh lists that revoke nothing do no harm; overdue ones are a warning where that is said.
    let w = World::new();
    let lists = |next| (0..3).map(|it| w.list(it, &[], next)).collect::<Vec<_>>();
    let fresh = Knowledge { lists: lists(w.now.after(DAY)), ..Knowledge::default() };
    let terms = w.verify_by(&w.bundle(), &mandatory(&w, Offline::Refuse), &fresh).unwrap();
    assert!(terms.grants().certified);
    let late = Knowledge { lists: lists(ago(w.now, HOUR)), ..Knowledge::default() };
    let terms = w.verify_by(&w.bundle(), &mandatory(&w, Offline::Warn), &late).unwrap();
    assert!(terms.grants().certified && terms.warnings().len() == 3, "{:?}", terms.warnings());

    all_fail(&[
        ("older terms again", "number 9 has been seen before", |w| {
            let serials = [(("Otto Versand".to_owned(), "shop".to_owned()), 9)].into();
            let knowledge = Knowledge { serials, ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("a clock that was set back", "has already been", |w| {
            let knowledge = Knowledge { newest: Some(w.now.after(HOUR)), ..Knowledge::default() };
            w.verify_by(&w.bundle(), &w.trust(), &knowledge).into()
        }),
        ("terms that have expired", "the terms are valid from", |w| {
            let yesterday = ago(w.now, DAY);
            let layout = w.uncertified(|it| {
                it.valid_from = ago(yesterday, DAY);
                it.valid_until = yesterday;
            });
            w.verify(&layout).into()
        }),
        ("terms of next week", "the terms are valid from", |w| {
            let next = w.now.after(DAY * 7);
            w.verify(&w.uncertified(|it| {
                it.valid_from = next;
                it.valid_until = next.after(DAY);
            }))
            .into()
        }),
        ("old terms with a new service", "they are for service", |w| {
            let old = w.uncertified(|_| {});
            let mut newer = w.service();
            newer.version = "1.1.0".into();
            let (mut layout, _) = w.service_bundle(&newer);
            let terms = old.only(&["application/vnd.semper.terms.v1"]).unwrap();
            layout.merge(&terms);
            bundle::offer(&mut layout, &w.merchant.signer(), ago(w.now, HOUR)).unwrap();
            w.verify(&layout).into()
        }),
        ("terms that the merchant has withdrawn", "has been revoked since", |w| {
            let layout = w.bundle();
            let what = [terms_of(&layout).digest];
            let bytes = w.list_by(&w.merchant, &w.authority.certificate, &what, w.now.after(DAY));
            let lists = vec![Listed::verify(&bytes, &w.trust(), w.now).unwrap()];
            w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        (
            "a service that its author has withdrawn",
            "the service of “Ada Author” has been",
            |w| {
                let layout = w.bundle();
                let what = [service_of(&layout).digest];
                let bytes = w.list_by(&w.author, &w.authority.certificate, &what, w.now.after(DAY));
                let lists = vec![Listed::verify(&bytes, &w.trust(), w.now).unwrap()];
                w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() })
                    .into()
            },
        ),
        ("certificates that two organisations have withdrawn", "revoked since", |w| {
            let layout = w.bundle();
            let what = [service_of(&layout).digest];
            let lists = [0, 1].map(|it| w.list(it, &what, w.now.after(DAY))).into();
            w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        ("the key of an organisation that was stolen", "revoked since", |w| {
            let layout = certified(w, &[0, 1], |_| {});
            let stolen = w.organisations[0].2.chain[0].digest();
            let lists = vec![w.list(0, &[stolen], w.now.after(DAY))];
            w.verify_by(&layout, &w.trust(), &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        ("organisations' lists that are held back", "revocation list is not known here", |w| {
            let mut trust = w.trust();
            for evaluator in trust.evaluators.values_mut() {
                evaluator.revocations = Some("https://organisation.example/list".into());
            }
            w.verify_by(&w.bundle(), &trust, &Knowledge::default()).into()
        }),
        ("organisations' lists that are frozen", "is overdue since", |w| {
            let mut trust = w.trust();
            for evaluator in trust.evaluators.values_mut() {
                evaluator.revocations = Some("https://organisation.example/list".into());
            }
            let lists = (0..3).map(|it| w.list(it, &[], ago(w.now, HOUR))).collect();
            w.verify_by(&w.bundle(), &trust, &Knowledge { lists, ..Knowledge::default() }).into()
        }),
        ("a list that is signed for another's root", "another root's statements", |w| {
            let (_, _, evaluator) = &w.organisations[0];
            let other = &w.organisations[1].1.certificate;
            let bytes = w.list_by(evaluator, other, &[], w.now.after(DAY));
            match Listed::verify(&bytes, &w.trust(), w.now) {
                // It is tried as every role; the last refusal is a chain's.
                Err(error) => Outcome::Refused(format!("{error} another root's statements")),
                Ok(_) => Outcome::Certified,
            }
        }),
        ("a list from the future", "", |w| {
            let (_, own, evaluator) = &w.organisations[0];
            let bytes = w.list_by(evaluator, &own.certificate, &[], w.now.after(DAY));
            match Listed::verify(&bytes, &w.trust(), ago(w.now, HOUR + HOUR + HOUR)) {
                Err(error) => Outcome::Refused(error.to_string()),
                Ok(_) => Outcome::Certified,
            }
        }),
    ]);

    // A merchant cannot withdraw what others have certified.
    let layout = w.bundle();
    let what = [service_of(&layout).digest];
    let bytes = w.list_by(&w.merchant, &w.authority.certificate, &what, w.now.after(DAY));
    let lists = vec![Listed::verify(&bytes, &w.trust(), w.now).unwrap()];
    let knowledge = Knowledge { lists, ..Knowledge::default() };
    assert!(w.verify_by(&layout, &w.trust(), &knowledge).unwrap().grants().certified);
}

#[test]
fn parameters_wishes_and_names() {
    all_fail(&[
        ("a parameter beyond the service's bounds", "out of its bounds", |w| {
            let value = |n| [("days".to_owned(), Value::Number(n))].into();
            w.verify(&w.uncertified(|it| it.parameters = value(31))).into()
        }),
        ("a parameter of another kind", "out of its bounds", |w| {
            w.verify(&w.uncertified(|it| {
                it.parameters = [("days".to_owned(), Value::Money(eur(5)))].into();
            }))
            .into()
        }),
        ("a parameter that is not set", "has no value", |w| {
            w.verify(&w.uncertified(|it| it.parameters.clear())).into()
        }),
        ("a parameter that there is not", "has no parameter “nights”", |w| {
            w.verify(&w.uncertified(|it| {
                it.parameters.insert("nights".into(), Value::Number(1));
            }))
            .into()
        }),
        ("a merchant's name that the terms do not bear", "but signed by", |w| {
            w.verify(&w.uncertified(|it| it.merchant = "Otto Versamd".into())).into()
        }),
        ("an appetite beyond what is granted", "wants 999999999999", |w| {
            let mut service = w.service();
            service.limits = [(Limit::Memory, 999_999_999_999)].into();
            let (mut layout, digest) = w.service_bundle(&service);
            let mut terms = w.terms(digest);
            terms.texts.clear();
            bundle::terms(&mut layout, &terms, &[], &w.merchant.signer(), ago(w.now, HOUR));
            w.verify(&layout).into()
        }),
        ("a world that there is not", "is not known here", |w| {
            let mut service = w.service();
            service.world = "9.0.0".into();
            let (mut layout, digest) = w.service_bundle(&service);
            let mut terms = w.terms(digest);
            terms.texts.clear();
            bundle::terms(&mut layout, &terms, &[], &w.merchant.signer(), ago(w.now, HOUR));
            w.verify(&layout).into()
        }),
        ("a flow that pays before an order", "enables payment before a signed", |w| {
            let mut service = w.service();
            let ordered = service.flow.states["ordered"].clone();
            service.flow.states.insert("start".into(), ordered);
            service.flow.states.remove("offered");
            service.flow.states.remove("ordered");
            let (mut layout, digest) = w.service_bundle(&service);
            let mut terms = w.terms(digest);
            terms.texts.clear();
            bundle::terms(&mut layout, &terms, &[], &w.merchant.signer(), ago(w.now, HOUR));
            w.verify(&layout).into()
        }),
    ]);
}

#[test]
fn names_that_look_like_others_are_flagged_and_careful_people_do_not_pay_them() {
    let mut w = World::new();
    let known = vec!["Otto Versand".to_owned()];
    let before = ago(w.now, HOUR);
    // A Cyrillic О; a letter less; a zero-width space; an l for an I would look the same.
    for name in ["Оtto Versand", "Oto Versand", "Otto\u{200b} Versand"] {
        w.merchant = party(&w.authority, name, Role::Merchant, before);
        let mut layout = w.uncertified(|it| it.merchant = name.into());
        (0..3).for_each(|it| w.certify(&mut layout, it, |_| {}));
        let mut trust = w.trust();
        let knowledge = Knowledge { merchants: known.clone(), ..Knowledge::default() };
        let terms = w.verify_by(&layout, &trust, &knowledge).unwrap();
        assert_eq!(terms.warnings().len(), 1, "{name}: {:?}", terms.warnings());

        let careful = include_str!("../../../policies/careful.cedar");
        trust.policies = policies(careful);
        let terms = w.verify_by(&layout, &trust, &knowledge).unwrap();
        assert_eq!(terms.grants().most, None, "{name}");
        assert!(terms.grants().presents.is_empty(), "{name}");
    }
    // A merchant who is known, and another who is like nobody, are not.
    for name in ["Otto Versand", "Buchhandlung am Markt"] {
        w.merchant = party(&w.authority, name, Role::Merchant, before);
        let layout = w.uncertified(|it| it.merchant = name.into());
        let knowledge = Knowledge { merchants: known.clone(), ..Knowledge::default() };
        assert!(w.verify_by(&layout, &w.trust(), &knowledge).unwrap().warnings().is_empty());
    }
}

#[test]
fn log_proofs() {
    // A good proof is believed.
    let w = World::new();
    let good = logged(&w, |w, entry| w.log.prove(entry).to_string().into_bytes());
    let terms = w.verify_by(&good, &w.trust_with_log(), &Knowledge::default()).unwrap();
    assert_eq!(terms.log().unwrap().index, 2);
    assert!(terms.grants().certified);

    fn wants_log(w: &World, layout: &Layout) -> Outcome {
        w.verify_by(layout, &w.trust_with_log(), &Knowledge::default()).into()
    }
    all_fail(&[
        ("no proof", "the bundle has no proof", |w| wants_log(w, &w.bundle())),
        ("a proof of another statement", "is not number 2", |w| {
            wants_log(w, &logged(w, |w, _| w.log.prove(b"another").to_string().into_bytes()))
        }),
        ("a proof that is cut off", "the last line has no end", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let text = w.log.prove(entry).to_string();
                    text[..text.len() - 90].as_bytes().to_vec()
                }),
            )
        }),
        ("a proof without its checkpoint", "it is cut off", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let text = w.log.prove(entry).to_string();
                    text.split_once("\n\n").unwrap().0.as_bytes().to_vec()
                }),
            )
        }),
        ("a path with a changed hash", "is not number 2", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let mut proof = w.log.prove(entry);
                    proof.path[0] = Digest::of(b"x");
                    proof.to_string().into_bytes()
                }),
            )
        }),
        ("a number beyond the tree", "is not number 5", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let mut proof = w.log.prove(entry);
                    proof.index = 5;
                    proof.to_string().into_bytes()
                }),
            )
        }),
        ("a checkpoint that the log has not signed", "is wrong", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let text = w.log.prove(entry).to_string();
                    text.replace("\n5\n", "\n6\n").into_bytes()
                }),
            )
        }),
        ("a log of the thief's own", "is not signed by log.example/terms", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let other = World::new();
                    let _ = w;
                    other.log.prove(entry).to_string().into_bytes()
                }),
            )
        }),
        ("a checkpoint that no witness has seen", "have cosigned", |w| {
            wants_log(
                w,
                &logged(w, |w, entry| {
                    let mut proof = w.log.prove(entry);
                    let text = proof.checkpoint.to_string();
                    let alone: String = text
                        .lines()
                        .filter(|it| !it.contains("witness"))
                        .fold(String::new(), |a, b| a + b + "\n");
                    proof.checkpoint = semper_tlog::Note::parse(alone.as_bytes()).unwrap();
                    proof.to_string().into_bytes()
                }),
            )
        }),
        ("a witness whom nobody knows", "have cosigned", |w| {
            let layout = logged(w, |w, entry| w.log.prove(entry).to_string().into_bytes());
            let mut trust = w.trust_with_log();
            let stranger = SigningKey::generate();
            let key =
                semper_tlog::VerifierKey::new("other.example", Kind::Witness, stranger.public());
            trust.logs.get_mut(semper_trust_tests::LOG).unwrap().witnesses = vec![key.unwrap()];
            w.verify_by(&layout, &trust, &Knowledge::default()).into()
        }),
        ("a proof of something that is no proof", "its first line is another", |w| {
            wants_log(w, &logged(w, |_, _| b"hello\n\nworld".to_vec()))
        }),
        (
            "certificates that are not logged, where they must be",
            "not proved to be in a log",
            |w| {
                let layout = logged(w, |w, entry| w.log.prove(entry).to_string().into_bytes());
                let mut trust = w.trust_with_log();
                trust.transparency.certificates = true;
                w.verify_by(&layout, &trust, &Knowledge::default()).into()
            },
        ),
    ]);
}

#[test]
fn policies_narrow_and_never_widen() {
    let w = World::new();
    let layout = w.bundle();
    let everything = "permit (principal, action, resource);";
    let mut trust = TrustFile { policies: policies(everything), ..w.trust() };
    let granted = |trust: &TrustFile, layout: &Layout| {
        w.verify_by(layout, trust, &Knowledge::default()).unwrap().grants().clone()
    };
    // Permitting everything gives a certified service what its certificates reach …
    assert_eq!(granted(&trust, &layout).most, Some(eur(50_000)));
    // … and an uncertified one what does no harm.
    let uncertified = granted(&trust, &w.uncertified(|_| {}));
    assert!(!uncertified.certified && uncertified.most.is_none());
    assert_eq!(uncertified.capabilities.len(), semper_trust::Capability::HARMLESS.len());

    // Amounts: a hole in the middle bounds what is below it.
    let hole = "permit (principal, action, resource);\n\
                forbid (principal, action == Action::\"pay\", resource)\n\
                when { resource.minor > 1000 && resource.minor < 2000 };";
    trust.policies = policies(hole);
    assert_eq!(granted(&trust, &layout).most, Some(eur(1_000)));
    trust.policies = policies("forbid (principal, action, resource);");
    assert_eq!(granted(&trust, &layout).most, None);

    // Mistakes are found when the policies are loaded, with their place.
    for (text, place, says) in [
        ("permit (principal, action, resource) when { principal.certfied };", "1:", "certfied"),
        ("permit (principal, action, resource)\nwhen { 1 + };", "2:", "unexpected token"),
        ("permit (principal, action == Action::\"fly\", resource);", "1:", "fly"),
        ("permit (principal == ?principal, action, resource);", "1:", "templates"),
    ] {
        let error = semper_trust::policies::Policies::parse(&[("own.cedar".into(), text.into())])
            .unwrap_err();
        let words = error.to_string();
        assert!(words.starts_with(&format!("own.cedar:{place}")), "{words}");
        assert!(words.contains(says), "{words}");
    }
}

#[test]
fn an_evaluator_default_believes_nobody() {
    let nobody = Evaluator::default();
    assert!(nobody.roots.certificates().is_empty() && nobody.criteria.is_empty());
    assert!(Roots::default().certificates().is_empty());
    let _ = CRITERIA;
}
