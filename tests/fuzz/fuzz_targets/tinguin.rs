//! The TINGUIN's socket: frames of requests, answered by a real service with a face that says
//! yes to everything. What it signs is what it was asked to sign, or nothing.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use semper_tinguin::keystore::Keystore;
use semper_tinguin::memory::Memory;
use semper_tinguin::Service;
use semper_tinguin_protocol::{Answer, Face, Frame, Request, Screen, protocol};

struct Yes;

impl Face for Yes {
    fn ask(&self, frame: &Frame, _withdrawn: &dyn Fn() -> bool) -> Answer {
        match frame.screen {
            Screen::Consent(_) => Answer::Yes,
            _ => Answer::Choice(0),
        }
    }

    fn show(&self, _frame: &Frame) {}
}

thread_local! {
    static SERVICE: OnceCell<(Service, tempfile::TempDir)> = const { OnceCell::new() };
}

fn service() -> (Service, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let memory = Memory::open(&folder.path().join("memory")).expect("a store");
    let (keys, _) = Keystore::create("a pass-phrase for fuzzing").expect("keys");
    (Service::new(keys, memory, Box::new(Yes), "Fuzz".into(), "phrase".into()), folder)
}

fuzz_target!(|bytes: &[u8]| {
    SERVICE.with(|cell| {
        let (service, _) = cell.get_or_init(service);
        let mut stream = bytes;
        while let Ok(Some(request)) = protocol::read::<Request>(&mut stream) {
            // The first two wait for somebody by design, and what is locked waits for its person.
            if matches!(
                request,
                Request::Watch { .. } | Request::Pose { .. } | Request::Lock | Request::Unlock(_)
            ) {
                continue;
            }
            let _ = service.answer(request);
        }
    });
});
