//! The whole verification over a good bundle that the fuzzer edits, with every digest mended as a
//! thief could: whatever counts as certified in the end is the very thing that was signed.
//! The input is a list of edits: file, place, byte, and whether digests are mended.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use semper_base::Digest;
use semper_trust::Layout;
use semper_trust_tests::{Files, World};

struct Good {
    world: World,
    layout: Layout,
}

fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let world = World::new();
        let layout = world.bundle();
        Good { world, layout }
    })
}

fuzz_target!(|bytes: &[u8]| {
    let good = good();
    let mut files = Files::of(&good.layout);
    for edit in bytes.chunks_exact(5).take(6) {
        let names: Vec<String> = files.0.keys().cloned().collect();
        let name = &names[usize::from(edit[0]) % names.len()];
        let mut content = files.0[name].clone();
        if content.is_empty() {
            continue;
        }
        let at = usize::from(u16::from_be_bytes([edit[1], edit[2]])) % content.len();
        match edit[4] % 3 {
            0 => content[at] = edit[3],
            1 => content.insert(at, edit[3]),
            _ => drop(content.remove(at)),
        }
        let digest = name.strip_prefix("blobs/sha256/").and_then(|it| Digest::from_hex(it).ok());
        match digest.filter(|_| edit[4] & 0x80 != 0) {
            Some(old) => files = files.reseal(&old, content),
            None => drop(files.0.insert(name.clone(), content)),
        }
    }
    let Ok(layout) = files.read() else { return };
    let Ok(terms) = good.world.verify(&layout) else { return };
    if !terms.grants().certified {
        return;
    }
    let Ok(first) = good.world.verify(&good.layout) else { return };
    assert_eq!(terms.digest(), first.digest());
    assert_eq!(terms.buyer_component(), first.buyer_component());
    assert_eq!(terms.seller_component(), first.seller_component());
    assert_eq!(terms.texts(), first.texts());
});
