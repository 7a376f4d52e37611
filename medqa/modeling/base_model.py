"""Everything about a base model that is known without its weights, resolved once and handed on."""

import contextlib
import functools
import hashlib
import json
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from medqa.artifacts import hub
from medqa.artifacts.atomic_io import read_whole
from medqa.artifacts.output_dir import MERGED
from medqa.artifacts.plain_words import in_words
from medqa.modeling import precision
from medqa.modeling.adapter import ADAPTER_CONFIG, read_config
from medqa.modeling.chat_template import ChatTemplate
from medqa.modeling.model_size import num_parameters
from medqa.modeling.tokenization import STOP_TOKENS, Example, stop_token_ids
from medqa.runtime.console import WarningLog, counted
from medqa.runtime.errors import UserError

# owner/name, as the Hub allows it.
HUB_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_.-]+")
PADDING_TOKENS = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<pad>")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
# Largest config.json that is read.
MAX_CONFIG_BYTES = 16_000_000
WEIGHTS = "model.safetensors"
# Largest list of shards that is read; that of a model of 405B has 0.1 MB.
MAX_INDEX_BYTES = 64_000_000


@dataclass(frozen=True)
class BaseModel:
    """A model folder or a Hub name; config, tokenizer, fingerprint and size are read when first needed.

    Args:
        name: folder or Hub name.
        setting: the setting that names the model, for messages.
    """

    name: str
    setting: str

    def require_weights(self) -> None:
        """Refuse what is neither a folder nor of the form of a Hub name, or a folder without whole weights.

        Of the weight files only the headers are read, which state the size of the file.

        Raises:
            UserError: with what was found, and the setting to change.
        """
        folder = Path(self.name)
        if folder.is_dir():
            self._require_no_adapter(folder)
            if not any(folder.glob("*.safetensors")):
                found = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
                raise UserError(
                    f"{folder} has no *.safetensors weights (found: {found}). Set --{self.setting} to a "
                    "model folder."
                )
            self._require_whole_files(folder)
        else:
            self.require_name()

    def _require_no_adapter(self, folder: Path) -> None:
        """Refuse the folder of an adapter in the place of a model; names its base."""
        if (folder / ADAPTER_CONFIG).is_file() and not (folder / "config.json").is_file():
            base = read_config(folder).get("base_model_name_or_path")
            known = f"Its base model is {base}: --{self.setting} {shlex.quote(str(base))}"
            raise UserError(
                f"{folder} holds an adapter, not a base model. "
                f"{known if base else f'Set --{self.setting} to the model that it was trained on.'}"
            )

    def _require_whole_files(self, folder: Path) -> None:
        """Refuse weight files that are missing, or whose size is not what their header states."""
        from safetensors import SafetensorError, safe_open

        names = {file.name for file in folder.glob("*.safetensors")}
        path = folder / f"{WEIGHTS}.index.json"
        try:
            if WEIGHTS in names:  # transformers loads no other
                names = {WEIGHTS}
            elif path.is_file():
                names = set(json.loads(read_whole(path, MAX_INDEX_BYTES))["weight_map"].values())
            for path in sorted(folder / name for name in names):
                with safe_open(path, "numpy"):
                    pass
        except (OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError,
                RecursionError) as error:  # fmt: skip
            reason = str(error).removeprefix("Error while deserializing header: ")[:300].rstrip(".")
            raise UserError(
                f"{path} is missing, incomplete or damaged: {reason}. Copy or download it again, or set "
                f"--{self.setting} to another model."
            ) from None

    def require_name(self) -> None:
        """Refuse a name that is neither a folder nor of the form of a Hub name.

        Raises:
            UserError: with the setting to change.
        """
        if not (HUB_NAME.fullmatch(self.name) or Path(self.name).is_dir()):
            raise UserError(
                f"{self.name} is neither a folder nor a name on the Hugging Face Hub (owner/name). Set "
                f"--{self.setting}; the demo's models come with: python demo/fetch_models.py"
            )

    @functools.cached_property
    def model_config(self) -> Any:
        """The transformers config: architecture and sizes.

        Raises:
            UserError: it cannot be loaded.
        """
        from transformers import AutoConfig

        with self.load_errors():
            return AutoConfig.from_pretrained(self.name, trust_remote_code=False)

    @functools.cached_property
    def tokenizer(self) -> Any:
        """The tokenizer, with a padding token that is not one of the tokens that end a text.

        Raises:
            UserError: it cannot be loaded.
        """
        from transformers import AutoTokenizer

        self.require_name()
        folder = Path(self.name)
        if folder.is_dir() and not any((folder / name).is_file() for name in TOKENIZER_FILES):
            raise UserError(
                f"{folder} holds no tokenizer (none of {', '.join(TOKENIZER_FILES)}). Set "
                f"--{self.setting} to the folder of a model."
            )
        with self.load_errors():
            tokenizer = AutoTokenizer.from_pretrained(
                self.name, clean_up_tokenization_spaces=False, trust_remote_code=False
            )
        # transformers would save it, and the same tokenizer would have other bytes when loaded offline.
        tokenizer.init_kwargs.pop("local_files_only", None)
        if tokenizer.pad_token in (None, tokenizer.eos_token, *STOP_TOKENS):
            vocabulary = tokenizer.get_vocab()
            spare = [token for token in PADDING_TOKENS if token in vocabulary]
            tokenizer.pad_token = spare[0] if spare else tokenizer.eos_token
        return tokenizer

    @functools.cached_property
    def generation_stops(self) -> list[int]:
        """Ids of the tokens that end a text according to generation_config.json; empty without that file."""
        from transformers import GenerationConfig

        try:
            ids = GenerationConfig.from_pretrained(self.name).eos_token_id
        except (OSError, ValueError):
            return []
        return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)

    def stop_token_ids(self, template: ChatTemplate) -> list[int]:
        """Ids of the tokens that end an answer: those of tokenizer, template and generation_config.json."""
        return stop_token_ids(self.tokenizer, template, self.generation_stops)

    def warn_of_long(self, examples: Sequence[Example], name: str, warnings: WarningLog) -> None:
        """Warn of sequences that are longer than the model was made for.

        Args:
            examples: of a split.
            name: of the split.
            warnings: gets the warning.
        """
        most = getattr(self.model_config, "max_position_embeddings", None) or math.inf
        if longer := sum(len(example.input_ids) > most for example in examples):
            warnings.add(
                f"{counted(longer, 'sequence')} of {name} longer than the {most:,} positions of {self.name}, "
                f"which cannot learn from the rest. Lower MAX_SEQ_LENGTH to {most}."
            )

    def require_usable(self, wanted: str, device_name: str, sharded: bool) -> None:
        """Refuse, before weights are loaded, a precision or a model that this program does not handle here.

        Args:
            wanted: the precision in which the model is to be loaded.
            device_name: where, "cuda:0" or "cpu".
            sharded: whether the processes share the weights.

        Raises:
            UserError: no FP8 here, more tokens than embeddings, a model of more than text, or an unsupported
                quantization.
        """
        precision.require_supported(wanted, device_name, sharded)
        config, tokens = self.model_config, max(self.tokenizer.get_vocab().values()) + 1
        if getattr(config, "text_config", config) is not config:
            raise UserError(
                f"{self.name} ({config.model_type}) is a multimodal model, which is not supported. Set "
                f"--{self.setting} to a text model."
            )
        self.require_causal()
        if tokens > config.vocab_size:
            raise UserError(
                f"the tokenizer of {self.name} has {tokens:,} tokens, and the model embeds "
                f"{config.vocab_size:,}. Resize the embeddings with transformers "
                "(model.resize_token_embeddings) and save the model, "
                f"or put the model's own tokenizer back. Set its path with --{self.setting}."
            )
        stored = self.stored_quantization
        if stored == "bitsandbytes_4bit" and wanted != precision.NF4:
            raise UserError(f"{self.name} is stored in 4 bits. Load it so with: --BASE_PRECISION nf4")
        if stored not in ("", "bitsandbytes_4bit"):
            raise UserError(
                f"{self.name} is quantized with {stored}, which is not supported. Set "
                f"--{self.setting} to the unquantized model."
            )

    def require_causal(self) -> None:
        """Refuse, by its config, a model that does not generate text, such as an encoder.

        Raises:
            UserError: with the setting to change.
        """
        from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

        if type(self.model_config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
            raise UserError(
                f"{self.name} ({self.model_config.model_type}) is not a causal language model, so it cannot "
                f"answer. Set --{self.setting} to one."
            )

    def require_mergeable(self, target: str) -> None:
        """Refuse to merge into quantized weights; an empty `target` asks for no merge.

        Raises:
            UserError: the weights on disk are quantized.
        """
        if target and self.stored_quantization:
            raise UserError(
                f"a merge (MERGE_TO, EXPORT_TO) needs 16-bit weights, and {self.name} is stored in "
                f"{self.stored_quantization}. Set --{self.setting} to the unquantized model."
            )

    @property
    def stored_quantization(self) -> str:
        """How the weights on disk are quantized; empty if they are not."""
        stored = getattr(self.model_config, "quantization_config", None) or {}
        stored = stored if isinstance(stored, dict) else stored.to_dict()
        method = str(getattr(stored.get("quant_method", ""), "value", stored.get("quant_method", "")))
        if method == "bitsandbytes":
            method += "_4bit" if stored.get("load_in_4bit") else "_8bit"
        return method

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over config.json and the names and sizes of the weight files; a Hub name is its own.

        For a model that `--MERGE_TO` made, also over what it was merged from. The weights are not hashed:
        reading 16 GB would take longer than the demo.
        """
        folder = Path(self.name)
        if not folder.is_dir():
            return self.name
        self._require_no_adapter(folder)
        if not (folder / "config.json").is_file():
            raise UserError(f"{folder} has no config.json. Set --{self.setting} to the folder of a model.")
        digest = hashlib.sha256((folder / "config.json").read_bytes())
        for path in sorted(folder.glob("*.safetensors")):
            digest.update(f"{path.name} {path.stat().st_size}".encode())
        if (folder / MERGED).is_file():
            digest.update((folder / MERGED).read_bytes())
        return digest.hexdigest()

    @functools.cached_property
    def parameter_count(self) -> int | None:
        """Parameters of a Llama-like model, counted from its config.json; None if the Hub does not give it.

        Raises:
            UserError: config.json cannot be read.
        """
        path = Path(self.name) / "config.json"
        if path.parent.is_dir():
            self._require_no_adapter(path.parent)
        else:
            self.require_name()
            path = hub.config_file(self.name)
            if path is None:
                return None
        try:
            config = json.loads(read_whole(path, MAX_CONFIG_BYTES))
            hidden, heads = config["hidden_size"], config["num_attention_heads"]
            sizes = {
                "hidden_size": hidden,
                "num_hidden_layers": config["num_hidden_layers"],
                "vocab_size": config["vocab_size"],
                "intermediate_size": config.get("intermediate_size", 4 * hidden),
                "num_attention_heads": heads,
                "num_key_value_heads": config.get("num_key_value_heads", heads),
                "head_dim": config.get("head_dim") or hidden // heads,
            }
            if not all(isinstance(size, int) and size > 0 for size in sizes.values()):
                raise ValueError(f"sizes that are not whole numbers above 0: {sizes}")
            tied = config.get("tie_word_embeddings")
            return num_parameters(SimpleNamespace(**sizes, tie_word_embeddings=tied))
        except (OSError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
                RecursionError) as error:  # fmt: skip
            raise UserError(
                f"{path} cannot be read as the config of a causal language model ({in_words(error):.200}). "
                "Give the folder that holds config.json, the tokenizer and the *.safetensors files."
            ) from None

    @contextlib.contextmanager
    def load_errors(self) -> Iterator[None]:
        """Turn a library's error about a missing or broken model into one line with the setting to change.

        Raises:
            UserError: for every error except that memory runs out.
        """
        import torch

        try:
            yield
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # the libraries raise many types for a file with unexpected content
            advice = (
                "Put the model's own files back."
                if Path(self.name).is_dir()
                else "Without internet, copy the model's folder here."
            )
            raise UserError(
                f"{self.name} could not be loaded: {in_words(error)[:300]}. {advice} Set its path with "
                f"--{self.setting}."
            ) from None
