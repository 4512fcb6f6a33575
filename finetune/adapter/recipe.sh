#!/usr/bin/env bash
# Make an adapter as the shipped one was made: recipe.sh QUESTION_SETS WORK
# QUESTION_SETS holds sets in the format of SQuAD; WORK takes everything else, and the same command goes on there.
set -euo pipefail
sets=$1 work=$2
here=$(cd "$(dirname "$0")/.." && pwd)

askmynotes models install --home "$work"
data=()
for notes in "$here"/collections/*.md "$here"/../chatbot/answerable/*.md; do
  name=$(basename "$notes" .md)
  home=$work/collections/$name
  mkdir -p "$home"
  ln -sfn "$(realpath "$work/models")" "$home/models"
  if [ ! -e "$work/data/$name/card.json" ]; then
    askmynotes ingest "$notes" --home "$home"
    askmynotes finetune data --draft 0 --questions "${notes%.md}.jsonl" --out "$work/data/$name" --home "$home"
  fi
  data+=(--data "$work/data/$name" --data "$work/data/$name") # twice: our own questions are fewer than those of the sets
done
for set in "$sets"/*.json; do
  name=$(basename "$set" .json)
  if [ ! -e "$work/data/$name/card.json" ]; then
    askmynotes finetune data --draft 0 --squad "$set" --out "$work/data/$name" --home "$work"
  fi
  data+=(--data "$work/data/$name")
done
askmynotes finetune train "${data[@]}" --base "$work"/models/SmolLM2-135M-Instruct.Q4_1.gguf --budget 3h \
  --out "$work/adapters/mine" --home "$work"
askmynotes finetune evaluate "${data[@]}" --base "$work"/models/SmolLM2-135M-Instruct.Q4_1.gguf --most 400 --home "$work"
