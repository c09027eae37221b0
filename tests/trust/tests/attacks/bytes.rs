//! Bytes and layers.

use semper_base::Digest;
use semper_trust::bundle::SIGNATURE;
use semper_trust::describe::{SERVICE_CONFIG, TERMS_CONFIG, WASM};
use semper_trust::layout::canonical;
use semper_trust_tests::{Files, envelope_of, service_of, terms_of};
use serde_json::{Value as Json, json};

use super::*;

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
        ("a description with a key twice", "duplicate field", |w| {
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
