#!/usr/bin/env bash
# Kills training with kill -9 at three random moments and resumes it: the weights must equal those of an undisturbed run,
# byte for byte.
#
#     tests/kill_and_resume.sh POSTERIA PROBLEM FOLDER
#
# POSTERIA is the program, PROBLEM a problem that trains for some seconds, FOLDER where the two runs go.
set -euo pipefail
posteria=$1 problem=$2 folder=$3

train() { "$posteria" train "$problem" --out "$folder/$1" 2>/dev/null; }

for run in undisturbed killed; do
    "$posteria" simulate "$problem" --out "$folder/$run" 2>/dev/null
done
start=$(date +%s%N)
train undisturbed
milliseconds=$(( ($(date +%s%N) - start) / 1000000 ))

for kill in 1 2 3; do
    # Each within the first third of a whole run, so that three of them cannot reach its end.
    moment=$(( milliseconds / 10 + RANDOM * RANDOM % (milliseconds / 5 + 1) ))
    "$posteria" train "$problem" --out "$folder/killed" 2>/dev/null & pid=$!
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    kill -KILL "$pid" 2>/dev/null || { echo "kill $kill after $moment ms came too late"; exit 1; }
    wait "$pid" && { echo "kill $kill after $moment ms did not end the run"; exit 1; }
    [ -d "$folder/killed/checkpoint" ] || { echo "kill $kill after $moment ms came before the first checkpoint"; exit 1; }
    echo "kill $kill after $moment of $milliseconds ms: $(ls "$folder/killed" | tr '\n' ' ')"
done
train killed

for file in model/model.safetensors model/model.json training.jsonl; do
    cmp "$folder/undisturbed/$file" "$folder/killed/$file"
done
echo "the weights are equal, byte for byte"
