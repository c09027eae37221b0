//! wasmtime: compiling components, and running one activation within its grants.
//!
//! Deterministic by configuration: no threads, no 64-bit or shared memories, canonical NaNs,
//! deterministic relaxed SIMD. Bounded by fuel per activation, an epoch deadline between host
//! calls, memory, tables and instances per store, and what a host call may lift. A trap ends
//! the activation, never the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use semper_base::Digest;
use semper_trust::policy::{Capability, Limits};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Config, Engine, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder, Trap,
    UpdateDeadline,
};

use crate::calls::bindings::Service;
use crate::calls::bindings::semper as wit;
use crate::context::Context;
use crate::stop::Stop;

/// How often the epoch advances.
const TICK: Duration = Duration::from_millis(10);
/// Components of running activations at once, and with them memories and stacks.
const POOL: u32 = 512;
/// Bytes of a component's stack.
const STACK: usize = 512 * 1024;

/// A wasmtime engine and the components compiled in this process.
pub struct Runtime {
    engine: Engine,
    components: Mutex<HashMap<Digest, Component>>,
    /// Keeps the epoch ticking as long as the runtime is there.
    _ticking: Arc<()>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runtime")
    }
}

impl Runtime {
    /// A runtime with the project's configuration.
    pub fn new() -> Result<Self, Stop> {
        let engine = Engine::new(&config()).map_err(|error| Stop::Trap(error.to_string()))?;
        let ticking = Arc::new(());
        let alive: Weak<()> = Arc::downgrade(&ticking);
        let clock = engine.clone();
        std::thread::spawn(move || {
            while alive.strong_count() > 0 {
                std::thread::sleep(TICK);
                clock.increment_epoch();
            }
        });
        Ok(Self { engine, components: Mutex::default(), _ticking: ticking })
    }

    /// The engine, for benchmarks that compare with it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a component, or takes the one compiled before.
    pub fn component(&self, bytes: &[u8]) -> Result<Component, Stop> {
        let digest = Digest::of(bytes);
        let mut components = self.components.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(component) = components.get(&digest) {
            return Ok(component.clone());
        }
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| Stop::Service(format!("its component does not compile: {error:#}")))?;
        components.insert(digest, component.clone());
        Ok(component)
    }

    /// Runs a component from its start until it ends or stops. The linker holds exactly the
    /// granted capabilities.
    pub fn run(
        &self,
        component: &Component,
        context: Context,
        granted: impl Fn(Capability) -> bool,
        limits: Limits,
    ) -> (Context, Result<Result<(), String>, Stop>) {
        let mut store = Store::new(&self.engine, context);
        let outcome = self.activate(&mut store, component, granted, limits);
        (store.into_data(), outcome)
    }

    fn activate(
        &self,
        store: &mut Store<Context>,
        component: &Component,
        granted: impl Fn(Capability) -> bool,
        limits: Limits,
    ) -> Result<Result<(), String>, Stop> {
        let fault = |error: wasmtime::Error| translate(error, limits);
        store.data_mut().limits = store_limits(limits);
        store.limiter(|context| &mut context.limits);
        store.set_fuel(limits.fuel).map_err(fault)?;
        store.set_hostcall_fuel(usize::try_from(limits.call_bytes).unwrap_or(usize::MAX));
        store.set_epoch_deadline(1);
        let slice = Duration::from_millis(limits.slice_ms);
        store.epoch_deadline_callback(move |store| {
            // Time spent in host calls does not count: each sets the mark anew.
            if store.data().last_call.elapsed() > slice {
                let limit = format!("{} ms between two calls", slice.as_millis());
                return Err(Stop::Limit { what: "time", limit }.into());
            }
            Ok(UpdateDeadline::Continue(1))
        });
        let mut linker = Linker::new(&self.engine);
        link(&mut linker, granted).map_err(fault)?;
        let service = Service::instantiate(&mut *store, component, &linker).map_err(fault)?;
        service.call_run(&mut *store).map_err(fault)
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(POOL)
        .total_core_instances(POOL * 4)
        .total_memories(POOL)
        .total_tables(POOL * 4)
        .max_memory_size(64 * 1024 * 1024)
        .max_core_instances_per_component(8)
        .max_memories_per_component(1)
        .max_tables_per_component(4);
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .allocation_strategy(pool);
    config
}

fn store_limits(limits: Limits) -> StoreLimits {
    StoreLimitsBuilder::new()
        .memory_size(usize::try_from(limits.memory).unwrap_or(usize::MAX))
        .table_elements(10_000)
        .instances(8)
        .tables(4)
        .memories(1)
        .trap_on_grow_failure(true)
        .build()
}

/// Links what is granted, and nothing else.
fn link(
    linker: &mut Linker<Context>,
    granted: impl Fn(Capability) -> bool,
) -> wasmtime::Result<()> {
    fn own(context: &mut Context) -> &mut Context {
        context
    }
    for capability in Capability::all().filter(|it| granted(*it)) {
        match capability {
            Capability::Types => {
                wit::items::types::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Deal => wit::deal::deal::add_to_linker::<_, HasSelf<Context>>(linker, own),
            Capability::Information => {
                wit::transfer::information::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Statements => {
                wit::transfer::statements::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Payments => {
                wit::transfer::payments::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Inbox => {
                wit::transfer::inbox::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Display => {
                wit::tinguin::display::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Consent => {
                wit::tinguin::consent::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Preferences => {
                wit::archive::preferences::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Catalogue => {
                wit::business::catalogue::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
            Capability::Fulfilment => {
                wit::business::fulfilment::add_to_linker::<_, HasSelf<Context>>(linker, own)
            }
        }?;
    }
    Ok(())
}

/// What ended the activation: our own stop, a limit, or a trap of the component's.
fn translate(error: wasmtime::Error, limits: Limits) -> Stop {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.clone();
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            Stop::Limit { what: "instructions", limit: format!("{} per activation", limits.fuel) }
        }
        Some(Trap::StackOverflow) => Stop::Limit { what: "stack", limit: format!("{STACK} bytes") },
        Some(trap) => Stop::Trap(trap.to_string()),
        None => {
            let text = format!("{error:#}");
            if text.contains("growing memory") || text.contains("memory minimum size") {
                return Stop::Limit { what: "memory", limit: format!("{} bytes", limits.memory) };
            }
            Stop::Trap(text)
        }
    }
}
