#!/usr/bin/env bash
# Kills training with kill -9 at three random moments and resumes it: the weights must equal those of an undisturbed run,
# byte for byte, and so must the log.
#
#     tests/kill_and_resume.sh POSTERIA PROBLEM FOLDER
#
# POSTERIA is the program, PROBLEM a problem that trains for some seconds, FOLDER where the two runs go.
set -euo pipefail
posteria=$1 problem=$2 folder=$3

begin() { rm -rf "${folder:?}/$1" && "$posteria" simulate "$problem" --out "$folder/$1" 2>/dev/null; }
train() { "$posteria" train "$problem" --out "$folder/$1" 2>/dev/null; }

begin undisturbed
start=$(date +%s%N)
train undisturbed
milliseconds=$(( ($(date +%s%N) - start) / 1000000 ))

begin killed
kills=0 resumed=0
while [ "$kills" -lt 3 ]; do
    # Each within the first third of a whole run, so that three of them cannot reach its end.
    moment=$(( milliseconds / 10 + RANDOM * RANDOM % (milliseconds / 5 + 1) ))
    if [ -d "$folder/killed/checkpoint" ]; then resumed=1; fi
    "$posteria" train "$problem" --out "$folder/killed" 2>/dev/null & pid=$!
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -KILL "$pid" 2>/dev/null || true
    if wait "$pid"; then
        # It was faster than the first run, on a machine with other things to do: once more, with less patience.
        milliseconds=$((milliseconds / 2)) kills=0 resumed=0
        begin killed
        continue
    fi
    kills=$((kills + 1))
    echo "kill $kills after $moment ms: $(ls "$folder/killed" | tr '\n' ' ')"
done
if [ -d "$folder/killed/checkpoint" ]; then resumed=1; fi
train killed

[ "$resumed" = 1 ] || { echo "all kills came before the first checkpoint: nothing was resumed"; exit 1; }
for file in model/model.safetensors model/model.json training.jsonl; do
    cmp "$folder/undisturbed/$file" "$folder/killed/$file"
done
echo "the weights are equal, byte for byte"
