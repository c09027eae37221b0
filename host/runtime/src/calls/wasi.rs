//! The deterministic subset of WASI 0.2 that language runtimes want.
//!
//! Clocks stand still between the calls that the journal knows: they tell the last time that
//! the deal has asked for, and never pass by themselves. Randomness follows from one journaled
//! seed. The environment and the file system are empty; standard output and error go to the
//! bounded log; there are no sockets. What else these interfaces have is linked as a trap.

use std::sync::Arc;

use semper_base::Digest;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{StoreContextMut, bail};

use crate::context::Context;
use crate::stop::Stop;

/// An output stream: both go to the log.
pub struct Output;
/// An input stream: it is at its end.
pub struct Input;
/// Something that is ready at once.
pub struct Pollable;
/// An error of a stream; there are none.
pub struct Fault;
/// A terminal; there is none.
pub struct Terminal;

/// `wasi:io/streams.stream-error`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    /// The error.
    #[component(name = "last-operation-failed")]
    Failed(Resource<Fault>),
    /// It is closed.
    #[component(name = "closed")]
    Closed,
}

/// `wasi:clocks/wall-clock.datetime`.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    /// Since 1970.
    seconds: u64,
    /// Below a second.
    nanoseconds: u32,
}

type Calls<'a> = LinkerInstance<'a, Context>;
type Store<'a> = StoreContextMut<'a, Context>;
type Stream<T> = Result<T, StreamError>;

impl Context {
    /// The next bytes of the deal's randomness, which starts with a journaled seed.
    fn random(&mut self, most: u64) -> wasmtime::Result<Vec<u8>> {
        if most > 64 * 1024 {
            bail!("random bytes are given out by 64 KiB");
        }
        let seed = match self.wasi.seed {
            Some(seed) => seed,
            None => {
                let world = Arc::clone(&self.world);
                let seed = self.journal.read("wasi/seed", &(), || Ok(world.randomness()))?;
                *self.wasi.seed.insert(seed)
            }
        };
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < most {
            let counter = self.wasi.counter.to_be_bytes();
            self.wasi.counter += 1;
            let parts = [b"semper/random/v1".as_slice(), seed.as_bytes(), &counter];
            bytes.extend_from_slice(Digest::of_parts(&parts).as_bytes());
        }
        bytes.truncate(usize::try_from(most).unwrap_or(0));
        Ok(bytes)
    }

    fn random_u64(&mut self) -> wasmtime::Result<u64> {
        let bytes = self.random(8)?;
        Ok(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn output(&mut self, bytes: &[u8]) -> wasmtime::Result<()> {
        self.log(bytes.len())?;
        let text = String::from_utf8_lossy(bytes);
        self.heard(&text);
        if !self.journal.is_replaying() {
            self.world.logged(text.trim_end());
        }
        Ok(())
    }
}

/// Defines the subset under the names, with versions, that the component imports.
pub(super) fn link(linker: &mut Linker<Context>, imports: &[String]) -> wasmtime::Result<()> {
    for import in imports.iter().filter(|it| it.starts_with("wasi:")) {
        let mut calls = linker.instance(import)?;
        match import.split('@').next().unwrap_or_default() {
            "wasi:cli/environment" => environment(&mut calls)?,
            "wasi:cli/exit" => exit(&mut calls)?,
            "wasi:cli/stdin" => calls.func_wrap("get-stdin", |mut store: Store<'_>, (): ()| {
                Ok((store.data_mut().hold(Input)?,))
            })?,
            "wasi:cli/stdout" => calls.func_wrap("get-stdout", output)?,
            "wasi:cli/stderr" => calls.func_wrap("get-stderr", output)?,
            "wasi:cli/terminal-input" => terminal(&mut calls, "terminal-input")?,
            "wasi:cli/terminal-output" => terminal(&mut calls, "terminal-output")?,
            "wasi:cli/terminal-stdin" => calls.func_wrap("get-terminal-stdin", no_terminal)?,
            "wasi:cli/terminal-stdout" => calls.func_wrap("get-terminal-stdout", no_terminal)?,
            "wasi:cli/terminal-stderr" => calls.func_wrap("get-terminal-stderr", no_terminal)?,
            "wasi:clocks/monotonic-clock" => monotonic(&mut calls)?,
            "wasi:clocks/wall-clock" => wall(&mut calls)?,
            "wasi:io/error" => {
                calls.resource("error", ResourceType::host::<Fault>(), drop::<Fault>)?
            }
            "wasi:io/poll" => poll(&mut calls)?,
            "wasi:io/streams" => streams(&mut calls)?,
            "wasi:filesystem/preopens" => {
                calls.func_wrap("get-directories", |_: Store<'_>, (): ()| {
                    Ok((Vec::<(Resource<Terminal>, String)>::new(),))
                })?;
            }
            "wasi:filesystem/types" => {
                calls.resource("descriptor", ResourceType::host::<Terminal>(), drop::<Terminal>)?;
            }
            "wasi:random/random" => random(&mut calls, "get-random-bytes", "get-random-u64")?,
            "wasi:random/insecure" => {
                random(&mut calls, "get-insecure-random-bytes", "get-insecure-random-u64")?;
            }
            "wasi:random/insecure-seed" => {
                calls.func_wrap("insecure-seed", |mut store: Store<'_>, (): ()| {
                    let data = store.data_mut();
                    Ok(((data.random_u64()?, data.random_u64()?),))
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Everything else that these interfaces have traps when it is called.
pub(crate) fn link_rest(
    linker: &mut Linker<Context>,
    component: &Component,
) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    let imports = component.component_type();
    let mut seen: Vec<ResourceType> = Vec::new();
    for (name, import) in imports.imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !name.starts_with("wasi:") {
            continue;
        }
        let mut calls = linker.instance(name)?;
        for (item, export) in instance.exports(&engine) {
            match export.ty {
                // An interface that only uses another's resource does not define it.
                ComponentItem::Resource(resource) if !seen.contains(&resource) => {
                    seen.push(resource);
                    // An error says that it is there already.
                    let _ =
                        calls.resource(item, ResourceType::host::<Terminal>(), drop::<Terminal>);
                }
                ComponentItem::ComponentFunc(_) => {
                    let what = format!("{name}#{item}");
                    let _ = calls.func_new(item, move |_, _, _, _| {
                        let why = format!("it calls {what}, which no host offers");
                        Err(Stop::trap(why).into())
                    });
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn drop<T: Send + 'static>(mut store: Store<'_>, rep: u32) -> wasmtime::Result<()> {
    store.data_mut().release(Resource::<T>::new_own(rep))?;
    Ok(())
}

fn output(mut store: Store<'_>, (): ()) -> wasmtime::Result<(Resource<Output>,)> {
    Ok((store.data_mut().hold(Output)?,))
}

fn no_terminal(_: Store<'_>, (): ()) -> wasmtime::Result<(Option<Resource<Terminal>>,)> {
    Ok((None,))
}

fn terminal(calls: &mut Calls<'_>, name: &str) -> wasmtime::Result<()> {
    calls.resource(name, ResourceType::host::<Terminal>(), drop::<Terminal>)
}

fn environment(calls: &mut Calls<'_>) -> wasmtime::Result<()> {
    calls.func_wrap("get-environment", |_: Store<'_>, (): ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    calls.func_wrap("get-arguments", |_: Store<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
    calls.func_wrap("initial-cwd", |_: Store<'_>, (): ()| Ok((None::<String>,)))
}

fn exit(calls: &mut Calls<'_>) -> wasmtime::Result<()> {
    calls.func_wrap("exit", |_: Store<'_>, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
        let how = if status.is_ok() { "without a result" } else { "with an error" };
        Err(Stop::trap(format!("it has left by exit, {how}")).into())
    })
}

fn monotonic(calls: &mut Calls<'_>) -> wasmtime::Result<()> {
    calls.func_wrap("now", |store: Store<'_>, (): ()| {
        let data = store.data();
        Ok((data.clock.millis().saturating_sub(data.deal.opened.millis()) * 1_000_000,))
    })?;
    calls.func_wrap("resolution", |_: Store<'_>, (): ()| Ok((1_000_000_u64,)))?;
    for name in ["subscribe-instant", "subscribe-duration"] {
        calls.func_wrap(name, |mut store: Store<'_>, (_,): (u64,)| {
            Ok((store.data_mut().hold(Pollable)?,))
        })?;
    }
    Ok(())
}

fn wall(calls: &mut Calls<'_>) -> wasmtime::Result<()> {
    calls.func_wrap("now", |store: Store<'_>, (): ()| {
        let millis = store.data().clock.millis();
        let nanoseconds = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        Ok((Datetime { seconds: millis / 1000, nanoseconds },))
    })?;
    calls.func_wrap("resolution", |_: Store<'_>, (): ()| {
        Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },))
    })
}

fn random(calls: &mut Calls<'_>, bytes: &str, number: &str) -> wasmtime::Result<()> {
    calls.func_wrap(bytes, |mut store: Store<'_>, (most,): (u64,)| {
        Ok((store.data_mut().random(most)?,))
    })?;
    calls.func_wrap(number, |mut store: Store<'_>, (): ()| Ok((store.data_mut().random_u64()?,)))
}

fn poll(calls: &mut Calls<'_>) -> wasmtime::Result<()> {
    calls.resource("pollable", ResourceType::host::<Pollable>(), drop::<Pollable>)?;
    calls.func_wrap("[method]pollable.ready", |_: Store<'_>, (_,): (Resource<Pollable>,)| {
        Ok((true,))
    })?;
    calls
        .func_wrap("[method]pollable.block", |_: Store<'_>, (_,): (Resource<Pollable>,)| Ok(()))?;
    calls.func_wrap("poll", |_: Store<'_>, (all,): (Vec<Resource<Pollable>>,)| {
        Ok(((0..u32::try_from(all.len()).unwrap_or(0)).collect::<Vec<u32>>(),))
    })
}

fn streams(calls: &mut Calls<'_>) -> wasmtime::Result<()> {
    calls.resource("input-stream", ResourceType::host::<Input>(), drop::<Input>)?;
    calls.resource("output-stream", ResourceType::host::<Output>(), drop::<Output>)?;
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        calls.func_wrap(name, |_: Store<'_>, (_, _): (Resource<Input>, u64)| {
            Ok((Stream::<Vec<u8>>::Err(StreamError::Closed),))
        })?;
    }
    calls.func_wrap("[method]input-stream.subscribe", ready_input)?;
    calls.func_wrap("[method]output-stream.subscribe", ready_output)?;
    calls.func_wrap(
        "[method]output-stream.check-write",
        |_: Store<'_>, (_,): (Resource<Output>,)| Ok((Stream::<u64>::Ok(64 * 1024),)),
    )?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        calls.func_wrap(
            name,
            |mut store: Store<'_>, (_, bytes): (Resource<Output>, Vec<u8>)| {
                store.data_mut().output(&bytes)?;
                Ok((Stream::<()>::Ok(()),))
            },
        )?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        calls.func_wrap(name, |_: Store<'_>, (_,): (Resource<Output>,)| {
            Ok((Stream::<()>::Ok(()),))
        })?;
    }
    Ok(())
}

fn ready_input(
    mut store: Store<'_>,
    (_,): (Resource<Input>,),
) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((store.data_mut().hold(Pollable)?,))
}

fn ready_output(
    mut store: Store<'_>,
    (_,): (Resource<Output>,),
) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((store.data_mut().hold(Pollable)?,))
}
