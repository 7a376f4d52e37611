# Everything that depends on your cluster and your data. Edit this file alone, then: bash launch/slurm/pipeline.sh

PARTITION="gpu"
ACCOUNT="" # empty: your default account
GPUS="4"   # of each node; 0: CPU nodes
NODES="1"  # for training
SHARDS="8" # of the evaluation: each takes one GPU, at any time and on any node
HOURS="12" # limit of one job; a job that needs longer goes on from its last checkpoint in the next one
CPUS="8"   # for each GPU

# Run at the start of each job: modules, environment, folders with models.
setup() {
    source .venv/bin/activate
    export HF_HUB_OFFLINE=1 NLTK_DATA=models/nltk_data # compute nodes without internet
}

# Options of the three scripts, as in README.md. OUTPUT_DIR of one is DATASET_DIR or FINETUNED_MODEL_PATH of the next.
PREPARE=(--DATA_DIR demo/data --OUTPUT_DIR datasets)
# The models are those of launch/fetch_models.py, or of the bundle.
BASE=models/llama-3-meerkat-8b-v1.0
TRAIN=(--MODEL_NAME "$BASE" --DATASET_DIR datasets --OUTPUT_DIR results)
EVALUATE=(--BASE_MODEL_PATH "$BASE" --BERTSCORE_MODEL models/deberta-xlarge-mnli
    --DATASET_DIR datasets --FINETUNED_MODEL_PATH results --OUTPUT_DIR evaluation_results)
# FSDP, for a base that does not fit one GPU: LAUNCH=(--config_file launch/fsdp_qlora.yaml)
LAUNCH=()
