"""Settings of the three scripts: the name, type, default and meaning of each.

A setting has the same name everywhere. Change its default here, set it in Python
(`config = TrainingConfig(); config.NUM_EPOCHS = 5`), or pass it on the command line
(`python fine_tuning.py --NUM_EPOCHS 5`). This module imports only the standard library, so that reading a
setting does not load torch. `--help` prints the comment above each setting.
"""

import difflib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

# System message for training and for the answers of both models. Preparation stores it with the datasets;
# training and evaluation read it from there.
SYSTEM_MESSAGE = (
    "You are a helpful medical assistant. Answer the question accurately and concisely, "
    "and name doses, thresholds and warning signs where they matter."
)


class Settings(SimpleNamespace):
    """Base class of the three configs: a name that is not a setting is an error at once."""

    # Settings of earlier versions → the present setting, and its values in place of True and False.
    FORMER = {"USE_4BIT": ("BASE_PRECISION", "nf4", "bf16")}

    def __new__(cls, *_values: Any, **named: Any) -> "Settings":
        """Check the names that the constructor was given."""
        for name in named:
            cls._require_setting(name)
        return super().__new__(cls)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a setting."""
        self._require_setting(name)
        super().__setattr__(name, value)

    @classmethod
    def _require_setting(cls, name: str) -> None:
        """Raise an AttributeError that suggests the nearest setting."""
        names = cls.__dataclass_fields__
        if name not in names:
            if answer := cls.replaced_by(name):
                raise AttributeError(answer)
            near = difflib.get_close_matches(name.upper(), names, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(names)}."
            raise AttributeError(f"{cls.__name__} has no setting {name}. {hint}")

    @classmethod
    def replaced_by(cls, name: str) -> str:
        """What to write in place of a setting of an earlier version; empty if it had none of this name."""
        present, on, off = cls.FORMER.get(name, ("", "", ""))
        if present not in cls.__dataclass_fields__:
            return ""
        return (
            f"{name} was replaced by {present}. Use --{present} {on} where it was on, and --{present} {off} "
            "where it was off."
        )


@dataclass
class DatasetConfig(Settings):
    """Settings of dataset_preparation.py: input files, splits and prompt."""

    # == Folders ==

    # Folder that contains the files dataset_with_answers_{specialty}.json (or .jsonl, .csv, .tsv, .parquet)
    DATA_DIR: str = "demo/data"
    # Output folder for the splits; if it already contains splits, holdout and eval do not change
    OUTPUT_DIR: str = "datasets"

    # == Reading ==

    # Field with the question in each record (empty: found by its name: question, instruction, prompt …)
    QUESTION_FIELD: str = ""
    # Field with the answer in each record (empty: found by its name: answer, output, completion …)
    ANSWER_FIELD: str = ""
    # Refuse pairs with identifiers of persons (names, addresses, numbers) instead of only counting them
    REFUSE_IDENTIFIERS: bool = False

    # == Splits ==

    # Questions per specialty in the holdout, the constant test set; at most half of a specialty's pairs
    HOLDOUT_SAMPLES_PER_SPECIALTY: int = 10
    # Share of each specialty's remaining pairs that the first iteration selects for train and eval, 0 to 1
    INITIAL_TRAIN_PERCENTAGE: float = 0.5
    # Share of these selected pairs that becomes the constant eval split, 0 to 1
    EVAL_SPLIT_SIZE: float = 0.2
    # Shares of single specialties that replace the initial share: cardiology 0.8 neurology 0.6 (in Python
    # {"cardiology": 0.8, "neurology": 0.6})
    SPECIALTY_SAMPLE_PERCENTAGES: dict[str, float] = field(default_factory=dict)
    # Path of an evaluation's training_recommendations.json; its recommended shares are applied; empty: none
    RECOMMENDATIONS: str = ""
    # Seed of the order in which pairs are selected
    RANDOM_SEED: int = 42

    # == Prompt and lengths ==

    # System message at the start of every prompt
    SYSTEM_MESSAGE: str = SYSTEM_MESSAGE
    # Base model (folder or Hub name) whose chat template formats the pairs and whose tokenizer measures
    # lengths; empty: the format of Llama-3, lengths in words
    TOKENIZER: str = ""
    # MAX_SEQ_LENGTH that you plan for fine-tuning, in tokens; longer sequences only cause a warning here.
    # Without TOKENIZER, words are counted (in scripts without spaces: characters), mostly fewer than tokens
    MAX_SEQ_LENGTH: int = 2048


@dataclass
class TrainingConfig(Settings):
    """Settings of fine_tuning.py: model, adapter, optimizer, memory, checkpoints."""

    # == Model and folders ==

    # Base model: a folder, or a name on the Hugging Face Hub
    MODEL_NAME: str = "dmis-lab/llama-3-meerkat-8b-v1.0"
    # Dataset folder written by dataset_preparation.py
    DATASET_DIR: str = "datasets"
    # Output folder for the adapter, checkpoints and training metrics
    OUTPUT_DIR: str = "results"

    # == Adapter ==

    # Rank of the LoRA matrices; a higher rank gives the adapter more capacity
    LORA_RANK: int = 8
    # The adapter's output is scaled by LORA_ALPHA / LORA_RANK
    LORA_ALPHA: int = 16
    # Names of the linear layers to adapt
    LORA_TARGET_MODULES: tuple[str, ...] = ("q_proj", "v_proj")
    # Dropout on the adapter's input; 0 is fastest and does not hurt with three epochs
    LORA_DROPOUT: float = 0.0
    # Precision of the frozen base: nf4 (4 bits, QLoRA), fp8 (8 bits, closer to 16 bits; needs a GPU of
    # compute capability 8.9 or later), bf16 (unquantized; float32 on the CPU)
    BASE_PRECISION: Literal["nf4", "fp8", "bf16"] = "nf4"

    # == Optimizer ==

    # Number of passes over the training data
    NUM_EPOCHS: int = 3
    # Sequences per optimizer step = BATCH_SIZE x GRADIENT_ACCUMULATION_STEPS x number of processes
    BATCH_SIZE: int = 4
    # See BATCH_SIZE; the program itself divides a step into passes that fit the memory
    GRADIENT_ACCUMULATION_STEPS: int = 4
    # Peak learning rate, reached after warmup
    LEARNING_RATE: float = 2e-4
    # Share of all steps used for warmup, in which the learning rate rises from 0
    WARMUP_RATIO: float = 0.03
    # Weight decay of the adapter's weights
    WEIGHT_DECAY: float = 0.0
    # Clip the gradient norm to this value
    MAX_GRAD_NORM: float = 1.0

    # == Length and memory ==

    # Maximum sequence length in tokens; a longer answer is cut; a question that leaves no space for its
    # answer is skipped and reported
    MAX_SEQ_LENGTH: int = 2048
    # Maximum number of tokens in one forward pass; 0: as many as fit the memory
    TOKENS_PER_BATCH: int = 0
    # Recompute activations in the backward pass to save memory; "auto" decides by the memory of the GPU
    GRADIENT_CHECKPOINTING: Literal["auto", "on", "off"] = "auto"
    # Compile the layers for speed; "auto" compiles on a GPU if the run is long enough to benefit
    COMPILE: Literal["auto", "on", "off"] = "auto"
    # Limit on GPU memory in GB, for a GPU shared with other programs; 0: use all free memory
    GPU_MEMORY_GB: float = 0.0
    # Precision on a CPU; "auto": bfloat16 if the processor has AMX or AVX512-BF16, or else float32. A GPU
    # computes in bfloat16
    CPU_PRECISION: Literal["auto", "bf16", "fp32"] = "auto"

    # == Evaluations and checkpoints ==

    # Optimizer steps between evaluations of the eval loss; 0: evaluate once per epoch
    EVAL_STEPS: int = 0
    # Optimizer steps between checkpoints; 0: save once per epoch
    SAVE_STEPS: int = 0
    # Number of recent checkpoints to keep; the best adapter is kept in addition
    SAVE_TOTAL_LIMIT: int = 2
    # Stop training after this many evaluations without improvement; 0: never
    EARLY_STOPPING_PATIENCE: int = 3

    # == The run ==

    # "auto" resumes from the last checkpoint if the settings are the same; "never" starts over
    RESUME: Literal["auto", "never"] = "auto"
    # Seed of the data order, the adapter's initial weights and dropout
    SEED: int = 42
    # Log training curves to Weights & Biases; requires WANDB_API_KEY or an earlier login
    USE_WANDB: bool = False
    # Do not train; validate everything and estimate steps, memory and run time, without loading weights
    DRY_RUN: bool = False
    # Folder for the merged model (base and adapter in one, 16 GB for 8B), saved after training; empty: none
    MERGE_TO: str = ""
    # Folder for the merged model in a format of other programs, saved after training; empty: none
    EXPORT_TO: str = ""
    # That format: gguf (F16 and Q8_0 files with a Modelfile, for Ollama and llama.cpp)
    EXPORT_FORMAT: Literal["gguf"] = "gguf"


@dataclass
class EvaluationConfig(Settings):
    """Settings of evaluation.py: models, generation, metrics, comparison, recommendations, blind review."""

    # == Models and folders ==

    # Base model: a folder, or a name on the Hugging Face Hub
    BASE_MODEL_PATH: str = "dmis-lab/llama-3-meerkat-8b-v1.0"
    # Adapter folder written by fine_tuning.py, or the folder of a merged model
    FINETUNED_MODEL_PATH: str = "results"
    # Dataset folder written by dataset_preparation.py
    DATASET_DIR: str = "datasets"
    # Output folder for answers, tables, figures and recommendations
    OUTPUT_DIR: str = "evaluation_results"
    # Do not evaluate; answer this question with both models side by side; "-": the lines of standard input
    ASK: str = ""
    # Do not evaluate; upload the tuned model of the finished evaluation in OUTPUT_DIR, with its model card,
    # to this private repository of the Hugging Face Hub (owner/name); empty: no upload
    PUSH_TO_HUB: str = ""

    # == Answers ==

    # Maximum length of an answer in tokens
    MAX_NEW_TOKENS: int = 512
    # Sampling temperature; 0: greedy decoding
    TEMPERATURE: float = 0.1
    # Sample only from the most likely tokens whose probabilities add up to this value
    TOP_P: float = 0.9
    # Questions to answer at once if AUTO_BATCH_SIZE is off
    BATCH_SIZE: int = 4
    # Answer as many questions at once as fit the memory
    AUTO_BATCH_SIZE: bool = True
    # Precision of both models: bf16 (unquantized; NF4 if that does not fit the GPU; float32 on the CPU), nf4
    # (4 bits), fp8 (weights and key-value cache in 8 bits: faster, less exact; needs a GPU of compute
    # capability 8.9 or later)
    BASE_PRECISION: Literal["nf4", "fp8", "bf16"] = "bf16"
    # Limit on GPU memory in GB, for a GPU shared with other programs; 0: use all free memory
    GPU_MEMORY_GB: float = 0.0
    # Precision on a CPU; "auto": bfloat16 if the processor has AMX or AVX512-BF16, or else float32. A GPU
    # computes in bfloat16
    CPU_PRECISION: Literal["auto", "bf16", "fp32"] = "auto"
    # Maximum length of a prompt in tokens; a longer question loses its middle and is marked in the results
    MAX_PROMPT_LENGTH: int = 1536
    # Number of questions to answer, for a quick check; 0: all. A partial run recommends nothing, and its
    # results are marked PARTIAL
    LIMIT: int = 0
    # Part of the answers to make, such as 3/8; several machines make all parts at any time. Run once more
    # without SHARD to merge and score them; empty: make all answers, and score
    SHARD: str = ""
    # Score the answers of the last evaluation again, without loading the base model or the adapter
    SCORE_ONLY: bool = False

    # == Metrics ==

    # Encoder for BERTScore and entailment: a folder, or a name on the Hugging Face Hub; empty: skip both
    BERTSCORE_MODEL: str = "microsoft/deberta-xlarge-mnli"
    # Hidden layer for BERTScore; 0: the layer that bert-score tuned for this encoder, or else the last layer
    BERTSCORE_LAYER: int = 0
    # Text file with additional medical terms for token_f1 and exact_match, one per line; empty: none
    LEXICON: str = ""

    # File with questions that are not about the data (as demo/retention_questions.json): both models answer
    # them too, to see what fine-tuning broke; empty: none
    RETENTION_FILE: str = ""

    # == Comparison and recommendations ==

    # Metrics whose mean is the primary score, negated where lower is better; specialties are compared by it
    PRIMARY_METRICS: tuple[str, ...] = ("ROUGE-L", "bertscore_f1", "token_f1")
    # A specialty is low if its primary score is more than this margin below the mean of all specialties ...
    LOW_MARGIN: float = 0.02
    # ... with a probability above this value
    LOW_PROBABILITY: float = 0.8
    # A specialty has regressed if fine-tuning made it worse with a probability above this value
    REGRESSED_PROBABILITY: float = 0.9
    # Maximum increase of a specialty's share in one iteration
    MAX_SHARE_STEP: float = 0.3
    # Increase of every share if no specialty is low, at most MAX_SHARE_STEP; 0: recommend nothing then
    SPREAD_WHEN_FLAT: float = 0.0
    # history.csv of earlier rounds, or its folder; needed if OUTPUT_DIR is new and the data were prepared
    # without RECOMMENDATIONS; empty: none
    HISTORY: str = ""
    # Folder of a finished evaluation of the same holdout; its tuned model is compared with this one; empty:
    # none
    COMPARE_WITH: str = ""
    # Seed of the sampled answers and of the sign-flip test
    SEED: int = 42

    # == Judge ==

    # Server with OpenAI's chat interface, such as http://localhost:8000/v1, whose model compares both answers
    # of each question; it is a predictor of clinicians' ratings and no measure; empty: none
    JUDGE_URL: str = ""
    # Model of that server; empty: the first that it lists
    JUDGE_MODEL: str = ""
    # Text file with the judge's instruction; empty: medqa/analysis/judge_rubric.txt
    JUDGE_RUBRIC: str = ""
    # Comparisons that the judge does at once
    JUDGE_CONCURRENCY: int = 4
    # Allow a JUDGE_URL outside of this machine and its private network: questions and answers leave it
    ALLOW_REMOTE_JUDGE: bool = False

    # == Blind review ==

    # Questions in the random sample that review_sheet.html shows first
    REVIEW_SAMPLE: int = 60
    # Rating files that reviewers saved from review_sheet.html, to add to a finished evaluation
    REVIEW: tuple[str, ...] = ()


# Range of each numeric setting, limits included. A value outside it is an error that names the range.
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
    "JUDGE_CONCURRENCY": (1, 256),
    "REVIEW_SAMPLE": (1, 500),
    # more than one script
    "RANDOM_SEED": (0, 2**32 - 1),
    "SEED": (0, 2**32 - 1),
    "BATCH_SIZE": (1, 4096),
    "GPU_MEMORY_GB": (0, 10_000),
    "MAX_SEQ_LENGTH": (16, 1_000_000),
}
