//! wasmtime's settings: deterministic, bounded, and the same for running and compiling.

use wasmtime::{Config, PoolingAllocationConfig};

/// Components of running activations at once, and with them memories and stacks.
const POOL: u32 = 512;
/// Bytes of a component's stack.
pub const STACK: usize = 1024 * 1024;
/// Most linear memory that any grant reaches, in bytes.
const MEMORY: usize = 256 << 20;

/// The project's settings; with a pool for running, without for a compiler process, whose code
/// is the same.
pub fn config(pooled: bool) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_multi_memory(false)
        .wasm_memory64(false);
    if pooled {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(POOL)
            .total_core_instances(POOL * 8)
            .total_memories(POOL)
            .total_tables(POOL * 8)
            .max_core_instances_per_component(128)
            .max_memories_per_component(4)
            .max_tables_per_component(64)
            .table_elements(200_000)
            .max_memory_size(MEMORY);
        config.allocation_strategy(pool);
    }
    config
}
