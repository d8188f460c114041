//! The program: command line and assembly. The only crate that names every member of every family.

mod cli;
mod families;
mod gateway;
mod revive;
mod worker;

/// Heads, buffers and tasks are many small allocations of like size on one thread: what mimalloc is best at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
