//! `shopnode`: see the library beside this.

/// A request makes some hundred small allocations, and what one thread allocates another often frees: the commands, the
/// answers, the records. That is what this allocator is made for (Leijen et al., "Mimalloc: Free List Sharding in Action").
/// Without huge pages, which made an idle node twice as large.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    shopnode::cli::main()
}
