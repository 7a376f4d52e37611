# Runs one stage inside a job. Sourced by the .sbatch files, which are submitted from the repository's folder.
#
# SLURM sends USR1 two minutes before the time limit (--signal=B:USR1@120), and TERM when it pre-empts a job. Both are
# passed on to the stage, which saves what it has and ends; the job is then queued again and goes on from there.

stage="" stopped="" interrupted=""

# stop_stage: pass the signal on.
stop_stage() {
    stopped=1 interrupted=1
    [ -z "$stage" ] || kill -TERM "$stage" 2> /dev/null
}
trap stop_stage USR1 TERM # without a trap, USR1 would end the job

source launch/slurm/site.sh
setup

job="$SLURM_JOB_ID"
[ -z "${SLURM_ARRAY_TASK_ID:-}" ] || job="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"

# run_stage COMMAND…: run a stage, and end the job with the stage's exit code.
run_stage() {
    local code name
    name=$(printf '%s\n' "$@" | grep -m 1 '\.py$')
    echo "$(date '+%F %T') job $job on $SLURM_JOB_NODELIST: $name starts"
    "$@" &
    stage=$!
    [ -z "$stopped" ] || stop_stage # the signal came before the stage
    interrupted=1
    while [ -n "$interrupted" ]; do # a trap interrupts wait
        interrupted="" code=0
        wait "$stage" || code=$?
    done
    if [ "$code" -eq 0 ]; then
        echo "$(date '+%F %T') job $job: $name is done"
    elif [ -n "$stopped" ]; then
        echo "$(date '+%F %T') job $job: $name was stopped and has saved its work; the job is queued again"
        scontrol requeue "$job" 2> /dev/null || true # SLURM itself queues a pre-empted job again
    else
        echo "$(date '+%F %T') job $job: $name FAILED with exit code $code; the reason is above" >&2
    fi
    exit "$code"
}
