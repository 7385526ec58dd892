#!/usr/bin/env bash
# Compiles every kernel that the project launches on CUDA for a Hopper card, on a machine without a GPU: NVRTC is NVIDIA's
# own, from PyPI; the driver is tests/make_believe_cuda.c, whose card runs nothing. Needs cargo, cc, python3 with venv, and
# the network; all it makes is under target/. Fails where a kernel does not compile, or where one that must be true f32
# (all but the matrix products inside a conditioner) uses tensor cores; exits with 77 where NVRTC cannot be fetched.
#
# $PROFILE: the cargo profile, `devices` unless said; $FEATURES: `cuda` unless said, to share a build with others.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-devices}
features=${FEATURES:-cuda}
here=${CARGO_TARGET_DIR:-target}/nvrtc
mkdir -p "$here"
here=$(cd "$here" && pwd)

if [ ! -e "$here/toolkit/complete" ]; then
    fetched() {
        python3 -m venv "$here/python" && "$here/python/bin/pip" install --quiet --no-deps --only-binary=:all: \
            --target "$here/toolkit" nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88
    }
    fetched || { echo "skipped: NVRTC cannot be fetched from PyPI"; exit 77; }
    touch "$here/toolkit/complete"
fi
cc -O1 -w -shared -fPIC -o "$here/libcuda.so.1" tests/make_believe_cuda.c

# The program is run by its path: to cargo, another CUDA_PATH is another build.
program=$(cargo test --profile "$profile" --features "$features" --test devices --no-run \
    --message-format json-render-diagnostics | grep -o '"executable":"[^"]*/devices-[^"]*"' | tail -1 | cut -d'"' -f4)

# launch NAME TEST: the PTX of every kernel that the test launches, in $here/NAME.
launch() {
    rm -rf "${here:?}/$1"
    mkdir "$here/$1"
    CUDA_PATH="$here/toolkit/nvidia/cu13" FAKE_CUDA_PTX="$here/$1" POSTERIA_DEVICES=cuda \
        LD_LIBRARY_PATH="$here:$here/toolkit/nvidia/cu13/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
        "$program" --ignored --exact "$2" 2>"$here/$1.log" || { tail -50 "$here/$1.log"; exit 1; }
    kernels=$(find "$here/$1" -name '*.ptx' | wc -l)
    products=$({ grep -lE 'mma\.sync|wgmma' "$here/$1"/*.ptx || true; } | wc -l)
    targets=$(cat "$here/$1"/*.ptx | grep '^\.target' | sort -u | tr '\n' ' ')
    echo "$1: $kernels kernels compiled by NVRTC for ${targets#.target }, $products of them with tensor cores (TF32)"
    [ "$kernels" -gt 100 ] || { echo "these are too few to be all"; exit 1; }
}
launch exact every_exact_kernel_is_launched
[ "$products" -eq 0 ] || { echo "none of these may round its factors to TF32"; exit 1; }
launch all every_kernel_is_launched
cat "$here"/all/*.ptx | grep -oE '\.entry (matmul|[a-z0-9_]*mma)[a-z_]*' | sort | uniq -c
