"""The settings of the answers, which determine them or how fast they come. Loads no heavy library."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medqa.generation.sampling import Decoding
    from medqa.modeling.base_model import BaseModel
    from medqa.modeling.chat_template import ChatTemplate

# Settings that determine the answers. Stored with them, so that --SCORE_ONLY reports the right ones.
ANSWER_SETTINGS = (
    "BASE_MODEL_PATH", "FINETUNED_MODEL_PATH", "MAX_NEW_TOKENS", "TEMPERATURE", "TOP_P",
    "BASE_PRECISION", "MAX_PROMPT_LENGTH", "SEED", "CPU_PRECISION",
)  # fmt: skip


@dataclass(frozen=True)
class GenerationSettings:
    """How the answers are generated; each field is the setting of the same name in capitals."""

    base_model_path: str
    finetuned_model_path: str
    output_dir: str
    dataset_dir: str
    max_prompt_length: int
    max_new_tokens: int
    temperature: float
    top_p: float
    seed: int
    base_precision: str
    cpu_precision: str
    batch_size: int
    auto_batch_size: bool
    shard: str

    @property
    def predictions(self) -> Path:
        """The folder of answers and losses."""
        return Path(self.output_dir) / "predictions"

    def decoding(self, base: "BaseModel", template: "ChatTemplate") -> "Decoding":
        """How the tokens of an answer are chosen, and which tokens end it."""
        from medqa.generation.sampling import Decoding

        stops = tuple(base.stop_token_ids(template))
        return Decoding(self.max_new_tokens, self.temperature, self.top_p, self.seed, stops)
