//! The command line of posteria. See `posteria --help`.

mod cli;

use std::process::ExitCode;

/// Burn allocates large short-lived tensors at every operation; the system's allocator returns their memory each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
