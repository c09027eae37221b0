//! The journal reader: records, their chain, runs. The input is cut into records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use semper_archive::JournalRow;
use semper_archive::chain::{runs, verify_chain};
use semper_base::{DealId, Digest};

fuzz_target!(|bytes: &[u8]| {
    let mut rows = Vec::new();
    let mut rest = bytes;
    // Three lengths, then three parts.
    while let [a, b, c, tail @ ..] = rest {
        let lengths = [usize::from(*a) * 2, usize::from(*b), usize::from(*c)];
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        let mut tail = tail;
        for (part, length) in parts.iter_mut().zip(lengths) {
            let (head, more) = tail.split_at(length.min(tail.len()));
            *part = head.to_vec();
            tail = more;
        }
        let [record, request, result] = parts;
        let deal = DealId::new(Digest::ZERO);
        rows.push(JournalRow { deal, seq: rows.len() as u64, record, request, result });
        rest = tail;
    }
    let split: usize = runs(&rows).iter().map(Vec::len).sum();
    assert!(split >= rows.len());
    if let Ok(heads) = verify_chain(&rows) {
        assert_eq!(heads.len(), rows.len());
    }
});
