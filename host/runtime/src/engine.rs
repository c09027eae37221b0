//! wasmtime: preparing components, and running one activation within its grants.
//!
//! Deterministic by configuration: no threads, no 64-bit or shared memories, canonical NaNs,
//! deterministic relaxed SIMD. Bounded by fuel per activation, an epoch deadline between host
//! calls, memory, tables and instances per store, and what a host call may lift. A trap ends
//! the activation, never the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use semper_base::Digest;
use semper_items::Side;
use semper_keeper::{Bell, Post, Spawn, Turn};
use semper_trust::policy::{Capability, Grants};
use semper_trust::{Limit, Limits, VerifiedTerms};
use wasmtime::component::{ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::calls;
use crate::compile::{Compiler, is_the_systems};
use crate::context::Context;
use crate::settings::{STACK, config};
use crate::stop::{Cause, Needed, Pause, Stop, Verdict};

/// How often the epoch advances.
const TICK: Duration = Duration::from_millis(10);
/// Components kept ready in memory.
const READY: usize = 64;

/// Processor time of an activation in the fast lane.
const FAST: Duration = Duration::from_millis(50);

/// How an activation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// With others that answer at once.
    Fast,
    /// In the one thread, of low priority, for components that compute for long.
    Slow,
}

/// A component that is compiled and linked with what it is granted.
#[derive(Clone)]
pub struct Ready {
    instance: InstancePre<Context>,
    run: ComponentExportIndex,
    limits: Limits,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready")
    }
}

/// A slot of the table of ready components; locked while one is being prepared. Deals that began
/// under different configurations may have different grants for one component.
type Slot = Arc<Mutex<Vec<(Grants, Ready)>>>;

/// A wasmtime engine and the components that are ready in this process.
pub struct Runtime {
    engine: Engine,
    compiler: Compiler,
    ready: Mutex<HashMap<(Digest, Side), Slot>>,
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
    /// A loop that runs there ticks for it as long as it is there; without ticks, fuel alone bounds
    /// how long a component computes.
    pub fn new(compiler: Compiler, spawn: &dyn Spawn) -> Result<Self, Stop> {
        let engine = Engine::new(&config(true)).map_err(Stop::broken)?;
        let ticking = Arc::new(());
        let alive: Weak<()> = Arc::downgrade(&ticking);
        let clock = engine.clone();
        let tick = move |_: &Post| {
            clock.increment_epoch();
            if alive.strong_count() > 0 { Turn::Wait(TICK) } else { Turn::End }
        };
        spawn.keep("ticks", &Bell::new(), Box::new(tick));
        Ok(Self { engine, compiler, ready: Mutex::default(), _ticking: ticking })
    }

    /// The engine, for benchmarks that compare with it, and for its pool's metrics.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a side's component is compiled and linked; one that is being prepared is not.
    pub fn is_ready(&self, terms: &VerifiedTerms, side: Side) -> bool {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = ready.get(&(terms.digest(), side));
        slot.is_some_and(|slot| {
            slot.try_lock().is_ok_and(|slot| find(&slot, terms.grants()).is_some())
        })
    }

    /// Compiles and links a side's component, or takes the one that is ready: its imports against the
    /// grants first, then what can be seen of it, then the compiler. The linker holds exactly
    /// the granted capabilities.
    pub fn ready(&self, terms: &VerifiedTerms, side: Side) -> Result<Ready, Stop> {
        let key = (terms.digest(), side);
        let slot = {
            let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
            if ready.len() >= READY && !ready.contains_key(&key) {
                ready.clear();
            }
            Arc::clone(ready.entry(key).or_default())
        };
        // One at a time prepares a component; others need not wait for it.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = find(&slot, terms.grants()) {
            return Ok(ready.clone());
        }
        let bytes = match side {
            Side::Buyer => terms.buyer_component(),
            Side::Seller => terms.seller_component(),
        };
        let ready = self.prepare(bytes, terms.grants())?;
        slot.push((terms.grants().clone(), ready.clone()));
        Ok(ready)
    }

    fn prepare(&self, bytes: &[u8], grants: &Grants) -> Result<Ready, Stop> {
        let limits = grants.limits;
        crate::compile::examine(bytes, limits)?;
        let imports = semper_trust::verify::imports(bytes)?;
        grants.admit(&imports)?;
        let component = self.compiler.component(&self.engine, bytes, limits)?;
        // Nothing but its imports can be wrong by now.
        let unlinked = |error: wasmtime::Error| Stop::unfit(format!("{error:#}"));
        let mut linker = Linker::new(&self.engine);
        calls::link(&mut linker, grants, &imports).map_err(unlinked)?;
        if grants.capabilities.contains(&Capability::Wasi) {
            calls::wasi::link_rest(&mut linker, &component).map_err(unlinked)?;
        }
        let instance = linker.instantiate_pre(&component).map_err(unlinked)?;
        let run = component
            .get_export_index(None, "run")
            .ok_or_else(|| Stop::unfit("it does not export run"))?;
        Ok(Ready { instance, run, limits })
    }

    /// Runs a component from its start until it ends or stops. In the fast lane it stops with
    /// [`Pause::Slow`] when it computes for long: nothing has happened that replay would not
    /// make again.
    pub fn run(
        &self,
        ready: &Ready,
        context: Context,
        lane: Lane,
    ) -> (Context, Result<Result<(), String>, Stop>) {
        let mut store = Store::new(&self.engine, context);
        let outcome =
            activate(&mut store, ready, lane).map_err(|error| translate(&error, ready.limits));
        let context = store.into_data();
        let outcome = outcome.map_err(|stop| context.shown(stop));
        (context, outcome)
    }
}

fn find<'a>(slot: &'a [(Grants, Ready)], grants: &Grants) -> Option<&'a Ready> {
    slot.iter().find(|(granted, _)| granted == grants).map(|(_, ready)| ready)
}

fn activate(
    store: &mut Store<Context>,
    ready: &Ready,
    lane: Lane,
) -> wasmtime::Result<Result<(), String>> {
    let limits = ready.limits;
    store.limiter(|context| &mut context.limiter);
    store.set_fuel(limits.get(Limit::Fuel))?;
    store.set_hostcall_fuel(limits.size(Limit::CallBytes));
    store.set_epoch_deadline(1);
    let slice = Duration::from_millis(limits.get(Limit::Time));
    // Processor time of this thread: what others do meanwhile does not count. Each call of the
    // host begins a new slice; within a tick, which is as finely as this is measured.
    let begun = cpu_time();
    let (mut calls, mut since) = (0, begun);
    store.epoch_deadline_callback(move |store| {
        let now = cpu_time();
        if lane == Lane::Fast && now.saturating_sub(begun) > FAST {
            return Err(Stop::from(Pause::Slow { heavy: true }).into());
        }
        if store.data().calls != calls {
            (calls, since) = (store.data().calls, now);
        } else if now.saturating_sub(since) > slice {
            let most = limits.get(Limit::Time);
            return Err(Stop::limit(Limit::Time, most).into());
        }
        Ok(UpdateDeadline::Continue(1))
    });
    let instance = ready.instance.instantiate(&mut *store);
    // Memories and tables ask the limiter; what else is refused here is too many of them.
    let instance = instance.map_err(|error| match is_typed(&error) {
        true => error,
        false => Stop::limit(Limit::Instances, limits.get(Limit::Instances)).into(),
    })?;
    let run = instance.get_typed_func::<(), (Result<(), String>,)>(&mut *store, &ready.run)?;
    Ok(run.call(&mut *store, ())?.0)
}

/// Processor time that this thread has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// What ended the activation: our own stop, a limit, or a trap of the component's.
fn translate(error: &wasmtime::Error, limits: Limits) -> Stop {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.clone();
    }
    let most = |limit| Stop::limit(limit, limits.get(limit));
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return most(Limit::Fuel),
        Some(Trap::StackOverflow) => return Verdict::new(Cause::Stack(STACK as u64)).into(),
        Some(trap) => return Stop::trap(trap.to_string()),
        None => {}
    }
    let text = format!("{error:#}");
    if is_ours(error) {
        return Stop::away(Needed::Runtime, text);
    }
    // The one limit whose type wasmtime keeps to itself; `tests/hostile` holds it to these words.
    // The root alone is asked: what stands around it may name things of the component.
    if error.root_cause().to_string().starts_with("too much data is being copied") {
        return most(Limit::CallBytes);
    }
    Stop::trap(text)
}

/// Whether it is this machine that cannot run the component now: the pool is full, for other deals
/// have it, or the system has no memory to give.
fn is_ours(error: &wasmtime::Error) -> bool {
    error.is::<PoolConcurrencyLimitError>() || is_the_systems(error)
}

/// Whether an error says by its type what has happened.
fn is_typed(error: &wasmtime::Error) -> bool {
    error.is::<Stop>() || error.is::<Trap>() || is_ours(error)
}
