//! Everything small that trust and distribution parse; the first byte says what the rest is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use semper_base::cert::Crl;
use semper_base::Certificate;
use semper_distribution::Place;
use semper_tlog::witness::Asked;
use semper_tlog::{Note, Proof, VerifierKey, tree};
use semper_trust::layout::{Index, Manifest};
use semper_trust::policies::Policies;
use semper_trust::{TrustFile, envelope, lookalike};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match kind % 12 {
        0 => {
            // What parses is written as it was read.
            if let Ok(note) = Note::parse(rest) {
                assert_eq!(note.to_string().as_bytes(), rest);
            }
        }
        1 => drop(Proof::parse(rest)),
        2 => drop(Asked::parse(rest)),
        3 => {
            if let Some(entries) = tree::entries(rest) {
                assert_eq!(tree::bundle(&entries), rest);
            }
        }
        4 => drop(Crl::from_der(rest)),
        5 => {
            if let Ok(certificate) = Certificate::from_der(rest) {
                assert_eq!(certificate.der(), rest);
            }
        }
        6 => drop(envelope::claim(rest)),
        7 => drop(TrustFile::parse(&text, |_| Err("there is no such file".into()))),
        8 => drop(Policies::parse(&[("fuzzed.cedar".into(), text.into_owned())])),
        9 => {
            if let Ok(key) = text.parse::<VerifierKey>() {
                assert_eq!(key.to_string(), text);
            }
        }
        10 => {
            drop(Index::parse(rest));
            drop(Manifest::parse("fuzzed", rest));
        }
        _ => {
            drop(text.parse::<Place>());
            let _ = lookalike::suspicion(&text, ["Otto Versand"]);
        }
    }
});
