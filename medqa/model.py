"""Tokenizer, base model, adapter; device and precision, with the reason for each choice."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from medqa.adapter import require_adapter
from medqa.disk import read_whole
from medqa.errors import UserError
from medqa.processes import launched, world_size
from medqa.screen import say

# Above this many parameters a model is no job for a CPU.
LARGEST_ON_CPU = 1_500_000_000
# Most that is read of a config.json.
LARGEST_CONFIG = 16_000_000
STOP_TOKENS = ("<|eot_id|>", "<|end_of_text|>", "<|im_end|>", "<end_of_turn>", "</s>")
PADDING_TOKENS = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<pad>")


class Device(NamedTuple):
    """Where the model runs and in which precision, with a line that says why."""

    name: str  # "cuda:0" or "cpu"
    dtype: str  # "bfloat16" or "float32"
    reason: str

    @property
    def is_cuda(self) -> bool:
        """Whether this is a GPU."""
        return self.name.startswith("cuda")


def choose_device(model_name: str, script: str) -> Device:
    """The device of this process, checked before any weight is read.

    Args:
        model_name: folder or Hub name of the base model.
        script: name of the calling script, for the command lines in messages.

    Raises:
        UserError: no GPU for a model that needs one, or several GPUs and no launcher.
    """
    import torch

    if world_size() > 1 and "MASTER_ADDR" not in os.environ:
        raise UserError(
            f"the environment says WORLD_SIZE={world_size()} without MASTER_ADDR. Start several processes "
            f"with: accelerate launch --num_processes N {script}\n       or alone with: unset WORLD_SIZE RANK"
        )
    if not torch.cuda.is_available():
        size = parameter_count(model_name)
        if size is None or size > LARGEST_ON_CPU:
            told = "about 8 billion parameters" if size is None else f"{size / 1e9:.1f} billion parameters"
            raise UserError(
                f"{model_name} ({told}) needs an NVIDIA GPU with 24 GB or more, and torch "
                f"{torch.__version__} sees none. Try the pipeline on this machine with: make demo"
            )
        if "MASTER_ADDR" in os.environ and "WORLD_SIZE" not in os.environ:
            say(
                "Processes: 1, because accelerate launch starts no more with --cpu. For several on the CPU: "
                f"accelerate launch --multi_gpu --num_processes N {script}"
            )
        return Device("cpu", "float32", "no GPU found, and the model is small enough for the CPU")
    if torch.cuda.device_count() > 1 and world_size() == 1 and "LOCAL_RANK" not in os.environ:
        count = torch.cuda.device_count()
        raise UserError(
            f"{count} GPUs are visible, but only one process runs. Use them all with: "
            f"accelerate launch --num_processes {count} {script}\n"
            f"       or choose one with: CUDA_VISIBLE_DEVICES=0 python {script}"
        )
    number = launched("LOCAL_RANK", 0)
    torch.cuda.set_device(number)
    major, minor = torch.cuda.get_device_capability(number)
    name = torch.cuda.get_device_name(number)
    if major < 8:
        raise UserError(
            f"{name} (compute capability {major}.{minor}) has no bfloat16; 8.0 or later is needed."
        )
    return Device(f"cuda:{number}", "bfloat16", f"{name}, compute capability {major}.{minor}, has bfloat16")


def stay_within(gigabytes: float, device: Device) -> None:
    """Let this process take no more than so many GB of its card; 0 leaves it alone.

    Raises:
        UserError: the card has less.
    """
    if not gigabytes or not device.is_cuda:
        return
    import torch

    total = torch.cuda.mem_get_info(device.name)[1]
    if gigabytes * 1e9 > total:
        raise UserError(
            f"GPU_MEMORY_GB {gigabytes:g} is more than {device.name} has ({total / 1e9:.0f} GB). Lower it, "
            "or leave it at 0 to use what is free."
        )
    torch.cuda.set_per_process_memory_fraction(gigabytes * 1e9 / total, device.name)


def free_memory(device_name: str) -> int:
    """Bytes of a card that this process can still take, within what `stay_within` allowed."""
    import torch

    free, total = torch.cuda.mem_get_info(device_name)
    reserved = torch.cuda.memory_reserved(device_name)
    allowed = torch.cuda.get_per_process_memory_fraction(device_name) * total
    own = reserved - torch.cuda.memory_allocated(device_name)  # torch keeps it, and can use it again
    return int(min(free + own, allowed - reserved + own))


def parameter_count(model_name: str) -> int | None:
    """Parameters of a Llama-like model in a local folder, counted from its config.json; None for a Hub name.

    Raises:
        UserError: the folder has no readable config.json.
    """
    folder = Path(model_name)
    if not folder.is_dir():
        return None
    try:
        config = json.loads(read_whole(folder / "config.json", LARGEST_CONFIG))
        hidden, layers, vocabulary = (config[k] for k in ("hidden_size", "num_hidden_layers", "vocab_size"))
        inner = config.get("intermediate_size", 4 * hidden)
        heads = config["num_attention_heads"]
        head_size = config.get("head_dim") or hidden // heads
        numbers = (hidden, layers, vocabulary, inner, heads, head_size)
        if not all(isinstance(number, int) and number > 0 for number in numbers):
            raise ValueError(f"sizes that are no whole numbers above 0: {numbers}")
        attention = 2 * hidden * head_size * (heads + config.get("num_key_value_heads", heads))
        embeddings = (1 if config.get("tie_word_embeddings") else 2) * vocabulary * hidden
        return layers * (attention + 3 * hidden * inner) + embeddings
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        raise UserError(
            f"{folder / 'config.json'} cannot be read as the config of a causal language model "
            f"({error!r:.200}). Give the folder that holds config.json, the tokenizer and the *.safetensors "
            "files."
        ) from None


def require_model(model_name: str, setting: str) -> None:
    """Refuse a base model that is neither a folder nor the form of a Hub name, or a folder without weights.

    Raises:
        UserError: with what was looked for, and the name of the setting to change.
    """
    folder = Path(model_name)
    if folder.is_dir():
        if not any(folder.glob("*.safetensors")):
            found = ", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "nothing"
            raise UserError(
                f"{folder} has no *.safetensors weights (found: {found}). Set --{setting} to a model folder."
            )
    elif model_name.count("/") != 1 or model_name.startswith((".", "/", "~")):
        raise UserError(
            f"{model_name} is neither a folder nor a name on the Hugging Face Hub (owner/name). Set "
            f"--{setting}; the demo's model is made with: python demo/build_model.py"
        )


def fingerprint(model_name: str) -> str:
    """What identifies a base model: SHA-256 over config.json and the names and sizes of the weight files.

    A Hub name is its own fingerprint. Reading 16 GB to hash them would take longer than the demo.
    """
    folder = Path(model_name)
    if not folder.is_dir():
        return model_name
    digest = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _told_plainly(model_name: str, setting: str) -> Iterator[None]:
    """Turn the library's error about an unreachable or broken model into one line."""
    import torch

    try:
        yield
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # the libraries raise all kinds for a file that is not what it should be
        first = (str(error).strip().split("\n")[0] or type(error).__name__)[:300]
        way = (
            "Put the model's own files back."
            if Path(model_name).is_dir()
            else "Without internet, copy the model's folder here."
        )
        raise UserError(
            f"{model_name} could not be loaded: {first} {way} Set its path with --{setting}."
        ) from None


def load_config(model_name: str, setting: str) -> Any:
    """The architecture and sizes of a model, without its weights."""
    from transformers import AutoConfig

    with _told_plainly(model_name, setting):
        return AutoConfig.from_pretrained(model_name, trust_remote_code=False)


def load_tokenizer(model_name: str, setting: str) -> Any:
    """The tokenizer, with a padding token that is none of the tokens that end a text."""
    from transformers import AutoTokenizer

    with _told_plainly(model_name, setting):
        tokenizer = AutoTokenizer.from_pretrained(
            model_name, clean_up_tokenization_spaces=False, trust_remote_code=False
        )
    # Saved otherwise, so that the same tokenizer had other bytes when the machine was offline.
    tokenizer.init_kwargs.pop("local_files_only", None)
    if tokenizer.pad_token in (None, tokenizer.eos_token, *STOP_TOKENS):
        vocabulary = tokenizer.get_vocab()
        spare = [token for token in PADDING_TOKENS if token in vocabulary]
        tokenizer.pad_token = spare[0] if spare else tokenizer.eos_token
    return tokenizer


def stop_token_ids(tokenizer: Any) -> list[int]:
    """Ids of the tokens that end an answer: the end of turn and the end of text.

    Meerkat's files name `<|end_of_text|>` alone, although an answer ends with `<|eot_id|>`: both are taken.

    Raises:
        UserError: the tokenizer knows neither.
    """
    vocabulary = tokenizer.get_vocab()
    ids = {vocabulary[token] for token in STOP_TOKENS if token in vocabulary}
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    if not ids:
        raise UserError(
            "the tokenizer names no token that ends a text. Set eos_token in its tokenizer_config.json, "
            "for example to <|eot_id|>."
        )
    return sorted(ids)


def load_base(model_name: str, device: Device, four_bit: bool, setting: str, attention: str = "sdpa") -> Any:
    """The base model on `device`, frozen: in NF4 (QLoRA, arXiv 2305.14314) or in `device.dtype`.

    Weights are frozen by hand: peft's `prepare_model_for_kbit_training` would also turn the embeddings, the
    norms and the head into float32, which costs 2 GB and a quarter of the speed for nothing here.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, device.dtype)
    quantization = None
    if four_bit:
        # The library's defaults are FP4 and float32, so everything is named.
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=dtype,
            bnb_4bit_use_double_quant=False,
        )
    with _told_plainly(model_name, setting):
        model, loading = AutoModelForCausalLM.from_pretrained(
            model_name,
            dtype=dtype,
            quantization_config=quantization,
            # "auto" would spread one model over all cards and break training in parallel.
            device_map={"": device.name},
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        # The library fills what is missing with random numbers, and says so in a warning only.
        if absent := sorted({*loading["missing_keys"], *map(str, loading["mismatched_keys"])}):
            raise ValueError(
                f"its weights lack {len(absent)} of what config.json names, such as {absent[0]}."
            )
    if four_bit and not device.is_cuda:
        _keep_4bit_weights_as_they_are(model)
    model.requires_grad_(False)
    return model


def _keep_4bit_weights_as_they_are(model: Any) -> None:
    """Stop bitsandbytes from repacking 4-bit weights in evaluation on CPUs with AVX512-BF16.

    After such a forward pass the gradients of later training steps are wrong, with only a warning.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def load_adapter(model: Any, folder: str) -> Any:
    """Put a trained adapter on the base model.

    Raises:
        UserError: no adapter there, only a pickled one, or one that does not fit this base.
    """
    import torch
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import safe_open

    path = Path(folder)
    require_adapter(path)
    try:
        loaded = PeftModel.from_pretrained(model, str(path), is_trainable=False)
        with safe_open(path / "adapter_model.safetensors", "pt") as file:
            names = set(file.keys())
        # Said aloud, because peft would else ask the Hub whether the base's vocabulary was changed.
        embeddings = any(layer in name for name in names for layer in ("embed_tokens", "lm_head"))
        strangers = names ^ set(get_peft_model_state_dict(loaded, save_embedding_layers=embeddings))
        if strangers:  # peft only warns, and answers with an adapter that is half there
            raise ValueError(f"{len(strangers)} weights have no counterpart, such as {min(strangers)}")
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a strange adapter_config.json fails in as many ways as peft has
        told = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(
            f"the adapter in {path} does not fit this base model, or is damaged: {told}"
        ) from None
    return loaded
