//! The container opener, with keys that accept whatever is signed or sealed: nesting and sizes
//! are bounded all the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use semper_base::{Digest, KeyId, cbor};
use semper_items::{Container, Keys};

struct Credulous;

impl Keys for Credulous {
    fn sign(&self, subtree: &[u8]) -> Result<Vec<u8>, String> {
        Ok(subtree.to_vec())
    }

    fn verify(&self, signed: &[u8]) -> Result<(Vec<u8>, KeyId), String> {
        Ok((signed.to_vec(), KeyId::new(Digest::ZERO)))
    }

    fn open(&self, _to: KeyId, sealed: &[u8]) -> Result<Vec<u8>, String> {
        Ok(sealed.to_vec())
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(container) = cbor::decode::<Container>(bytes, semper_items::limits::CONTAINER) {
        assert_eq!(cbor::encode(&container), bytes);
        if let Ok(leaves) = container.open(&Credulous) {
            assert!(leaves.len() <= bytes.len());
        }
    }
});
