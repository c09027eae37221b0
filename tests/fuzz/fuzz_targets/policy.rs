//! Parsers of policy and terms: trust file, service and terms descriptions, certificates, flow,
//! imports of a component.
#![no_main]

use libfuzzer_sys::fuzz_target;
use semper_trust::policy::CertificateOf;
use semper_trust::{ServiceDescription, TermsDescription, TrustFile, describe, verify};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = TrustFile::parse(text, |_| Err("there is no such file".into()));
        if let Ok(flow) = describe::flow(text) {
            let _ = flow.faults();
        }
        let _ = serde_json::from_str::<CertificateOf>(text);
        for line in text.lines() {
            let _ = line.parse::<semper_trust::Capability>();
            let _ = line.parse::<semper_base::Amount>();
            let _ = line.parse::<semper_base::Timestamp>();
            let _ = line.parse::<semper_base::Digest>();
        }
    }
    let _ = describe::parse::<ServiceDescription>("service", bytes);
    let _ = describe::parse::<TermsDescription>("terms", bytes);
    let _ = verify::imports(bytes);
});
