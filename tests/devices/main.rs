//! What runs on the processor in double precision, on every other device that was compiled in and that this machine has:
//! every operation, every layer and network with its gradients, training and sampling.
//!
//! Without `--features cuda` or `wgpu` there is no other device, and the tests say so. `POSTERIA_DEVICES=wgpu` (or `cuda`)
//! checks only devices of that name, and fails where there is none. Where there is no GPU, `wgpu` runs on a software device (on Debian
//! `apt-get install mesa-vulkan-drivers libvulkan1`):
//!
//!     VK_ICD_FILENAMES=/usr/share/vulkan/icd.d/lvp_icd.x86_64.json cargo test --profile devices --features wgpu --test devices

mod judge;
mod layers;
mod operations;
mod training;

#[allow(dead_code)] // The laws themselves are run by flow_laws.
#[path = "../flow_laws/laws.rs"]
mod laws;
#[path = "../flow_laws/network.rs"]
mod network;
#[allow(dead_code)]
#[path = "../flow_laws/table.rs"]
mod table;

use std::io::Write;

use burn::tensor::Device;
use judge::Judge;

/// A device that is no processor.
struct Found {
    name: String,
    device: Device,
    /// Whether matrix products of f32 may keep three digits of their factors (TF32).
    rounds_products: bool,
}

/// Every device of the backends that were compiled in.
fn found() -> Vec<Found> {
    let mut all: Vec<Found> = Vec::new();
    #[cfg(feature = "cuda")]
    all.extend(listed("cuda", burn::tensor::DeviceType::Cuda, true));
    #[cfg(feature = "wgpu")]
    all.extend(listed("wgpu", burn::tensor::DeviceType::Wgpu, false));
    match std::env::var("POSTERIA_DEVICES") {
        Ok(name) => {
            all.retain(|found| found.name.starts_with(&name));
            assert!(!all.is_empty(), "POSTERIA_DEVICES={name}: there is no such device");
        }
        Err(_) if all.is_empty() => {
            say(
                "no device but the processor: nothing is checked (see --features cuda and wgpu, and this machine's drivers)",
            );
        }
        Err(_) => {}
    }
    all
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn listed(name: &str, kind: burn::tensor::DeviceType, rounds_products: bool) -> impl Iterator<Item = Found> {
    let devices = Device::enumerate(kind).into_vec().into_iter().enumerate();
    devices.map(move |(index, device)| Found { name: format!("{name}:{index}"), device, rounds_products })
}

/// Past the capture of the test harness: what was checked is always seen.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn on_every_device(what: &str, check: fn(&Found, &mut Judge)) {
    let mut failures = Vec::new();
    for found in found() {
        let mut judge = Judge::new(found.rounds_products);
        check(&found, &mut judge);
        say(&format!("{}: {what}: {}", found.name, judge.summary()));
        failures.extend(judge.failures().map(|failure| format!("{}: {failure}", found.name)));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_operation_is_that_of_the_processor() {
    on_every_device("operations", operations::check);
}

#[test]
fn every_layer_and_network_is_that_of_the_processor() {
    on_every_device("layers and networks", layers::check);
}

#[test]
fn a_deep_network_keeps_its_gradient() {
    on_every_device("a deep network", layers::check_depth);
}

#[test]
fn training_and_sampling_are_those_of_the_processor() {
    on_every_device("training and sampling", training::check);
}

/// For a device that compiles kernels and runs none (`tests/nvrtc.sh`): its numbers mean nothing.
fn launch(checks: &[fn(&Found, &mut Judge)]) {
    for found in found() {
        let mut judge = Judge::of_launches();
        checks.iter().for_each(|check| check(&found, &mut judge));
        let failures: Vec<&str> = judge.failures().collect();
        assert!(failures.is_empty(), "{}: {} failures:\n{}", found.name, failures.len(), failures.join("\n"));
        say(&format!("{}: {} comparisons launched", found.name, judge.count()));
    }
}

#[test]
#[ignore = "for a make-believe device"]
fn every_kernel_is_launched() {
    launch(&[operations::check, layers::check, layers::check_depth, training::check]);
}

#[test]
#[ignore = "for a make-believe device"]
fn every_exact_kernel_is_launched() {
    launch(&[operations::check_exact]);
}
