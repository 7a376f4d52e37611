"""Writes a merged model as GGUF files, with an Ollama Modelfile.

Comes in: a merged model and how training prompted it. Goes out: a folder with the weights in F16 and in Q8_0,
each file with tokenizer, chat template and stop tokens, and `Modelfile`. `parity_problems` reads them back.
"""

import ast
import itertools
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from medqa.modeling.chat_template import neutralize_control_tokens
from medqa.modeling.prompt_format import PromptFormat, turns_of
from medqa.runtime.errors import Failed, UserError, require_package

MODELFILE = "Modelfile"
# Model types of transformers → names of `gguf.MODEL_ARCH`. Gemma also needs a SentencePiece vocabulary.
ARCHITECTURES = {"llama": "LLAMA", "mistral": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3"}
# Types of the weight matrices; vectors are always stored in float32.
F16, Q8_0 = "F16", "Q8_0"
# GGUF has one key for each of three stop tokens, and llama.cpp ends an answer at any of them.
STOP_KEYS = ("eos", "eot", "eom")

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _split(regex: str) -> dict[str, Any]:
    """A step of a tokenizer.json that divides a text by a regular expression."""
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


# How llama.cpp calls the rules by which a byte-level tokenizer divides a text: steps before that of GPT-2,
# whether that one is applied, and whether a piece that is a token is taken without merging bytes.
SPLITS = {
    "gpt-2": ([], True, False),
    "smollm": ([{"type": "Digits", "individual_digits": True}], True, False),
    "llama-bpe": ([_split(LLAMA3_SPLIT)], False, True),
    "qwen2": ([_split(LLAMA3_SPLIT.replace("{1,3}", ""))], False, False),
}

# Ollama's template language is Go's; the texts become Go strings. It writes what the Jinja template writes.
# OPENING has the system message of training, and precedes the first question unless Ollama gets another one.
TEMPLATE = (
    "{{ $first := true }}"
    "{{ if .System }}{{ BEFORE_SYSTEM }}{{ .System }}{{ AFTER_SYSTEM }}"
    "{{ else }}{{ OPENING }}{{ end }}"
    "{{ range .Messages }}"
    '{{ if eq .Role "user" }}'
    "{{ if not $first }}{{ NEXT_TURN }}{{ end }}{{ $first = false }}{{ .Content }}{{ BEFORE_ANSWER }}"
    '{{ else if eq .Role "assistant" }}{{ LEAD }}{{ .Content }}{{ AFTER_ANSWER }}'
    "{{ end }}{{ end }}"
)
TEXT = re.compile(r"(?<={{ )[A-Z_]+(?= }})")
# Greedy, and as long as in an evaluation. Ollama's default penalty would make a repeated drug name unlikely.
DECODING = {"temperature": 0, "num_predict": 512, "repeat_penalty": 1}


def file_name(kind: str) -> str:
    """The name of the GGUF file with weights of a kind."""
    return f"model-{kind}.gguf"


def require_exportable(prompts: PromptFormat) -> None:
    """Refuse a model that cannot be written as GGUF, before a weight is loaded.

    Raises:
        UserError: no package, or the first reason with what would work.
    """
    require_package("gguf", "EXPORT_TO")
    if obstacle := _obstacle(prompts):
        raise UserError(
            f"EXPORT_TO: {prompts.base.name} cannot be written as GGUF: {obstacle}. Use --MERGE_TO instead."
        )


def _obstacle(prompts: PromptFormat) -> str:
    """Why a model cannot be written as GGUF, with what would work; empty if it can."""
    config, stops = prompts.base.model_config, prompts.stop_ids()
    if config.model_type not in ARCHITECTURES:
        return f"its architecture is {config.model_type}, and these are written: {', '.join(ARCHITECTURES)}"
    rope = config.rope_parameters
    kinds = ("default", "llama3") if config.model_type == "llama" else ("default",)
    if rope["rope_type"] not in kinds or rope.get("partial_rotary_factor", 1) != 1:
        return f"its rotary embedding is {rope}, and these are written: {', '.join(kinds)}"
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act}, and llama.cpp computes silu"
    if _split_name(prompts.base.tokenizer) is None:
        return f"its tokenizer divides texts otherwise than these: {', '.join(SPLITS)}"
    if not prompts.jinja():
        return "apply_chat_template does more than join texts"
    if len(stops) > len(STOP_KEYS):
        return f"it has {len(stops)} stop tokens, and the files can name {len(STOP_KEYS)}"
    for text in _stop_texts(prompts):
        # An empty stop text ends every answer at once; U+FFFD is a part of a character.
        if not text or "\ufffd" in text or '"""' in text or _kept_by_ollama(text) != text:
            return f"a Modelfile cannot hold its stop token {text!r}"
    for token in prompts.base.tokenizer.added_tokens_decoder.values():
        if token.single_word or token.lstrip or token.rstrip:
            return f"its token {token.content!r} has lstrip, rstrip or single_word, which llama.cpp ignores"
    return ""


def _split_name(tokenizer: Any) -> str | None:
    """llama.cpp's name for how a byte-level tokenizer divides a text; None if it has none."""
    core = json.loads(tokenizer.backend_tokenizer.to_str())
    outer = core["pre_tokenizer"] or {}
    *before, last = outer.get("pretokenizers", [outer])
    normalizer = (core["normalizer"] or {}).get("type")
    if last.get("type") != "ByteLevel" or last["add_prefix_space"] or normalizer not in (None, "NFC"):
        return None
    model = core["model"]
    if model.get("end_of_word_suffix") or model.get("continuing_subword_prefix"):
        return None
    found = before, last["use_regex"], model.get("ignore_merges", False)
    return next((name for name, rules in SPLITS.items() if rules == found), None)


def write(model: Any, prompts: PromptFormat, folder: Path) -> None:
    """Write the GGUF files and the Modelfile into an existing folder.

    Args:
        model: the merged model, of an architecture that `require_exportable` accepts.
        prompts: how it was prompted in training.
        folder: gets the files.

    Raises:
        Failed: a weight is larger than F16 can hold.
    """
    for kind in (F16, Q8_0):
        _write_file(model, prompts, kind, folder / file_name(kind))
    (folder / MODELFILE).write_text(modelfile(prompts), encoding="utf-8")


def _write_file(model: Any, prompts: PromptFormat, kind: str, path: Path) -> None:
    """Write one GGUF file; one weight at a time is in memory beside the model."""
    import gguf

    config = model.config
    arch = gguf.MODEL_ARCH[ARCHITECTURES[config.model_type]]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    writer.add_name(Path(prompts.base.name).name)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind}"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _add_sizes(writer, config)
    _add_tokenizer(writer, prompts, config.vocab_size)
    for name, weight in _weights(model, arch):
        stored = _stored_type(weight, kind)
        block, size = gguf.GGML_QUANT_SIZES[stored]
        size_in_bytes = weight.numel() // block * size
        # Any type but uint8 means that the shape counts weights, not bytes.
        writer.add_tensor_info(name, weight.shape, "float32", size_in_bytes, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, weight in _weights(model, arch):
        values, stored = weight.float().cpu().numpy(), _stored_type(weight, kind)
        if weight.ndim > 1 and not abs(values).max() < 65520:  # what rounds to the largest number of F16
            raise Failed(f"{path.name}: {name} has weights that F16 cannot hold.")
        writer.write_tensor_data(gguf.quantize(values, stored))
    writer.close()


def _add_sizes(writer: Any, config: Any) -> None:
    """Add the sizes of the layers and the rotary embedding."""
    window = config.max_position_embeddings
    if getattr(config, "use_sliding_window", True):  # llama.cpp attends to all tokens: same up to the window
        window = min(getattr(config, "sliding_window", None) or window, window)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(window)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _add_tokenizer(writer: Any, prompts: PromptFormat, size: int) -> None:
    """Add vocabulary, merges, special tokens and chat template.

    Args:
        writer: of the file.
        prompts: with the tokenizer.
        size: number of embeddings; those without a token are padding.
    """
    from gguf import TokenType

    tokenizer = prompts.base.tokenizer
    vocabulary = tokenizer.get_vocab()
    texts = {number: text for text, number in vocabulary.items()}
    kinds = dict.fromkeys(texts, TokenType.NORMAL)
    for number, token in tokenizer.added_tokens_decoder.items():
        kinds[number] = TokenType.CONTROL if token.special else TokenType.USER_DEFINED
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_split_name(tokenizer))
    writer.add_token_list([texts.get(number) or _padding(number, vocabulary) for number in range(size)])
    writer.add_token_types([kinds.get(number, TokenType.UNUSED) for number in range(size)])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    ids = dict(zip(STOP_KEYS, _ordered_stops(prompts), strict=False))
    ids |= {"bos": tokenizer.bos_token_id, "pad": tokenizer.pad_token_id}
    for name, number in ids.items():
        if number is not None:
            getattr(writer, f"add_{name}_token_id")(number)
    # The chat template writes the begin token, if there is one, so llama.cpp must not add a second one.
    writer.add_add_bos_token(False)
    writer.add_chat_template(prompts.jinja())


def _padding(number: int, taken: Collection[str]) -> str:
    """A text for an embedding without a token; llama.cpp loads no vocabulary with a text twice."""
    names = (f"[PAD{number}{'_' * length}]" for length in itertools.count())
    return next(name for name in names if name not in taken)


def _ordered_stops(prompts: PromptFormat) -> list[int]:
    """The stop ids: the token that ends a text, then the one that ends a turn, then others."""
    tokenizer, end = prompts.base.tokenizer, turns_of(prompts.template).after_answer

    def order(number: int) -> tuple[bool, bool]:
        return number != tokenizer.eos_token_id, tokenizer.convert_ids_to_tokens(number) not in end

    return sorted(prompts.stop_ids(), key=order)


def _weights(model: Any, arch: Any) -> Iterator[tuple[str, Any]]:
    """GGUF's names and the weights, rows in its order."""
    import gguf
    import torch
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = model.config
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if arch == gguf.MODEL_ARCH.LLAMA and (".q_proj." in name or ".k_proj." in name):
            heads = config.num_attention_heads if ".q_proj." in name else config.num_key_value_heads
            # Its rotary embedding turns neighbours in place of halves.
            weight = weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(weight.shape)
        yield names.get_name(name, (".weight", ".bias")), weight
    if (rope := config.rope_parameters)["rope_type"] == "llama3":
        scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
        plain = 1 / rope["rope_theta"] ** (torch.arange(len(scaled)) / len(scaled))
        yield f"{gguf.TENSOR_NAMES[gguf.MODEL_TENSOR.ROPE_FREQS]}.weight", plain / scaled


def _stored_type(weight: Any, kind: str) -> Any:
    """The type in which a weight is stored in a file of a kind."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if weight.ndim == 1:
        return GGMLQuantizationType.F32
    block, _ = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    return GGMLQuantizationType[F16 if weight.shape[-1] % block else kind]


def modelfile(prompts: PromptFormat) -> str:
    """Ollama's Modelfile: weights, template with the system message, stop tokens and greedy decoding."""
    texts = _texts(prompts)
    lines = [
        f"# {file_name(Q8_0)} takes half of the memory, and answers a little differently.",
        f"FROM ./{file_name(F16)}",
        f'TEMPLATE """{TEXT.sub(lambda name: _go_string(texts[name[0]]), TEMPLATE)}"""',
        *(_stop_line(text) for text in _stop_texts(prompts)),
        *(f"PARAMETER {name} {value}" for name, value in DECODING.items()),
    ]
    return "\n".join(lines) + "\n"


def _texts(prompts: PromptFormat) -> dict[str, str]:
    """The texts of `TEMPLATE` by their names in it."""
    turns, system = turns_of(prompts.template), neutralize_control_tokens(prompts.system_message)
    opening = f"{turns.before_system}{system}{turns.after_system}" if system else turns.without_system
    texts = {name.upper(): text for name, text in vars(turns).items()} | {"OPENING": opening}
    return {name: texts[name] for name in TEXT.findall(TEMPLATE)}


def _go_string(text: str) -> str:
    """A text as a string of Go in ASCII: Ollama drops other spaces than " ", soft hyphens and joiners."""
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub("[^ -~]", lambda sign: f"\\U{ord(sign[0]):08x}", quoted)


def _kept_by_ollama(text: str) -> str:
    """What Ollama keeps of the text of a Modelfile: printable characters and spaces."""
    return "".join(sign for sign in text if sign.isprintable() or sign in "\t\r\n")


def _stop_texts(prompts: PromptFormat) -> list[str]:
    """The texts of the stop tokens."""
    tokenizer = prompts.base.tokenizer
    return [
        tokenizer.decode([number], clean_up_tokenization_spaces=False) for number in _ordered_stops(prompts)
    ]


def _stop_line(text: str) -> str:
    """A line of the Modelfile with a stop text; a Modelfile knows quotes, but no escapes."""
    quotes = '"""' if '"' in text else '"'
    return f"PARAMETER stop {quotes}{text}{quotes}"


def parity_problems(prompts: PromptFormat, folder: Path) -> list[str]:
    """Compare what other programs read from the files with what training used; empty if all is equal.

    transformers reads tokenizer and template. How a text is divided before merging is code of llama.cpp, of
    which a file has only the name, so the division of training is used.
    """
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerFast

    name = file_name(F16)  # the other file is written with the same tokenizer
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, gguf_file=name)
    tokenizer.backend_tokenizer.pre_tokenizer = prompts.base.tokenizer.backend_tokenizer.pre_tokenizer
    fields = GGUFReader(folder / name).fields
    keys = [f"tokenizer.ggml.{key}_token_id" for key in STOP_KEYS]
    stops = [fields[key].contents() for key in keys if key in fields]
    return prompts.differences(tokenizer, stops, name) + _modelfile_problems(prompts, folder)


def _modelfile_problems(prompts: PromptFormat, folder: Path) -> list[str]:
    """Compare the texts of the Modelfile, as Ollama reads it, with those of training; empty if equal."""
    kept = _kept_by_ollama((folder / MODELFILE).read_bytes().decode())
    names = TEXT.findall(TEMPLATE)
    pattern = r'("(?:[^"\\]|\\.)*")'.join(map(re.escape, TEXT.split(TEMPLATE)))
    template = re.search(f'^TEMPLATE """{pattern}"""$', kept, flags=re.MULTILINE)
    found = dict(zip(names, map(ast.literal_eval, template.groups()), strict=True)) if template else {}
    problems = [
        f"{MODELFILE} has the text {found.get(name)!r:.300}, training {text!r:.300}"
        for name, text in _texts(prompts).items()
        if found.get(name) != text
    ]
    lost = [text for text in _stop_texts(prompts) if f"\n{_stop_line(text)}\n" not in kept]
    return problems + [f"{MODELFILE} lacks the stop text {text!r}" for text in lost]
