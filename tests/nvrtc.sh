#!/usr/bin/env bash
# Compiles every kernel that the project launches on CUDA for a Hopper card, on a machine without a GPU: NVRTC is NVIDIA's
# own, from PyPI; the driver is tests/make_believe_cuda.c, whose card runs nothing. Needs cargo, cc, python3 with venv, and
# the network; all it makes is under target/. Says how many kernels were compiled and which use tensor cores, and fails
# where one does not compile. $PROFILE: the cargo profile, `devices` unless said.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${PROFILE:-devices}
here=${CARGO_TARGET_DIR:-target}/nvrtc
mkdir -p "$here"
here=$(cd "$here" && pwd)

if [ ! -e "$here/toolkit/complete" ]; then
    python3 -m venv "$here/python"
    "$here/python/bin/pip" install --quiet --no-deps --only-binary=:all: --target "$here/toolkit" \
        nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-crt==13.0.88
    touch "$here/toolkit/complete"
fi
cc -O1 -w -shared -fPIC -o "$here/libcuda.so.1" tests/make_believe_cuda.c
rm -rf "$here/ptx"
mkdir "$here/ptx"

cargo test --profile "$profile" --features "${FEATURES:-cuda}" --test devices --no-run
export CUDA_PATH="$here/toolkit/nvidia/cu13" FAKE_CUDA_PTX="$here/ptx" POSTERIA_DEVICES=cuda
export LD_LIBRARY_PATH="$here:$CUDA_PATH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
cargo test --profile "$profile" --features "${FEATURES:-cuda}" --test devices -- --ignored --test-threads 1 every_kernel

count=$(find "$here/ptx" -name '*.ptx' | wc -l)
echo "$count kernels compiled by NVRTC for $(grep -h '^\.target' "$here"/ptx/*.ptx | sort -u | tr -d '\n')"
[ "$count" -gt 100 ] || { echo "these are too few to be all"; exit 1; }
echo "with tensor cores (TF32: about three digits of each factor):"
grep -lE 'mma\.sync|wgmma' "$here"/ptx/*.ptx | while read -r kernel; do
    name=$(grep -oE '\.entry [^(]*' "$kernel" | cut -c8-)
    echo "  $(basename "$kernel") $(grep -oE '(wmma|wgmma|mma)\.[a-z_0-9.]*' "$kernel" | sort | uniq -c | sort -rn | head -1) ${name:0:100}"
done
