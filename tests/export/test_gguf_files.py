"""GGUF files of a merged model, read by transformers, and the Modelfile."""

import ast
import importlib.util
import json
import re
from pathlib import Path

import jinja2
import pytest
import torch
from gguf import GGUFReader
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)  # fmt: skip

from fine_tuning import train
from medqa.artifacts.output_dir import TrainingFolders, require_place_for_exports
from medqa.data.dataset_io import first_questions
from medqa.export import gguf_files
from medqa.export.gguf_files import F16, Q8_0, file_name
from medqa.modeling.base_model import BaseModel
from medqa.modeling.chat_template import apply_chat_template, bind
from medqa.modeling.prompt_format import PromptFormat
from medqa.runtime.errors import Failed, UserError

SYSTEM = 'Be brief, "Dr" LEAD; name {{ doses }}.'
SIZES = {
    "vocab_size": 520, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 256,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}  # fmt: skip


def prompt_format(folder: Path, template=apply_chat_template, system: str = SYSTEM) -> PromptFormat:
    """How the model in a folder is prompted."""
    base = BaseModel(str(folder), "MODEL_NAME")
    return PromptFormat(base, bind(template, base.tokenizer), system, ("5 mg?\n\nOr <|eot_id|> 10 mg?",))


@pytest.fixture
def prompts(tiny_model) -> PromptFormat:
    """How the tiny model is prompted."""
    return prompt_format(tiny_model)


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(**SIZES, tie_word_embeddings=False),
        LlamaConfig(**SIZES, attention_bias=True, rope_parameters=LLAMA3),
        MistralConfig(**SIZES, sliding_window=128),
        Qwen2Config(**{**SIZES, "head_dim": 16}, tie_word_embeddings=True),
        Qwen3Config(**{**SIZES, "head_dim": 128}),  # transformers expects this size of every Qwen3
    ],
    ids=lambda config: f"{config.model_type}-{config.rope_parameters['rope_type']}",
)
def test_transformers_loads_the_same_model(config, prompts, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for weight in model.parameters():  # also norms and biases, which begin as ones and zeros
        weight.data = (weight + 0.2 * torch.randn_like(weight)).half().float()
    gguf_files.write(model, prompts, tmp_path)
    assert gguf_files.parity_problems(prompts, tmp_path) == []
    llama3 = config.rope_parameters["rope_type"] == "llama3"
    # transformers reads neither that embedding nor a bias of Llama, llama.cpp does.
    own = {"config": config} if llama3 else {}
    loaded, rounded = (
        AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file=file_name(kind), dtype=torch.float32, **own)
        for kind in (F16, Q8_0)
    )
    reader = GGUFReader(tmp_path / file_name(F16))
    factors = [tensor.data for tensor in reader.tensors if tensor.name == "rope_freqs.weight"]
    if llama3:
        rotary = model.model.rotary_emb
        plain, _ = rotary.compute_default_rope_parameters(config)
        torch.testing.assert_close(plain / torch.tensor(factors[0]), rotary.inv_freq)
        assert factors[0].min() == 1 and factors[0].max() == 8
    else:
        assert not factors
    ids = torch.arange(5, 60)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)
    # Vectors are stored exactly in both files; a matrix of the second is half a step away at most,
    # and 127 roundings of the step, which is stored in 16 bits.
    for (name, weight), other in zip(model.named_parameters(), rounded.parameters(), strict=True):
        if weight.ndim == 1:
            assert (weight == other).all()
        else:
            steps = weight.reshape(-1, 32).abs().amax(1, keepdim=True) / 127
            apart = (weight - other).reshape(-1, 32).abs()
            assert (apart <= steps * 0.57).all() and apart.max() > 0, name
    assert loaded.config.max_position_embeddings == (128 if config.model_type == "mistral" else 256)


def test_an_export_answers_like_the_merged_model(config, tmp_path, monkeypatch):
    config.MERGE_TO, config.EXPORT_TO = str(tmp_path / "merged"), str(tmp_path / "exported")
    config.NUM_EPOCHS, config.EVAL_STEPS, config.SAVE_STEPS = 1, 0, 0
    train(config)
    exported = tmp_path / "exported"
    names = {file_name(F16), file_name(Q8_0), "Modelfile", "README.md", "merged_from.json"}
    assert {path.name for path in exported.iterdir()} == names
    card = (exported / "README.md").read_text()
    assert (
        f"ollama create medqa -f {exported}/Modelfile" in card
        and f"--model {exported}/model-F16.gguf" in card
    )
    tokenizer = AutoTokenizer.from_pretrained(exported, gguf_file=file_name(F16))
    models = [
        AutoModelForCausalLM.from_pretrained(config.MERGE_TO, dtype=torch.float32),
        AutoModelForCausalLM.from_pretrained(exported, gguf_file=file_name(F16), dtype=torch.float32),
    ]
    stop = tokenizer.convert_tokens_to_ids("<|eot_id|>")
    for question in first_questions(Path(config.DATASET_DIR), 20):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt"
        )
        answers = [
            model.generate(
                **prompt, do_sample=False, max_new_tokens=12, eos_token_id=stop, pad_token_id=stop
            )[0]
            for model in models
        ]
        both = zip(*(answer.tolist() for answer in answers), strict=False)
        if different := [place for place, (one, other) in enumerate(both) if one != other]:
            with torch.no_grad():
                best, second = models[0](answers[0][None, : different[0]]).logits[0, -1].topk(2).values
            assert best - second < 0.05
        else:
            assert len(answers[0]) == len(answers[1])
    # An export that other programs would prompt otherwise is not kept, and the former one is.
    before = (exported / file_name(F16)).stat().st_mtime_ns
    monkeypatch.setattr(PromptFormat, "differences", lambda *_: ["the prompt is another one"])
    config.MERGE_TO = ""
    with pytest.raises(Failed, match="exported was not written, because the prompt is another one"):
        train(config)
    assert (exported / file_name(F16)).stat().st_mtime_ns == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_weight_that_f16_cannot_hold_is_an_error(prompts, tmp_path):
    model = AutoModelForCausalLM.from_config(LlamaConfig(**SIZES))
    model.model.layers[1].mlp.up_proj.weight.data[0, 0] = 70000
    with pytest.raises(Failed, match="blk.1.ffn_up.weight has weights that F16 cannot hold"):
        gguf_files.write(model, prompts, tmp_path)


def as_jinja(template: str) -> jinja2.Template:
    """A Modelfile's template, which is in Go's language, as Jinja."""
    ends, parts = [], []
    statements = {
        "$first := true": "set now = namespace(first=true)", "$first = false": "set now.first = false",
        "if .System": "if system", "if not $first": "if not now.first", "range .Messages": "for turn in messages",
        'if eq .Role "user"': "if turn.role == 'user'", 'else if eq .Role "assistant"': "elif turn.role == 'assistant'",
        "else": "else",
    }  # fmt: skip
    for code in re.findall(r"\{\{ (.*?) \}\}(?=\{\{|$)", template, flags=re.DOTALL):
        if code.startswith(("if ", "range ")):
            ends.append("endif" if code.startswith("if ") else "endfor")
        if code.startswith('"') or code in (".System", ".Content"):
            python = re.sub(r'"(.*)"', lambda text: repr(ast.literal_eval(text[0])), code)
            parts.append("{{ " + {".System": "system", ".Content": "turn.content"}.get(code, python) + " }}")
        else:
            parts.append("{% " + (ends.pop() if code == "end" else statements[code]) + " %}")
    return jinja2.Template("".join(parts), keep_trailing_newline=True)


# Characters that Ollama drops from a Modelfile, and such as could end a text there.
HIDDEN = (
    '5\u00a0mg, 1\u202f000\u3000µg so\u00adft\u200d\u200c\u2028\ufeff\U000e0041\x7f\r\n\t💊 """ "\\ {{ x }}'
)


def bracketed(question: str, answer: str | None, system: str) -> str:
    """A chat template with characters that Ollama drops."""
    prompt = f"<|begin_of_text|>\u00a0{system}\u2028{question}\u00ad<|eot_id|>\u200d"
    return prompt if answer is None else f"{prompt}{answer}<|eot_id|>"


@pytest.mark.parametrize("template", [apply_chat_template, bracketed])
@pytest.mark.parametrize("system", [SYSTEM, HIDDEN, ""], ids=["plain", "hidden", "none"])
def test_ollama_renders_what_training_rendered(system, template, tiny_model):
    prompts = prompt_format(tiny_model, template, system)
    text = gguf_files.modelfile(prompts)
    assert text.isascii() and "SYSTEM " not in text
    [template] = re.findall(r'^TEMPLATE """(.*)"""$', text, flags=re.MULTILINE)
    assert 'PARAMETER stop "<|eot_id|>"\n' in text and "PARAMETER temperature 0\n" in text
    turns = [{"role": "user", "content": "A?"}, {"role": "assistant", "content": "B."}]
    turns.append({"role": "user", "content": "C?"})
    saved = {"chat_template": prompts.jinja(), "tokenize": False, "add_generation_prompt": True}
    for conversation in (turns[:1], turns):
        for own in ("", "Own message."):
            found = as_jinja(template).render(system=own, messages=conversation)
            given = [{"role": "system", "content": own}] * bool(own) + conversation
            assert found == prompts.base.tokenizer.apply_chat_template(given, **saved)
            assert found.count("<|begin_of_text|>") == 1


@pytest.mark.parametrize(
    "before, after, problem",
    [
        ("\\U000000a0", "\u00a0", "has the text '.*5mg.*', training '.*5.xa0mg"),
        ("{{ range", "{{ rang", "has the text None, training"),
        ('stop "<|eot_id|>"', 'stop "<|eot\u00ad_id|>', "lacks the stop text '<.eot_id.>'"),
    ],
)
def test_a_modelfile_with_another_text_is_found(before, after, problem, tiny_model, tmp_path):
    prompts = prompt_format(tiny_model, system="Give 5\u00a0mg.")
    gguf_files.write(AutoModelForCausalLM.from_config(LlamaConfig(**SIZES)), prompts, tmp_path)
    assert gguf_files.parity_problems(prompts, tmp_path) == []
    path = tmp_path / "Modelfile"
    path.write_text(path.read_text().replace(before, after))
    assert re.search(f"Modelfile {problem}", gguf_files.parity_problems(prompts, tmp_path)[0])


def test_what_gguf_cannot_hold_is_refused(tiny_model, monkeypatch):
    def reason(template=apply_chat_template, system: str = SYSTEM, config=None, tokenizer: str = "") -> str:
        prompts = prompt_format(tiny_model, template, system)
        if config is not None:
            vars(prompts.base)["model_config"] = config
        if tokenizer:
            core = prompts.base.tokenizer.backend_tokenizer
            prompts.base.tokenizer._tokenizer = type(core).from_str(
                core.to_str().replace(*tokenizer.split("→"))
            )
        with pytest.raises(UserError) as refused:
            gguf_files.require_exportable(prompts)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    gguf_files.require_exportable(prompt_format(tiny_model))
    assert "architecture is phi3, and these are written: llama, mistral, qwen2, qwen3" in reason(
        config=Phi3Config(pad_token_id=0)
    )
    yarn = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 64}
    assert "rotary embedding is {" in reason(config=Qwen2Config(**SIZES, rope_parameters=yarn))
    assert "rotary embedding is {" in reason(config=Qwen2Config(**SIZES, rope_parameters=LLAMA3))
    assert "activation is gelu" in reason(config=LlamaConfig(**SIZES, hidden_act="gelu"))
    assert "divides texts otherwise" in reason(tokenizer='"ignore_merges":false→"ignore_merges":true')
    assert "divides texts otherwise" in reason(
        tokenizer='"normalizer":null→"normalizer":{"type":"Lowercase"}'
    )
    assert "divides texts otherwise" in reason(
        tokenizer='"add_prefix_space":false,"trim→"add_prefix_space":true,"trim'
    )
    assert "join texts" in reason(
        lambda question, answer, system: f"{system.upper()}{question}\n{answer or ''}"
    )
    suffix = '"end_of_word_suffix":null→"end_of_word_suffix":"</w>"'
    assert "divides texts otherwise" in reason(tokenizer=suffix)
    for flag in ("single_word", "lstrip", "rstrip"):
        flagged = reason(tokenizer=f'"{flag}":false→"{flag}":true')
        assert "its token '<|begin_of_text|>' has lstrip, rstrip or single_word" in flagged
    monkeypatch.setattr(gguf_files, "STOP_KEYS", ("eos",))
    assert "it has 2 stop tokens" in reason()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert reason() == "EXPORT_TO is on, but gguf is not installed. Install it with: pip install gguf"


@pytest.mark.parametrize(
    "token, line",
    [("Ċ", 'stop "\n"'), ('"', 'stop """""""'), ("Ġ", 'stop " "'), ("Ã", "")],
)
def test_a_stop_token_that_is_a_byte(token, line, prompts, monkeypatch):
    number = prompts.base.tokenizer.convert_tokens_to_ids(token)
    monkeypatch.setattr(PromptFormat, "stop_ids", lambda self: [number])
    if line:
        assert f"\nPARAMETER {line}\n" in gguf_files.modelfile(prompts)
        gguf_files.require_exportable(prompts)
    else:
        with pytest.raises(UserError, match="cannot hold its stop token"):
            gguf_files.require_exportable(prompts)


def test_padding_gets_no_text_of_the_vocabulary(prompts, tmp_path):
    size = len(prompts.base.tokenizer)
    prompts.base.tokenizer.add_tokens([f"[PAD{size + 2}]"])
    gguf_files.write(AutoModelForCausalLM.from_config(LlamaConfig(**SIZES)), prompts, tmp_path)
    texts = GGUFReader(tmp_path / file_name(F16)).get_field("tokenizer.ggml.tokens").contents()
    assert len(texts) == len(set(texts)) == SIZES["vocab_size"]
    assert texts[size : size + 3] == [f"[PAD{size + 2}]", f"[PAD{size + 1}]", f"[PAD{size + 2}_]"]


@pytest.mark.parametrize(
    "pre_tokenizer, ignore_merges, name",
    [
        ({"type": "Digits", "individual_digits": True}, False, "smollm"),
        (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", True, "llama-bpe"),
        (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", False, "qwen2"),
    ],
)  # fmt: skip
def test_a_tokenizer_gets_the_name_that_llama_cpp_knows(
    pre_tokenizer, ignore_merges, name, prompts, tmp_path
):
    core = json.loads(prompts.base.tokenizer.backend_tokenizer.to_str())
    split = {"type": "Split", "pattern": {"Regex": pre_tokenizer}, "behavior": "Isolated", "invert": False}
    first = pre_tokenizer if isinstance(pre_tokenizer, dict) else split
    core["pre_tokenizer"]["use_regex"] = isinstance(pre_tokenizer, dict)
    core["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [first, core["pre_tokenizer"]]}
    core["model"]["ignore_merges"] = ignore_merges
    backend = type(prompts.base.tokenizer.backend_tokenizer)
    prompts.base.tokenizer._tokenizer = backend.from_str(json.dumps(core))
    model = AutoModelForCausalLM.from_config(LlamaConfig(**SIZES))
    gguf_files.write(model, prompts, tmp_path)
    assert GGUFReader(tmp_path / file_name(Q8_0)).get_field("tokenizer.ggml.pre").contents() == name
    assert gguf_files.parity_problems(prompts, tmp_path) == []


def test_two_exports_never_share_a_folder(tmp_path):
    def require(merge_to: str, export_to: str) -> None:
        places = (str(tmp_path / place) if place else "" for place in (merge_to, export_to))
        require_place_for_exports(
            TrainingFolders(str(tmp_path / "results"), str(tmp_path / "datasets"), "owner/name", *places)
        )

    require("merged", "exported")
    require("", "exported")
    with pytest.raises(UserError, match="MERGE_TO .* would replace EXPORT_TO"):
        require("x", "x")
    with pytest.raises(UserError, match="EXPORT_TO .* would replace MERGE_TO"):
        require("x/merged", "x")
    with pytest.raises(UserError, match="EXPORT_TO .* would replace OUTPUT_DIR"):
        require("", "results")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="EXPORT_TO .* exists and is not a merged model"):
        require("", "mine")
