//! The message decoder: COSE, canonical CBOR, header, container. What decodes encodes to the
//! same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use semper_base::cbor;
use semper_items::{Agreement, Message, Statement};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parsed) = semper_base::cose::parse(bytes, "message", 1 << 20) {
        let _ = parsed.signed_bytes();
        let _ = Message::decode(parsed.peek());
    }
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(cbor::encode(&message), bytes);
    }
    if let Ok(statement) = Statement::decode(bytes) {
        assert_eq!(cbor::encode(&statement), bytes);
    }
    if let Ok(agreement) = Agreement::decode(bytes) {
        assert_eq!(agreement.encode(), bytes);
    }
});
