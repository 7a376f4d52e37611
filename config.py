"""Every setting of the three stages: name, type, default and what it does.

Change a default here, set it in Python (`config = TrainingConfig(); config.NUM_EPOCHS = 5`), or give it on
the command line (`python fine_tuning.py --NUM_EPOCHS 5`): the name is the same everywhere. Standard library
only, so that a setting can be read without loading torch.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Literal

# The one system message of training, of the base model and of the fine-tuned model. It is stored with the
# datasets, and the later stages take it from there.
SYSTEM_MESSAGE = (
    "You are a helpful medical assistant. Answer the question accurately and concisely, "
    "and name doses, thresholds and warning signs where they matter."
)


@dataclass
class DatasetConfig(SimpleNamespace):
    """Settings of dataset_preparation.py: which files to read, and how to split them."""

    # == Folders ==

    # Folder with the files dataset_with_answers_{specialty}.json (or .jsonl, .csv, .tsv, .parquet)
    DATA_DIR: str = "demo/data"
    # Folder for the splits; a folder that holds splits already keeps its holdout and eval for good
    OUTPUT_DIR: str = "datasets"

    # == Reading ==

    # Field with the question in each record (empty: found by its name: question, instruction, prompt …)
    QUESTION_FIELD: str = ""
    # Field with the answer in each record (empty: found by its name: answer, output, completion …)
    ANSWER_FIELD: str = ""
    # Refuse pairs with identifiers of persons (names, addresses, numbers) instead of only counting them
    REFUSE_IDENTIFIERS: bool = False

    # == Splits ==

    # Questions per specialty in the constant test set (at most half of a specialty's pairs)
    HOLDOUT_SAMPLES_PER_SPECIALTY: int = 10
    # Share of each specialty's remaining pairs that the first iteration uses, 0 to 1
    INITIAL_TRAIN_PERCENTAGE: float = 0.5
    # Share of the pairs first used that becomes the constant eval split, 0 to 1
    EVAL_SPLIT_SIZE: float = 0.2
    # Shares that differ from the initial one, by specialty: {"cardiology": 0.8}
    SPECIALTY_SAMPLE_PERCENTAGES: dict[str, float] = field(default_factory=dict)
    # training_recommendations.json of an evaluation, whose shares are applied; empty: none
    RECOMMENDATIONS: str = ""
    # Seed of the order in which pairs are taken
    RANDOM_SEED: int = 42

    # == Prompt and lengths ==

    # System message of every prompt
    SYSTEM_MESSAGE: str = SYSTEM_MESSAGE
    # Folder of a tokenizer to count tokens with (empty: lengths are counted in words)
    TOKENIZER: str = ""
    # Longest sequence that fine-tuning will take, in tokens; only to warn about longer answers
    MAX_SEQ_LENGTH: int = 2048


@dataclass
class TrainingConfig(SimpleNamespace):
    """Settings of fine_tuning.py: the model, the adapter, the optimizer, what is saved."""

    # == Model and folders ==

    # Base model: a folder, or a name on the Hugging Face Hub
    MODEL_NAME: str = "dmis-lab/llama-3-meerkat-8b-v1.0"
    # Folder that dataset_preparation.py wrote
    DATASET_DIR: str = "datasets"
    # Folder for the adapter, its checkpoints and its records
    OUTPUT_DIR: str = "results"

    # == Adapter ==

    # Rank of the LoRA matrices: capacity of the adapter
    LORA_RANK: int = 8
    # Scale of the adapter is LORA_ALPHA / LORA_RANK
    LORA_ALPHA: int = 16
    # Linear layers that get an adapter
    LORA_TARGET_MODULES: tuple[str, ...] = ("q_proj", "v_proj")
    # Dropout on the adapter's input; 0 is fastest and does not hurt with three epochs
    LORA_DROPOUT: float = 0.0
    # Base weights in NF4 (QLoRA); off: bfloat16 on a GPU, float32 on the CPU
    USE_4BIT: bool = True

    # == Optimizer ==

    # Passes over the training data
    NUM_EPOCHS: int = 3
    # BATCH_SIZE x GRADIENT_ACCUMULATION_STEPS x processes sequences make one optimizer step
    BATCH_SIZE: int = 4
    # See BATCH_SIZE; how a step is cut to fit the memory is decided by the program
    GRADIENT_ACCUMULATION_STEPS: int = 4
    # Highest learning rate, reached after warm-up
    LEARNING_RATE: float = 2e-4
    # Share of all steps over which the learning rate rises from 0
    WARMUP_RATIO: float = 0.03
    # Decay of the adapter's weights
    WEIGHT_DECAY: float = 0.0
    # Gradients are scaled down to this norm
    MAX_GRAD_NORM: float = 1.0

    # == Length and memory ==

    # Longest sequence in tokens; a longer answer is cut, a longer question is left out and reported
    MAX_SEQ_LENGTH: int = 2048
    # Tokens in one forward pass; 0: as many as the memory allows
    TOKENS_PER_BATCH: int = 0
    # Recompute activations to save memory: "auto" decides by the memory of the card
    GRADIENT_CHECKPOINTING: Literal["auto", "on", "off"] = "auto"
    # Compile the layers for speed: "auto" does on a GPU when the run is long enough to gain from it
    COMPILE: Literal["auto", "on", "off"] = "auto"
    # GPU memory to stay within, in GB, on a card shared with others; 0: all that is free
    GPU_MEMORY_GB: float = 0.0

    # == Evaluations and checkpoints ==

    # Evaluation loss every so many optimizer steps; 0: once an epoch
    EVAL_STEPS: int = 0
    # Checkpoint every so many optimizer steps; 0: once an epoch
    SAVE_STEPS: int = 0
    # Checkpoints kept, the best one in addition
    SAVE_TOTAL_LIMIT: int = 2
    # Evaluations without improvement after which training stops; 0: never
    EARLY_STOPPING_PATIENCE: int = 3

    # == The run ==

    # "auto" goes on from the last checkpoint when the settings are the same; "never" starts over
    RESUME: Literal["auto", "never"] = "auto"
    # Seed of the data order, the adapter's first weights and dropout
    SEED: int = 42
    # Send the training curves to Weights & Biases (needs WANDB_API_KEY or an earlier login)
    USE_WANDB: bool = False
    # Check everything and foretell steps, memory and time, without loading a weight
    DRY_RUN: bool = False
    # Folder for a merged model (base and adapter in one, 16 GB for 8B), made after training; empty: none
    MERGE_TO: str = ""


@dataclass
class EvaluationConfig(SimpleNamespace):
    """Settings of evaluation.py: the two models, how they answer, how answers are judged."""

    # == Models and folders ==

    # Base model: a folder, or a name on the Hugging Face Hub
    BASE_MODEL_PATH: str = "dmis-lab/llama-3-meerkat-8b-v1.0"
    # Folder that fine_tuning.py wrote
    FINETUNED_MODEL_PATH: str = "results"
    # Folder that dataset_preparation.py wrote
    DATASET_DIR: str = "datasets"
    # Folder for answers, tables, figures and recommendations
    OUTPUT_DIR: str = "evaluation_results"
    # Only fetch all that a machine without internet needs into this folder, and say how to use it there
    DOWNLOAD_ONLY: str = ""

    # == Answers ==

    # Longest answer in tokens
    MAX_NEW_TOKENS: int = 512
    # 0 takes the likeliest token each time; above 0 samples
    TEMPERATURE: float = 0.1
    # Sampling is among the likeliest tokens that together have this probability
    TOP_P: float = 0.9
    # Questions answered at once when AUTO_BATCH_SIZE is off
    BATCH_SIZE: int = 4
    # Answer as many questions at once as the memory holds
    AUTO_BATCH_SIZE: bool = True
    # Base weights in NF4; off: bfloat16 on a GPU where it fits, else NF4 all the same; float32 on the CPU
    USE_4BIT: bool = False
    # GPU memory to stay within, in GB, on a card shared with others; 0: all that is free
    GPU_MEMORY_GB: float = 0.0
    # Longest prompt in tokens; a longer question loses its middle, and is marked
    MAX_PROMPT_LENGTH: int = 1536
    # Questions to answer, for a quick look; 0: all. A partial run is marked so and recommends nothing
    LIMIT: int = 0
    # Score the answers of the last evaluation anew, without loading a model
    SCORE_ONLY: bool = False

    # == Metrics ==

    # Encoder of BERTScore and judge of entailment: a folder, or a name on the Hub; empty: both are left out
    BERTSCORE_MODEL: str = "microsoft/deberta-xlarge-mnli"
    # Hidden layer that BERTScore compares; 0: the one tuned for the named model, else the last
    BERTSCORE_LAYER: int = 0
    # Your own medical terms for token_f1 and exact_match: a text file, a term in each line; empty: none
    LEXICON: str = ""

    # == Comparison and recommendations ==

    # Metrics whose mean is the primary score, by which specialties are compared
    PRIMARY_METRICS: tuple[str, ...] = ("ROUGE-L", "bertscore_f1", "token_f1")
    # A specialty is low when it lies this much under the overall mean of the primary score ...
    LOW_MARGIN: float = 0.02
    # ... with more than this probability
    LOW_PROBABILITY: float = 0.8
    # A specialty has regressed when it got worse with more than this probability
    REGRESSED_PROBABILITY: float = 0.9
    # Most that a share of data may grow in one iteration
    MAX_SHARE_STEP: float = 0.3
    # When no specialty is low: give each one this much more data, at most MAX_SHARE_STEP; 0: nothing
    SPREAD_WHEN_FLAT: float = 0.0
    # history.csv of earlier rounds, or the folder that holds it, when OUTPUT_DIR is new and the data were
    # prepared without RECOMMENDATIONS; empty: none
    HISTORY: str = ""
    # Seed of sampled answers and of the sign-flip test
    SEED: int = 42

    # == Blind review ==

    # Files that reviewers saved from review_sheet.html: their ratings join a finished evaluation
    REVIEW: tuple[str, ...] = ()


# Smallest and largest value of each number, both allowed; whatever lies outside is refused with this range.
LIMITS = {
    # dataset_preparation.py
    "HOLDOUT_SAMPLES_PER_SPECIALTY": (0, 1_000_000),
    "INITIAL_TRAIN_PERCENTAGE": (0, 1),
    "EVAL_SPLIT_SIZE": (0, 1),
    # fine_tuning.py
    "LORA_RANK": (1, 1024),
    "LORA_ALPHA": (1, 4096),
    "LORA_DROPOUT": (0, 0.9),
    "NUM_EPOCHS": (1, 1000),
    "GRADIENT_ACCUMULATION_STEPS": (1, 4096),
    "LEARNING_RATE": (0, 1),
    "WARMUP_RATIO": (0, 1),
    "WEIGHT_DECAY": (0, 1),
    "MAX_GRAD_NORM": (0, 1e9),
    "TOKENS_PER_BATCH": (0, 10_000_000),
    "EVAL_STEPS": (0, 10_000_000),
    "SAVE_STEPS": (0, 10_000_000),
    "SAVE_TOTAL_LIMIT": (1, 1000),
    "EARLY_STOPPING_PATIENCE": (0, 1000),
    # evaluation.py
    "MAX_NEW_TOKENS": (1, 100_000),
    "TEMPERATURE": (0, 10),
    "TOP_P": (0.01, 1),
    "MAX_PROMPT_LENGTH": (16, 1_000_000),
    "LIMIT": (0, 10_000_000),
    "BERTSCORE_LAYER": (0, 1000),
    "LOW_MARGIN": (0, 1),
    "LOW_PROBABILITY": (0.5, 1),
    "REGRESSED_PROBABILITY": (0.5, 1),
    "MAX_SHARE_STEP": (0, 1),
    "SPREAD_WHEN_FLAT": (0, 1),
    # several of them
    "RANDOM_SEED": (0, 2**32 - 1),
    "SEED": (0, 2**32 - 1),
    "BATCH_SIZE": (1, 4096),
    "GPU_MEMORY_GB": (0, 10_000),
    "MAX_SEQ_LENGTH": (16, 1_000_000),
}
