#!/usr/bin/env bash
# Submits preparation, training, the shards of the evaluation, and its scoring. Each starts when the one before it has
# ended without an error; after an error the later ones are removed from the queue. Run it again to go on: finished
# stages end at once, and an interrupted training or evaluation goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/../.."
source launch/slurm/site.sh
mkdir -p logs

# submit OPTIONS… SCRIPT: submit a job, and print its number.
submit() {
    local options=(--parsable --partition "$PARTITION" --time "$HOURS:00:00" --kill-on-invalid-dep=yes)
    [ -z "$ACCOUNT" ] || options+=(--account "$ACCOUNT")
    sbatch "${options[@]}" "$@" | cut -d ';' -f 1
}

one_gpu=(--cpus-per-task "$CPUS")
all_gpus=(--nodes "$NODES" --ntasks-per-node 1 --cpus-per-task "$((CPUS * (GPUS > 0 ? GPUS : 1)))")
if [ "$GPUS" -gt 0 ]; then
    one_gpu+=(--gpus 1)
    all_gpus+=(--gpus-per-node "$GPUS")
fi
prepare=$(submit --cpus-per-task "$CPUS" launch/slurm/prepare.sbatch)
train=$(submit "${all_gpus[@]}" --dependency "afterok:$prepare" launch/slurm/train.sbatch)
evaluate=$(submit "${one_gpu[@]}" --array "1-$SHARDS" --dependency "afterok:$train" launch/slurm/evaluate.sbatch)
score=$(submit "${one_gpu[@]}" --dependency "afterok:$evaluate" launch/slurm/score.sbatch)
echo "Submitted: preparation $prepare, training $train, evaluation $evaluate (1 to $SHARDS), scoring $score"
echo "Watch:     squeue --me; tail -f logs/*"
