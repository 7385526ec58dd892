//! `--memory`: what a gradient may keep instead of computing it again.

use bytesize::ByteSize;
use clap::Args;
use posteria::flow::Plan;

#[derive(Args)]
pub struct MemoryArgument {
    /// Memory for values inside couplings that a gradient would otherwise compute again, such as 2GiB; 0 for the least.
    ///
    /// It buys time, a quarter of a gradient's work at most. A number without a unit is bytes. Results change by rounding
    /// alone: a run that is stopped gives the same bytes if it goes on with the same memory.
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    memory: ByteSize,
}

impl MemoryArgument {
    pub fn plan(&self) -> Plan {
        Plan::within(usize::try_from(self.memory.as_u64()).unwrap_or(usize::MAX))
    }
}
